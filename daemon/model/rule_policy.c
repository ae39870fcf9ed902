/*
 * Who may talk to whom: which settings of a network go together, and permissions that name other
 * networks and namespaces. A permission stands in the list of the network that it is given to, so
 * it goes with that network; it is taken out of the list when what it names is removed.
 */
#include "daemon/model/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int families[] = {AF_INET, AF_INET6};

static bool is_same(const struct allowed *a, const struct allowed *b)
{
	return strcmp(a->network, b->network) == 0 && strcmp(a->namespace, b->namespace) == 0 &&
	       a->port == b->port && a->protocol == b->protocol;
}

static bool has(const char *list, const struct allowed *wanted)
{
	struct allowed allowed;

	while (allowed_next(&list, &allowed))
		if (is_same(&allowed, wanted))
			return true;
	return false;
}

/* --- what goes together --- */

static int contradiction(
        const struct network *network, const char *setting, const char *why, struct error *err)
{
	error_field(err, setting, "network %s: %s: %s", network->name, setting, why);
	err->code = ERROR_REFUSED;
	return -EINVAL;
}

static int check_internal(const struct network *network, struct error *err)
{
	static const char no_way[] = "an internal network has no way out and none in; leave one "
	                             "of the two away";

	if (!network->internal)
		return 0;
	if (network->mode != MODE_NAT || network->mode4 || network->mode6)
		return contradiction(network, "mode", no_way, err);
	if (network->snat)
		return contradiction(network, "snat", no_way, err);
	if (network->trusted_interfaces)
		return contradiction(network, "trusted_interfaces", no_way, err);
	return 0;
}

static int check_families(const struct network *network, struct error *err)
{
	static const char none[] = "the network has no addresses of this family";

	for (int i = 0; i < 2; i++) {
		bool v6 = families[i] == AF_INET6;
		struct ip ip;

		if (!network_subnet(network, families[i])) {
			if (v6 ? network->mode6 : network->mode4)
				return contradiction(network, v6 ? "mode6" : "mode4", none, err);
			if (network_snat(network, families[i], &ip))
				return contradiction(network, "snat", none, err);
			if (network->publish_address.family == families[i])
				return contradiction(network, "publish_address", none, err);
		}
		if (network_mode(network, families[i]) != MODE_NAT &&
		        network_snat(network, families[i], &ip))
			return contradiction(network, "snat",
			        "only in mode nat what leaves gets another address", err);
	}
	return 0;
}

static int check_snat(const struct network *network, struct error *err)
{
	const char *rest = network->snat;
	char item[SETTING_ITEM_MAX], first[IP_TEXT_SIZE];
	struct ip ip, other;

	while (setting_next_item(&rest, item))
		if (parse_ip(item, "snat", &ip, err) < 0 ||
		        !network_snat(network, ip.family, &other) || !ip_equal(&ip, &other))
			return error_field(err, "snat",
			        "snat: %s beside %s: at most one address of each family", item,
			        ip_format(&other, first));
	return 0;
}

static int check_trusted(
        const struct model *model, const struct network *network, struct error *err)
{
	const char *rest = network->trusted_interfaces, *owner;
	char item[SETTING_ITEM_MAX];

	while (setting_next_item(&rest, item)) {
		owner = model_owner(model, TABLE_BRIDGES, item);
		if (owner && model_network(model, owner))
			return error_field(err, "trusted_interfaces",
			        "trusted_interfaces: %s is the bridge of network %s; networks are "
			        "let in with 'netd-ctl network allow %s %s'",
			        item, owner, owner, network->name);
	}
	return 0;
}

static bool have_family_in_common(const struct network *a, const struct network *b)
{
	for (int i = 0; i < 2; i++)
		if (network_subnet(a, families[i]) && network_subnet(b, families[i]))
			return true;
	return false;
}

/* Whether the host can forward from the one to the other. */
static int check_allowed_network(const struct model *model, const struct network *network,
        const char *name, struct error *err)
{
	const struct network *to = model_network(model, name);

	if (network_is_builtin(name))
		return error_field(err, "allow",
		        "allow: '%s' is no network of namespaces, so there is nothing to reach "
		        "(%s)",
		        name,
		        network_is_none(name) ? "who is on none is connected to nothing"
		                              : "who may reach the host is said by host_access");
	if (!to)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "network %s: there is no such network (netd-ctl network ls lists "
		        "them; one port of a namespace is NS:PORT)",
		        name);
	if (!network_has_host(to))
		return error_field(err, "allow",
		        "allow: network %s: %s, so nothing is forwarded there; connect a "
		        "namespace to both networks",
		        name,
		        to->use_bridge[0] ? "its bridge is somebody else's"
		                          : "the host has no address in it");
	if (!have_family_in_common(network, to))
		return error_field(err, "allow",
		        "allow: networks %s and %s have no family in common: one has IPv4 only, "
		        "the other IPv6 only",
		        network->name, name);
	return 0;
}

