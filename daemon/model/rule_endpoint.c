/* Endpoints: what a namespace gets on a network (addresses, MAC, interface name), and how it loses
 * that again. */
#include "daemon/model/rules.h"

#include <stdio.h>
#include <string.h>

/* The one that the namespace had here before, if it is free. */
static bool choose_leased_mac(const struct model *model, const struct network *network,
        const struct lease *lease, struct endpoint *endpoint)
{
	char key[KEY_SIZE];

	model_mac_key(key, network->name, lease->mac);
	if (model_owner(model, TABLE_ADDRESSES, key) ||
	        memcmp(lease->mac, network->mac, MAC_SIZE) == 0)
		return false;
	memcpy(endpoint->mac, lease->mac, MAC_SIZE);
	return true;
}

static int choose_mac(struct model *model, const struct network *network,
        const struct request *request, struct endpoint *endpoint, struct error *err)
{
	const struct cidr *address = endpoint_address(endpoint, AF_INET);
	const struct lease *lease = model_lease(model, network->name, request->namespace);
	char key[KEY_SIZE], text[MAC_TEXT_SIZE];
	const char *owner;

	if (request->has_mac) {
		memcpy(endpoint->mac, request->mac, MAC_SIZE);
		model_mac_key(key, network->name, endpoint->mac);
		owner = model_owner(model, TABLE_ADDRESSES, key);
		if (!owner && memcmp(endpoint->mac, network->mac, MAC_SIZE) == 0)
			owner = "the bridge";
		if (owner)
			return error_set(err, ERROR_EXISTS, 0,
			        "MAC address %s on network %s belongs to %s; choose another",
			        mac_format(endpoint->mac, text), network->name, owner);
		return 0;
	}
	if (lease && choose_leased_mac(model, network, lease, endpoint))
		return 0;
	/* Derived from network and address: who gets the address again is no surprise to a
	 * neighbour's table. */
	endpoint->mac[0] = 0x02;
	endpoint->mac[1] = (uint8_t)(network->id[0] + 16 * network->id[1]);
	if (address)
		memcpy(endpoint->mac + 2, address->ip.bytes, 4);
	else
		memcpy(endpoint->mac + 2, endpoint_address(endpoint, AF_INET6)->ip.bytes + 12, 4);
	for (;; endpoint->mac[1]++) {
		model_mac_key(key, network->name, endpoint->mac);
		if (!model_owner(model, TABLE_ADDRESSES, key) &&
		        memcmp(endpoint->mac, network->mac, MAC_SIZE) != 0)
			return 0;
	}
}

static bool has_address(const struct endpoint *endpoint, const struct ip *ip)
{
	const struct cidr *address = endpoint_address(endpoint, ip->family);

	return address && ip_equal(&address->ip, ip);
}

/* "10.0.0.2/24 and fd00::2/64" */
static const char *format_addresses(const struct endpoint *endpoint, char *text, size_t size)
{
	char cidr[CIDR_TEXT_SIZE];
	size_t used = 0;

	for (unsigned i = 0; i < endpoint->address_count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " and " : "",
		        cidr_format(&endpoint->addresses[i], cidr));
	return text;
}

/* An endpoint that was asked for again: is it what was asked for? */
static int compare_existing(const struct endpoint *endpoint, const struct request *request,
        struct answer *answer, struct error *err)
{
	char text[SUBNETS_MAX * (CIDR_TEXT_SIZE + 8)] = "";
	char what[2 * NAME_SIZE + 16], inspect[NAME_SIZE + 24];
	const char *difference = NULL;

	format_addresses(endpoint, text, sizeof(text));
	if (!request->exist_ok)
		return error_set(err, ERROR_EXISTS, 0,
		        "namespace %s is connected to network %s already (%s %s)",
		        request->namespace, request->network, endpoint->ifname, text);
	for (unsigned i = 0; i < request->ip_count; i++)
		if (!has_address(endpoint, &request->ips[i]))
			difference = "address";
	if (!difference && request->has_mac && memcmp(request->mac, endpoint->mac, MAC_SIZE) != 0)
		difference = "MAC address";
	if (!difference && request->ifname[0] && strcmp(request->ifname, endpoint->ifname) != 0)
		difference = "interface name";
	if (difference)
		return error_set(err, ERROR_EXISTS, 0,
		        "namespace %s is connected to network %s already, with another %s (%s %s)",
		        request->namespace, request->network, difference, endpoint->ifname, text);
	answer->existed = true;
	snprintf(what, sizeof(what), "endpoint %s %s", request->network, request->namespace);
	snprintf(inspect, sizeof(inspect), "netd-ctl ns inspect %s", request->namespace);
	return settings_compare(
	        &endpoint_settings, &request->wanted_endpoint, endpoint, what, inspect, err);
}

/* The id gives the endpoint's routing table its number, too: in one namespace no two have the same.
 */
static int choose_id(struct model *fork, const struct namespace *ns, struct endpoint *endpoint,
        struct error *err)
{
	bool taken;

