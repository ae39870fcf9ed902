/*
 * The routes of a namespace: its default routes, the routes of its networks, and where it has more
 * than one way of a family, a table for each endpoint, so that an answer leaves by the interface
 * that the request came in by, and not by the default route.
 *
 * The table of an endpoint has what the main one would have if it were the only endpoint. Packets
 * that have a source address already, and answers are such, are looked up there; what it does not
 * know is looked up in the main one.
 */
#include "daemon/render/ways.h"

#include <string.h>

static const int families[] = {AF_INET, AF_INET6};

static struct resource *add_route(struct resources *list, const char *ns,
        const struct endpoint *endpoint, const struct cidr *to, const struct ip *via,
        uint32_t table)
{
	struct resource *route = resources_add(list, RESOURCE_ROUTE, ns, endpoint->host_ifname);

	if (!route)
		return NULL;
	route->route.destination = *to;
	if (via)
		route->route.gateway = *via;
	route->route.table = table;
	memcpy(route->route.ifname, endpoint->ifname, IFNAMSIZ);
	return route;
}

/* The default route of this family through this network. */
static struct cidr everywhere(int family)
{
	return (struct cidr){.ip.family = (uint8_t)family};
}

static bool is_subnet_of(
        const struct model *model, const struct endpoint *endpoint, const struct cidr *cidr)
{
	const struct subnet *subnet =
	        network_subnet(model_network(model, endpoint->network), cidr->ip.family);

	return subnet && cidr_equal(&subnet->cidr, cidr);
}

static bool has_route(
        const struct model *model, const struct endpoint *endpoint, const struct cidr *cidr)
{
	const char *rest = model_network(model, endpoint->network)->routes;
	struct cidr other;
	struct ip via;

	while (network_next_route(&rest, &other, &via))
		if (cidr_equal(&other, cidr))
			return true;
	return false;
}

/* Whether another endpoint leads there: to its own subnet, or with a higher priority, or, with the
 * same one, as the first. A table has one route to a destination. */
static bool leads_elsewhere(const struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, const struct cidr *cidr)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++) {
		const struct endpoint *other = &ns->endpoints[i];

		if (other == endpoint)
			continue;
		if (is_subnet_of(model, other, cidr))
			return true;
		if (has_route(model, other, cidr) &&
		        (other->gw_priority > endpoint->gw_priority ||
		                (other->gw_priority == endpoint->gw_priority && other < endpoint)))
			return true;
	}
	return false;
}

/* Whoever a route leads through has no use for it, and the kernel refuses it there. */
static bool has_address(const struct namespace *ns, const struct ip *ip)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++) {
		const struct cidr *address = endpoint_address(&ns->endpoints[i], ip->family);

		if (address && ip_equal(&address->ip, ip))
			return true;
	}
	return false;
}

/* table 0: the main one. */
static int add_network_routes(const struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, int family, uint32_t table, struct resources *list)
{
	const char *rest = model_network(model, endpoint->network)->routes;
	struct cidr to;
	struct ip via;

	while (network_next_route(&rest, &to, &via)) {
		if (to.ip.family != family || has_address(ns, &via) ||
		        (!table && leads_elsewhere(model, ns, endpoint, &to)))
			continue;
		if (!add_route(list, ns->name, endpoint, &to, &via, table))
			return -1;
	}
	return 0;
}

static int add_table(const struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, int family, struct resources *list)
{
	const struct network *network = model_network(model, endpoint->network);
	const struct subnet *subnet = network_subnet(network, family);
	const struct ip *gateway = endpoint_gateway(network, endpoint, family);
	const struct cidr everything = everywhere(family);
	uint32_t table = ROUTE_TABLES_FIRST + endpoint_table(endpoint);
	struct resource *rule = resources_add(list, RESOURCE_RULE, ns->name, "");

	if (!rule)
		return -1;
	rule->rule.from = endpoint_address(endpoint, family)->ip;
	rule->rule.table = table;
	if (!add_route(list, ns->name, endpoint, &subnet->cidr, NULL, table))
		return -1;
	if (gateway && !add_route(list, ns->name, endpoint, &everything, gateway, table))
		return -1;
	return add_network_routes(model, ns, endpoint, family, table, list);
}

int add_ways_out(const struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, struct resources *list)
{
	const struct network *network = model_network(model, endpoint->network);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 2; i++) {
		const struct cidr everything = everywhere(families[i]);
		const struct subnet *subnet = network_subnet(network, families[i]);

		if (namespace_default_endpoint(model, ns, families[i]) == endpoint &&
		        !add_route(list, ns->name, endpoint, &everything, &subnet->gateway, 0))
			return -1;
		r = add_network_routes(model, ns, endpoint, families[i], 0, list);
		if (r == 0 && endpoint_has_table(ns, endpoint, families[i]))
			r = add_table(model, ns, endpoint, families[i], list);
	}
	return r;
}
