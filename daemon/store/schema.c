/*
 * The tables, and every statement that reads or writes them, side by side so that columns can be
 * compared.
 *
 * Addresses are text, so that `sqlite3 netd.db` shows a person what netd believes. A 64-bit cookie
 * is stored as the signed integer of the same bits. Tables are STRICT: SQLite itself refuses a text
 * where a number belongs.
 */
#include "daemon/store/internal.h"

/* What users set: `object` is the kind of the object, `owner` its name (NAMESPACE/NETWORK for an
 * endpoint), `position` counts the items of a list. */
#define SETTINGS                                                                                   \
	"CREATE TABLE settings (object TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,"    \
	" position INTEGER NOT NULL, value TEXT NOT NULL,"                                         \
	" PRIMARY KEY (object, owner, name, position)) STRICT, WITHOUT ROWID;"

#define MOVED                                                                                      \
	"CREATE TABLE moved (name TEXT PRIMARY KEY, namespace TEXT NOT NULL, inside TEXT NOT "     \
	"NULL, number INTEGER NOT NULL, belongings TEXT NOT NULL) STRICT, WITHOUT ROWID;"

/* What is remembered of endpoints that are gone; `fixed`: the address was asked for. */
#define LEASES                                                                                     \
	"CREATE TABLE leases (id TEXT PRIMARY KEY, number INTEGER NOT NULL,"                       \
	" network TEXT NOT NULL, namespace TEXT NOT NULL, mac TEXT NOT NULL, ip4 TEXT,"            \
	" fixed4 INTEGER NOT NULL, ip6 TEXT, fixed6 INTEGER NOT NULL) STRICT, WITHOUT ROWID;"

/* Links between namespaces: both ends in one row. */
#define LINKS                                                                                      \
	"CREATE TABLE links (id TEXT PRIMARY KEY, namespace TEXT NOT NULL, ifname TEXT NOT NULL,"  \
	" mac TEXT NOT NULL, peer TEXT NOT NULL, peer_ifname TEXT NOT NULL,"                       \
	" peer_mac TEXT NOT NULL) STRICT, WITHOUT ROWID;"                                          \
	"CREATE TABLE link_addresses (link TEXT NOT NULL, side INTEGER NOT NULL,"                  \
	" position INTEGER NOT NULL, address TEXT NOT NULL, prefix INTEGER NOT NULL,"              \
	" PRIMARY KEY (link, side, position)) STRICT, WITHOUT ROWID;"

const char store_schema[] =
        "CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), instance TEXT NOT NULL,"
        " next_id INTEGER NOT NULL, boot_id TEXT NOT NULL, generation INTEGER NOT NULL) STRICT;"

        "CREATE TABLE networks (name TEXT PRIMARY KEY, id TEXT NOT NULL, driver TEXT NOT NULL,"
        " bridge TEXT NOT NULL, mac TEXT NOT NULL, mtu INTEGER NOT NULL)"
        " STRICT, WITHOUT ROWID;"

        "CREATE TABLE subnets (network TEXT NOT NULL, position INTEGER NOT NULL, address TEXT NOT "
        "NULL,"
        " prefix INTEGER NOT NULL, gateway TEXT, PRIMARY KEY (network, position))"
        " STRICT, WITHOUT ROWID;"

        "CREATE TABLE namespaces (name TEXT PRIMARY KEY, origin TEXT NOT NULL, cookie INTEGER NOT "
        "NULL,"
        " boot_id TEXT NOT NULL, own_route INTEGER NOT NULL, source TEXT NOT NULL DEFAULT '')"
        " STRICT, WITHOUT ROWID;"

        "CREATE TABLE endpoints (namespace TEXT NOT NULL, position INTEGER NOT NULL, id TEXT NOT "
        "NULL,"
        " network TEXT NOT NULL, ifname TEXT NOT NULL, host_ifname TEXT NOT NULL, mac TEXT NOT "
        "NULL,"
        " PRIMARY KEY (namespace, position)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE endpoint_addresses (namespace TEXT NOT NULL, endpoint INTEGER NOT NULL,"
        " position INTEGER NOT NULL, address TEXT NOT NULL, prefix INTEGER NOT NULL,"
        " fixed INTEGER NOT NULL DEFAULT 0,"
        " PRIMARY KEY (namespace, endpoint, position)) STRICT, WITHOUT ROWID;"

        "CREATE TABLE publications (id TEXT PRIMARY KEY, protocol INTEGER NOT NULL,"
        " host_ip TEXT NOT NULL, host_port INTEGER NOT NULL, host_port_end INTEGER NOT NULL,"
        " port INTEGER NOT NULL, namespace TEXT NOT NULL, network TEXT NOT NULL)"
        " STRICT, WITHOUT ROWID;"

        MOVED

        "CREATE TABLE tombstones (id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
        " namespace TEXT NOT NULL, origin TEXT NOT NULL, network TEXT NOT NULL,"
        " cookie INTEGER NOT NULL, protocol INTEGER NOT NULL, ip TEXT, port INTEGER NOT NULL,"
        " through INTEGER NOT NULL, match TEXT NOT NULL,"
        " port_end INTEGER NOT NULL DEFAULT 0, through_end INTEGER NOT NULL DEFAULT 0,"
        " peer TEXT NOT NULL DEFAULT '')"
        " STRICT, WITHOUT ROWID;"

        SETTINGS LEASES LINKS;

