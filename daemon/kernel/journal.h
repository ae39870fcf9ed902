/*
 * The journal of the sysctls that netd changed and that are not its own: RUNTIME_DIR/sysctls, one
 * line `BOOT_ID PATH OLD NEW [NAMESPACE COOKIE]` for each. A sysctl has no mark of its own; this
 * file is how netd, or a cleanup without a database, knows what was there before.
 */
#pragma once

#include "daemon/kernel/kernel.h"
#include "daemon/kernel/sysctl.h"

struct journal_line {
	char ns[NAME_SIZE]; /* "": the host */
	uint64_t cookie;    /* of the namespace: another one of its name had other values */
	char path[RESOURCE_NAME_SIZE];
	char old[SYSCTL_VALUE_SIZE]; /* what was there before netd first wrote */
	char new[SYSCTL_VALUE_SIZE]; /* what netd wrote last */
};

struct journal {
	struct journal_line *lines;
	unsigned count;
};

/* The lines of this boot. No file: an empty journal. Lines that cannot be read as one are left out.
 */
int journal_load(const char *runtime_dir, struct journal *ret, struct error *err);
void journal_done(struct journal *journal);
/* NULL where there is none. */
struct journal_line *journal_find(const struct journal *journal, const char *ns, const char *path);

/* Removes what a write that was interrupted has left: it is part of no journal. */
void journal_tidy(const char *runtime_dir);

/* Each changes the journal and has it on disk before it returns. */
/* A line that is there keeps its old value, unless it is of another namespace of that name; as it
 * was goes to *ret_before (may be NULL), without a path where there was none. */
int journal_record(const char *runtime_dir, const struct journal_line *line,
        struct journal_line *ret_before, struct error *err);
int journal_drop(const char *runtime_dir, const char *ns, const char *path, struct error *err);