/* That what is named is there; of what was named before it may have gone. */
static int check_allowed(const struct model *model, const struct network *before,
        const struct network *network, struct error *err)
{
	const char *rest = network->allow;
	struct allowed allowed;

	while (allowed_next(&rest, &allowed)) {
		if (before && has(before->allow, &allowed))
			continue;
		if (strcmp(allowed.network, network->name) == 0)
			return error_field(err, "allow",
			        "allow: network %s: its own namespaces reach each other, unless it "
			        "is isolated",
			        network->name);
		if (allowed.network[0]) {
			int r = check_allowed_network(model, network, allowed.network, err);

			if (r < 0)
				return r;
		}
		if (allowed.namespace[0] && !model_namespace(model, allowed.namespace))
			return error_set(err, ERROR_NOT_FOUND, 0,
			        "namespace %s: netd knows none of this name; connect it first",
			        allowed.namespace);
	}
	return 0;
}

int policy_check(const struct model *model, const struct network *before,
        const struct network *network, struct error *err)
{
	int r = check_internal(network, err);

	if (r == 0)
		r = check_snat(network, err);
	if (r == 0)
		r = check_families(network, err);
	if (r == 0)
		r = check_trusted(model, network, err);
	return r == 0 ? check_allowed(model, before, network, err) : r;
}

/* --- permissions one by one --- */

/* Sets the list to what it has without those of `out` and with those of `in`. */
static int rewrite(struct network *network, const char *out, const char *in, struct error *err)
{
	const char *lists[] = {network->allow, in};
	char *text = NULL, item[SETTING_ITEM_MAX];
	struct allowed allowed;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return error_memory(err);
	for (int i = 0; i < 2; i++)
		while (allowed_next(&lists[i], &allowed))
			if (i == 1 || !has(out, &allowed))
				fprintf(file, "%s\n", allowed_format(&allowed, item, sizeof(item)));
	if (fclose(file) != 0) {
		free(text);
		return error_memory(err);
	}
	free(network->allow);
	network->allow = *text ? text : NULL;
	if (!*text)
		free(text);
	return 0;
}

static int count(const char *list)
{
	struct allowed allowed;
	int n = 0;

	while (allowed_next(&list, &allowed))
		n++;
	return n;
}

/* Of what is to be allowed, nothing is yet; of what is to be taken back, all is. */
static int check_items(
        const struct network *network, const char *items, bool allow, struct error *err)
{
	char text[SETTING_ITEM_MAX];
	struct allowed allowed;

	while (allowed_next(&items, &allowed)) {
		if (has(network->allow, &allowed) != allow)
			continue;
		allowed_format(&allowed, text, sizeof(text));
		return allow ? error_set(err, ERROR_EXISTS, 0, "network %s may reach %s already",
		                       network->name, text)
		             : error_set(err, ERROR_NOT_FOUND, 0,
		                       "network %s was not allowed to reach %s (netd-ctl network "
		                       "inspect %s shows what it may)",
		                       network->name, text, network->name);
	}
	return 0;
}

int policy_allow(struct network *network, const struct request *request, struct error *err)
{
	const char *items = request->wanted_network.allow;
	bool allow = request->kind == REQUEST_NETWORK_ALLOW;
	int r = request->exist_ok ? 0 : check_items(network, items, allow, err);

	if (r == 0)
		r = rewrite(network, items, allow ? items : NULL, err);
	if (r == 0 && count(network->allow) > SETTING_ITEMS)
		return error_set(err, ERROR_REFUSED, 0,
		        "network %s: it would have more than %d permissions, the most netd keeps",
		        network->name, SETTING_ITEMS);
	return r;
}

/* --- what flows and may no longer --- */

/*
 * The kernel lets established flows pass, so those that a change forbids have to go. All that go
 * straight to an address do: one that is still allowed is known again by its next packet, as
 * nothing translates it.
 */
