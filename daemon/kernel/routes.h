/* Routes as the kernel lists them: unicast routes of the main table. */
#pragma once

#include "daemon/kernel/rtnl.h"

struct route_seen {
	struct cidr destination;
	struct ip gateway; /* family 0: none */
	struct ip source;  /* likewise */
	int index;         /* of the first interface it leads through; 0: none */
	uint32_t metric;
	bool by_kernel; /* made for an address */
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

/* Calls back for each; a negative return ends it. No main table yet: none. */
int routes_read(struct rtnl *rtnl, const char *ns, uint8_t family,
        int (*each)(const struct route_seen *route, void *arg), void *arg, struct error *err);
/* Only those that the kernel made for addresses, of both families: others may be very many. */
int routes_connected(struct rtnl *rtnl, const char *ns, struct routes *ret, struct error *err);
/* Of both families, as a list. */
int routes_list(struct rtnl *rtnl, const char *ns, struct routes *ret, struct error *err);
void routes_done(struct routes *routes);
