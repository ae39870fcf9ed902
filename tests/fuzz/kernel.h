/* netd's kernel layer with an input as the world outside: the first byte says what is asked, behind
 * it stand records (outside.h). */
#pragma once

#include "daemon/kernel/kernel.h"
#include "daemon/plan/plan.h"

/* Opens the kernel, asks, and closes it. An empty input asks nothing. */
void fuzz_kernel(const uint8_t *data, size_t size, void (*ask)(struct kernel *kernel, char what));

/* What is observed is a sorted list that a plan leads from to what is wanted; or there is a
 * sentence. */
void fuzz_observe(
        struct kernel *kernel, const struct kernel_look *look, const struct resources *wanted);
/* The plan that makes all that is in the list, or that takes it away. The list must outlive it. */
void fuzz_plan(struct plan *ret, const struct resources *list, bool create);
