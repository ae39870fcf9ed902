/*
 * Reads the kernel's list of routes. In the host only the main table is asked for; inside a
 * namespace also those of netd's own. Only unicast routes are handed on: local, blackhole and
 * unreachable ones lead nowhere, cached ones are copies. Of a multipath route the first way counts.
 */
#include "daemon/kernel/routes.h"

#include "lib/list.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>

struct reading {
	uint8_t family;
	bool own_tables; /* those, too */
	int (*each)(const struct route_seen *route, void *arg);
	void *arg;
};

static void read_first_way(const struct nlattr *multipath, struct route_seen *route)
{
	const struct rtnexthop *way = nla_data(multipath);
	int size = (int)sizeof(*way);
	struct nlattr *gateway;

	if (nla_len(multipath) < size || way->rtnh_len < size || way->rtnh_len > nla_len(multipath))
		return;
	route->index = way->rtnh_ifindex;
	gateway = nla_find((struct nlattr *)RTNH_DATA(way), way->rtnh_len - size, RTA_GATEWAY);
	rtnl_ip(gateway, route->destination.ip.family, &route->gateway);
}

static bool is_own(uint32_t table)
{
	return table >= ROUTE_TABLES_FIRST && table <= ROUTE_TABLES_LAST;
}

static int take_route(const struct nlmsghdr *message, void *arg)
{
	const struct reading *reading = arg;
	const struct rtmsg *header = nlmsg_data(message);
	struct nlattr *attributes[RTA_MAX + 1];
	struct route_seen route = {0};
	uint32_t table;

	if (message->nlmsg_type != RTM_NEWROUTE ||
	        nlmsg_parse(
	                (struct nlmsghdr *)message, sizeof(*header), attributes, RTA_MAX, NULL) < 0)
		return 0;
	table = rtnl_number(attributes[RTA_TABLE], header->rtm_table);
	if (header->rtm_family != reading->family ||
	        (table != RT_TABLE_MAIN && !(reading->own_tables && is_own(table))) ||
	        header->rtm_type != RTN_UNICAST || (header->rtm_flags & RTM_F_CLONED) ||
	        header->rtm_dst_len > 8 * ip_size(reading->family))
		return 0;
	route.destination.ip.family = reading->family;
	route.destination.prefix = header->rtm_dst_len;
	rtnl_ip(attributes[RTA_DST], reading->family, &route.destination.ip);
	rtnl_ip(attributes[RTA_GATEWAY], reading->family, &route.gateway);
	rtnl_ip(attributes[RTA_PREFSRC], reading->family, &route.source);
	route.index = (int)rtnl_number(attributes[RTA_OIF], 0);
	route.metric = rtnl_number(attributes[RTA_PRIORITY], 0);
	route.table = table == RT_TABLE_MAIN ? 0 : table;
	route.by_netd = header->rtm_protocol == ROUTE_PROTOCOL;
	route.by_kernel = header->rtm_protocol == RTPROT_KERNEL;
	route.by_router = header->rtm_protocol == RTPROT_RA;
	if (attributes[RTA_MULTIPATH])
		read_first_way(attributes[RTA_MULTIPATH], &route);
	return reading->each(&route, reading->arg);
}

/* protocol: who made them; RTPROT_UNSPEC: anyone. The kernel leaves out all others. */
static int read_routes(struct rtnl *rtnl, const char *ns, const struct reading *reading,
        uint8_t protocol, struct error *err)
{
	struct rtmsg header = {.rtm_family = reading->family,
	        .rtm_table = reading->own_tables ? RT_TABLE_UNSPEC : RT_TABLE_MAIN,
	        .rtm_protocol = protocol};
	struct nl_msg *msg = rtnl_message(RTM_GETROUTE, 0, &header, sizeof(header));
	int r;

	if (!msg)
		return error_memory(err);
	r = rtnl_dump(rtnl, ns, msg, take_route, (void *)reading, err);
	/* A namespace in which no one has made a route has no main table, a kernel without IPv6 no
	 * such family. */
	if (r == -ENOENT || r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
		return 0;
	return r < 0 ? error_context(err, "list the routes of %s", ns[0] ? ns : "the host") : 0;
}

int routes_read(struct rtnl *rtnl, const char *ns, uint8_t family,
        int (*each)(const struct route_seen *route, void *arg), void *arg, struct error *err)
{
	const struct reading reading = {.family = family, .each = each, .arg = arg};

	return read_routes(rtnl, ns, &reading, RTPROT_UNSPEC, err);
}

static int add_route(const struct route_seen *route, void *arg)
{
	struct routes *routes = arg;

	if (!LIST_ROOM(routes->items, routes->count, routes->capacity, 4))
		return -ENOMEM;
	routes->items[routes->count++] = *route;
	return 0;
}

static int read_both(struct rtnl *rtnl, const char *ns, bool own_tables, uint8_t protocol,
        struct routes *ret, struct error *err)
{
	struct routes routes = {0};
	struct reading reading = {
	        .family = AF_INET, .own_tables = own_tables, .each = add_route, .arg = &routes};
	int r = read_routes(rtnl, ns, &reading, protocol, err);

	reading.family = AF_INET6;
	if (r == 0)
		r = read_routes(rtnl, ns, &reading, protocol, err);
	if (r < 0) {
		routes_done(&routes);
		return r;
	}
	*ret = routes;
	return 0;
}

int routes_connected(struct rtnl *rtnl, const char *ns, struct routes *ret, struct error *err)
{
	return read_both(rtnl, ns, false, RTPROT_KERNEL, ret, err);
}

int routes_list(struct rtnl *rtnl, const char *ns, struct routes *ret, struct error *err)
{
	return read_both(rtnl, ns, true, RTPROT_UNSPEC, ret, err);
}

void routes_done(struct routes *routes)
{
	free(routes->items);
	*routes = (struct routes){0};
}
