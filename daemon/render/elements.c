/* Which element of which set each object is. The rules that read the sets are the skeleton's. */
#include "daemon/render/elements.h"

#include "daemon/model/setting.h"

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

int element_add_interface(struct resources *list, const char *set, const char *interface)
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

static int add_pair(struct resources *list, const char *set, const char *from, const char *to)
{
	struct element *element = add_inet(list, set);

	if (!element)
		return -1;
	element_key_ifname(element, from);
	element_key_ifname(element, to);
	return 0;
}

static int add_subnet_elements(
        struct resources *list, const struct subnet *subnet, const char *bridge)
{
	bool v6 = subnet->cidr.ip.family == AF_INET6;
	struct element *element = add_inet(list, v6 ? "nd_nets6" : "nd_nets4");

	if (!element)
		return -1;
	element_key_cidr(element, &subnet->cidr);
	element = add_inet(list, v6 ? "nd_gateways6" : "nd_gateways4");
	if (!element)
		return -1;
	element_key_ip(element, &subnet->gateway);
	element = add_inet(list, v6 ? "nd_members6" : "nd_members4");
	if (!element)
		return -1;
	element_key_cidr(element, &subnet->cidr);
	element_key_ifname(element, bridge);
	return 0;
}

/* Who from outside, and what of netd's other networks, this one is open to. */
static int add_openings(
        const struct model *model, const struct network *network, struct resources *list)
{
	const char *trusted = network->trusted_interfaces, *allow = network->allow;
	char item[SETTING_ITEM_MAX];
	struct allowed allowed;
	int r = 0;

	while (r == 0 && setting_next_item(&trusted, item))
		r = add_pair(list, "nd_trusted", item, network->bridge);
	while (r == 0 && allowed_next(&allow, &allowed)) {
		const struct network *to = model_network(model, allowed.network);

		if (to)
			r = add_pair(list, "nd_pairs", network->bridge, to->bridge);
	}
	return r;
}

/* A port of the host's address in this network. */
static int add_served(struct resources *list, const struct network *network,
        const struct subnet *subnet, uint8_t protocol, uint16_t port)
{
	bool v6 = subnet->gateway.family == AF_INET6;
	struct element *element = add_inet(list, v6 ? "nd_served6" : "nd_served4");

	if (!element)
		return -1;
	element_key_ifname(element, network->bridge);
	element_key_ip(element, &subnet->gateway);
	element_key_protocol(element, protocol);
	element_key_port(element, port);
	return 0;
}

static int add_host_access(struct resources *list, const struct network *network)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	int r;

	if (network->host_access == HOST_ACCESS_YES)
		return 0;
	r = element_add_interface(list, "nd_shut", network->bridge);
	for (unsigned i = 0; network->host_access == HOST_ACCESS_DNS && i < network->subnet_count;
	        i++)
		for (unsigned j = 0; r == 0 && j < sizeof(protocols); j++)
			r = add_served(list, network, &network->subnets[i], protocols[j], 53);
	return r;
}

static int add_snat(struct resources *list, const char *interface, const struct ip *ip)
{
	struct element *element = add_inet(list, ip->family == AF_INET6 ? "nd_snat6" : "nd_snat4");

	if (!element)
		return -1;
	element_key_ifname(element, interface);
	element_data_ip(element, ip);
	return 0;
}

/* What comes in, and what goes out; nothing of a family that the network does not have. */
static int add_ways(struct resources *list, const struct network *network, int family)
{
	static const enum set_verdict verdicts[] = {[MODE_NAT] = VERDICT_PUBLISHED,
	        [MODE_ROUTED] = VERDICT_ROUTED,
	        [MODE_OPEN] = VERDICT_ACCEPT};
	bool closed = network->internal || !network_subnet(network, family),
	     v6 = family == AF_INET6;
	enum network_mode mode = network_mode(network, family);
	struct ip source;
	int r = add_verdict(list, v6 ? "nd_in6" : "nd_in4", network->bridge,
	        closed ? VERDICT_DROP : verdicts[mode]);

	if (r < 0 || closed || mode != MODE_NAT)
		return r;
	if (network_snat(network, family, &source))
		return add_snat(list, network->bridge, &source);
	return element_add_interface(list, v6 ? "nd_masq6" : "nd_masq4", network->bridge);
}

/* The host forwards nothing into it or out of it, nor listens there. With br_netfilter its members'
 * frames pass the host's hooks, where the pair lets them through. */