/* Nothing changes for a network that was made before: its MTU is what it was. A publication without
 * an address was on every IPv4 address, as there was no other family. */
const char *const store_migrations[] = {
        SETTINGS
        "INSERT INTO settings SELECT 'network', name, 'mtu', 0, mtu FROM networks;"
        "INSERT INTO settings SELECT 'network', name, 'internal', 0, 'yes' FROM networks"
        " WHERE internal = 1;"
        "ALTER TABLE networks DROP COLUMN internal;"
        "UPDATE publications SET host_ip = '*' WHERE host_ip = '0.0.0.0';"
        "ALTER TABLE tombstones ADD COLUMN port_end INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE tombstones ADD COLUMN through_end INTEGER NOT NULL DEFAULT 0;"
        "UPDATE tombstones SET port_end = port, through_end = through;"
        "ALTER TABLE namespaces ADD COLUMN source TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE endpoint_addresses ADD COLUMN fixed INTEGER NOT NULL DEFAULT 0;" LEASES MOVED,
        "ALTER TABLE tombstones ADD COLUMN peer TEXT NOT NULL DEFAULT '';" LINKS,
};

const char *const store_statements[STATEMENT_COUNT] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_SAVE_META] = "UPDATE meta SET next_id = ?, boot_id = ?",
        [STATEMENT_SAVE_GENERATION] = "UPDATE meta SET generation = ?",
        [STATEMENT_SAVE_NETWORK] = "INSERT OR REPLACE INTO networks"
                                   " (name, id, driver, bridge, mac, mtu)"
                                   " VALUES (?, ?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_SETTING] = "INSERT INTO settings (object, owner, name, position, value)"
                                   " VALUES (?, ?, ?, ?, ?)",
        [STATEMENT_DROP_SETTINGS] = "DELETE FROM settings WHERE object = ? AND owner = ?",
        [STATEMENT_DROP_ENDPOINT_SETTINGS] = /* '0' follows '/': all owners NAMESPACE/... */
        "DELETE FROM settings WHERE object = 'endpoint' AND owner > ?1 || '/'"
        " AND owner < ?1 || '0'",
        [STATEMENT_SAVE_SUBNET] =
                "INSERT INTO subnets (network, position, address, prefix, gateway)"
                " VALUES (?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_NAMESPACE] = "INSERT OR REPLACE INTO namespaces"
                                     " (name, origin, cookie, boot_id, own_route, source)"
                                     " VALUES (?, ?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_ENDPOINT] = "INSERT INTO endpoints"
                                    " (namespace, position, id, network, ifname, host_ifname, mac)"
                                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_ADDRESS] = "INSERT INTO endpoint_addresses"
                                   " (namespace, endpoint, position, address, prefix, fixed)"
                                   " VALUES (?, ?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_PUBLICATION] = "INSERT OR REPLACE INTO publications (id, protocol, host_ip,"
                                       " host_port, host_port_end, port, namespace, network)"
                                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_TOMBSTONE] = "INSERT OR REPLACE INTO tombstones (id, kind, name, namespace,"
                                     " origin, network, cookie, protocol, ip, port, through, match,"
                                     " port_end, through_end, peer)"
                                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_MOVED] =
                "INSERT OR REPLACE INTO moved (name, namespace, inside, number, belongings)"
                " VALUES (?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_LINK] = "INSERT OR REPLACE INTO links (id, namespace, ifname, mac, peer,"
                                " peer_ifname, peer_mac) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_SAVE_LINK_ADDRESS] =
                "INSERT INTO link_addresses (link, side, position, address, prefix)"
                " VALUES (?, ?, ?, ?, ?)",
        [STATEMENT_DROP_LINK] = "DELETE FROM links WHERE id = ?",
        [STATEMENT_DROP_LINK_ADDRESSES] = "DELETE FROM link_addresses WHERE link = ?",
        [STATEMENT_LOAD_LINKS] =
                "SELECT id, namespace, ifname, mac, peer, peer_ifname, peer_mac FROM links",
        [STATEMENT_LOAD_LINK_ADDRESSES] = "SELECT side, address, prefix FROM link_addresses"
                                          " WHERE link = ? ORDER BY side, position",
        [STATEMENT_DROP_MOVED] = "DELETE FROM moved WHERE name = ?",
        [STATEMENT_LOAD_MOVED] = "SELECT name, namespace, inside, number, belongings FROM moved",
        [STATEMENT_DROP_NETWORK] = "DELETE FROM networks WHERE name = ?",
        [STATEMENT_DROP_SUBNETS] = "DELETE FROM subnets WHERE network = ?",
        [STATEMENT_DROP_NAMESPACE] = "DELETE FROM namespaces WHERE name = ?",
        [STATEMENT_DROP_ENDPOINTS] = "DELETE FROM endpoints WHERE namespace = ?",
        [STATEMENT_DROP_ADDRESSES] = "DELETE FROM endpoint_addresses WHERE namespace = ?",
        [STATEMENT_DROP_PUBLICATION] = "DELETE FROM publications WHERE id = ?",
        [STATEMENT_SAVE_LEASE] = "INSERT OR REPLACE INTO leases (id, number, network, namespace,"
                                 " mac, ip4, fixed4, ip6, fixed6)"
                                 " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [STATEMENT_DROP_LEASE] = "DELETE FROM leases WHERE id = ?",
        [STATEMENT_LOAD_LEASES] = "SELECT id, number, network, namespace, mac, ip4, fixed4, ip6,"
                                  " fixed6 FROM leases",
        [STATEMENT_DROP_TOMBSTONE] = "DELETE FROM tombstones WHERE id = ?",
        [STATEMENT_LOAD_META] = "SELECT instance, next_id, boot_id, generation FROM meta",
        [STATEMENT_LOAD_NETWORKS] = "SELECT name, id, driver, bridge, mac, mtu FROM networks",
        [STATEMENT_LOAD_SETTINGS] = "SELECT name, value FROM settings WHERE object = ? AND owner ="
                                    " ? ORDER BY name, position",
        [STATEMENT_LOAD_SUBNETS] = "SELECT address, prefix, gateway FROM subnets"
                                   " WHERE network = ? ORDER BY position",
        [STATEMENT_LOAD_NAMESPACES] =
                "SELECT name, origin, cookie, boot_id, own_route, source FROM namespaces",
        [STATEMENT_LOAD_ENDPOINTS] = "SELECT id, network, ifname, host_ifname, mac, position"
                                     " FROM endpoints WHERE namespace = ? ORDER BY position",
        [STATEMENT_LOAD_ADDRESSES] = "SELECT address, prefix, fixed FROM endpoint_addresses"
                                     " WHERE namespace = ? AND endpoint = ? ORDER BY position",
        [STATEMENT_LOAD_PUBLICATIONS] =
                "SELECT id, protocol, host_ip, host_port, host_port_end, port,"
                " namespace, network FROM publications",
        [STATEMENT_LOAD_TOMBSTONES] = "SELECT id, kind, name, namespace, origin, network, cookie,"
                                      " protocol, ip, port, through, match, port_end, through_end,"
                                      " peer"
                                      " FROM tombstones",
};

const struct words store_origins = {(const char *const[]){"created", "adopted", "attached"}, 3};
const struct words store_kinds = {(const char *const[]){"link", "netns", "flows"}, 3};
const struct words store_flows_match = {(const char *const[]){"reply-source", "original-local"}, 2};

sqlite3_stmt *store_statement(struct store *store, enum statement id, struct error *err)
{
	sqlite3_stmt **statement = &store->statements[id];

	if (!*statement && sqlite3_prepare_v3(store->db, store_statements[id], -1,
	                           SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK) {
		store_error(store, "prepare", err);
		return NULL;
	}
	return *statement;
}
