/*
 * Opening, creating and committing. The database file is either whole or not there: a new one is
 * made beside it, and takes its name when it is complete and on disk. So an empty or foreign file
 * under that name was never made by netd, and is refused.
 *
 * A failed COMMIT leaves two possible truths, since what was written may still reach the disk. The
 * database is then closed and read again: `generation`, which every commit raises, tells which of
 * them it is.
 */
#include "daemon/store/internal.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAP_LIMIT (2 * 1024 * 1024) /* bytes; SQLite gives caches back above it */

static void free_statements(struct store *store)
{
	for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
		sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
}

static void close_database(struct store *store)
{
	free_statements(store);
	sqlite3_close(store->db);
	store->db = NULL;
}

struct store *store_close(struct store *store)
{
	if (!store)
		return NULL;
	close_database(store);
	free(store->path);
	free(store);
	return NULL;
}

static void store_closep(struct store **store)
{
	store_close(*store);
}

const char *store_instance(const struct store *store)
{
	return store->instance;
}

uint64_t store_generation(const struct store *store)
{
	return store->generation;
}

const char *store_path(const struct store *store)
{
	return store->path;
}

int store_damaged(const struct store *store, struct error *err, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	error_set(err, ERROR_STORE, 0,
	        "database %s is damaged (%s); it was left as it is: restore it from a backup, or "
	        "move it away and run `netd --cleanup` to start afresh",
	        store->path, what);
	return -EUCLEAN;
}

static int reason(sqlite3 *db)
{
	int system_reason = sqlite3_system_errno(db);

	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_READONLY:
		return EROFS;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return system_reason ? system_reason : EIO;
	default:
		return EIO;
	}
}

