/* Conntrack entries that must go, because they outlive the rules that made them. */
#pragma once

#include "daemon/kernel/kernel.h"

/*
 * Ends every flow that one of these RESOURCE_FLOWS names. All of them are looked for in one walk of
 * the table where that is cheaper. It opens its own sockets and changes nothing in `kernel`, so it
 * may run in a worker thread. A kernel without conntrack, or with an empty table, is success.
 */
int flows_purge(struct kernel *kernel, const struct resource *const *flows, size_t count,
        struct error *err);
