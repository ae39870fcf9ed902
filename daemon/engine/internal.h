/* What the files of engine/ share. */
#pragma once

#include "daemon/engine/engine.h"
#include "daemon/kernel/monitor.h"
#include "daemon/kernel/kernel.h"
#include "daemon/kernel/look.h"
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

/* What others use of the host's address space: prefixes.c. */
struct prefixes {
	struct look_prefix *items;
	unsigned count;
	bool known; /* else they are to be asked for again */
};

struct engine {
	struct event_base *base;
	char *runtime_dir;
	struct pool pools[POOLS_MAX];
	unsigned pool_count;
	struct ip publish_address; /* of the host, where nobody says one; family 0: every */
	struct cidr default_subnets[SUBNETS_MAX];
	unsigned default_subnet_count;
	bool default_ip6;
	char boot_id[BOOT_ID_SIZE];
	struct model *model;
	struct store *store;
	struct kernel *kernel;
	struct pendings queue;
	struct event *turn;       /* runs the queue */
	struct event *reap;       /* works off tombstones */
	struct event *reconcile;  /* looks at everything again, after an undo that failed */
	unsigned reconcile_pause; /* of engine_try_later() */
	bool take_over;           /* what bears another's mark is ours; until a repair succeeds */
	unsigned reap_pause;      /* milliseconds until held tombstones are tried again */
	uint64_t reap_due;        /* when the next of them are tried; of clock_ms() */
	char reap_key[KEY_SIZE];  /* the last of them that was tried */
	struct event *recover;    /* asks the store again, while changes are refused */
	unsigned recover_pause;   /* of engine_try_later() */
	bool refusing;            /* the store takes no commit; `refused` says why */
	bool recovering; /* it takes some again, perhaps: what the database says is begun anew */
	bool landed;     /* a commit that was reported as failed reached the disk */
	struct error refused;
	struct prefixes prefixes;
	struct gone gone;
	struct gone held;       /* tombstones that failed, and were announced so */
	struct walk *walk;      /* NULL: none; walk.c */
	struct pendings parked; /* who waits for the next one */
	engine_hears *hears;
	void *hears_arg;
	struct drift *drift;
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
/* A created namespace's identity is known once it exists, and is committed with it: fills it in for
 * those that the fork touches. Goes on after a failure; *err has the first. */
int engine_identify(struct engine *engine, struct model *fork, struct error *err);
/* The commands that engine_change() would stand for, final steps included; *ret is the caller's to
 * free. */
int engine_preview(struct engine *engine, const struct model *fork, char **ret, struct error *err);

/* --- engine.c --- */

/* Settles what a start brings, makes the kernel what the model says, and commits. What could not be
 * repaired is tried again later; what could not be committed is, too, and changes are refused until
 * then. */
int engine_begin(struct engine *engine, struct error *err);
/* Arms the timer of what is tried again and again: after a second at first, then twice as long each
 * time, up to ten seconds. *pause is how long, and 0 before the first time. */
void engine_try_later(struct event *timer, unsigned *pause);

/* --- commit.c --- */

/* Commits the fork, unless nothing in it is stored. Once that has failed, changes are refused until
 * engine_recover() succeeds. */
int engine_commit(struct engine *engine, const struct model *fork, struct error *err);
/* Whether engine_commit() refuses it already now, before anything is done. */
int engine_can_commit(const struct engine *engine, const struct model *fork, struct error *err);
/* Whether the store was opened for writing; else changes are refused. */
void engine_look_at_store(struct engine *engine);
/* While changes are refused: asks the store again, and if it works, begins anew with what it says.
 * No fork of the model may live meanwhile. */
void engine_recover(struct engine *engine);

/* --- announce.c --- */

/* Logs one line and tells the listener: `engine_announce(engine, &(struct announcement){.kind =
 * ANNOUNCE_DRIFT, .network = name}, "table %s was missing", table)`. */
void engine_announce(struct engine *engine, const struct announcement *about, const char *format,
        ...) __attribute__((format(printf, 3, 4)));
/* A request that was committed, unless it changed nothing. */
void engine_announce_change(
        struct engine *engine, const struct request *request, const struct answer *answer);
void engine_announce_released(
        struct engine *engine, const char *namespace, enum release_reason reason);

/* --- batch.c --- */
void engine_turn(struct engine *engine);
/* Answers all of these, and forgets them. */
void engine_answer(struct pendings *answers);

/* --- facts.c --- */

/* `fork`: what the request is tried on. */
int facts_gather(struct engine *engine, const struct model *fork, const struct request *request,
        struct facts *ret, struct error *err);
/* What the answer of a granted request should warn of. */
void facts_warn(struct engine *engine, const struct model *model, const struct request *request,
        struct answer *answer);
/* After a namespace was removed: who keeps it alive. */
void facts_warn_of_holders(struct pending *pending);
/* One log line for each foreign firewall that eats netd's traffic. */
void facts_warn_at_start(struct engine *engine);

/* --- interfaces.c --- */

/* What there is of this name ("": nothing is asked), and whether a network can use it. */
int facts_gather_bridge(
        struct engine *engine, const char *name, struct facts *facts, struct error *err);
/* A REQUEST_HOST that says how the host is now: its interfaces and its resolvers. */
int facts_host(struct engine *engine, struct request *ret, struct error *err);
/* Whether this interface of the host forwards IPv4; true also where it is gone, false where that
 * cannot be read. */
bool facts_forwards(const char *interface);
/* The same of IPv6. */
bool facts_forwards6(const struct host *host, const char *interface);
/* Whether bridged IPv4, or IPv6, passes the inet hooks, and the model says otherwise. */
bool facts_bridge_netfilter_differs(const struct host *host);
/* Whether the way to the Internet takes something else than is known. Which way that is follows
 * from rules and routes of all tables, and from interfaces: the kernel is asked for the result. */
bool facts_way_out_differs(const struct engine *engine);
/* --- warn.c --- */

/* What the answer of a granted request should warn of. */
void facts_warn(struct engine *engine, const struct model *model, const struct request *request,
        struct answer *answer);
/* After a namespace was removed: who keeps it alive. */
void facts_warn_of_holders(struct pending *pending);
/* One log line for each foreign firewall that eats netd's traffic. */
void facts_warn_at_start(struct engine *engine);

/* --- prefixes.c --- */

/* The prefixes that the host uses besides those of netd's own networks, as they are in this moment.
 * *ret lives until the next call. */
int prefixes_get(struct engine *engine, const struct prefixes **ret, struct error *err);
/* Something happened on the host. */
void prefixes_hear(struct engine *engine, const struct happening *happening);
/* Something happened that was not heard. */
void prefixes_forget(struct engine *engine);

/* --- ports.c --- */

/* What a publish must know: who listens, and which ports are free. */
int facts_gather_ports(struct engine *engine, const struct model *fork,
        const struct request *request, struct facts *ret, struct error *err);
/* Warns of what keeps a port that was published from answering. */
void facts_warn_of_ports(struct engine *engine, const struct model *model, struct answer *answer);

/* --- reconcile.c --- */

/* Puts into the fork what a start brings: this boot, the default network, namespaces that went or
 * come back, the host. */
int engine_settle(struct engine *engine, struct model *fork, struct error *err);
/* Releases in the fork the namespaces of this boot that someone removed, or whose names others have
 * now: a repair would make them again, or work in what is theirs. */
int engine_release_missing(
        struct engine *engine, struct model *fork, bool announce, struct error *err);
/* What has the names of the model's namespaces now. *ret is the caller's to free. */
int engine_look_at_namespaces(struct engine *engine, const struct model *model,
        struct look_netns **ret, size_t *count, struct error *err);
/* Makes the kernel what `model` says: repairs, and removes orphans. Goes on after failures; *err
 * has the first. */
int engine_reconcile(struct engine *engine, const struct model *model, struct error *err);
/* All that should be there, sorted. */
int engine_desired(
        struct engine *engine, const struct model *model, struct resources *ret, struct error *err);
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
/* The timer: up to one group of what is new, or else of what is held. */
void engine_reap_later(struct engine *engine);
/* What is to be held back while flows end (render/late.c), once more: the kernel may have forgotten
 * it by now. */
int engine_hold_back(struct engine *engine, const struct model *model, struct error *err);
/* What came of one tombstone: gone (`reason` NULL), or held. */
void engine_reaped(
        struct engine *engine, const char *id, const char *reason, struct pendings *answers);
/* Whether nothing has been tried about it yet. */
bool engine_is_new(const struct engine *engine, const struct tombstone *tombstone);
/* Whether the answer to this request waits until flows have ended. */
bool engine_leaves_flows(const struct request *request);
/* Takes what is gone out of the fork. */
int engine_bury(struct engine *engine, struct model *fork, struct error *err);

/* --- heal.c --- */

/* The parts of an endpoint that are looked at. */
#define SIDE_OUTER  1u /* in the host */
#define SIDE_INSIDE 2u /* in its namespace */
#define SIDE_BOTH   (SIDE_OUTER | SIDE_INSIDE)

/* An object that may have drifted. */
struct ailing {
	enum ailing_kind {
		AILING_RULES,
		AILING_INTERFACES, /* forwarding of the host's own */
		AILING_NETWORK,
		AILING_NAMESPACE, /* its endpoints */
		AILING_LINK,      /* between two namespaces, by its id: both ends */
	} kind;
	char name[NAME_SIZE];
	unsigned sides;
	bool drifted; /* it had */
};

/*
 * Looks at these objects and makes them what the model says, and marks those that had drifted. *ret
 * says what it was, the caller's to free; NULL: nothing. Goes on after a failure; *err has the
 * first.
 */
int engine_heal(struct engine *engine, struct ailing *ailing, unsigned count, char **ret,
        struct error *err);
/* Lists links that were renamed by the names they should have: their marks say whose they are. Both
 * lists are sorted. */
void engine_recognise(struct resources *there, const struct resources *wanted);

/* --- drift.c --- */

int drift_open(struct drift **ret, struct engine *engine, struct error *err);
struct drift *drift_close(struct drift *drift);
/* Each puts something under suspicion: it is looked at soon, and healed. */
void drift_rules(struct drift *drift, unsigned pid, const char *program);
void drift_interfaces(struct drift *drift);
void drift_network(struct drift *drift, const char *name);
void drift_namespace(struct drift *drift, const char *name, unsigned sides);
/* Looked at on both sides. */
void drift_ns_link(struct drift *drift, const char *id);
void drift_links_of(struct drift *drift, const char *ns);
/* All that have endpoints, and, on the inside, all links. */
void drift_namespaces(struct drift *drift, unsigned sides);
/* Everything in the host, but the rules. */
void drift_host(struct drift *drift);

/* --- mark.c --- */

/* What the mark of a link says: the namespace is "" for a bridge. */
struct mark {
	char network[NAME_SIZE], namespace[NAME_SIZE];
};
/* False: it is no mark of this instance. */
bool mark_read(const struct model *model, const char *alias, struct mark *ret);
/* A link of the host bears no mark of netd's: whether someone took it away. */
void suspect_mark(struct engine *engine, const struct happening *link);
/* Whether the model has a link of this name in the host: kernel_config.knows. */
bool engine_knows_link(const char *name, void *engine);

/* --- suspect.c --- */

/* Holds an announcement of the kernel against the model. */
void suspect_host(
        struct drift *drift, const struct model *model, const struct happening *happening);
/* The settings of a bridge's port. */
void suspect_port(struct engine *engine, const struct happening *port);
void suspect_inside(struct engine *engine, const char *name, const struct happening *happening);

/* --- bridges.c --- */

/* Holds what is seen of the host's interfaces against the networks that use one of its bridges. */
void bridges_follow(struct engine *engine, const struct request *host);

/* --- switches.c --- */

#define LOOK_ROUND 10 /* in so many looks everything is seen once */

/* What was looked at last. */
struct switches {
	char network[KEY_SIZE], namespace[KEY_SIZE];
};
/* Looks at some of the sysctls whose change the kernel does not announce. */
void switches_look(struct switches *switches, struct engine *engine);

/* --- hearing.c --- */

struct hearing;
int hearing_open(
        struct hearing **ret, struct engine *engine, struct event *reading, struct error *err);
struct hearing *hearing_close(struct hearing *hearing);
/* The host has this number for a namespace of netd's. */
void hearing_know(struct hearing *hearing, int nsid, const char *name);
/* Something happened in a namespace; an monitor_each. */
void hearing_hear(const struct happening *happening, void *arg);
/* The end of a burst, or of as much of it as is read at once: `more` waits. */
void hearing_settle(struct hearing *hearing, bool more);
/* Some were not heard. */
void hearing_lost(struct hearing *hearing);
/* Twice a second: floods that are over. */
void hearing_look(struct hearing *hearing);

/* --- walk.c --- */

/* Whether flows are ended on a thread now. */
bool engine_walks(const struct engine *engine);
/* Ends the flows of new tombstones on a thread, and takes out of `answers` (NULL: nobody's) those
 * who wait for that. False: it cannot be done on a thread. */
bool engine_walk(struct engine *engine, struct pendings *answers);
/* Waits until it is over. */
void engine_walk_end(struct engine *engine);

/* --- foreign.c --- */

/* Lets go of namespaces that others made, and that have ended without a sign. */
void foreign_look(struct engine *engine);

/* --- watch.c --- */

/* Watches the host: what the model must follow, and what drifts from it. From now on events gather;
 * none is acted on before the loop runs. */
int watch_open(struct watch **ret, struct engine *engine, struct error *err);
/* Hears at once what happened on the host until now. */
void watch_hear(struct watch *watch);
/* For what was there before it was watched. */
int watch_start(struct watch *watch, struct error *err);
/* Listens to the namespaces of the links that this model, or this fork itself, has. NULL is
 * allowed.
 */
void watch_listen(struct watch *watch, const struct model *model);
/* The namespace of this name may be gone, or be another one. */
void watch_look_at(struct watch *watch, const char *name);
struct watch *watch_close(struct watch *watch);
