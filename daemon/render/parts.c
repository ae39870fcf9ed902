/*
 * Parts of an interface, whatever it belongs to: addresses with the routes to their subnets,
 * sysctls, IPv6 that is switched on in such an order that nothing is sent for an address that is
 * not netd's.
 */
#include "daemon/render/parts.h"

#include <stdio.h>
#include <string.h>

int add_sysctl(struct resources *list, const char *ns, const char *family, const char *interface,
        const char *key, const char *value, bool journal)
{
	char path[RESOURCE_NAME_SIZE];
	struct resource *sysctl;

	snprintf(path, sizeof(path), "net/%s/conf/%s/%s", family, interface, key);
	sysctl = resources_add(list, RESOURCE_SYSCTL, ns, path);
	if (!sysctl)
		return -1;
	snprintf(sysctl->sysctl.value, sizeof(sysctl->sysctl.value), "%s", value);
	sysctl->sysctl.journal = journal;
	return 0;
}

struct resource *add_address(struct resources *list, const char *ns, const char *name,
        const char *ifname, const struct cidr *cidr)
{
	struct resource *address = resources_add(list, RESOURCE_ADDRESS, ns, name);

	if (!address)
		return NULL;
	address->address.cidr = *cidr;
	snprintf(address->address.ifname, IFNAMSIZ, "%s", ifname);
	return address;
}

/* The route to an address's subnet: the kernel makes it itself, but does not when someone has
 * removed it. */
int add_subnet_route(struct resources *list, const char *ns, const char *name, const char *ifname,
        const struct cidr *cidr)
{
	struct resource *route = resources_add(list, RESOURCE_ROUTE, ns, name);

	if (!route)
		return -1;
	route->route.destination = (struct cidr){cidr_first(cidr), cidr->prefix};
	if (cidr->ip.family == AF_INET) /* in IPv6 the source is chosen for each packet */
		route->route.source = cidr->ip;
	snprintf(route->route.ifname, IFNAMSIZ, "%s", ifname);
	return 0;
}

int add_subnet(struct resources *list, const char *ns, const char *name, const char *ifname,
        const struct cidr *cidr)
{
	return add_address(list, ns, name, ifname, cidr)
	               ? add_subnet_route(list, ns, name, ifname, cidr)
	               : -1;
}

/*
 * An interface of netd's that has IPv6 listens to no router, makes up no address of its own, and is
 * switched on. It is done in this order, which is that of the names: so nothing is ever sent for an
 * address that is not netd's.
 */
int add_ip6(struct resources *list, const char *ns, const char *ifname)
{
	int r = add_sysctl(list, ns, "ipv6", ifname, "accept_ra", "0", false);

	if (r == 0)
		r = add_sysctl(list, ns, "ipv6", ifname, "addr_gen_mode", "1", false);
	return r == 0 ? add_sysctl(list, ns, "ipv6", ifname, "disable_ipv6", "0", false) : r;
}

/* The address that neighbours are sought from. */
int add_link_local(struct resources *list, const char *ns, const char *name, const char *ifname,
        const uint8_t mac[MAC_SIZE])
{
	struct cidr cidr = cidr_link_local(mac);

	return add_subnet(list, ns, name, ifname, &cidr);
}

struct resource *add_end(struct resources *list, const char *ns, const char *name,
        const char *ifname, bool up, uint32_t mtu, const uint8_t *mac)
{
	struct resource *end = resources_add(list, RESOURCE_END, ns, name);

	if (!end)
		return NULL;
	snprintf(end->end.ifname, IFNAMSIZ, "%s", ifname);
	end->end.up = up;
	end->end.mtu = mtu;
	if (mac)
		memcpy(end->end.mac, mac, MAC_SIZE);
	return end;
}

/* The IPv6 of an end. A namespace that netd made has it off where it is not switched on. */
int add_end_ip6(const struct namespace *ns, const char *name, const char *ifname,
        const uint8_t mac[MAC_SIZE], bool on, struct resources *list)
{
	int r;

	if (!on)
		return ns->origin == ORIGIN_CREATED ? 0
		                                    : add_sysctl(list, ns->name, "ipv6", ifname,
		                                              "disable_ipv6", "1", false);
	r = add_ip6(list, ns->name, ifname);
	return r == 0 ? add_link_local(list, ns->name, name, ifname, mac) : r;
}
