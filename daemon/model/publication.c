/*
 * What several layers ask of a publication: its sentence, who has its ports, whom it lets in.
 */
#include "daemon/model/rules.h"
#include "daemon/model/setting.h"
#include "lib/parse.h"

#include <stdio.h>
#include <string.h>

static const int families[] = {AF_INET, AF_INET6};

/* "a 10.0.0.2, fd00::2": where it leads. */
static void format_target(const struct model *model, const struct publication *publication,
        const struct endpoint *target, char *text, size_t size)
{
	const struct ip *v4 = publication_address(model, publication, AF_INET);
	const struct ip *v6 = publication_address(model, publication, AF_INET6);
	char ip4_text[IP_TEXT_SIZE] = "", ip6_text[IP_TEXT_SIZE] = "";

	if (v4)
		ip_format(v4, ip4_text);
	if (v6)
		ip_format(v6, ip6_text);
	snprintf(
	        text, size, "%s %s%s%s", target->network, ip4_text, v4 && v6 ? ", " : "", ip6_text);
}

const char *publication_format(
        const struct model *model, const struct publication *publication, char *text, size_t size)
{
	const struct endpoint *target = publication_target(model, publication);
	struct ip shown = publication_host(model, publication);
	char where[NAME_SIZE + 2 * IP_TEXT_SIZE] = "pending: not connected";
	char host[HOST_TEXT_SIZE], ports[PORTS_TEXT_SIZE], inside[PORTS_TEXT_SIZE];
	uint16_t last = (uint16_t)(publication->port + publication_more(publication));

	if (target)
		format_target(model, publication, target, where, sizeof(where));
	snprintf(text, size, "%s:%s/%s -> %s (%s):%s", host_format(&shown, host),
	        ports_format(publication->host_port, publication->host_port_end, ports),
	        protocol_name(publication->protocol), publication->namespace, where,
	        ports_format(publication->port, last, inside));
	return text;
}

const struct publication *publication_overlap(
        const struct model *model, const struct publication *publication)
{
	struct port_search search = {.model = model,
	        .protocol = publication->protocol,
	        .first = publication->host_port,
	        .last = publication->host_port_end,
	        .host_ip = &publication->host_ip};

	return port_search_next(&search);
}

bool publication_source(const char *item, struct cidr *ret)
{
	struct error ignored;
	struct cidr cidr;

	if (parse_ip(item, "", &cidr.ip, &ignored) == 0)
		cidr.prefix = (uint8_t)(ip_size(cidr.ip.family) * 8);
	else if (parse_subnet(item, "", &cidr, &ignored) < 0)
		return false;
	*ret = cidr;
	return true;
}

/* Datagrams that came while the port led nowhere have an entry that does so for ever: it must not
 * win. */
static int forget_flows(
        struct model *fork, const struct publication *publication, int family, struct error *err)
{
	struct tombstone flows = {.kind = TOMBSTONE_FLOWS,
	        .protocol = publication->protocol,
	        .ip = publication->host_ip,
	        .port = publication->host_port,
	        .port_end = publication->host_port_end,
	        .match = FLOWS_ORIGINAL_LOCAL};

	flows.ip.family = (uint8_t)family;
	return tombstone_add(fork, &flows, err);
}

int publication_begin(struct model *fork, const struct publication *publication, struct error *err)
{
	int r = 0;

	if (publication->protocol != IPPROTO_UDP)
		return 0;
	for (size_t i = 0; r == 0 && i < 2; i++)
		if (publication_address(fork, publication, families[i]))
			r = forget_flows(fork, publication, families[i], err);
	return r;
}

int publications_revive(struct model *fork, const char *ns, struct error *err)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	const struct reference *reference;
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%s/", ns);
	while (r == 0 && (reference = model_next_in(fork, TABLE_NS_PORTS, prefix, key))) {
		const struct publication *publication = model_publication(fork, reference->owner);

		if (publication->protocol != IPPROTO_UDP || publication_target(fork, publication))
			continue;
		for (size_t i = 0; r == 0 && i < 2; i++)
			if (publication_is_of(publication, families[i]))
				r = forget_flows(fork, publication, families[i], err);
	}
	return r;
}

