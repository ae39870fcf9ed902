/*
 * The difference of two sorted lists, put in order.
 *
 * The order is a property of the kinds: what a thing stands on comes before it (a namespace before
 * its links, a link before its addresses) when it is made, and after it when it is removed.
 * Removals come before creations, so that a name or an address that moves from one object to
 * another is free when it is taken. nf_tables stands around all of that, so that nothing is ever
 * reachable unguarded.
 */
#include "daemon/plan/plan.h"

#include "lib/list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANK_CHANGED_END 9 /* its sysctls have its right name, and are there with its right MTU */

/* A namespace's defaults precede its links; a link's own follow it; what is switched for the whole
 * host comes when each interface is prepared for it. */
static int rank_of_sysctl(const struct resource *sysctl)
{
	return strstr(sysctl->name, "/conf/default/") ? 6
	       : strstr(sysctl->name, "/conf/all/")   ? 15
	                                              : 10;
}

/* Where a kind stands when it is made. */
static int rank(const struct resource *resource)
{
	switch (resource->kind) {
	case RESOURCE_SKELETON:
		return 0;
	case RESOURCE_ELEMENT:
		return 1;
	case RESOURCE_HOLD:
		return 2;
	case RESOURCE_NETNS_DIR:
		return 3;
	case RESOURCE_NETNS:
		return 4;
	case RESOURCE_FILE:
		return 5;
	case RESOURCE_SYSCTL:
		return rank_of_sysctl(resource);
	case RESOURCE_LINK:
		return resource->link.type == LINK_BRIDGE ? 7 : 8;
	case RESOURCE_PORT:
	case RESOURCE_MOVED:
		return 10;
	case RESOURCE_END:
		return 11;
	case RESOURCE_ADDRESS:
		return 12;
	case RESOURCE_ROUTE:
		return 13;
	case RESOURCE_RULE:
		return 14;
	case RESOURCE_FLOWS:
	case RESOURCE_KINDS:
		break;
	}
	return 16;
}

static enum phase phase(const struct resource *resource, bool coming)
{
	if (resource->kind == RESOURCE_SKELETON)
		return PHASE_GUARD;
	if (resource->kind == RESOURCE_ELEMENT)
		return (resource->element.set->class == ELEMENT_GUARD) == coming ? PHASE_GUARD
		                                                                 : PHASE_PUBLISH;
	return PHASE_KERNEL;
}

static bool is_final(const struct step *step)
{
	if (step->new)
		return false;
	switch (step->old->kind) {
	case RESOURCE_LINK:
	case RESOURCE_NETNS_DIR:
	case RESOURCE_NETNS:
	case RESOURCE_FLOWS:
		return true;
	case RESOURCE_SKELETON:
	case RESOURCE_ELEMENT:
	case RESOURCE_END:
	case RESOURCE_PORT:
	case RESOURCE_SYSCTL:
	case RESOURCE_ADDRESS:
	case RESOURCE_ROUTE:
	case RESOURCE_RULE:
	case RESOURCE_FILE:
	case RESOURCE_HOLD:
	case RESOURCE_MOVED:
	case RESOURCE_KINDS:
		return false;
	}
	return false;
}

/* What cannot be changed in place. */
static bool must_replace(const struct resource *old, const struct resource *new)
{
	if (old->kind == RESOURCE_LINK)
		return old->link.type != new->link.type ||
		       (old->link.broken && !new->link.retired) ||
		       (!new->link.retired &&strcmp(old->link.peer_ns, new->link.peer_ns) != 0);
	return false;
}

static int steps_add(struct steps *steps, const struct resource *old, const struct resource *new,
        enum phase when, struct error *err)
{
	if (!LIST_ROOM(steps->items, steps->count, steps->capacity, 32))
		return error_memory(err);
	steps->items[steps->count++] = (struct step){.old = old, .new = new, .phase = when};
	return 0;
}

/* What only waits for its deletion and is not there, is gone: made and removed in one batch, say.
 */
static bool is_gone_already(const struct resource *new)
{
	return new->kind == RESOURCE_LINK &&new->link.retired;
}

static int add_create(struct plan *plan, const struct resource *new, struct error *err)
{
	if (is_gone_already(new))
		return 0;
	return steps_add(&plan->reversible, NULL, new, phase(new, true), err);
}

/* What has no life of its own needs no step: it goes with what it stands on. */
static bool goes_by_itself(const struct resource *old)
{
	return old->kind == RESOURCE_END ||
	       (old->kind == RESOURCE_SYSCTL && !old->sysctl.journal) ||
	       (old->kind == RESOURCE_ROUTE && !old->route.gateway.family && !old->route.table);
}

static int add_delete(struct plan *plan, const struct resource *old, struct error *err)
{
	struct step step = {.old = old};

	if (goes_by_itself(old))
		return 0;
	return steps_add(is_final(&step) ? &plan->final : &plan->reversible, old, NULL,
	        phase(old, false), err);
}

/* Whether it went with a link that is replaced: the new one comes with the kernel's defaults.
 * Links precede in the list what stands on them. */
