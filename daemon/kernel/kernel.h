/*
 * The only place that talks to the kernel. It takes resources and plain values, never model
 * objects, and keeps no state of its own but open descriptors: what is there is asked of the
 * kernel.
 *
 * One file per kind of resource, one row per kind in the table of kernel.c.
 */
#pragma once

#include "daemon/plan/plan.h"

#include <stdio.h>

struct kernel;

struct kernel_config {
	const char *runtime_dir; /* records of namespaces and sysctls; exists, mode 0755 */
	const char *instance;    /* thirty-two hex digits: the id in every mark */
	bool own_tables;         /* let no one else change netd's tables, where the kernel can */
	/* Whether a link of netd's in the host has this name. By that, and by the index that netd
	 * drew, one is known whose mark was taken away. NULL: none is. */
	bool (*knows)(const char *link, void *arg);
	void *arg; /* of knows() */
};

/* Opens the sockets. The host is the network namespace that the caller is in. */
int kernel_open(struct kernel **ret, const struct kernel_config *config, struct error *err);
struct kernel *kernel_close(struct kernel *kernel);
/* Removes from the runtime directory what an interrupted write has left there. For who has its
 * lock. */
void kernel_tidy(struct kernel *kernel);

/* Takes over the socket that owns the tables from the descriptor store. What is none is closed: a
 * sentence, and the tables are claimed with a fresh one. Before the first application. */
#define OWNER_FD_NAME "nft-owner" /* its name there */
int kernel_adopt_owner(struct kernel *kernel, int fd, struct error *err);
/* Leaves the socket that owns the tables with the service manager, or takes it away from there. */
void kernel_keep_owner(struct kernel *kernel);
/* Whether the tables are to be netd's alone: as configured, and as this kernel can. */
bool kernel_owns_tables(const struct kernel *kernel);

/*
 * Applies steps in their order and marks each that was done. Stops at the first failure, leaving
 * the step that failed marked `failed`; steps behind it that had been sent already may be done,
 * too. Deleting what is gone already is success. Steps of PHASE_GUARD and PHASE_PUBLISH are one
 * nf_tables batch each: all of them are done or none.
 */
int kernel_apply(struct kernel *kernel, struct steps *steps, struct error *err);
/* The same, but goes on after a failure; *err keeps the first. For undoing and for final steps. */
int kernel_apply_all(struct kernel *kernel, struct steps *steps, struct error *err);

/* The commands a person would type for these steps, one per line; `#` lines for what has no
 * command. */
int kernel_tell(const struct steps *steps, FILE *out);

/* Whose marks count: this instance's, or anyone's. */
enum kernel_scope { SCOPE_INSTANCE, SCOPE_ALL };

/* What to look at. */
struct kernel_look {
	enum kernel_scope scope;
	unsigned kinds;                /* KERNEL_LOOK() of each kind; KERNEL_LOOK_ALL: every one */
	const char *const *namespaces; /* names in /run/netns to look into */
	size_t namespace_count;
	size_t foreign_count; /* so many behind these are others': see below */
};
#define KERNEL_LOOK(kind) (1u << (kind))
#define KERNEL_LOOK_ALL   (~0u)

/*
 * Everything of these kinds on this host that bears netd's mark, sorted. For namespaces it looks
 * inside those that are named, for what belongs to netd's links there, and for `lo`. Sysctls,
 * routes and addresses are observed for netd's own interfaces; host sysctls outside of these only
 * as the journal names them.
 *
 * Without names the look is at the host alone: no namespace is entered, and of a pair's other end
 * nothing is known but that there is one (peer_ns, peer_name and peer_mac are empty). Only
 * RESOURCE_NETNS goes beyond the names: it asks every namespace that netd made which one it is, for
 * an orphan is in no list.
 *
 * Others' namespaces are looked into for pairs alone that have no end in the host. One that cannot
 * be entered is passed over, and the log says so.
 */
int kernel_observe(struct kernel *kernel, const struct kernel_look *look, struct resources *ret,
        struct error *err);

/* How many messages that create, change or delete were sent since kernel_open(): links, addresses,
 * routes, nf_tables, mounts, sysctl writes. A start with nothing to do leaves it at 0. */
unsigned long kernel_changes(const struct kernel *kernel);
