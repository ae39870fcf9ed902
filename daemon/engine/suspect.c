/*
 * From an announcement of the kernel to what it puts under suspicion: it is held against what the
 * model wants, so that what netd itself did, and what others do with their own things, costs no
 * look. Nothing is decided here. What a suspicion is worth shows when the kernel is asked
 * (engine/drift.c).
 */
#include "daemon/engine/internal.h"

#include "daemon/model/ns_link.h"
#include "daemon/kernel/look.h"

#include <string.h>

/* --- the host --- */

static bool is_bridge(int index, const char *bridge)
{
	char name[IFNAMSIZ];

	return index && if_indextoname((unsigned)index, name) && strcmp(name, bridge) == 0;
}

/* Waits for its deletion, and is harmless. */
static bool is_retired(const struct happening *link)
{
	return link->group && !link->master && !link->up;
}

static bool bridge_is_wrong(const struct network *network, const struct happening *link)
{
	return link->gone || !link->up || strcmp(link->name, network->bridge) != 0 ||
	       link->mtu != network->link_mtu || memcmp(link->mac, network->mac, MAC_SIZE) != 0;
}

/* Its bridge, which is somebody else's, is gone: that is followed, not mended. */
static bool waits_for_bridge(const struct network *network, const struct happening *link)
{
	return network->use_bridge[0] && !link->gone && link->up && !link->master &&
	       !if_nametoindex(network->use_bridge);
}

static bool pair_is_wrong(const struct network *network, const struct endpoint *endpoint,
        const struct happening *link)
{
	if (waits_for_bridge(network, link))
		return false;
	return link->gone || !link->up || strcmp(link->name, endpoint->host_ifname) != 0 ||
	       link->mtu != network->link_mtu || !is_bridge(link->master, network->bridge);
}

static void suspect_link(
        struct drift *drift, const struct model *model, const struct happening *link)
{
	const struct endpoint *endpoint;
	const struct network *network;
	const struct namespace *ns;
	struct mark mark;

	if (!mark_read(model, link->alias, &mark) || is_retired(link))
		return;
	network = model_network(model, mark.network);
	ns = model_namespace(model, mark.namespace);
	endpoint = ns ? namespace_endpoint(ns, mark.network) : NULL;
	if (network && !mark.namespace[0] && bridge_is_wrong(network, link))
		drift_network(drift, network->name);
	if (network && endpoint && pair_is_wrong(network, endpoint, link))
		drift_namespace(drift, ns->name, link->gone ? SIDE_BOTH : SIDE_OUTER);
}

static const struct network *network_of_bridge(const struct model *model, int index)
{
	char bridge[IFNAMSIZ];
	const char *owner = index && if_indextoname((unsigned)index, bridge)
	                            ? model_owner(model, TABLE_BRIDGES, bridge)
	                            : NULL;

	return owner ? model_network(model, owner) : NULL;
}

static bool port_is_wrong(const struct model *model, const struct happening *port)
{
	const struct network *network = network_of_bridge(model, port->master);

	return network && (port->hairpin != network_hairpin(model) ||
	                          port->isolated != network_separates(model, network));
}

/* False of a bridge, and of a pair that waits for its deletion. */
static bool is_connected(const struct model *model, const struct mark *mark)
{
	const struct namespace *ns = model_namespace(model, mark->namespace);

	return ns && namespace_endpoint(ns, mark->network);
}

/* It is looked at by itself, as every port is wrong for a moment while netd makes it. */
void suspect_port(struct engine *engine, const struct happening *port)
{
	struct happening now = *port;
	struct look_port found;
	struct mark mark;

	if (!port_is_wrong(engine->model, port) || !look_port(engine->kernel, port->name, &found))
		return;
	now.hairpin = found.hairpin;
	now.isolated = found.isolated;
	if (port_is_wrong(engine->model, &now) && mark_read(engine->model, found.alias, &mark) &&
	        is_connected(engine->model, &mark))
		drift_namespace(engine->drift, mark.namespace, SIDE_OUTER);
}

static bool is_of_network(const struct network *network, const struct happening *happening)
{
	for (unsigned i = 0; i < network->subnet_count; i++) {
		const struct subnet *subnet = &network->subnets[i];

		if (happening->cidr.prefix == subnet->cidr.prefix &&
		        ip_equal(&happening->cidr.ip, happening->kind == EVENT_ADDRESS
		                                              ? &subnet->gateway
		                                              : &subnet->cidr.ip))
			return true;
	}
	return false;
}

static bool is_link_local6(const struct ip *ip)
{
	return ip->family == AF_INET6 && ip_is_link_local(ip);
}

/* The link-local address of this MAC address, or the route to its like, of which it does not say
 * whose it was. */
static bool is_link_local_of(const uint8_t mac[MAC_SIZE], const struct happening *happening)
{
	struct cidr own = cidr_link_local(mac);

	return happening->kind == EVENT_ROUTE ? is_link_local6(&happening->cidr.ip)
	                                      : ip_equal(&own.ip, &happening->cidr.ip);
}

