/* Where subnets come from, and how much of them, and of the addresses in them, is in use. */
#include "daemon/api/internal.h"

#include "daemon/model/pool.h"

#include <stdio.h>
#include <string.h>

static const int families[] = {AF_INET, AF_INET6};

/* JSON has no larger numbers here. */
static json_t *count_json(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

static json_t *use_json(const struct pool_use *use)
{
	char cidr[CIDR_TEXT_SIZE];

	if (use->network)
		return json_pack("{s:s, s:s}", "subnet", cidr_format(&use->cidr, cidr), "network",
		        use->network);
	return json_pack("{s:s, s:s, s:s}", "subnet", cidr_format(&use->cidr, cidr), "host",
	        use->other->route ? "route" : "address", "interface", use->other->ifname);
}

static json_t *pool_json(const struct pool *pool, const struct pool_uses *uses)
{
	uint64_t total = pool_total(pool), taken = pool_taken(pool, uses);
	json_t *list = json_array();
	char cidr[CIDR_TEXT_SIZE];

	for (size_t i = 0; i < uses->count; i++)
		list = list_add(list, use_json(&uses->items[i]));
	return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "pool", cidr_format(&pool->cidr, cidr),
	        "size", (int)pool->size, "subnets", count_json(total), "used", count_json(taken),
	        "free", count_json(total - taken), "taken", list);
}

/* What of a network's range is in use. */
struct count {
	uint64_t addresses, used, kept, remembered, reserved;
};

static bool may_be_given(const struct subnet *subnet, const struct ip *ip)
{
	struct ip first = cidr_first(&subnet->cidr), last = cidr_last(&subnet->cidr);

	return !ip_equal(ip, &subnet->gateway) && !ip_equal(ip, &first) &&
	       (ip->family == AF_INET6 || !ip_equal(ip, &last));
}

static void count_endpoints(const struct model *model, const struct network *network,
        const struct cidr *range, struct count *count)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	const struct reference *member;

	snprintf(prefix, sizeof(prefix), "%s/", network->name);
	while ((member = model_next_in(model, TABLE_MEMBERS, prefix, key))) {
		const struct endpoint *endpoint =
		        namespace_endpoint(model_namespace(model, member->owner), network->name);
		const struct cidr *address = endpoint_address(endpoint, range->ip.family);

		count->used += address && cidr_contains(range, &address->ip);
	}
}

static bool is_held(const struct model *model, const struct network *network, const struct ip *ip)
{
	char key[KEY_SIZE];
	const char *owner;

	model_address_key(key, network->name, ip);
	owner = model_owner(model, TABLE_ADDRESSES, key);
	return owner && model_namespace(model, owner);
}

/* Those of namespaces that are not connected now. */
static void count_leases(const struct model *model, const struct network *network,
        const struct cidr *range, struct count *count)
{
	char prefix[KEY_SIZE], key[KEY_SIZE] = "";
	const struct reference *reference;

	model_lease_age_prefix(prefix, network->name);
	while ((reference = model_next_in(model, TABLE_LEASED, prefix, key))) {
		const struct lease *lease = model_object(model, TABLE_LEASES, reference->owner);

		for (unsigned i = 0; i < lease->address_count; i++) {
			const struct ip *ip = &lease->addresses[i].ip;

			if (!cidr_contains(range, ip) || is_held(model, network, ip) ||
			        model_lease_of(model, network->name, ip) != lease)
				continue;
			*(lease->addresses[i].fixed ? &count->kept : &count->remembered) += 1;
		}
	}
}

static void count_reserved(const struct model *model, const struct network *network,
        const struct cidr *range, struct count *count)
{
	const char *rest = network->reserve;
	char name[NAME_SIZE];
	struct ip ip;

	while (network_next_reserve(&rest, name, &ip))
		count->reserved += cidr_contains(range, &ip) && !is_held(model, network, &ip) &&
		                   !model_lease_of(model, network->name, &ip);
}

static json_t *network_use_json(
        const struct model *model, const struct network *network, const struct subnet *subnet)
{
	struct ip first, last;
	struct count count = {0};
	char cidr[CIDR_TEXT_SIZE], part[CIDR_TEXT_SIZE];
	struct cidr range;
	uint64_t taken;

	network_range(network, subnet->cidr.ip.family, &range);
	first = cidr_first(&range);
	last = cidr_last(&range);
	count.addresses =
	        cidr_size(&range) - !may_be_given(subnet, &first) - !may_be_given(subnet, &last);
	if (cidr_contains(&range, &subnet->gateway) && !ip_equal(&subnet->gateway, &first) &&
	        !ip_equal(&subnet->gateway, &last))
		count.addresses--;
	count_endpoints(model, network, &range, &count);
	count_leases(model, network, &range, &count);
	count_reserved(model, network, &range, &count);
	taken = count.used + count.kept + count.reserved;
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "network", network->name,
	        "subnet", cidr_format(&subnet->cidr, cidr), "range", cidr_format(&range, part),
	        "addresses", count_json(count.addresses), "used", count_json(count.used), "kept",
	        count_json(count.kept), "reserved", count_json(count.reserved), "remembered",
	        count_json(count.remembered), "free", count_json(count.addresses - taken));
}

static json_t *networks_json(const struct model *model)
{
	const struct network *network;
	json_t *list = json_array();
	char key[KEY_SIZE] = "";

	while ((network = model_next(model, TABLE_NETWORKS, key)))
		for (unsigned i = 0; i < network->subnet_count; i++)
			list = list_add(
			        list, network_use_json(model, network, &network->subnets[i]));
	return list;
}

static json_t *pools_json(const struct model *model, const struct facts *facts)
{
	json_t *list = json_array();

	for (unsigned f = 0; f < 2; f++) {
		struct pool pools[POOLS_MAX];
		unsigned count = pools_of(model, facts, families[f], pools);

		for (unsigned i = 0; i < count; i++) {
			struct pool_uses uses;
			bool known = pool_uses(model, facts, &pools[i], &uses) == 0;

			list = list_add(list, known ? pool_json(&pools[i], &uses) : NULL);
			pool_uses_done(&uses);
		}
	}
	return list;
}

int pool_list(const struct call *call, json_t **ret, struct error *err)
{
	const struct model *model = engine_model(call->engine);
	struct facts facts = {0};
	int r = engine_look_at_host(call->engine, &facts, err);

	if (r == 0)
		r = list_answer("pools", pools_json(model, &facts), ret, err);
	facts_done(&facts);
	return r == 0 ? answer_add(*ret, "networks", networks_json(model), err) : r;
}
