/*
 * The sets and maps of netd's two nf_tables tables, as data: what the skeleton creates, what
 * rendering fills, what the kernel layer encodes and what a dry run prints all come from this one
 * table.
 *
 * A key is the concatenation of its fields, each padded to four bytes, in the form the kernel wants
 * it: addresses and ports in network order, an interface name as 16 bytes padded with zeros.
 */
#pragma once

#include "lib/ip.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

enum field {
	FIELD_NONE,
	FIELD_IFNAME,
	FIELD_IP4,
	FIELD_IP6,
	FIELD_PROTOCOL,
	FIELD_PORT,
	FIELD_MAC,
	FIELD_VERDICT, /* data only: SET_VERDICT_* */
	FIELD_TARGET6, /* an IPv6 address that nft takes for two numbers of 64 bits: what a
	                  neighbour advertisement is about */
};

/* When an element is there: guards stand before what they guard and go after it; publications, and
 * whatever else opens a way, the other way round. */
enum element_class { ELEMENT_GUARD, ELEMENT_PUBLICATION };

#define SET_FIELDS_MAX 4
#define SET_KEY_SIZE   64

enum set_verdict {
	VERDICT_DROP = 1,
	VERDICT_PUBLISHED, /* goto nd_published */
	VERDICT_ROUTED,    /* goto nd_routed */
	VERDICT_ACCEPT,
};

struct set {
	const char *table; /* "inet netd" or "bridge netd" */
	const char *name;
	enum field key[SET_FIELDS_MAX];  /* FIELD_NONE ends */
	enum field data[SET_FIELDS_MAX]; /* empty: a set; else a map */
	bool interval;
	enum element_class class;
	bool counter;     /* each element counts the packets that it matched */
	bool limit;       /* each element has a rate, and matches only what exceeds it */
	unsigned seconds; /* after so many the kernel takes an element out by itself; 0: never */
};

/* All of them, in the order the skeleton creates them; ends with a name of NULL. */
extern const struct set sets[];
/* NULL where there is none. */
const struct set *set_find(const char *table, const char *name);
/* The chain that a verdict goes to; "" for one that goes nowhere. */
const char *set_verdict_chain(uint32_t verdict);
/* Bytes that carry one value; the padding to four comes on top. */
unsigned set_field_size(enum field field);
/* Bytes of a concatenation of these fields. */
unsigned set_fields_size(const enum field fields[SET_FIELDS_MAX]);

struct element {
	const struct set *set;
	uint8_t key[SET_KEY_SIZE];
	uint8_t key_end[SET_KEY_SIZE]; /* interval sets: the last one included; equal to key for one
	                                  value */
	uint8_t data[SET_KEY_SIZE];    /* maps */
	uint8_t key_size, data_size;   /* grow as fields are appended */
	uint64_t rate;                 /* of a set with limits: bytes per second */
	uint64_t packets, bytes;       /* what was counted, in what was observed; no part of what is
	                                  wanted */
};

/* Each appends the next field of the key (of the data, for the map's right side). The field's kind
 * must be the set's. */
void element_key_ifname(struct element *element, const char *ifname);
void element_key_ip(struct element *element, const struct ip *ip);
/* A whole prefix: first and last address. Interval sets only. */
void element_key_cidr(struct element *element, const struct cidr *cidr);
void element_key_protocol(struct element *element, uint8_t protocol);
void element_key_port(struct element *element, uint16_t port);
/* From first to last. Interval sets only. */
void element_key_ports(struct element *element, uint16_t first, uint16_t last);
void element_key_mac(struct element *element, const uint8_t mac[MAC_SIZE]);
void element_data_ip(struct element *element, const struct ip *ip);
void element_data_port(struct element *element, uint16_t port);
void element_data_verdict(struct element *element, enum set_verdict verdict);

/* Beside the rate one second of it is let through at once, and this much: the longest packet that
 * there is, so that the slowest rate lets it pass, too. */
#define ELEMENT_BURST 65536

/* As nft writes it: `tcp . 8080 : 10.0.0.2 . 80`. Returns text. */
const char *element_format(const struct element *element, char *text, size_t size);
