/*
 * One kernel_observe(): what is looked at, and what kinds share while they look. It is read when
 * the first kind asks for it, and once.
 */
#pragma once

#include "daemon/kernel/addresses.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/lone.h"
#include "daemon/kernel/routes.h"
#include "daemon/kernel/rules.h"
#include "daemon/kernel/sysctl.h"

/* What was read inside one namespace: as much as the look's kinds need. All is empty where there is
 * no such namespace. */
struct inside {
	uint64_t cookie; /* 0: no such namespace */
	struct links links;
	struct addresses addresses;           /* where a pair from elsewhere leads into it */
	struct routes routes;                 /* likewise */
	struct rules rules;                   /* those of netd's */
	char disable_ipv6[SYSCTL_VALUE_SIZE]; /* of interfaces to come; "": no such sysctl */
};

struct observation {
	struct kernel *kernel;
	const struct kernel_look *look;
	bool read;
	struct survey survey;
	struct addresses addresses; /* of the host */
	struct routes routes;       /* likewise, those of the subnets of its addresses */
	struct inside *insides;     /* one for each namespace of the look; others' have but links */
	struct lone_ends lone;      /* in them */
	int *nsids;                 /* one for each namespace that is not others' */
};

/* An interface of netd's, and what was read where it is. */
struct own_link {
	enum {
		OWN_BRIDGE,
		OWN_OUTER, /* in the host, too: a pair's outer end */
		OWN_INNER,
	} kind;
	const char *ns;   /* "": the host */
	bool alone;       /* an inner end whose pair has no outer one */
	const char *name; /* what resources call it: of a pair the outer end's name */
	const struct link_seen *link;
	const struct addresses *addresses;
	const struct routes *routes;
};

typedef int own_link_each(const struct own_link *own, struct resources *ret, struct error *err);

int observation_init(struct observation *observation, struct kernel *kernel,
        const struct kernel_look *look, struct error *err);
void observation_done(struct observation *observation);

/* Reads survey and insides, unless that was done. A look at namespaces only has no survey. */
int observation_read(struct observation *observation, struct error *err);
/* Reads, and calls back for each interface of netd's: first the host's, then the inner ends that
 * are there. A failure ends it. */
int observation_each(struct observation *observation, own_link_each *each, struct resources *ret,
        struct error *err);
