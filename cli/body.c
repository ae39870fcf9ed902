/*
 * Options as the body of a request. How each one stands there is in its row of the table, so a new
 * one needs no code. Values are checked by the daemon; only what JSON must know (is it a number?)
 * is asked here.
 */
#include "cli/grammar.h"

#include "lib/cleanup.h"
#include "lib/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *option_field(const struct option_spec *spec, char ret[OPTION_FIELD_SIZE])
{
	const char *from = spec->field ? spec->field : spec->name + 2;
	size_t n = 0;

	for (; from[n] && n < OPTION_FIELD_SIZE - 1; n++)
		ret[n] = from[n] == '-' ? '_' : from[n];
	ret[n] = '\0';
	return ret;
}

static json_t *number(const struct option_spec *spec, const char *value, struct error *err)
{
	const char *digits = value + (value[0] == '-');
	size_t length = strlen(digits);

	if (length >= 1 && length <= 18 && strspn(digits, "0123456789") == length)
		return json_integer(strtoll(value, NULL, 10));
	error_field(err, spec->name + 2, "%s: '%.40s' is no whole number", spec->name, value);
	return NULL;
}

/* Appends to the list that the field is, or makes it one. */
static int append(json_t *body, const char *field, const char *value)
{
	json_t *list = json_object_get(body, field);

	if (!json_is_array(list)) {
		list = json_array();
		if (json_object_set_new(body, field, list) < 0)
			return -1;
	}
	return json_array_append_new(list, json_string(value));
}

static int put(const struct option_spec *spec, const char *value, json_t *body, struct error *err)
{
	char field[OPTION_FIELD_SIZE];
	json_t *item = NULL;

	option_field(spec, field);
	*err = (struct error){0};
	switch (spec->body) {
	case BODY_NOT:
		return 0;
	case BODY_SWITCH:
		item = json_boolean(strcmp(value, "no") != 0);
		break;
	case BODY_NUMBER:
		item = number(spec, value, err);
		break;
	case BODY_TEXT:
		item = json_string(value);
		break;
	case BODY_LIST:
		return append(body, field, value) < 0 ? error_memory(err) : 0;
	}
	if (item && json_object_set_new(body, field, item) == 0)
		return 0;
	return err->code ? -EINVAL : error_memory(err);
}

json_t *call_body(const struct call *call, json_t *body, struct error *err)
{
	int r = body ? 0 : error_memory(err);

	/* In the order of the table, so that the same options make the same body. */
	for (int id = 0; id < OPTION_COUNT; id++)
		for (size_t i = 0; r == 0 && i < call->n_uses; i++)
			if (call->uses[i].id == (enum option_id)id)
				r = put(&option_specs[id], call->uses[i].value, body, err);
	if (r == 0)
		return body;
	json_decref(body);
	return NULL;
}

/* The one of this name. */
static const struct option_spec *find(const enum option_id *keys, const char *name, size_t length)
{
	for (; keys && *keys; keys++) {
		const char *key = option_specs[*keys].name + 2;

		if (strlen(key) == length && memcmp(key, name, length) == 0)
			return &option_specs[*keys];
	}
	return NULL;
}

/* What cannot be changed is sent all the same: the daemon knows why. */
static int put_fixed(
        const struct option_spec *spec, const char *value, json_t *body, struct error *err)
{
	char field[OPTION_FIELD_SIZE];

	if (spec->body != BODY_NOT)
		return put(spec, value, body, err);
	option_field(spec, field);
	field[strcspn(field, ".")] = '\0';
	return json_object_set_new(body, field, json_string(value)) < 0 ? error_memory(err) : 0;
}

/* Several values of a list are separated by commas, unless one has a comma in it. */
static int put_list(const struct option_spec *spec, char *values, json_t *body, struct error *err)
{
	char *rest = values, *value;
	int r = 0;

	if (strchr(spec->value, ','))
		return put(spec, values, body, err);
	while (r == 0 && (value = strsep(&rest, ",")))
		r = put(spec, value, body, err);
	return r;
}

int call_assignment(
        const struct command *command, const char *word, json_t *body, struct error *err)
{
	size_t length = strcspn(word, "=");
	const char *value = word[length] ? word + length + 1 : NULL;
	const struct option_spec *spec = find(command->keys, word, length);
	const struct option_spec *fixed = find(command->fixed, word, length);
	char field[OPTION_FIELD_SIZE];
	_cleanup_(freep) char *values = NULL;

	if (!value)
		return error_field(err, "", "'%.60s': write KEY=VALUE", word);
	if (fixed)
		return put_fixed(fixed, value, body, err);
	if (!spec)
		return error_field(err, "",
		        "there is no setting '%.*s' (netd-ctl %s %s -h lists them)",
		        (int)(length < 60 ? length : 60), word, command->words[0],
		        command->words[1]);
	option_field(spec, field);
	/* More items of a list may be words of their own. */
	if (json_object_get(body, field) &&
	        !(*value && json_is_array(json_object_get(body, field))))
		return error_field(err, "", "%.*s is given twice", (int)length, word);
	if (!*value)
		return json_object_set_new(body, field, json_null()) < 0 ? error_memory(err) : 0;
	if (spec->body == BODY_SWITCH && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return error_field(err, "", "%.*s: write yes or no", (int)length, word);
	if (spec->body != BODY_LIST)
		return put(spec, value, body, err);
	values = strdup(value);
	return values ? put_list(spec, values, body, err) : error_memory(err);
}
