/*
 * The one motion: change(model) -> render -> difference -> apply -> commit or undo. Requests are
 * gathered into batches, and answered when what they ask for is true.
 */
#pragma once

#include "daemon/model/model.h"
#include "daemon/model/request.h"

#include <event2/event.h>

struct engine;
struct kernel;

struct engine_config {
	const char *state_dir;
	const char *runtime_dir;
	struct event_base *base;
	bool take_over; /* this database is the right one, whatever other marks the host bears */
};

/* Opens store and kernel and checks that this host is ours to run: one sentence, and what helps,
 * where it is not. */
int engine_open(struct engine **ret, const struct engine_config *config, struct error *err);
/* Takes over a socket that holds a published port, as the service manager kept it through a
 * restart. Before the start. */
int engine_adopt_hold(struct engine *engine, int fd, struct error *err);
/* Makes the kernel what the database says, then watches the host. */
int engine_start(struct engine *engine, struct error *err);
struct engine *engine_close(struct engine *engine);

/* Called once, from the event loop, when the request is answered. `err` is NULL on success; all are
 * borrowed for the call. The committed model has the objects that the answer names. */
typedef void engine_answered(const struct answer *answer, const struct error *err, void *arg);

/* Copies the request. The answer comes in a later turn of the loop, never from within this call. */
int engine_submit(struct engine *engine, const struct request *request, engine_answered *answered,
        void *arg, struct error *err);

/* For lists and inspection. */
const struct model *engine_model(const struct engine *engine);
struct kernel *engine_kernel(struct engine *engine);

/* `netd --cleanup`: removes all that any netd ever made on this host, without a database. With
 * `out`, writes the commands that would do it instead. Goes on after a failure; *err has the first.
 */
int engine_cleanup(const char *runtime_dir, FILE *out, struct error *err);