	do {
		if (model_new_id(fork, endpoint->id) < 0)
			return error_memory(err);
		taken = false;
		for (unsigned i = 0; i < ns->endpoint_count; i++)
			taken |= endpoint_table(&ns->endpoints[i]) == endpoint_table(endpoint);
	} while (taken);
	return 0;
}

static int fill_endpoint(struct model *fork, const struct request *request,
        const struct facts *facts, const struct network *network, const struct namespace *ns,
        struct endpoint *endpoint, struct error *err)
{
	int r = choose_addresses(fork, network, request, endpoint, err);

	memcpy(endpoint->network, network->name, NAME_SIZE);
	for (unsigned i = 0; r == 0 && i < endpoint->address_count; i++)
		r = namespace_check_links(fork, ns->name, &endpoint->addresses[i], err);
	if (r == 0)
		r = choose_mac(fork, network, request, endpoint, err);
	if (r == 0)
		r = namespace_choose_ifname(fork, ns, facts,
		        request->ifname[0] ? request->ifname : NULL, endpoint->ifname, err);
	if (r == 0)
		r = choose_id(fork, ns, endpoint, err);
	snprintf(endpoint->host_ifname, sizeof(endpoint->host_ifname), "nv%s", endpoint->id);
	return r;
}

/* Of its bridge, those of others included where it is somebody else's. */
static unsigned count_ports(
        const struct model *model, const struct network *network, const struct facts *facts)
{
	return model_usage(model, network->name).endpoints + facts->bridge_ports;
}

static int check_room(const struct model *model, const struct network *network,
        const struct namespace *ns, const struct facts *facts, struct error *err)
{
	unsigned count = count_ports(model, network, facts);

	if (count >= BRIDGE_PORTS_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "network %s: its bridge %s has %u ports, the most a Linux bridge takes; "
		        "connect to "
		        "another network",
		        network->name, network->bridge, count);
	if (ns->endpoint_count >= NAMESPACE_ENDPOINTS_MAX)
		return error_set(err, ERROR_REFUSED, 0,
		        "namespace %s is connected to %u networks, the most netd keeps", ns->name,
		        NAMESPACE_ENDPOINTS_MAX);
	return 0;
}

/* In time for another network to be made: from nine of ten on. */
static void warn_of_room(const struct model *model, const struct network *network,
        const struct facts *facts, struct answer *answer)
{
	unsigned count = count_ports(model, network, facts);

	if (10 * count >= 9 * BRIDGE_PORTS_MAX)
		answer_warn(answer,
		        "network %s: its bridge %s has %u of the %u ports that it takes; make "
		        "another "
		        "network for more",
		        network->name, network->bridge, count, BRIDGE_PORTS_MAX);
}

/* Somebody else's bridge may have gone. */
static int check_bridge(struct model *fork, const struct network *network,
        const struct facts *facts, struct error *err)
{
	if (!facts->bridge.name[0])
		return error_set(err, ERROR_REFUSED, 0,
		        "network %s: its bridge %s, which is not netd's, is %s; it can be "
		        "connected "
		        "to when that is there again",
		        network->name, network->use_bridge,
		        facts->bridge_exists ? "no bridge any more" : "gone");
	return bridge_know(fork, facts, err);
}

/* On somebody else's bridge the host has its addresses like any other machine there. */
static int check_host_ips(const struct network *network, const struct endpoint *endpoint,
        const struct facts *facts, struct error *err)
{
	char text[IP_TEXT_SIZE];

	for (unsigned i = 0; network->use_bridge[0] && i < facts->bridge_ip_count; i++) {
		const struct ip *ip = &facts->bridge_ips[i];
		const struct cidr *chosen = endpoint_address(endpoint, ip->family);

		if (chosen && ip_equal(&chosen->ip, ip))
			return error_set(err, ERROR_EXISTS, 0,
			        "address %s on bridge %s is this host's own; choose another, or "
			        "keep it out with 'netd-ctl network set %s reserve=NAME=%s'",
			        ip_format(ip, text), network->use_bridge, network->name, text);
	}
	return 0;
}

int rule_connect(struct model *fork, const struct request *request, const struct facts *facts,
        struct answer *answer, struct error *err)
{
	const struct network *network = model_network(fork, request->network);
	const struct endpoint *existing;
	struct endpoint endpoint = {0};
	struct network with;
	struct namespace ns;
	int r;

