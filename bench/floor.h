/*
 * The floor: what the kernel takes for the same work when nobody looks, checks, remembers or undoes
 * anything. The same messages in the same order as netd sends them, but prepared by someone who
 * knows all the answers: no question is asked that a program could do without.
 *
 * Networks, namespaces and ports are numbers. Everything is named `floor...`.
 */
#pragma once

#include "bench/message.h"

#include <stdbool.h>

struct floor {
	int rtnl, nft, conntrack;
	struct messages messages;
};

/* Two nf_tables tables with the sets that are needed, and network 0. */
void floor_open(struct floor *floor);
/* A bridge with its address, three sysctls, and its elements. */
void floor_network_create(struct floor *floor, unsigned network);
void floor_network_remove(struct floor *floor, unsigned network);
/* A new namespace and its endpoint on network 0. */
void floor_connect(struct floor *floor, unsigned ns);
/* As netd does it: the pair is made harmless, its elements go, its flows end. */
void floor_disconnect(struct floor *floor, unsigned ns);
/* What netd leaves for later: the pair is deleted. */
void floor_delete_link(struct floor *floor, unsigned ns);
void floor_remove_namespace(unsigned ns);
/* A bound socket (returned, to be closed by unpublish) and a map element. */
int floor_publish(struct floor *floor, unsigned port);
void floor_unpublish(struct floor *floor, unsigned port, int held);
/* Elements only, many in a batch: ports from `first` on. */
void floor_fill(struct floor *floor, unsigned first, unsigned count);
