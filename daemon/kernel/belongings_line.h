/* Lines of belongings, as they are written and read. */
#pragma once

#include "daemon/kernel/belongings.h"

/* Switches of IPv6 that say which addresses the interface gets by itself; ends with NULL. */
extern const char *const belongings_switches[];

struct address {
	struct cidr cidr;
	struct ip peer, broadcast;
	unsigned scope, flags, valid, preferred;
	char label[IFNAMSIZ]; /* "": none */
};

struct way {
	struct cidr destination;
	struct ip gateway, source;
	unsigned metric, table, protocol, scope;
};
