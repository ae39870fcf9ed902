/*
 * Strict parsers of what people write. Each takes text, leaves *ret untouched on failure, returns 0
 * or -EINVAL, and fills *err with a sentence whose `field` is the one given. Nothing is trimmed,
 * nothing is guessed.
 */
#pragma once

#include "lib/error.h"
#include "lib/ip.h"

#include <net/if.h>
#include <netinet/in.h>

/* A network or namespace name: 1 to 63 of [A-Za-z0-9._-], starting with a letter or digit. So it is
 * a safe file name, fits in an interface alias, and reads the same in every shell. */
#define NAME_SIZE 64

int parse_name(const char *text, const char *field, char ret[NAME_SIZE], struct error *err);

/* What a namespace is attached by: the number of a process, or an absolute path of 1 to 159 bytes
 * of printable ASCII, without "." and ".." in it. */
#define SOURCE_SIZE 160

int parse_source_path(
        const char *text, const char *field, char ret[SOURCE_SIZE], struct error *err);

/* What others may have called a namespace that is there already: a file name of 1 to 63 printable
 * ASCII characters. It can be looked at, but not be given. */
int parse_netns(const char *text, const char *field, char ret[NAME_SIZE], struct error *err);

/* An interface name as the kernel accepts it (1 to 15 bytes, no '/', no space, not "." or ".."),
 * and of printable ASCII without quotes, backslash, ':' or '%'. */
int parse_ifname(const char *text, const char *field, char ret[IFNAMSIZ], struct error *err);

int parse_ip(const char *text, const char *field, struct ip *ret, struct error *err);

/* An address and the length of its subnet's prefix, which must be given. */
int parse_cidr(const char *text, const char *field, struct cidr *ret, struct error *err);

/* A network's prefix: no host bits set, and a prefix length given. */
int parse_subnet(const char *text, const char *field, struct cidr *ret, struct error *err);

/* The same, or only a size: /26, which is 0.0.0.0/26, or /80, which is ::/80. */
int parse_subnet_or_size(const char *text, const char *field, struct cidr *ret, struct error *err);

/* What subnets are given out of, each with a prefix of `size` bits. */
struct pool {
	struct cidr cidr;
	uint8_t size;
};

#define POOLS_MAX 16 /* as many as may be configured */

/* BASE/PREFIX SIZE: of what may be a network's subnet, at most 2^24. */
int parse_pool(const char *text, const char *field, struct pool *ret, struct error *err);

/* CIDR,VIA: a destination, no default route, and an address of the same family that leads there. */
int parse_route(
        const char *text, const char *field, struct cidr *ret, struct ip *via, struct error *err);

/* KEY=VALUE of a sysctl of a namespace as a whole, with dots: "net.ipv4.ip_forward=1". *path is the
 * one below /proc/sys. */
#define SYSCTL_PATH_SIZE 96
#define SYSCTL_TEXT_SIZE 64

int parse_sysctl(const char *text, const char *field, char path[SYSCTL_PATH_SIZE],
        char value[SYSCTL_TEXT_SIZE], struct error *err);
/* NAME=IP */
int parse_reserve(const char *text, const char *field, char name[NAME_SIZE], struct ip *ret,
        struct error *err);

/* A unicast MAC address, six bytes in colon notation. */
int parse_mac(const char *text, const char *field, uint8_t ret[MAC_SIZE], struct error *err);

/* A decimal number from min to max, both included. */
int parse_number(const char *text, const char *field, unsigned long min, unsigned long max,
        unsigned long *ret, struct error *err);

/* Bits per second: a decimal number and bit, kbit, mbit or gbit (of thousands), from 8kbit to
 * 100gbit. */
#define RATE_MIN       INT64_C(8000)
#define RATE_MAX       INT64_C(100000000000)
#define RATE_TEXT_SIZE 32

int parse_rate(const char *text, const char *field, int64_t *ret, struct error *err);
/* In the largest unit that says it whole. Returns text. */
const char *rate_format(int64_t rate, char text[RATE_TEXT_SIZE]);

/* What was given, fit to be printed: at most 60 bytes, without control characters. */
struct quoted {
	char text[72];
};

struct quoted quote(const char *text);
