/*
 * What the rules of publishing must know of the host's ports, and what those who list publications
 * want to know of the host: whether each one answers now, and what went through it.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/hold.h"
#include "daemon/kernel/look.h"
#include "daemon/model/rules.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "lib/list.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

/* --- who has the ports that a request names --- */

static int add_listeners(
        struct engine *engine, const struct port_spec *spec, struct facts *facts, struct error *err)
{
	_cleanup_(freep) struct look_listener *found = NULL;
	struct listener *all;
	unsigned count = 0;
	int r = look_listeners(engine->kernel, "", spec->protocol, spec->host_port,
	        spec->host_port_end, &found, &count, err);

	if (r < 0)
		return r;
	all = reallocarray(
	        facts->listeners, (size_t)facts->listener_count + count + 1, sizeof(*all));
	if (!all)
		return error_memory(err);
	facts->listeners = all;
	for (unsigned i = 0; i < count; i++) {
		struct listener *listener = &all[facts->listener_count++];

		*listener = (struct listener){.protocol = found[i].protocol,
		        .ip = found[i].ip,
		        .port = found[i].port,
		        .v6only = found[i].v6only,
		        .inode = found[i].inode};
		memcpy(listener->unit, found[i].unit, sizeof(listener->unit));
	}
	return 0;
}

/* --- ports that a request leaves open --- */

/* Another one of the same request has it. */
static bool is_asked_for(
        const struct request *request, unsigned number, const struct facts *facts, uint16_t port)
{
	const struct port_spec *spec = &request->ports[number];

	for (unsigned i = 0; i < request->port_count; i++) {
		const struct port_spec *other = &request->ports[i];
		uint16_t end = other->host_port_end ? other->host_port_end : other->host_port;

		if (i == number || other->protocol != spec->protocol)
			continue;
		if (port_spec_is_open(other) ? port == facts->chosen[i]
		                             : port >= other->host_port && port <= end)
			return true;
	}
	return false;
}

/* The kernel itself is asked whether somebody has a port, in whatever way. */
static bool is_free(const struct model *fork, const struct request *request, unsigned number,
        const struct facts *facts, uint16_t port)
{
	struct publication wanted = {.protocol = request->ports[number].protocol,
	        .host_ip = publish_host(fork, request, number, facts),
	        .host_port = port,
	        .host_port_end = port};

	return !is_asked_for(request, number, facts, port) && !publication_overlap(fork, &wanted) &&
	       holds_free(wanted.protocol, &wanted.host_ip, port);
}

static uint16_t first_free(const struct model *fork, const struct request *request, unsigned number,
        const struct facts *facts)
{
	const struct port_spec *spec = &request->ports[number];

	for (unsigned port = spec->host_port; port <= spec->host_port_end; port++)
		if (is_free(fork, request, number, facts, (uint16_t)port))
			return (uint16_t)port;
	return 0;
}

/* Begins elsewhere each time, so that a port that was given back rests, and that the search is
 * short with thousands of them. */
static uint16_t any_free(const struct model *fork, const struct request *request, unsigned number,
        const struct facts *facts)
{
	struct look_local_ports local;
	unsigned span, start;

	look_local_ports(&local);
	span = local.last - local.first + 1u;
	start = (unsigned)(model_host(fork)->next_id * 7919 % span);
	for (unsigned i = 0; i < span; i++) {
		uint16_t port = (uint16_t)(local.first + (start + i) % span);

		if (!(local.reserved[port / 8] & 1u << port % 8) &&
		        is_free(fork, request, number, facts, port))
			return port;
	}
	return 0;
}

int facts_gather_ports(struct engine *engine, const struct model *fork,
        const struct request *request, struct facts *ret, struct error *err)
{
	int r = 0;

	ret->publish_address = engine->publish_address;
	for (unsigned i = 0; r == 0 && i < request->port_count; i++) {
		struct port_spec spec = request->ports[i];

		if (port_spec_check(&spec, err) < 0)
			return 0; /* the rule says it */
		if (!port_spec_is_open(&spec))
			r = add_listeners(engine, &spec, ret, err);
		else if (spec.host_port)
			ret->chosen[i] = first_free(fork, request, i, ret);
		else
			ret->chosen[i] = any_free(fork, request, i, ret);
	}
	return r;
}

/* --- warnings --- */

static void warn_of_silence(
        struct engine *engine, const struct publication *publication, struct answer *answer)
{
	_cleanup_(freep) struct look_listener *listeners = NULL;
	uint16_t last = (uint16_t)(publication->port + publication_more(publication));
	char ports[PORTS_TEXT_SIZE];
	unsigned count = 0;
	struct error err;

	if (publication->protocol == IPPROTO_SCTP)
		return; /* not every kernel that has it can tell who listens */
	if (look_listeners(engine->kernel, publication->namespace, publication->protocol,
	            publication->port, last, &listeners, &count, &err) < 0) {
		log_debug("look for listeners in %s: %s", publication->namespace, err.text);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		if (!ip_is_loopback(&listeners[i].ip))
			return;
	answer_warn(answer, "nothing listens on port %s/%s in namespace %s%s",
	        ports_format(publication->port, last, ports), protocol_name(publication->protocol),
	        publication->namespace,
	        count ? " but on its loopback address, which no one reaches from outside" : " yet");
}

/* *local is true also where that cannot be asked: nothing is said without knowing. */
static bool is_local(struct engine *engine, const struct ip *ip)
{
	bool local = true;
	struct error err;

	if (ip->family && !ip_is_any(ip) && !ip_is_loopback(ip) &&
	        look_local_address(engine->kernel, ip, &local, &err) < 0)
		log_debug("%s", err.text);
	return local;
}

static void warn_of_absence(
        struct engine *engine, const struct publication *publication, struct answer *answer)
{
	char text[IP_TEXT_SIZE];

