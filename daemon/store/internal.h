/* What the files of store/ share: the open database, its statements, and words for enums. */
#pragma once

#include "daemon/store/store.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#define STORE_VERSION        3          /* of the schema, in user_version */
#define STORE_APPLICATION_ID 0x6e657464 /* "netd", in application_id */

/* The tables of STORE_VERSION, without any row. */
extern const char store_schema[];
/* What makes a database of version N + 1 one of version N + 2, as [N]. */
extern const char *const store_migrations[STORE_VERSION - 1];

enum statement {
	/* saving */
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ROLLBACK,
	STATEMENT_SAVE_META,
	STATEMENT_SAVE_GENERATION,
	STATEMENT_SAVE_NETWORK,
	STATEMENT_SAVE_SUBNET,
	STATEMENT_SAVE_NAMESPACE,
	STATEMENT_SAVE_ENDPOINT,
	STATEMENT_SAVE_ADDRESS,
	STATEMENT_SAVE_PUBLICATION,
	STATEMENT_SAVE_TOMBSTONE,
	STATEMENT_SAVE_LEASE,
	STATEMENT_SAVE_SETTING,
	STATEMENT_SAVE_MOVED,
	STATEMENT_SAVE_LINK,
	STATEMENT_SAVE_LINK_ADDRESS,
	STATEMENT_DROP_NETWORK,
	STATEMENT_DROP_MOVED,
	STATEMENT_DROP_LINK,
	STATEMENT_DROP_LINK_ADDRESSES,
	STATEMENT_DROP_SUBNETS,
	STATEMENT_DROP_NAMESPACE,
	STATEMENT_DROP_ENDPOINTS,
	STATEMENT_DROP_ADDRESSES,
	STATEMENT_DROP_PUBLICATION,
	STATEMENT_DROP_TOMBSTONE,
	STATEMENT_DROP_LEASE,
	STATEMENT_DROP_SETTINGS,
	STATEMENT_DROP_ENDPOINT_SETTINGS,
	/* loading */
	STATEMENT_LOAD_META,
	STATEMENT_LOAD_NETWORKS,
	STATEMENT_LOAD_SUBNETS,
	STATEMENT_LOAD_NAMESPACES,
	STATEMENT_LOAD_ENDPOINTS,
	STATEMENT_LOAD_ADDRESSES,
	STATEMENT_LOAD_PUBLICATIONS,
	STATEMENT_LOAD_TOMBSTONES,
	STATEMENT_LOAD_LEASES,
	STATEMENT_LOAD_SETTINGS,
	STATEMENT_LOAD_MOVED,
	STATEMENT_LOAD_LINKS,
	STATEMENT_LOAD_LINK_ADDRESSES,
	STATEMENT_COUNT,
};

extern const char *const store_statements[STATEMENT_COUNT];

/* Which file it is that bears a name. */
struct place {
	dev_t device;
	ino_t inode;
	bool missing;
};

/* Whether the names still lead to the files that are open. */
enum place_verdict {
	PLACE_SAME,
	PLACE_MISSING,
	PLACE_OTHER,
	PLACE_LOG_MISSING,
	PLACE_LOG_OTHER,
};

struct store {
	sqlite3 *db; /* NULL: closed after a failure; `refused` says why */
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first used */
	char *path;                                /* what sentences name */
	char *opened, *log_path;                   /* the same; of a copy its own names */
	char *scratch_dir;
	struct place file, log; /* what was opened */
	char instance[INSTANCE_SIZE];
	uint64_t generation; /* how many commits the database has seen */
	int patience;        /* milliseconds to wait for another process's lock */
	bool copy;           /* `db` is a copy of what can only be read; `refused` says why */
	bool unknown;        /* the last commit reached the disk, or did not */
	bool landed;         /* such a commit did, and no one was told yet */
	struct error refused;
};

/* How enums are written: position is value. */
struct words {
	const char *const *words;
	unsigned count;
};

extern const struct words store_origins;     /* enum namespace_origin */
extern const struct words store_kinds;       /* enum tombstone_kind */
extern const struct words store_flows_match; /* enum flows_match */

/* Makes the sentence for SQLite's last error: "database PATH: STEP: why". */
int store_error(const struct store *store, const char *step, struct error *err);
/* The same for a database whose content cannot be right. */
int store_damaged(const struct store *store, struct error *err, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* --- database.c, create.c --- */

/* Opens store->path for writing, and asks nothing of it yet. */
int database_open_file(struct store *store, struct error *err);
/* The same, and checks that it is whole and netd's own; fills in instance, generation and places.
 * What fails is closed again. */
int database_open(struct store *store, struct error *err);
void database_close(struct store *store);
int database_run(struct store *store, const char *sql, const char *step, struct error *err);
enum place_verdict database_place(const struct store *store);
/* Moves what is open in `from` to `store`, in place of what is open there. */
void database_take(struct store *store, struct store *from);
/* Makes store->path, complete and on disk. `directory` is the one it stands in. */
int database_create(
        const struct store *store, int directory, const char *state_dir, struct error *err);

/* --- copy.c --- */

/* Opens a copy of the database and its log for reading. Says as *err of a failure why even that is
 * impossible. */
int database_open_copy(struct store *store, struct error *err);
/* Makes the sentence for a database that another process has locked. Only while it is closed: to
 * ask drops one's own locks. Returns -EBUSY. */
int database_holder(const struct store *store, struct error *err);

/*
 * The statement, ready for its parameters; NULL with *err filled where it cannot be prepared. It
 * stays the store's, and is given back with sqlite3_reset().
 */
sqlite3_stmt *store_statement(struct store *store, enum statement id, struct error *err);

/* Writes what the fork touched (NULL: nothing) into the open transaction, and raises the generation
 * by one (save.c). */
int store_save(struct store *store, const struct model *fork, struct error *err);
