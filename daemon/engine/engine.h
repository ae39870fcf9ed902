/*
 * The one motion: change(model) -> render -> difference -> apply -> commit or undo. Requests are
 * gathered into batches, and answered when what they ask for is true.
 */
#pragma once

#include "daemon/model/facts.h"
#include "daemon/model/model.h"
#include "daemon/model/request.h"

#include <event2/event.h>

struct engine;
struct kernel;
struct facts;

struct engine_config {
	const char *state_dir;
	const char *runtime_dir;
	bool own_tables; /* let no one else change netd's nf_tables tables */
	struct event_base *base;
	const struct pool *pools; /* where subnets come from; copied */
	unsigned pool_count;
	struct ip publish_address; /* where publish names none; family 0: every address */
	/* Of network default, for a start that makes it: at most one of each family; copied. */
	const struct cidr *default_subnets;
	unsigned default_subnet_count;
	bool default_ip6; /* it has IPv6 without a subnet of it, too */
	bool take_over;   /* this database is the right one, whatever other marks the host bears */
};

/* Opens store and kernel and checks that this host is ours to run: one sentence, and what helps,
 * where it is not. */
int engine_open(struct engine **ret, const struct engine_config *config, struct error *err);
/* Takes over a socket that holds a published port, as the service manager kept it through a
 * restart. Before the start. */
int engine_adopt_hold(struct engine *engine, int fd, struct error *err);
/* Takes over the socket that owns netd's tables in the same way. */
int engine_adopt_owner(struct engine *engine, int fd, struct error *err);
/* Makes the kernel what the database says, then watches the host. */
int engine_start(struct engine *engine, struct error *err);
struct engine *engine_close(struct engine *engine);

/* Called once, from the event loop, when the request is answered. `err` is NULL on success; all are
 * borrowed for the call. The committed model has the objects that the answer names. */
typedef void engine_answered(const struct answer *answer, const struct error *err, void *arg);

/* Takes over what the request owns. The answer comes in a later turn of the loop, never from within
 * this call. */
int engine_submit(struct engine *engine, struct request *request, engine_answered *answered,
        void *arg, struct error *err);

/* What the rules for networks know of the host: what it uses, and the pools. */
int engine_look_at_host(struct engine *engine, struct facts *ret, struct error *err);

/* What happened, for those who listen. The words of the kinds are in doc/api.md. */
enum announcement_kind {
	ANNOUNCE_START,          /* netd is up: what there is */
	ANNOUNCE_CHANGE,         /* a request of the API was committed */
	ANNOUNCE_RELEASED,       /* a namespace that someone removed was let go of */
	ANNOUNCE_HELD,           /* removed, but the kernel does not let it go yet */
	ANNOUNCE_GONE,           /* what was held is gone at last */
	ANNOUNCE_DRIFT,          /* something of netd's was missing or changed, and was healed */
	ANNOUNCE_FIGHT,          /* someone changes the same thing again and again */
	ANNOUNCE_UNWATCHED,      /* a namespace with too many events is not watched any more */
	ANNOUNCE_REPAIR_FAILED,  /* it is tried again */
	ANNOUNCE_REPAIRED,       /* at last */
	ANNOUNCE_BRIDGE_GONE,    /* somebody else's, that a network uses */
	ANNOUNCE_BRIDGE_BACK,    /* and its members are on it again */
	ANNOUNCE_STORAGE_FAILED, /* the database takes no changes */
	ANNOUNCE_STORAGE_BACK,   /* it takes them again */
	ANNOUNCEMENTS
};

#define ANNOUNCEMENT_SIZE 1024 /* of the sentence; what is longer is cut off */

/* All borrowed for the call. NULL, "" and 0 stand for "none" and "not known". */
struct announcement {
	enum announcement_kind kind;
	const char *network;
	const char *namespace;
	const char *text; /* a sentence; filled in by engine_announce() */
	/* Who caused it. */
	bool asked; /* by a request: uid and pid are those of the API's caller */
	unsigned uid;
	int pid;
	const char *program;
};

const char *announcement_word(enum announcement_kind kind);

typedef void engine_hears(const struct announcement *announcement, void *arg);
/* One listener, called in the middle of the engine's work: it must not call the engine. NULL: none.
 */
void engine_listen(struct engine *engine, engine_hears *hears, void *arg);

/* For lists and inspection. */
const struct model *engine_model(const struct engine *engine);
struct kernel *engine_kernel(struct engine *engine);
/* Why no change is taken at present; NULL where changes are taken. */
const struct error *engine_refused(const struct engine *engine);

/* How published ports are at this moment, for those who list them. */
struct ports_look;

struct port_state {
	char pending[160]; /* why it does not answer; "": it does */
	bool counted;      /* else it is not known what went through it */
	uint64_t packets, bytes;
};

/* `counters`: also what went through them, which the kernel has to be asked for. */
int engine_look_at_ports(
        struct engine *engine, bool counters, struct ports_look **ret, struct error *err);
struct ports_look *ports_look_done(struct ports_look *look);
void engine_port_state(
        struct ports_look *look, const struct publication *publication, struct port_state *ret);

/* `netd --cleanup`: removes all that any netd ever made on this host, without a database. With
 * `out`, writes the commands that would do it instead. Goes on after a failure; *err has the first.
 */
int engine_cleanup(const char *runtime_dir, FILE *out, struct error *err);
