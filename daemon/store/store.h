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
 * and leaves the file untouched: never a fresh start.
 */
int store_open(struct store **ret, const char *state_dir, struct error *err);
struct store *store_close(struct store *store);

/* The instance id, thirty-two hex digits. */
const char *store_instance(const struct store *store);
/* How many commits the database has seen. */
uint64_t store_generation(const struct store *store);
/* Where it is. */
const char *store_path(const struct store *store);

/* Puts every stored object into the model (host: instance and next_id). */
int store_load(struct store *store, struct model *model, struct error *err);

/*
 * Writes what the fork touched, in one transaction: TABLE_HOST (next_id), _NETWORKS, _NAMESPACES,
 * _PUBLICATIONS, _TOMBSTONES; the indexes and TABLE_INTERFACES are derived. After an error at
 * COMMIT the truth is unknown: the store closes the database, opens it again and reads which of
 * both it is (next_id tells: every commit of a change raises it); on a failure there it refuses
 * further commits. Returns 0 when the change is on disk.
 */
int store_commit(struct store *store, const struct model *fork, struct error *err);
