/* Objects of an answer as text: a table with a line for each, or a record with a line for each
 * field. */
#pragma once

#include "cli/grammar.h"

#include <jansson.h>
#include <stddef.h>

struct column {
	const char *header; /* in capitals */
	const char *field;  /* its value is shown, unless `cell` makes the text */
	/* Allocated; NULL where memory is out. Lines of a record's cell end with '\n'; the last one
	 * need not. */
	char *(*cell)(const json_t *object);
	/* Of a record: stands for all of these, which ends with 0. */
	const enum option_id *settings;
};

/* Headers, then one line for each object. Columns are as wide as their content; where `width` is
 * not 0 and the lines are longer, the widest columns are cut. Columns end with header NULL. */
void table_print(const struct column *columns, const json_t *objects, size_t width);

/* One line for each column and line of its cell, an empty line between objects. */
void record_print(const struct column *columns, const json_t *objects);

/* A value of any type as a cell: null is "-", an array its elements, joined with ", ". Allocated.
 */
char *cell_value(const json_t *value);
/* Those of the settings that the object does not have at their default, in one line: "router,
 * gw-priority 1". `keys` ends with 0. Allocated. */
char *cell_settings(const json_t *object, const enum option_id *keys);
