/*
 * Addresses of endpoints: which ones may be asked for, and which are given where none was.
 *
 * They are given in turn, not lowest first, so that one that was just freed rests as long as
 * possible; one whose flows are not gone yet belongs to a tombstone and is not given at all.
 */
#include "daemon/model/rules.h"

#include <stdio.h>
#include <string.h>

static int check_ip(const struct model *model, const struct network *network,
        const struct subnet *subnet, const struct ip *ip, const char *field, struct error *err)
{
	char text[IP_TEXT_SIZE], range[CIDR_TEXT_SIZE], key[KEY_SIZE];
	const char *owner;

	ip_format(ip, text);
	cidr_format(&subnet->cidr, range);
	if (!cidr_contains(&subnet->cidr, ip))
		return error_field(err, field,
		        "address %s is outside of %s, the subnet of network %s", text, range,
		        network->name);
	if (subnet_reserves(subnet, ip))
		return error_field(
		        err, field, "address %s is %s in %s", text, subnet_reserved(ip), range);
	if (network_has_host(network) && ip_equal(ip, &subnet->gateway))
		return error_set(err, ERROR_EXISTS, 0,
		        "address %s is the gateway of network %s; choose another", text,
		        network->name);
	model_address_key(key, network->name, ip);
	owner = model_owner(model, TABLE_ADDRESSES, key);
	if (owner && !model_namespace(model, owner))
		return error_set(err, ERROR_REFUSED, 0,
		        "address %s was freed a moment ago and rests until its flows are gone; try "
		        "again",
		        text);
	if (owner)
		return error_set(err, ERROR_EXISTS, 0,
		        "address %s on network %s belongs to namespace %s; choose another", text,
		        network->name, owner);
	return 0;
}

/* How many addresses there are behind the first one; in IPv6 the last one is like all others. More
 * than 64 bits of them count as 64. */
static uint64_t count_addresses(const struct cidr *cidr)
{
	unsigned bits = (unsigned)(8 * ip_size(cidr->ip.family)) - cidr->prefix;

	return bits >= 64 ? UINT64_MAX
	                  : ((uint64_t)1 << bits) - (cidr->ip.family == AF_INET ? 2 : 1);
}

static int choose_ip(const struct model *model, const struct network *network,
        const struct subnet *subnet, struct ip *ret, struct error *err)
{
	struct usage usage = model_usage(model, network->name);
	struct ip zero = cidr_first(&subnet->cidr), first = ip_further(&zero, 1);
	const struct ip *last = first.family == AF_INET6 ? &usage.last6 : &usage.last;
	uint64_t size = count_addresses(&subnet->cidr),
	         start = last->family ? ip_low(last) - ip_low(&first) + 1 : 0;
	char key[KEY_SIZE], text[CIDR_TEXT_SIZE];

	/* Ends also where there are ever so many: all that are passed over are somebody's. */
	for (uint64_t i = 0; i < size; i++) {
		struct ip ip = ip_further(&first, (start + i) % size);

		model_address_key(key, network->name, &ip);
		if (ip_equal(&ip, &subnet->gateway) || model_owner(model, TABLE_ADDRESSES, key))
			continue;
		*ret = ip;
		return 0;
	}
	return error_set(err, ERROR_REFUSED, 0,
	        "network %s: no address of %s is free (%u endpoints); disconnect a namespace, or "
	        "create a network with a larger --subnet",
	        network->name, cidr_format(&subnet->cidr, text), usage.endpoints);
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
			        ip_format(ip, text), ip->family == AF_INET6 ? "IPv6" : "IPv4",
			        network->name);
		if (named(request, ip->family) != (int)i)
			return error_field(err, field,
			        "address %s is the second one of its family: an endpoint has one "
			        "of each that its network has",
			        ip_format(ip, text));
	}
	return 0;
}

int choose_addresses(const struct model *model, const struct network *network,
        const struct request *request, struct endpoint *endpoint, struct error *err)
{
	int r = check_families(network, request, err);

	for (unsigned i = 0; r == 0 && i < network->subnet_count; i++) {
		const struct subnet *subnet = &network->subnets[i];
		struct cidr *address = &endpoint->addresses[endpoint->address_count++];
		int place = named(request, subnet->cidr.ip.family);
		char field[32];

		address->prefix = subnet->cidr.prefix;
		if (place < 0) {
			r = choose_ip(model, network, subnet, &address->ip, err);
			continue;
		}
		snprintf(field, sizeof(field), "addresses[%d]", place);
		address->ip = request->ips[place];
		r = check_ip(model, network, subnet, &address->ip, field, err);
	}
	return r;
}