/* What came by the namespace's own address. */
static int end_direct(struct model *fork, const struct publication *publication,
        const struct ip *ip, struct error *err)
{
	uint16_t last = (uint16_t)(publication->port + publication_more(publication));
	struct tombstone flows = {.kind = TOMBSTONE_FLOWS,
	        .protocol = publication->protocol,
	        .ip = *ip,
	        .port = publication->port,
	        .port_end = last,
	        .through = publication->port,
	        .through_end = last,
	        .match = FLOWS_ORIGINAL_LOCAL};

	return tombstone_add(fork, &flows, err);
}

/* Where it leads may have changed since they began, without their end. */
static int end_by_endpoint(struct model *fork, const struct publication *publication,
        const struct endpoint *endpoint, const struct tombstone *flows, struct error *err)
{
	int r = 0;

	if (publication->network[0] && strcmp(publication->network, endpoint->network) != 0)
		return 0;
	for (unsigned i = 0; r == 0 && i < endpoint->address_count; i++) {
		struct tombstone one = *flows;

		one.ip = endpoint->addresses[i].ip;
		if (publication_is_of(publication, one.ip.family))
			r = tombstone_add(fork, &one, err);
	}
	return r;
}

int publication_end(struct model *fork, const struct publication *publication, struct error *err)
{
	struct tombstone flows = {.kind = TOMBSTONE_FLOWS,
	        .protocol = publication->protocol,
	        .port = publication->port,
	        .port_end = (uint16_t)(publication->port + publication_more(publication)),
	        .through = publication->host_port,
	        .through_end = publication->host_port_end,
	        .match = FLOWS_REPLY_SOURCE};
	const struct namespace *ns = model_namespace(fork, publication->namespace);
	int r = 0;

	for (unsigned i = 0; r == 0 && ns && i < ns->endpoint_count; i++)
		r = end_by_endpoint(fork, publication, &ns->endpoints[i], &flows, err);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		const struct ip *ip = publication_opening(fork, publication, families[i]);

		if (ip)
			r = end_direct(fork, publication, ip, err);
	}
	return r;
}

/* Why a host cannot have this address, or nothing is translated there; NULL: it can. */
static const char *unfit(const struct ip *ip)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!ip->family || ip_is_any(ip))
		return NULL;
	if (ip->family == AF_INET)
		return ip->bytes[0] >= 224 || ip->bytes[0] == 0
		               ? "is no address that a host can have"
		               : NULL;
	if (ip_is_loopback(ip))
		return "cannot be published, as the kernel translates nothing there; publish on "
		       "127.0.0.1, which programs that ask for localhost come to next";
	if (ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80)
		return "belongs to a single link; publish on an address of wider scope";
	if (ip->bytes[0] == 0xff || memcmp(ip->bytes, mapped, sizeof(mapped)) == 0)
		return "is no address that a host can have";
	return NULL;
}

int publication_check_ip(const struct ip *ip, const char *field, struct error *err)
{
	const char *why = unfit(ip);
	char text[IP_TEXT_SIZE];

	return why ? error_field(err, field, "%s: %s %s", field, ip_format(ip, text), why) : 0;
}

int publication_check_address(const char *text, const char *field, struct error *err)
{
	struct ip ip;
	int r = parse_ip(text, field, &ip, err);

	return r < 0 ? r : publication_check_ip(&ip, field, err);
}

int publication_check_source(const char *text, const char *field, struct error *err)
{
	char name[NAME_SIZE];
	struct cidr cidr;

	if (publication_source(text, &cidr))
		return 0;
	if (strpbrk(text, "/:"))
		return parse_subnet(text, field, &cidr, err);
	return parse_name(text, field, name, err);
}
