/* Filters of lists. */
#pragma once

#include "cli/grammar.h"

#include <jansson.h>

/* What a key of --filter means: a field of the noun's objects, or LIST.FIELD of an object in a list
 * of theirs. Values are compared as fnmatch(3) does; "labels" as KEY or KEY=VALUE. */
struct filter {
	const char *key; /* NULL ends the list */
	const char *field;
};

/* Whether each filter that was given is one of the noun's. */
int filter_check(const struct call *call, struct error *err);
/* Takes out of the list what does not pass all of them. */
void filter_apply(const struct call *call, json_t *objects);