/* An address or a route went: perhaps a bridge's. */
static void suspect_subnet(
        struct drift *drift, const struct model *model, const struct happening *happening)
{
	const struct network *network = model_network_at(model, &happening->cidr);

	if (!happening->gone)
		return;
	if (network && is_of_network(network, happening))
		drift_network(drift, network->name);
	network = is_link_local6(&happening->cidr.ip) ? network_of_bridge(model, happening->index)
	                                              : NULL;
	if (network && network_subnet(network, AF_INET6) &&
	        is_link_local_of(network->mac, happening))
		drift_network(drift, network->name);
}

/* It is asked what is true by now, as every bridge begins without. */
static void suspect_bridge(
        struct drift *drift, const struct network *network, const struct happening *forwarding)
{
	bool v6 = forwarding->cidr.ip.family == AF_INET6;

	if (network && network_has_host(network) &&
	        (v6 ? network_subnet(network, AF_INET6) != NULL : !facts_forwards(network->bridge)))
		drift_network(drift, network->name);
}

static void suspect_forwarding(
        struct drift *drift, const struct model *model, const struct happening *happening)
{
	char ifname[IFNAMSIZ];
	const char *network;

	/* Of IPv6, where not each interface has its own: the whole host's. */
	if (happening->gone && !happening->index && happening->cidr.ip.family == AF_INET6 &&
	        model_host(model)->has_ip6)
		drift_interfaces(drift);
	if (!happening->gone || !happening->index ||
	        !if_indextoname((unsigned)happening->index, ifname))
		return;
	if (happening->cidr.ip.family == AF_INET6 && facts_forwards6(model_host(model), ifname))
		return;
	network = model_owner(model, TABLE_BRIDGES, ifname);
	if (network && !bridge_user(model, ifname))
		suspect_bridge(drift, model_network(model, network), happening);
	else if (model_object(model, TABLE_INTERFACES, ifname))
		drift_interfaces(drift);
}

void suspect_host(struct drift *drift, const struct model *model, const struct happening *happening)
{
	switch (happening->kind) {
	case EVENT_LINK:
		suspect_link(drift, model, happening);
		break;
	case EVENT_PORT:
		break;
	case EVENT_ADDRESS:
	case EVENT_ROUTE:
		suspect_subnet(drift, model, happening);
		break;
	case EVENT_FORWARDING:
		suspect_forwarding(drift, model, happening);
		break;
	case EVENT_NEXTHOP:
	case EVENT_RULE:
		break;
	case EVENT_RULES:
		drift_rules(drift, happening->pid, happening->program);
		break;
	}
}

/* --- inside a namespace --- */

/* Of an interface that has no endpoint's name it is not known whether it is a renamed one of
 * netd's: only those whose other end is elsewhere can be. */
static bool end_is_wrong(
        const struct model *model, const struct namespace *ns, const struct happening *link)
{
	if (link->loopback)
		return ns->origin == ORIGIN_CREATED && !link->up;
	for (unsigned i = 0; i < ns->endpoint_count; i++) {
		const struct endpoint *endpoint = &ns->endpoints[i];
		const struct network *network = model_network(model, endpoint->network);

		if (strcmp(link->name, endpoint->ifname) == 0)
			return link->gone || !link->up || link->mtu != network->link_mtu ||
			       memcmp(link->mac, endpoint->mac, MAC_SIZE) != 0;
	}
	return !link->gone && link->peer_nsid >= 0;
}

/* A link-local address, or the route to its like. */
static bool has_link_local(const struct namespace *ns, const struct happening *happening)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		if (endpoint_address(&ns->endpoints[i], AF_INET6) &&
		        is_link_local_of(ns->endpoints[i].mac, happening))
			return true;
	return false;
}

static bool has_address(const struct namespace *ns, const struct cidr *cidr)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		for (unsigned j = 0; j < ns->endpoints[i].address_count; j++)
			if (ip_equal(&ns->endpoints[i].addresses[j].ip, &cidr->ip) &&
			        ns->endpoints[i].addresses[j].prefix == cidr->prefix)
				return true;
	return false;
}

/* Something of a routing table of netd's, or a rule that leads to it, went. */
static bool table_is_wrong(const struct namespace *ns, const struct happening *happening)
{
	int family = happening->cidr.ip.family;

	for (unsigned i = 0; happening->gone && i < ns->endpoint_count; i++) {
		const struct endpoint *endpoint = &ns->endpoints[i];

		if (happening->table == ROUTE_TABLES_FIRST + endpoint_table(endpoint))
			return endpoint_has_table(ns, endpoint, family);
	}
	return false;
}

static bool is_route_of(const struct network *network, const struct cidr *cidr)
{
	const char *rest = network->routes;
	struct cidr to;
	struct ip via;

	while (network_next_route(&rest, &to, &via))
		if (cidr_equal(&to, cidr))
			return true;
	return false;
}

/* As a permission needs it where the default route leads elsewhere. */
static bool is_way_to_another(const struct model *model, const struct happening *route)
{
	const struct network *network = model_network_at(model, &route->cidr);

	return route->gateway.family && network && is_of_network(network, route);
}

