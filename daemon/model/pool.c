/*
 * Pools. A pool's subnets of one size are numbered from 0; whatever lies in it takes a span of
 * these numbers. So both families are the same code, and the first free number is found by one walk
 * over the spans, however large the pool is.
 *
 * Where none is configured, IPv4 has 10.208.0.0/12 in /24, away from what Docker, Podman and most
 * home routers use, and IPv6 this machine's own /48 of unique local addresses in /64 (model_ula()).
 */
#include "daemon/model/pool.h"

#include "lib/list.h"

#include <errno.h>
#include <stdlib.h>

unsigned pools_of(const struct model *model, const struct facts *facts, int family,
        struct pool ret[POOLS_MAX])
{
	static const struct ip first = {.family = AF_INET, .bytes = {10, 208}};
	unsigned count = 0;

	for (unsigned i = 0; i < facts->pool_count; i++)
		if (facts->pools[i].cidr.ip.family == family)
			ret[count++] = facts->pools[i];
	if (count)
		return count;
	ret[0] = family == AF_INET ? (struct pool){{first, 12}, 24}
	                           : (struct pool){model_ula(model), 64};
	return 1;
}

/* --- numbers --- */

static bool bit(const struct ip *ip, unsigned at)
{
	return ip->bytes[at / 8] >> (7 - at % 8) & 1;
}

/* The bits of the address from `from` to before `to`, as a number. */
static uint64_t bits(const struct ip *ip, unsigned from, unsigned to)
{
	uint64_t value = 0;

	for (unsigned at = from; at < to; at++)
		value = value << 1 | bit(ip, at);
	return value;
}

static struct cidr numbered(const struct pool *pool, unsigned from, uint8_t prefix, uint64_t number)
{
	struct cidr cidr = {pool->cidr.ip, prefix};

	for (unsigned at = prefix; at-- > from; number >>= 1)
		if (number & 1)
			cidr.ip.bytes[at / 8] |= (uint8_t)(1 << (7 - at % 8));
	return cidr;
}

/* Where the numbers of subnets of this size begin: in a very large pool, only its beginning has
 * some. */
static unsigned numbers_from(const struct pool *pool, uint8_t prefix)
{
	return prefix - pool->cidr.prefix > POOL_BITS_MAX ? prefix - POOL_BITS_MAX
	                                                  : pool->cidr.prefix;
}

struct span {
	uint64_t from, to;
};

/* False: it lies where there are no numbers. */
static bool span_of(
        const struct pool *pool, const struct cidr *use, uint8_t prefix, struct span *ret)
{
	unsigned from = numbers_from(pool, prefix);
	const struct cidr numbers = {pool->cidr.ip, (uint8_t)from};
	struct ip first = cidr_first(use), last = cidr_last(use);

	if (!cidr_overlap(&numbers, use))
		return false;
	*ret = (struct span){0, UINT64_MAX};
	if (use->prefix > from) {
		ret->from = bits(&first, from, prefix);
		ret->to = bits(&last, from, prefix);
	}
	return true;
}

/* --- what is taken --- */

static int add_use(struct pool_uses *uses, const struct pool *pool, const struct pool_use *use)
{
	if (!cidr_overlap(&pool->cidr, &use->cidr))
		return 0;
	if (!LIST_ROOM(uses->items, uses->count, uses->capacity, 64))
		return -ENOMEM;
	uses->items[uses->count++] = *use;
	return 0;
}

/* What the host has for a network of netd's is that network's. */
static bool is_own(const struct model *model, const struct used_prefix *used)
{
	const char *owner = model_owner(model, TABLE_BRIDGES, used->ifname);
	const struct network *network = owner ? model_network(model, owner) : NULL;
	const struct subnet *subnet =
	        network ? network_subnet(network, used->cidr.ip.family) : NULL;

	return subnet && cidr_overlap(&subnet->cidr, &used->cidr);
}

static int compare_uses(const void *a, const void *b)
{
	const struct cidr *one = &((const struct pool_use *)a)->cidr,
	                  *other = &((const struct pool_use *)b)->cidr;
	struct ip x = cidr_first(one), y = cidr_first(other);
	int order = ip_compare(&x, &y);

	return order ? order : (one->prefix > other->prefix) - (one->prefix < other->prefix);
}

int pool_uses(const struct model *model, const struct facts *facts, const struct pool *pool,
        struct pool_uses *ret)
{
	const struct network *network;
	char key[KEY_SIZE] = "";
	int r = 0;

	*ret = (struct pool_uses){0};
	while (r == 0 && (network = model_next(model, TABLE_NETWORKS, key)))
		for (unsigned i = 0; r == 0 && i < network->subnet_count; i++)
			r = add_use(ret, pool,
			        &(const struct pool_use){
			                network->subnets[i].cidr, network->name, NULL});
	for (unsigned i = 0; r == 0 && i < facts->used_count; i++)
		if (!is_own(model, &facts->used[i]))
			r = add_use(ret, pool,
			        &(const struct pool_use){
			                facts->used[i].cidr, NULL, &facts->used[i]});
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare_uses);
	return r;
}

void pool_uses_done(struct pool_uses *uses)
{
	free(uses->items);
	*uses = (struct pool_uses){0};
}

uint64_t pool_total(const struct pool *pool)
{
	return (uint64_t)1 << (pool->size - pool->cidr.prefix);
}

uint64_t pool_taken(const struct pool *pool, const struct pool_uses *uses)
{
	uint64_t taken = 0, next = 0, last = pool_total(pool) - 1;

	for (size_t i = 0; i < uses->count; i++) {
		struct span span;

		if (!span_of(pool, &uses->items[i].cidr, pool->size, &span))
			continue;
		span.to = span.to < last ? span.to : last;
		span.from = span.from > next ? span.from : next;
		if (span.to < span.from)
			continue;
		taken += span.to - span.from + 1;
		next = span.to + 1;
	}
	return taken;
}

bool pool_find(
        const struct pool *pool, const struct pool_uses *uses, uint8_t prefix, struct cidr *ret)
{
	unsigned from;
	uint64_t next = 0, last;

	if (prefix < pool->cidr.prefix)
		return false;
	from = numbers_from(pool, prefix);
	last = ((uint64_t)1 << (prefix - from)) - 1;
	for (size_t i = 0; i < uses->count; i++) {
		struct span span;

		if (!span_of(pool, &uses->items[i].cidr, prefix, &span))
			continue;
		if (span.from > next)
			break;
		if (span.to >= last)
			return false;
		if (span.to >= next)
			next = span.to + 1;
	}
	*ret = numbered(pool, from, prefix, next);
	return true;
}
