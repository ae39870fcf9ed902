/*
 * What permissions make of a namespace: the elements that let others reach one of its ports, and,
 * where its default route leads elsewhere or nowhere, the routes to networks that it may talk to.
 * A permission is for one direction, but its answers need a route as well.
 */
#include "daemon/render/elements.h"
#include "daemon/render/render.h"
#include "daemon/render/render.h"

#include <stdio.h>
#include <string.h>

static const int families[] = {AF_INET, AF_INET6};

/* --- ports that others may reach --- */

static int add_port(struct resources *list, const struct network *from, const struct ip *ip,
        const struct allowed *allowed)
{
	struct element *element = element_add(
	        list, "inet netd", ip->family == AF_INET6 ? "nd_allowed6" : "nd_allowed4");

	if (!element)
		return -1;
	element_key_ifname(element, from->bridge);
	element_key_ip(element, ip);
	element_key_protocol(element, allowed->protocol);
	element_key_port(element, allowed->port);
	return 0;
}

static int add_ports(struct resources *list, const struct network *from, const struct namespace *ns,
        const struct endpoint *endpoint)
{
	const char *rest = from->allow;
	struct allowed allowed;
	int r = 0;

	while (r == 0 && allowed_next(&rest, &allowed))
		for (unsigned i = 0; strcmp(allowed.namespace, ns->name) == 0 && r == 0 &&
		                     i < endpoint->address_count;
		        i++)
			r = add_port(list, from, &endpoint->addresses[i].ip, &allowed);
	return r;
}

/* The network by this entry of the index, *key: who has a permission for `what`. NULL: no more. */
static const struct network *next_holder(
        const struct model *model, const struct allowed *what, char key[KEY_SIZE])
{
	char prefix[KEY_SIZE];
	const struct reference *reference;

	model_allowed_key(prefix, what, "");
	reference = model_next_in(model, TABLE_ALLOWED, prefix, key);
	return reference ? model_network(model, reference->owner) : NULL;
}

/* --- ways to others --- */

struct ways {
	const struct model *model;
	const struct namespace *ns;
	const struct endpoint *endpoint;
	const struct network *network; /* the endpoint's */
	struct resources *list;
	size_t first; /* of the namespace's resources in the list */
};

static bool has_route(const struct ways *ways, const struct cidr *destination)
{
	for (size_t i = ways->first; i < ways->list->count; i++) {
		const struct resource *resource = &ways->list->items[i];

		if (resource->kind == RESOURCE_ROUTE && resource->route.table == 0 &&
		        cidr_equal(&resource->route.destination, destination))
			return true;
	}
	return false;
}

static int add_way(const struct ways *ways, const struct network *to, int family)
{
	const struct subnet *here = network_subnet(ways->network, family),
	                    *there = network_subnet(to, family);
	struct resource *route;

	if (!network_has_host(ways->network) || !network_has_host(to) || !here || !there ||
	        has_route(ways, &there->cidr) ||
	        namespace_default_endpoint(ways->model, ways->ns, family) == ways->endpoint)
		return 0;
	route = resources_add(
	        ways->list, RESOURCE_ROUTE, ways->ns->name, ways->endpoint->host_ifname);
	if (!route)
		return -1;
	route->route.destination = there->cidr;
	route->route.gateway = here->gateway;
	memcpy(route->route.ifname, ways->endpoint->ifname, IFNAMSIZ);
	return 0;
}

static int add_ways(const struct ways *ways, const struct network *to)
{
	int r = 0;

	if (!to || namespace_endpoint(ways->ns, to->name))
		return 0;
	for (int i = 0; r == 0 && i < 2; i++)
		r = add_way(ways, to, families[i]);
	return r;
}

/* To what the endpoint's network has permissions for. */
static int add_ways_there(const struct ways *ways)
{
	const char *rest = ways->network->allow;
	struct allowed allowed;
	int r = 0;

	while (r == 0 && allowed_next(&rest, &allowed)) {
		const struct namespace *ns = model_namespace(ways->model, allowed.namespace);

		r = add_ways(ways, model_network(ways->model, allowed.network));
		for (unsigned i = 0; r == 0 && ns && i < ns->endpoint_count; i++)
			r = add_ways(ways, model_network(ways->model, ns->endpoints[i].network));
	}
	return r;
}

/* To who has a permission for the endpoint's network, or for a port of the namespace. */
static int add_ways_back(const struct ways *ways)
{
	struct allowed network = {0}, port = {0};
	const struct allowed *const whats[] = {&network, &port};
	int r = 0;

	memcpy(network.network, ways->network->name, NAME_SIZE);
	memcpy(port.namespace, ways->ns->name, NAME_SIZE);
	for (int i = 0; i < 2; i++) {
		const struct network *holder;
		char key[KEY_SIZE] = "";

		while (r == 0 && (holder = next_holder(ways->model, whats[i], key)))
			r = add_ways(ways, holder);
	}
	return r;
}

