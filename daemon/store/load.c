/*
 * Reads every object back into a model. What was written by netd fits its structs, and passed the
 * parsers on its way in; what does not was damaged or edited, and is refused with its place: the
 * layers below trust a model, and make file names and commands of what is in it.
 *
 * SQLite's rows go one table at a time; children (subnets, endpoints, addresses) are looked up per
 * parent by key, so loading grows with the number of rows only.
 */
#include "daemon/store/internal.h"

#include "daemon/model/setting.h"
#include "daemon/store/rows.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int load_host(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_META, "meta", err);
	struct host host = {0};

	if (rows_next(&rows)) {
		rows_digits(&rows, INSTANCE_SIZE - 1, host.instance);
		host.next_id = rows_number(&rows, INT64_MAX);
		rows_boot(&rows, host.boot_id);
		if (rows.result == 0 && model_put_host(model, &host) < 0)
			rows.result = error_memory(err);
	}
	return rows_end(&rows);
}

/* Every value passes the parser that a client's passes. */
static int load_settings(struct store *store, const char *kind, const char *owner,
        const struct settings *settings, void *object, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_SETTINGS, "settings", err);

	settings_start(settings, object);
	rows_of(&rows, 1, kind);
	rows_of(&rows, 2, owner);
	while (rows_next(&rows)) {
		const struct setting *setting;
		char name[NAME_SIZE] = "", value[SETTING_ITEM_MAX] = "";
		struct error why;

		rows_text(&rows, name, sizeof(name));
		setting = setting_find(settings, name);
		if (!setting)
			rows_damaged(&rows, "there is no such setting");
		rows_text(&rows, value, sizeof(value));
		if (rows.result == 0 && setting_read(setting, value, object, &why) < 0)
			rows_damaged(&rows, why.text);
	}
	if (rows.result < 0)
		settings_free(settings, object);
	return rows_end(&rows);
}

static int load_subnets(struct store *store, struct network *network, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_SUBNETS, "subnets", err);

	rows_of(&rows, 1, network->name);
	while (rows_next(&rows)) {
		struct subnet subnet = {0};

		rows_cidr(&rows, &subnet.cidr);
		rows_ip(&rows, &subnet.gateway);
		if (subnet.gateway.family && !cidr_contains(&subnet.cidr, &subnet.gateway))
			rows_damaged(&rows, "it is not in the subnet");
		if (network_subnet(network, subnet.cidr.ip.family))
			rows_damaged(&rows, "the network has another one of this family");
		if (network->subnet_count == SUBNETS_MAX)
			rows_damaged(&rows, "there are too many rows");
		else
			network->subnets[network->subnet_count++] = subnet;
	}
	if (network->subnet_count == 0)
		rows_damaged(&rows, "a network has none");
	return rows_end(&rows);
}

/* Where the host takes part it has an address in each subnet. */
static bool gateways_complete(const struct network *network)
{
	bool complete = true;

	for (unsigned i = 0; i < network->subnet_count; i++)
		complete = complete && network->subnets[i].gateway.family;
	return complete || !network_has_host(network);
}

static int load_networks(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_NETWORKS, "networks", err);

	while (rows_next(&rows)) {
		struct network network = {0};

		rows_name(&rows, false, network.name);
		rows_digits(&rows, ID_SIZE - 1, network.id);
		rows_text(&rows, network.driver, sizeof(network.driver));
		rows_ifname(&rows, network.bridge);
		rows_mac(&rows, network.mac);
		network.link_mtu = (uint32_t)rows_number(&rows, UINT32_MAX);
		if (rows.result == 0)
			rows.result = load_subnets(store, &network, err);
		if (rows.result == 0)
			rows.result = load_settings(
			        store, "network", network.name, &network_settings, &network, err);
		if (rows.result == 0 && !gateways_complete(&network))
			rows_damaged(&rows, "a subnet of the network has no gateway");
		if (rows.result == 0 && model_put_network(model, &network) < 0)
			rows.result = error_memory(err);
		settings_free(&network_settings, &network);
	}
	return rows_end(&rows);
}

