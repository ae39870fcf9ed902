/*
 * What all nouns have in common: listing, inspecting, removing, and the end of a changing command.
 * A noun says how its objects are found in an answer and how they look.
 */
#pragma once

#include "cli/filter.h"
#include "cli/grammar.h"
#include "cli/table.h"

struct noun {
	const char *path;            /* "/v1/networks" */
	const char *key;             /* of the array in answers: "networks" */
	const struct column *table;  /* one line each */
	const struct column *record; /* the whole object; NULL for a noun that is only listed */
	char *(*name)(const json_t *object); /* for --quiet; allocated. NULL: its field "name" */
	const struct filter *filters;        /* of ls; ends with key NULL */
};

int noun_ls(const struct call *call);
int noun_inspect(const struct call *call);
int noun_rm(const struct call *call);
int noun_prune(const struct call *call);

/* A string of an object; "-" where there is none. Borrowed. */
const char *field_text(const json_t *object, const char *name);
/* A whole number of an object; 0 where there is none. */
long long field_number(const json_t *object, const char *name);

/* Says on standard error what the command was refused for; returns the exit status. An error about
 * a value names the value only, so the command is put before it. */
int change_error(const struct call *call, struct error *err);

/*
 * Sends `body` (taken over; NULL: it could not be made, and *err says why) and prints the answer:
 * with --dry-run the plan, with --json all of it, else what `say` makes of it. Returns the exit
 * status.
 */
int change_send(const struct call *call, const char *method, const char *path, json_t *body,
        struct error *err, void (*say)(const struct call *call, const json_t *answer));
/* PATCHes what is at `path` (NULL: memory is out) by the words KEY=VALUE behind the arguments that
 * name it. */
int change_assignments(const struct call *call, const char *path,
        void (*say)(const struct call *call, const json_t *answer));

/* DELETE of several things: each is tried, the first failure is the exit status, JSON is one object
 * for all. */
struct removal {
	const struct call *call;
	json_t *answers; /* owned: all of them in one object, where JSON is asked for */
	int status;
};

/* Takes `path` over (NULL: memory is out). `name` is printed with --quiet. */
void removal_add(struct removal *removal, char *path, const char *name);
/* Prints what is left to print, returns the exit status. */
int removal_end(struct removal *removal);