int add_permissions(
        const struct model *model, const struct namespace *ns, size_t first, struct resources *list)
{
	struct allowed port = {0};
	const struct network *holder;
	char key[KEY_SIZE] = "";
	int r = 0;

	memcpy(port.namespace, ns->name, NAME_SIZE);
	while (r == 0 && (holder = next_holder(model, &port, key)))
		for (unsigned i = 0; r == 0 && i < ns->endpoint_count; i++)
			r = add_ports(list, holder, ns, &ns->endpoints[i]);
	for (unsigned i = 0; r == 0 && i < ns->endpoint_count; i++) {
		const struct ways ways = {.model = model,
		        .ns = ns,
		        .endpoint = &ns->endpoints[i],
		        .network = model_network(model, ns->endpoints[i].network),
		        .list = list,
		        .first = first};

		r = add_ways_there(&ways);
		if (r == 0)
			r = add_ways_back(&ways);
	}
	return r;
}

/* --- what a routed network is open for --- */

/* `range`: of several ports, which keep their numbers. */
static struct element *add_opened(struct resources *list, const struct publication *publication,
        const struct ip *target, bool range)
{
	static const char *const names[2][2] = {
	        {"nd_open4", "nd_open6"}, {"nd_openrng4", "nd_openrng6"}};
	struct element *element =
	        element_add(list, "inet netd", names[range][target->family == AF_INET6]);

	if (!element)
		return NULL;
	element_key_ip(element, target);
	element_key_protocol(element, publication->protocol);
	return element;
}

static int add_opening(const struct model *model, const struct publication *publication, int family,
        struct resources *list)
{
	const struct ip *target = publication_opening(model, publication, family);
	unsigned more = publication_more(publication);
	struct element *element;

	if (!target)
		return 0;
	/* Two ranges on every address have different ports, and so have their targets. */
	if (more && publication_keeps_ports(publication)) {
		element = add_opened(list, publication, target, true);
		if (!element)
			return -1;
		element_key_ports(element, publication->port, (uint16_t)(publication->port + more));
		return 0;
	}
	for (unsigned i = 0; i <= more; i++) {
		element = add_opened(list, publication, target, false);
		if (!element)
			return -1;
		element_key_port(element, (uint16_t)(publication->port + i));
	}
	return 0;
}

static bool any_routed(const struct model *model, const struct namespace *ns)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		if (network_is_routed(model_network(model, ns->endpoints[i].network)))
			return true;
	return false;
}

/* Two publications may lead to the same port, and then want the same element: so those of a
 * namespace are rendered together, and it is there as long as one of them is. */
int render_openings(const struct model *model, const struct namespace *ns, struct resources *ret,
        struct error *err)
{
	const struct reference *reference;
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	int r = 0;

	if (!ns || !any_routed(model, ns))
		return 0;
	snprintf(prefix, sizeof(prefix), "%s/", ns->name);
	while (r == 0 && (reference = model_next_in(model, TABLE_NS_PORTS, prefix, key)))
		for (int i = 0; r == 0 && i < 2; i++)
			r = add_opening(model, model_publication(model, reference->owner),
			        families[i], ret);
	return r < 0 ? error_memory(err) : 0;
}

/* --- what a permission touches --- */

static int render_namespaces_on(
        const struct model *model, const char *network, struct resources *ret, struct error *err)
{
	const struct reference *member;
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%s/", network);
	while (r == 0 && (member = model_next_in(model, TABLE_MEMBERS, prefix, key)))
		r = render_namespace(model, model_namespace(model, member->owner), ret, err);
	return r;
}

int render_permitted(const struct model *model, const struct network *network,
        struct resources *ret, struct error *err)
{
	const char *rest = network ? network->allow : NULL;
	struct allowed allowed;
	int r = 0;

	while (r == 0 && allowed_next(&rest, &allowed)) {
		const struct namespace *ns = model_namespace(model, allowed.namespace);

		if (ns)
			r = render_namespace(model, ns, ret, err);
		else if (allowed.network[0])
			r = render_namespaces_on(model, allowed.network, ret, err);
	}
	return r;
}

int render_holders(const struct model *index, const struct model *model, const char *ns,
        struct resources *ret, struct error *err)
{
	struct allowed port = {0};
	const struct network *holder;
	char key[KEY_SIZE] = "";
	int r = 0;

	snprintf(port.namespace, sizeof(port.namespace), "%s", ns);
	while (r == 0 && (holder = next_holder(index, &port, key)))
		r = render_namespaces_on(model, holder->name, ret, err);
	return r;
}
