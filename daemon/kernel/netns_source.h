/* A network namespace by what someone says it is, before it has a name in /run/netns. */
#pragma once

#include "lib/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Opens it: `source` is the number of a process that is in it, or an absolute path without a
 * symbolic link. ERROR_NOT_FOUND: no such process, nothing at this path; ERROR_REFUSED: what is
 * there is no network namespace, or the host's own. The error's field is "pid" or "path". *ret is
 * the caller's to close.
 */
int netns_source_open(const char *source, int *ret, struct error *err);
/* Opens it, and says which one it is. */
int netns_source_cookie(const char *source, uint64_t *ret, struct error *err);

/* Whether it is said by the number of a process. */
bool netns_source_is_process(const char *source);