static int load_addresses(struct store *store, const char *ns, uint64_t position,
        struct endpoint *endpoint, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_ADDRESSES, "endpoint_addresses", err);

	rows_of(&rows, 1, ns);
	if (rows.result == 0 &&
	        sqlite3_bind_int64(rows.statement, 2, (sqlite3_int64)position) != SQLITE_OK)
		rows.result = store_error(store, "bind", err);
	while (rows_next(&rows)) {
		struct cidr address = {0};
		bool fixed;

		rows_cidr(&rows, &address);
		fixed = rows_number(&rows, 1);
		if (endpoint_address(endpoint, address.ip.family))
			rows_damaged(&rows, "the endpoint has another one of this family");
		if (endpoint->address_count == SUBNETS_MAX) {
			rows_damaged(&rows, "there are too many rows");
			continue;
		}
		endpoint->fixed[endpoint->address_count] = fixed;
		endpoint->addresses[endpoint->address_count++] = address;
	}
	if (endpoint->address_count == 0)
		rows_damaged(&rows, "an endpoint has none");
	return rows_end(&rows);
}

/* ns->endpoints has room for NAMESPACE_ENDPOINTS_MAX. */
static int load_endpoints(
        struct store *store, const struct model *model, struct namespace *ns, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_ENDPOINTS, "endpoints", err);

	rows_of(&rows, 1, ns->name);
	while (rows_next(&rows)) {
		struct endpoint endpoint = {0};
		char owner[2 * NAME_SIZE];
		uint64_t position;

		rows_digits(&rows, ID_SIZE - 1, endpoint.id);
		rows_name(&rows, false, endpoint.network);
		if (rows.result == 0 && !model_network(model, endpoint.network))
			rows_damaged(&rows, "there is no such network");
		rows_ifname(&rows, endpoint.ifname);
		rows_ifname(&rows, endpoint.host_ifname);
		rows_mac(&rows, endpoint.mac);
		position = rows_number(&rows, INT64_MAX);
		if (ns->endpoint_count == NAMESPACE_ENDPOINTS_MAX)
			rows_damaged(&rows, "there are too many rows");
		if (rows.result == 0)
			rows.result = load_addresses(store, ns->name, position, &endpoint, err);
		snprintf(owner, sizeof(owner), "%s/%s", ns->name, endpoint.network);
		if (rows.result == 0)
			rows.result = load_settings(
			        store, "endpoint", owner, &endpoint_settings, &endpoint, err);
		if (rows.result == 0)
			ns->endpoints[ns->endpoint_count++] = endpoint;
	}
	return rows_end(&rows);
}

static int load_namespaces(struct store *store, struct model *model, struct error *err)
{
	_cleanup_(freep) struct endpoint *endpoints =
	        calloc(NAMESPACE_ENDPOINTS_MAX, sizeof(*endpoints));
	struct rows rows;

	if (!endpoints)
		return error_memory(err);
	rows = rows_start(store, STATEMENT_LOAD_NAMESPACES, "namespaces", err);
	while (rows_next(&rows)) {
		struct namespace ns = {.endpoints = endpoints};
		char source[SOURCE_SIZE] = "";
		uint64_t own_routes;

		rows_name(&rows, false, ns.name);
		ns.origin = (enum namespace_origin)rows_word(&rows, &store_origins);
		ns.cookie = rows_number(&rows, UINT64_MAX);
		rows_boot(&rows, ns.boot_id);
		own_routes = rows_number(&rows, 3);
		ns.own_route = own_routes & 1;
		ns.own_route6 = own_routes & 2;
		rows_source(&rows, ns.origin, source);
		ns.source = source[0] ? source : NULL;
		if (rows.result == 0)
			rows.result = load_endpoints(store, model, &ns, err);
		if (rows.result == 0)
			rows.result = load_settings(
			        store, "namespace", ns.name, &namespace_settings, &ns, err);
		if (rows.result == 0 && model_put_namespace(model, &ns) < 0)
			rows.result = error_memory(err);
		settings_free(&namespace_settings, &ns);
		for (unsigned i = 0; i < ns.endpoint_count; i++)
			settings_free(&endpoint_settings, &ns.endpoints[i]);
	}
	return rows_end(&rows);
}

