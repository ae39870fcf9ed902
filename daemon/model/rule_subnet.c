/*
 * Subnets: which ones a new network may have, and which it gets where none was named.
 *
 * It gets the first free one of the first pool that has one (pool.c), of the pool's size or of the
 * size that was asked for. What the host itself uses is not free, but for its default routes.
 */
#include "daemon/model/pool.h"
#include "daemon/model/rules.h"

#include <stdio.h>
#include <string.h>

#define FIELD_SIZE 32

/* "/24" where every network takes one; and what takes the pool. */
static int exhausted(const struct pool *pool, const struct pool_uses *uses, uint8_t prefix,
        unsigned others, struct error *err)
{
	char text[CIDR_TEXT_SIZE], other[CIDR_TEXT_SIZE], more[32] = "";
	const struct pool_use *largest = NULL;
	unsigned networks = 0;

	for (size_t i = 0; i < uses->count; i++) {
		const struct pool_use *use = &uses->items[i];

		networks += use->network != NULL;
		if (!use->network && (!largest || use->cidr.prefix < largest->cidr.prefix))
			largest = use;
	}
	if (others)
		snprintf(more, sizeof(more), " (nor in the %u before it)", others);
	cidr_format(&pool->cidr, text);
	if (!largest)
		return error_set(err, ERROR_REFUSED, 0,
		        "no /%u is free in the pool %s%s: %u networks are in it (netd-ctl pools "
		        "shows them); name a subnet with --subnet, or add a pool to netd.conf",
		        prefix, text, more, networks);
	return error_set(err, ERROR_REFUSED, 0,
	        "no /%u is free in the pool %s%s: %u networks are in it, and %s %s of this host "
	        "(interface %s) takes its part (netd-ctl pools shows all); name a subnet with "
	        "--subnet, or add a pool to netd.conf",
	        prefix, text, more, networks, largest->other->route ? "the route" : "the address",
	        cidr_format(&largest->cidr, other), largest->other->ifname);
}

/* prefix 0: what the pool has. The first pool that has one gives it. */
static int choose_subnet(const struct model *model, const struct facts *facts, int family,
        uint8_t prefix, struct cidr *ret, struct error *err)
{
	struct pool pools[POOLS_MAX];
	unsigned count = pools_of(model, facts, family, pools);

	for (unsigned i = 0; i < count; i++) {
		uint8_t size = prefix ? prefix : pools[i].size;
		struct pool_uses uses;
		int r = pool_uses(model, facts, &pools[i], &uses);
		bool found = r == 0 && pool_find(&pools[i], &uses, size, ret);

		if (r < 0)
			error_memory(err);
		else if (!found && i + 1 == count)
			r = exhausted(&pools[i], &uses, size, i, err);
		pool_uses_done(&uses);
		if (r < 0 || found)
			return r;
	}
	return 0;
}

/* On somebody else's bridge the host may have an address, and then has one in the same subnet. */
static int check_overlap(const struct model *model, const struct facts *facts,
        const struct network *of, const struct cidr *subnet, const char *field, struct error *err)
{
	const struct network *network = model_network_over(model, subnet);
	char text[CIDR_TEXT_SIZE], other[CIDR_TEXT_SIZE];

	cidr_format(subnet, text);
	if (network)
		return error_field(err, field,
		        "subnet %s overlaps %s of network %s; choose another", text,
		        cidr_format(&network_subnet(network, subnet->ip.family)->cidr, other),
		        network->name);
	for (unsigned i = 0; i < facts->used_count; i++) {
		const struct used_prefix *used = &facts->used[i];

		if (of->use_bridge[0] && strcmp(used->ifname, of->use_bridge) == 0)
			continue;
		if (cidr_overlap(&used->cidr, subnet))
			return error_field(err, field,
			        "subnet %s overlaps %s %s of this host (interface %s); choose "
			        "another",
			        text, used->route ? "the route" : "the address",
			        cidr_format(&used->cidr, other), used->ifname);
	}
	return 0;
}

