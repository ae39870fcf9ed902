/*
 * RESOURCE_ROUTE: routes inside namespaces that lead through a gateway on a network of netd's, the
 * default route first of all.
 *
 * Those that the kernel makes for an address (no gateway, protocol "kernel") come and go with it
 * and are not observed. A route is known by its destination and its interface, so one with another
 * gateway is replaced in place: there is no moment without it.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/routes.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

static int queue(struct kernel *kernel, int type, int flags, const struct resource *route,
        int index, const char *what, struct step *step, struct error *err)
{
	const struct cidr *to = &route->route.destination;
	const struct ip *gateway = &route->route.gateway;
	struct rtmsg header = {.rtm_family = to->ip.family,
	        .rtm_dst_len = to->prefix,
	        .rtm_table = RT_TABLE_MAIN,
	        .rtm_scope = RT_SCOPE_UNIVERSE,
	        .rtm_protocol = RTPROT_BOOT,
	        .rtm_type = RTN_UNICAST};
	_cleanup_(rtnl_messagep) struct nl_msg *msg = NULL;
	enum rtnl_tolerate tolerate = type == RTM_DELROUTE ? RTNL_GONE : RTNL_STRICT;
	int size = (int)ip_size(to->ip.family);

	if (type == RTM_DELROUTE)
		header.rtm_protocol = RTPROT_UNSPEC; /* whoever made it */
	msg = rtnl_message(type, flags, &header, sizeof(header));
	if (!msg || (to->prefix && nla_put(msg, RTA_DST, size, to->ip.bytes) < 0) ||
	        nla_put(msg, RTA_GATEWAY, size, gateway->bytes) < 0 ||
	        nla_put_u32(msg, RTA_OIF, (uint32_t)index) < 0)
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, route->ns, TAKE_PTR(msg), what, tolerate, step, err);
}

static int change(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *route = step->new ? step->new : step->old;
	char what[160];
	int index, length;

	length = snprintf(what, sizeof(what), step->new ? "set " : "delete ");
	resource_describe(route, what + length, sizeof(what) - (size_t)length);
	index = rtnl_ifindex(kernel->rtnl, route->ns, route->route.ifname);
	if (index == 0 && step->new)
		return error_set(
		        err, ERROR_KERNEL, ENODEV, "%s: interface %s", what, route->route.ifname);
	if (index == 0) {
		step->done = true; /* it went with its interface */
		return 0;
	}
	return queue(kernel, step->new ? RTM_NEWROUTE : RTM_DELROUTE,
	        !step->new  ? 0
	        : step->old ? NLM_F_CREATE | NLM_F_REPLACE
	                    : NLM_F_CREATE | NLM_F_EXCL,
	        route, index, what, step, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	return rtnl_cause(kernel->rtnl, change(kernel, step, err), err);
}

/* --- observing --- */

/* Appends those that lead through this inner end. */
static int add_observed(const struct routes *routes, const struct link_seen *link, const char *ns,
        const char *name, struct resources *ret, struct error *err)
{
	for (size_t i = 0; i < routes->count; i++) {
		const struct route_seen *route = &routes->items[i];
		struct resource *resource;

		if (route->index != link->index || !route->gateway.family || route->by_kernel)
			continue;
		resource = resources_add(ret, RESOURCE_ROUTE, ns, name);
		if (!resource)
			return error_memory(err);
		resource->route.destination = route->destination;
		resource->route.gateway = route->gateway;
		memcpy(resource->route.ifname, link->name, IFNAMSIZ);
	}
	return 0;
}

static int observe_namespace(const struct observation *observation, unsigned number,
        struct resources *ret, struct error *err)
{
	const struct inside *inside = &observation->insides[number];
	unsigned count;
	const struct pair *pairs = survey_pairs(&observation->survey, number, &count);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		const struct link_seen *link =
		        links_find(&inside->links, pairs[i].outer->peer_index);

		if (link)
			r = add_observed(&inside->routes, link,
			        observation->look->namespaces[number], pairs[i].outer->name, ret,
			        err);
	}
	return r;
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	int r = observation_read(observation, err);

	for (unsigned i = 0; r == 0 && i < observation->look->namespace_count; i++)
		r = observe_namespace(observation, i, ret, err);
	return r;
}

static void tell(const struct step *step, FILE *out)
{
	const struct resource *route = step->new ? step->new : step->old;
	const struct cidr *to = &route->route.destination;
	char destination[CIDR_TEXT_SIZE], gateway[IP_TEXT_SIZE];

	fputs("ip -n ", out);
	tell_word(out, route->ns);
	fprintf(out, " route %s %s via %s dev ",
	        !step->new  ? "del"
	        : step->old ? "replace"
	                    : "add",
	        to->prefix ? cidr_format(to, destination) : "default",
	        ip_format(&route->route.gateway, gateway));
	tell_word(out, route->route.ifname);
	fputc('\n', out);
}

const struct kind kind_route = {
        .name = "route",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_RTNL,
};
