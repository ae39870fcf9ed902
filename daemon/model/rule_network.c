/*
 * Networks: which names, bridges and subnets a new one may have, and when one may go.
 *
 * Without a subnet a network gets the first free /24 of 10.208.0.0/12: 4,096 of them, away from
 * what Docker, Podman and most home routers use. "Free" is looked up in a bitmap of those, so that
 * the thousandth network costs what the first one did.
 */
#include "daemon/model/rules.h"

#include "lib/cleanup.h"

#include <stdio.h>
#include <string.h>

#define POOL_FIRST 0x0ad00000U /* 10.208.0.0 */
#define POOL_SIZE  4096U

static int no_network(const struct request *request, struct error *err)
{
	return error_set(err, ERROR_NOT_FOUND, 0,
	        "network %s: there is no such network (netd-ctl network ls lists them)",
	        request->network);
}

static int check_name(const struct request *request, struct error *err)
{
	static const char *const reserved[] = {"host", "none"};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(request->network, reserved[i]) == 0)
			return error_field(err, "name",
			        "name: '%s' is reserved; choose another name", request->network);
	return 0;
}

/* Marks the pool's /24 networks that this prefix covers a part of. */
static void mark_used(uint8_t bitmap[POOL_SIZE / 8], const struct cidr *cidr)
{
	struct ip first = cidr_first(cidr), last = cidr_last(cidr);
	uint32_t from, to;

	if (cidr->ip.family != AF_INET || ip4_value(&last) < POOL_FIRST ||
	        ip4_value(&first) > POOL_FIRST + (POOL_SIZE << 8) - 1)
		return;
	from = ip4_value(&first) < POOL_FIRST ? 0 : (ip4_value(&first) - POOL_FIRST) >> 8;
	to = (ip4_value(&last) - POOL_FIRST) >> 8;
	for (uint32_t i = from; i <= to && i < POOL_SIZE; i++)
		bitmap[i / 8] |= (uint8_t)(1 << i % 8);
}

static int choose_subnet(
        const struct model *model, const struct facts *facts, struct cidr *ret, struct error *err)
{
	uint8_t bitmap[POOL_SIZE / 8] = {0};
	const struct network *network;
	char key[KEY_SIZE] = "";

	for (unsigned i = 0; i < facts->used_count; i++)
		mark_used(bitmap, &facts->used[i].cidr);
	while ((network = model_next(model, TABLE_NETWORKS, key)))
		for (unsigned i = 0; i < network->subnet_count; i++)
			mark_used(bitmap, &network->subnets[i].cidr);
	for (uint32_t i = 0; i < POOL_SIZE; i++) {
		if (bitmap[i / 8] & 1 << i % 8)
			continue;
		*ret = (struct cidr){ip4(POOL_FIRST + (i << 8)), 24};
		return 0;
	}
	return error_set(err, ERROR_REFUSED, 0,
	        "the pool 10.208.0.0/12 has no free /24 left: networks, addresses or routes of "
	        "this host "
	        "take all of it; name one with --subnet");
}

static int check_overlap(const struct model *model, const struct facts *facts,
        const struct cidr *subnet, struct error *err)
{
	char text[CIDR_TEXT_SIZE], other[CIDR_TEXT_SIZE], key[KEY_SIZE] = "";
	const struct network *network;

	cidr_format(subnet, text);
	while ((network = model_next(model, TABLE_NETWORKS, key)))
		for (unsigned i = 0; i < network->subnet_count; i++)
			if (cidr_overlap(&network->subnets[i].cidr, subnet))
				return error_field(err, "subnets[0].subnet",
				        "subnet %s overlaps %s of network %s; choose another", text,
				        cidr_format(&network->subnets[i].cidr, other),
				        network->name);
	for (unsigned i = 0; i < facts->used_count; i++) {
		const struct used_prefix *used = &facts->used[i];

		if (cidr_overlap(&used->cidr, subnet))
			return error_field(err, "subnets[0].subnet",
			        "subnet %s overlaps %s %s of this host (interface %s); choose "
			        "another",
			        text, used->route ? "the route" : "the address",
			        cidr_format(&used->cidr, other), used->ifname);
	}
	return 0;
}

static int check_subnet(const struct model *model, const struct facts *facts,
        const struct cidr *subnet, struct error *err)
{
	char text[CIDR_TEXT_SIZE];
	uint8_t first = subnet->ip.bytes[0];

	cidr_format(subnet, text);
	if (subnet->ip.family != AF_INET)
		return error_field(err, "subnets[0].subnet",
		        "subnet %s: networks are IPv4 in this version", text);
	if (subnet->prefix < 8 || subnet->prefix > 30)
		return error_field(err, "subnets[0].subnet",
		        "subnet %s: the prefix length of a network is from 8 to 30", text);
	if (first == 0 || first == 127 || first >= 224)
		return error_field(err, "subnets[0].subnet",
		        "subnet %s is not for hosts (0.0.0.0/8, 127.0.0.0/8 and 224.0.0.0/3 are "
		        "not)",
		        text);
	return check_overlap(model, facts, subnet, err);
}

