/* What is kept about an interface while it is away: a record, and a mount of the namespace that it
 * is in. */
#pragma once

#include "daemon/kernel/kernel.h"

#include <dirent.h>

/* Both. A failure may leave a part of it: moved_forget() takes that away. */
int moved_keep(const struct kernel *kernel, const struct resource *moved, struct error *err);
/* What is gone already is fine. */
int moved_forget(const struct kernel *kernel, const char *name, struct error *err);
/* 1 and the resource, its text owned; 0 where there is no record that can be read as one. */
int moved_record_read(const struct kernel *kernel, const char *name, char instance[33],
        struct resource *ret, struct error *err);
/* Opens the namespace. -ENOENT: none is held. *ret is the caller's to close. */
int moved_held(const struct kernel *kernel, const char *name, int *ret, struct error *err);
/* The directory that has an entry for each. *ret is the caller's to close; NULL: there is none. */
int moved_records(const struct kernel *kernel, DIR **ret, struct error *err);
