/*
 * Addresses of endpoints: which ones may be asked for, and which are given where none was.
 *
 * In this order: the one that was asked for; the one that is reserved for a namespace of this name;
 * the one that the namespace had here before; the next one of the range. These are given in turn,
 * not lowest first, and those that someone had and left are passed over until nothing else is free:
 * so an address rests as long as possible. One whose flows are not gone yet belongs to a tombstone,
 * and is given to no one but who had it before.
 */
#include "daemon/model/rules.h"

#include <stdio.h>
#include <string.h>

static const char *family_name(int family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

/* Who has the address, but for the flows of one that was freed. */
static const char *holder(
        const struct model *model, const struct network *network, const struct ip *ip)
{
	char key[KEY_SIZE];

	model_address_key(key, network->name, ip);
	return model_owner(model, TABLE_ADDRESSES, key);
}

/* For whom the network keeps it. "": for no one. */
static void reserved_for(const struct network *network, const struct ip *ip, char ret[NAME_SIZE])
{
	const char *rest = network->reserve;
	char name[NAME_SIZE];
	struct ip other;

	ret[0] = '\0';
	while (network_next_reserve(&rest, name, &other))
		if (ip_equal(&other, ip))
			memcpy(ret, name, NAME_SIZE);
}

/* The one that a namespace had before: whether it asked for it; -1: it had not. */
static int was_fixed(const struct lease *lease, const struct ip *ip)
{
	for (unsigned i = 0; lease && i < lease->address_count; i++)
		if (ip_equal(&lease->addresses[i].ip, ip))
			return lease->addresses[i].fixed;
	return -1;
}

/* Whether this namespace was the last one that had it. */
static bool had(const struct model *model, const struct network *network, const char *ns,
        const struct ip *ip)
{
	const struct lease *lease = model_lease_of(model, network->name, ip);

	return lease && strcmp(lease->namespace, ns) == 0;
}

/* Refuses what is somebody's, or kept for somebody. */
static int check_free(const struct model *model, const struct network *network, const char *ns,
        const struct ip *ip, struct error *err)
{
	const struct lease *lease = model_lease_of(model, network->name, ip);
	const char *owner = holder(model, network, ip);
	char text[IP_TEXT_SIZE], name[NAME_SIZE];

	ip_format(ip, text);
	if (owner && model_namespace(model, owner))
		return error_set(err, ERROR_EXISTS, 0,
		        "address %s on network %s belongs to namespace %s; choose another", text,
		        network->name, owner);
	reserved_for(network, ip, name);
	if (name[0] && strcmp(name, ns) != 0)
		return error_set(err, ERROR_EXISTS, 0,
		        "address %s on network %s is reserved for %s (netd-ctl network set %s "
		        "reserve=... changes that); choose another",
		        text, network->name, name, network->name);
	if (was_fixed(lease, ip) == 1 && strcmp(lease->namespace, ns) != 0)
		return error_set(err, ERROR_EXISTS, 0,
		        "address %s on network %s is kept for namespace %s, which asked for it and "
		        "is not connected now ('netd-ctl disconnect %s %s --forget' gives it up); "
		        "choose another",
		        text, network->name, lease->namespace, network->name, lease->namespace);
	if (owner && !had(model, network, ns, ip))
		return error_set(err, ERROR_REFUSED, 0,
		        "address %s was freed a moment ago and rests until its flows are gone; try "
		        "again",
		        text);
	return 0;
}

int subnet_check_address(
        const struct network *network, const struct ip *ip, const char *field, struct error *err)
{
	const struct subnet *subnet = network_subnet(network, ip->family);
	char text[IP_TEXT_SIZE], range[CIDR_TEXT_SIZE];

	ip_format(ip, text);
	cidr_format(&subnet->cidr, range);
	if (!cidr_contains(&subnet->cidr, ip))
		return error_field(err, field,
		        "address %s is outside of %s, the subnet of network %s", text, range,
		        network->name);
	if (subnet_reserves(subnet, ip))
		return error_field(
		        err, field, "address %s is %s in %s", text, subnet_reserved(ip), range);
	return 0;
}

static int check_ip(const struct model *model, const struct network *network, const char *ns,
        const struct ip *ip, const char *field, struct error *err)
{
	const struct subnet *subnet = network_subnet(network, ip->family);
	char text[IP_TEXT_SIZE];
	int r = subnet_check_address(network, ip, field, err);

	if (r < 0)
		return r;
	if (network_has_host(network) && ip_equal(ip, &subnet->gateway))
		return error_set(err, ERROR_EXISTS, 0,
		        "address %s is the gateway of network %s; choose another",
		        ip_format(ip, text), network->name);
	return check_free(model, network, ns, ip, err);
}

/* --- what is given where nothing was asked for --- */

/* Those for this name in the network's list. */
static bool reserved_ip(const struct network *network, const char *ns, int family, struct ip *ret)
{
	const char *rest = network->reserve;
	char name[NAME_SIZE];

	while (network_next_reserve(&rest, name, ret))
		if (ret->family == family && strcmp(name, ns) == 0)
			return true;
	return false;
}

/* What it had before, if it may have it now. */
static bool leased_ip(const struct model *model, const struct network *network, const char *ns,
        int family, struct ip *ret, bool *fixed)
{
	const struct lease *lease = model_lease(model, network->name, ns);
	struct cidr range;
	struct error ignored;

	network_range(network, family, &range);
	for (unsigned i = 0; lease && i < lease->address_count; i++) {
		const struct ip *ip = &lease->addresses[i].ip;

		if (ip->family != family || !had(model, network, ns, ip) ||
		        (!lease->addresses[i].fixed && !cidr_contains(&range, ip)) ||
		        check_ip(model, network, ns, ip, "", &ignored) < 0)
			continue;
		*ret = *ip;
		*fixed = lease->addresses[i].fixed;
		return true;
	}
	return false;
}

static bool is_untouched(
        const struct model *model, const struct network *network, const struct ip *ip)
{
	const struct subnet *subnet = network_subnet(network, ip->family);
	char name[NAME_SIZE];

	for (unsigned i = 0; i < network->taken_count; i++)
		if (ip_equal(&network->taken[i], ip))
			return false;
	if (subnet_reserves(subnet, ip) || ip_equal(ip, &subnet->gateway) ||
	        holder(model, network, ip) || model_lease_of(model, network->name, ip))
		return false;
	reserved_for(network, ip, name);
	return name[0] == '\0';
}

/* Of the oldest that someone had and left. */
static bool take_over(
        struct model *fork, const struct network *network, const struct cidr *range, struct ip *ret)
{
	const struct lease *lease;
	char name[NAME_SIZE];

	while ((lease = lease_to_take(fork, network->name, range, ret))) {
		if (lease_give_up(fork, lease, ret) < 0)
			return false;
		reserved_for(network, ret, name);
		if (!name[0])
			return true;
	}
	return false;
}

static int exhausted(const struct model *model, const struct network *network,
        const struct cidr *range, struct error *err)
{
	const struct subnet *subnet = network_subnet(network, range->ip.family);
	struct usage usage = model_usage(model, network->name);
	bool whole = cidr_equal(&subnet->cidr, range);
	char text[CIDR_TEXT_SIZE];

	return error_set(err, ERROR_REFUSED, 0,
	        "network %s: no address of %s%s is free (%u endpoints, %u of namespaces that are "
	        "not connected now; netd-ctl pools shows them); %s",
	        network->name, whole ? "" : "its range ", cidr_format(range, text), usage.endpoints,
	        usage.leases,
	        whole ? "disconnect a namespace, or create a network with a larger --subnet"
	              : "disconnect a namespace, or make the range larger with 'netd-ctl network "
	                "set'");
}

static int next_ip(struct model *fork, const struct network *network, int family, struct ip *ret,
        struct error *err)
{
	struct usage usage = model_usage(fork, network->name);
	const struct ip *last = family == AF_INET6 ? &usage.last6 : &usage.last;
	struct cidr range;
	struct ip first;
	uint64_t size, start = 0;

	network_range(network, family, &range);
	first = cidr_first(&range);
	size = cidr_size(&range);
	if (last->family && cidr_contains(&range, last))
		start = ip_low(last) - ip_low(&first) + 1;
	/* Ends also where there are ever so many: all that are passed over are somebody's. */
	for (uint64_t i = 0; i < size; i++) {
		struct ip ip = ip_further(&first, (start + i) % size);

		if (!is_untouched(fork, network, &ip))
			continue;
		*ret = ip;
		return 0;
	}
	return take_over(fork, network, &range, ret) ? 0 : exhausted(fork, network, &range, err);
}

static int choose_ip(struct model *fork, const struct network *network, const char *ns, int family,
        struct ip *ret, bool *fixed, struct error *err)
{
	*fixed = false;
	if (reserved_ip(network, ns, family, ret))
		return check_free(fork, network, ns, ret, err);
	if (leased_ip(fork, network, ns, family, ret, fixed))
		return 0;
	return next_ip(fork, network, family, ret, err);
}

/* The place of the address of this family in the request; -1: none was asked for. */
static int named(const struct request *request, int family)
{
	for (unsigned i = 0; i < request->ip_count; i++)
		if (request->ips[i].family == family)
			return (int)i;
	return -1;
}

static int check_families(
        const struct network *network, const struct request *request, struct error *err)
{
	char text[IP_TEXT_SIZE], field[32];

	for (unsigned i = 0; i < request->ip_count; i++) {
		const struct ip *ip = &request->ips[i];

		snprintf(field, sizeof(field), "addresses[%u]", i);
		if (!network_subnet(network, ip->family))
			return error_field(err, field,
			        "address %s is of %s, and network %s has none of that",
			        ip_format(ip, text), family_name(ip->family), network->name);
		if (named(request, ip->family) != (int)i)
			return error_field(err, field,
			        "address %s is the second one of its family: an endpoint has one "
			        "of each that its network has",
			        ip_format(ip, text));
	}
	return 0;
}

int choose_addresses(struct model *fork, const struct network *network,
        const struct request *request, struct endpoint *endpoint, struct error *err)
{
	int r = check_families(network, request, err);

	for (unsigned i = 0; r == 0 && i < network->subnet_count; i++) {
		const struct subnet *subnet = &network->subnets[i];
		struct cidr *address = &endpoint->addresses[i];
		int place = named(request, subnet->cidr.ip.family);
		char field[32];

		endpoint->address_count++;
		address->prefix = subnet->cidr.prefix;
		if (place < 0) {
			r = choose_ip(fork, network, request->namespace, subnet->cidr.ip.family,
			        &address->ip, &endpoint->fixed[i], err);
			continue;
		}
		snprintf(field, sizeof(field), "addresses[%d]", place);
		address->ip = request->ips[place];
		endpoint->fixed[i] = true;
		r = check_ip(fork, network, request->namespace, &address->ip, field, err);
	}
	return r;
}