static int choose_gateway(const struct request *request, struct subnet *subnet, struct error *err)
{
	struct ip first = cidr_first(&subnet->cidr), last = cidr_last(&subnet->cidr);
	char text[CIDR_TEXT_SIZE], address[IP_TEXT_SIZE];

	if (!request->gateway.family) {
		subnet->gateway = ip4(ip4_value(&first) + 1);
		return 0;
	}
	subnet->gateway = request->gateway;
	if (!cidr_contains(&subnet->cidr, &request->gateway))
		return error_field(err, "subnets[0].gateway", "gateway %s is outside of subnet %s",
		        ip_format(&request->gateway, address), cidr_format(&subnet->cidr, text));
	if (ip_equal(&request->gateway, &first) || ip_equal(&request->gateway, &last))
		return error_field(err, "subnets[0].gateway",
		        "gateway %s is the network's own or its broadcast address in subnet %s",
		        ip_format(&request->gateway, address), cidr_format(&subnet->cidr, text));
	return 0;
}

static bool link_exists(const struct facts *facts, const char *name)
{
	for (unsigned i = 0; i < facts->link_count; i++)
		if (strcmp(facts->links[i], name) == 0)
			return true;
	return false;
}

static int choose_bridge(struct model *fork, const struct request *request,
        const struct facts *facts, struct network *network, struct error *err)
{
	const char *owner;

	if (request->bridge[0]) {
		memcpy(network->bridge, request->bridge, IFNAMSIZ);
		owner = model_owner(fork, TABLE_BRIDGES, request->bridge);
		if (owner && model_network(fork, owner))
			return error_set(err, ERROR_EXISTS, 0,
			        "bridge %s belongs to network %s; choose another name",
			        request->bridge, owner);
		if (owner || link_exists(facts, request->bridge))
			return error_set(err, ERROR_EXISTS, 0,
			        "bridge %s: the host has an interface of this name; choose another "
			        "name",
			        request->bridge);
		return 0;
	}
	if (strcmp(network->name, NETWORK_DEFAULT) == 0) {
		snprintf(network->bridge, sizeof(network->bridge), "%s", NETWORK_DEFAULT_BRIDGE);
		return 0;
	}
	do {
		if (model_new_id(fork, network->id) < 0)
			return error_memory(err);
		snprintf(network->bridge, sizeof(network->bridge), "netd-%.6s", network->id);
	} while (model_owner(fork, TABLE_BRIDGES, network->bridge) ||
	         link_exists(facts, network->bridge));
	return 0;
}

/* Locally administered, and derived: the same network has the same MAC in every life. */
static void derive_mac(struct network *network)
{
	const struct ip *gateway = &network->subnets[0].gateway;

	network->mac[0] = 0x02;
	network->mac[1] = 0x6e;
	memcpy(network->mac + 2, gateway->bytes, 4);
}

static void derive_mtu(struct network *network, const struct facts *facts)
{
	network->link_mtu = network->mtu ? (uint32_t)network->mtu : facts->default_mtu;
}

/* An existing network that was asked for again: is it what was asked for? */
static int compare_existing(
        const struct network *network, const struct request *request, struct error *err)
{
	const char *difference = NULL;

	if (request->has_subnet && !cidr_equal(&network->subnets[0].cidr, &request->subnet))
		difference = "subnet";
	else if (request->gateway.family &&
	         !ip_equal(&network->subnets[0].gateway, &request->gateway))
		difference = "gateway";
	else if (request->bridge[0] && strcmp(network->bridge, request->bridge) != 0)
		difference = "bridge";
	if (difference)
		return error_set(err, ERROR_EXISTS, 0,
		        "network %s exists with another %s (netd-ctl network inspect %s shows it)",
		        network->name, difference, network->name);
	return settings_compare(&network_settings, &request->wanted_network, network, "network",
	        network->name, err);
}

static int fill_network(struct model *fork, const struct request *request,
        const struct facts *facts, struct network *network, struct error *err)
{
	struct subnet *subnet = &network->subnets[0];
	int r;

	network->subnet_count = 1;
	subnet->cidr = request->subnet;
	r = request->has_subnet ? check_subnet(fork, facts, &subnet->cidr, err)
	                        : choose_subnet(fork, facts, &subnet->cidr, err);
	if (r == 0)
		r = choose_gateway(request, subnet, err);
	if (r == 0 && model_new_id(fork, network->id) < 0)
		r = error_memory(err);
	if (r == 0)
		r = choose_bridge(fork, request, facts, network, err);
	if (r < 0)
		return r;
	derive_mac(network);
	settings_start(&network_settings, network);
	if (settings_copy(&network_settings, request->given, &request->wanted_network, network) < 0)
		return error_memory(err);
	derive_mtu(network, facts);
	return 0;
}

