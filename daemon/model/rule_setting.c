/*
 * What a network's settings must agree with: its own subnets, one another, and what its members
 * have already. It is the same for a network that is made and for one that is changed.
 */
#include "daemon/model/rules.h"

#include <stdio.h>
#include <string.h>

static const char *family_name(int family)
{
	return family == AF_INET6 ? "IPv6" : "IPv4";
}

/* --- routes --- */

static int check_route(const struct network *network, const struct cidr *to, const struct ip *via,
        unsigned place, struct error *err)
{
	const struct subnet *subnet = network_subnet(network, to->ip.family);
	char text[CIDR_TEXT_SIZE], other[CIDR_TEXT_SIZE], ip[IP_TEXT_SIZE], field[32];

	snprintf(field, sizeof(field), "routes[%u]", place);
	cidr_format(to, text);
	ip_format(via, ip);
	if (!subnet)
		return error_field(err, field, "route %s: network %s has no %s", text,
		        network->name, family_name(to->ip.family));
	cidr_format(&subnet->cidr, other);
	if (!cidr_contains(&subnet->cidr, via))
		return error_field(err, field,
		        "route %s: %s is outside of %s, so the members of network %s do not reach "
		        "it",
		        text, ip, other, network->name);
	if (subnet_reserves(subnet, via))
		return error_field(err, field, "route %s: %s is %s in %s", text, ip,
		        subnet_reserved(via), other);
	if (cidr_overlap(&subnet->cidr, to))
		return error_field(err, field, "route %s overlaps %s, the subnet of network %s",
		        text, other, network->name);
	return 0;
}

static int check_routes(const struct network *network, struct error *err)
{
	const char *rest = network->routes;
	struct cidr to, earlier;
	struct ip via, other;
	int r = 0;

	for (unsigned i = 0; r == 0 && network_next_route(&rest, &to, &via); i++) {
		const char *before = network->routes;

		r = check_route(network, &to, &via, i, err);
		for (unsigned j = 0;
		        r == 0 && j < i && network_next_route(&before, &earlier, &other); j++) {
			char text[CIDR_TEXT_SIZE], field[32];

			snprintf(field, sizeof(field), "routes[%u]", i);
			if (cidr_equal(&to, &earlier))
				r = error_field(err, field, "route %s is given twice",
				        cidr_format(&to, text));
		}
	}
	return r;
}

/* --- without the host --- */

/* What the host does for a network that it is in. */
static const char *const of_the_host[] = {"publish_address", "mode", "mode4", "mode6",
        "host_access", "trusted_interfaces", "allow", "snat"};

static int check_alone(const struct network *network, struct error *err)
{
	const char *why = network->use_bridge[0] ? "the bridge is somebody else's"
	                                         : "the host has no address in this network";

	if (network_has_host(network))
		return 0;
	for (size_t i = 0; i < sizeof(of_the_host) / sizeof(of_the_host[0]); i++)
		if (!setting_default(setting_find(&network_settings, of_the_host[i]), network))
			return error_field(err, of_the_host[i],
			        "%s: nothing is forwarded or published here, as %s", of_the_host[i],
			        why);
	if (!network->use_bridge[0])
		return 0;
	if (network->no_host_address)
		return error_field(err, "no_host_address",
		        "no_host_address: which addresses the host has on bridge %s is not netd's "
		        "to say",
		        network->use_bridge);
	if (network->internal)
		return error_field(err, "internal",
		        "internal: where bridge %s leads is not netd's to say",
		        network->use_bridge);
	if (network->mtu)
		return error_field(err, "mtu",
		        "mtu: with another one than that of bridge %s its ports would change it",
		        network->use_bridge);
	return 0;
}

/* --- the range that addresses are given out of --- */

static int check_range(const struct network *network, const struct cidr *range, unsigned families,
        const char *field, struct error *err)
{
	const struct subnet *subnet = network_subnet(network, range->ip.family);
	char text[CIDR_TEXT_SIZE], other[CIDR_TEXT_SIZE];

	cidr_format(range, text);
	if (!subnet)
		return error_field(err, field, "range %s: network %s has no %s", text,
		        network->name, family_name(range->ip.family));
	cidr_format(&subnet->cidr, other);
	if (range->prefix < subnet->cidr.prefix || !cidr_contains(&subnet->cidr, &range->ip))
		return error_field(err, field,
		        "range %s is not within %s, the subnet of network %s", text, other,
		        network->name);
	if (families)
		return error_field(err, field,
		        "range %s is the second one of its family: a network has one of each",
		        text);
	return 0;
}

