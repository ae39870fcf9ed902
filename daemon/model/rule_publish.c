/*
 * Publishing: which port of the host leads where. A port belongs to one publication or one
 * listener; "every address" collides with each single one.
 *
 * A request may name several; each is tried on top of the ones before it, and all are granted or
 * none.
 */
#include "daemon/model/rules.h"
#include "daemon/model/setting.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_connected(const struct namespace *ns)
{
	return ns && ns->endpoint_count > 0;
}

/* Names the one namespace that is connected to any network, or says which there are. */
static int choose_namespace(const struct model *model, char ret[NAME_SIZE], struct error *err)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "", list[400] = "";
	unsigned found = 0;
	size_t used = 0;

	while ((ns = model_next(model, TABLE_NAMESPACES, key)) &&
	        used + NAME_SIZE + 8 < sizeof(list)) {
		if (!is_connected(ns))
			continue;
		memcpy(ret, ns->name, NAME_SIZE);
		used += (size_t)snprintf(
		        list + used, sizeof(list) - used, "%s%s", found++ ? ", " : "", ns->name);
	}
	if (found == 0)
		return error_set(err, ERROR_REFUSED, 0,
		        "no namespace is connected to a network; connect one first: netd-ctl "
		        "connect NETWORK NS");
	if (found > 1)
		return error_set(err, ERROR_REFUSED, 0,
		        "several namespaces are connected: %s%s; say which one the port leads to: "
		        "netd-ctl publish PORTS NS",
		        list, ns ? ", ..." : "");
	return 0;
}

/* It leads somewhere, but not in the family of the host's address. */
static int refuse_family(const struct publication *publication, struct error *err)
{
	char ip[IP_TEXT_SIZE];

	return error_set(err, ERROR_REFUSED, 0,
	        "%s is an %s address, and namespace %s has none of that family%s%s; connect it to "
	        "a network that has",
	        ip_format(&publication->host_ip, ip),
	        publication->host_ip.family == AF_INET ? "IPv4" : "IPv6", publication->namespace,
	        publication->network[0] ? " in network " : "", publication->network);
}

static int check_target(
        const struct model *model, const struct publication *publication, struct error *err)
{
	const struct namespace *ns = model_namespace(model, publication->namespace);
	const struct network *network = model_network(model, publication->network);
	struct publication every = *publication;

	if (!is_connected(ns))
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s is connected to no network; connect it first: netd-ctl "
		        "connect NETWORK %s",
		        publication->namespace, publication->namespace);
	if (publication->network[0] && !network)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "network %s: there is no such network (netd-ctl network ls lists them)",
		        publication->network);
	if (network && !namespace_endpoint(ns, publication->network))
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s is not connected to network %s; connect it first: netd-ctl "
		        "connect %s %s",
		        publication->namespace, publication->network, publication->network,
		        publication->namespace);
	if (network && !network_has_host(network))
		return error_set(err, ERROR_REFUSED, 0,
		        "network %s has no address of this host, so nothing can be published "
		        "there; "
		        "its members are reached by their own addresses",
		        network->name);
	every.host_ip.family = 0;
	if (network ? network->internal : !publication_target(model, &every))
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s has no way in from outside, as networks that are internal or "
		        "without an address of this host have none; connect it to another one",
		        publication->namespace);
	return publication_target(model, publication) ? 0 : refuse_family(publication, err);
}

/* Networks that are let in by name are there. */
static int check_sources(
        const struct model *model, const struct publication *publication, struct error *err)
{
	const char *rest = publication->from;
	char item[SETTING_ITEM_MAX];
	struct cidr cidr;

	while (setting_next_item(&rest, item))
		if (!publication_source(item, &cidr) && !model_network(model, item))
			return error_field(err, "from",
			        "from: %.*s is neither a subnet nor a network (netd-ctl network ls "
			        "lists them)",
			        NAME_SIZE, item);
	return 0;
}

static bool listener_overlaps(const struct listener *listener, const struct ip *host_ip)
{
	if (!host_ip->family)
		return true;
	if (ip_is_any(host_ip) || ip_equal(&listener->ip, host_ip))
		return listener->ip.family == host_ip->family ||
		       (ip_is_any(&listener->ip) && !listener->v6only);
	return ip_is_any(&listener->ip) &&
	       (listener->ip.family == host_ip->family || !listener->v6only);
}

