/* What the files of engine/ share. */
#pragma once

#include "daemon/engine/engine.h"
#include "daemon/kernel/kernel.h"
#include "daemon/model/facts.h"
#include "daemon/store/store.h"

#include <event2/event.h>
#include <sys/queue.h>
#include <sys/types.h>

/* Requests that are tried in one go. More wait for the next turn. */
#define BATCH_MAX 256

/* A request on its way. */
struct pending {
	TAILQ_ENTRY(pending) entry;
	struct request request;
	engine_answered *answered; /* NULL: no one waits for it */
	void *arg;
	struct answer answer;
	struct error err;
	int result;
	struct {
		ino_t inode; /* 0: none */
		int nsid;
	} removed; /* the namespace that goes with it */
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
	bool take_over;      /* what bears another's mark is ours; until a repair has succeeded */
	unsigned reap_pause; /* milliseconds until failed tombstones are tried again */
	struct gone gone;
	struct watch *watch;
};

/* --- instance.c --- */

/* Refuses a host that another database made what it is, unless it is to be taken over; says which.
 */
int instance_check(struct engine *engine, struct error *err);
/* After a commit: keeps in the runtime directory which one it was. */
void instance_record(const struct engine *engine);
/* Nothing is left of what was committed. */
int instance_forget(const char *runtime_dir, struct error *err);

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
/* After a namespace was removed: who keeps it alive. */
void facts_warn_of_holders(struct pending *pending);
/* One log line for each foreign firewall that eats netd's traffic. */
void facts_warn_at_start(struct engine *engine);

/* --- reconcile.c --- */

/* Puts into the fork what a start brings: this boot, the default network, namespaces that went or
 * come back, the host. */
int engine_settle(struct engine *engine, struct model *fork, struct error *err);
/* Makes the kernel what `model` says: repairs, and removes orphans. Goes on after failures; *err
 * has the first. */
int engine_reconcile(struct engine *engine, const struct model *model, struct error *err);
/* Takes out of what was observed, and is not wanted, what others may have put there: adopted
 * namespaces, and addresses and routes on netd's interfaces, which go with these if they are netd's
 * after all. Who takes over cannot tell others' addresses from those of the netd before. */
void engine_leave_foreign(struct resources *there, const struct resources *wanted, bool take_over);

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
