/*
 * The database's part in a change, and the time in which it cannot take one. From the first commit
 * that fails on, changes are refused with the reason before anything is done to the kernel; reading
 * goes on, and so does what needs no commit: following the host, healing. With the next change that
 * someone asks for, and by a timer, the store is asked again; when it works, netd begins anew as a
 * start does, with what the database says: that is the truth, also where a commit was reported as
 * failed and did reach the disk.
 */
#include "daemon/engine/internal.h"

#include "daemon/model/setting.h"

#include <string.h>

/* Whether it differs in what is stored. Bytes between fields may make equal ones differ, which
 * costs a commit. */
static bool host_differs(const struct host *a, const struct host *b)
{
	return !a || !b || a->next_id != b->next_id || strcmp(a->boot_id, b->boot_id) != 0;
}

static bool namespace_differs(const struct namespace *a, const struct namespace *b)
{
	for (unsigned i = 0; a && b && i < namespace_settings.count; i++)
		if (!setting_equal(&namespace_settings.rows[i], a, b))
			return true;
	return !a || !b || a->origin != b->origin || a->cookie != b->cookie ||
	       a->own_route != b->own_route || a->own_route6 != b->own_route6 ||
	       strcmp(a->boot_id, b->boot_id) != 0 || a->endpoint_count != b->endpoint_count ||
	       (a->endpoint_count && memcmp(a->endpoints, b->endpoints,
	                                     a->endpoint_count * sizeof(*a->endpoints)) != 0);
}

/* Whether there is anything to commit: what follows from the host touches much that stays equal. */
static bool is_stored(const struct engine *engine, const struct model *fork)
{
	static const enum model_table always[] = {TABLE_NETWORKS, TABLE_PUBLICATIONS,
	        TABLE_TOMBSTONES, TABLE_LEASES, TABLE_MOVED, TABLE_NS_LINKS};
	const void *object;
	char key[KEY_SIZE];

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		key[0] = '\0';
		if (model_next_touched(fork, always[i], key, &object))
			return true;
	}
	key[0] = '\0';
	if (model_next_touched(fork, TABLE_HOST, key, &object) &&
	        host_differs(object, model_host(engine->model)))
		return true;
	key[0] = '\0';
	while (model_next_touched(fork, TABLE_NAMESPACES, key, &object))
		if (namespace_differs(object, model_namespace(engine->model, key)))
			return true;
	return false;
}

/* From here on changes are refused. Announced once: an attempt to come back that fails is none. */
static void refuse(struct engine *engine, const struct error *why)
{
	if (!engine->refusing && !engine->recovering)
		engine_announce(engine,
		        &(const struct announcement){.kind = ANNOUNCE_STORAGE_FAILED},
		        "changes are refused until this is over: %s; reading and traffic go on",
		        why->text);
	engine->refusing = true;
	engine->refused = *why;
	engine_try_later(engine->recover, &engine->recover_pause);
}

static int refusal(const struct engine *engine, struct error *err)
{
	*err = engine->refused;
	return error_context(err, "changes are refused until this is over");
}

int engine_can_commit(const struct engine *engine, const struct model *fork, struct error *err)
{
	return engine->refusing && is_stored(engine, fork) ? refusal(engine, err) : 0;
}

int engine_commit(struct engine *engine, const struct model *fork, struct error *err)
{
	struct error why;

	if (!is_stored(engine, fork))
		return 0;
	if (!engine->refusing) {
		if (store_commit(engine->store, fork, &why) == 0) {
			instance_record(engine);
			return 0;
		}
		refuse(engine, &why);
	}
	return refusal(engine, err);
}

void engine_look_at_store(struct engine *engine)
{
	const struct error *why = store_refused(engine->store);

	if (why)
		refuse(engine, why);
}

const struct error *engine_refused(const struct engine *engine)
{
	return engine->refusing ? &engine->refused : NULL;
}

/* --- coming back --- */

/* A namespace that an unknown commit made was taken back with the rest of its change: it is made
 * again, like one of an earlier boot. */
static int forget_taken_back(struct engine *engine, struct model *model, struct error *err)
{
	const struct namespace *ns;
	char key[KEY_SIZE] = "";

	while ((ns = model_next(model, TABLE_NAMESPACES, key))) {
		const struct namespace *known = model_namespace(engine->model, key);
		struct namespace again = *ns;

		if (ns->origin != ORIGIN_CREATED || strcmp(ns->boot_id, engine->boot_id) != 0 ||
		        (known && known->cookie == ns->cookie))
			continue;
		again.cookie = 0;
		again.boot_id[0] = '\0';
		if (model_put_namespace(model, &again) < 0)
			return error_memory(err);
	}
	return 0;
}

/* What the database says takes the place of the model, and the kernel follows. */
static int begin_anew(struct engine *engine, struct error *err)
{
	struct model *model = model_new(), *before = engine->model;
	int r = model ? store_load(engine->store, model, err) : error_memory(err);

	if (r == 0 && engine->landed)
		r = forget_taken_back(engine, model, err);
	if (r == 0) {
		engine->model = model;
		r = engine_begin(engine, err);
	}
	if (r < 0) {
		engine->model = before;
		model_free(model);
		return r;
	}
	model_free(before);
	engine->landed = false;
	engine->gone.count = 0; /* an id may be another's now */
	engine_reap(engine, NULL);
	return 0;
}

void engine_recover(struct engine *engine)
{
	struct error err;
	int r;

	if (!engine->refusing)
		return;
	r = store_recover(engine->store, &err);
	if (r >= 0) {
		engine->refusing = false;
		engine->recovering = true;
		engine->landed |= r == 1;
		r = begin_anew(engine, &err);
	}
	if (r < 0)
		refuse(engine, &err);
	engine->recovering = false;
	if (engine->refusing)
		return;
	engine->recover_pause = 0;
	event_del(engine->recover);
	engine_announce(engine, &(const struct announcement){.kind = ANNOUNCE_STORAGE_BACK},
	        "changes are accepted again");
}
