/* One kind of resource, applied by hand, on a struct kernel that has only what the small kinds use.
 */
#pragma once

#include "daemon/kernel/internal.h"

#include "tests/lib/suite.h"

#define KIND_INSTANCE "0123456789abcdef0123456789abcdef"

/* With a new runtime directory and a table of holds; a test that needs rtnetlink or nf_tables, too,
 * opens them. */
struct kernel *kind_kernel(void);
/* Closes whatever is open in it. */
struct kernel *kind_kernel_free(struct kernel *kernel);

/* Creates (old is NULL), changes or deletes (new is NULL). Returns what the kind's apply returned.
 */
int kind_apply(const struct kind *kind, struct kernel *kernel, const struct resource *old,
        const struct resource *new, struct error *err);
/* Appends what a kind's observe finds in these namespaces (NULL: in the host). */
int kind_observe(const struct kind *kind, struct kernel *kernel, enum kernel_scope scope,
        const char *const *namespaces, size_t namespace_count, struct resources *ret,
        struct error *err);
/* What would be told for that; the caller's to free. */
char *kind_tell(const struct kind *kind, const struct resource *old, const struct resource *new);

/* Runs a shell command that must succeed. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The first line that a command prints, without its newline, in a buffer that the next call uses
 * again. */
const char *shell_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
