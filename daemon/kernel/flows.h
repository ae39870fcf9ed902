/* Conntrack entries that must go, because they outlive the rules that made them. */
#pragma once

#include "daemon/kernel/kernel.h"

/* The sockets for that, opened when they are first needed and kept: see flows.c. */
struct flows;

int flows_open(struct flows **ret, struct error *err);
struct flows *flows_close(struct flows *flows);

/*
 * Ends every flow that one of these RESOURCE_FLOWS names. All of them are looked for in one walk of
 * the table where that is cheaper. It uses nothing of `kernel` but these sockets. A kernel without
 * conntrack, or with an empty table, is success.
 */
int flows_purge(struct kernel *kernel, const struct resource *const *flows, size_t count,
        struct error *err);
