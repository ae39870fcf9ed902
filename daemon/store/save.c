/*
 * Writes what a fork touched. Every row of an object is replaced as a whole: an object is small,
 * and so there is no second description of how it changes.
 *
 * All of it happens inside the transaction that store_commit() opened, which also takes it back.
 */
#include "daemon/store/internal.h"

#include "daemon/model/setting.h"
#include "lib/cleanup.h"

#include <errno.h>

/* One statement being filled. The first error stays; the rest is then skipped. */
struct writer {
	struct store *store;
	struct error *err;
	sqlite3_stmt *statement;
	int position;
	int result;
};

static void start(struct writer *writer, enum statement id)
{
	if (writer->result < 0)
		return;
	writer->position = 0;
	writer->statement = store_statement(writer->store, id, writer->err);
	if (!writer->statement)
		writer->result = -EIO;
}

static void bound(struct writer *writer, int result)
{
	if (result != SQLITE_OK)
		writer->result = store_error(writer->store, "bind", writer->err);
}

/* Borrowed until finish(). */
static void text(struct writer *writer, const char *value)
{
	if (writer->result == 0)
		bound(writer, sqlite3_bind_text(writer->statement, ++writer->position, value, -1,
		                      SQLITE_STATIC));
}

/* No address (family 0) is NULL, too. */
static void address(struct writer *writer, const struct ip *ip)
{
	char buffer[IP_TEXT_SIZE];

	if (writer->result < 0)
		return;
	writer->position++;
	if (ip->family)
		bound(writer, sqlite3_bind_text(writer->statement, writer->position,
		                      ip_format(ip, buffer), -1, SQLITE_TRANSIENT));
	else
		bound(writer, sqlite3_bind_null(writer->statement, writer->position));
}

static void number(struct writer *writer, uint64_t value)
{
	if (writer->result == 0)
		bound(writer, sqlite3_bind_int64(
		                      writer->statement, ++writer->position, (sqlite3_int64)value));
}

static void finish(struct writer *writer)
{
	if (writer->result < 0)
		return;
	if (sqlite3_step(writer->statement) != SQLITE_DONE)
		writer->result = store_error(writer->store, "write", writer->err);
	sqlite3_reset(writer->statement);
}

static void drop(struct writer *writer, enum statement id, const char *key)
{
	start(writer, id);
	text(writer, key);
	finish(writer);
}

static void save_value(struct writer *writer, const char *kind, const char *owner, const char *name,
        unsigned position, const char *value)
{
	start(writer, STATEMENT_SAVE_SETTING);
	text(writer, kind);
	text(writer, owner);
	text(writer, name);
	number(writer, position);
	text(writer, value);
	finish(writer);
}

static void save_setting(struct writer *writer, const char *kind, const char *owner,
        const struct setting *setting, const void *object)
{
	_cleanup_(freep) char *value = setting_text(setting, object);
	char item[SETTING_ITEM_MAX];
	const char *rest = value;

	if (!value)
		writer->result = error_memory(writer->err);
	else if (setting->type != SETTING_LIST)
		save_value(writer, kind, owner, setting->name, 0, value);
	for (unsigned i = 0; setting->type == SETTING_LIST && setting_next_item(&rest, item); i++)
		save_value(writer, kind, owner, setting->name, i, item);
}

/* NULL: the object is gone, and all of them with it. */
static void save_settings(struct writer *writer, const char *kind, const char *owner,
        const struct settings *settings, const void *object)
{
	start(writer, STATEMENT_DROP_SETTINGS);
	text(writer, kind);
	text(writer, owner);
	finish(writer);
	for (unsigned i = 0; object && i < settings->count; i++)
		if (!setting_default(&settings->rows[i], object))
			save_setting(writer, kind, owner, &settings->rows[i], object);
}

static void save_host(struct writer *writer, const char *key, const void *object)
{
	const struct host *host = object;

	if (!host)
		return;
	start(writer, STATEMENT_SAVE_META);
	number(writer, host->next_id);
	text(writer, host->boot_id);
	finish(writer);
}

