/*
 * One database file: opened, asked whose it is, checked, and closed. Nothing is written to a file
 * before all of that says that it is whole and netd's own, and nothing beside it is removed.
 */
#include "daemon/store/internal.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void free_statements(struct store *store)
{
	for (unsigned i = 0; i < STATEMENT_COUNT; i++) {
		sqlite3_finalize(store->statements[i]);
		store->statements[i] = NULL;
	}
}

void database_close(struct store *store)
{
	free_statements(store);
	sqlite3_close(store->db);
	store->db = NULL;
}

void database_take(struct store *store, struct store *from)
{
	database_close(store);
	store->db = TAKE_PTR(from->db);
	memcpy(store->statements, from->statements, sizeof(store->statements));
	memset(from->statements, 0, sizeof(from->statements));
	memcpy(store->instance, from->instance, sizeof(store->instance));
	store->generation = from->generation;
	store->file = from->file;
	store->log = from->log;
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

/* What a file of the database failed with last; 0 where it is not known. */
static int file_reason(sqlite3 *db, int which)
{
	sqlite3_file *file = NULL;
	int errnum = 0;

	if (sqlite3_file_control(db, "main", which, &file) == SQLITE_OK && file && file->pMethods)
		file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &errnum);
	return errnum;
}

/* sqlite3_system_errno() does not know why a COMMIT failed. */
static int system_reason(sqlite3 *db)
{
	int errnum = file_reason(db, SQLITE_FCNTL_JOURNAL_POINTER);

	if (!errnum)
		errnum = file_reason(db, SQLITE_FCNTL_FILE_POINTER);
	if (!errnum)
		errnum = sqlite3_system_errno(db);
	return errnum ? errnum : EIO;
}

static int reason(sqlite3 *db)
{
	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_READONLY:
		return EROFS;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return system_reason(db);
	default:
		return EIO;
	}
}

/* What a person can do about it. */
static const char *advice(int reason)
{
	switch (reason) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return "make room on its file system";
	case EROFS:
		return "make its file system writable";
	case ENOMEM:
		return "memory ran out";
	default:
		return "see what the kernel's log says of its disk";
	}
}

int store_error(const struct store *store, const char *step, struct error *err)
{
	int why = reason(store->db);

	switch (sqlite3_errcode(store->db) & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(err, ERROR_STORE, EBUSY, "database %s", store->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column is not there, as nobody asks for others */
	case SQLITE_CONSTRAINT:
	case SQLITE_MISMATCH:
		return store_damaged(store, err, "%s", sqlite3_errmsg(store->db));
	default:
		error_set(err, ERROR_STORE, 0, "database %s: %s: %s (%s): %s", store->path, step,
		        sqlite3_errmsg(store->db), strerror(why), advice(why));
		err->errnum = why;
		return -why;
	}
}

int database_run(struct store *store, const char *sql, const char *step, struct error *err)
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

/* An older database becomes one of this version: each step whole, or not at all. */
static int migrate(struct store *store, struct error *err)
{
	sqlite3_int64 version;
	int r = ask(store, "PRAGMA user_version", &version, err);

	for (; r == 0 && version < STORE_VERSION; version++) {
		_cleanup_(freep) char *sql = NULL;

		if (asprintf(&sql, "BEGIN IMMEDIATE; %s PRAGMA user_version=%d; COMMIT",
		            store_migrations[version - 1], (int)version + 1) < 0) {
			sql = NULL;
			return error_memory(err);
		}
		r = database_run(store, sql, "bring it to this version's form", err);
		if (r == 0)
			log_info("database %s: brought from schema %d to %d", store->path,
			        (int)version, (int)version + 1);
	}
	return r;
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

int database_open_file(struct store *store, struct error *err)
{
	int r = sqlite3_open_v2(
	        store->opened, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (r != SQLITE_OK)
		return store->db ? store_error(store, "open", err) : error_memory(err);
	/* SQLite falls back to reading by itself. */
	if (sqlite3_db_readonly(store->db, NULL)) {
		error_set(err, ERROR_STORE, 0, "database %s cannot be written to: %s", store->path,
		        advice(EROFS));
		err->errnum = EROFS;
		return -EROFS;
	}
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, store->patience);
	/* A file that turns out to be bad is not written to, not even to tidy it up. */
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return database_run(store,
	        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-256; PRAGMA mmap_size=0;"
	        "PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=OFF; PRAGMA synchronous=FULL",
	        "open", err);
}

/* --- its place --- */

static struct place place_of(const char *path)
{
	struct place place = {0};
	struct stat st;

	if (stat(path, &st) < 0) {
		place.missing = errno == ENOENT || errno == ENOTDIR;
	} else {
		place.device = st.st_dev;
		place.inode = st.st_ino;
	}
	return place;
}

/* What is opened has to be known again: by an unknown place it would be held for another file, and
 * opened once more beside itself. */
static int remember_place(
        const struct store *store, const char *path, struct place *ret, struct error *err)
{
	*ret = place_of(path);
	if (!ret->missing && ret->inode == 0)
		return error_set(
		        err, ERROR_STORE, errno, "database %s: look at %s", store->path, path);
	return 0;
}

/* Where the name cannot be looked at, the next write tells more. */
static bool is_same(const struct place *now, const struct place *before)
{
	return !now->missing &&
	       (now->inode == 0 || (now->device == before->device && now->inode == before->inode));
}

enum place_verdict database_place(const struct store *store)
{
	struct place file = place_of(store->opened), log = place_of(store->log_path);

	if (!is_same(&file, &store->file))
		return file.missing ? PLACE_MISSING : PLACE_OTHER;
	if (!is_same(&log, &store->log))
		return log.missing ? PLACE_LOG_MISSING : PLACE_LOG_OTHER;
	return PLACE_SAME;
}

int database_open(struct store *store, struct error *err)
{
	int r = database_open_file(store, err);

	if (r == 0)
		r = check_owner(store, err);
	if (r == 0)
		r = check_health(store, err);
	if (r == 0)
		r = database_run(store, "PRAGMA journal_mode=WAL", "open", err);
	if (r == 0)
		r = remember_place(store, store->opened, &store->file, err);
	if (r == 0)
		r = remember_place(store, store->log_path, &store->log, err);
	if (r == 0)
		r = migrate(store, err);
	if (r == 0)
		r = read_meta(store, err);
	if (r == 0) {
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		return 0;
	}
	database_close(store);
	return r == -EBUSY ? database_holder(store, err) : r;
}
