/*
 * RESOURCE_ROUTE: routes inside namespaces that lead through a gateway on a network of netd's, the
 * default route first of all.
 *
 * Those that the kernel makes for an address (no gateway, protocol "kernel") come and go with it
 * and are not observed. A route is known by its destination and its interface, so one with another
 * gateway is replaced in place: there is no moment without it.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"
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
	if (index < 0 || (index == 0 && step->new))
		return error_set(err, ERROR_KERNEL, index ? -index : ENODEV, "%s: interface %s",
		        what, route->route.ifname);
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

struct reading {
	const struct survey *survey;
	const char *ns;
	unsigned number;
	const struct links *inside;
	struct resources *ret;
};

static int take_route(const struct route_seen *route, void *arg)
{
	struct reading *reading = arg;
	const struct link_seen *link = links_find(reading->inside, route->index);
	const struct pair *pair = survey_pair(reading->survey, reading->number, route->index);
	struct resource *resource;

	if (!link || !pair || !route->gateway.family || route->by_kernel)
		return 0;
	resource = resources_add(reading->ret, RESOURCE_ROUTE, reading->ns, pair->outer->name);
	if (!resource)
		return -ENOMEM;
	resource->route.destination = route->destination;
	resource->route.gateway = route->gateway;
	memcpy(resource->route.ifname, link->name, IFNAMSIZ);
	return 0;
}

static int observe_namespace(struct kernel *kernel, const struct survey *survey, const char *ns,
        unsigned number, struct resources *ret, struct error *err)
{
	_cleanup_(links_done) struct links inside = {0};
	struct reading reading = {
	        .survey = survey, .ns = ns, .number = number, .inside = &inside, .ret = ret};
	unsigned count;
	int r;

	survey_pairs(survey, number, &count);
	if (count == 0)
		return 0;
	r = links_read(kernel->rtnl, ns, &inside, err);
	if (r == 0)
		r = routes_read(kernel->rtnl, ns, AF_INET, take_route, &reading, err);
	if (r == 0)
		r = routes_read(kernel->rtnl, ns, AF_INET6, take_route, &reading, err);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int observe(struct kernel *kernel, enum kernel_scope scope, const char *const *namespaces,
        size_t namespace_count, struct resources *ret, struct error *err)
{
	_cleanup_(survey_done) struct survey survey = {0};
	int r = survey_read(kernel, scope, namespaces, namespace_count, &survey, err);

	for (unsigned i = 0; r == 0 && i < namespace_count; i++)
		r = observe_namespace(kernel, &survey, namespaces[i], i, ret, err);
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
