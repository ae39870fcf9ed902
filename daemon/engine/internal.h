/* What the files of engine/ share. */
#pragma once

#include "daemon/engine/engine.h"
#include "daemon/kernel/kernel.h"
#include "daemon/model/facts.h"
#include "daemon/store/store.h"

#include <event2/event.h>
#include <sys/queue.h>

/* Requests that are tried in one go. More wait for the next turn. */
#define BATCH_MAX 256

struct look_netns; /* daemon/kernel/look.h */

/* A request on its way. */
struct pending {
	TAILQ_ENTRY(pending) entry;
	struct request request;
	engine_answered *answered; /* NULL: no one waits for it */
	void *arg;
	struct answer answer;
	struct error err;
	int result;
};

TAILQ_HEAD(pendings, pending);

/* Tombstones whose resources are gone from the kernel, still to be taken out of the model. */
struct gone {
	char (*ids)[ID_SIZE];
	unsigned count, capacity;
};

struct engine {
	struct event_base *base;
	char *runtime_dir;
	char boot_id[BOOT_ID_SIZE];
	struct model *model;
	struct store *store;
	struct kernel *kernel;
	struct pendings queue;
	struct event *turn;      /* runs the queue */
	struct event *reap;      /* works off tombstones */
	struct event *reconcile; /* looks at everything again, after an undo that failed */
	unsigned reap_pause;     /* milliseconds until failed tombstones are tried again */
	struct gone gone;
	struct gone held; /* tombstones that failed, and were announced so */
	engine_hears *hears;
	void *hears_arg;
	struct watch *watch;
};

/* --- change.c --- */

/* Renders what the fork touches, applies the difference, commits, and merges the fork (which it
 * takes over, also on failure). On failure kernel, database and model are as before. */
int engine_change(struct engine *engine, struct model *fork, struct error *err);
/* Commits the fork, unless nothing in it is stored. */
int engine_commit(struct engine *engine, const struct model *fork, struct error *err);
/* A created namespace's identity is known once it exists, and is committed with it: fills it in for
 * those that the fork touches. Goes on after a failure; *err has the first. */
int engine_identify(struct engine *engine, struct model *fork, struct error *err);
/* The commands that engine_change() would stand for, final steps included; *ret is the caller's to
 * free. */
int engine_preview(struct engine *engine, const struct model *fork, char **ret, struct error *err);

/* --- announce.c --- */

/* Logs one line and tells the listener: `engine_announce(engine, &(struct announcement){.kind =
 * ANNOUNCE_DRIFT, .network = name}, "table %s was missing", table)`. */
void engine_announce(struct engine *engine, const struct announcement *about, const char *format,
        ...) __attribute__((format(printf, 3, 4)));
/* A request that was committed, unless it changed nothing. */
void engine_announce_change(
        struct engine *engine, const struct request *request, const struct answer *answer);
void engine_announce_released(struct engine *engine, const char *namespace);

/* --- batch.c --- */
void engine_turn(struct engine *engine);

/* --- facts.c --- */
int facts_gather(
        struct engine *engine, const struct request *request, struct facts *ret, struct error *err);
/* A REQUEST_HOST that says how the host is now: its interfaces and its resolvers. */
int facts_host(struct engine *engine, struct request *ret, struct error *err);
/* Whether this interface of the host forwards IPv4; true also where it is gone. */
bool facts_forwards(const char *interface);
/* Whether bridged IPv4 passes the inet hooks. */
bool facts_bridge_netfilter(void);
/* What the answer of a granted request should warn of. */
void facts_warn(struct engine *engine, const struct model *model, const struct request *request,
        struct answer *answer);
/* One log line for each foreign firewall that eats netd's traffic. */
void facts_warn_at_start(struct engine *engine);

/* --- reconcile.c --- */

/* Puts into the fork what a start brings: this boot, the default network, namespaces that went or
 * come back, the host. */
int engine_settle(struct engine *engine, struct model *fork, struct error *err);
/* What has the names of the model's namespaces now. *ret is the caller's to free. */
int engine_look_at_namespaces(struct engine *engine, const struct model *model,
        struct look_netns **ret, size_t *count, struct error *err);
/* Makes the kernel what `model` says: repairs, and removes orphans. Goes on after failures; *err
 * has the first. */
int engine_reconcile(struct engine *engine, const struct model *model, struct error *err);
/* Takes out of what was observed, and is not wanted, what others may have put there: adopted
 * namespaces, and addresses and routes on netd's interfaces, which go with these if they are netd's
 * after all. */
void engine_leave_foreign(struct resources *there, const struct resources *wanted);

/* --- reap.c --- */

/*
 * Works off the tombstones that can be worked off at once (namespaces, flows, bridges) and leaves
 * veth pairs to the timer. What is still held is said in `answers` of requests that named it.
 */
void engine_reap(struct engine *engine, struct pendings *answers);
/* The timer: up to one group of veth pairs, then what has failed before. */
void engine_reap_later(struct engine *engine);
/* Takes what is gone out of the fork. */
int engine_bury(struct engine *engine, struct model *fork, struct error *err);

/* --- watch.c --- */

/* Watches the host: namespaces that go, interfaces that come, forwarding and resolvers that change.
 */
int watch_open(struct watch **ret, struct engine *engine, struct error *err);
struct watch *watch_close(struct watch *watch);
