/* Which element of which set each object is. The rules that read the sets are the skeleton's. */
#include "daemon/render/elements.h"

struct element *element_add(struct resources *list, const char *table, const char *set)
{
	struct resource *resource = resources_add(list, RESOURCE_ELEMENT, "", set);

	if (!resource)
		return NULL;
	resource->element.set = set_find(table, set);
	return &resource->element;
}

static struct element *add_inet(struct resources *list, const char *set)
{
	return element_add(list, "inet netd", set);
}

/* A set of interface names. */
static int add_interface(struct resources *list, const char *set, const char *interface)
{
	struct element *element = add_inet(list, set);

	if (!element)
		return -1;
	element_key_ifname(element, interface);
	return 0;
}

static int add_verdict(
        struct resources *list, const char *map, const char *interface, enum set_verdict verdict)
{
	struct element *element = add_inet(list, map);

	if (!element)
		return -1;
	element_key_ifname(element, interface);
	element_data_verdict(element, verdict);
	return 0;
}

static int add_pair(struct resources *list, const char *from, const char *to)
{
	struct element *element = add_inet(list, "nd_pairs");

	if (!element)
		return -1;
	element_key_ifname(element, from);
	element_key_ifname(element, to);
	return 0;
}

static int add_subnet_elements(
        struct resources *list, const struct subnet *subnet, const char *bridge)
{
	struct element *element = add_inet(list, "nd_nets4");

	if (!element)
		return -1;
	element_key_cidr(element, &subnet->cidr);
	element = add_inet(list, "nd_gateways4");
	if (!element)
		return -1;
	element_key_ip(element, &subnet->gateway);
	element = add_inet(list, "nd_members4");
	if (!element)
		return -1;
	element_key_cidr(element, &subnet->cidr);
	element_key_ifname(element, bridge);
	return 0;
}

int add_network_elements(struct resources *list, const struct network *network)
{
	const char *bridge = network->bridge;
	enum set_verdict in = network->internal ? VERDICT_DROP : VERDICT_PUBLISHED;
	int r = add_interface(list, "nd_bridges", bridge);

	for (unsigned i = 0; r == 0 && i < network->subnet_count; i++)
		r = add_subnet_elements(list, &network->subnets[i], bridge);
	if (r == 0)
		r = add_pair(list, bridge, bridge);
	if (r == 0)
		r = add_verdict(list, "nd_in4", bridge, in);
	if (r == 0) /* no IPv6 in this network: nothing of it comes in */
		r = add_verdict(list, "nd_in6", bridge, VERDICT_DROP);
	if (r == 0)
		r = add_interface(list, network->internal ? "nd_closed" : "nd_masq4", bridge);
	return r;
}

int add_endpoint_elements(struct resources *list, const struct endpoint *endpoint)
{
	struct element *element = element_add(list, "bridge netd", "nd_ports");

	if (!element)
		return -1;
	element_key_ifname(element, endpoint->host_ifname);
	element = element_add(list, "bridge netd", "nd_mac");
	if (!element)
		return -1;
	element_key_ifname(element, endpoint->host_ifname);
	element_key_mac(element, endpoint->mac);
	for (unsigned i = 0; i < endpoint->address_count; i++) {
		element = element_add(list, "bridge netd", "nd_ip4");
		if (!element)
			return -1;
		element_key_ifname(element, endpoint->host_ifname);
		element_key_ip(element, &endpoint->addresses[i].ip);
	}
	return 0;
}

int add_switched_element(struct resources *list, const char *interface)
{
	return add_interface(list, "nd_switched", interface);
}
