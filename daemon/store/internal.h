/* What the files of store/ share: the open database, its statements, and words for enums. */
#pragma once

#include "daemon/store/store.h"

#include <sqlite3.h>
#include <stdbool.h>

#define STORE_VERSION        1          /* of the schema, in user_version */
#define STORE_APPLICATION_ID 0x6e657464 /* "netd", in application_id */

/* The tables of version 1, without any row. */
extern const char store_schema[];

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
	STATEMENT_DROP_NETWORK,
	STATEMENT_DROP_SUBNETS,
	STATEMENT_DROP_NAMESPACE,
	STATEMENT_DROP_ENDPOINTS,
	STATEMENT_DROP_ADDRESSES,
	STATEMENT_DROP_PUBLICATION,
	STATEMENT_DROP_TOMBSTONE,
	/* loading */
	STATEMENT_LOAD_META,
	STATEMENT_LOAD_NETWORKS,
	STATEMENT_LOAD_SUBNETS,
	STATEMENT_LOAD_NAMESPACES,
	STATEMENT_LOAD_ENDPOINTS,
	STATEMENT_LOAD_ADDRESSES,
	STATEMENT_LOAD_PUBLICATIONS,
	STATEMENT_LOAD_TOMBSTONES,
	STATEMENT_COUNT,
};

extern const char *const store_statements[STATEMENT_COUNT];

struct store {
	sqlite3 *db; /* NULL: what is on disk is unknown, and changes are refused */
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first used */
	char *path;
	char instance[INSTANCE_SIZE];
	uint64_t generation; /* how many commits the database has seen */
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

/*
 * The statement, ready for its parameters; NULL with *err filled where it cannot be prepared. It
 * stays the store's, and is given back with sqlite3_reset().
 */
sqlite3_stmt *store_statement(struct store *store, enum statement id, struct error *err);

/* Writes what the fork touched into the open transaction, and raises the generation by one
 * (save.c). */
int store_save(struct store *store, const struct model *fork, struct error *err);
