/*
 * What says that a namespace is netd's: a file RUNTIME_DIR/namespaces/NAME with one line, `INSTANCE
 * COOKIE BOOT_ID`. A namespace has no place for a mark of its own.
 */
#pragma once

#include "lib/error.h"
#include "lib/parse.h"

#include <stdint.h>

struct netns_record {
	char name[NAME_SIZE];
	char instance[33];
	uint64_t cookie;
	char boot_id[37]; /* the cookie means something in this boot only */
};

/* Written beside its place and renamed: there is a whole record or none. */
int netns_record_write(
        const char *runtime_dir, const struct netns_record *record, struct error *err);
/* 1 and *ret, or 0 where there is no record of this name (or none that can be read as one). */
int netns_record_read(
        const char *runtime_dir, const char *name, struct netns_record *ret, struct error *err);
/* None there: success. */
int netns_record_remove(const char *runtime_dir, const char *name, struct error *err);
/* All of them. *ret is the caller's to free. */
int netns_records(
        const char *runtime_dir, struct netns_record **ret, unsigned *count, struct error *err);
