/* Arithmetic on addresses: bytes in network order, so that both families are the same code. */
#include "lib/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct ip ip4(uint32_t host_order)
{
	struct ip ip = {.family = AF_INET};
	uint32_t value = htonl(host_order);

	memcpy(ip.bytes, &value, sizeof(value));
	return ip;
}

uint32_t ip4_value(const struct ip *ip)
{
	uint32_t value;

	memcpy(&value, ip->bytes, sizeof(value));
	return ntohl(value);
}

size_t ip_size(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

int ip_compare(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, ip_size(a->family));
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return ip_compare(a, b) == 0;
}

bool ip_is_any(const struct ip *ip)
{
	static const uint8_t zero[16];

	return memcmp(ip->bytes, zero, ip_size(ip->family)) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = {[15] = 1};

	if (ip->family == AF_INET)
		return ip->bytes[0] == 127;
	return memcmp(ip->bytes, one, sizeof(one)) == 0;
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip->family == AF_INET)
		return ip->bytes[0] == 169 && ip->bytes[1] == 254;
	return ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool ip_is_multicast(const struct ip *ip)
{
	return ip->family == AF_INET ? ip->bytes[0] >> 4 == 14 : ip->bytes[0] == 0xff;
}

/* Where the part that counts as a number begins. */
static size_t low_start(const struct ip *ip)
{
	return ip->family == AF_INET6 ? 8 : 0;
}

uint64_t ip_low(const struct ip *ip)
{
	uint64_t value = 0;

	for (size_t i = low_start(ip); i < ip_size(ip->family); i++)
		value = value << 8 | ip->bytes[i];
	return value;
}

struct ip ip_further(const struct ip *ip, uint64_t by)
{
	struct ip further = *ip;
	uint64_t value = ip_low(ip) + by;

	for (size_t i = ip_size(ip->family); i-- > low_start(ip); value >>= 8)
		further.bytes[i] = (uint8_t)value;
	return further;
}

/* The mask's byte at this position. */
static uint8_t mask_byte(uint8_t prefix, size_t position)
{
	size_t bit = position * 8;

	if (prefix >= bit + 8)
		return 0xff;
	if (prefix <= bit)
		return 0;
	return (uint8_t)(0xff << (8 - (prefix - bit)));
}

struct ip cidr_first(const struct cidr *cidr)
{
	struct ip ip = cidr->ip;

	for (size_t i = 0; i < ip_size(ip.family); i++)
		ip.bytes[i] &= mask_byte(cidr->prefix, i);
	return ip;
}

struct ip cidr_last(const struct cidr *cidr)
{
	struct ip ip = cidr->ip;

	for (size_t i = 0; i < ip_size(ip.family); i++)
		ip.bytes[i] |= (uint8_t)~mask_byte(cidr->prefix, i);
	return ip;
}

bool cidr_contains(const struct cidr *cidr, const struct ip *ip)
{
	struct cidr other = {*ip, cidr->prefix};
	struct ip a = cidr_first(cidr), b = cidr_first(&other);

	return ip_equal(&a, &b);
}

bool cidr_overlap(const struct cidr *a, const struct cidr *b)
{
	return a->prefix <= b->prefix ? cidr_contains(a, &b->ip) : cidr_contains(b, &a->ip);
}

uint64_t cidr_size(const struct cidr *cidr)
{
	unsigned bits = (unsigned)(8 * ip_size(cidr->ip.family)) - cidr->prefix;

	return bits >= 64 ? UINT64_MAX : (uint64_t)1 << bits;
}

bool cidr_equal(const struct cidr *a, const struct cidr *b)
{
	return a->prefix == b->prefix && ip_equal(&a->ip, &b->ip);
}

struct cidr cidr_link_local(const uint8_t mac[MAC_SIZE])
{
	return (struct cidr){.ip = {.family = AF_INET6,
	                             .bytes = {0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff,
	                                     0xfe, mac[3], mac[4], mac[5]}},
	        .prefix = 64};
}

const char *ip_format(const struct ip *ip, char text[IP_TEXT_SIZE])
{
	if (!inet_ntop(ip->family, ip->bytes, text, IP_TEXT_SIZE))
		text[0] = '\0';
	return text;
}

const char *cidr_format(const struct cidr *cidr, char text[CIDR_TEXT_SIZE])
{
	char address[IP_TEXT_SIZE];

	snprintf(text, CIDR_TEXT_SIZE, "%s/%u", ip_format(&cidr->ip, address), cidr->prefix);
	return text;
}

const char *mac_format(const uint8_t mac[MAC_SIZE], char text[MAC_TEXT_SIZE])
{
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
	        mac[3], mac[4], mac[5]);
	return text;
}