int store_error(const struct store *store, const char *step, struct error *err)
{
	switch (sqlite3_errcode(store->db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(err, ERROR_STORE, EBUSY,
		        "database %s: another netd uses it, and only one may; give each its own "
		        "--state-dir",
		        store->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return store_damaged(store, err, "%s", sqlite3_errmsg(store->db));
	default:
		return error_set(err, ERROR_STORE, reason(store->db), "database %s: %s: %s",
		        store->path, step, sqlite3_errmsg(store->db));
	}
}

static int run(struct store *store, const char *sql, const char *step, struct error *err)
{
	if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return store_error(store, step, err);
	return 0;
}

/* The first column of the first row, as a number; 0 where there is no row. */
static int ask(struct store *store, const char *sql, sqlite3_int64 *ret, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int r = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	*ret = r == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
	r = r == SQLITE_ROW || r == SQLITE_DONE ? 0 : store_error(store, "read", err);
	sqlite3_finalize(statement);
	return r;
}

static int check_health(struct store *store, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	const char *verdict;
	int r = sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_step(statement);
	if (r != SQLITE_ROW) {
		r = store_error(store, "check", err);
	} else {
		verdict = (const char *)sqlite3_column_text(statement, 0);
		r = verdict && strcmp(verdict, "ok") == 0
		            ? 0
		            : store_damaged(store, err, "%s", verdict ? verdict : "unreadable");
	}
	sqlite3_finalize(statement);
	return r;
}

/* Whose it is, and of which version. The first question also takes the lock. */
static int check_owner(struct store *store, struct error *err)
{
	sqlite3_int64 version, application;
	int r = ask(store, "PRAGMA user_version", &version, err);

	if (r == 0)
		r = ask(store, "PRAGMA application_id", &application, err);
	if (r < 0)
		return r;
	if (application != STORE_APPLICATION_ID || version < 1)
		return store_damaged(store, err, "it does not bear netd's mark");
	if (version > STORE_VERSION)
		return error_set(err, ERROR_STORE, EPROTO,
		        "database %s was written by a newer netd (schema %lld, this one knows %d); "
		        "it "
		        "was left as it is: install the newer netd again, or restore a backup",
		        store->path, (long long)version, STORE_VERSION);
	return 0;
}

static int read_meta(struct store *store, struct error *err)
{
	sqlite3_stmt *statement = store_statement(store, STATEMENT_LOAD_META, err);
	const char *instance;
	int r;

	if (!statement)
		return -EIO;
	r = sqlite3_step(statement);
	instance = r == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
	if (r != SQLITE_ROW && r != SQLITE_DONE)
		r = store_error(store, "read", err);
	else if (!instance || strlen(instance) != INSTANCE_SIZE - 1)
		r = store_damaged(store, err, "its instance id is missing");
	else
		r = 0;
	if (r == 0) {
		memcpy(store->instance, instance, INSTANCE_SIZE);
		store->generation = (uint64_t)sqlite3_column_int64(statement, 3);
	}
	sqlite3_reset(statement);
	return r;
}

static int open_file(struct store *store, const char *path, struct error *err)
{
	int r = sqlite3_open_v2(
	        path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (r != SQLITE_OK)
		return store->db ? store_error(store, "open", err) : error_memory(err);
	/* SQLite falls back to reading by itself. */
	if (sqlite3_db_readonly(store->db, NULL))
		return error_set(err, ERROR_STORE, EROFS, "database %s: open for writing", path);
	sqlite3_extended_result_codes(store->db, 1);
	/* A file that turns out to be bad is not written to, not even to tidy it up. */
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return run(store,
	        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-256; PRAGMA mmap_size=0;"
	        "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF; PRAGMA synchronous=FULL",
	        "open", err);
}

static int open_database(struct store *store, struct error *err)
{
	int r = open_file(store, store->path, err);

	if (r == 0)
		r = check_owner(store, err);
	if (r == 0)
		r = check_health(store, err);
	if (r == 0)
		r = read_meta(store, err);
	if (r == 0)
		r = run(store, "PRAGMA journal_mode=WAL", "open", err);
	if (r == 0)
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	else
		close_database(store);
	return r;
}

/* --- creating --- */

static int new_instance(char ret[INSTANCE_SIZE], struct error *err)
{
	uint8_t bytes[(INSTANCE_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_set(err, ERROR_KERNEL, errno, "draw an instance id");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int fill(struct store *store, const char *path, struct error *err)
{
	char instance[INSTANCE_SIZE];
	_cleanup_(freep) char *sql = NULL;
	int r = new_instance(instance, err);

	if (r == 0 && asprintf(&sql,
	                      "BEGIN; %s INSERT INTO meta VALUES (1, '%s', 1, '', 0);"
	                      "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT;"
	                      "PRAGMA journal_mode=WAL",
	                      store_schema, instance, STORE_APPLICATION_ID, STORE_VERSION) < 0) {
		sql = NULL;
		r = error_memory(err);
	}
	if (r == 0)
		r = open_file(store, path, err);
	if (r == 0)
		r = run(store, sql, "create", err);
	if (r == 0)
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	close_database(store);
	return r;
}

static int sync_directory(int directory, const char *state_dir, struct error *err)
{
	if (fsync(directory) < 0)
		return error_set(err, ERROR_STORE, errno, "state directory %s: sync", state_dir);
	return 0;
}

/* Makes the file complete under another name, so that a crash leaves no half of it behind. */
static int create(struct store *store, int directory, const char *state_dir, struct error *err)
{
	static const char *const leftovers[] = {
	        "netd.db.new", "netd.db.new-wal", "netd.db.new-journal"};
	_cleanup_(freep) char *path = NULL;
	int fd, r;

	/* Such a log would be replayed into the new database. */
	if (faccessat(directory, "netd.db-wal", F_OK, 0) == 0)
		return error_set(err, ERROR_STORE, ENOENT,
		        "database %s is gone, but its log netd.db-wal is there: restore the "
		        "database from a backup, or remove the log, too, to start afresh",
		        store->path);
	if (asprintf(&path, "%s.new", store->path) < 0) {
		path = NULL;
		return error_memory(err);
	}
	for (size_t i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++)
		unlinkat(directory, leftovers[i], 0);
	fd = openat(directory, "netd.db.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(err, ERROR_STORE, errno, "create database %s", path);
	close(fd);
	r = fill(store, path, err);
	if (r == 0 &&
	        renameat2(directory, "netd.db.new", directory, "netd.db", RENAME_NOREPLACE) < 0)
		r = error_set(err, ERROR_STORE, errno, "create database %s", store->path);
	return r == 0 ? sync_directory(directory, state_dir, err) : r;
}

static int open_directory(const char *state_dir, int *ret, struct error *err)
{
	int fd;

	if (mkdir(state_dir, 0700) < 0 && errno != EEXIST)
		return error_set(err, ERROR_STORE, errno, "create state directory %s", state_dir);
	fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, ERROR_STORE, errno, "open state directory %s", state_dir);
	*ret = fd;
	return 0;
}

int store_open(struct store **ret, const char *state_dir, struct error *err)
{
	_cleanup_(store_closep) struct store *store = calloc(1, sizeof(*store));
	_cleanup_(closep) int directory = -1;
	int r;

	if (!store)
		return error_memory(err);
	if (asprintf(&store->path, "%s/netd.db", state_dir) < 0) {
		store->path = NULL;
		return error_memory(err);
	}
	r = open_directory(state_dir, &directory, err);
	if (r < 0)
		return r;
	sqlite3_soft_heap_limit64(HEAP_LIMIT);
	if (faccessat(directory, "netd.db", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		r = create(store, directory, state_dir, err);
		if (r < 0)
			return r;
	}
	r = open_database(store, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(store);
	return 0;
}

/* --- committing --- */

/* Runs BEGIN, COMMIT or ROLLBACK. */
static int turn(struct store *store, enum statement id, const char *step, struct error *err)
{
	sqlite3_stmt *statement = store_statement(store, id, err);
	int r;

	if (!statement)
		return -EIO;
	r = sqlite3_step(statement) == SQLITE_DONE ? 0 : store_error(store, step, err);
	sqlite3_reset(statement);
	return r;
}

/*
 * Finds out what a failed COMMIT has left. Where it reads as done after all, that may be true in
 * memory only, if syncing was what failed: a checkpoint writes it once more, to another place, and
 * syncs that. Returns 0 if the change is on disk, else `failed`; *err then stays the commit's own,
 * unless the truth cannot be found.
 */
static int settle(struct store *store, int failed, struct error *err)
{
	uint64_t generation = store->generation;
	struct error why;
	int r;

	close_database(store);
	r = open_database(store, &why);
	if (r == 0 && store->generation == generation)
		return failed;
	if (r == 0)
		r = run(store, "PRAGMA wal_checkpoint(TRUNCATE)", "checkpoint", &why);
	if (r == 0 && store->generation == generation + 1)
		return 0;
	close_database(store);
	error_context(err,
	        "what is on disk is unknown (%s), so changes are refused until netd is restarted",
	        r < 0 ? why.text : "it was changed by someone else");
	return failed;
}

int store_commit(struct store *store, const struct model *fork, struct error *err)
{
	struct error ignored;
	int r;

	if (!store->db)
		return error_set(err, ERROR_STORE, EIO,
		        "database %s failed earlier, and what is on disk is unknown: changes are "
		        "refused until netd is restarted",
		        store->path);
	r = turn(store, STATEMENT_BEGIN, "begin", err);
	if (r < 0)
		return r;
	r = store_save(store, fork, err);
	if (r < 0) {
		/* SQLite may have rolled back by itself already. */
		if (!sqlite3_get_autocommit(store->db))
			turn(store, STATEMENT_ROLLBACK, "roll back", &ignored);
		return r;
	}
	r = turn(store, STATEMENT_COMMIT, "commit", err);
	if (r < 0)
		return settle(store, r, err);
	store->generation++;
	return 0;
}
