/*
 * Opening and committing, and what happens when that fails.
 *
 * A failed COMMIT leaves two possible truths, since what was written may still reach the disk. The
 * database is then closed and read again: `generation`, which every commit raises, tells which of
 * them it is. Where even that fails, the store stays closed, and store_recover() tries it later: a
 * store is never written to before it has read what it is to continue.
 */
#include "daemon/store/internal.h"

#include "lib/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAP_LIMIT  (2 * 1024 * 1024) /* bytes; SQLite gives caches back above it */
#define PATIENCE_MS 3000              /* for another process's lock, at a start */

/* Closes it without touching what bears its names now, where that is something else: SQLite removes
 * the log by its name. */
static void leave_database(struct store *store)
{
	if (store->db && database_place(store) != PLACE_SAME)
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	database_close(store);
	store->copy = false;
}

struct store *store_close(struct store *store)
{
	if (!store)
		return NULL;
	leave_database(store);
	free(store->path);
	free(store->log_path);
	free(store->scratch_dir);
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

const struct error *store_refused(const struct store *store)
{
	return store->db && !store->copy ? NULL : &store->refused;
}

/* --- opening --- */

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

static struct store *store_new(const char *state_dir, const char *scratch_dir)
{
	_cleanup_(store_closep) struct store *store = calloc(1, sizeof(*store));

	if (!store)
		return NULL;
	if (asprintf(&store->path, "%s/netd.db", state_dir) < 0)
		store->path = NULL;
	if (asprintf(&store->log_path, "%s/netd.db-wal", state_dir) < 0)
		store->log_path = NULL;
	store->scratch_dir = strdup(scratch_dir);
	store->opened = store->path;
	return store->path && store->log_path && store->scratch_dir ? TAKE_PTR(store) : NULL;
}

/* A copy helps only where the database is good, and it is writing that fails. */
static int open_or_copy(struct store *store, struct error *err)
{
	struct error copy_err;
	int r;

	store->patience = PATIENCE_MS;
	r = database_open(store, err);
	store->patience = 0;
	if (r == 0 || r == -EUCLEAN || r == -EPROTO || r == -EBUSY || r == -ENOMEM)
		return r;
	store->refused = *err;
	r = database_open_copy(store, &copy_err);
	if (r < 0)
		*err = copy_err;
	return r;
}

int store_open(
        struct store **ret, const char *state_dir, const char *scratch_dir, struct error *err)
{
	_cleanup_(store_closep) struct store *store = store_new(state_dir, scratch_dir);
	_cleanup_(closep) int directory = -1;
	int r;

