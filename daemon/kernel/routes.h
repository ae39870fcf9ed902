/* Routes as the kernel lists them: unicast routes of the main table, and of netd's own tables. */
#pragma once

#include "daemon/kernel/rtnl.h"

/* What netd's routes and rules bear as their protocol, where the kernel has no other mark for them:
 * 'n'. The numbers of others are in rt_protos. */
#define ROUTE_PROTOCOL 110

struct route_seen {
	struct cidr destination;
	struct ip gateway; /* family 0: none */
	struct ip source;  /* likewise */
	int index;         /* of the first interface it leads through; 0: none */
	uint32_t metric;
	uint32_t table; /* of netd's; 0: the main one */
	bool by_kernel; /* made for an address */
	bool by_netd;   /* it bears ROUTE_PROTOCOL */
	bool by_router; /* from a router's advertisement */
};

/* The kernel's own, to the subnet of an address. */
static inline bool route_is_connected(const struct route_seen *route)
{
	return route->by_kernel && !route->gateway.family && route->destination.prefix > 0;
}

struct routes {
	struct route_seen *items;
	size_t count, capacity;
};

/* Calls back for each of the main table; a negative return ends it. No such table yet: none. */
int routes_read(struct rtnl *rtnl, const char *ns, uint8_t family,
        int (*each)(const struct route_seen *route, void *arg), void *arg, struct error *err);
/* Only those that the kernel made for addresses, of both families: others may be very many. */
int routes_connected(struct rtnl *rtnl, const char *ns, struct routes *ret, struct error *err);
/* Of both families, as a list; with those of netd's own tables. */
int routes_list(struct rtnl *rtnl, const char *ns, struct routes *ret, struct error *err);
void routes_done(struct routes *routes);
