/*
 * What follows from the model without being stored in it: ids, index keys, where a default route
 * goes, where a publication leads. Everything here is a pure function of the tables.
 */
#include "daemon/model/model.h"
#include "daemon/model/setting.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hex(char *ret, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

void model_address_key(char ret[KEY_SIZE], const char *network, const struct ip *ip)
{
	/* Room for a prefix is left. */
	int length =
	        snprintf(ret, KEY_SIZE - 2, "%s/%u/", network, ip->family == AF_INET6 ? 6U : 4U);

	hex(ret + length, ip->bytes, ip_size(ip->family));
}

void model_subnet_key(char ret[KEY_SIZE], const struct cidr *subnet)
{
	struct ip first = cidr_first(subnet);

	ret += snprintf(ret, KEY_SIZE, "%u/", first.family == AF_INET6 ? 6U : 4U);
	hex(ret, first.bytes, ip_size(first.family));
}

static const struct network *network_by_subnet(const struct model *model, const char *key)
{
	const char *owner = model_owner(model, TABLE_SUBNETS, key);

	return owner ? model_network(model, owner) : NULL;
}

const struct network *model_network_at(const struct model *model, const struct cidr *subnet)
{
	char key[KEY_SIZE];

	model_subnet_key(key, subnet);
	return network_by_subnet(model, key);
}

static bool is_over(const struct network *network, const struct cidr *subnet)
{
	const struct subnet *own = network ? network_subnet(network, subnet->ip.family) : NULL;

	return own && cidr_overlap(&own->cidr, subnet);
}

/* No two subnets of networks overlap. So it is one that this one lies in, which then begins at this
 * one's beginning with some bits less, or the first that begins within this one. */
const struct network *model_network_over(const struct model *model, const struct cidr *subnet)
{
	const struct network *network = NULL;
	struct cidr wider = *subnet;
	char key[KEY_SIZE];

	for (unsigned bits = 0; bits <= subnet->prefix; bits++) {
		wider.prefix = (uint8_t)bits;
		network = model_network_at(model, &wider);
		if (is_over(network, subnet))
			return network;
	}
	model_subnet_key(key, subnet);
	if (model_next(model, TABLE_SUBNETS, key))
		network = network_by_subnet(model, key);
	return is_over(network, subnet) ? network : NULL;
}

const char *model_owner(const struct model *model, enum model_table table, const char *key)
{
	const struct reference *reference = model_object(model, table, key);

	return reference ? reference->owner : NULL;
}

struct usage model_usage(const struct model *model, const char *network)
{
	const struct usage *usage = model_object(model, TABLE_USAGE, network);

	return usage ? *usage : (struct usage){0};
}

void model_leased_key(char ret[KEY_SIZE], const char *network, const struct ip *ip)
{
	char address[KEY_SIZE];

	model_address_key(address, network, ip);
	snprintf(ret, KEY_SIZE, "i/%.180s", address);
}

void model_lease_key(char ret[KEY_SIZE], const char *network, const char *ns)
{
	snprintf(ret, KEY_SIZE, "n/%s/%s", ns, network);
}

void model_lease_age_prefix(char ret[KEY_SIZE], const char *network)
{
	snprintf(ret, KEY_SIZE, "a/%s/", network);
}

static const struct lease *lease_by(const struct model *model, const char *key)
{
	const char *id = model_owner(model, TABLE_LEASED, key);

	return id ? model_object(model, TABLE_LEASES, id) : NULL;
}

const struct lease *model_lease(const struct model *model, const char *network, const char *ns)
{
	char key[KEY_SIZE];

	model_lease_key(key, network, ns);
	return lease_by(model, key);
}

const struct lease *model_lease_of(
        const struct model *model, const char *network, const struct ip *ip)
{
	char key[KEY_SIZE];

	model_leased_key(key, network, ip);
	return lease_by(model, key);
}

