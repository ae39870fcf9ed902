/*
 * Published ports as people write them, and back. A text is cut into its sides from the outside:
 * the protocol behind the slash, the host's address in front, then what is left at its colons. So
 * no number can be taken for an address, nor an IPv6 address for numbers: those stand in brackets.
 */
#include "lib/ports.h"

#include <stdio.h>
#include <string.h>

#define SPEC_WORDS "[HOSTIP:][HOSTPORT[-END]:]PORT[-END][/tcp|udp|sctp], like 8080:80"
#define KEY_WORDS  "[HOSTIP:]HOSTPORT[-END][:PORT[-END]][/tcp|udp|sctp], like 8080"
#define TEXT_MAX   96

static const struct {
	const char *name;
	uint8_t number;
} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

#define PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

int parse_protocol(const char *text, const char *field, uint8_t *ret, struct error *err)
{
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (strcmp(text, protocols[i].name) == 0) {
			*ret = protocols[i].number;
			return 0;
		}
	return error_field(err, field,
	        "%s: %s is no protocol of a published port; it is tcp, udp or sctp", field,
	        quote(text).text);
}

const char *protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < PROTOCOLS; i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return "tcp";
}

const char *ports_format(uint16_t first, uint16_t last, char text[PORTS_TEXT_SIZE])
{
	if (last > first)
		snprintf(text, PORTS_TEXT_SIZE, "%u-%u", first, last);
	else
		snprintf(text, PORTS_TEXT_SIZE, "%u", first);
	return text;
}

const char *host_format(const struct ip *ip, char text[HOST_TEXT_SIZE])
{
	char address[IP_TEXT_SIZE];

	if (!ip->family)
		snprintf(text, HOST_TEXT_SIZE, "*");
	else
		snprintf(text, HOST_TEXT_SIZE, ip->family == AF_INET6 ? "[%s]" : "%s",
		        ip_format(ip, address));
	return text;
}

/* --- what fits together --- */

static int check_range(const char *field, uint16_t first, uint16_t *last, struct error *err)
{
	if (*last == 0)
		*last = first;
	if (*last < first)
		return error_field(
		        err, field, "%s: %u-%u ends before it begins", field, first, *last);
	return 0;
}

bool port_spec_is_open(const struct port_spec *spec)
{
	return spec->host_port == 0 ||
	       (spec->port == spec->port_end && spec->host_port_end > spec->host_port);
}

int port_spec_check(struct port_spec *spec, struct error *err)
{
	unsigned on_host, inside;
	int r = check_range("host_port", spec->host_port, &spec->host_port_end, err);

	if (r == 0)
		r = check_range("port", spec->port, &spec->port_end, err);
	if (r < 0)
		return r;
	on_host = spec->host_port_end - spec->host_port + 1u;
	inside = spec->port_end - spec->port + 1u;
	if (spec->host_port == 0 && inside > 1)
		return error_field(err, "host_port",
		        "host_port: a range of ports needs one of the same length on the host: "
		        "%u-%u:%u-%u",
		        spec->port, spec->port_end, spec->port, spec->port_end);
	if (!port_spec_is_open(spec) && on_host != inside)
		return error_field(err, "port_end",
		        "port_end: %u ports of the host cannot lead to %u ports of the namespace; "
		        "give both ranges the same length",
		        on_host, inside);
	return 0;
}

/* --- reading --- */

/* A text taken apart, in a copy of it. */
struct sides {
	char copy[TEXT_MAX];
	char *host;    /* NULL: not given */
	bool brackets; /* the host stood in them */
	char *parts[2];
	unsigned count; /* of parts */
	uint8_t protocol;
};

static int split_protocol(struct sides *sides, const char *field, struct error *err)
{
	char *slash = strchr(sides->copy, '/');

	if (!slash)
		return 0;
	*slash = '\0';
	return parse_protocol(slash + 1, field, &sides->protocol, err);
}

/* False: it is nothing of this kind. */
static bool split_colons(struct sides *sides, char *rest, bool may_lack_part)
{
	char *pieces[3];
	unsigned count = 0, first = 0;

	while (rest) {
		char *colon = strchr(rest, ':');

		if (count == 3)
			return false;
		pieces[count++] = rest;
		if (colon)
			*colon++ = '\0';
		rest = colon;
	}
	if (!sides->host &&
	        (count == 3 || (may_lack_part && count == 2 &&
	                               (strchr(pieces[0], '.') || strcmp(pieces[0], "*") == 0)))) {
		sides->host = pieces[0];
		first = 1;
	}
	if (count - first > 2)
		return false;
	for (unsigned i = first; i < count; i++)
		sides->parts[sides->count++] = pieces[i];
	return true;
}

