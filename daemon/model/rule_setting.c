/*
 * What a network's settings must agree with: its own subnets, one another, and what its members
 * have already. It is the same for a network that is made and for one that is changed.
 */
#include "daemon/model/rules.h"

#include <stdio.h>

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

int network_check(const struct model *model, const struct network *network, struct error *err)
{
	(void)model;
	return check_routes(network, err);
}