void model_mac_key(char ret[KEY_SIZE], const char *network, const uint8_t mac[MAC_SIZE])
{
	int length = snprintf(ret, KEY_SIZE, "%s/m/", network);

	hex(ret + length, mac, MAC_SIZE);
}

void model_cookie_key(char ret[KEY_SIZE], const char *boot_id, uint64_t cookie)
{
	snprintf(ret, KEY_SIZE, "%s/%" PRIu64, boot_id, cookie);
}

/* A bijection on 64 bits whose results look random (the finalizer of splitmix64). */
static uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
	value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
	return value ^ (value >> 31);
}

int model_new_id(struct model *model, char ret[ID_SIZE])
{
	struct host host = *model_host(model);
	char start[17];
	uint64_t number;

	snprintf(start, sizeof(start), "%.16s", host.instance);
	number = mix(strtoull(start, NULL, 16) ^ mix(host.next_id++));
	snprintf(ret, ID_SIZE, "%012llx", (unsigned long long)(number >> 16));
	return model_put_host(model, &host);
}

struct cidr model_ula(const struct model *model)
{
	struct cidr ula = {.ip = {.family = AF_INET6, .bytes = {0xfd}}, .prefix = 48};
	char half[17];
	uint64_t number;

	snprintf(half, sizeof(half), "%.16s", model_host(model)->instance + 16);
	number = mix(strtoull(half, NULL, 16));
	for (size_t i = 1; i < 6; i++, number >>= 8)
		ula.ip.bytes[i] = (uint8_t)number;
	return ula;
}

const struct endpoint *namespace_endpoint(const struct namespace *ns, const char *network)
{
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		if (strcmp(ns->endpoints[i].network, network) == 0)
			return &ns->endpoints[i];
	return NULL;
}

const struct subnet *network_subnet(const struct network *network, int family)
{
	for (unsigned i = 0; i < network->subnet_count; i++)
		if (network->subnets[i].cidr.ip.family == family)
			return &network->subnets[i];
	return NULL;
}

const struct cidr *endpoint_address(const struct endpoint *endpoint, int family)
{
	for (unsigned i = 0; i < endpoint->address_count; i++)
		if (endpoint->addresses[i].ip.family == family)
			return &endpoint->addresses[i];
	return NULL;
}

const char *network_bridge_name(const char id[ID_SIZE], char ret[IFNAMSIZ])
{
	snprintf(ret, IFNAMSIZ, "netd-%.6s", id);
	return ret;
}

bool network_has_host(const struct network *network)
{
	return !network->no_host_address && !network->use_bridge[0];
}

bool network_is_pending(const struct model *model, const struct network *network)
{
	const struct interface *bridge = model_object(model, TABLE_INTERFACES, network->use_bridge);

	return network->use_bridge[0] && !(bridge && bridge->bridge);
}

const struct network *bridge_user(const struct model *model, const char *ifname)
{
	const char *owner = model_owner(model, TABLE_BRIDGES, ifname);
	const struct network *network = owner ? model_network(model, owner) : NULL;

	return network && network->use_bridge[0] ? network : NULL;
}

const struct ip *endpoint_gateway(
        const struct network *network, const struct endpoint *endpoint, int family)
{
	const struct subnet *subnet = network_subnet(network, family);
	const struct cidr *own = endpoint_address(endpoint, family);

	if (network->internal || !subnet || !subnet->gateway.family)
		return NULL;
	return own && ip_equal(&own->ip, &subnet->gateway) ? NULL : &subnet->gateway;
}

/* Whether what is for this family (0: any) can come in by the host. */
static bool leads_in(const struct network *network, int family)
{
	return network_has_host(network) && !network->internal &&
	       (!family || network_subnet(network, family));
}

/* Of the endpoints with a way out for this family, or in (then 0 is any), the one with the highest
 * priority, and of several the first. */
