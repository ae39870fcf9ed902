/*
 * One function per kind of object. What stands here is the whole of what a network, an endpoint or
 * a published port is in the kernel; nothing else sets anything up.
 */
#include "daemon/render/render.h"

#include "daemon/render/elements.h"
#include "daemon/render/parts.h"
#include "daemon/render/ways.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- networks --- */

static int add_bridge(
        const struct model *model, const struct network *network, struct resources *list)
{
	struct resource *bridge = resources_add(list, RESOURCE_LINK, "", network->bridge);

	if (!bridge || asprintf(&bridge->text, "netd:%s:%s", model_host(model)->instance,
	                       network->name) < 0)
		return -1;
	bridge->link.type = LINK_BRIDGE;
	bridge->link.quiet = network_subnet(network, AF_INET6) != NULL;
	bridge->link.up = true;
	bridge->link.mtu = network->link_mtu;
	memcpy(bridge->link.mac, network->mac, MAC_SIZE);
	return 0;
}

static int add_bridge_ip6(
        const struct model *model, const struct network *network, struct resources *list)
{
	const char *bridge = network->bridge;
	int r;

	if (!network_subnet(network, AF_INET6) || !network_has_host(network))
		return add_sysctl(list, "", "ipv6", bridge, "disable_ipv6", "1", false);
	r = add_ip6(list, "", bridge);
	if (r == 0 && model_host(model)->force_forwarding)
		r = add_sysctl(list, "", "ipv6", bridge, "force_forwarding", "1", false);
	return r == 0 ? add_link_local(list, "", bridge, bridge, network->mac) : r;
}

int render_network(const struct model *model, const struct network *network, struct resources *ret,
        struct error *err)
{
	bool host = network_has_host(network);
	const char *bridge = network->bridge;
	int r;

	if (network->use_bridge[0])
		return 0; /* all of it is somebody else's */
	r = add_bridge(model, network, ret);
	if (r == 0)
		r = add_sysctl(ret, "", "ipv4", bridge, "forwarding", host ? "1" : "0", false);
	if (r == 0 && host && !network->internal)
		r = add_sysctl(ret, "", "ipv4", bridge, "route_localnet", "1", false);
	if (r == 0)
		r = add_bridge_ip6(model, network, ret);
	for (unsigned i = 0; r == 0 && host && i < network->subnet_count; i++) {
		struct cidr address = {
		        network->subnets[i].gateway, network->subnets[i].cidr.prefix};

		r = add_subnet(ret, "", bridge, bridge, &address);
	}
	if (r == 0)
		r = add_network_elements(model, network, ret);
	return r < 0 ? error_memory(err) : 0;
}

/* --- namespaces and their endpoints --- */

/* A port of somebody else's bridge. A bridge without a MAC address of its own takes the lowest of
 * its ports': this one is higher than most. */
static void add_guest(const struct endpoint *endpoint, struct resource *veth)
{
	uint8_t mac[MAC_SIZE] = {0xfe, 0xff};

	sscanf(endpoint->id, "%2hhx%2hhx%2hhx%2hhx", &mac[2], &mac[3], &mac[4], &mac[5]);
	memcpy(veth->link.mac, mac, MAC_SIZE);
	veth->link.guest = true;
}

static int add_veth(const struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, const struct network *network, struct resources *list)
{
	struct resource *veth = resources_add(list, RESOURCE_LINK, "", endpoint->host_ifname);

	if (!veth || asprintf(&veth->text, "netd:%s:%s/%s", model_host(model)->instance,
	                     network->name, ns->name) < 0)
		return -1;
	veth->link.type = LINK_VETH;
	veth->link.up = true;
	veth->link.mtu = network->link_mtu;
	if (!network_is_pending(model, network))
		memcpy(veth->link.master, network->bridge, IFNAMSIZ);
	if (network->use_bridge[0])
		add_guest(endpoint, veth);
	memcpy(veth->link.peer_ns, ns->name, NAME_SIZE);
	memcpy(veth->link.peer_name, endpoint->ifname, IFNAMSIZ);
	memcpy(veth->link.peer_mac, endpoint->mac, MAC_SIZE);
	return 0;
}

/* What the bridge's port needs beyond the defaults: model/policy.c says what. */
static int add_port(const struct model *model, const struct network *network,
        const struct endpoint *endpoint, struct resources *list)
{
	struct resource *port;

	bool hairpin = network_hairpin(model) && network_has_host(network);

	if (!hairpin && !network_separates(model, network))
		return 0;
	port = resources_add(list, RESOURCE_PORT, "", endpoint->host_ifname);
	if (!port)
		return -1;
	port->port.hairpin = hairpin;
	port->port.isolated = network_separates(model, network);
	return 0;
}

/* Its neighbours are told of it. */
static int add_endpoint_address(struct resources *list, const char *ns,
        const struct endpoint *endpoint, const struct network *network, const struct cidr *cidr)
{
	struct resource *address =
	        add_address(list, ns, endpoint->host_ifname, endpoint->ifname, cidr);

	if (!address)
		return -1;
	memcpy(address->address.bridge, network->bridge, IFNAMSIZ);
	memcpy(address->address.mac, endpoint->mac, MAC_SIZE);
	return add_subnet_route(list, ns, endpoint->host_ifname, endpoint->ifname, cidr);
}

