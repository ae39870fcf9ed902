/* What the host itself brings: its interfaces and its resolvers. */
#include "daemon/model/rules.h"

#include <string.h>

static bool is_listed(const struct request *request, const char *name)
{
	for (unsigned i = 0; i < request->interface_count; i++)
		if (strcmp(request->interfaces[i].name, name) == 0)
			return true;
	return false;
}

static bool differs(const struct interface *a, const struct interface *b)
{
	return a->switched != b->switched || a->ip6 != b->ip6 || a->switched6 != b->switched6 ||
	       a->hears_routers != b->hears_routers || a->bridge != b->bridge ||
	       a->index != b->index || a->mtu != b->mtu;
}

/* A network that uses a bridge has its members wait, or not, as that is there, and has its MTU. */
static int follow_bridge(struct model *fork, const char *name, uint32_t mtu)
{
	const struct network *user = bridge_user(fork, name);
	struct network network;

	if (!user)
		return 0;
	network = *user;
	if (mtu)
		network.link_mtu = mtu;
	return model_put_network(fork, &network);
}

int bridge_know(struct model *fork, const struct facts *facts, struct error *err)
{
	const struct interface *seen = &facts->bridge, *known;

	known = seen->name[0] ? model_object(fork, TABLE_INTERFACES, seen->name) : NULL;
	if (!seen->name[0] || (known && known->index == seen->index && known->mtu == seen->mtu))
		return 0;
	return model_put_interface(fork, seen) < 0 || follow_bridge(fork, seen->name, seen->mtu) < 0
	               ? error_memory(err)
	               : 0;
}

static int put_interfaces(struct model *fork, const struct request *request)
{
	const struct interface *interface;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (interface = model_next(fork, TABLE_INTERFACES, key)))
		if (!is_listed(request, interface->name)) {
			r = model_remove(fork, TABLE_INTERFACES, key);
			if (r == 0)
				r = follow_bridge(fork, key, 0);
		}
	for (unsigned i = 0; r == 0 && i < request->interface_count; i++) {
		const struct interface *new = &request->interfaces[i];

		/* It is on its way into a namespace, where it belongs. */
		if (model_object(fork, TABLE_MOVED, new->name))
			continue;
		interface = model_object(fork, TABLE_INTERFACES, new->name);
		if (interface && !differs(interface, new))
			continue;
		r = model_put_interface(fork, new);
		if (r == 0)
			r = follow_bridge(fork, new->name, new->mtu);
	}
	return r;
}

/* Every namespace follows the host's resolvers and its br_netfilter: all of them are touched. */
static int touch_namespaces(struct model *fork)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (ns = model_next(fork, TABLE_NAMESPACES, key)))
		r = model_put_namespace(fork, ns);
	return r;
}

static bool any_has_ip6(const struct model *model)
{
	const struct reference *subnet;
	char key[KEY_SIZE] = "";

	while ((subnet = model_next_in(model, TABLE_SUBNETS, "6/", key)))
		if (network_has_host(model_network(model, subnet->owner)))
			return true;
	return false;
}

/* Interfaces forward IPv6 as long as a network has it: all of them are touched. */
static int touch_interfaces(struct model *fork)
{
	const struct interface *interface;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (interface = model_next(fork, TABLE_INTERFACES, key)))
		r = model_put_interface(fork, interface);
	return r;
}

int host_follow_networks(struct model *fork, struct error *err)
{
	struct host host = *model_host(fork);
	bool has_ip6 = any_has_ip6(fork);

	if (host.has_ip6 == has_ip6)
		return 0;
	host.has_ip6 = has_ip6;
	return model_put_host(fork, &host) < 0 || touch_interfaces(fork) < 0 ? error_memory(err)
	                                                                     : 0;
}

/* Networks without an MTU of their own have that of the way out. */
static int follow_mtu(struct model *fork, uint32_t default_mtu)
{
	const struct network *known;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (known = model_next(fork, TABLE_NETWORKS, key))) {
		struct network network = *known;

		network.link_mtu = network_follow_mtu(known, default_mtu);
		if (network.link_mtu != known->link_mtu)
			r = model_put_network(fork, &network);
	}
	return r;
}

int rule_host(struct model *fork, const struct request *request, struct error *err)
{
	struct host host = *model_host(fork);
	bool changed = host.bridge_netfilter != request->host.bridge_netfilter ||
	               host.force_forwarding != request->host.force_forwarding ||
	               host.resolver_needed != request->host.resolver_needed ||
	               host.upstream_count != request->host.upstream_count ||
	               memcmp(host.upstreams, request->host.upstreams, sizeof(host.upstreams)) != 0;

	if (host.default_mtu != request->host.default_mtu) {
		host.default_mtu = request->host.default_mtu;
		if (model_put_host(fork, &host) < 0 || follow_mtu(fork, host.default_mtu) < 0)
			return error_memory(err);
	}
	host.bridge_netfilter = request->host.bridge_netfilter;
	host.force_forwarding = request->host.force_forwarding;
	host.resolver_needed = request->host.resolver_needed;
	host.upstream_count = request->host.upstream_count;
	memcpy(host.upstreams, request->host.upstreams, sizeof(host.upstreams));
	if (put_interfaces(fork, request) < 0 ||
	        (changed && (model_put_host(fork, &host) < 0 || touch_namespaces(fork) < 0)))
		return error_memory(err);
	return host_follow_networks(fork, err);
}