static const struct endpoint *outward_endpoint(
        const struct model *model, const struct namespace *ns, int family, bool route, bool in)
{
	const struct endpoint *best = NULL;

	for (unsigned i = 0; i < ns->endpoint_count; i++) {
		const struct endpoint *endpoint = &ns->endpoints[i];
		const struct network *network = model_network(model, endpoint->network);

		if (!network || (route && endpoint->no_default_route) ||
		        (in ? !leads_in(network, family)
		            : !endpoint_gateway(network, endpoint, family)))
			continue;
		if (!best || endpoint->gw_priority > best->gw_priority)
			best = endpoint;
	}
	return best;
}

static bool has_own_route(const struct namespace *ns, int family)
{
	return family == AF_INET6 ? ns->own_route6 : ns->own_route;
}

const struct endpoint *namespace_default_endpoint(
        const struct model *model, const struct namespace *ns, int family)
{
	return has_own_route(ns, family) ? NULL : outward_endpoint(model, ns, family, true, false);
}

bool endpoint_has_table(const struct namespace *ns, const struct endpoint *endpoint, int family)
{
	unsigned ways = has_own_route(ns, family);

	for (unsigned i = 0; i < ns->endpoint_count; i++)
		ways += endpoint_address(&ns->endpoints[i], family) != NULL;
	return ways > 1 && endpoint_address(endpoint, family);
}

uint32_t endpoint_table(const struct endpoint *endpoint)
{
	return (uint32_t)strtoull(endpoint->id, NULL, 16) & 0x3fffffff;
}

void network_range(const struct network *network, int family, struct cidr *ret)
{
	const char *rest = network->ip_range;
	char item[SETTING_ITEM_MAX];
	struct error ignored; /* it was checked when it came in */

	*ret = network_subnet(network, family)->cidr;
	while (setting_next_item(&rest, item)) {
		struct cidr range;

		if (parse_subnet(item, "", &range, &ignored) == 0 && range.ip.family == family)
			*ret = range;
	}
}

bool network_next_reserve(const char **rest, char name[NAME_SIZE], struct ip *ret)
{
	char item[SETTING_ITEM_MAX];
	struct error ignored;

	return setting_next_item(rest, item) && parse_reserve(item, "", name, ret, &ignored) == 0;
}

bool network_next_route(const char **rest, struct cidr *ret, struct ip *via)
{
	char item[SETTING_ITEM_MAX];
	struct error ignored; /* it was checked when it came in */

	return setting_next_item(rest, item) && parse_route(item, "", ret, via, &ignored) == 0;
}

bool publication_is_of(const struct publication *publication, int family)
{
	return !publication->host_ip.family || publication->host_ip.family == family;
}

const struct endpoint *publication_endpoint(
        const struct model *model, const struct publication *publication, int family)
{
	const struct namespace *ns = model_namespace(model, publication->namespace);
	const struct endpoint *endpoint;

	if (!ns || !publication_is_of(publication, family))
		return NULL;
	if (publication->network[0])
		endpoint = namespace_endpoint(ns, publication->network);
	else
		endpoint = outward_endpoint(model, ns, family, true, true);
	if (!endpoint && !publication->network[0])
		endpoint = outward_endpoint(model, ns, family, false, true);
	return endpoint && endpoint_address(endpoint, family) ? endpoint : NULL;
}

const struct ip *publication_address(
        const struct model *model, const struct publication *publication, int family)
{
	const struct endpoint *endpoint = publication_endpoint(model, publication, family);

	return endpoint ? &endpoint_address(endpoint, family)->ip : NULL;
}

const struct endpoint *publication_target(
        const struct model *model, const struct publication *publication)
{
	const struct endpoint *target = publication_endpoint(model, publication, AF_INET);

	return target ? target : publication_endpoint(model, publication, AF_INET6);
}

struct ip publication_host(const struct model *model, const struct publication *publication)
{
	bool v4 = publication_address(model, publication, AF_INET);
	bool v6 = publication_address(model, publication, AF_INET6);

	if (publication->host_ip.family || v4 == v6)
		return publication->host_ip;
	return (struct ip){.family = v4 ? AF_INET : AF_INET6};
}