static int check_listeners(const struct publication *publication, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	char ip[IP_TEXT_SIZE];

	for (unsigned i = 0; i < facts->listener_count; i++) {
		const struct listener *listener = &facts->listeners[i];

		if (listener->protocol != publication->protocol ||
		        listener->port < publication->host_port ||
		        listener->port > publication->host_port_end ||
		        !listener_overlaps(listener, &publication->host_ip))
			continue;
		answer->listener = (struct listener_info){.present = true,
		        .inode = listener->inode,
		        .protocol = listener->protocol,
		        .ip = listener->ip,
		        .port = listener->port};
		memcpy(answer->listener.unit, listener->unit, sizeof(listener->unit));
		return error_set(err, ERROR_EXISTS, 0,
		        "port %u/%s: %s on this host listens on it already (address %s); stop it, "
		        "or publish "
		        "another port",
		        listener->port, protocol_name(publication->protocol),
		        listener->unit[0] ? listener->unit : "something",
		        ip_format(&listener->ip, ip));
	}
	return 0;
}

static bool same_way(const struct publication *a, const struct publication *b)
{
	return a->protocol == b->protocol && strcmp(a->namespace, b->namespace) == 0 &&
	       strcmp(a->network, b->network) == 0 && a->port == b->port &&
	       publication_more(a) == publication_more(b) && ip_equal(&a->host_ip, &b->host_ip);
}

static void granted(struct answer *answer, const struct publication *publication)
{
	memcpy(answer->publications[answer->publication_count++], publication->id, ID_SIZE);
}

/* Ports that are published already: the same publication again, or someone else's. */
static int compare_existing(const struct model *model, const struct publication *existing,
        const struct publication *wanted, bool exist_ok, struct answer *answer, struct error *err)
{
	const char *differing = NULL;
	char text[512], ports[PORTS_TEXT_SIZE];
	bool same =
	        exist_ok && existing->host_port == wanted->host_port && same_way(existing, wanted);

	if (same)
		differing = settings_differ(&publication_settings, wanted, existing);
	if (same && !differing) {
		granted(answer, existing);
		return 0;
	}
	error_field(err, differing ? differing : "", "port %s/%s is published already%s%s: %s",
	        ports_format(wanted->host_port, wanted->host_port_end, ports),
	        protocol_name(wanted->protocol), differing ? ", with another setting: " : "",
	        differing ? differing : "",
	        publication_format(model, existing, text, sizeof(text)));
	err->code = ERROR_EXISTS;
	return -EINVAL;
}

/* Where it leads, of which the request need not say anything. */
static void name_objects(
        const struct model *model, const struct publication *publication, struct answer *answer)
{
	const struct endpoint *target = publication_target(model, publication);

	memcpy(answer->namespace, publication->namespace, NAME_SIZE);
	memcpy(answer->network, target ? target->network : publication->network, NAME_SIZE);
}

/* --- ports that are left open --- */

/* One of this namespace that is what was asked for, whatever port it got. */
static const struct publication *find_granted(
        const struct model *model, const struct publication *wanted, const struct port_spec *spec)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	const struct reference *reference;

	snprintf(prefix, sizeof(prefix), "%s/", wanted->namespace);
	while ((reference = model_next_in(model, TABLE_NS_PORTS, prefix, key))) {
		const struct publication *other = model_publication(model, reference->owner);

		if (same_way(other, wanted) &&
		        !settings_differ(&publication_settings, other, wanted) &&
		        (spec->host_port == 0 || (other->host_port >= spec->host_port &&
		                                         other->host_port <= spec->host_port_end)))
			return other;
	}
	return NULL;
}

static int take_chosen(const struct port_spec *spec, uint16_t chosen,
        struct publication *publication, struct error *err)
{
	char ports[PORTS_TEXT_SIZE];

	if (!chosen && spec->host_port)
		return error_set(err, ERROR_REFUSED, 0,
		        "no port of %s/%s is free: each is published or has a listener (netd-ctl "
		        "ports and ss -lnp list them)",
		        ports_format(spec->host_port, spec->host_port_end, ports),
		        protocol_name(spec->protocol));
	if (!chosen)
		return error_set(err, ERROR_REFUSED, 0,
		        "no port of net.ipv4.ip_local_port_range is free for %s; name one: "
		        "HOSTPORT:%u/%s",
		        protocol_name(spec->protocol), spec->port, protocol_name(spec->protocol));
	publication->host_port = publication->host_port_end = chosen;
	return 0;
}

