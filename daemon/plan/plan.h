/*
 * The difference of two lists of resources, in the order in which it may be applied.
 *
 * A step has an old side, a new side, or both: create, delete, change. Its opposite is the same
 * step with the sides swapped, so undoing is nothing but applying opposites backwards. Two verbs
 * cannot be taken back, the deletion of a link and of a namespace, and flows that were purged do
 * not come back either: these are *final*, and stand in a list of their own.
 */
#pragma once

#include "daemon/plan/resource.h"

/* The moments of one application, in this order; see DESIGN in HACKING.md. */
enum phase {
	PHASE_GUARD, /* one nf_tables batch: guards that come, publications that go, whole tables */
	PHASE_KERNEL,  /* everything else */
	PHASE_PUBLISH, /* one nf_tables batch: publications that come, guards that go */
};

struct step {
	const struct resource *old; /* NULL: create */
	const struct resource *new; /* NULL: delete */
	enum phase phase;
	bool done; /* set by whoever applies it */
	bool failed;
	bool unsure; /* not done, as far as is known: the kernel's answer was lost */
};

struct steps {
	struct step *items;
	size_t count, capacity;
};

struct plan {
	struct steps reversible;
	struct steps final;
};

/*
 * Both lists must be sorted (resources_sort) and outlive the plan. What must be replaced because it
 * cannot be changed (a veth whose other end is elsewhere) becomes a delete and a create, both
 * reversible: what is lost that way is already broken. A skeleton that is replaced takes its
 * elements with it: all of the new ones become creates, in the same phase. One that is only claimed
 * keeps them.
 */
int plan_difference(const struct resources *old, const struct resources *new, struct plan *ret,
        struct error *err);
/* The opposite of the steps that are done, in opposite order, to be applied in one go. */
int plan_opposite(const struct steps *done, struct steps *ret, struct error *err);
/* Whether all that this step changes is whose a table is. */
bool step_is_claim(const struct step *step);
void plan_done(struct plan *plan);
void steps_done(struct steps *steps);