static int add_endpoint(const struct model *model, const struct namespace *ns,
        const struct endpoint *endpoint, struct resources *list)
{
	const struct network *network = model_network(model, endpoint->network);
	int r = add_veth(model, ns, endpoint, network, list);

	if (r == 0)
		r = add_sysctl(list, "", "ipv6", endpoint->host_ifname, "disable_ipv6", "1", false);
	if (r == 0)
		r = add_end_ip6(ns, endpoint->host_ifname, endpoint->ifname, endpoint->mac,
		        endpoint_address(endpoint, AF_INET6) != NULL, list);
	if (r == 0)
		r = add_port(model, network, endpoint, list);
	if (r == 0 && !add_end(list, ns->name, endpoint->host_ifname, endpoint->ifname, true,
	                      network->link_mtu, endpoint->mac))
		r = -1;
	for (unsigned i = 0; r == 0 && i < endpoint->address_count; i++)
		r = add_endpoint_address(
		        list, ns->name, endpoint, network, &endpoint->addresses[i]);
	if (r == 0)
		r = add_ways_out(model, ns, endpoint, list);
	return r == 0 ? add_endpoint_elements(list, network, endpoint) : r;
}

static bool has_family(const struct namespace *ns, int family)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		if (endpoint_address(&ns->endpoints[i], family))
			return true;
	return false;
}

/* Those that the namespace can reach, as many as a resolver asks. */
static void write_upstreams(const struct host *host, const struct namespace *ns, FILE *text)
{
	char address[IP_TEXT_SIZE];
	unsigned written = 0;

	for (unsigned i = 0; i < host->upstream_count && written < RESOLVERS_MAX; i++) {
		const struct ip *ip = &host->upstreams[i];

		if (!has_family(ns, ip->family) && ns->endpoint_count)
			continue;
		fprintf(text, "nameserver %s\n", ip_format(ip, address));
		written++;
	}
}

/* Only where the host's own resolver cannot be reached from inside: it listens on a loopback
 * address. */
static int add_resolver(
        const struct model *model, const struct namespace *ns, struct resources *list)
{
	const struct host *host = model_host(model);
	char path[RESOURCE_NAME_SIZE];
	struct resource *file;
	FILE *text;
	size_t size;

	if (!host->resolver_needed || host->upstream_count == 0)
		return 0;
	snprintf(path, sizeof(path), "/etc/netns/%s/resolv.conf", ns->name);
	file = resources_add(list, RESOURCE_FILE, "", path);
	text = file ? open_memstream(&file->text, &size) : NULL;
	if (!text)
		return -1;
	fprintf(text,
	        "# netd: %s\n"
	        "# The host's resolver is a loopback address, which is another one in here: these "
	        "stand "
	        "behind it.\n"
	        "# netd keeps this file current; take the first line away to make it yours.\n",
	        host->instance);
	write_upstreams(host, ns, text);
	return fclose(text) == 0 ? 0 : -1;
}

/* Of the namespace as a whole. They are lent: it may be someone else's, and the setting may go. */
static int add_sysctls(const struct namespace *ns, struct resources *list)
{
	struct sysctl_wanted wanted;
	unsigned at = 0;

	while (namespace_next_sysctl(ns, &at, &wanted)) {
		struct resource *sysctl =
		        resources_add(list, RESOURCE_SYSCTL, ns->name, wanted.path);

		if (!sysctl)
			return -1;
		snprintf(sysctl->sysctl.value, sizeof(sysctl->sysctl.value), "%s", wanted.value);
		sysctl->sysctl.journal = true;
	}
	return 0;
}

/* A name that netd gave. What is inside of one that someone else made is his. */
static int add_named(const struct model *model, const struct namespace *ns, struct resources *list)
{
	struct resource *netns = resources_add(list, RESOURCE_NETNS, "", ns->name);

	if (netns)
		netns->text = strdup(model_host(model)->instance);
	if (!netns || !netns->text)
		return -1;
	netns->netns.cookie = ns->cookie;
	if (ns->source)
		snprintf(netns->netns.source, SOURCE_SIZE, "%s", ns->source);
	if (ns->origin == ORIGIN_ATTACHED)
		return 0;
	if (!add_end(list, ns->name, "lo", "lo", true, 0, NULL))
		return -1;
	return add_sysctl(list, ns->name, "ipv6", "default", "disable_ipv6", "1", false);
}

int render_namespace(const struct model *model, const struct namespace *ns, struct resources *ret,
        struct error *err)
{
	size_t first = ret->count;
	int r = ns->origin != ORIGIN_ADOPTED ? add_named(model, ns, ret) : 0;