static int end_flows_of_members(
        struct model *fork, const char *network, enum flows_match match, struct error *err)
{
	const struct tombstone flows = {.kind = TOMBSTONE_FLOWS, .match = match};
	const struct reference *member;
	char prefix[NAME_SIZE + 2], key[KEY_SIZE] = "";
	int r = 0;

	snprintf(prefix, sizeof(prefix), "%s/", network);
	while (r == 0 && (member = model_next_in(fork, TABLE_MEMBERS, prefix, key)))
		r = tombstone_add_each(fork,
		        namespace_endpoint(model_namespace(fork, member->owner), network), &flows,
		        err);
	return r;
}

static int end_flows_allowed(struct model *fork, const struct allowed *allowed, struct error *err)
{
	const struct namespace *ns = model_namespace(fork, allowed->namespace);
	const struct tombstone flows = {.kind = TOMBSTONE_FLOWS,
	        .protocol = allowed->protocol,
	        .port = allowed->port,
	        .port_end = allowed->port,
	        .through = allowed->port,
	        .through_end = allowed->port,
	        .match = FLOWS_ORIGINAL_LOCAL};
	int r = 0;

	if (allowed->network[0])
		return end_flows_of_members(fork, allowed->network, FLOWS_ORIGINAL_LOCAL, err);
	for (unsigned i = 0; ns && r == 0 && i < ns->endpoint_count; i++)
		r = tombstone_add_each(fork, &ns->endpoints[i], &flows, err);
	return r;
}

static bool lists(const char *list, const char *item)
{
	char other[SETTING_ITEM_MAX];

	while (setting_next_item(&list, other))
		if (strcmp(other, item) == 0)
			return true;
	return false;
}

/* Whether less may come to its members than before; a change of the mode counts as that. */
static bool lets_in_less(const struct network *before, const struct network *network)
{
	const char *trusted = before->trusted_interfaces;
	char item[SETTING_ITEM_MAX];

	for (int i = 0; i < 2; i++)
		if (network_mode(before, families[i]) != network_mode(network, families[i]))
			return true;
	while (setting_next_item(&trusted, item))
		if (!lists(network->trusted_interfaces, item))
			return true;
	return network->isolated && !before->isolated;
}

int policy_end_flows(struct model *fork, const struct network *before,
        const struct network *network, struct error *err)
{
	const char *allow = before->allow;
	struct allowed allowed;
	int r = 0;

	while (r == 0 && allowed_next(&allow, &allowed))
		if (!has(network->allow, &allowed))
			r = end_flows_allowed(fork, &allowed, err);
	if (r == 0 && network->internal && !before->internal)
		return end_flows_of_members(fork, network->name, FLOWS_REPLY_SOURCE, err);
	if (r == 0 && lets_in_less(before, network))
		r = end_flows_of_members(fork, network->name, FLOWS_ORIGINAL_LOCAL, err);
	return r;
}

/* --- what is removed is named no longer --- */

static int forget_in(struct model *fork, const char *by, const struct allowed *gone,
        struct answer *answer, struct error *err)
{
	struct network network = *model_network(fork, by);
	const char *rest = network.allow;
	char out[SETTING_ITEM_MAX * 2] = "", text[SETTING_ITEM_MAX];
	struct allowed allowed;
	int r = settings_own(&network_settings, &network) < 0 ? error_memory(err) : 0;

	while (r == 0 && allowed_next(&rest, &allowed)) {
		if (strcmp(allowed.network, gone->network) != 0 ||
		        strcmp(allowed.namespace, gone->namespace) != 0)
			continue;
		allowed_format(&allowed, text, sizeof(text));
		snprintf(out, sizeof(out), "%s\n", text);
		r = rewrite(&network, out, NULL, err);
		if (r == 0 && answer &&
		        answer_removed(answer, "permission of network %s to reach %s", by, text) <
		                0)
			r = error_memory(err);
	}
	if (r == 0 && model_put_network(fork, &network) < 0)
		r = error_memory(err);
	settings_free(&network_settings, &network);
	return r;
}

int policy_forget(
        struct model *fork, const struct allowed *gone, struct answer *answer, struct error *err)
{
	char prefix[KEY_SIZE], by[NAME_SIZE];
	int r = 0;

	model_allowed_key(prefix, gone, "");
	while (r == 0) {
		char key[KEY_SIZE] = "";
		const struct reference *reference = model_next_in(fork, TABLE_ALLOWED, prefix, key);

		if (!reference)
			return 0;
		memcpy(by, reference->owner, sizeof(by));
		r = forget_in(fork, by, gone, answer, err);
	}
	return r;
}