/* A default route that is none of netd's is one too many; a subnet's that went is one too few. */
static bool route_is_wrong(
        const struct model *model, const struct namespace *ns, const struct happening *route)
{
	int family = route->cidr.ip.family;
	const struct endpoint *way_out = namespace_default_endpoint(model, ns, family);

	if (route->table)
		return table_is_wrong(ns, route);
	if (route->cidr.prefix == 0 && !route->gone)
		return way_out &&
		       !ip_equal(&route->gateway,
		               &network_subnet(model_network(model, way_out->network), family)
		                        ->gateway);
	if (route->cidr.prefix == 0)
		return way_out != NULL;
	for (unsigned i = 0; route->gone && i < ns->endpoint_count; i++) {
		const struct network *network = model_network(model, ns->endpoints[i].network);

		if (is_of_network(network, route) || is_route_of(network, &route->cidr))
			return true;
	}
	return route->gone && is_way_to_another(model, route);
}

/* --- links between namespaces --- */

static bool link_is_wrong(const struct ns_link *link, const char *ns, const struct happening *now)
{
	const struct ns_link_end *end = &link->ends[strcmp(link->ends[0].namespace, ns) != 0];

	return strcmp(end->namespace, ns) != 0 || now->gone || !now->up ||
	       now->mtu != (uint32_t)link->mtu || strcmp(now->name, end->ifname) != 0 ||
	       memcmp(now->mac, end->mac, MAC_SIZE) != 0;
}

/* The link whose end this interface is, by its mark, or by its name. */
static const struct ns_link *link_of(
        const struct model *model, const char *ns, const struct happening *now)
{
	const struct ns_link *link;
	char key[KEY_SIZE] = "";
	unsigned end;

	if (now->pair[0])
		return ns_link_by_name(model, now->pair);
	while ((link = namespace_next_link(model, ns, key, &end)))
		if (strcmp(link->ends[end].ifname, now->name) == 0)
			return link;
	return NULL;
}

/* False: it is no link's. With one end the other one went, perhaps because its namespace did. */
static bool suspect_link_end(
        struct engine *engine, const char *ns, const struct happening *interface)
{
	const struct ns_link *link = link_of(engine->model, ns, interface);

	if (link && link_is_wrong(link, ns, interface))
		drift_ns_link(engine->drift, link->id);
	for (unsigned i = 0; link && interface->gone && i < 2; i++)
		watch_look_at(engine->watch, link->ends[i].namespace);
	return link || interface->pair[0];
}

static bool link_has(
        const struct ns_link *link, const struct ns_link_end *end, const struct happening *gone)
{
	for (unsigned i = 0; i < end->address_count; i++) {
		const struct cidr *address = &end->addresses[i];
		struct ip ip = gone->kind == EVENT_ROUTE ? cidr_first(address) : address->ip;

		if (address->prefix == gone->cidr.prefix && ip_equal(&ip, &gone->cidr.ip))
			return true;
	}
	return ns_link_has_ip6(link) && is_link_local_of(end->mac, gone);
}

/* An address or a route went. */
static void suspect_links(struct engine *engine, const char *ns, const struct happening *gone)
{
	const struct ns_link *link;
	char key[KEY_SIZE] = "";
	unsigned end;

	while ((link = namespace_next_link(engine->model, ns, key, &end)))
		if (link_has(link, &link->ends[end], gone))
			drift_ns_link(engine->drift, link->id);
}

static bool has_endpoint_as(const struct namespace *ns, const char *ifname)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		if (strcmp(ns->endpoints[i].ifname, ifname) == 0)
			return true;
	return false;
}

void suspect_inside(struct engine *engine, const char *name, const struct happening *happening)
{
	const struct model *model = engine->model;
	const struct namespace *ns = model_namespace(model, name);
	bool wrong = false;

	if (!ns || (ns->endpoint_count == 0 && !namespace_has_links(model, name)))
		return;
	if (happening->kind == EVENT_LINK && suspect_link_end(engine, name, happening))
		return;
	if (happening->gone && (happening->kind == EVENT_ADDRESS || happening->kind == EVENT_ROUTE))
		suspect_links(engine, name, happening);
	switch (happening->kind) {
	case EVENT_LINK:
		wrong = end_is_wrong(model, ns, happening);
		/* Renamed, and without its mark, it may be a link's. */
		if (wrong && !happening->loopback && !has_endpoint_as(ns, happening->name))
			drift_links_of(engine->drift, name);
		break;
	case EVENT_ADDRESS:
		wrong = happening->gone &&
		        (has_address(ns, &happening->cidr) || has_link_local(ns, happening));
		break;
	case EVENT_ROUTE:
		wrong = route_is_wrong(model, ns, happening) ||
		        (happening->gone && has_link_local(ns, happening));
		break;
	case EVENT_RULE:
		wrong = table_is_wrong(ns, happening);
		break;
	case EVENT_PORT:
	case EVENT_NEXTHOP:
	case EVENT_FORWARDING:
	case EVENT_RULES:
		break;
	}
	if (wrong)
		drift_namespace(engine->drift, name, SIDE_INSIDE);
}
