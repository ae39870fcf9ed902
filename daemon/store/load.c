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
#include "lib/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One statement being read, column by column. The first error stays. */
struct rows {
	struct store *store;
	struct error *err;
	sqlite3_stmt *statement;
	const char *table;
	int column;
	int result;
};

static struct rows rows_start(
        struct store *store, enum statement id, const char *table, struct error *err)
{
	struct rows rows = {.store = store, .err = err, .table = table};

	rows.statement = store_statement(store, id, err);
	if (!rows.statement)
		rows.result = -EIO;
	return rows;
}

static bool rows_next(struct rows *rows)
{
	int r;

	if (rows->result < 0)
		return false;
	r = sqlite3_step(rows->statement);
	rows->column = 0;
	if (r != SQLITE_ROW && r != SQLITE_DONE)
		rows->result = store_error(rows->store, "read", rows->err);
	return r == SQLITE_ROW;
}

/* Gives the statement back. Returns the first error. */
static int rows_end(struct rows *rows)
{
	if (rows->statement)
		sqlite3_reset(rows->statement);
	return rows->result;
}

static void rows_damaged(struct rows *rows, const char *what)
{
	if (rows->result == 0)
		rows->result = store_damaged(rows->store, rows->err, "table %s, column %s: %s",
		        rows->table, sqlite3_column_name(rows->statement, rows->column - 1), what);
}

static void rows_text(struct rows *rows, char *ret, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column++);

	if (!text || strlen(text) >= size)
		rows_damaged(rows, text ? "the text is too long" : "there is no text");
	else
		memcpy(ret, text, strlen(text) + 1);
}

/* A name as parse_name() takes it; "" only where it may be missing. */
static void rows_name(struct rows *rows, bool optional, char ret[NAME_SIZE])
{
	struct error ignored;

	rows_text(rows, ret, NAME_SIZE);
	if (!(optional && !ret[0]) && parse_name(ret, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no name");
}

static void rows_ifname(struct rows *rows, char ret[IFNAMSIZ])
{
	struct error ignored;

	rows_text(rows, ret, IFNAMSIZ);
	if (parse_ifname(ret, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no name of an interface");
}

/* `length` hex digits, as in an id, or dashes, as in a boot's. */
static void rows_digits(struct rows *rows, size_t length, char *ret)
{
	rows_text(rows, ret, length + 1);
	if (strlen(ret) != length || strspn(ret, "0123456789abcdef-") != length)
		rows_damaged(rows, "it is no id");
}

/* "" where no boot is meant. */
static void rows_boot(struct rows *rows, char ret[BOOT_ID_SIZE])
{
	rows_text(rows, ret, BOOT_ID_SIZE);
	if (strspn(ret, "0123456789abcdef-") != strlen(ret))
		rows_damaged(rows, "it is no id of a boot");
}

/* What was attached was found by a process or a path, and nothing else was. */
static void rows_source(struct rows *rows, enum namespace_origin origin, char ret[SOURCE_SIZE])
{
	struct error ignored;

	rows_text(rows, ret, SOURCE_SIZE);
	if ((origin == ORIGIN_ATTACHED) != (ret[0] != '\0') ||
	        (strspn(ret, "0123456789") != strlen(ret) &&
	                parse_source_path(ret, "", ret, &ignored) < 0))
		rows_damaged(rows, "it is neither a process nor a path");
}

static uint64_t rows_number(struct rows *rows, uint64_t max)
{
	uint64_t number = (uint64_t)sqlite3_column_int64(rows->statement, rows->column++);

	if (number > max)
		rows_damaged(rows, "the number is too large");
	return number;
}

/* NULL leaves *ret as it is: no address. */
static void rows_ip(struct rows *rows, struct ip *ret)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column++);
	struct error ignored;

	if (text && parse_ip(text, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no IP address");
}

/* The host's address of a publication; "*": every one. */
static void rows_host(struct rows *rows, struct ip *ret)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column);

	if (text && strcmp(text, "*") == 0)
		rows->column++;
	else
		rows_ip(rows, ret);
}

static void rows_cidr(struct rows *rows, struct cidr *ret)
{
	rows_ip(rows, &ret->ip);
	ret->prefix = (uint8_t)rows_number(rows, ip_size(ret->ip.family) * 8);
}

static uint16_t rows_port(struct rows *rows)
{
	uint16_t port = (uint16_t)rows_number(rows, UINT16_MAX);

	if (port == 0)
		rows_damaged(rows, "it is no port");
	return port;
}

/* 0: every one, where that may be meant. */
static uint8_t rows_protocol(struct rows *rows, bool optional)
{
	uint8_t protocol = (uint8_t)rows_number(rows, UINT8_MAX);

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP &&
	        !(optional && protocol == 0))
		rows_damaged(rows, "it is no protocol");
	return protocol;
}

static void rows_mac(struct rows *rows, uint8_t ret[MAC_SIZE])
{
	char text[MAC_TEXT_SIZE] = "";
	struct error ignored;

	rows_text(rows, text, sizeof(text));
	if (parse_mac(text, "", ret, &ignored) < 0)
		rows_damaged(rows, "it is no MAC address");
}

static unsigned rows_word(struct rows *rows, const struct words *words)
{
	const char *text = (const char *)sqlite3_column_text(rows->statement, rows->column++);

	for (unsigned i = 0; text && i < words->count; i++)
		if (strcmp(words->words[i], text) == 0)
			return i;
	rows_damaged(rows, "it is no word that netd knows");
	return 0;
}

/* The parent's key, for the statement of its children. */
static void rows_of(struct rows *rows, int position, const char *parent)
{
	if (rows->result == 0 && sqlite3_bind_text(rows->statement, position, parent, -1,
	                                 SQLITE_TRANSIENT) != SQLITE_OK)
		rows->result = store_error(rows->store, "bind", rows->err);
}

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
		if (rows.result == 0 && !cidr_contains(&subnet.cidr, &subnet.gateway))
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

		rows_cidr(&rows, &address);
		if (endpoint_address(endpoint, address.ip.family))
			rows_damaged(&rows, "the endpoint has another one of this family");
		if (endpoint->address_count == SUBNETS_MAX)
			rows_damaged(&rows, "there are too many rows");
		else
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
		return parse_ifname(tombstone->name, "", name, &ignored) == 0;
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
		if (!tombstone_complete(&tombstone))
			rows_damaged(&rows, "what its kind needs is missing");
		if (rows.result == 0 && model_put_tombstone(model, &tombstone) < 0)
			rows.result = error_memory(err);
	}
	return rows_end(&rows);
}

int store_load(struct store *store, struct model *model, struct error *err)
{
	static int (*const tables[])(struct store *, struct model *, struct error *) = {
	        load_host, load_networks, load_namespaces, load_publications, load_tombstones};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(tables) / sizeof(tables[0]); i++)
		r = tables[i](store, model, err);
	return r;
}
