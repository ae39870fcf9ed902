/*
 * A sentence of the daemon names the field of the API that is wrong, and err->field is its path.
 * What that is on the command line stands in the grammar already, so one place can say it in these
 * words for every error: no sentence is known here. A sentence names its field at its beginning or
 * behind ": "; the rest of it is for people, and stays.
 */
#include "cli/wording.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The field's path without what is in brackets; *index is that of the last pair, or 0. */
static void split_path(const char *field, char ret[ERROR_FIELD_SIZE], size_t *index)
{
	char *out = ret;

	*index = 0;
	while (*field) {
		if (*field != '[') {
			*out++ = *field++;
			continue;
		}
		*index = strtoul(field + 1, NULL, 10);
		field += strcspn(field, "]");
		field += *field == ']';
	}
	*out = '\0';
}

static bool is_in(const enum option_id *list, enum option_id id)
{
	for (; list && *list; list++)
		if (*list == id)
			return true;
	return false;
}

static bool is_key(const struct command *command, enum option_id id)
{
	return is_in(command->keys, id) || is_in(command->fixed, id);
}

/* Whether it is this field, or within it. */
static bool is_field(enum option_id id, const char *path)
{
	char field[OPTION_FIELD_SIZE];
	size_t length = strlen(path);

	option_field(&option_specs[id], field);
	return strncmp(field, path, length) == 0 && (!field[length] || field[length] == '.');
}

static bool is_used(const struct call *call, enum option_id id)
{
	const char *key = option_specs[id].name + 2;
	size_t length = strlen(key);

	for (size_t i = 0; i < call->n_arguments; i++)
		if (is_key(call->command, id) && strncmp(call->arguments[i], key, length) == 0 &&
		        call->arguments[i][length] == '=')
			return true;
	return call_has(call, id);
}

/* A word of the command that is no option has this name, too. */
static bool is_argument(const struct command *command, const char *path)
{
	for (size_t i = 0; i < ARGUMENTS_MAX && command->arguments[i].word; i++)
		if (strcmp(command->arguments[i].field, path) == 0)
			return true;
	return false;
}

/* What the field is for this caller: of the options that were given the one at its place, else one
 * that could have been. OPTION_COUNT: none. */
static enum option_id find(const struct call *call, const char *path, size_t index)
{
	enum option_id found = OPTION_COUNT;
	bool any_used = false;
	size_t used = 0;

	for (int id = 0; id < OPTION_COUNT; id++) {
		bool here = is_used(call, (enum option_id)id);

		if (!is_field((enum option_id)id, path) ||
		        !(is_key(call->command, (enum option_id)id) ||
		                command_takes(call->command, (enum option_id)id)))
			continue;
		if (here ? used++ <= index : !any_used && !is_argument(call->command, path))
			found = (enum option_id)id;
		any_used = any_used || here;
	}
	return found;
}

static bool ends_word(char c)
{
	return !isalnum((unsigned char)c) && c != '_' && c != '-' && c != '[';
}

/* Where the sentence names the field; NULL: it does not. A path that ends in a dot has no name, and
 * an empty one would be found everywhere, and behind the end. */
static char *find_name(char *text, const char *name)
{
	size_t length = strlen(name);

	for (char *at = text; length > 0 && (at = strstr(at, name)); at++)
		if ((at == text || (at >= text + 2 && strncmp(at - 2, ": ", 2) == 0)) &&
		        ends_word(at[length]))
			return at;
	return NULL;
}

static void replace(char *text, char *at, size_t length, const char *word)
{
	char rest[ERROR_TEXT_SIZE];

	snprintf(rest, sizeof(rest), "%s", at + length);
	snprintf(at, ERROR_TEXT_SIZE - (size_t)(at - text), "%s%s", word, rest);
}

/* "subnets[0]: subnet: ..." begins with where the field is. Returns its own name. */
static const char *drop_places(struct error *err)
{
	const char *name = err->field, *dot;

	for (; (dot = strchr(name, '.')); name = dot + 1) {
		size_t length = (size_t)(dot - name);

		if (strncmp(err->text, name, length) == 0 &&
		        strncmp(err->text + length, ": ", 2) == 0)
			replace(err->text, err->text, length + 2, "");
	}
	return name;
}

void wording_translate(const struct call *call, struct error *err)
{
	char path[ERROR_FIELD_SIZE], plain[ERROR_FIELD_SIZE], *at;
	const char *name;
	enum option_id id;
	size_t index;

	if (!err->field[0] || !call->command)
		return;
	name = drop_places(err);
	snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(name, "["), name);
	split_path(err->field, path, &index);
	id = find(call, path, index);
	at = find_name(err->text, name);
	if (!at)
		at = find_name(err->text, name = plain);
	if (!at)
		return;
	if (id != OPTION_COUNT)
		replace(err->text, at, strlen(name),
		        option_specs[id].name + (is_key(call->command, id) ? 2 : 0));
	else if (strchr(name, '_') && strncmp(at + strlen(name), ": ", 2) == 0)
		replace(err->text, at, strlen(name) + 2, ""); /* a part of a word that was typed */
}
