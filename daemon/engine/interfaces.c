/*
 * The host's own interfaces and resolvers, as the model follows them, and the bridge of somebody
 * else's that a network is to use.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/sysctl.h"
#include "lib/cleanup.h"

#include <stdlib.h>
#include <string.h>

bool facts_forwards(const char *interface)
{
	char path[RESOURCE_NAME_SIZE], value[SYSCTL_VALUE_SIZE] = "0";
	struct error gone;

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/forwarding", interface);
	return sysctl_read("", path, value, &gone) < 0 || value[0] != '0';
}

/*
 * Whether this interface forwards only because netd says so. With the administrator's own
 * ip_forward on, what netd had switched on before is theirs now; what is off even then was switched
 * off on purpose.
 */
static bool is_switched(struct kernel *kernel, const char *name, bool forwarding_host)
{
	char path[RESOURCE_NAME_SIZE];

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/forwarding", name);
	return !facts_forwards(name) || (!forwarding_host && sysctl_journal_has(kernel, path));
}

/* The number that stands there; `otherwise` where there is none. */
static long read_number(const char *ifname, const char *key, long otherwise)
{
	char path[RESOURCE_NAME_SIZE], value[SYSCTL_VALUE_SIZE];
	struct error absent;

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", ifname, key);
	return sysctl_read("", path, value, &absent) == 0 && value[0] ? strtol(value, NULL, 10)
	                                                              : otherwise;
}

static bool is_lent(struct kernel *kernel, const char *ifname, const char *key)
{
	char path[RESOURCE_NAME_SIZE];

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", ifname, key);
	return sysctl_journal_has(kernel, path);
}

bool facts_force_forwarding(void)
{
	return read_number("all", "force_forwarding", -1) >= 0;
}

bool facts_forwards6(const struct host *host, const char *interface)
{
	return read_number("all", "forwarding", 0) != 0 ||
	       (host->force_forwarding && read_number(interface, "force_forwarding", 1) != 0);
}

/* The same for IPv6, where forwarding is the whole host's, or an interface's own beside it. */
static void gather_ip6(struct kernel *kernel, const struct host *host, struct interface *interface)
{
	const char *name = interface->name;
	bool lent = host->force_forwarding ? is_lent(kernel, name, "force_forwarding")
	                                   : is_lent(kernel, "all", "forwarding"),
	     forwarding_host = read_number("all", "forwarding", 0) != 0 &&
	                       !is_lent(kernel, "all", "forwarding");

	interface->ip6 = read_number(name, "accept_ra", -1) >= 0;
	interface->switched6 =
	        interface->ip6 && !forwarding_host && (lent || !facts_forwards6(host, name));
	interface->hears_routers =
	        interface->switched6 &&
	        (read_number(name, "accept_ra", 0) == 1 || is_lent(kernel, name, "accept_ra"));
}

static void gather_interface(struct kernel *kernel, const struct host *host,
        const struct look_link *link, bool forwarding_host, struct interface *ret)
{
	memcpy(ret->name, link->name, IFNAMSIZ);
	ret->switched = is_switched(kernel, link->name, forwarding_host);
	gather_ip6(kernel, host, ret);
	ret->bridge = link->bridge;
	if (!link->bridge)
		return;
	ret->index = link->index;
	ret->mtu = link->mtu;
}

static int read_forwarding(bool *ret, struct error *err)
{
	char value[SYSCTL_VALUE_SIZE] = "0";
	int r = sysctl_read("", "net/ipv4/ip_forward", value, err);

	if (r == 0)
		*ret = value[0] == '1';
	return r;
}

static int gather_interfaces(struct engine *engine, struct request *ret, struct error *err)
{
	_cleanup_(freep) struct look_link *links = NULL;
	bool forwarding_host = false;
	unsigned count = 0;
	int r = look_links(engine->kernel, "", &links, &count, err);

	if (r == 0)
		r = read_forwarding(&forwarding_host, err);
	if (r < 0)
		return r;
	ret->interfaces = calloc(count + 1, sizeof(*ret->interfaces));
	if (!ret->interfaces)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++) {
		struct interface *interface = &ret->interfaces[ret->interface_count];

		if (links[i].loopback || links[i].ours || links[i].bridge_port)
			continue;
		gather_interface(engine->kernel, &ret->host, &links[i], forwarding_host, interface);
		ret->interface_count++;
	}
	return 0;
}

/* Which addresses on it the host has itself, and how many ports others have. */
static int gather_bridge_users(
        struct engine *engine, const char *name, struct facts *facts, struct error *err)
{
	const struct prefixes *prefixes;
	int r = prefixes_get(engine, &prefixes, err);

	for (unsigned i = 0; r == 0 && i < prefixes->count; i++)
		if (!prefixes->items[i].route && strcmp(prefixes->items[i].ifname, name) == 0 &&
		        facts->bridge_ip_count < BRIDGE_IPS_MAX)
			facts->bridge_ips[facts->bridge_ip_count++] = prefixes->items[i].cidr.ip;
	return r == 0 ? look_foreign_ports(
	                        engine->kernel, facts->bridge.index, &facts->bridge_ports, err)
	              : r;
}

int facts_gather_bridge(
        struct engine *engine, const char *name, struct facts *facts, struct error *err)
{
	struct look_link link;
	bool forwarding_host = false;
	int r = name[0] ? look_link(engine->kernel, name, &link, err) : 0;

	if (r <= 0)
		return r;
	facts->bridge_exists = true;
	facts->bridge_ours = link.ours;
	if (!link.bridge)
		return 0;
	r = read_forwarding(&forwarding_host, err);
	if (r < 0)
		return r;
	gather_interface(
	        engine->kernel, model_host(engine->model), &link, forwarding_host, &facts->bridge);
	return gather_bridge_users(engine, name, facts, err);
}

bool facts_bridge_netfilter(void)
{
	static const char *const switches[] = {
	        "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"};
	char value[SYSCTL_VALUE_SIZE] = "0";
	struct error absent; /* br_netfilter is not there: nothing of it is on */

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (sysctl_read("", switches[i], value, &absent) == 0 && value[0] != '0')
			return true;
	return false;
}

int facts_host(struct engine *engine, struct request *ret, struct error *err)
{
	int r;

	ret->kind = REQUEST_HOST;
	ret->host.force_forwarding = facts_force_forwarding();
	r = gather_interfaces(engine, ret, err);
	ret->host.bridge_netfilter = facts_bridge_netfilter();
	if (r == 0)
		r = look_default_mtu(engine->kernel, &ret->host.default_mtu, err);
	if (r == 0)
		r = look_resolver(&ret->host.resolver_needed, ret->host.upstreams, RESOLVERS_MAX,
		        &ret->host.upstream_count, err);
	return r;
}

bool facts_way_out_differs(const struct engine *engine)
{
	struct error ignored; /* what cannot be read now is read again soon */
	uint32_t mtu;

	return look_default_mtu(engine->kernel, &mtu, &ignored) == 0 &&
	       mtu != model_host(engine->model)->default_mtu;
}
