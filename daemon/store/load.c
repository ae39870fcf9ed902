/*
 * Reads every object back into a model. What was written by netd fits its structs; what does not
 * fit was damaged or edited, and is refused with its place instead of being cut to size.
 *
 * SQLite's rows go one table at a time; children (subnets, endpoints, addresses) are looked up per
 * parent by key, so loading grows with the number of rows only.
 */
#include "daemon/store/internal.h"

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

static void rows_cidr(struct rows *rows, struct cidr *ret)
{
	rows_ip(rows, &ret->ip);
	ret->prefix = (uint8_t)rows_number(rows, ip_size(ret->ip.family) * 8);
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
		rows_text(&rows, host.instance, sizeof(host.instance));
		host.next_id = rows_number(&rows, INT64_MAX);
		rows_text(&rows, host.boot_id, sizeof(host.boot_id));
		if (rows.result == 0 && model_put_host(model, &host) < 0)
			rows.result = error_memory(err);
	}
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
		if (network->subnet_count == SUBNETS_MAX)
			rows_damaged(&rows, "there are too many rows");
		else
			network->subnets[network->subnet_count++] = subnet;
	}
	return rows_end(&rows);
}

static int load_networks(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_NETWORKS, "networks", err);

	while (rows_next(&rows)) {
		struct network network = {0};

		rows_text(&rows, network.name, sizeof(network.name));
		rows_text(&rows, network.id, sizeof(network.id));
		rows_text(&rows, network.driver, sizeof(network.driver));
		rows_text(&rows, network.bridge, sizeof(network.bridge));
		rows_mac(&rows, network.mac);
		network.mtu = (uint32_t)rows_number(&rows, UINT32_MAX);
		network.internal = rows_number(&rows, 1);
		if (rows.result == 0)
			rows.result = load_subnets(store, &network, err);
		if (rows.result == 0 && model_put_network(model, &network) < 0)
			rows.result = error_memory(err);
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
		if (endpoint->address_count == SUBNETS_MAX)
			rows_damaged(&rows, "there are too many rows");
		else
			endpoint->addresses[endpoint->address_count++] = address;
	}
	return rows_end(&rows);
}

/* ns->endpoints has room for NAMESPACE_ENDPOINTS_MAX. */
static int load_endpoints(struct store *store, struct namespace *ns, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_ENDPOINTS, "endpoints", err);

	rows_of(&rows, 1, ns->name);
	while (rows_next(&rows)) {
		struct endpoint endpoint = {0};
		uint64_t position;

		rows_text(&rows, endpoint.id, sizeof(endpoint.id));
		rows_text(&rows, endpoint.network, sizeof(endpoint.network));
		rows_text(&rows, endpoint.ifname, sizeof(endpoint.ifname));
		rows_text(&rows, endpoint.host_ifname, sizeof(endpoint.host_ifname));
		rows_mac(&rows, endpoint.mac);
		position = rows_number(&rows, INT64_MAX);
		if (ns->endpoint_count == NAMESPACE_ENDPOINTS_MAX)
			rows_damaged(&rows, "there are too many rows");
		if (rows.result == 0)
			rows.result = load_addresses(store, ns->name, position, &endpoint, err);
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

		rows_text(&rows, ns.name, sizeof(ns.name));
		ns.origin = (enum namespace_origin)rows_word(&rows, &store_origins);
		ns.cookie = rows_number(&rows, UINT64_MAX);
		rows_text(&rows, ns.boot_id, sizeof(ns.boot_id));
		ns.own_route = rows_number(&rows, 1);
		if (rows.result == 0)
			rows.result = load_endpoints(store, &ns, err);
		if (rows.result == 0 && model_put_namespace(model, &ns) < 0)
			rows.result = error_memory(err);
	}
	return rows_end(&rows);
}

static int load_publications(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_PUBLICATIONS, "publications", err);

	while (rows_next(&rows)) {
		struct publication publication = {0};

		rows_text(&rows, publication.id, sizeof(publication.id));
		publication.protocol = (uint8_t)rows_number(&rows, UINT8_MAX);
		rows_ip(&rows, &publication.host_ip);
		publication.host_port = (uint16_t)rows_number(&rows, UINT16_MAX);
		publication.host_port_end = (uint16_t)rows_number(&rows, UINT16_MAX);
		publication.port = (uint16_t)rows_number(&rows, UINT16_MAX);
		rows_text(&rows, publication.namespace, sizeof(publication.namespace));
		rows_text(&rows, publication.network, sizeof(publication.network));
		if (rows.result == 0 && model_put_publication(model, &publication) < 0)
			rows.result = error_memory(err);
	}
	return rows_end(&rows);
}

static int load_tombstones(struct store *store, struct model *model, struct error *err)
{
	struct rows rows = rows_start(store, STATEMENT_LOAD_TOMBSTONES, "tombstones", err);

	while (rows_next(&rows)) {
		struct tombstone tombstone = {0};

		rows_text(&rows, tombstone.id, sizeof(tombstone.id));
		tombstone.kind = (enum tombstone_kind)rows_word(&rows, &store_kinds);
		rows_text(&rows, tombstone.name, sizeof(tombstone.name));
		rows_text(&rows, tombstone.namespace, sizeof(tombstone.namespace));
		tombstone.origin = (enum namespace_origin)rows_word(&rows, &store_origins);
		rows_text(&rows, tombstone.network, sizeof(tombstone.network));
		tombstone.cookie = rows_number(&rows, UINT64_MAX);
		tombstone.protocol = (uint8_t)rows_number(&rows, UINT8_MAX);
		rows_ip(&rows, &tombstone.ip);
		tombstone.port = (uint16_t)rows_number(&rows, UINT16_MAX);
		tombstone.through = (uint16_t)rows_number(&rows, UINT16_MAX);
		tombstone.match = (enum flows_match)rows_word(&rows, &store_flows_match);
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
