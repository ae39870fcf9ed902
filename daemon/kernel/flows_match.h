/* Reading conntrack entries, and which of them a batch of RESOURCE_FLOWS means. */
#pragma once

#include "daemon/plan/resource.h"

#include <libmnl/libmnl.h>

struct flow_tuple {
	struct ip source, destination;
	uint8_t protocol;
	uint16_t source_port, destination_port; /* 0 where the protocol has none */
};

struct flow {
	struct flow_tuple original, reply;
	bool translated; /* its destination */
	/* As in the message, for a request about this very entry; borrowed from it, NULL where
	 * absent. */
	const struct nlattr *tuple, *zone, *id;
};

/* False where the message is no entry with both tuples. */
bool flow_read(const struct nlmsghdr *header, struct flow *ret);

/* Sorted, so that an entry is matched against ten thousand resources as fast as against ten. */
struct flows_index {
	const struct resource **items; /* borrowed; those with ranges of ports come last */
	size_t count, single;
};

int flows_index_init(struct flows_index *ret, const struct resource *const *flows, size_t count);
void flows_index_done(struct flows_index *index);

enum flows_verdict {
	FLOWS_NO,
	FLOWS_YES,
	FLOWS_IF_LOCAL /* if its original destination is the host's */
};

enum flows_verdict flows_index_match(const struct flows_index *index, const struct flow *flow);

/* Asks an rtnetlink socket whether this address is local, as `fib daddr type local` would. */
int flows_route_local(int fd, const struct ip *ip, bool *ret);
