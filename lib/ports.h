/*
 * Published ports as people write them. The parsers are strict like those of lib/parse.h: they
 * leave *ret untouched on failure, and fill *err with a sentence whose `field` is the one given.
 */
#pragma once

#include "lib/parse.h"

/* "tcp", "udp" or "sctp" -> IPPROTO_*. */
int parse_protocol(const char *text, const char *field, uint8_t *ret, struct error *err);
const char *protocol_name(uint8_t protocol);

#define PORT_MAX  65535
#define SPECS_MAX 32 /* ports of one request */

/* What of the host leads to which ports of a namespace. An end of 0 is the same as its beginning.
 */
struct port_spec {
	bool every;                        /* "*": every address of both families */
	struct ip host_ip;                 /* family 0 and not `every`: not given */
	uint16_t host_port, host_port_end; /* 0: any free one */
	uint16_t port, port_end;
	uint8_t protocol;
};

/*
 * [HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp], an IPv6 address in brackets, "*" for every
 * address. Two ranges have the same length; a range that leads to one port means the first of it
 * that is free.
 */
int parse_port_spec(const char *text, const char *field, struct port_spec *ret, struct error *err);

/* [HOSTIP:]HOSTPORT[-END][:PORT[-END]][/tcp|udp|sctp], as `unpublish` takes it: what was not given
 * is 0. */
int parse_port_key(const char *text, const char *field, struct port_spec *ret, struct error *err);

/* Fills in the ends, and checks that the two sides fit each other. */
int port_spec_check(struct port_spec *spec, struct error *err);
/* Whether netd is to find the port of the host: the first free one of a range, or any. */
bool port_spec_is_open(const struct port_spec *spec);

#define PORTS_TEXT_SIZE 12
/* "8080" or "8000-8010"; returns text. */
const char *ports_format(uint16_t first, uint16_t last, char text[PORTS_TEXT_SIZE]);
#define HOST_TEXT_SIZE (IP_TEXT_SIZE + 2)
/* "192.0.2.1", "[fd00::1]", or "*" for family 0; returns text. */
const char *host_format(const struct ip *ip, char text[HOST_TEXT_SIZE]);
