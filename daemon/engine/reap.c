/*
 * Final steps. What a committed change has condemned stands in the model as tombstones; here they
 * are worked off, and what is gone is buried with the next commit. Namespaces, flows and bridges go
 * at once, before the answer. Veth pairs wait for a quiet moment and go in groups, since the kernel
 * takes tens of milliseconds for one and hardly more for thirty-two, under a lock that everyone
 * needs.
 *
 * Nothing here is ever undone: what cannot be deleted now is *held*, and tried again with a growing
 * pause, a group at a time in turn, when there is nothing else to delete. So what is held for ever
 * is in nobody's way.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/flows_walk.h"
#include "daemon/kernel/link.h"
#include "daemon/render/render.h"
#include "lib/cleanup.h"
#include "lib/clock.h"
#include "lib/list.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUIET_MS         30
#define LONE_TOGETHER    4 /* pairs that no group can be deleted with, in one turn of the loop */
#define PAUSE_FIRST_MS   1000
#define PAUSE_LONGEST_MS 60000

/* Never later than planned already. */
static void again_in(struct engine *engine, unsigned ms)
{
	const struct timeval delay = clock_span(ms);
	struct timeval due, planned;

	evutil_gettimeofday(&due, NULL);
	evutil_timeradd(&due, &delay, &due);
	if (!event_pending(engine->reap, EV_TIMEOUT, &planned) ||
	        evutil_timercmp(&due, &planned, <))
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

/* False: it was not there. */
static bool remove_gone(struct gone *gone, const char *id)
{
	for (unsigned i = 0; i < gone->count; i++)
		if (strcmp(gone->ids[i], id) == 0) {
			memmove(gone->ids[i], gone->ids[--gone->count], ID_SIZE);
			return true;
		}
	return false;
}

/* Forgetting that one is gone is harmless: it is worked off once more. */
static void add_gone(struct gone *gone, const char *id)
{
	if (!LIST_ROOM(gone->ids, gone->count, gone->capacity, 64))
		return;
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

int engine_hold_back(struct engine *engine, const struct model *model, struct error *err)
{
	_cleanup_(resources_done) struct resources late = {0};
	_cleanup_(plan_done) struct plan plan = {0};
	const struct resources nothing = {0};
	const struct tombstone *tombstone;
	char key[KEY_SIZE] = "";
	int r = 0;

	while (r == 0 && (tombstone = model_next(model, TABLE_TOMBSTONES, key)))
		r = render_late(tombstone, &late, err);
	if (r < 0 || late.count == 0)
		return r;
	resources_sort(&late);
	r = plan_difference(&nothing, &late, &plan, err);
	return r < 0 ? r : kernel_apply(engine->kernel, &plan.reversible, err);
}

/* Whether this request may have left the tombstone. */
static bool concerns(const struct request *request, const struct tombstone *tombstone)
{
	switch (request->kind) {
	case REQUEST_NS_REMOVE:
		return tombstone->kind == TOMBSTONE_FLOWS ||
		       strcmp(request->namespace, tombstone->name) == 0;
	case REQUEST_NETWORK_PRUNE:
		return tombstone->kind == TOMBSTONE_LINK;
	case REQUEST_NS_PRUNE:
		return tombstone->kind == TOMBSTONE_NETNS;
	case REQUEST_NETWORK_REMOVE:
		return tombstone->kind != TOMBSTONE_NETNS;
	case REQUEST_DISCONNECT:
	case REQUEST_UNPUBLISH:
	case REQUEST_PUBLISH:
	case REQUEST_NETWORK_SET:
	case REQUEST_NETWORK_ALLOW:
	case REQUEST_NETWORK_DISALLOW:
		return tombstone->kind == TOMBSTONE_FLOWS;
	case REQUEST_NETWORK_CREATE:
	case REQUEST_NS_CREATE:
	case REQUEST_NS_ATTACH:
	case REQUEST_NS_SET:
	case REQUEST_MOVE_IN:
	case REQUEST_MOVE_OUT:
	case REQUEST_CONNECT:
	case REQUEST_NS_LINK:
	case REQUEST_NS_LINK_SET:
	case REQUEST_NS_UNLINK:
	case REQUEST_ENDPOINT_SET:
	case REQUEST_NS_RELEASE:
	case REQUEST_HOST:
	case REQUEST_REAP:
		return false;
	}
	return false;
}

bool engine_leaves_flows(const struct request *request)
{
	const struct tombstone flows = {.kind = TOMBSTONE_FLOWS};

	return !request->dry_run && concerns(request, &flows);
}

/* What a person would call it. */
static void announce(struct engine *engine, const struct tombstone *tombstone,
        enum announcement_kind kind, const char *reason)
{
	bool netns = tombstone->kind == TOMBSTONE_NETNS;
	struct announcement about = {.kind = kind,
	        .network = tombstone->network,
	        .namespace = netns ? tombstone->name : tombstone->namespace};
	char ip[IP_TEXT_SIZE];

	if (kind == ANNOUNCE_HELD)
		engine_announce(engine, &about, "removed, but not gone yet: %s", reason);
	else if (tombstone->kind == TOMBSTONE_FLOWS)
		engine_announce(
		        engine, &about, "gone at last: flows of %s", ip_format(&tombstone->ip, ip));
	else
		engine_announce(engine, &about, "gone at last: %s %s",
		        netns ? "namespace" : "interface", tombstone->name);
}

/* The reason names what is held. It is announced once, however often it is tried. */
static void warn(struct engine *engine, struct pendings *answers, const struct tombstone *tombstone,
        const char *reason)
{
	struct pending *pending;

	if (!is_gone(&engine->held, tombstone->id)) {
		if (engine->held.count == 0)
			engine->reap_due = clock_ms() + PAUSE_FIRST_MS;
		add_gone(&engine->held, tombstone->id);
		announce(engine, tombstone, ANNOUNCE_HELD, reason);
	}
	if (!answers)
		return;
	TAILQ_FOREACH (pending, answers, entry)
		if (pending->result == 0 && !pending->request.dry_run &&
		        concerns(&pending->request, tombstone))
			answer_warn(&pending->answer,
			        "removed, but still held: %s; netd goes on trying", reason);
}

static void bury_later(struct engine *engine, const struct tombstone *tombstone)
{
	add_gone(&engine->gone, tombstone->id);
	if (remove_gone(&engine->held, tombstone->id))
		announce(engine, tombstone, ANNOUNCE_GONE, NULL);
}

void engine_reaped(
        struct engine *engine, const char *id, const char *reason, struct pendings *answers)
{
	const struct tombstone *tombstone = model_object(engine->model, TABLE_TOMBSTONES, id);

	if (tombstone && reason)
		warn(engine, answers, tombstone, reason);
	else if (tombstone)
		bury_later(engine, tombstone);
}

/* All in one go, and if that fails one by one, to learn which are held. False: some are. */
static bool work_off(struct engine *engine, const struct tombstone *const *tombstones,
        unsigned count, struct pendings *answers)
{
	struct error err = {0};
	bool all = count == 0 || apply_final(engine, tombstones, count, &err) == 0;
	bool good = all;

	if (!all && count == 1)
		warn(engine, answers, tombstones[0], err.text);
	for (unsigned i = 0; all && i < count; i++)
		bury_later(engine, tombstones[i]);
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

bool engine_is_new(const struct engine *engine, const struct tombstone *tombstone)
{
	return !is_gone(&engine->gone, tombstone->id) && !is_gone(&engine->held, tombstone->id);
}

enum sort {
	AT_ONCE, /* new, and no veth pair */
	AT_ONCE_BUT_FLOWS,
	NEW,
	HELD,
};

static bool is_of_sort(
        const struct engine *engine, const struct tombstone *tombstone, enum sort sort)
{
	bool flows = tombstone->kind == TOMBSTONE_FLOWS;

	if (is_gone(&engine->gone, tombstone->id) || (flows && engine_walks(engine)))
		return false;
	if (is_gone(&engine->held, tombstone->id))
		return sort == HELD;
	switch (sort) {
	case AT_ONCE:
		return !is_veth(tombstone);
	case AT_ONCE_BUT_FLOWS:
		return !is_veth(tombstone) && !flows;
	case NEW:
		return true;
	case HELD:
		return false;
	}
	return false;
}

/* The next tombstones of one sort, up to as many as go together. */
static unsigned collect(const struct engine *engine, enum sort sort,
        const struct tombstone *ret[LINK_DELETIONS_MAX], char key[KEY_SIZE])
{
	const struct tombstone *tombstone;
	unsigned count = 0, lone = 0;

	while (count < LINK_DELETIONS_MAX && lone < LONE_TOGETHER &&
	        (tombstone = model_next(engine->model, TABLE_TOMBSTONES, key)))
		if (is_of_sort(engine, tombstone, sort)) {
			ret[count++] = tombstone;
			lone += tombstone->peer[0] != '\0';
		}
	return count;
}

static unsigned collect_new(
        const struct engine *engine, const struct tombstone *ret[LINK_DELETIONS_MAX])
{
	char key[KEY_SIZE] = "";

	return collect(engine, NEW, ret, key);
}

/* From where the last group ended. */
static unsigned collect_held(struct engine *engine, const struct tombstone *ret[LINK_DELETIONS_MAX])
{
	unsigned count = collect(engine, HELD, ret, engine->reap_key);

	if (count)
		return count;
	engine->reap_key[0] = '\0';
	return collect(engine, HELD, ret, engine->reap_key);
}

/* Plans the next run of the timer. */
static void plan_next(struct engine *engine)
{
	const struct tombstone *tombstones[LINK_DELETIONS_MAX];
	uint64_t time = clock_ms();

	/* While the store takes no commit, what is gone waits to be buried with the next one. */
	if ((engine->gone.count && !engine_refused(engine)) || collect_new(engine, tombstones))
		again_in(engine, QUIET_MS);
	else if (engine->held.count)
		again_in(engine, engine->reap_due > time ? (unsigned)(engine->reap_due - time) : 0);
}

static void work_off_all(struct engine *engine, enum sort sort, struct pendings *answers)
{
	const struct tombstone *tombstones[LINK_DELETIONS_MAX];
	char key[KEY_SIZE] = "";
	unsigned count;

	while ((count = collect(engine, sort, tombstones, key)))
		work_off(engine, tombstones, count, answers);
}

/* Whether flows are ended on a thread, and those who wait for that are taken out of `answers`. */
static bool walk(struct engine *engine, struct pendings *answers)
{
	const struct tombstone *tombstones[LINK_DELETIONS_MAX];
	char key[KEY_SIZE] = "";

	if (!engine_walks(engine) &&
	        (collect(engine, AT_ONCE, tombstones, key) == 0 || !flows_walk_is_long()))
		return false;
	return engine_walk(engine, answers);
}

void engine_reap(struct engine *engine, struct pendings *answers)
{
	forget_buried(engine);
	work_off_all(engine, AT_ONCE_BUT_FLOWS, answers);
	if (!walk(engine, answers))
		work_off_all(engine, AT_ONCE, answers);
	/* A change may be what lets go of something. */
	engine->reap_pause = PAUSE_FIRST_MS;
	if (engine->reap_due > clock_ms() + PAUSE_FIRST_MS)
		engine->reap_due = clock_ms() + PAUSE_FIRST_MS;
	plan_next(engine);
}

static void try_held(struct engine *engine)
{
	const struct tombstone *tombstones[LINK_DELETIONS_MAX];
	unsigned count = collect_held(engine, tombstones);
	struct error err;

	if (engine_hold_back(engine, engine->model, &err) == 0 &&
	        work_off(engine, tombstones, count, NULL))
		engine->reap_pause = PAUSE_FIRST_MS;
	else if ((engine->reap_pause *= 2) > PAUSE_LONGEST_MS)
		engine->reap_pause = PAUSE_LONGEST_MS;
	engine->reap_due = clock_ms() + engine->reap_pause;
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
	count = collect_new(engine, tombstones);
	if (count)
		work_off(engine, tombstones, count, NULL);
	else if (engine->held.count && clock_ms() >= engine->reap_due)
		try_held(engine);
	if (engine->gone.count && !engine_refused(engine)) {
		/* The answer says when it goes on. */
		if (engine_submit(engine, &bury, buried, engine, &err) == 0)
			return;
		log_error("bury tombstones: %s", err.text);
	}
	plan_next(engine);
}