/* Whether a prefix has a part that no host may have an address of; says which parts these are. */
static const char *not_for_hosts(const struct cidr *subnet)
{
	uint8_t first = subnet->ip.bytes[0];

	if (subnet->ip.family == AF_INET)
		return first == 0 || first == 127 || first >= 224
		               ? "0.0.0.0/8, 127.0.0.0/8 and 224.0.0.0/3 are not"
		               : NULL;
	/* ::1, what stands for IPv4, and what is translated to it. A prefix is 16 bits at least. */
	return first == 0 || ip_is_link_local(&subnet->ip) || ip_is_multicast(&subnet->ip)
	               ? "::/8, fe80::/10 and ff00::/8 are not"
	               : NULL;
}

static int check_prefix(const struct cidr *subnet, const char *field, struct error *err)
{
	bool v6 = subnet->ip.family == AF_INET6;
	unsigned least = v6 ? 16 : 8, most = v6 ? 126 : 30;
	char text[CIDR_TEXT_SIZE];

	if (subnet->prefix >= least && subnet->prefix <= most)
		return 0;
	return error_field(err, field,
	        "subnet %s: the prefix length of a network is from %u to %u%s",
	        cidr_format(subnet, text), least, most, v6 ? " in IPv6" : "");
}

static int check_subnet(const struct model *model, const struct facts *facts,
        const struct network *of, const struct cidr *subnet, const char *field, struct error *err)
{
	char text[CIDR_TEXT_SIZE];
	const char *others = not_for_hosts(subnet);
	int r = check_prefix(subnet, field, err);

	if (r == 0 && others)
		r = error_field(err, field, "subnet %s is not for hosts (%s)",
		        cidr_format(subnet, text), others);
	return r == 0 ? check_overlap(model, facts, of, subnet, field, err) : r;
}

bool subnet_reserves(const struct subnet *subnet, const struct ip *ip)
{
	struct ip first = cidr_first(&subnet->cidr), last = cidr_last(&subnet->cidr);

	return ip_equal(ip, &first) || (ip->family == AF_INET && ip_equal(ip, &last));
}

const char *subnet_reserved(const struct ip *ip)
{
	return ip->family == AF_INET ? "the network's own or its broadcast address"
	                             : "the address of all of the network's routers";
}

/* Without the host in it a network has a router only if one is named. */
static int choose_gateway(
        const struct network *network, struct subnet *subnet, const char *field, struct error *err)
{
	char text[CIDR_TEXT_SIZE], address[IP_TEXT_SIZE];
	struct ip first = cidr_first(&subnet->cidr);

	if (!subnet->gateway.family && !network_has_host(network))
		return 0;
	if (!subnet->gateway.family) {
		subnet->gateway = ip_further(&first, 1);
		return 0;
	}
	ip_format(&subnet->gateway, address);
	cidr_format(&subnet->cidr, text);
	if (!cidr_contains(&subnet->cidr, &subnet->gateway))
		return error_field(err, field, "gateway %s is outside of subnet %s", address, text);
	if (subnet_reserves(subnet, &subnet->gateway))
		return error_field(err, field, "gateway %s is %s in subnet %s", address,
		        subnet_reserved(&subnet->gateway), text);
	return 0;
}

/* --- which families --- */

/* The place of the named subnet of this family in the request; -1: none was named. */
static int named(const struct request *request, int family)
{
	for (unsigned i = 0; i < request->subnet_count; i++)
		if (request->subnets[i].cidr.ip.family == family)
			return (int)i;
	return -1;
}

bool request_wants(const struct request *request, int family)
{
	enum choice choice = family == AF_INET6 ? request->ip6 : request->ip4;

	if (choice != CHOICE_OPEN)
		return choice == CHOICE_YES;
	if (named(request, family) >= 0)
		return true;
	/* Who names a subnet of IPv6, and nothing else, wants that only. */
	return family == AF_INET && (request->subnet_count == 0 || request->ip6 == CHOICE_YES);
}

