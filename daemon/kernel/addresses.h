/* Addresses as the kernel lists them: those that someone set, for good. */
#pragma once

#include "daemon/kernel/rtnl.h"

struct address_seen {
	int index; /* of the interface */
	struct cidr cidr;
};

struct addresses {
	struct address_seen *items;
	size_t count, capacity;
};

int addresses_read(struct rtnl *rtnl, const char *ns, struct addresses *ret, struct error *err);
void addresses_done(struct addresses *addresses);