static bool goes_with_link(const struct plan *plan, const struct resource *resource)
{
	for (size_t i = 0; resource->kind > RESOURCE_LINK && i < plan->reversible.count; i++) {
		const struct step *step = &plan->reversible.items[i];

		if (!step->new && step->old->kind == RESOURCE_LINK &&
		        resource_stands_on(resource, step->old))
			return true;
	}
	return false;
}

static int add_both(struct plan *plan, const struct resource *old, const struct resource *new,
        bool replaced, struct error *err)
{
	int r;

	if (replaced && goes_with_link(plan, new))
		return add_create(plan, new, err);
	if (resource_equal(old, new))
		return 0;
	if (!must_replace(old, new))
		return steps_add(&plan->reversible, old, new, phase(new, true), err);
	r = steps_add(&plan->reversible, old, NULL, phase(old, false), err);
	return r < 0 ? r : add_create(plan, new, err);
}

/* 0: change. Removing comes first, in falling rank; then changing and making, in rising rank. */
static int order_key(const struct step *step)
{
	if (!step->new)
		return -rank(step->old);
	if (step->old && step->new->kind == RESOURCE_END)
		return 1 + RANK_CHANGED_END;
	return 1 + rank(step->new);
}

static int compare_steps(const void *left, const void *right)
{
	const struct step *a = left, *b = right;
	const struct resource *x = a->new ? a->new : a->old, *y = b->new ? b->new : b->old;

	if (a->phase != b->phase)
		return a->phase < b->phase ? -1 : 1;
	if (order_key(a) != order_key(b))
		return order_key(a) < order_key(b) ? -1 : 1;
	return resource_compare(x, y);
}

static void order(struct steps *steps)
{
	if (steps->count)
		qsort(steps->items, steps->count, sizeof(*steps->items), compare_steps);
}

/* A table that is made anew comes empty: forget the elements that it had. */
static bool table_is_new(
        const struct resources *old, const struct resources *new, const struct resource *element)
{
	const struct resource *before = NULL, *after = NULL;

	for (size_t i = 0; i < old->count && old->items[i].kind == RESOURCE_SKELETON; i++)
		if (strcmp(old->items[i].name, element->element.set->table) == 0)
			before = &old->items[i];
	for (size_t i = 0; i < new->count &&new->items[i].kind == RESOURCE_SKELETON; i++)
		if (strcmp(new->items[i].name, element->element.set->table) == 0)
			after = &new->items[i];
	if (!after)
		return before != NULL; /* removed as a whole */
	return !before || strcmp(before->text, after->text) != 0;
}

/* An element of a table that is made anew: made with it, in the same batch. Of one that is removed:
 * goes with it. */
static int add_element(struct plan *plan, const struct resource *new, struct error *err)
{
	return new ? steps_add(&plan->reversible, NULL, new, PHASE_GUARD, err) : 0;
}

int plan_difference(const struct resources *old, const struct resources *new, struct plan *ret,
        struct error *err)
{
	struct plan plan = {0};
	bool replaced = false; /* some link is */
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < old->count || j < new->count)) {
		const struct resource *a = i < old->count ? &old->items[i] : NULL;
		const struct resource *b = j < new->count ? &new->items[j] : NULL;
		int which = !a ? 1 : !b ? -1 : resource_compare(a, b);
		const struct resource *one = which > 0 ? b : a;

		i += which <= 0;
		j += which >= 0;
		if (one->kind == RESOURCE_ELEMENT && table_is_new(old, new, one))
			r = add_element(&plan, which >= 0 ? b : NULL, err);
		else if (which < 0)
			r = add_delete(&plan, a, err);
		else if (which > 0)
			r = add_create(&plan, b, err);
		else
			r = add_both(&plan, a, b, replaced, err);
		replaced |= which == 0 && a->kind == RESOURCE_LINK && must_replace(a, b);
	}
	if (r < 0) {
		plan_done(&plan);
		return r;
	}
	order(&plan.reversible);
	order(&plan.final);
	*ret = plan;
	return 0;
}

int plan_opposite(const struct steps *done, struct steps *ret, struct error *err)
{
	struct steps steps = {0};
	int r;

	for (size_t i = done->count; i-- > 0;) {
		const struct step *step = &done->items[i];

		if (!step->done)
			continue;
		r = steps_add(&steps, step->new, step->old,
		        (enum phase)(PHASE_PUBLISH - step->phase), err);
		if (r < 0) {
			steps_done(&steps);
			return r;
		}
	}
	*ret = steps;
	return 0;
}

bool step_is_claim(const struct step *step)
{
	const struct resource *old = step->old, *new = step->new;

	if (!old || !new || new->kind != RESOURCE_SKELETON)
		return false;
	return new->skeleton.owner == OWNER_NETD &&strcmp(old->text, new->text) == 0;
}

void steps_done(struct steps *steps)
{
	free(steps->items);
	*steps = (struct steps){0};
}

void plan_done(struct plan *plan)
{
	steps_done(&plan->reversible);
	steps_done(&plan->final);
}