static int check_families(
        const struct request *request, const struct facts *facts, struct error *err)
{
	char text[CIDR_TEXT_SIZE], field[FIELD_SIZE];

	if (request->subnet_count == 2 &&
	        request->subnets[0].cidr.ip.family == request->subnets[1].cidr.ip.family)
		return error_field(err, "subnets[1].subnet",
		        "subnet %s is the second one of its family: a network has one of IPv4, one "
		        "of IPv6, or both",
		        cidr_format(&request->subnets[1].cidr, text));
	for (unsigned i = 0; i < request->subnet_count; i++) {
		const struct cidr *cidr = &request->subnets[i].cidr;
		bool v6 = cidr->ip.family == AF_INET6;

		snprintf(field, sizeof(field), "subnets[%u].subnet", i);
		if (!request_wants(request, cidr->ip.family))
			return error_field(err, field,
			        "subnet %s is of %s, which this network is not to have",
			        cidr_format(cidr, text), v6 ? "IPv6" : "IPv4");
	}
	if (!request_wants(request, AF_INET) && !request_wants(request, AF_INET6))
		return error_field(err, "ipv4",
		        "ipv4: a network without IPv4 needs IPv6 (--ipv6, or a --subnet of it)");
	if (request_wants(request, AF_INET6) && facts->no_ip6)
		return error_field(err, "ipv6", "ipv6: the kernel of this host has no IPv6");
	return 0;
}

static int add_subnet(const struct model *model, const struct request *request,
        const struct facts *facts, int family, struct network *network, struct error *err)
{
	struct subnet *subnet = &network->subnets[network->subnet_count++];
	char field[FIELD_SIZE] = "subnets[0].subnet", gateway[FIELD_SIZE] = "subnets[0].gateway";
	int place = named(request, family), r;

	if (place < 0 && network->use_bridge[0])
		return error_field(err, "subnets",
		        "subnets: what is used on bridge %s is not netd's to say: name it with "
		        "--subnet",
		        network->use_bridge);
	if (place < 0) {
		r = choose_subnet(model, facts, family, 0, &subnet->cidr, err);
	} else if (ip_is_any(&request->subnets[place].cidr.ip)) {
		snprintf(field, sizeof(field), "subnets[%d].subnet", place);
		snprintf(gateway, sizeof(gateway), "subnets[%d].gateway", place);
		*subnet = request->subnets[place];
		r = check_prefix(&subnet->cidr, field, err);
		if (r == 0)
			r = choose_subnet(
			        model, facts, family, subnet->cidr.prefix, &subnet->cidr, err);
	} else {
		snprintf(field, sizeof(field), "subnets[%d].subnet", place);
		snprintf(gateway, sizeof(gateway), "subnets[%d].gateway", place);
		*subnet = request->subnets[place];
		r = check_subnet(model, facts, network, &subnet->cidr, field, err);
	}
	return r < 0 ? r : choose_gateway(network, subnet, gateway, err);
}

int choose_subnets(const struct model *model, const struct request *request,
        const struct facts *facts, struct network *network, struct error *err)
{
	int r = check_families(request, facts, err);

	if (r == 0 && request_wants(request, AF_INET))
		r = add_subnet(model, request, facts, AF_INET, network, err);
	if (r == 0 && request_wants(request, AF_INET6))
		r = add_subnet(model, request, facts, AF_INET6, network, err);
	return r;
}

/* Of 0.0.0.0/26 and the like any subnet of this size is one. */
static bool is_asked_for(const struct cidr *cidr, const struct cidr *asked)
{
	return ip_is_any(&asked->ip) ? cidr->prefix == asked->prefix : cidr_equal(cidr, asked);
}

const char *compare_subnets(const struct network *network, const struct request *request)
{
	for (unsigned i = 0; i < request->subnet_count; i++) {
		const struct subnet *asked = &request->subnets[i],
		                    *there = network_subnet(network, asked->cidr.ip.family);

		if (!there || !is_asked_for(&there->cidr, &asked->cidr))
			return "subnet";
		if (asked->gateway.family && !ip_equal(&there->gateway, &asked->gateway))
			return "gateway";
	}
	if (request_wants(request, AF_INET) != (network_subnet(network, AF_INET) != NULL))
		return "ipv4";
	if (request_wants(request, AF_INET6) != (network_subnet(network, AF_INET6) != NULL))
		return "ipv6";
	return NULL;
}
