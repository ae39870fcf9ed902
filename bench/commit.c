/*
 * The commit's own cost. A change of netd writes a row or two to each of a few small tables; in
 * the write-ahead log that is one page for each table, and one sync for all. So that is what is
 * done here, with no netd in it: the same pages, the same sync, in the same directory.
 */
#include "bench/commit.h"

#include "bench/fatal.h"

#include <sqlite3.h>
#include <stdio.h>

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fatal("SQLite: %s: %s", sql, sqlite3_errmsg(db));
}

struct sqlite3 *commit_open(const char *directory)
{
	char path[4096], sql[128];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/commit.db", directory);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		fatal("open %s", path);
	run(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
	for (unsigned i = 0; i < COMMIT_PAGES_MAX; i++) {
		snprintf(sql, sizeof(sql),
		        "CREATE TABLE t%u (id TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID", i);
		run(db, sql);
	}
	return db;
}

void commit_run(struct sqlite3 *db, unsigned pages)
{
	static unsigned number;
	char sql[COMMIT_PAGES_MAX * 192];
	int used = snprintf(sql, sizeof(sql), "BEGIN IMMEDIATE;");

	number++;
	for (unsigned i = 0; i < pages && i < COMMIT_PAGES_MAX; i++)
		used += snprintf(sql + used, sizeof(sql) - (size_t)used,
		        "INSERT OR REPLACE INTO t%u VALUES ('%08x', '%080x');", i, number % 64,
		        number);
	snprintf(sql + used, sizeof(sql) - (size_t)used, "COMMIT");
	run(db, sql);
}