	if (r == 0)
		r = add_resolver(model, ns, ret);
	if (r == 0)
		r = add_sysctls(ns, ret);
	for (unsigned i = 0; r == 0 && i < ns->endpoint_count; i++)
		r = add_endpoint(model, ns, &ns->endpoints[i], ret);
	if (r == 0)
		r = add_permissions(model, ns, first, ret);
	return r < 0 ? error_memory(err) : render_openings(model, ns, ret, err);
}

/* --- interfaces, tombstones --- */

/*
 * Without force_forwarding the kernel forwards IPv6 on all interfaces or on none (render_host()),
 * and takes a host that forwards for a router: it forgets the routes that it learned from others,
 * unless accept_ra is 2.
 */
static int add_interface_ip6(
        const struct model *model, const struct interface *interface, struct resources *list)
{
	const struct host *host = model_host(model);
	const char *name = interface->name;
	int r = 0;

	if (!host->has_ip6 || !interface->ip6)
		return 0;
	if (host->force_forwarding)
		r = add_sysctl(list, "", "ipv6", name, "force_forwarding", "1", true);
	else if (interface->hears_routers)
		r = add_sysctl(list, "", "ipv6", name, "accept_ra", "2", true);
	if (r == 0 && interface->switched6)
		r = add_switched_element(list, name, AF_INET6);
	return r;
}

int render_interface(const struct model *model, const struct interface *interface,
        struct resources *ret, struct error *err)
{
	int r = add_sysctl(ret, "", "ipv4", interface->name, "forwarding", "1", true);

	if (r == 0 && interface->switched)
		r = add_switched_element(ret, interface->name, AF_INET);
	if (r == 0)
		r = add_interface_ip6(model, interface, ret);
	return r < 0 ? error_memory(err) : 0;
}

int render_host(const struct host *host, struct resources *ret, struct error *err)
{
	if (!host->has_ip6 || host->force_forwarding)
		return 0;
	return add_sysctl(ret, "", "ipv6", "all", "forwarding", "1", true) < 0 ? error_memory(err)
	                                                                       : 0;
}

int render_moved(const struct moved *moved, struct resources *ret, struct error *err)
{
	struct resource *resource = resources_add(ret, RESOURCE_MOVED, "", moved->name);

	if (resource)
		resource->text = strdup(moved->belongings);
	if (!resource || !resource->text)
		return error_memory(err);
	memcpy(resource->moved.ns, moved->namespace, NAME_SIZE);
	memcpy(resource->moved.inside, moved->inside, IFNAMSIZ);
	resource->moved.index = moved->index;
	return 0;
}

static int add_condemned_end(
        const struct tombstone *tombstone, const char *ns, struct resources *list)
{
	struct resource *end = add_end(list, ns, tombstone->name, tombstone->name, false, 0, NULL);

	if (end)
		end->end.alone = tombstone->peer[0];
	return end ? 0 : -1;
}

static int render_condemned_link(const struct tombstone *tombstone, struct resources *list)
{
	bool alone = tombstone->peer[0];
	struct resource *link = resources_add(
	        list, RESOURCE_LINK, alone ? tombstone->namespace : "", tombstone->name);

	if (!link)
		return -1;
	link->link.type = tombstone->namespace[0] ? LINK_VETH : LINK_BRIDGE;
	link->link.retired = true;
	memcpy(link->link.peer_ns, alone ? tombstone->peer : tombstone->namespace, NAME_SIZE);
	if (alone)
		snprintf(link->link.ifname, IFNAMSIZ, "%s", tombstone->name);
	if (tombstone->namespace[0] && add_condemned_end(tombstone, tombstone->namespace, list) < 0)
		return -1;
	return alone ? add_condemned_end(tombstone, tombstone->peer, list) : 0;
}

static int render_condemned_netns(const struct tombstone *tombstone, struct resources *list)
{
	struct resource *netns = resources_add(list, RESOURCE_NETNS, "", tombstone->name);

	if (!netns)
		return -1;
	netns->netns.adopted = tombstone->origin == ORIGIN_ADOPTED;
	netns->netns.cookie = tombstone->cookie;
	return 0;
}

static int render_condemned_flows(const struct tombstone *tombstone, struct resources *list)
{
	struct resource *flows = resources_add(list, RESOURCE_FLOWS, "", "");

	if (!flows)
		return -1;
	flows->flows.protocol = tombstone->protocol;
	flows->flows.ip = tombstone->ip;
	flows->flows.port = tombstone->port;
	flows->flows.port_end = tombstone->port_end;
	flows->flows.through = tombstone->through;
	flows->flows.through_end = tombstone->through_end;
	flows->flows.original_local = tombstone->match == FLOWS_ORIGINAL_LOCAL;
	return 0;
}

int render_tombstone(const struct tombstone *tombstone, struct resources *ret, struct error *err)
{
	int r = 0;

	switch (tombstone->kind) {
	case TOMBSTONE_LINK:
		r = render_condemned_link(tombstone, ret);
		break;
	case TOMBSTONE_NETNS:
		r = render_condemned_netns(tombstone, ret);
		break;
	case TOMBSTONE_FLOWS:
		r = render_condemned_flows(tombstone, ret);
		break;
	}
	return r < 0 ? error_memory(err) : 0;
}