/* `key`: a host may stand in front of a single number. */
static int split(
        const char *text, const char *field, bool key, struct sides *ret, struct error *err)
{
	const char *words = key ? KEY_WORDS : SPEC_WORDS;
	char *rest = ret->copy, *end;
	int r;

	if (strlen(text) >= TEXT_MAX)
		return error_field(err, field, "%s: %s is too long", field, quote(text).text);
	memcpy(ret->copy, text, strlen(text) + 1);
	r = split_protocol(ret, field, err);
	if (r < 0)
		return r;
	if (*rest == '[') {
		end = strstr(rest, "]:");
		if (!end)
			return error_field(err, field, "%s: %s is no published port; write %s",
			        field, quote(text).text, words);
		*end = '\0';
		ret->host = rest + 1;
		ret->brackets = true;
		rest = end + 2;
	}
	if (!split_colons(ret, rest, key))
		return error_field(err, field,
		        "%s: %s is no published port; write %s, and an IPv6 address in brackets: "
		        "[fd00::1]:8080:80",
		        field, quote(text).text, words);
	return 0;
}

static int read_host(
        const struct sides *sides, const char *field, struct port_spec *spec, struct error *err)
{
	if (!sides->host)
		return 0;
	spec->every = !sides->brackets && strcmp(sides->host, "*") == 0;
	if (spec->every)
		return 0;
	if (parse_ip(sides->host, field, &spec->host_ip, err) < 0 ||
	        (spec->host_ip.family == AF_INET6) != sides->brackets)
		return error_field(err, field, "%s: %s is no address of a host%s", field,
		        quote(sides->host).text, sides->brackets ? "; brackets are for IPv6" : "");
	return 0;
}

/* "8080" or "8000-8010". */
static int read_ports(char *text, const char *field, unsigned long min, uint16_t *first,
        uint16_t *last, struct error *err)
{
	unsigned long from, to;
	char *dash = strchr(text, '-');
	int r;

	if (dash)
		*dash++ = '\0';
	r = parse_number(text, field, min, PORT_MAX, &from, err);
	to = from;
	if (r == 0 && dash)
		r = parse_number(dash, field, from ? from : 1, PORT_MAX, &to, err);
	if (r == 0 && from == 0 && to > 0)
		r = error_field(err, field, "%s: a range begins at 1 or later", field);
	if (r < 0)
		return r;
	*first = (uint16_t)from;
	*last = (uint16_t)to;
	return 0;
}

int parse_port_spec(const char *text, const char *field, struct port_spec *ret, struct error *err)
{
	struct sides sides = {.protocol = IPPROTO_TCP};
	struct port_spec spec = {0};
	struct error unfit;
	bool open;
	int r = split(text, field, false, &sides, err);

	if (r < 0)
		return r;
	open = sides.count < 2 || !*sides.parts[0];
	r = read_host(&sides, field, &spec, err);
	if (r == 0 && !open)
		r = read_ports(sides.parts[0], field, 0, &spec.host_port, &spec.host_port_end, err);
	if (r == 0)
		r = read_ports(
		        sides.parts[sides.count - 1], field, 1, &spec.port, &spec.port_end, err);
	spec.protocol = sides.protocol;
	if (r == 0 && port_spec_check(&spec, &unfit) < 0)
		r = error_field(err, field, "%s: %s: %s", field, quote(text).text,
		        unfit.text + strlen(unfit.field) + 2);
	if (r < 0)
		return r;
	*ret = spec;
	return 0;
}

int parse_port_key(const char *text, const char *field, struct port_spec *ret, struct error *err)
{
	struct sides sides = {0};
	struct port_spec spec = {0};
	int r = split(text, field, true, &sides, err);

	if (r < 0)
		return r;
	r = read_host(&sides, field, &spec, err);
	if (r == 0)
		r = read_ports(sides.parts[0], field, 1, &spec.host_port, &spec.host_port_end, err);
	if (r == 0 && sides.count == 2)
		r = read_ports(sides.parts[1], field, 1, &spec.port, &spec.port_end, err);
	spec.protocol = sides.protocol;
	if (r < 0)
		return r;
	*ret = spec;
	return 0;
}
