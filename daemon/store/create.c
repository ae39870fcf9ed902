/*
 * Makes a new database. The file is either whole or not there: it is made beside its name, and
 * takes it when it is complete and on disk. So an empty or foreign file under that name was never
 * made by netd, and is refused.
 */
#include "daemon/store/internal.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int new_instance(char ret[INSTANCE_SIZE], struct error *err)
{
	uint8_t bytes[(INSTANCE_SIZE - 1) / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return error_set(err, ERROR_KERNEL, errno, "draw an instance id");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static int fill(char *path, struct error *err)
{
	struct store store = {.path = path, .opened = path};
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
		r = database_open_file(&store, err);
	if (r == 0)
		r = database_run(&store, sql, "create", err);
	if (r == 0)
		sqlite3_db_config(store.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	database_close(&store);
	return r;
}

static int sync_directory(int directory, const char *state_dir, struct error *err)
{
	if (fsync(directory) < 0)
		return error_set(err, ERROR_STORE, errno, "state directory %s: sync", state_dir);
	return 0;
}

int database_create(
        const struct store *store, int directory, const char *state_dir, struct error *err)
{
	static const char *const leftovers[] = {
	        "netd.db.new", "netd.db.new-wal", "netd.db.new-journal"};
	_cleanup_(freep) char *path = NULL;
	struct stat st;
	int fd, r;

	/* Such a log would be replayed into the new database. */
	if (fstatat(directory, "netd.db-wal", &st, 0) == 0 && st.st_size > 0)
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
	r = fill(path, err);
	if (r == 0 &&
	        renameat2(directory, "netd.db.new", directory, "netd.db", RENAME_NOREPLACE) < 0)
		r = error_set(err, ERROR_STORE, errno, "create database %s", store->path);
	return r == 0 ? sync_directory(directory, state_dir, err) : r;
}