static int check_ranges(const struct network *network, struct error *err)
{
	const char *rest = network->ip_range;
	unsigned seen[2] = {0};
	char item[SETTING_ITEM_MAX], field[32];
	int r = 0;

	for (unsigned i = 0; r == 0 && setting_next_item(&rest, item); i++) {
		struct cidr range;

		snprintf(field, sizeof(field), "ip_range[%u]", i);
		r = parse_subnet(item, field, &range, err);
		if (r == 0)
			r = check_range(
			        network, &range, seen[range.ip.family == AF_INET6]++, field, err);
	}
	return r;
}

/* --- addresses that are kept for a name --- */

/* Someone else's, now or as soon as it comes back. */
static int check_holder(const struct model *model, const struct network *network, const char *name,
        const struct ip *ip, const char *field, struct error *err)
{
	const struct lease *lease = model_lease_of(model, network->name, ip);
	char text[IP_TEXT_SIZE], key[KEY_SIZE];
	const char *owner;

	ip_format(ip, text);
	model_address_key(key, network->name, ip);
	owner = model_owner(model, TABLE_ADDRESSES, key);
	if (owner && model_namespace(model, owner) && strcmp(owner, name) != 0)
		return error_field(err, field,
		        "address %s cannot be reserved for %s: it belongs to namespace %s", text,
		        name, owner);
	for (unsigned i = 0; lease && i < lease->address_count; i++)
		if (lease->addresses[i].fixed && ip_equal(&lease->addresses[i].ip, ip) &&
		        strcmp(lease->namespace, name) != 0)
			return error_field(err, field,
			        "address %s cannot be reserved for %s: it is kept for namespace "
			        "%s, "
			        "which asked for it ('netd-ctl disconnect %s %s --forget' gives it "
			        "up)",
			        text, name, lease->namespace, network->name, lease->namespace);
	return 0;
}

/* The earlier ones of the list. */
static int check_earlier(const struct network *network, unsigned count, const char *name,
        const struct ip *ip, const char *field, struct error *err)
{
	const char *rest = network->reserve;
	char text[IP_TEXT_SIZE], earlier[NAME_SIZE];
	struct ip other;

	ip_format(ip, text);
	for (unsigned i = 0; i < count && network_next_reserve(&rest, earlier, &other); i++) {
		if (ip_equal(&other, ip))
			return error_field(
			        err, field, "address %s is reserved for %s already", text, earlier);
		if (other.family == ip->family && strcmp(earlier, name) == 0)
			return error_field(err, field,
			        "address %s is the second one of its family that is reserved for "
			        "%s",
			        text, name);
	}
	return 0;
}

static int check_reserved(const struct model *model, const struct network *network,
        const char *name, const struct ip *ip, const char *field, struct error *err)
{
	const struct subnet *subnet = network_subnet(network, ip->family);
	char text[IP_TEXT_SIZE];
	int r;

	ip_format(ip, text);
	if (!subnet)
		return error_field(err, field, "address %s: network %s has no %s", text,
		        network->name, family_name(ip->family));
	r = subnet_check_address(network, ip, field, err);
	if (r < 0)
		return r;
	if (network_has_host(network) && ip_equal(ip, &subnet->gateway))
		return error_field(
		        err, field, "address %s is the gateway of network %s", text, network->name);
	return check_holder(model, network, name, ip, field, err);
}

static int check_reserve(
        const struct model *model, const struct network *network, struct error *err)
{
	const char *rest = network->reserve;
	char name[NAME_SIZE], field[32];
	struct ip ip;
	int r = 0;

	for (unsigned i = 0; r == 0 && network_next_reserve(&rest, name, &ip); i++) {
		snprintf(field, sizeof(field), "reserve[%u]", i);
		r = check_reserved(model, network, name, &ip, field, err);
		if (r == 0)
			r = check_earlier(network, i, name, &ip, field, err);
	}
	return r;
}

int network_check(const struct model *model, const struct network *network, struct error *err)
{
	int r = check_alone(network, err);

	if (r == 0)
		r = check_routes(network, err);
	if (r == 0)
		r = check_ranges(network, err);
	return r == 0 ? check_reserve(model, network, err) : r;
}
