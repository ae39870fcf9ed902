/*
 * Final steps. What a committed change has condemned stands in the model as tombstones; here they
 * are worked off, and what is gone is buried with the next commit. Namespaces, flows and bridges go
 * at once, before the answer. Veth pairs wait for a quiet moment and go in groups, since the kernel
 * takes tens of milliseconds for one and hardly more for thirty-two, under a lock that everyone
 * needs.
 *
 * Nothing here is ever undone: what cannot be deleted now is tried again, with a growing pause.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/link.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS         30
#define PAUSE_FIRST_MS   1000
#define PAUSE_LONGEST_MS 60000

static void again_in(struct engine *engine, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	if (!event_pending(engine->reap, EV_TIMEOUT, NULL))
		event_add(engine->reap, &delay);
}

static void again_slower(struct engine *engine)
{
	again_in(engine, engine->reap_pause);
	engine->reap_pause = engine->reap_pause * 2 < PAUSE_LONGEST_MS ? engine->reap_pause * 2
	                                                               : PAUSE_LONGEST_MS;
}

static bool is_gone(const struct gone *gone, const char *id)
{
	for (unsigned i = 0; i < gone->count; i++)
		if (strcmp(gone->ids[i], id) == 0)
			return true;
	return false;
}

/* Forgetting that one is gone is harmless: it is worked off once more. */
static void add_gone(struct gone *gone, const char *id)
{
	if (gone->count == gone->capacity) {
		unsigned capacity = gone->capacity ? 2 * gone->capacity : 64;
		void *ids = reallocarray(gone->ids, capacity, sizeof(*gone->ids));

		if (!ids)
			return;
		gone->ids = ids;
		gone->capacity = capacity;
	}
	memcpy(gone->ids[gone->count++], id, ID_SIZE);
}

int engine_bury(struct engine *engine, struct model *fork, struct error *err)
{
	for (unsigned i = 0; i < engine->gone.count; i++)
		if (model_remove(fork, TABLE_TOMBSTONES, engine->gone.ids[i]) < 0)
			return error_memory(err);
	return 0;
}

/* What the last commit buried need not be remembered. */
static void forget_buried(struct engine *engine)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < engine->gone.count; i++)
		if (model_object(engine->model, TABLE_TOMBSTONES, engine->gone.ids[i]))
			memmove(engine->gone.ids[kept++], engine->gone.ids[i], ID_SIZE);
	engine->gone.count = kept;
}

static int apply_final(struct engine *engine, const struct tombstone *const *tombstones,
        unsigned count, struct error *err)
{
	_cleanup_(resources_done) struct resources condemned = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	const struct resources nothing = {0};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = render_tombstone(tombstones[i], &condemned, err);
	if (r < 0)
		return r;
	resources_sort(&condemned);
	r = plan_difference(&condemned, &nothing, &plan, err);
	return r < 0 ? r : kernel_apply_all(engine->kernel, &plan.final, err);
}

/* Whether this request may have left the tombstone. */
static bool concerns(const struct request *request, const struct tombstone *tombstone)
{
	switch (request->kind) {
	case REQUEST_NS_REMOVE:
		return tombstone->kind == TOMBSTONE_FLOWS ||
		       strcmp(request->namespace, tombstone->name) == 0;
	case REQUEST_NETWORK_REMOVE:
		return tombstone->kind != TOMBSTONE_NETNS;
	case REQUEST_DISCONNECT:
	case REQUEST_UNPUBLISH:
	case REQUEST_PUBLISH:
		return tombstone->kind == TOMBSTONE_FLOWS;
	case REQUEST_NETWORK_CREATE:
	case REQUEST_NS_CREATE:
	case REQUEST_CONNECT:
	case REQUEST_NS_RELEASE:
	case REQUEST_HOST:
	case REQUEST_REAP:
		return false;
	}
	return false;
}