/* --- one of the request --- */

/* Where none was said it is the network's, or else the daemon's. */
struct ip publish_host(const struct model *model, const struct request *request, unsigned number,
        const struct facts *facts)
{
	const struct port_spec *spec = &request->ports[number];
	struct publication every = {0};
	const struct endpoint *target;
	const struct network *network;
	struct error ignored;

	if (spec->every || spec->host_ip.family)
		return spec->host_ip;
	memcpy(every.namespace, request->namespace, NAME_SIZE);
	memcpy(every.network, request->network, NAME_SIZE);
	if (!every.namespace[0] && choose_namespace(model, every.namespace, &ignored) < 0)
		return facts->publish_address;
	target = publication_target(model, &every);
	network = target ? model_network(model, target->network) : NULL;
	return network && network->publish_address.family ? network->publish_address
	                                                  : facts->publish_address;
}

static int check_limits(
        const struct model *model, const struct publication *publication, struct error *err)
{
	if (!publication_keeps_ports(publication) &&
	        publication_more(publication) >= SHIFTED_PORTS_MAX)
		return error_field(err, "host_port_end",
		        "host_port_end: a range that leads to other port numbers has at most %u "
		        "ports; one that leads to the same numbers may be of any length",
		        SHIFTED_PORTS_MAX);
	if (model_count(model, TABLE_PUBLICATIONS) >= MODEL_PUBLICATIONS_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "there are %u publications, the most netd keeps", MODEL_PUBLICATIONS_MAX);
	return 0;
}

static int add_publication(struct model *fork, struct publication *publication,
        const struct facts *facts, struct answer *answer, struct error *err)
{
	int r = check_target(fork, publication, err);

	if (r == 0)
		r = check_sources(fork, publication, err);
	if (r == 0)
		r = check_listeners(publication, facts, answer, err);
	if (r == 0)
		r = check_limits(fork, publication, err);
	if (r < 0)
		return r;
	if (model_new_id(fork, publication->id) < 0 || model_put_publication(fork, publication) < 0)
		return error_memory(err);
	granted(answer, publication);
	name_objects(fork, publication, answer);
	return publication_begin(fork, publication, err);
}

/* *existed: it was there. */
static int publish_one(struct model *fork, const struct request *request, unsigned number,
        struct publication *publication, const struct facts *facts, struct answer *answer,
        bool *existed, struct error *err)
{
	struct port_spec spec = request->ports[number];
	const struct publication *existing = NULL;
	int r = port_spec_check(&spec, err);

	publication->protocol = spec.protocol;
	publication->host_port = spec.host_port;
	publication->host_port_end = spec.host_port_end;
	publication->port = spec.port;
	publication->host_ip = publish_host(fork, request, number, facts);
	if (r == 0)
		r = publication_check_ip(&publication->host_ip, "host_ip", err);
	if (r < 0)
		return r;
	*existed = true;
	if (port_spec_is_open(&spec)) {
		publication->host_port_end = publication->host_port;
		if (request->exist_ok)
			existing = find_granted(fork, publication, &spec);
		if (existing) {
			granted(answer, existing);
			return 0;
		}
		r = take_chosen(&spec, facts->chosen[number], publication, err);
		if (r < 0)
			return r;
	}
	existing = publication_overlap(fork, publication);
	if (existing)
		return compare_existing(
		        fork, existing, publication, request->exist_ok, answer, err);
	*existed = false;
	return add_publication(fork, publication, facts, answer, err);
}

int rule_publish(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	struct publication publication = request->wanted_publication;
	bool all_existed = true;
	int r = 0;

	memcpy(publication.namespace, request->namespace, NAME_SIZE);
	memcpy(publication.network, request->network, NAME_SIZE);
	if (!publication.namespace[0])
		r = choose_namespace(fork, publication.namespace, err);
	for (unsigned i = 0; r == 0 && i < request->port_count; i++) {
		bool existed = false;

		r = publish_one(fork, request, i, &publication, facts, answer, &existed, err);
		all_existed = all_existed && existed;
	}
	answer->existed = r == 0 && all_existed;
	return r;
}
