/*
 * The host's own interfaces and resolvers, as the model follows them, and the bridge of somebody
 * else's that a network is to use.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/sysctl.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Switches of the host, read one after the other. What is not there has a value of its own. The
 * first that cannot be read for another reason is kept, and then nothing that was read counts: a
 * switch of netd's that is taken for the administrator's own lets others' traffic through.
 */
struct reading {
	struct kernel *kernel;
	struct error *err; /* says why, where r < 0 */
	int r;
};

static void keep(struct reading *reading, int r, const struct error *err)
{
	if (r < 0 && r != -ENOENT && reading->r == 0) {
		reading->r = r;
		*reading->err = *err;
	}
}

/* The number that stands there; `otherwise` where there is none. */
static long read_number(struct reading *reading, const char *path, long otherwise)
{
	char value[SYSCTL_VALUE_SIZE];
	struct error err;
	int r = sysctl_read("", path, value, &err);

	keep(reading, r, &err);
	return r == 0 && value[0] ? strtol(value, NULL, 10) : otherwise;
}

static void of_interface(
        char path[RESOURCE_NAME_SIZE], int family, const char *ifname, const char *key)
{
	snprintf(path, RESOURCE_NAME_SIZE, "net/ipv%d/conf/%s/%s", family, ifname, key);
}

static long read_ip6(struct reading *reading, const char *ifname, const char *key, long otherwise)
{
	char path[RESOURCE_NAME_SIZE];

	of_interface(path, 6, ifname, key);
	return read_number(reading, path, otherwise);
}

static bool is_lent(struct reading *reading, int family, const char *ifname, const char *key)
{
	char path[RESOURCE_NAME_SIZE];
	struct error err;
	int r;

	of_interface(path, family, ifname, key);
	r = sysctl_journal_has(reading->kernel, path, &err);
	keep(reading, r, &err);
	return r > 0;
}

static bool forwards(struct reading *reading, const char *interface)
{
	char path[RESOURCE_NAME_SIZE];

	of_interface(path, 4, interface, "forwarding");
	return read_number(reading, path, 1) != 0;
}

static bool forwards6(struct reading *reading, const struct host *host, const char *interface)
{
	return read_ip6(reading, "all", "forwarding", 0) != 0 ||
	       (host->force_forwarding && read_ip6(reading, interface, "force_forwarding", 1) != 0);
}

static bool bridge_netfilter(struct reading *reading)
{
	return read_number(reading, "net/bridge/bridge-nf-call-iptables", 0) != 0 ||
	       read_number(reading, "net/bridge/bridge-nf-call-ip6tables", 0) != 0;
}

bool facts_forwards(const char *interface)
{
	struct error ignored; /* what cannot be read is no reason to trust it */
	struct reading reading = {.err = &ignored};

	return forwards(&reading, interface) && reading.r == 0;
}

bool facts_forwards6(const struct host *host, const char *interface)
{
	struct error ignored;
	struct reading reading = {.err = &ignored};

	return forwards6(&reading, host, interface) && reading.r == 0;
}

bool facts_bridge_netfilter_differs(const struct host *host)
{
	struct error ignored; /* what cannot be read now is read again soon */
	struct reading reading = {.err = &ignored};
	bool now = bridge_netfilter(&reading);

	return reading.r == 0 && now != host->bridge_netfilter;
}

/*
 * Whether this interface forwards only because netd says so. With the administrator's own
 * ip_forward on, what netd had switched on before is theirs now; what is off even then was switched
 * off on purpose.
 */
static bool is_switched(struct reading *reading, const char *name, bool forwarding_host)
{
	return !forwards(reading, name) ||
	       (!forwarding_host && is_lent(reading, 4, name, "forwarding"));
}

/* The same for IPv6, where forwarding is the whole host's, or an interface's own beside it. */
static void gather_ip6(
        struct reading *reading, const struct host *host, struct interface *interface)
{
	const char *name = interface->name;
	bool lent = host->force_forwarding ? is_lent(reading, 6, name, "force_forwarding")
	                                   : is_lent(reading, 6, "all", "forwarding"),
	     forwarding_host = read_ip6(reading, "all", "forwarding", 0) != 0 &&
	                       !is_lent(reading, 6, "all", "forwarding");

	interface->ip6 = read_ip6(reading, name, "accept_ra", -1) >= 0;
	interface->switched6 =
	        interface->ip6 && !forwarding_host && (lent || !forwards6(reading, host, name));
	interface->hears_routers =
	        interface->switched6 && (read_ip6(reading, name, "accept_ra", 0) == 1 ||
	                                        is_lent(reading, 6, name, "accept_ra"));
}

/* Whether the administrator's own switch is on. */
static bool read_forwarding_host(struct reading *reading)
{
	return read_number(reading, "net/ipv4/ip_forward", 0) == 1;
}

static void gather_interface(struct reading *reading, const struct host *host,
        const struct look_link *link, bool forwarding_host, struct interface *ret)
{
	memcpy(ret->name, link->name, IFNAMSIZ);
	ret->switched = is_switched(reading, link->name, forwarding_host);
	gather_ip6(reading, host, ret);
	ret->bridge = link->bridge;
	if (!link->bridge)
		return;
	ret->index = link->index;
	ret->mtu = link->mtu;
}

static int gather_interfaces(struct engine *engine, struct request *ret, struct error *err)
{
	struct reading reading = {.kernel = engine->kernel, .err = err};
	_cleanup_(freep) struct look_link *links = NULL;
	bool forwarding_host;
	unsigned count = 0;
	int r = look_links(engine->kernel, "", &links, &count, err);

	if (r < 0)
		return r;
	ret->interfaces = calloc(count + 1, sizeof(*ret->interfaces));
	if (!ret->interfaces)
		return error_memory(err);
	ret->host.force_forwarding = read_ip6(&reading, "all", "force_forwarding", -1) >= 0;
	ret->host.bridge_netfilter = bridge_netfilter(&reading);
	forwarding_host = read_forwarding_host(&reading);
	for (unsigned i = 0; reading.r == 0 && i < count; i++) {
		if (links[i].loopback || links[i].ours || links[i].bridge_port)
			continue;
		gather_interface(&reading, &ret->host, &links[i], forwarding_host,
		        &ret->interfaces[ret->interface_count++]);
	}
	return reading.r;
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
	struct reading reading = {.kernel = engine->kernel, .err = err};
	struct look_link link;
	int r = name[0] ? look_link(engine->kernel, name, &link, err) : 0;

	if (r <= 0)
		return r;
	facts->bridge_exists = true;
	facts->bridge_ours = link.ours;
	if (!link.bridge)
		return 0;
	gather_interface(&reading, model_host(engine->model), &link, read_forwarding_host(&reading),
	        &facts->bridge);
	return reading.r == 0 ? gather_bridge_users(engine, name, facts, err) : reading.r;
}

int facts_host(struct engine *engine, struct request *ret, struct error *err)
{
	int r;

	ret->kind = REQUEST_HOST;
	r = gather_interfaces(engine, ret, err);
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
