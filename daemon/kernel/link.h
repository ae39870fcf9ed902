/* Deleting links, which is the kernel's slow step: many at once where that is safe. */
#pragma once

#include "daemon/kernel/kernel.h"

/* The most that one message deletes, so that the lock everything shares is free again soon. */
#define LINK_DELETIONS_MAX 32

/*
 * The group in which links wait for their deletion: drawn at random when first asked for. The
 * number behind it is that of the block which is deleted next, and is empty otherwise.
 */
uint32_t link_condemned_group(void);

/*
 * Deletes the links of these steps, each with only an old side: by one message for every
 * LINK_DELETIONS_MAX of them, or one by one where a link that is not among them has come into their
 * group, or the kernel refuses the group. Links that are gone, and links of that name that do not
 * bear netd's mark, count as deleted. Marks each step; goes on after a failure, and returns the
 * first.
 */
int link_delete_many(struct kernel *kernel, struct step **steps, size_t count, struct error *err);
/* One; queued, as kinds do. */
int link_delete(struct kernel *kernel, struct step *step, struct error *err);

/*
 * Renames the interface of this index in `ns`, alone, and waits for the answer. `up`: it is now.
 * Kernels before 6.2 refuse that while it is up, and taking it down drops routes, so it is taken
 * down only where it must be. `what` starts the sentence of an error.
 */
int link_rename(struct kernel *kernel, const char *ns, int index, const char *name, bool up,
        const char *what, struct error *err);
