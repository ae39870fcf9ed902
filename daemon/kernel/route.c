/*
 * RESOURCE_ROUTE: routes inside namespaces that lead through a gateway on a network of netd's, the
 * default route first of all; the routes to the subnets of netd's own addresses, in the host and
 * inside; and inside the tables of netd's, in which the way back of each endpoint is.
 *
 * These last ones (no gateway, protocol "kernel") the kernel makes itself with the address, and
 * takes them away with it. So making one that is there is no change, and removing one is nothing;
 * but someone may have removed it, and then no one else makes it again. A route is known by its
 * destination and its interface, so one with another gateway is replaced in place: there is no
 * moment without it.
 *
 * Routes of a network and those in netd's tables bear netd's number as their protocol: so they can
 * be told from a tenant's, and be removed where no one wants them any more.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/routes.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

static bool is_connected(const struct resource *route)
{
	return !route->route.gateway.family && !route->route.table;
}

/* The metric of the routes that the kernel makes for IPv6 addresses: IP6_RT_PRIO_ADDRCONF. */
#define METRIC_CONNECTED6 256

static bool is_ip6(const struct resource *route)
{
	return route->route.destination.ip.family == AF_INET6;
}

/* The default route is known by being the only one. */
static bool is_marked(const struct resource *route)
{
	return !is_connected(route) && (route->route.table || route->route.destination.prefix > 0);
}

/* The kernel's own flags for it: with these it is the same route as the one that came with the
 * address. In IPv6 there are no scopes. */
static void describe(const struct resource *route, struct rtmsg *header)
{
	header->rtm_scope =
	        !route->route.gateway.family && !is_ip6(route) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	header->rtm_protocol = is_connected(route) ? RTPROT_KERNEL
	                       : is_marked(route)  ? ROUTE_PROTOCOL
	                                           : RTPROT_BOOT;
	header->rtm_table = route->route.table ? RT_TABLE_UNSPEC : RT_TABLE_MAIN;
}

static int queue(struct kernel *kernel, int type, int flags, const struct resource *route,
        int index, const char *what, struct step *step, struct error *err)
{
	const struct cidr *to = &route->route.destination;
	const struct ip *gateway = &route->route.gateway, *source = &route->route.source;
	struct rtmsg header = {
	        .rtm_family = to->ip.family, .rtm_dst_len = to->prefix, .rtm_type = RTN_UNICAST};
	_cleanup_(rtnl_messagep) struct nl_msg *msg = NULL;
	/* Where a tenant's interface has the same subnet, theirs comes first, and replacing one
	 * that comes second is refused as a double of itself. */
	enum rtnl_tolerate tolerate = type == RTM_DELROUTE  ? RTNL_GONE
	                              : is_connected(route) ? RTNL_THERE
	                                                    : RTNL_STRICT;
	int size = (int)ip_size(to->ip.family);

	describe(route, &header);
	if (type == RTM_DELROUTE)
		header.rtm_protocol = RTPROT_UNSPEC; /* whoever made it */
	msg = rtnl_message(type, flags, &header, sizeof(header));
	if (!msg || (to->prefix && nla_put(msg, RTA_DST, size, to->ip.bytes) < 0) ||
	        (gateway->family && nla_put(msg, RTA_GATEWAY, size, gateway->bytes) < 0) ||
	        (source->family && nla_put(msg, RTA_PREFSRC, size, source->bytes) < 0) ||
	        (is_ip6(route) && is_connected(route) &&
	                nla_put_u32(msg, RTA_PRIORITY, METRIC_CONNECTED6) < 0) ||
	        (route->route.table && nla_put_u32(msg, RTA_TABLE, route->route.table) < 0) ||
	        nla_put_u32(msg, RTA_OIF, (uint32_t)index) < 0)
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, route->ns, TAKE_PTR(msg), what, tolerate, step, err);
}

/* In IPv6 replacing takes away the first route of that destination and metric, through whatever
 * interface: of subnets, fe80::/64 first of all, that is somebody else's. */
