/* Where subnets come from: pure arithmetic on prefixes. */
#pragma once

#include "daemon/model/facts.h"

/* A pool's subnets are numbered; more than so many bits of a number are not looked at. */
#define POOL_BITS_MAX 62

/* What takes a part of a pool. */
struct pool_use {
	struct cidr cidr;
	const char *network; /* borrowed; NULL: something of the host's */
	const struct used_prefix *other;
};

struct pool_uses {
	struct pool_use *items;
	size_t count, capacity;
};

/* The pools of this family, those that are configured or else netd's own. Returns how many. */
unsigned pools_of(const struct model *model, const struct facts *facts, int family,
        struct pool ret[POOLS_MAX]);
/* What has a part of this pool, sorted. pool_uses_done() is right also on failure (-ENOMEM). */
int pool_uses(const struct model *model, const struct facts *facts, const struct pool *pool,
        struct pool_uses *ret);
void pool_uses_done(struct pool_uses *uses);
/* How many subnets of the pool's size it has, and how many of them are taken in part or as a whole.
 */
uint64_t pool_total(const struct pool *pool);
uint64_t pool_taken(const struct pool *pool, const struct pool_uses *uses);
/* The first free subnet of this prefix length. False: there is none. */
bool pool_find(
        const struct pool *pool, const struct pool_uses *uses, uint8_t prefix, struct cidr *ret);
