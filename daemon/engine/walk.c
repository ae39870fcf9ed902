/*
 * Flows that must end, where the host has so many that looking through them takes a while: then it
 * is done on a thread (kernel/flows_walk.c), and the loop goes on. Who asked for it is answered
 * when it is done; what comes meanwhile waits for the next walk, and goes there all at once.
 *
 * The invariant: the tombstones of a walk are in the model until it is over, so no address of
 * theirs is given away.
 */
#include "daemon/engine/internal.h"

#include "daemon/kernel/flows_walk.h"
#include "daemon/render/render.h"
#include "lib/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOGETHER_MAX 1024

struct walk {
	struct flows_walk *flows;
	struct event *done;
	char (*ids)[ID_SIZE]; /* of the tombstones, in the order of the resources */
	size_t count;
	struct pendings answers; /* who waits for it */
};

bool engine_walks(const struct engine *engine)
{
	return engine->walk != NULL;
}

static struct walk *walk_free(struct walk *walk)
{
	flows_walk_free(walk->flows);
	if (walk->done)
		event_free(walk->done);
	free(walk->ids);
	free(walk);
	return NULL;
}

/* Moves those who wait for flows to end. */
static void park(struct pendings *answers, struct pendings *parked)
{
	struct pending *pending = answers ? TAILQ_FIRST(answers) : NULL, *next;

	for (; pending; pending = next) {
		next = TAILQ_NEXT(pending, entry);
		if (pending->result < 0 || !engine_leaves_flows(&pending->request))
			continue;
		TAILQ_REMOVE(answers, pending, entry);
		TAILQ_INSERT_TAIL(parked, pending, entry);
	}
}

static int gather(
        const struct engine *engine, struct walk *walk, struct resources *flows, struct error *err)
{
	const struct tombstone *tombstone;
	char key[KEY_SIZE] = "";

	walk->ids = calloc(TOGETHER_MAX, sizeof(*walk->ids));
	if (!walk->ids)
		return error_memory(err);
	while (walk->count < TOGETHER_MAX &&
	        (tombstone = model_next(engine->model, TABLE_TOMBSTONES, key))) {
		if (tombstone->kind != TOMBSTONE_FLOWS || !engine_is_new(engine, tombstone))
			continue;
		if (render_tombstone(tombstone, flows, err) < 0)
			return -ENOMEM;
		memcpy(walk->ids[walk->count++], tombstone->id, ID_SIZE);
	}
	return 0;
}

static void over(struct engine *engine)
{
	struct pendings next = TAILQ_HEAD_INITIALIZER(next);
	struct walk *walk = engine->walk;

	engine->walk = NULL;
	for (size_t i = 0; i < walk->count; i++) {
		struct error err = {0};
		bool gone = flows_walk_result(walk->flows, i, &err) == 0;

		engine_reaped(engine, walk->ids[i], gone ? NULL : err.text, &walk->answers);
	}
	engine_answer(&walk->answers);
	walk_free(walk);
	TAILQ_CONCAT(&next, &engine->parked, entry);
	engine_reap(engine, &next);
	engine_answer(&next);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	over(arg);
}

static int start(struct engine *engine, struct walk *walk, struct error *err)
{
	struct resources flows = {0};
	int fd, r = gather(engine, walk, &flows, err);

	if (r < 0 || walk->count == 0) {
		resources_done(&flows);
		return r;
	}
	r = flows_walk_start(&walk->flows, engine->kernel, &flows, &fd, err);
	if (r < 0)
		return r;
	walk->done = event_new(engine->base, fd, EV_READ, on_done, engine);
	if (!walk->done || event_add(walk->done, NULL) < 0)
		return error_memory(err);
	return 0;
}

bool engine_walk(struct engine *engine, struct pendings *answers)
{
	struct walk *walk;
	struct error err;
	int r;

	if (engine->walk) {
		park(answers, &engine->parked);
		return true;
	}
	walk = calloc(1, sizeof(*walk));
	r = walk ? start(engine, walk, &err) : error_memory(&err);
	if (r < 0)
		log_warning("%s; others wait while flows end", err.text);
	if (r < 0 || walk->count == 0) {
		if (walk)
			walk_free(walk);
		return r == 0;
	}
	TAILQ_INIT(&walk->answers);
	park(answers, &walk->answers);
	engine->walk = walk;
	return true;
}

void engine_walk_end(struct engine *engine)
{
	if (engine->walk)
		over(engine);
}
