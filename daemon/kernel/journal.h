/*
 * The journal of the host's sysctls that netd changed: RUNTIME_DIR/sysctls, one line `BOOT_ID PATH
 * OLD NEW` for each. A sysctl has no mark of its own; this file is how netd, or a cleanup without a
 * database, knows what was there before.
 */
#pragma once

#include "daemon/kernel/kernel.h"
#include "daemon/kernel/sysctl.h"

struct journal_line {
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
struct journal_line *journal_find(const struct journal *journal, const char *path);

/* Each changes the journal and has it on disk before it returns. */
/* A line that is there keeps its old value. */
int journal_record(const char *runtime_dir, const char *path, const char *old, const char *new,
        struct error *err);
int journal_drop(const char *runtime_dir, const char *path, struct error *err);
