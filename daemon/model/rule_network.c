/* Networks: which names, bridges and MTUs a new one may have, and when one may go. */
#include "daemon/model/rules.h"

#include "lib/cleanup.h"

#include <stdio.h>
#include <string.h>

#define MTU_MIN6      1280 /* RFC 8200: below it the kernel takes IPv6 away */
#define MTU_LEAST     68
#define MTU_OTHERWISE 1500 /* where there is no way out */

static int no_network(const struct request *request, struct error *err)
{
	if (network_is_builtin(request->network))
		return error_set(err, ERROR_REFUSED, 0,
		        "network %s: that is a word for no network: there is nothing to change or "
		        "remove",
		        request->network);
	return error_set(err, ERROR_NOT_FOUND, 0,
	        "network %s: there is no such network (netd-ctl network ls lists them)",
	        request->network);
}

static int check_name(const struct request *request, struct error *err)
{
	return network_is_builtin(request->network)
	               ? error_field(err, "name", "name: '%s' is reserved; choose another name",
	                         request->network)
	               : 0;
}

static bool link_exists(const struct facts *facts, const char *name)
{
	for (unsigned i = 0; i < facts->link_count; i++)
		if (strcmp(facts->links[i], name) == 0)
			return true;
	return false;
}

/* It is there, and stays as it is: nothing is known of it but what is seen. */
static int use_bridge(struct model *fork, const struct request *request, const struct facts *facts,
        struct network *network, struct error *err)
{
	const char *name = network->use_bridge;
	const char *owner = model_owner(fork, TABLE_BRIDGES, name);

	if (request->bridge[0])
		return error_field(err, "bridge",
		        "bridge: a network has one, and use_bridge names it (%s)", name);
	if (facts->bridge_ours || (owner && model_network(fork, owner)))
		return error_set(err, ERROR_EXISTS, 0,
		        "bridge %s belongs to %s%s; connect to that instead", name,
		        owner && model_network(fork, owner) ? "network " : "netd",
		        owner && model_network(fork, owner) ? owner : "");
	if (!facts->bridge.name[0])
		return error_set(err, ERROR_NOT_FOUND, 0,
		        facts->bridge_exists
		                ? "interface %s is no bridge; a network can only use one"
		                : "bridge %s: the host has no such interface; make it first, or "
		                  "let "
		                  "netd make one of that name with --bridge",
		        name);
	memcpy(network->bridge, name, IFNAMSIZ);
	network->link_mtu = facts->bridge.mtu;
	return bridge_know(fork, facts, err);
}

static int choose_bridge(struct model *fork, const struct request *request,
        const struct facts *facts, struct network *network, struct error *err)
{
	const char *owner;

	if (network->use_bridge[0])
		return use_bridge(fork, request, facts, network, err);
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
		network_bridge_name(network->id, network->bridge);
	} while (model_owner(fork, TABLE_BRIDGES, network->bridge) ||
	         link_exists(facts, network->bridge));
	return 0;
}

/* Locally administered, and derived: the same network has the same MAC in every life. */
static void derive_mac(struct network *network)
{
	const struct subnet *subnet = network_subnet(network, AF_INET);

	network->mac[0] = 0x02;
	network->mac[1] = 0x6e;
	if (subnet && subnet->gateway.family)
		memcpy(network->mac + 2, subnet->gateway.bytes, 4);
	else
		sscanf(network->id, "%2hhx%2hhx%2hhx%2hhx", network->mac + 2, network->mac + 3,
		        network->mac + 4, network->mac + 5);
}

uint32_t network_follow_mtu(const struct network *network, uint32_t default_mtu)
{
	uint32_t least = network_subnet(network, AF_INET6) ? MTU_MIN6 : MTU_LEAST;

	if (network->use_bridge[0])
		return network->link_mtu;
	if (network->mtu)
		return (uint32_t)network->mtu;
	if (!default_mtu)
		return network->link_mtu ? network->link_mtu : MTU_OTHERWISE;
	return default_mtu < least ? least : default_mtu;
}