int rule_network_create(struct model *fork, const struct request *request,
        const struct facts *facts, struct answer *answer, struct error *err)
{
	const struct network *existing = model_network(fork, request->network);
	struct network network = {.driver = "bridge"};
	int r = check_name(request, err);

	if (r < 0)
		return r;
	memcpy(answer->network, request->network, NAME_SIZE);
	if (existing) {
		if (!request->exist_ok)
			return error_set(err, ERROR_EXISTS, 0,
			        "network %s exists already (netd-ctl network inspect %s shows it)",
			        existing->name, existing->name);
		answer->existed = true;
		return compare_existing(existing, request, err);
	}
	if (model_count(fork, TABLE_NETWORKS) >= MODEL_NETWORKS_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "network %s: there are %u networks, the most netd keeps", request->network,
		        MODEL_NETWORKS_MAX);
	memcpy(network.name, request->network, NAME_SIZE);
	r = fill_network(fork, request, facts, &network, err);
	if (r == 0 && model_put_network(fork, &network) < 0)
		r = error_memory(err);
	settings_free(&network_settings, &network);
	return r;
}

/* Everything that cannot change together, or not at all, is said before anything has. */
static int check_change(
        const struct network *before, const struct network *after, struct error *err)
{
	for (unsigned i = 0; i < network_settings.count; i++) {
		const struct setting *setting = &network_settings.rows[i];

		if (setting->fixed && !setting_equal(setting, before, after))
			return error_set(err, ERROR_REFUSED, 0,
			        "network %s: %s cannot be changed: %s", before->name, setting->name,
			        setting->fixed);
	}
	return 0;
}

int rule_network_set(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	const struct network *before = model_network(fork, request->network);
	struct network network;
	int r;

	if (!before)
		return no_network(request, err);
	network = *before;
	memcpy(answer->network, request->network, NAME_SIZE);
	if (settings_own(&network_settings, &network) < 0)
		return error_memory(err);
	r = settings_copy(&network_settings, request->given, &request->wanted_network, &network) < 0
	            ? error_memory(err)
	            : check_change(before, &network, err);
	derive_mtu(&network, facts);
	if (r == 0 && model_put_network(fork, &network) < 0)
		r = error_memory(err);
	settings_free(&network_settings, &network);
	return r;
}

/* Names of the network's endpoints, as many as fit. */
static void list_members(const struct model *model, const char *network, char *text, size_t size)
{
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	const struct reference *member;
	size_t used = 0;

	text[0] = '\0';
	snprintf(prefix, sizeof(prefix), "%s/", network);
	while ((member = model_next_in(model, TABLE_MEMBERS, prefix, key))) {
		if (used + strlen(member->owner) + 8 > size) {
			snprintf(text + used, size - used, ", ...");
			return;
		}
		used += (size_t)snprintf(
		        text + used, size - used, "%s%s", used ? ", " : "", member->owner);
	}
}

static int remove_members(
        struct model *fork, const char *network, struct answer *answer, struct error *err)
{
	char prefix[NAME_SIZE + 2], ns[NAME_SIZE];
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%s/", network);
	while (r == 0) {
		char key[KEY_SIZE] = "";
		const struct reference *member = model_next_in(fork, TABLE_MEMBERS, prefix, key);

		if (!member)
			return 0;
		memcpy(ns, member->owner, sizeof(ns));
		r = endpoint_condemn(fork, ns, network, err);
		if (r == 0 && answer_removed(answer, "endpoint %s on %s", ns, network) < 0)
			r = error_memory(err);
	}
	return r;
}

int rule_network_remove(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct network *network = model_network(fork, request->network);
	struct tombstone tombstone = {.kind = TOMBSTONE_LINK};
	char members[512];
	int r;

	if (!network)
		return no_network(request, err);
	if (strcmp(network->name, NETWORK_DEFAULT) == 0)
		return error_set(err, ERROR_REFUSED, 0,
		        "network default cannot be removed; it is there from the first start");
	if (model_usage(fork, network->name).endpoints && !request->force) {
		list_members(fork, network->name, members, sizeof(members));
		return error_set(err, ERROR_REFUSED, 0,
		        "network %s has endpoints: %s; disconnect them first, or remove them too "
		        "with -f",
		        network->name, members);
	}
	memcpy(tombstone.name, network->bridge, IFNAMSIZ);
	r = remove_members(fork, request->network, answer, err);
	if (r == 0 && model_remove(fork, TABLE_NETWORKS, request->network) < 0)
		r = error_memory(err);
	if (r == 0)
		r = tombstone_add(fork, &tombstone, err);
	if (r == 0 && answer_removed(answer, "network %s", request->network) < 0)
		r = error_memory(err);
	return r;
}

int rule_network_prune(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	struct request remove = {.kind = REQUEST_NETWORK_REMOVE};
	const struct network *network;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (network = model_next(fork, TABLE_NETWORKS, key))) {
		if (strcmp(network->name, NETWORK_DEFAULT) == 0 ||
		        model_usage(fork, network->name).endpoints ||
		        !labels_match(network->labels, request->label_filter))
			continue;
		memcpy(remove.network, network->name, NAME_SIZE);
		r = rule_network_remove(fork, &remove, answer, err);
	}
	return r;
}