static void save_network(struct writer *writer, const char *key, const void *object)
{
	const struct network *network = object;
	char mac[MAC_TEXT_SIZE];

	drop(writer, STATEMENT_DROP_SUBNETS, key);
	save_settings(writer, "network", key, &network_settings, network);
	if (!network) {
		drop(writer, STATEMENT_DROP_NETWORK, key);
		return;
	}
	start(writer, STATEMENT_SAVE_NETWORK);
	text(writer, network->name);
	text(writer, network->id);
	text(writer, network->driver);
	text(writer, network->bridge);
	text(writer, mac_format(network->mac, mac));
	number(writer, network->link_mtu);
	finish(writer);
	for (unsigned i = 0; i < network->subnet_count; i++) {
		start(writer, STATEMENT_SAVE_SUBNET);
		text(writer, network->name);
		number(writer, i);
		address(writer, &network->subnets[i].cidr.ip);
		number(writer, network->subnets[i].cidr.prefix);
		address(writer, &network->subnets[i].gateway);
		finish(writer);
	}
}

static void save_endpoint(struct writer *writer, const struct namespace *ns, unsigned position)
{
	const struct endpoint *endpoint = &ns->endpoints[position];
	char mac[MAC_TEXT_SIZE], owner[2 * NAME_SIZE];

	start(writer, STATEMENT_SAVE_ENDPOINT);
	text(writer, ns->name);
	number(writer, position);
	text(writer, endpoint->id);
	text(writer, endpoint->network);
	text(writer, endpoint->ifname);
	text(writer, endpoint->host_ifname);
	text(writer, mac_format(endpoint->mac, mac));
	finish(writer);
	snprintf(owner, sizeof(owner), "%s/%s", ns->name, endpoint->network);
	save_settings(writer, "endpoint", owner, &endpoint_settings, endpoint);
	for (unsigned i = 0; i < endpoint->address_count; i++) {
		start(writer, STATEMENT_SAVE_ADDRESS);
		text(writer, ns->name);
		number(writer, position);
		number(writer, i);
		address(writer, &endpoint->addresses[i].ip);
		number(writer, endpoint->addresses[i].prefix);
		number(writer, endpoint->fixed[i]);
		finish(writer);
	}
}

static void save_namespace(struct writer *writer, const char *key, const void *object)
{
	const struct namespace *ns = object;

	drop(writer, STATEMENT_DROP_ADDRESSES, key);
	drop(writer, STATEMENT_DROP_ENDPOINTS, key);
	drop(writer, STATEMENT_DROP_ENDPOINT_SETTINGS, key);
	save_settings(writer, "namespace", key, &namespace_settings, ns);
	if (!ns) {
		drop(writer, STATEMENT_DROP_NAMESPACE, key);
		return;
	}
	start(writer, STATEMENT_SAVE_NAMESPACE);
	text(writer, ns->name);
	text(writer, store_origins.words[ns->origin]);
	number(writer, ns->cookie);
	text(writer, ns->boot_id);
	number(writer, (uint64_t)ns->own_route | (uint64_t)ns->own_route6 << 1);
	text(writer, ns->source ? ns->source : "");
	finish(writer);
	for (unsigned i = 0; i < ns->endpoint_count; i++)
		save_endpoint(writer, ns, i);
}

static void save_publication(struct writer *writer, const char *key, const void *object)
{
	const struct publication *publication = object;

	save_settings(writer, "publication", key, &publication_settings, publication);
	if (!publication) {
		drop(writer, STATEMENT_DROP_PUBLICATION, key);
		return;
	}
	start(writer, STATEMENT_SAVE_PUBLICATION);
	text(writer, publication->id);
	number(writer, publication->protocol);
	if (publication->host_ip.family)
		address(writer, &publication->host_ip);
	else
		text(writer, "*");
	number(writer, publication->host_port);
	number(writer, publication->host_port_end);
	number(writer, publication->port);
	text(writer, publication->namespace);
	text(writer, publication->network);
	finish(writer);
}

static void save_tombstone(struct writer *writer, const char *key, const void *object)
{
	const struct tombstone *tombstone = object;

	if (!tombstone) {
		drop(writer, STATEMENT_DROP_TOMBSTONE, key);
		return;
	}
	start(writer, STATEMENT_SAVE_TOMBSTONE);
	text(writer, tombstone->id);
	text(writer, store_kinds.words[tombstone->kind]);
	text(writer, tombstone->name);
	text(writer, tombstone->namespace);
	text(writer, store_origins.words[tombstone->origin]);
	text(writer, tombstone->network);
	number(writer, tombstone->cookie);
	number(writer, tombstone->protocol);
	address(writer, &tombstone->ip);
	number(writer, tombstone->port);
	number(writer, tombstone->through);
	text(writer, store_flows_match.words[tombstone->match]);
	number(writer, tombstone->port_end);
	number(writer, tombstone->through_end);
	text(writer, tombstone->peer);
	finish(writer);
}

