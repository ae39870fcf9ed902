/* Ending flows on a thread of its own, for a table that is large. */
#pragma once

#include "daemon/kernel/kernel.h"

struct flows_walk;

/* Whether there are so many flows that a look through them takes longer than others should wait. */
bool flows_walk_is_long(void);

/*
 * Starts to end every flow that one of these RESOURCE_FLOWS names, and returns. They are taken
 * over, also on failure. *done, which stays the walk's, can be read when it is over. Until it is
 * freed there must be no other walk, and no step that ends flows.
 */
int flows_walk_start(struct flows_walk **ret, struct kernel *kernel, struct resources *flows,
        int *done, struct error *err);
/* Waits for the end, and says how it went with the flows of one resource. */
int flows_walk_result(struct flows_walk *walk, size_t index, struct error *err);
/* Waits for the end. NULL is allowed; returns NULL. */
struct flows_walk *flows_walk_free(struct flows_walk *walk);