	memcpy(answer->network, request->network, NAME_SIZE);
	memcpy(answer->namespace, request->namespace, NAME_SIZE);
	if (network_is_builtin(request->network))
		return rule_connect_builtin(fork, request, facts, answer, err);
	if (!network)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "network %s: there is no such network; create it with 'netd-ctl network "
		        "create %s'",
		        request->network, request->network);
	r = namespace_to_connect(fork, request->namespace, request->existing, facts,
	        &answer->created_namespace, &ns, err);
	if (r < 0)
		return r;
	existing = namespace_endpoint(&ns, network->name);
	if (existing)
		return compare_existing(existing, request, answer, err);
	r = check_room(fork, network, &ns, facts, err);
	if (r == 0 && network->use_bridge[0])
		r = check_bridge(fork, network, facts, err);
	network = model_network(fork, request->network);
	with = *network;
	with.taken = facts->bridge_ips;
	with.taken_count = facts->bridge_ip_count;
	settings_start(&endpoint_settings, &endpoint);
	if (r == 0 && settings_copy(&endpoint_settings, request->given, &request->wanted_endpoint,
	                      &endpoint) < 0)
		r = error_memory(err);
	if (r == 0)
		r = fill_endpoint(fork, request, facts, &with, &ns, &endpoint, err);
	if (r == 0)
		r = check_host_ips(network, &endpoint, facts, err);
	if (r == 0)
		r = publications_revive(fork, ns.name, err);
	if (r == 0 && (lease_drop(fork, network->name, ns.name) < 0 ||
	                      model_put_endpoint(fork, &ns, &endpoint) < 0))
		r = error_memory(err);
	if (r == 0)
		warn_of_room(fork, network, facts, answer);
	settings_free(&endpoint_settings, &endpoint);
	return r;
}

int endpoint_condemn(struct model *fork, const char *name, const char *network, struct error *err)
{
	const struct namespace *ns = model_namespace(fork, name);
	const struct endpoint endpoint = *namespace_endpoint(ns, network);
	struct tombstone link = {.kind = TOMBSTONE_LINK};
	struct tombstone flows = {.kind = TOMBSTONE_FLOWS, .match = FLOWS_REPLY_SOURCE};
	int r;

	snprintf(link.name, sizeof(link.name), "%s", endpoint.host_ifname);
	memcpy(link.namespace, ns->name, NAME_SIZE);
	if (model_remove_endpoint(fork, ns, endpoint.network) < 0)
		return error_memory(err);
	r = namespace_forget_idle(fork, link.namespace, err);
	if (r == 0)
		r = lease_keep(fork, link.namespace, &endpoint, err);
	if (r == 0)
		r = tombstone_add(fork, &link, err);
	memcpy(flows.network, endpoint.network, NAME_SIZE);
	return r < 0 ? r : tombstone_add_each(fork, &endpoint, &flows, err);
}

/* The namespace, if it is connected to the network. */
static int find_endpoint(const struct model *model, const struct request *request,
        const struct namespace **ret, struct error *err)
{
	const struct network *network = model_network(model, request->network);
	const struct namespace *ns = model_namespace(model, request->namespace);

	if (!network)
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "network %s: there is no such network (netd-ctl network ls lists them)",
		        request->network);
	if (!ns || !namespace_endpoint(ns, network->name))
		return error_set(err, ERROR_NOT_FOUND, 0,
		        "namespace %s is not connected to network %s (netd-ctl network inspect %s "
		        "shows who is)",
		        request->namespace, network->name, network->name);
	*ret = ns;
	return 0;
}

int rule_endpoint_set(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct namespace *ns;
	struct endpoint endpoint;
	int r = find_endpoint(fork, request, &ns, err);

	if (r < 0)
		return r;
	endpoint = *namespace_endpoint(ns, request->network);
	memcpy(answer->network, request->network, NAME_SIZE);
	memcpy(answer->namespace, request->namespace, NAME_SIZE);
	if (settings_own(&endpoint_settings, &endpoint) < 0)
		return error_memory(err);
	if (settings_copy(
	            &endpoint_settings, request->given, &request->wanted_endpoint, &endpoint) < 0 ||
	        model_put_endpoint(fork, ns, &endpoint) < 0)
		r = error_memory(err);
	settings_free(&endpoint_settings, &endpoint);
	return r;
}

/* It is not connected: what is remembered of it goes. */
static int forget(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct lease *lease = model_lease(fork, request->network, request->namespace);
	char ip[IP_TEXT_SIZE];

	for (unsigned i = 0; i < lease->address_count; i++)
		if (answer_removed(answer, "address %s of %s on %s",
		            ip_format(&lease->addresses[i].ip, ip), request->namespace,
		            request->network) < 0)
			return error_memory(err);
	return lease_drop(fork, request->network, request->namespace) < 0 ? error_memory(err) : 0;
}

int rule_disconnect(
        struct model *fork, const struct request *request, struct answer *answer, struct error *err)
{
	const struct namespace *ns;
	int r;

	if (network_is_builtin(request->network))
		return rule_disconnect_builtin(fork, request, answer, err);
	r = find_endpoint(fork, request, &ns, err);
	if (r < 0 && request->forget && model_lease(fork, request->network, request->namespace))
		return forget(fork, request, answer, err);
	if (r == 0)
		r = endpoint_condemn(fork, request->namespace, request->network, err);
	if (r == 0 && answer_removed(answer, "endpoint %s on %s", request->namespace,
	                      request->network) < 0)
		r = error_memory(err);
	if (r == 0 && request->forget && lease_drop(fork, request->network, request->namespace) < 0)
		r = error_memory(err);
	return r;
}
