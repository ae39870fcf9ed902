/*
 * The end of netd on a host: what bears any netd's mark is observed, and nothing is wanted. No
 * database is needed, so it also helps where that is lost. The tables go last: guards stand as long
 * as there is anything behind them.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/look.h"
#include "lib/cleanup.h"

#include <stdlib.h>

static int observe_all(struct kernel *kernel, struct resources *ret, struct error *err)
{
	_cleanup_(freep) struct look_netns *namespaces = NULL;
	_cleanup_(freep) const char **names = NULL;
	struct kernel_look look = {.scope = SCOPE_ALL, .kinds = KERNEL_LOOK_ALL};
	unsigned count = 0;
	int r = look_netns_all(kernel, &namespaces, &count, err);

	if (r < 0)
		return r;
	names = calloc(count + 1, sizeof(*names));
	if (!names)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++)
		names[i] = namespaces[i].name;
	look.namespaces = names;
	look.namespace_count = count;
	r = kernel_observe(kernel, &look, ret, err);
	if (r == 0)
		engine_leave_foreign(ret, &(const struct resources){0}, false);
	return r;
}

/* The part of a sorted list that is nf_tables: its first kinds. */
static struct resources tables_of(const struct resources *list)
{
	struct resources tables = *list;

	tables.count = 0;
	while (tables.count < list->count &&
	        (list->items[tables.count].kind == RESOURCE_SKELETON ||
	                list->items[tables.count].kind == RESOURCE_ELEMENT))
		tables.count++;
	return tables;
}

/* Goes from one list to the other, or tells how. */
static int go(struct kernel *kernel, const struct resources *from, const struct resources *to,
        FILE *out, struct error *err)
{
	_cleanup_(plan_done) struct plan plan = {0};
	struct error ignored;
	int r = plan_difference(from, to, &plan, err), final;

	if (r < 0)
		return r;
	if (out) {
		r = kernel_tell(&plan.reversible, out);
		return r < 0 ? r : kernel_tell(&plan.final, out);
	}
	r = kernel_apply_all(kernel, &plan.reversible, err);
	final = kernel_apply_all(kernel, &plan.final, r < 0 ? &ignored : err);
	return r < 0 ? r : final;
}

int engine_cleanup(const char *runtime_dir, FILE *out, struct error *err)
{
	const struct kernel_config config = {.runtime_dir = runtime_dir, .instance = ""};
	_cleanup_(resources_done) struct resources there = {0};
	const struct resources nothing = {0};
	struct resources tables;
	struct kernel *kernel = NULL;
	struct error ignored;
	int r = kernel_open(&kernel, &config, err), last;

	if (r == 0)
		r = observe_all(kernel, &there, err);
	if (r < 0) {
		kernel_close(kernel);
		return r;
	}
	tables = tables_of(&there);
	r = go(kernel, &there, &tables, out, err);
	last = go(kernel, &tables, &nothing, out, r < 0 ? &ignored : err);
	if (!out)
		kernel_tidy(kernel);
	kernel_close(kernel);
	if (r == 0 && last == 0 && !out)
		r = instance_forget(runtime_dir, err);
	return r < 0 ? r : last;
}