static int derive_mtu(struct network *network, const struct facts *facts, struct error *err)
{
	network->link_mtu = network_follow_mtu(network, facts->default_mtu);
	if (network->link_mtu < MTU_MIN6 && network_subnet(network, AF_INET6))
		return error_field(err, "mtu", "mtu: %u is less than the %d that IPv6 needs",
		        network->link_mtu, MTU_MIN6);
	return 0;
}

/* An existing network that was asked for again: is it what was asked for? */
static int compare_existing(
        const struct network *network, const struct request *request, struct error *err)
{
	char what[NAME_SIZE + 16], inspect[NAME_SIZE + 32];
	const char *difference = compare_subnets(network, request);

	if (!difference && request->bridge[0] && strcmp(network->bridge, request->bridge) != 0)
		difference = "bridge";
	if (difference)
		return error_set(err, ERROR_EXISTS, 0,
		        "network %s exists with another %s (netd-ctl network inspect %s shows it)",
		        network->name, difference, network->name);
	snprintf(what, sizeof(what), "network %s", network->name);
	snprintf(inspect, sizeof(inspect), "netd-ctl network inspect %s", network->name);
	return settings_compare(
	        &network_settings, &request->wanted_network, network, what, inspect, err);
}

static int fill_network(struct model *fork, const struct request *request,
        const struct facts *facts, struct network *network, struct error *err)
{
	int r;

	settings_start(&network_settings, network);
	if (settings_copy(&network_settings, request->given, &request->wanted_network, network) < 0)
		return error_memory(err);
	r = choose_subnets(fork, request, facts, network, err);
	if (r == 0 && model_new_id(fork, network->id) < 0)
		r = error_memory(err);
	if (r == 0)
		r = choose_bridge(fork, request, facts, network, err);
	if (r < 0)
		return r;
	derive_mac(network);
	r = network_check(fork, network, err);
	if (r == 0)
		r = policy_check(fork, NULL, network, err);
	return r < 0 ? r : derive_mtu(network, facts, err);
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
	if (r == 0)
		r = host_follow_networks(fork, err);
	settings_free(&network_settings, &network);
	return r;
}

/* Everything that cannot change together, or not at all, is said before anything has. */
static int check_change(const struct model *model, const struct network *before,
        const struct network *after, struct error *err)
{
	char what[NAME_SIZE + 16];

	snprintf(what, sizeof(what), "network %s", before->name);
	for (unsigned i = 0; i < network_settings.count; i++) {
		const struct setting *setting = &network_settings.rows[i];
		const struct fixed *fixed = setting_fixed(&network_settings, setting->name);

		if (fixed && !setting_equal(setting, before, after))
			return setting_refuse(fixed, what, err);
	}
	return policy_check(model, before, after, err);
}

/* What the request says, in a network that owns its settings. */
static int change_settings(
        struct network *network, const struct request *request, struct error *err)
{
	if (request->kind != REQUEST_NETWORK_SET)
		return policy_allow(network, request, err);
	return settings_copy(&network_settings, request->given, &request->wanted_network, network) <
	                       0
	               ? error_memory(err)
	               : 0;
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
	r = change_settings(&network, request, err);
	if (r == 0)
		r = check_change(fork, before, &network, err);
	if (r == 0)
		r = network_check(fork, &network, err);
	if (r == 0)
		r = derive_mtu(&network, facts, err);
	if (r == 0)
		r = policy_end_flows(fork, before, &network, err);
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
	struct allowed gone = {0};
	char members[512];
	bool foreign;
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
	foreign = network->use_bridge[0] != '\0';
	memcpy(tombstone.name, network->bridge, IFNAMSIZ);
	memcpy(gone.network, request->network, NAME_SIZE);
	r = remove_members(fork, request->network, answer, err);
	if (r == 0)
		r = policy_forget(fork, &gone, answer, err);
	if (r == 0 && (leases_drop_network(fork, request->network) < 0 ||
	                      model_remove(fork, TABLE_NETWORKS, request->network) < 0))
		r = error_memory(err);
	if (r == 0)
		r = host_follow_networks(fork, err);
	if (r == 0 && !foreign)
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
