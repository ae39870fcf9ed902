/*
 * One kernel_observe(): what is looked at, and what kinds share while they look. It is read when
 * the first kind asks for it, and once.
 */
#pragma once

#include "daemon/kernel/addresses.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/routes.h"
#include "daemon/kernel/sysctl.h"

/* What was read inside one namespace: as much as the look's kinds need. All is empty where there is
 * no such namespace. */
struct inside {
	uint64_t cookie; /* 0: no such namespace */
	struct links links;
	struct addresses addresses;           /* where a pair of netd's leads into it */
	struct routes routes;                 /* likewise */
	char disable_ipv6[SYSCTL_VALUE_SIZE]; /* of interfaces to come; "": no such sysctl */
};

struct observation {
	struct kernel *kernel;
	const struct kernel_look *look;
	bool read;
	struct survey survey;
	struct inside *insides; /* one for each namespace of the look */
	int *nsids;             /* likewise */
};

int observation_init(struct observation *observation, struct kernel *kernel,
        const struct kernel_look *look, struct error *err);
void observation_done(struct observation *observation);

/* Reads survey and insides, unless that was done. A look at namespaces only has no survey. */
int observation_read(struct observation *observation, struct error *err);
