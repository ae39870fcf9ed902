/* Routing rules of netd's, as the kernel lists them. */
#pragma once

#include "daemon/kernel/rtnl.h"

struct rule_seen {
	struct ip from;
	uint32_t table;
};

struct rules {
	struct rule_seen *items;
	size_t count, capacity;
};

/* Those that bear netd's number, of both families. */
int rules_read(struct rtnl *rtnl, const char *ns, struct rules *ret, struct error *err);
void rules_done(struct rules *rules);
