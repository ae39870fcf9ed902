/*
 * Every name, number and address from outside passes here, on both sides of the socket. What is
 * quoted in an error is cut and cleaned, since it goes to terminals and logs.
 */
#include "lib/parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct quoted quote(const char *text)
{
	struct quoted quoted = {{0}};
	size_t n = 0;

	quoted.text[n++] = '\'';
	for (; *text && n < 61; text++)
		quoted.text[n++] = isprint((unsigned char)*text) ? *text : '?';
	if (*text)
		n += (size_t)snprintf(quoted.text + n, 4, "...");
	quoted.text[n] = '\'';
	return quoted;
}

int parse_name(const char *text, const char *field, char ret[NAME_SIZE], struct error *err)
{
	size_t length = strlen(text);
	bool good = length >= 1 && length < NAME_SIZE && isalnum((unsigned char)text[0]);

	for (const char *c = text; good && *c; c++)
		good = isalnum((unsigned char)*c) || strchr("._-", *c);
	if (!good)
		return error_field(err, field,
		        "%s: %s is no name: 1 to %d letters, digits, '.', '_' or '-', a letter or "
		        "digit first",
		        field, quote(text).text, NAME_SIZE - 1);
	memcpy(ret, text, length + 1);
	return 0;
}

int parse_netns(const char *text, const char *field, char ret[NAME_SIZE], struct error *err)
{
	size_t length = strlen(text);
	bool good = length >= 1 && length < NAME_SIZE && strcmp(text, ".") != 0 &&
	            strcmp(text, "..") != 0;

	for (const char *c = text; good && *c; c++)
		good = *c >= ' ' && *c <= '~' && *c != '/';
	if (!good)
		return error_field(err, field,
		        "%s: %s is no name of a namespace: 1 to %d printable characters without "
		        "'/'",
		        field, quote(text).text, NAME_SIZE - 1);
	memcpy(ret, text, length + 1);
	return 0;
}

int parse_source_path(const char *text, const char *field, char ret[SOURCE_SIZE], struct error *err)
{
	size_t length = strlen(text);
	bool good = text[0] == '/' && length < SOURCE_SIZE;

	for (const char *c = text; good && *c; c++)
		good = *c >= ' ' && *c <= '~';
	/* So that what is compared with it later is the same text. */
	if (!good || strstr(text, "/../") || strstr(text, "/./") || strstr(text, "//") ||
	        text[length - 1] == '/')
		return error_field(err, field,
		        "%s: %s is no path that netd takes: it begins with '/', has up to %d "
		        "printable characters, and neither '.' nor '..' nor '//' in it",
		        field, quote(text).text, SOURCE_SIZE - 1);
	memcpy(ret, text, length + 1);
	return 0;
}

/* Below /proc/sys/net, they mean every interface, and those to come. */
static bool is_everyones(const char *name)
{
	return strcmp(name, "all") == 0 || strcmp(name, "default") == 0;
}

int parse_ifname(const char *text, const char *field, char ret[IFNAMSIZ], struct error *err)
{
	size_t length = strlen(text);
	bool good = length >= 1 && length < IFNAMSIZ && strcmp(text, ".") != 0 &&
	            strcmp(text, "..") != 0;

	for (const char *c = text; good && *c; c++)
		good = isgraph((unsigned char)*c) && !strchr("/:%\"'\\", *c);
	if (!good)
		return error_field(err, field,
		        "%s: %s is no interface name: 1 to %d printable characters without spaces, "
		        "quotes, "
		        "'/', ':' or '%%'",
		        field, quote(text).text, IFNAMSIZ - 1);
	if (is_everyones(text))
		return error_field(err, field,
		        "%s: %s is no interface name: the kernel has its settings for all "
		        "interfaces "
		        "under it; choose another",
		        field, quote(text).text);
	memcpy(ret, text, length + 1);
	return 0;
}

static bool read_ip(const char *text, struct ip *ret)
{
	struct ip ip = {0};

	ip.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return false;
	*ret = ip;
	return true;
}

int parse_ip(const char *text, const char *field, struct ip *ret, struct error *err)
{
	if (!read_ip(text, ret))
		return error_field(err, field, "%s: %s is no IP address", field, quote(text).text);
	return 0;
}

int parse_number(const char *text, const char *field, unsigned long min, unsigned long max,
        unsigned long *ret, struct error *err)
{
	unsigned long value = 0;
	bool good = *text && strlen(text) <= 10;

	for (const char *c = text; good && *c; c++) {
		good = isdigit((unsigned char)*c);
		value = value * 10 + (unsigned long)(*c - '0');
	}
	if (!good || value < min || value > max)
		return error_field(err, field, "%s: %s is no number from %lu to %lu", field,
		        quote(text).text, min, max);
	*ret = value;
	return 0;
}

