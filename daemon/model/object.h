/* Objects of the model as memory. */
#pragma once

#include "daemon/model/model.h"

/* What frees an object of each table. NULL is allowed. */
extern void (*const object_free[TABLE_COUNT])(void *);

/*
 * A copy of the namespace, in which `endpoint` (NULL: nothing) stands for the one on `network`
 * (NULL, or a network that it is not on yet: behind the others). NULL: out of memory.
 */
struct namespace *namespace_copy(
        const struct namespace *ns, const char *network, const struct endpoint *endpoint);

/* NULL: out of memory. */
struct moved *moved_copy(const struct moved *moved);
