/*
 * The one motion, for a fork of the model: render what it touches before and after, take the
 * difference, apply its reversible steps, commit. Whatever fails on the way is taken back by the
 * opposite difference. Final steps come later: the fork has left a tombstone for each.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/inside.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <string.h>

struct change {
	struct resources old, new;
	struct plan plan;
};

static void change_done(struct change *change)
{
	plan_done(&change->plan);
	resources_done(&change->old);
	resources_done(&change->new);
}

static int change_make(const struct engine *engine, const struct model *fork, struct change *ret,
        struct error *err)
{
	struct change change = {0};
	int r = render_touched(fork, engine->model, &change.old, err);

	if (r == 0)
		r = render_touched(fork, fork, &change.new, err);
	if (r == 0) {
		resources_sort(&change.old);
		resources_sort(&change.new);
		r = plan_difference(&change.old, &change.new, &change.plan, err);
	}
	if (r < 0) {
		change_done(&change);
		return r;
	}
	*ret = change;
	return 0;
}

/*
 * Whether more may have changed than is known: a step whose answer was lost, or a removal that was
 * refused: its thing may have gone with another one of the same send, as a route goes with its
 * address.
 */
static bool is_unsure(const struct steps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		if (steps->items[i].unsure || (steps->items[i].failed && steps->items[i].old))
			return true;
	return false;
}

/* Makes all as the model says, but for the namespaces that someone removed: their release is still
 * to be committed. */
static int look_at_everything(struct engine *engine, struct error *err)
{
	struct model *fork = model_fork(engine->model);
	int r = fork ? engine_release_missing(engine, fork, false, err) : error_memory(err);

	if (r == 0)
		r = engine_reconcile(engine, fork, err);
	model_free(fork);
	return r;
}

/*
 * Takes back what was done. Where no one knows what that is, or where it cannot be taken back step
 * by step, everything is looked at, and made as it was. If even that fails, it is tried again
 * later.
 */
static void undo(struct engine *engine, const struct steps *done)
{
	const struct timeval soon = {.tv_sec = 1};
	_cleanup_(steps_done) struct steps opposite = {0};
	struct error err = {0};
	int r = plan_opposite(done, &opposite, &err);

	if (r == 0)
		r = kernel_apply_all(engine->kernel, &opposite, &err);
	if (r < 0 || is_unsure(done))
		r = look_at_everything(engine, &err);
	if (r == 0)
		return;
	log_error("undo a change that failed: %s; everything is looked at again in a second",
	        err.text);
	event_add(engine->reconcile, &soon);
}

int engine_identify(struct engine *engine, struct model *fork, struct error *err)
{
	const void *touched;
	char key[KEY_SIZE] = "";
	int result = 0;

	while (model_next_touched(fork, TABLE_NAMESPACES, key, &touched)) {
		const struct namespace *known = touched;
		struct error one = {0};
		struct namespace ns;
		int r;

		if (!known || known->origin != ORIGIN_CREATED || known->cookie)
			continue;
		ns = *known;
		r = netns_cookie(ns.name, &ns.cookie, &one);
		memcpy(ns.boot_id, engine->boot_id, sizeof(ns.boot_id));
		if (r == 0 && model_put_namespace(fork, &ns) < 0)
			r = error_memory(&one);
		if (r < 0 && result == 0) {
			result = r;
			*err = one;
		}
	}
	return result;
}

int engine_change(struct engine *engine, struct model *fork, struct error *err)
{
	_cleanup_(change_done) struct change change = {0};
	int r = change_make(engine, fork, &change, err);

	if (r == 0)
		r = engine_can_commit(engine, fork, err);
	if (r == 0) {
		r = kernel_apply(engine->kernel, &change.plan.reversible, err);
		if (r == 0)
			r = engine_identify(engine, fork, err);
		if (r == 0)
			r = engine_commit(engine, fork, err);
		if (r < 0)
			undo(engine, &change.plan.reversible);
	}
	if (r < 0) {
		model_free(fork);
		return r;
	}
	watch_listen(engine->watch, fork);
	model_merge(fork, engine->model);
	return 0;
}

/* What the final steps of this fork will be: its tombstones are worked off to nothing. */
static int tell_final(const struct model *fork, FILE *out, struct error *err)
{
	_cleanup_(resources_done) struct resources condemned = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	const struct resources nothing = {0};
	const void *tombstone;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && model_next_touched(fork, TABLE_TOMBSTONES, key, &tombstone))
		if (tombstone)
			r = render_tombstone(tombstone, &condemned, err);
	if (r < 0)
		return r;
	resources_sort(&condemned);
	r = plan_difference(&condemned, &nothing, &plan, err);
	return r < 0 ? r : kernel_tell(&plan.final, out);
}

int engine_preview(struct engine *engine, const struct model *fork, char **ret, struct error *err)
{
	_cleanup_(change_done) struct change change = {0};
	_cleanup_(freep) char *text = NULL;
	size_t size;
	FILE *out;
	int r = change_make(engine, fork, &change, err);

	if (r < 0)
		return r;
	out = open_memstream(&text, &size);
	if (!out)
		return error_memory(err);
	kernel_tell(&change.plan.reversible, out);
	r = tell_final(fork, out, err);
	if (fclose(out) != 0 && r == 0)
		r = error_memory(err);
	if (r == 0)
		*ret = TAKE_PTR(text);
	return r;
}
