/*
 * Reads the fields of one JSON object strictly: a wrong type and an unknown field are errors that
 * name the field's path. A reader remembers the first error, so that a caller reads all its fields
 * and asks once, at the end.
 */
#pragma once

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct json_reader {
	const json_t *object;
	size_t seen; /* fields that were asked for and are there */
	const char *names[96];
	struct error *err;
	int result; /* 0, or the negative errno of the first error */
};

/* json_loadb(), but with not a byte left out: jansson goes on where it lacked the memory for one of
 * a string. 0; -ENOMEM; -EINVAL: *reason says why. *ret is the caller's to json_decref(). */
int json_load(const char *text, size_t size, size_t flags, json_t **ret, json_error_t *reason);

/* Parses one body: a JSON object, no duplicates, nothing behind it. An empty body reads as {}.
 * *ret is the caller's to json_decref(). */
int json_parse_object(const char *text, size_t size, json_t **ret, struct error *err);

/* `object` must outlive the reader and what it returned. */
struct json_reader json_reader_start(const json_t *object, struct error *err);

/* NULL, false or `otherwise` where the field is absent or null. Strings are borrowed from the
 * object. */
const char *json_read_string(struct json_reader *reader, const char *name);
bool json_read_bool(struct json_reader *reader, const char *name);
/* The same, and whether it is there at all. */
bool json_read_switch(struct json_reader *reader, const char *name, bool *given);
int64_t json_read_number(
        struct json_reader *reader, const char *name, int64_t min, int64_t max, int64_t otherwise);
/* An array of objects or strings, borrowed; NULL where absent. */
const json_t *json_read_array(struct json_reader *reader, const char *name);

/* Refuses fields that no one asked for. Returns 0 or the first error of this reader. */
int json_reader_end(struct json_reader *reader);
