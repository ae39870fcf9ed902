/*
 * A purge of flows on a thread. The kernel looks through all of its table for it, which takes some
 * 20 ms for 150,000 flows, and nobody who has nothing to do with them should wait so long.
 *
 * The invariant: while a walk lives, the thread has kernel->flows to itself, and reads nothing else
 * that the rest of the daemon writes. It takes no signals: those are for the event loop.
 */
#include "daemon/kernel/flows_walk.h"

#include "daemon/kernel/flows.h"
#include "lib/cleanup.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

/* About a millisecond. */
#define MANY       10000
#define COUNT_FILE "/proc/sys/net/netfilter/nf_conntrack_count"

struct end {
	int result;
	struct error err;
};

struct flows_walk {
	struct kernel *kernel;
	struct resources flows;
	struct end all;   /* of all in one look */
	struct end *each; /* if that failed: of each by itself; NULL: no memory for that */
	int done;         /* eventfd(2); -1: not open */
	pthread_t thread;
	bool started, joined;
};

bool flows_walk_is_long(void)
{
	_cleanup_(fclosep) FILE *file = fopen(COUNT_FILE, "re");
	unsigned long count;

	return file && fscanf(file, "%lu", &count) == 1 && count >= MANY;
}

static void purge(struct flows_walk *walk, const struct resource **list)
{
	size_t count = walk->flows.count;

	for (size_t i = 0; i < count; i++)
		list[i] = &walk->flows.items[i];
	walk->all.result = flows_purge(walk->kernel, list, count, &walk->all.err);
	if (walk->all.result == 0)
		return;
	walk->each = calloc(count, sizeof(*walk->each));
	for (size_t i = 0; walk->each && i < count; i++)
		walk->each[i].result = flows_purge(walk->kernel, &list[i], 1, &walk->each[i].err);
}

static void *run(void *arg)
{
	_cleanup_(freep) const struct resource **list = NULL;
	struct flows_walk *walk = arg;

	list = calloc(walk->flows.count, sizeof(*list));
	if (list)
		purge(walk, list);
	else
		walk->all.result = error_memory(&walk->all.err);
	eventfd_write(walk->done, 1);
	return NULL;
}

static int start(struct flows_walk *walk)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&walk->thread, NULL, run, walk);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	walk->started = r == 0;
	return r;
}

int flows_walk_start(struct flows_walk **ret, struct kernel *kernel, struct resources *flows,
        int *done, struct error *err)
{
	struct flows_walk *walk = calloc(1, sizeof(*walk));
	int r;

	if (!walk) {
		resources_done(flows);
		return error_memory(err);
	}
	walk->kernel = kernel;
	walk->flows = *flows;
	*flows = (struct resources){0};
	walk->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = walk->done < 0 ? errno : start(walk);
	if (r != 0) {
		flows_walk_free(walk);
		return error_set(err, ERROR_KERNEL, r, "start a thread for conntrack");
	}
	*done = walk->done;
	*ret = walk;
	return 0;
}

static void join(struct flows_walk *walk)
{
	if (walk->started && !walk->joined)
		pthread_join(walk->thread, NULL);
	walk->joined = true;
}

int flows_walk_result(struct flows_walk *walk, size_t index, struct error *err)
{
	const struct end *end;

	join(walk);
	end = walk->each ? &walk->each[index] : &walk->all;
	if (end->result < 0)
		*err = end->err;
	return end->result;
}

struct flows_walk *flows_walk_free(struct flows_walk *walk)
{
	if (!walk)
		return NULL;
	join(walk);
	resources_done(&walk->flows);
	closep(&walk->done);
	free(walk->each);
	free(walk);
	return NULL;
}
