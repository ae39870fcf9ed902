/* What must hold of models, lists of resources and sentences, whatever the bytes were. */
#pragma once

#include "daemon/model/rules.h"
#include "daemon/plan/plan.h"

/* A host with nothing but the default network; each call makes another. */
struct model *fuzz_model(void);
/* One with an endpoint `web` and a published port, too. */
struct model *fuzz_endpoint_model(void);
/* What that renders to, sorted: only the kinds that are given, up to the first that is
 * RESOURCE_KINDS. */
void fuzz_resources(struct resources *ret, const enum resource_kind *kinds);

/* A sentence: there is a code, and one line that a terminal does not obey. */
void holds_error(const struct error *err);
/* Sorted, no double, and each can be named. */
void holds_resources(const struct resources *list);
/* It renders, twice the same. */
void holds_model(const struct model *model);
/* A plan leads from one sorted list to the other, and its opposite back. */
void holds_difference(const struct resources *old, const struct resources *new);
/* The difference of what the fork touches leads from the old to the new, and can be told. Its
 * opposite leads back. */
void holds_change(const struct model *fork, const struct model *parent);