static int load_publications(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_PUBLICATIONS, "publications", err);

	while (rows_next(&rows)) {
		struct publication publication = {0};

		rows_digits(&rows, ID_SIZE - 1, publication.id);
		publication.protocol = rows_protocol(&rows, false);
		rows_host(&rows, &publication.host_ip);
		publication.host_port = rows_port(&rows);
		publication.host_port_end = rows_port(&rows);
		if (publication.host_port_end < publication.host_port)
			rows_damaged(&rows, "it ends before it begins");
		publication.port = rows_port(&rows);
		if (publication.port + publication_more(&publication) > UINT16_MAX)
			rows_damaged(&rows, "it leads beyond the last port");
		rows_name(&rows, false, publication.namespace);
		rows_name(&rows, true, publication.network);
		if (rows.result == 0)
			rows.result = load_settings(store, "publication", publication.id,
			        &publication_settings, &publication, err);
		if (rows.result == 0 && model_put_publication(model, &publication) < 0)
			rows.result = error_memory(err);
		settings_free(&publication_settings, &publication);
	}
	return rows_end(&rows);
}

/* What its kind needs. */
static bool tombstone_complete(const struct tombstone *tombstone)
{
	struct error ignored;
	char name[NAME_SIZE];

	switch (tombstone->kind) {
	case TOMBSTONE_LINK:
		return parse_ifname(tombstone->name, "", name, &ignored) == 0 &&
		       (tombstone->namespace[0] || !tombstone->peer[0]);
	case TOMBSTONE_NETNS:
		return parse_name(tombstone->name, "", name, &ignored) == 0;
	case TOMBSTONE_FLOWS:
		return tombstone->ip.family;
	}
	return false;
}

static int load_tombstones(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_TOMBSTONES, "tombstones", err);

	while (rows_next(&rows)) {
		struct tombstone tombstone = {0};

		rows_digits(&rows, ID_SIZE - 1, tombstone.id);
		tombstone.kind = (enum tombstone_kind)rows_word(&rows, &store_kinds);
		rows_text(&rows, tombstone.name, sizeof(tombstone.name));
		rows_name(&rows, true, tombstone.namespace);
		tombstone.origin = (enum namespace_origin)rows_word(&rows, &store_origins);
		rows_name(&rows, true, tombstone.network);
		tombstone.cookie = rows_number(&rows, UINT64_MAX);
		tombstone.protocol = rows_protocol(&rows, true);
		rows_ip(&rows, &tombstone.ip);
		tombstone.port = (uint16_t)rows_number(&rows, UINT16_MAX);
		tombstone.through = (uint16_t)rows_number(&rows, UINT16_MAX);
		tombstone.match = (enum flows_match)rows_word(&rows, &store_flows_match);
		tombstone.port_end = (uint16_t)rows_number(&rows, UINT16_MAX);
		tombstone.through_end = (uint16_t)rows_number(&rows, UINT16_MAX);
		rows_name(&rows, true, tombstone.peer);
		if (!tombstone_complete(&tombstone))
			rows_damaged(&rows, "what its kind needs is missing");
		if (rows.result == 0 && model_put_tombstone(model, &tombstone) < 0)
			rows.result = error_memory(err);
	}
	return rows_end(&rows);
}

