/*
 * The database: SQLite, WAL, synchronous=FULL, locked exclusively. One commit holds all of a
 * change, or nothing of it.
 */
#pragma once

#include "daemon/model/model.h"

struct store;

/*
 * Opens DIR/netd.db, or creates it (with a new instance id, and its directory synced). A database
 * that is damaged, newer than this program, or locked by another process is an error that says so
 * and leaves the file untouched: never a fresh start. One that can be read but not written to (a
 * read-only or full file system) is opened all the same, as a copy in SCRATCH_DIR that
 * has no name any more when this returns; store_refused() then says why.
 */
int store_open(
        struct store **ret, const char *state_dir, const char *scratch_dir, struct error *err);
struct store *store_close(struct store *store);

/* The instance id, thirty-two hex digits. */
const char *store_instance(const struct store *store);

/* Puts every stored object into the model (host: instance and next_id). */
int store_load(struct store *store, struct model *model, struct error *err);

/* Why the database is not open for writing; NULL where it is. It may still refuse what is written.
 */
const struct error *store_refused(const struct store *store);

/*
 * Writes what the fork touched, in one transaction: TABLE_HOST (next_id, boot_id), _NETWORKS,
 * _NAMESPACES, _PUBLICATIONS, _TOMBSTONES; the indexes and TABLE_INTERFACES are derived. Returns 0
 * when the change is on disk. After an error at COMMIT the truth is unknown: the store closes the
 * database, opens it again and reads which of both it is; if that fails, too, *err says that it is
 * unknown, and only store_recover() finds out. Nothing is written to a file that does not bear the
 * database's name any more.
 */
int store_commit(struct store *store, const struct model *fork, struct error *err);

/*
 * Makes a store that refused a commit work again, if that is possible now: opens it where it is
 * closed, or where its file was replaced by an equal one, and commits a change of nothing. Then it
 * takes commits. Returns 1 where an unknown commit turned out to have reached the disk, so that
 * store_load() tells more than was known; else 0.
 */
int store_recover(struct store *store, struct error *err);
