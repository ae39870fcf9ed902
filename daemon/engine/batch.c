/*
 * Many at once: every request that waits is tried against the same fork, one after the other; those
 * that break a rule are answered and left out. The rest is one change. If the kernel refuses it,
 * each is tried by itself, in order, against what the ones before it made true.
 */
#include "daemon/engine/internal.h"

#include "daemon/model/rules.h"
#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

static void answer(struct pending *pending)
{
	if (pending->answered)
		pending->answered(
		        &pending->answer, pending->result < 0 ? &pending->err : NULL, pending->arg);
	else if (pending->result < 0)
		log_warning("%s", pending->err.text);
	answer_done(&pending->answer);
	request_done(&pending->request);
	free(pending);
}

void engine_answer(struct pendings *batch)
{
	struct pending *pending;

	while ((pending = TAILQ_FIRST(batch))) {
		TAILQ_REMOVE(batch, pending, entry);
		answer(pending);
	}
}

/* A namespace that netd made, and that goes with this request. */
static void remember_removed(
        const struct model *model, const struct facts *facts, struct pending *pending)
{
	const struct namespace *ns = model_namespace(model, pending->request.namespace);

	if (pending->request.kind != REQUEST_NS_REMOVE || !ns || ns->origin != ORIGIN_CREATED)
		return;
	pending->removed.inode = (ino_t)facts->ns_inode;
	pending->removed.nsid = facts->ns_nsid;
}

/* Tries one request on top of the fork. On success the fork has its changes, else it is as before.
 */
static int try(struct engine *engine, struct model *fork, struct pending *pending)
{
	struct model *attempt = model_fork(fork);
	struct facts facts = {0};
	struct error *err = &pending->err;
	int r;

	answer_done(&pending->answer);
	pending->answer = (struct answer){0};
	if (!attempt)
		return error_memory(err);
	r = facts_gather(engine, attempt, &pending->request, &facts, err);
	if (r == 0)
		r = rules_apply(attempt, &pending->request, &facts, &pending->answer, err);
	if (r == 0)
		facts_warn(engine, attempt, &pending->request, &pending->answer);
	if (r == 0 && pending->request.dry_run)
		r = engine_preview(engine, attempt, &pending->answer.plan, err);
	if (r == 0)
		remember_removed(fork, &facts, pending);
	facts_done(&facts);
	if (r == 0 && !pending->request.dry_run)
		model_merge(attempt, fork);
	else
		model_free(attempt);
	return r;
}

/* Puts each of the batch on a fresh fork; *granted says how many are to be applied. NULL: out of
 * memory. */
static struct model *gather(struct engine *engine, struct pendings *batch, unsigned *granted)
{
	struct model *fork = model_fork(engine->model);
	struct pending *pending;
	struct error err;

	*granted = 0;
	if (!fork || (!engine_refused(engine) && engine_bury(engine, fork, &err) < 0))
		return model_free(fork);
	TAILQ_FOREACH (pending, batch, entry) {
		pending->result = try(engine, fork, pending);
		*granted += pending->result == 0 && !pending->request.dry_run;
	}
	return fork;
}

static void fail_granted(struct pendings *batch, int result, const struct error *err)
{
	struct pending *pending;

	TAILQ_FOREACH (pending, batch, entry) {
		if (pending->result < 0 || pending->request.dry_run)
			continue;
		pending->result = result;
		pending->err = *err;
	}
}

static void announce_granted(struct engine *engine, const struct pendings *batch)
{
	const struct pending *pending;

	TAILQ_FOREACH (pending, batch, entry)
		if (pending->result == 0 && !pending->request.dry_run)
			engine_announce_change(engine, &pending->request, &pending->answer);
}

static void run(struct engine *engine, struct pendings *batch);

/* The kernel refused the whole: it is found out which of them it was. */
static void run_each(struct engine *engine, struct pendings *batch)
{
	struct pending *pending;

	while ((pending = TAILQ_FIRST(batch))) {
		struct pendings one = TAILQ_HEAD_INITIALIZER(one);

		TAILQ_REMOVE(batch, pending, entry);
		TAILQ_INSERT_TAIL(&one, pending, entry);
		if (pending->result < 0 || pending->request.dry_run)
			answer(pending);
		else
			run(engine, &one);
	}
}

static void finish(struct engine *engine, struct pendings *batch)
{
	struct pending *pending;

	engine_reap(engine, batch);
	TAILQ_FOREACH (pending, batch, entry)
		if (pending->result == 0 && !pending->request.dry_run)
			facts_warn_of_holders(pending);
}

/* Applies the batch and answers all of it. */
static void run(struct engine *engine, struct pendings *batch)
{
	struct error err = {0};
	unsigned granted;
	struct model *fork = gather(engine, batch, &granted);
	int r = 0;

	if (!fork) {
		struct pending *pending;

		TAILQ_FOREACH (pending, batch, entry)
			pending->result = error_memory(&pending->err);
	} else if (granted == 0) {
		model_free(fork);
	} else {
		r = engine_change(engine, fork, &err);
	}
	if (r < 0 && granted > 1) {
		run_each(engine, batch);
		return;
	}
	if (r < 0) {
		fail_granted(batch, r, &err);
	} else if (granted) {
		announce_granted(engine, batch);
		finish(engine, batch);
	}
	engine_answer(batch);
}

/* Whether someone waits for a change. */
static bool is_asked_for(const struct pendings *queue)
{
	const struct pending *pending;

	TAILQ_FOREACH (pending, queue, entry)
		if (pending->answered && !pending->request.dry_run)
			return true;
	return false;
}

void engine_turn(struct engine *engine)
{
	struct pendings batch = TAILQ_HEAD_INITIALIZER(batch);
	struct pending *pending;

	if (is_asked_for(&engine->queue))
		engine_recover(engine);
	for (unsigned i = 0; i < BATCH_MAX && (pending = TAILQ_FIRST(&engine->queue)); i++) {
		TAILQ_REMOVE(&engine->queue, pending, entry);
		TAILQ_INSERT_TAIL(&batch, pending, entry);
	}
	if (!TAILQ_EMPTY(&batch))
		run(engine, &batch);
	if (!TAILQ_EMPTY(&engine->queue))
		event_active(engine->turn, EV_TIMEOUT, 0);
}

int engine_submit(struct engine *engine, struct request *request, engine_answered *answered,
        void *arg, struct error *err)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return error_memory(err);
	request_move(request, &pending->request);
	pending->answered = answered;
	pending->arg = arg;
	TAILQ_INSERT_TAIL(&engine->queue, pending, entry);
	event_active(engine->turn, EV_TIMEOUT, 0);
	return 0;
}