static int add_closed(struct resources *list, const struct network *network)
{
	const char *bridge = network->bridge;
	static const char *const names[] = {"nd_bridges", "nd_closed", "nd_shut"};
	int r = add_pair(list, network->isolated ? "nd_apart" : "nd_pairs", bridge, bridge);

	for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		r = element_add_interface(list, names[i], bridge);
	if (r == 0)
		r = add_verdict(list, "nd_in4", bridge, VERDICT_DROP);
	return r == 0 ? add_verdict(list, "nd_in6", bridge, VERDICT_DROP) : r;
}

int add_network_elements(
        const struct model *model, const struct network *network, struct resources *list)
{
	const char *bridge = network->bridge;
	int r;

	if (network->use_bridge[0])
		return 0; /* what passes it is not netd's to judge */
	if (!network_has_host(network))
		return add_closed(list, network);
	r = element_add_interface(list, "nd_bridges", bridge);

	for (unsigned i = 0; r == 0 && i < network->subnet_count; i++)
		r = add_subnet_elements(list, &network->subnets[i], bridge);
	if (r == 0)
		r = add_pair(list, network->isolated ? "nd_apart" : "nd_pairs", bridge, bridge);
	if (r == 0)
		r = add_ways(list, network, AF_INET);
	if (r == 0)
		r = add_ways(list, network, AF_INET6);
	if (r == 0 && network->internal)
		r = element_add_interface(list, "nd_closed", bridge);
	if (r == 0)
		r = add_openings(model, network, list);
	return r == 0 ? add_host_access(list, network) : r;
}

/* An address that an endpoint may send from; and, of IPv6, that it may say is its own. */
static int add_source(struct resources *list, const struct endpoint *endpoint, const struct ip *ip)
{
	static const char *const names[][2] = {{"nd_ip4", NULL}, {"nd_ip6", "nd_target6"}};

	for (int i = 0; i < 2; i++) {
		const char *set = names[ip->family == AF_INET6][i];
		struct element *element = set ? element_add(list, "bridge netd", set) : NULL;

		if (!element)
			return set ? -1 : 0;
		element_key_ifname(element, endpoint->host_ifname);
		element_key_ip(element, ip);
	}
	return 0;
}

static int add_rate(
        struct resources *list, const char *set, const struct endpoint *endpoint, int64_t bits)
{
	struct element *element = bits ? element_add(list, "bridge netd", set) : NULL;

	if (!element)
		return bits ? -1 : 0;
	element_key_ifname(element, endpoint->host_ifname);
	element->rate = (uint64_t)bits / 8;
	return 0;
}

int add_endpoint_elements(
        struct resources *list, const struct network *network, const struct endpoint *endpoint)
{
	struct element *element;

	if (element_add_interface(list, "nd_outer", endpoint->host_ifname) < 0)
		return -1;
	element = element_add(list, "bridge netd", "nd_ports");
	if (!element)
		return -1;
	element_key_ifname(element, endpoint->host_ifname);
	element = element_add(list, "bridge netd", "nd_mac");
	if (!element)
		return -1;
	element_key_ifname(element, endpoint->host_ifname);
	element_key_mac(element, endpoint->mac);
	if (endpoint->router) {
		element = element_add(list, "bridge netd", "nd_routers");
		if (!element)
			return -1;
		element_key_ifname(element, endpoint->host_ifname);
	}
	if (add_rate(list, "nd_ratein", endpoint, endpoint->rate_in) < 0 ||
	        add_rate(list, "nd_rateout", endpoint, endpoint->rate_out) < 0)
		return -1;
	if (network->isolated) {
		element = element_add(list, "bridge netd", "nd_isolated");
		if (!element)
			return -1;
		element_key_ifname(element, endpoint->host_ifname);
	}
	for (unsigned i = 0; i < endpoint->address_count; i++)
		if (add_source(list, endpoint, &endpoint->addresses[i].ip) < 0)
			return -1;
	if (endpoint_address(endpoint, AF_INET6)) {
		struct cidr link_local = cidr_link_local(endpoint->mac);

		return add_source(list, endpoint, &link_local.ip);
	}
	return 0;
}

int add_switched_element(struct resources *list, const char *interface, int family)
{
	return element_add_interface(
	        list, family == AF_INET6 ? "nd_switched6" : "nd_switched4", interface);
}