	if (!is_local(engine, &publication->host_ip))
		answer_warn(answer,
		        "this host does not have the address %s yet; the port answers once it does",
		        ip_format(&publication->host_ip, text));
	if (publication->interface[0] && !look_has_link(publication->interface))
		answer_warn(answer,
		        "this host does not have the interface %s yet; the port answers once it "
		        "does",
		        publication->interface);
}

/* Whether one of --from has an address of this family. */
static bool lets_in(const struct model *model, const struct publication *publication, int family)
{
	const char *rest = publication->from;
	char item[SETTING_ITEM_MAX];
	struct cidr cidr;

	while (setting_next_item(&rest, item)) {
		const struct network *network = model_network(model, item);

		if (publication_source(item, &cidr) ? cidr.ip.family == family
		                                    : network && network_subnet(network, family))
			return true;
	}
	return !publication->from;
}

static void warn_of_sources(
        const struct model *model, const struct publication *publication, struct answer *answer)
{
	bool v4 = publication_address(model, publication, AF_INET);
	bool v6 = publication_address(model, publication, AF_INET6);

	if (!publication_target(model, publication) ||
	        (v4 && lets_in(model, publication, AF_INET)) ||
	        (v6 && lets_in(model, publication, AF_INET6)))
		return;
	answer_warn(answer,
	        "nobody can come in by port %u/%s: it is one of %s, and no source that is let in "
	        "has such an address",
	        publication->host_port, protocol_name(publication->protocol),
	        v4 && v6 ? "both families"
	        : v4     ? "IPv4"
	                 : "IPv6");
}

void facts_warn_of_ports(struct engine *engine, const struct model *model, struct answer *answer)
{
	for (unsigned i = 0; i < answer->publication_count; i++) {
		const struct publication *publication =
		        model_publication(model, answer->publications[i]);

		if (!publication)
			continue;
		warn_of_absence(engine, publication, answer);
		warn_of_sources(model, publication, answer);
		if (publication_target(model, publication) &&
		        model_namespace(engine->model, publication->namespace))
			warn_of_silence(engine, publication, answer);
	}
}

/* --- how they are --- */

struct ports_look {
	struct engine *engine;
	struct resources counters;
	bool counted;
	/* Addresses that were asked about. */
	struct {
		struct ip ip;
		bool local;
	} * addresses;
	size_t count, capacity;
};

int engine_look_at_ports(
        struct engine *engine, bool counters, struct ports_look **ret, struct error *err)
{
	struct ports_look *look = calloc(1, sizeof(*look));
	int r = 0;

	if (!look)
		return error_memory(err);
	look->engine = engine;
	if (counters)
		r = look_counters(engine->kernel, &look->counters, err);
	look->counted = counters && r == 0;
	if (r < 0)
		log_warning("read what went through published ports: %s", err->text);
	*ret = look;
	return 0;
}

struct ports_look *ports_look_done(struct ports_look *look)
{
	if (!look)
		return NULL;
	resources_done(&look->counters);
	free(look->addresses);
	free(look);
	return NULL;
}

static bool is_there(struct ports_look *look, const struct ip *ip)
{
	bool local;

	for (size_t i = 0; i < look->count; i++)
		if (ip_equal(&look->addresses[i].ip, ip))
			return look->addresses[i].local;
	local = is_local(look->engine, ip);
	if (LIST_ROOM(look->addresses, look->count, look->capacity, 8)) {
		look->addresses[look->count].ip = *ip;
		look->addresses[look->count++].local = local;
	}
	return local;
}

static void explain_target(
        const struct model *model, const struct publication *publication, char *text, size_t size)
{
	const struct namespace *ns = model_namespace(model, publication->namespace);

	if (!ns || ns->endpoint_count == 0)
		snprintf(text, size, "%s is connected to no network", publication->namespace);
	else if (publication->network[0] && !namespace_endpoint(ns, publication->network))
		snprintf(text, size, "%s is not connected to %s", publication->namespace,
		        publication->network);
	else if (publication->host_ip.family)
		snprintf(text, size, "%s has no %s address that leads out", publication->namespace,
		        publication->host_ip.family == AF_INET6 ? "IPv6" : "IPv4");
	else
		snprintf(text, size, "%s has no network that leads out", publication->namespace);
}

static void count(const struct ports_look *look, const struct publication *publication,
        struct port_state *state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct resources keys = {0};

	state->counted = look->counted;
	for (size_t i = 0; i < 2 && state->counted; i++)
		state->counted = render_counter(publication, families[i], &keys) == 0;
	for (size_t i = 0; state->counted && i < keys.count; i++) {
		const struct resource *found = resources_find(&look->counters, &keys.items[i]);

		state->packets += found ? found->element.packets : 0;
		state->bytes += found ? found->element.bytes : 0;
	}
	resources_done(&keys);
}

void engine_port_state(
        struct ports_look *look, const struct publication *publication, struct port_state *ret)
{
	const struct model *model = look->engine->model;
	char ip[IP_TEXT_SIZE];

	*ret = (struct port_state){0};
	if (!publication_target(model, publication))
		explain_target(model, publication, ret->pending, sizeof(ret->pending));
	else if (!is_there(look, &publication->host_ip))
		snprintf(ret->pending, sizeof(ret->pending), "%s is on no interface of this host",
		        ip_format(&publication->host_ip, ip));
	else if (publication->interface[0] && !look_has_link(publication->interface))
		snprintf(ret->pending, sizeof(ret->pending), "this host has no interface %s",
		        publication->interface);
	count(look, publication, ret);
}
