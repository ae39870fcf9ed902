/*
 * `ls --filter KEY=VALUE`: which objects of a list are shown. What a key means stands with its
 * noun; all filters that are given must hold. The daemon is asked for the whole list all the same,
 * as it makes one without effort, and a program that speaks to it can choose for itself.
 */
#include "cli/filter.h"

#include "cli/noun.h"
#include "lib/cleanup.h"

#include <fnmatch.h>
#include <string.h>

static bool matches_text(const json_t *value, const char *pattern)
{
	const char *text = json_string_value(value);
	char digits[24];

	if (json_is_boolean(value))
		text = json_is_true(value) ? "yes" : "no";
	if (json_is_integer(value)) {
		snprintf(
		        digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		text = digits;
	}
	return text && fnmatch(pattern, text, 0) == 0;
}

/* KEY for any value of it, or KEY=VALUE. */
static bool has_label(const json_t *labels, const char *wanted)
{
	bool with_value = strchr(wanted, '=') != NULL;
	const json_t *label;
	size_t i;

	json_array_foreach (labels, i, label) {
		const char *text = json_string_value(label);
		size_t length = strlen(wanted);

		if (text && strncmp(text, wanted, length) == 0 &&
		        text[length] == (with_value ? '\0' : '='))
			return true;
	}
	return false;
}

/* `path` is a field, or LIST.FIELD: of any of the list's objects. */
static bool matches_field(const json_t *object, const char *path, const char *pattern)
{
	const char *dot = strchr(path, '.');
	const json_t *item;
	char list[32];
	size_t i;

	if (!dot)
		return matches_text(json_object_get(object, path), pattern);
	snprintf(list, sizeof(list), "%.*s", (int)(dot - path), path);
	json_array_foreach (json_object_get(object, list), i, item)
		if (matches_text(json_object_get(item, dot + 1), pattern))
			return true;
	return false;
}

static const struct filter *find(const struct filter *filters, const char *word)
{
	size_t length = strcspn(word, "=");

	for (; filters && filters->key; filters++)
		if (strlen(filters->key) == length && memcmp(filters->key, word, length) == 0)
			return filters;
	return NULL;
}

static int check(const struct filter *filters, const char *word, struct error *err)
{
	char keys[256] = "";
	size_t used = 0;

	if (find(filters, word) && strchr(word, '='))
		return 0;
	for (; filters && filters->key; filters++)
		used += (size_t)snprintf(
		        keys + used, sizeof(keys) - used, "%s%s", used ? ", " : "", filters->key);
	return error_field(
	        err, "", "--filter: '%.60s': write KEY=VALUE, where KEY is one of: %s", word, keys);
}

int filter_check(const struct call *call, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < call->n_uses; i++)
		if (call->uses[i].id == OPTION_FILTER)
			r = check(call->command->noun->filters, call->uses[i].value, err);
	return r;
}

static bool holds(const struct call *call, const json_t *object, const char *word)
{
	const struct filter *filter = find(call->command->noun->filters, word);
	const char *value = strchr(word, '=') + 1;

	return strcmp(filter->field, "labels") == 0
	               ? has_label(json_object_get(object, "labels"), value)
	               : matches_field(object, filter->field, value);
}

void filter_apply(const struct call *call, json_t *objects)
{
	for (size_t i = json_array_size(objects); i-- > 0;) {
		const json_t *object = json_array_get(objects, i);
		bool all = true;

		for (size_t j = 0; j < call->n_uses; j++)
			if (call->uses[j].id == OPTION_FILTER)
				all &= holds(call, object, call->uses[j].value);
		if (!all)
			json_array_remove(objects, i);
	}
}