/* The reason names what is held. */
static void warn(struct pendings *answers, const struct tombstone *tombstone, const char *reason)
{
	struct pending *pending;

	log_warning("removed, but not gone yet: %s", reason);
	if (!answers)
		return;
	TAILQ_FOREACH (pending, answers, entry)
		if (pending->result == 0 && !pending->request.dry_run &&
		        concerns(&pending->request, tombstone))
			answer_warn(&pending->answer,
			        "removed, but still held: %s; netd goes on trying", reason);
}

/* All in one go, and if that fails one by one, to learn which are held. False: some are. */
static bool work_off(struct engine *engine, const struct tombstone *const *tombstones,
        unsigned count, struct pendings *answers)
{
	struct error err = {0};
	bool all = count == 0 || apply_final(engine, tombstones, count, &err) == 0;
	bool good = all;

	if (!all && count == 1)
		warn(answers, tombstones[0], err.text);
	for (unsigned i = 0; all && i < count; i++)
		add_gone(&engine->gone, tombstones[i]->id);
	if (!all && count > 1) {
		good = true;
		for (unsigned i = 0; i < count; i++)
			good &= work_off(engine, &tombstones[i], 1, answers);
	}
	return good;
}

static bool is_veth(const struct tombstone *tombstone)
{
	return tombstone->kind == TOMBSTONE_LINK && tombstone->namespace[0];
}

/* The next tombstones of one sort, up to as many as go together. */
static unsigned collect(const struct engine *engine, bool veths,
        const struct tombstone *ret[LINK_DELETIONS_MAX], char key[KEY_SIZE])
{
	const struct tombstone *tombstone;
	unsigned count = 0;

	while (count < LINK_DELETIONS_MAX &&
	        (tombstone = model_next(engine->model, TABLE_TOMBSTONES, key)))
		if (is_veth(tombstone) == veths && !is_gone(&engine->gone, tombstone->id))
			ret[count++] = tombstone;
	return count;
}

void engine_reap(struct engine *engine, struct pendings *answers)
{
	const struct tombstone *tombstones[LINK_DELETIONS_MAX];
	char key[KEY_SIZE] = "";
	bool good = true;
	unsigned count;

	forget_buried(engine);
	while ((count = collect(engine, false, tombstones, key)))
		good &= work_off(engine, tombstones, count, answers);
	if (model_count(engine->model, TABLE_TOMBSTONES))
		again_in(engine, good ? QUIET_MS : PAUSE_FIRST_MS);
}

/* The next group for the timer: veth pairs, and when there are none left, what has failed before.
 */
static unsigned collect_later(
        const struct engine *engine, const struct tombstone *ret[LINK_DELETIONS_MAX])
{
	char key[KEY_SIZE] = "";
	unsigned count = collect(engine, true, ret, key);

	key[0] = '\0';
	return count ? count : collect(engine, false, ret, key);
}

/* What could not be buried now is buried later: until then it is in the database, though not in the
 * kernel. */
static void buried(const struct answer *answer, const struct error *err, void *arg)
{
	if (!err)
		return;
	log_warning("bury tombstones: %s", err->text);
	again_slower(arg);
}

void engine_reap_later(struct engine *engine)
{
	const struct tombstone *tombstones[LINK_DELETIONS_MAX];
	struct request bury = {.kind = REQUEST_REAP};
	struct error err;
	unsigned count;

	if (!TAILQ_EMPTY(&engine->queue)) {
		again_in(engine, QUIET_MS);
		return;
	}
	count = collect_later(engine, tombstones);
	if (work_off(engine, tombstones, count, NULL)) {
		engine->reap_pause = PAUSE_FIRST_MS;
	} else {
		again_slower(engine);
	}
	if (engine->gone.count && engine_submit(engine, &bury, buried, engine, &err) < 0)
		buried(NULL, &err, engine);
	else if (collect_later(engine, tombstones))
		again_in(engine, QUIET_MS);
}
