/* IP addresses, prefixes and MAC addresses as values, of both families. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define IP_TEXT_SIZE   46 /* INET6_ADDRSTRLEN */
#define CIDR_TEXT_SIZE 50
#define MAC_SIZE       6
#define MAC_TEXT_SIZE  18

struct ip {
	uint8_t family;    /* AF_INET, AF_INET6; 0: none */
	uint8_t bytes[16]; /* network order; AF_INET uses the first four, the rest is zero */
};

struct cidr {
	struct ip ip;
	uint8_t prefix; /* bits */
};

struct ip ip4(uint32_t host_order);
/* The IPv4 address in host order. Only for family AF_INET. */
uint32_t ip4_value(const struct ip *ip);
/* Bytes of an address of this family: 4 or 16. */
size_t ip_size(uint8_t family);

int ip_compare(const struct ip *a, const struct ip *b);
bool ip_equal(const struct ip *a, const struct ip *b);
bool ip_is_any(const struct ip *ip);        /* 0.0.0.0 or :: */
bool ip_is_loopback(const struct ip *ip);   /* 127/8 or ::1 */
bool ip_is_link_local(const struct ip *ip); /* 169.254/16 or fe80::/10 */
bool ip_is_multicast(const struct ip *ip);  /* 224/4 or ff00::/8 */
/* The last 32 bits of an IPv4 address, the last 64 of an IPv6 one, as a number; and the address
 * that is so many further, with those before them as they are. */
uint64_t ip_low(const struct ip *ip);
struct ip ip_further(const struct ip *ip, uint64_t by);

/* First and last address of a prefix. */
struct ip cidr_first(const struct cidr *cidr);
struct ip cidr_last(const struct cidr *cidr);
bool cidr_contains(const struct cidr *cidr, const struct ip *ip);
bool cidr_overlap(const struct cidr *a, const struct cidr *b);
/* How many addresses it has; 2^64 and more count as 2^64 - 1. */
uint64_t cidr_size(const struct cidr *cidr);
bool cidr_equal(const struct cidr *a, const struct cidr *b);
/* The link-local address that belongs to a MAC address (RFC 4291, appendix A), as fe80::/64 has it.
 */
struct cidr cidr_link_local(const uint8_t mac[MAC_SIZE]);

/* Each writes into a buffer of the size named above and returns it. */
const char *ip_format(const struct ip *ip, char text[IP_TEXT_SIZE]);
const char *cidr_format(const struct cidr *cidr, char text[CIDR_TEXT_SIZE]);
const char *mac_format(const uint8_t mac[MAC_SIZE], char text[MAC_TEXT_SIZE]);
