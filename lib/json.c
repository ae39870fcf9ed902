/*
 * Reads the fields of one JSON object. Strictness is the point: a typing mistake in a field's name
 * must not be taken for its absence, so a reader keeps the names it was asked for and at the end
 * refuses every other one.
 *
 * Text of the input that is repeated in a sentence is cleaned first: sentences go to terminals,
 * logs and JSON.
 */
#include "lib/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX (sizeof(((struct json_reader *)0)->names) / sizeof(const char *))

/* A piece of the input, fit to be printed; "" shows itself. */
struct clean {
	char text[JSON_ERROR_TEXT_LENGTH];
};

static struct clean clean(const char *text)
{
	struct clean result = {"\"\""};
	size_t n = 0;

	if (!*text)
		return result;
	for (; text[n] && n < sizeof(result.text) - 1; n++)
		result.text[n] = isprint((unsigned char)text[n]) ? text[n] : '?';
	result.text[n] = '\0';
	return result;
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		return "null";
	}
	return "something else";
}

static bool lacked_memory; /* JSON is the main thread's */

static void *allocate(size_t size)
{
	void *memory = malloc(size);

	lacked_memory |= !memory;
	return memory;
}

int json_load(const char *text, size_t size, size_t flags, json_t **ret, json_error_t *reason)
{
	json_t *value;

	json_set_alloc_funcs(allocate, free);
	lacked_memory = false;
	value = json_loadb(text, size, flags, reason);
	if (lacked_memory) {
		json_decref(value);
		return -ENOMEM;
	}
	if (!value)
		return -EINVAL;
	*ret = value;
	return 0;
}

int json_parse_object(const char *text, size_t size, json_t **ret, struct error *err)
{
	json_error_t reason;
	json_t *value = NULL;
	int r = 0;

	if (size)
		r = json_load(
		        text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &value, &reason);
	else
		value = json_object();
	if (r == -ENOMEM || (r == 0 && !value))
		return error_memory(err);
	if (r < 0)
		return error_set(err, ERROR_INVALID, 0,
		        "the body is not JSON: line %d, column %d: %s", reason.line, reason.column,
		        clean(reason.text).text);
	if (!json_is_object(value)) {
		error_set(err, ERROR_INVALID, 0, "the body must be a JSON object, not %s",
		        type_name(value));
		json_decref(value);
		return -EINVAL;
	}
	*ret = value;
	return 0;
}

struct json_reader json_reader_start(const json_t *object, struct error *err)
{
	assert(json_is_object(object));
	return (struct json_reader){.object = object, .err = err};
}

/* The field if it is there, is not null, and no earlier field was bad. */
static const json_t *take(struct json_reader *reader, const char *name)
{
	const json_t *value = json_object_get(reader->object, name);

	if (!value)
		return NULL;
	assert(reader->seen < NAMES_MAX);
	reader->names[reader->seen++] = name;
	return json_is_null(value) || reader->result < 0 ? NULL : value;
}

static void refuse_type(
        struct json_reader *reader, const char *name, const char *wanted, const json_t *value)
{
	reader->result = error_field(
	        reader->err, name, "%s must be %s, not %s", name, wanted, type_name(value));
}

const char *json_read_string(struct json_reader *reader, const char *name)
{
	const json_t *value = take(reader, name);

	if (!value)
		return NULL;
	if (!json_is_string(value))
		refuse_type(reader, name, "a string", value);
	return json_string_value(value);
}

bool json_read_bool(struct json_reader *reader, const char *name)
{
	bool given;

	return json_read_switch(reader, name, &given);
}

bool json_read_switch(struct json_reader *reader, const char *name, bool *given)
{
	const json_t *value = take(reader, name);

	*given = value != NULL;
	if (!value)
		return false;
	if (!json_is_boolean(value))
		refuse_type(reader, name, "true or false", value);
	return json_is_true(value);
}

int64_t json_read_number(
        struct json_reader *reader, const char *name, int64_t min, int64_t max, int64_t otherwise)
{
	const json_t *value = take(reader, name);
	json_int_t number;

	if (!value)
		return otherwise;
	number = json_integer_value(value);
	if (json_is_integer(value) && number >= min && number <= max)
		return number;
	if (json_is_number(value))
		reader->result = error_field(reader->err, name,
		        "%s must be a whole number from %" PRId64 " to %" PRId64, name, min, max);
	else
		refuse_type(reader, name, "a number", value);
	return otherwise;
}

const json_t *json_read_array(struct json_reader *reader, const char *name)
{
	const json_t *value = take(reader, name);

	if (!value)
		return NULL;
	if (json_is_array(value))
		return value;
	refuse_type(reader, name, "a list", value);
	return NULL;
}

static bool asked_for(const struct json_reader *reader, const char *name)
{
	for (size_t i = 0; i < reader->seen; i++)
		if (strcmp(reader->names[i], name) == 0)
			return true;
	return false;
}

int json_reader_end(struct json_reader *reader)
{
	const char *name;
	json_t *value;

	if (reader->result < 0 || json_object_size(reader->object) == reader->seen)
		return reader->result;
	json_object_foreach ((json_t *)reader->object, name, value) {
		if (!asked_for(reader, name)) {
			struct clean unknown = clean(name);

			reader->result = error_unknown(reader->err, unknown.text,
			        "%s: there is no such field here", unknown.text);
			break;
		}
	}
	return reader->result;
}
