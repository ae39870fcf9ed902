/*
 * The table of netd's sets and maps, and elements of them as bytes and as text. The order of fields
 * in a set is the order in which the rules load their registers; the bytes of an element are the
 * kernel's, so that encoding, comparing and sorting need no second form.
 *
 * Every element has both ends of its key, also in sets without intervals, where they are equal: two
 * elements are the same if and only if their key bytes are.
 */
#include "daemon/plan/sets.h"
#include "lib/ports.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INET   "inet netd"
#define BRIDGE "bridge netd"

#define KEY(...)  .key = {__VA_ARGS__}
#define DATA(...) .data = {__VA_ARGS__}
#define PUBLISHED .class = ELEMENT_PUBLICATION

/* Longer than any server computes on an answer, shorter than anyone waits for another use of the
 * port. */
#define LATE_SECONDS 10

const struct set sets[] = {
        {INET, "nd_bridges", KEY(FIELD_IFNAME)},
        {INET, "nd_outer", KEY(FIELD_IFNAME)},
        {INET, "nd_nets4", KEY(FIELD_IP4), .interval = true},
        {INET, "nd_nets6", KEY(FIELD_IP6), .interval = true},
        {INET, "nd_gateways4", KEY(FIELD_IP4)},
        {INET, "nd_gateways6", KEY(FIELD_IP6)},
        {INET, "nd_members4", KEY(FIELD_IP4, FIELD_IFNAME), .interval = true},
        {INET, "nd_members6", KEY(FIELD_IP6, FIELD_IFNAME), .interval = true},
        {INET, "nd_pairs", KEY(FIELD_IFNAME, FIELD_IFNAME)},
        {INET, "nd_trusted", KEY(FIELD_IFNAME, FIELD_IFNAME), PUBLISHED},
        {INET, "nd_allowed4", KEY(FIELD_IFNAME, FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED},
        {INET, "nd_allowed6", KEY(FIELD_IFNAME, FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED},
        {INET, "nd_closed", KEY(FIELD_IFNAME)},
        {INET, "nd_apart", KEY(FIELD_IFNAME, FIELD_IFNAME)},
        {INET, "nd_shut", KEY(FIELD_IFNAME)},
        {INET, "nd_served4", KEY(FIELD_IFNAME, FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED},
        {INET, "nd_served6", KEY(FIELD_IFNAME, FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED},
        {INET, "nd_open4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED},
        {INET, "nd_open6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED},
        {INET, "nd_openrng4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), .interval = true,
                PUBLISHED},
        {INET, "nd_openrng6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), .interval = true,
                PUBLISHED},
        /* Ports of namespaces whose flows have just been ended: see render/late.c. */
        {INET, "nd_late4", KEY(FIELD_IP4, FIELD_PORT), .seconds = LATE_SECONDS},
        {INET, "nd_late6", KEY(FIELD_IP6, FIELD_PORT), .seconds = LATE_SECONDS},
        {INET, "nd_laterng4", KEY(FIELD_IP4, FIELD_PORT), .interval = true,
                .seconds = LATE_SECONDS},
        {INET, "nd_laterng6", KEY(FIELD_IP6, FIELD_PORT), .interval = true,
                .seconds = LATE_SECONDS},
        {INET, "nd_masq4", KEY(FIELD_IFNAME)},
        {INET, "nd_masq6", KEY(FIELD_IFNAME)},
        {INET, "nd_snat4", KEY(FIELD_IFNAME), DATA(FIELD_IP4)},
        {INET, "nd_snat6", KEY(FIELD_IFNAME), DATA(FIELD_IP6)},
        {INET, "nd_in4", KEY(FIELD_IFNAME), DATA(FIELD_VERDICT)},
        {INET, "nd_in6", KEY(FIELD_IFNAME), DATA(FIELD_VERDICT)},
        {INET, "nd_switched4", KEY(FIELD_IFNAME)},
        {INET, "nd_switched6", KEY(FIELD_IFNAME)},
        {INET, "nd_own4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT)},
        {INET, "nd_own6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT)},
        {INET, "nd_pub4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP4, FIELD_PORT),
                PUBLISHED},
        {INET, "nd_any4", KEY(FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP4, FIELD_PORT), PUBLISHED},
        {INET, "nd_rng4", KEY(FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP4), .interval = true,
                PUBLISHED},
        {INET, "nd_pubrng4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP4),
                .interval = true, PUBLISHED},
        {INET, "nd_pub6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP6, FIELD_PORT),
                PUBLISHED},
        {INET, "nd_any6", KEY(FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP6, FIELD_PORT), PUBLISHED},
        {INET, "nd_rng6", KEY(FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP6), .interval = true,
                PUBLISHED},
        {INET, "nd_pubrng6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), DATA(FIELD_IP6),
                .interval = true, PUBLISHED},
        /* Ports that only some interfaces reach, and which do; the same of sources. An address that
         * stands for every one is the widest prefix. */
        {INET, "nd_onlyvia4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), .interval = true},
        {INET, "nd_onlyvia6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), .interval = true},
        {INET, "nd_via4", KEY(FIELD_IFNAME, FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT),
                .interval = true, PUBLISHED},
        {INET, "nd_via6", KEY(FIELD_IFNAME, FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT),
                .interval = true, PUBLISHED},
        {INET, "nd_onlyfrom4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), .interval = true},
        {INET, "nd_onlyfrom6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), .interval = true},
        {INET, "nd_from4", KEY(FIELD_IP4, FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), .interval = true,
                PUBLISHED},
        {INET, "nd_from6", KEY(FIELD_IP6, FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), .interval = true,
                PUBLISHED},
        /* What went through a port, in both directions. */
        {INET, "nd_countany4", KEY(FIELD_PROTOCOL, FIELD_PORT), PUBLISHED, .counter = true},
        {INET, "nd_countany6", KEY(FIELD_PROTOCOL, FIELD_PORT), PUBLISHED, .counter = true},
        {INET, "nd_countpub4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED,
                .counter = true},
        {INET, "nd_countpub6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), PUBLISHED,
                .counter = true},
        {INET, "nd_countrng4", KEY(FIELD_IP4, FIELD_PROTOCOL, FIELD_PORT), .interval = true,
                PUBLISHED, .counter = true},
        {INET, "nd_countrng6", KEY(FIELD_IP6, FIELD_PROTOCOL, FIELD_PORT), .interval = true,
                PUBLISHED, .counter = true},
        {BRIDGE, "nd_ports", KEY(FIELD_IFNAME)},
        {BRIDGE, "nd_isolated", KEY(FIELD_IFNAME)},
        {BRIDGE, "nd_routers", KEY(FIELD_IFNAME)},
        {BRIDGE, "nd_mac", KEY(FIELD_IFNAME, FIELD_MAC)},
        {BRIDGE, "nd_ip4", KEY(FIELD_IFNAME, FIELD_IP4)},
        {BRIDGE, "nd_ip6", KEY(FIELD_IFNAME, FIELD_IP6)},
        {BRIDGE, "nd_target6", KEY(FIELD_IFNAME, FIELD_TARGET6)},
        {BRIDGE, "nd_ratein", KEY(FIELD_IFNAME), .limit = true},
        {BRIDGE, "nd_rateout", KEY(FIELD_IFNAME), .limit = true},
        {NULL, NULL},
};

const struct set *set_find(const char *table, const char *name)
{
	for (const struct set *set = sets; set->name; set++)
		if (strcmp(set->table, table) == 0 && strcmp(set->name, name) == 0)
			return set;
	return NULL;
}

unsigned set_field_size(enum field field)
{
	switch (field) {
	case FIELD_IFNAME:
	case FIELD_IP6:
	case FIELD_TARGET6:
		return 16;
	case FIELD_IP4:
	case FIELD_VERDICT:
		return 4;
	case FIELD_MAC:
		return MAC_SIZE;
	case FIELD_PORT:
		return 2;
	case FIELD_PROTOCOL:
		return 1;
	case FIELD_NONE:
		return 0;
	}
	return 0;
}

static unsigned padded(unsigned size)
{
	return (size + 3) / 4 * 4;
}

unsigned set_fields_size(const enum field fields[SET_FIELDS_MAX])
{
	unsigned size = 0;

	for (unsigned i = 0; i < SET_FIELDS_MAX && fields[i] != FIELD_NONE; i++)
		size += padded(set_field_size(fields[i]));
	return size;
}

/* The field whose bytes start at this offset. */
static enum field field_at(const enum field fields[SET_FIELDS_MAX], unsigned offset)
{
	unsigned at = 0;

	for (unsigned i = 0; i < SET_FIELDS_MAX && fields[i] != FIELD_NONE; i++) {
		if (at == offset)
			return fields[i];
		at += padded(set_field_size(fields[i]));
	}
	return FIELD_NONE;
}

static void append_key(
        struct element *element, enum field field, const void *first, const void *last, size_t size)
{
	enum field expected = field_at(element->set->key, element->key_size);

	assert(expected == field || (expected == FIELD_TARGET6 && field == FIELD_IP6));
	memcpy(element->key + element->key_size, first, size);
	memcpy(element->key_end + element->key_size, last, size);
	element->key_size += padded(set_field_size(field));
}

static void append_data(struct element *element, enum field field, const void *bytes, size_t size)
{
	assert(field_at(element->set->data, element->data_size) == field);
	memcpy(element->data + element->data_size, bytes, size);
	element->data_size += padded(set_field_size(field));
}

static enum field ip_field(const struct ip *ip)
{
	return ip->family == AF_INET ? FIELD_IP4 : FIELD_IP6;
}

void element_key_ifname(struct element *element, const char *ifname)
{
	char bytes[IFNAMSIZ] = {0};

	snprintf(bytes, sizeof(bytes), "%s", ifname);
	append_key(element, FIELD_IFNAME, bytes, bytes, sizeof(bytes));
}

void element_key_ip(struct element *element, const struct ip *ip)
{
	append_key(element, ip_field(ip), ip->bytes, ip->bytes, ip_size(ip->family));
}

void element_key_cidr(struct element *element, const struct cidr *cidr)
{
	struct ip first = cidr_first(cidr), last = cidr_last(cidr);

	assert(element->set->interval);
	append_key(element, ip_field(&first), first.bytes, last.bytes, ip_size(first.family));
}

void element_key_protocol(struct element *element, uint8_t protocol)
{
	append_key(element, FIELD_PROTOCOL, &protocol, &protocol, sizeof(protocol));
}

void element_key_port(struct element *element, uint16_t port)
{
	element_key_ports(element, port, port);
}

void element_key_ports(struct element *element, uint16_t first, uint16_t last)
{
	uint16_t from = htons(first), to = htons(last);

	assert(first == last || element->set->interval);
	append_key(element, FIELD_PORT, &from, &to, sizeof(from));
}

void element_key_mac(struct element *element, const uint8_t mac[MAC_SIZE])
{
	append_key(element, FIELD_MAC, mac, mac, MAC_SIZE);
}

void element_data_ip(struct element *element, const struct ip *ip)
{
	append_data(element, ip_field(ip), ip->bytes, ip_size(ip->family));
}

void element_data_port(struct element *element, uint16_t port)
{
	uint16_t bytes = htons(port);

	append_data(element, FIELD_PORT, &bytes, sizeof(bytes));
}

void element_data_verdict(struct element *element, enum set_verdict verdict)
{
	uint32_t bytes = verdict;

	append_data(element, FIELD_VERDICT, &bytes, sizeof(bytes));
}

static struct ip ip_read(uint8_t family, const uint8_t *bytes)
{
	struct ip ip = {.family = family};

	memcpy(ip.bytes, bytes, ip_size(family));
	return ip;
}

/* The prefix length if first to last is one whole prefix, else -1. */
static int range_prefix(const uint8_t *first, const uint8_t *last, unsigned size)
{
	int prefix = 0;
	bool tail = false;

	for (unsigned bit = 0; bit < size * 8; bit++) {
		unsigned mask = 0x80u >> bit % 8;
		bool low = first[bit / 8] & mask, high = last[bit / 8] & mask;

		if (low == high && !tail)
			prefix++;
		else if (low || !high)
			return -1;
		else
			tail = true;
	}
	return prefix;
}

static void print_ip(FILE *out, uint8_t family, const uint8_t *first, const uint8_t *last)
{
	struct ip from = ip_read(family, first), to = ip_read(family, last);
	int prefix = range_prefix(first, last, ip_size(family));
	char text[IP_TEXT_SIZE];

	fputs(ip_format(&from, text), out);
	if (ip_equal(&from, &to))
		return;
	if (prefix >= 0)
		fprintf(out, "/%d", prefix);
	else
		fprintf(out, "-%s", ip_format(&to, text));
}

static void print_halves(FILE *out, const uint8_t *bytes)
{
	uint64_t halves[2];

	memcpy(halves, bytes, sizeof(halves));
	fprintf(out, "0x%" PRIx64 " . 0x%" PRIx64, be64toh(halves[0]), be64toh(halves[1]));
}

static void print_protocol(FILE *out, uint8_t protocol)
{
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP)
		fputs(protocol_name(protocol), out);
	else
		fprintf(out, "%u", protocol);
}

static void print_port(FILE *out, const uint8_t *first, const uint8_t *last)
{
	uint16_t from, to;

	memcpy(&from, first, sizeof(from));
	memcpy(&to, last, sizeof(to));
	fprintf(out, "%u", ntohs(from));
	if (from != to)
		fprintf(out, "-%u", ntohs(to));
}

const char *set_verdict_chain(uint32_t verdict)
{
	return verdict == VERDICT_PUBLISHED ? "nd_published"
	       : verdict == VERDICT_ROUTED  ? "nd_routed"
	                                    : "";
}

static void print_verdict(FILE *out, const uint8_t *bytes)
{
	uint32_t verdict;

	memcpy(&verdict, bytes, sizeof(verdict));
	switch (verdict) {
	case VERDICT_DROP:
		fputs("drop", out);
		break;
	case VERDICT_ACCEPT:
		fputs("accept", out);
		break;
	case VERDICT_PUBLISHED:
	case VERDICT_ROUTED:
		fprintf(out, "goto %s", set_verdict_chain(verdict));
		break;
	default:
		fputs("continue", out);
	}
}

static void print_field(FILE *out, enum field field, const uint8_t *first, const uint8_t *last)
{
	char text[MAC_TEXT_SIZE];

	switch (field) {
	case FIELD_IFNAME:
		fprintf(out, "\"%.*s\"", IFNAMSIZ - 1, (const char *)first);
		break;
	case FIELD_IP4:
		print_ip(out, AF_INET, first, last);
		break;
	case FIELD_IP6:
		print_ip(out, AF_INET6, first, last);
		break;
	case FIELD_TARGET6:
		print_halves(out, first);
		break;
	case FIELD_PROTOCOL:
		print_protocol(out, *first);
		break;
	case FIELD_PORT:
		print_port(out, first, last);
		break;
	case FIELD_MAC:
		fputs(mac_format(first, text), out);
		break;
	case FIELD_VERDICT:
		print_verdict(out, first);
		break;
	case FIELD_NONE:
		break;
	}
}

static void print_fields(FILE *out, const enum field fields[SET_FIELDS_MAX], const uint8_t *first,
        const uint8_t *last)
{
	unsigned at = 0;

	for (unsigned i = 0; i < SET_FIELDS_MAX && fields[i] != FIELD_NONE; i++) {
		if (i > 0)
			fputs(" . ", out);
		print_field(out, fields[i], first + at, last + at);
		at += padded(set_field_size(fields[i]));
	}
}

const char *element_format(const struct element *element, char *text, size_t size)
{
	FILE *out;

	text[0] = '\0';
	out = fmemopen(text, size, "w");
	if (!out)
		return text;
	print_fields(out, element->set->key, element->key, element->key_end);
	if (element->set->limit)
		fprintf(out, " limit rate over %" PRIu64 " bytes/second burst %d bytes",
		        element->rate, ELEMENT_BURST);
	if (element->set->data[0] != FIELD_NONE) {
		fputs(" : ", out);
		print_fields(out, element->set->data, element->data, element->data);
	}
	fclose(out);
	text[size - 1] = '\0';
	return text;
}