static void save_link_end(struct writer *writer, const struct ns_link_end *end, char *mac)
{
	text(writer, end->namespace);
	text(writer, end->ifname);
	text(writer, mac_format(end->mac, mac));
}

static void save_link_addresses(struct writer *writer, const struct ns_link *link, unsigned side)
{
	const struct ns_link_end *end = &link->ends[side];

	for (unsigned i = 0; i < end->address_count; i++) {
		start(writer, STATEMENT_SAVE_LINK_ADDRESS);
		text(writer, link->id);
		number(writer, side);
		number(writer, i);
		address(writer, &end->addresses[i].ip);
		number(writer, end->addresses[i].prefix);
		finish(writer);
	}
}

static void save_link(struct writer *writer, const char *key, const void *object)
{
	const struct ns_link *link = object;
	char macs[2][MAC_TEXT_SIZE];

	drop(writer, STATEMENT_DROP_LINK_ADDRESSES, key);
	save_settings(writer, "link", key, &ns_link_settings, link);
	if (!link) {
		drop(writer, STATEMENT_DROP_LINK, key);
		return;
	}
	start(writer, STATEMENT_SAVE_LINK);
	text(writer, link->id);
	for (unsigned side = 0; side < 2; side++)
		save_link_end(writer, &link->ends[side], macs[side]);
	finish(writer);
	for (unsigned side = 0; side < 2; side++)
		save_link_addresses(writer, link, side);
}

static void save_moved(struct writer *writer, const char *key, const void *object)
{
	const struct moved *moved = object;

	if (!moved) {
		drop(writer, STATEMENT_DROP_MOVED, key);
		return;
	}
	start(writer, STATEMENT_SAVE_MOVED);
	text(writer, moved->name);
	text(writer, moved->namespace);
	text(writer, moved->inside);
	number(writer, (uint64_t)moved->index);
	text(writer, moved->belongings);
	finish(writer);
}

static void save_lease(struct writer *writer, const char *key, const void *object)
{
	static const int families[] = {AF_INET, AF_INET6};
	const struct lease *lease = object;
	char mac[MAC_TEXT_SIZE];

	if (!lease) {
		drop(writer, STATEMENT_DROP_LEASE, key);
		return;
	}
	start(writer, STATEMENT_SAVE_LEASE);
	text(writer, lease->id);
	number(writer, lease->number);
	text(writer, lease->network);
	text(writer, lease->namespace);
	text(writer, mac_format(lease->mac, mac));
	for (unsigned i = 0; i < 2; i++) {
		struct ip ip = {0};
		bool fixed = false;

		for (unsigned j = 0; j < lease->address_count; j++)
			if (lease->addresses[j].ip.family == families[i]) {
				ip = lease->addresses[j].ip;
				fixed = lease->addresses[j].fixed;
			}
		address(writer, &ip);
		number(writer, fixed);
	}
	finish(writer);
}

static const struct {
	enum model_table table;
	void (*save)(struct writer *writer, const char *key, const void *object);
} tables[] = {
        {TABLE_HOST, save_host},
        {TABLE_NETWORKS, save_network},
        {TABLE_NAMESPACES, save_namespace},
        {TABLE_PUBLICATIONS, save_publication},
        {TABLE_TOMBSTONES, save_tombstone},
        {TABLE_MOVED, save_moved},
        {TABLE_NS_LINKS, save_link},
        {TABLE_LEASES, save_lease},
};

int store_save(struct store *store, const struct model *fork, struct error *err)
{
	struct writer writer = {.store = store, .err = err};

	for (size_t i = 0; fork && i < sizeof(tables) / sizeof(tables[0]); i++) {
		char key[KEY_SIZE] = "";
		const void *object;

		while (writer.result == 0 &&
		        model_next_touched(fork, tables[i].table, key, &object))
			tables[i].save(&writer, key, object);
	}
	start(&writer, STATEMENT_SAVE_GENERATION);
	number(&writer, store->generation + 1);
	finish(&writer);
	return writer.result;
}
