/*
 * Questions whose answer may be as long as all that there is: one is answered in each turn of the
 * loop, in the order in which they came. What is short, and what changes something, is read in
 * every turn, so it waits for one long answer and not for all that others have asked for.
 *
 * libevent reads a connection's next request when the answer to the last one is written. So there
 * is one call of each connection here at most, and connections are served in turn, also those that
 * have sent many requests ahead.
 */
#include "daemon/api/internal.h"

#include <event2/event.h>
#include <stdlib.h>

struct turns {
	struct event *next;
	TAILQ_HEAD(, call) waiting;
};

/* A timer, because what is activated while the loop works comes in the same turn still. */
static bool go_on(struct turns *turns)
{
	static const struct timeval at_once;

	return event_add(turns->next, &at_once) == 0;
}

static void take_turn(int fd, short events, void *arg)
{
	struct turns *turns = arg;
	struct call *call = TAILQ_FIRST(&turns->waiting);

	TAILQ_REMOVE(&turns->waiting, call, waiting);
	call->left = NULL;
	if (!TAILQ_EMPTY(&turns->waiting))
		go_on(turns); /* in the timer's own place: there is room for it */
	route_read(call);
}

static void left(struct call *call)
{
	struct turns *turns = call->turns;

	TAILQ_REMOVE(&turns->waiting, call, waiting);
	if (TAILQ_EMPTY(&turns->waiting))
		event_del(turns->next);
	call_free(call);
}

void turns_wait(struct call *call)
{
	struct turns *turns = call->turns;

	if (TAILQ_EMPTY(&turns->waiting) && !go_on(turns)) {
		route_read(call); /* there is no memory to wait */
		return;
	}
	call->left = left;
	TAILQ_INSERT_TAIL(&turns->waiting, call, waiting);
}

int turns_open(struct turns **ret, struct event_base *base, struct error *err)
{
	struct turns *turns = calloc(1, sizeof(*turns));

	if (!turns)
		return error_memory(err);
	TAILQ_INIT(&turns->waiting);
	turns->next = evtimer_new(base, take_turn, turns);
	if (!turns->next) {
		turns_close(turns);
		return error_memory(err);
	}
	*ret = turns;
	return 0;
}

struct turns *turns_close(struct turns *turns)
{
	if (turns && turns->next)
		event_free(turns->next);
	free(turns);
	return NULL;
}