static int load_moved(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_MOVED, "moved", err);

	while (rows_next(&rows)) {
		struct moved moved = {0};

		rows_ifname(&rows, moved.name);
		rows_name(&rows, false, moved.namespace);
		rows_ifname(&rows, moved.inside);
		moved.index = (int)rows_number(&rows, INT32_MAX);
		moved.belongings = (char *)sqlite3_column_text(rows.statement, rows.column++);
		if (!moved.belongings || !model_namespace(model, moved.namespace))
			rows_damaged(&rows, "there is no such namespace");
		if (rows.result == 0 && model_put_moved(model, &moved) < 0)
			rows.result = error_memory(err);
	}
	return rows_end(&rows);
}

static int load_link_addresses(struct store *store, struct ns_link *link, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_LINK_ADDRESSES, "link_addresses", err);

	rows_of(&rows, 1, link->id);
	while (rows_next(&rows)) {
		struct ns_link_end *end = &link->ends[rows_number(&rows, 1) & 1];
		struct cidr address = {0};

		rows_cidr(&rows, &address);
		if (!address.ip.family || address.prefix == 0)
			rows_damaged(&rows, "it is no address with a prefix length");
		if (end->address_count == LINK_ADDRESSES_MAX)
			rows_damaged(&rows, "there are too many rows");
		else
			end->addresses[end->address_count++] = address;
	}
	return rows_end(&rows);
}

static void load_link_end(struct rows *rows, const struct model *model, struct ns_link_end *end)
{
	rows_name(rows, false, end->namespace);
	if (rows->result == 0 && !model_namespace(model, end->namespace))
		rows_damaged(rows, "there is no such namespace");
	rows_ifname(rows, end->ifname);
	rows_mac(rows, end->mac);
}

static int load_links(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_LINKS, "links", err);

	while (rows_next(&rows)) {
		struct ns_link link = {0};

		rows_digits(&rows, ID_SIZE - 1, link.id);
		for (unsigned side = 0; side < 2; side++)
			load_link_end(&rows, model, &link.ends[side]);
		if (strcmp(link.ends[0].namespace, link.ends[1].namespace) == 0)
			rows_damaged(&rows, "it leads back to its own namespace");
		if (rows.result == 0)
			rows.result = load_link_addresses(store, &link, err);
		if (rows.result == 0)
			rows.result = load_settings(
			        store, "link", link.id, &ns_link_settings, &link, err);
		if (rows.result == 0 && model_put_ns_link(model, &link) < 0)
			rows.result = error_memory(err);
		settings_free(&ns_link_settings, &link);
	}
	return rows_end(&rows);
}

static void load_lease_address(struct rows *rows, int family, struct lease *lease)
{
	struct ip ip = {0};
	bool fixed;

	rows_ip(rows, &ip);
	fixed = rows_number(rows, 1);
	if (!ip.family)
		return;
	if (ip.family != family)
		rows_damaged(rows, "it is of the other family");
	lease->addresses[lease->address_count].ip = ip;
	lease->addresses[lease->address_count++].fixed = fixed;
}

static int load_leases(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_LEASES, "leases", err);

	while (rows_next(&rows)) {
		struct lease lease = {0};

		rows_digits(&rows, ID_SIZE - 1, lease.id);
		lease.number = rows_number(&rows, INT64_MAX);
		rows_name(&rows, false, lease.network);
		if (rows.result == 0 && !model_network(model, lease.network))
			rows_damaged(&rows, "there is no such network");
		rows_name(&rows, false, lease.namespace);
		rows_mac(&rows, lease.mac);
		load_lease_address(&rows, AF_INET, &lease);
		load_lease_address(&rows, AF_INET6, &lease);
		if (rows.result == 0 && model_put_lease(model, &lease) < 0)
			rows.result = error_memory(err);
	}
	return rows_end(&rows);
}

int store_load(struct store *store, struct model *model, struct error *err)
{
	static int (*const tables[])(struct store *, struct model *, struct error *) = {load_host,
	        load_networks, load_namespaces, load_publications, load_tombstones, load_leases,
	        load_moved, load_links};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++)
		r = tables[i](store, model, err);
	return r;
}