	if (!store)
		return error_memory(err);
	r = open_directory(state_dir, &directory, err);
	if (r < 0)
		return r;
	sqlite3_soft_heap_limit64(HEAP_LIMIT);
	if (faccessat(directory, "netd.db", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
		r = database_create(store, directory, state_dir, err);
		if (r < 0)
			return error_context(err, "netd cannot start without a database");
	}
	r = open_or_copy(store, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(store);
	return 0;
}

/* --- coming back --- */

/*
 * Opens what bears the name now, if it is what was open before, or what an unknown commit made of
 * that. This may be true in memory only, if syncing was what failed: a checkpoint writes it once
 * more, to another place, and syncs that.
 */
static int reopen(struct store *store, struct error *err)
{
	struct store now = {
	        .path = store->path, .opened = store->opened, .log_path = store->log_path};
	bool landed;
	int r = database_open(&now, err);

	if (r < 0)
		return r;
	landed = store->unknown && now.generation == store->generation + 1;
	if (strcmp(now.instance, store->instance) != 0 ||
	        (now.generation != store->generation && !landed))
		r = error_set(err, ERROR_STORE, 0,
		        "database %s was changed by someone else while netd runs (it has seen "
		        "%llu "
		        "changes, not %llu): put back what was there, or restart netd to make the "
		        "host what this one says",
		        store->path, (unsigned long long)now.generation,
		        (unsigned long long)store->generation);
	if (r == 0 && landed)
		r = database_run(&now, "PRAGMA wal_checkpoint(TRUNCATE)", "checkpoint", err);
	if (r < 0) {
		sqlite3_db_config(now.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		database_close(&now);
		return r;
	}
	leave_database(store);
	database_take(store, &now);
	store->unknown = false;
	return 0;
}

/* The descriptor of a file that has no name any more; -1 where there is none. */
static int descriptor_of(const struct place *place)
{
	_cleanup_(closedirp) DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fstat(fd, &st) == 0 && st.st_dev == place->device &&
		        st.st_ino == place->inode)
			return fd;
	}
	return -1;
}

static int empty_log(struct store *store, struct error *err)
{
	return database_run(store, "PRAGMA wal_checkpoint(TRUNCATE)", "checkpoint", err);
}

/* What is still open is made whole by itself. */
static int missing(struct store *store, struct error *err)
{
	int fd = descriptor_of(&store->file);
	int r = empty_log(store, err);

	if (r < 0)
		return r;
	return error_set(err, ERROR_STORE, 0,
	        "database %s was removed while netd runs, and is lost when netd stops: put it "
	        "back, "
	        "or let netd's own copy take its place: cp /proc/%d/fd/%d %s",
	        store->path, (int)getpid(), fd, store->path);
}

/* The log still belongs to the file that is open: to another it would bring what is not its own. */
static int replaced(struct store *store, struct error *err)
{
	int r = empty_log(store, err);

	return r == 0 ? reopen(store, err) : r;
}

static int log_missing(struct store *store, struct error *err)
{
	int r = empty_log(store, err);

	if (r < 0)
		return r;
	leave_database(store);
	r = reopen(store, err);
	if (r < 0)
		store->refused = *err;
	return r;
}

/* What is open must be what bears the names: else a change would be lost with the next start. */
static int return_to_place(struct store *store, struct error *err)
{
	switch (database_place(store)) {
	case PLACE_SAME:
		return 0;
	case PLACE_MISSING:
		return missing(store, err);
	case PLACE_OTHER:
		return replaced(store, err);
	case PLACE_LOG_MISSING:
		return log_missing(store, err);
	case PLACE_LOG_OTHER:
		return error_set(err, ERROR_STORE, 0,
		        "database %s: its log was replaced by another while netd runs: remove %s",
		        store->path, store->log_path);
	}
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

/* Finds out what a failed COMMIT has left. Returns 0 if the change is on disk, else `failed`; *err
 * then stays the commit's own, unless the truth cannot be found. */
static int settle(struct store *store, int failed, struct error *err)
{
	uint64_t before = store->generation;
	struct error why;

	store->unknown = true;
	leave_database(store);
	if (reopen(store, &why) == 0)
		return store->generation == before ? failed : 0;
	store->refused = why;
	return error_context(err, "what is on disk is unknown (%s)", why.text);
}

static int commit(struct store *store, const struct model *fork, struct error *err)
{
	struct error ignored;
	int r = turn(store, STATEMENT_BEGIN, "begin", err);

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

int store_commit(struct store *store, const struct model *fork, struct error *err)
{
	const struct error *refused = store_refused(store);
	int r;

	if (refused) {
		*err = *refused;
		return err->errnum ? -err->errnum : -EINVAL;
	}
	r = return_to_place(store, err);
	return r == 0 ? commit(store, fork, err) : r;
}

int store_recover(struct store *store, struct error *err)
{
	uint64_t known = store->generation;
	int r = store_refused(store) ? reopen(store, err) : return_to_place(store, err);

	if (r < 0)
		return r;
	store->landed |= store->generation > known;
	/* Whether it can be written to is only known by writing. */
	r = commit(store, NULL, err);
	if (r == 0 && store->landed) {
		store->landed = false;
		r = 1;
	}
	return r;
}