/* ADDRESS/PREFIX, whatever bits the address has. */
static bool read_cidr(const char *text, struct cidr *ret)
{
	char address[IP_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	struct cidr cidr = {0};
	unsigned long prefix;
	struct error ignored;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (!read_ip(address, &cidr.ip) ||
	        parse_number(slash + 1, "", 0, ip_size(cidr.ip.family) * 8, &prefix, &ignored) < 0)
		return false;
	cidr.prefix = (uint8_t)prefix;
	*ret = cidr;
	return true;
}

int parse_cidr(const char *text, const char *field, struct cidr *ret, struct error *err)
{
	if (read_cidr(text, ret))
		return 0;
	return error_field(err, field,
	        "%s: %s is no address with its prefix length; write it as ADDRESS/PREFIX, like "
	        "10.1.0.1/24",
	        field, quote(text).text);
}

int parse_subnet(const char *text, const char *field, struct cidr *ret, struct error *err)
{
	char clean[CIDR_TEXT_SIZE];
	struct cidr cidr, network;

	if (!read_cidr(text, &cidr))
		return error_field(err, field,
		        "%s: %s is no subnet; write it as ADDRESS/PREFIX, like 10.1.0.0/24", field,
		        quote(text).text);
	network = (struct cidr){cidr_first(&cidr), cidr.prefix};
	if (!ip_equal(&network.ip, &cidr.ip))
		return error_field(err, field, "%s: %s has host bits set; its network is %s", field,
		        quote(text).text, cidr_format(&network, clean));
	*ret = cidr;
	return 0;
}

static const struct {
	const char *name;
	int64_t bits;
} rate_units[] = {{"gbit", 1000000000}, {"mbit", 1000000}, {"kbit", 1000}, {"bit", 1}};

int parse_rate(const char *text, const char *field, int64_t *ret, struct error *err)
{
	size_t digits = strspn(text, "0123456789");
	int64_t rate = -1;

	for (size_t i = 0; i < sizeof(rate_units) / sizeof(*rate_units); i++)
		if (digits >= 1 && digits <= 12 && text[0] != '0' &&
		        strcmp(text + digits, rate_units[i].name) == 0 &&
		        __builtin_mul_overflow(
		                (int64_t)strtoll(text, NULL, 10), rate_units[i].bits, &rate))
			rate = RATE_MAX + 1;
	if (rate < 0)
		return error_field(err, field,
		        "%s: %s is no rate; write a whole number of bit, kbit, mbit or gbit per "
		        "second, as in 10mbit",
		        field, quote(text).text);
	if (rate < RATE_MIN || rate > RATE_MAX)
		return error_field(err, field, "%s: %s: a rate is from 8kbit to 100gbit", field,
		        quote(text).text);
	*ret = rate;
	return 0;
}

const char *rate_format(int64_t rate, char text[RATE_TEXT_SIZE])
{
	size_t i = 0;

	while (rate % rate_units[i].bits != 0)
		i++;
	snprintf(text, RATE_TEXT_SIZE, "%" PRId64 "%s", rate / rate_units[i].bits,
	        rate_units[i].name);
	return text;
}

int parse_subnet_or_size(const char *text, const char *field, struct cidr *ret, struct error *err)
{
	struct cidr cidr = {0};
	unsigned long prefix;

	if (text[0] != '/')
		return parse_subnet(text, field, ret, err);
	if (parse_number(text + 1, field, 0, 128, &prefix, err) < 0)
		return error_field(err, field, "%s: %s is no size; write it as /PREFIX, like /26",
		        field, quote(text).text);
	cidr.ip.family = prefix > 32 ? AF_INET6 : AF_INET;
	cidr.prefix = (uint8_t)prefix;
	*ret = cidr;
	return 0;
}

#define POOL_BITS 24 /* a pool has at most 2^24 subnets */

static int check_pool(const struct pool *pool, const char *field, struct error *err)
{
	bool v6 = pool->cidr.ip.family == AF_INET6;
	unsigned prefix = pool->cidr.prefix, least = v6 ? 16 : 8, most = v6 ? 126 : 30;
	char text[CIDR_TEXT_SIZE];

	cidr_format(&pool->cidr, text);
	if (prefix < least)
		return error_field(err, field, "%s is too large: a /%u at most", text, least);
	if (pool->size < prefix || pool->size > most)
		return error_field(err, field,
		        "the subnets of %s have a prefix length from %u to %u", text, prefix, most);
	if (pool->size - prefix > POOL_BITS)
		return error_field(err, field, "%s has too many /%u: 2^%d at most", text,
		        pool->size, POOL_BITS);
	return 0;
}

int parse_pool(const char *text, const char *field, struct pool *ret, struct error *err)
{
	size_t length = strcspn(text, " \t"), gap = strspn(text + length, " \t");
	char base[CIDR_TEXT_SIZE];
	struct pool pool;
	unsigned long size;
	int r;

	if (length >= sizeof(base) || gap == 0)
		return error_field(err, field,
		        "%s is no pool; write it as BASE/PREFIX SIZE, like 10.208.0.0/12 24",
		        quote(text).text);
	memcpy(base, text, length);
	base[length] = '\0';
	r = parse_subnet(base, field, &pool.cidr, err);
	if (r < 0)
		return r;
	if (parse_number(text + length + gap, field, 0, 128, &size, err) < 0)
		return error_field(err, field,
		        "%s is no size of subnets; write it as BASE/PREFIX SIZE, like "
		        "10.208.0.0/12 24",
		        quote(text + length + gap).text);
	pool.size = (uint8_t)size;
	r = check_pool(&pool, field, err);
	if (r == 0)
		*ret = pool;
	return r;
}

int parse_route(
        const char *text, const char *field, struct cidr *ret, struct ip *via, struct error *err)
{
	const char *comma = strchr(text, ',');
	char subnet[CIDR_TEXT_SIZE];
	struct cidr cidr;
	struct ip ip;
	int r;

	if (!comma || (size_t)(comma - text) >= sizeof(subnet))
		return error_field(err, field,
		        "%s: %s is no route; write it as CIDR,VIA, like 10.9.0.0/16,10.1.0.254",
		        field, quote(text).text);
	memcpy(subnet, text, (size_t)(comma - text));
	subnet[comma - text] = '\0';
	r = parse_subnet(subnet, field, &cidr, err);
	if (r == 0)
		r = parse_ip(comma + 1, field, &ip, err);
	if (r < 0)
		return r;
	if (cidr.ip.family != ip.family)
		return error_field(
		        err, field, "%s: %s: both must be of one family", field, quote(text).text);
	if (cidr.prefix == 0)
		return error_field(err, field,
		        "%s: %s is a default route; that leads through the gateway of a network",
		        field, quote(text).text);
	*ret = cidr;
	*via = ip;
	return 0;
}

int parse_reserve(const char *text, const char *field, char name[NAME_SIZE], struct ip *ret,
        struct error *err)
{
	const char *equal = strchr(text, '=');
	char key[NAME_SIZE];
	int r;

	if (!equal || equal - text >= NAME_SIZE)
		return error_field(err, field,
		        "%s: %s: write it as NAME=IP, like router=10.1.0.254", field,
		        quote(text).text);
	memcpy(key, text, (size_t)(equal - text));
	key[equal - text] = '\0';
	r = parse_name(key, field, key, err);
	if (r == 0)
		r = parse_ip(equal + 1, field, ret, err);
	if (r == 0)
		memcpy(name, key, NAME_SIZE);
	return r;
}

int parse_mac(const char *text, const char *field, uint8_t ret[MAC_SIZE], struct error *err)
{
	static const uint8_t zero[MAC_SIZE];
	uint8_t mac[MAC_SIZE];
	bool good = strlen(text) == MAC_TEXT_SIZE - 1;

	for (int i = 0; good && i < MAC_SIZE; i++) {
		const char *part = text + 3 * i;
		char digits[3] = {part[0], part[1], 0};

		good = isxdigit((unsigned char)part[0]) && isxdigit((unsigned char)part[1]) &&
		       (part[2] == ':' || (i == MAC_SIZE - 1 && part[2] == '\0'));
		mac[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	if (!good)
		return error_field(err, field,
		        "%s: %s is no MAC address; write six bytes, like 02:00:00:00:00:01", field,
		        quote(text).text);
	if ((mac[0] & 1) || memcmp(mac, zero, sizeof(mac)) == 0)
		return error_field(err, field, "%s: %s is no MAC address of one interface%s", field,
		        quote(text).text,
		        (mac[0] & 1) ? " (it is a group's: the first byte is odd)" : "");
	memcpy(ret, mac, sizeof(mac));
	return 0;
}