static int creation_flags(const struct step *step)
{
	if (is_connected(step->new))
		return is_ip6(step->new) ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_REPLACE;
	/* A tenant may have made a way to another network themselves: netd's takes its place. But a
	 * default route of theirs is respected: then netd wants none. */
	if (step->old || step->new->route.destination.prefix > 0)
		return NLM_F_CREATE | NLM_F_REPLACE;
	return NLM_F_CREATE | NLM_F_EXCL;
}

static int change(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *route = step->new ? step->new : step->old;
	char what[160];
	int index, length;

	if (!step->new &&is_connected(route)) {
		step->done = true; /* it goes with its address */
		return 0;
	}
	length = snprintf(what, sizeof(what), step->new ? "set " : "delete ");
	resource_describe(route, what + length, sizeof(what) - (size_t)length);
	index = rtnl_ifindex(kernel->rtnl, route->ns, route->route.ifname);
	if (index < 0 || (index == 0 && step->new))
		return error_set(err, ERROR_KERNEL, index ? -index : ENODEV, "%s: interface %s",
		        what, route->route.ifname);
	if (index == 0) {
		step->done = true; /* it went with its interface */
		return 0;
	}
	return queue(kernel, step->new ? RTM_NEWROUTE : RTM_DELROUTE,
	        step->new ? creation_flags(step) : 0, route, index, what, step, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	return rtnl_cause(kernel->rtnl, change(kernel, step, err), err);
}

/* --- observing --- */

/* Of what the kernel or a router made, and of what leads through no gateway, only the routes that
 * are netd's to keep. */
static bool is_of_interest(const struct route_seen *route)
{
	if (route->by_router)
		return false;
	if (route->by_kernel)
		return route_is_connected(route);
	return route->gateway.family || route->table;
}

static int add_observed(const struct own_link *own, struct resources *ret, struct error *err)
{
	for (size_t i = 0; own->kind != OWN_OUTER && i < own->routes->count; i++) {
		const struct route_seen *route = &own->routes->items[i];
		struct resource *resource;

		if (route->index != own->link->index || !is_of_interest(route))
			continue;
		resource = resources_add(ret, RESOURCE_ROUTE, own->ns, own->name);
		if (!resource)
			return error_memory(err);
		resource->route.destination = route->destination;
		resource->route.gateway = route->gateway;
		resource->route.source = route->source;
		resource->route.table = route->table;
		resource->route.marked = route->by_netd;
		memcpy(resource->route.ifname, own->link->name, IFNAMSIZ);
	}
	return 0;
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	return observation_each(observation, add_observed, ret, err);
}

/* --- telling --- */

static void tell_way(const struct resource *route, FILE *out)
{
	char text[IP_TEXT_SIZE];

	if (route->route.gateway.family)
		fprintf(out, " via %s", ip_format(&route->route.gateway, text));
	fputs(" dev ", out);
	tell_word(out, route->route.ifname);
	if (is_connected(route))
		fputs(" proto kernel scope link", out);
	if (route->route.source.family)
		fprintf(out, " src %s", ip_format(&route->route.source, text));
	if (route->route.table)
		fprintf(out, "%s table %u",
		        !route->route.gateway.family && !is_ip6(route) ? " scope link" : "",
		        route->route.table);
	if (is_marked(route))
		fprintf(out, " proto %d", ROUTE_PROTOCOL);
	fputc('\n', out);
}

static void tell(const struct step *step, FILE *out)
{
	const struct resource *route = step->new ? step->new : step->old;
	const struct cidr *to = &route->route.destination;
	char destination[CIDR_TEXT_SIZE];

	/* Of IPv6 there is no command that makes it where it is missing, and else does nothing;
	 * with its address it comes by itself. */
	if (is_connected(route) && (!step->new || is_ip6(route)))
		return;
	fputs(is_ip6(route) ? "ip -6 " : "ip ", out);
	if (route->ns[0]) {
		fputs("-n ", out);
		tell_word(out, route->ns);
		fputc(' ', out);
	}
	fprintf(out, "route %s %s",
	        !step->new                                                    ? "del"
	        : is_connected(route) || creation_flags(step) & NLM_F_REPLACE ? "replace"
	                                                                      : "add",
	        to->prefix ? cidr_format(to, destination) : "default");
	tell_way(route, out);
}

const struct kind kind_route = {
        .name = "route",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_RTNL,
};
