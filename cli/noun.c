/*
 * The shared half of every command. An answer's objects are gathered once into one array, and that
 * array is the table, the record, the names or the JSON: what a person and a program see cannot
 * differ.
 */
#include "cli/noun.h"

#include "cli/output.h"
#include "cli/request.h"
#include "lib/cleanup.h"

#include <string.h>

const char *field_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "-";
}

long long field_number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

static int out_of_memory(void)
{
	struct error err;

	error_memory(&err);
	return output_error(&err);
}

static void print_names(const struct noun *noun, const json_t *objects)
{
	const json_t *object;
	size_t i;

	json_array_foreach (objects, i, object) {
		_cleanup_(freep) char *name =
		        noun->name ? noun->name(object) : strdup(field_text(object, "name"));

		if (name)
			output_line("%s", name);
		else
			output_memory();
	}
}

int noun_ls(const struct call *call)
{
	const struct noun *noun = call->command->noun;
	json_auto_t *objects = NULL;
	struct error err;

	if (filter_check(call, &err) < 0)
		return change_error(call, &err);
	if (request_list(call, noun->path, noun->key, &objects, &err) < 0)
		return output_error(&err);
	filter_apply(call, objects);
	if (call_has(call, OPTION_JSON))
		output_json(objects);
	else if (call_has(call, OPTION_QUIET))
		print_names(noun, objects);
	else
		table_print(noun->table, objects, output_width());
	return EXIT_DONE;
}

/* Appends what the answer for one name has to `objects`. */
static int inspect_one(
        const struct call *call, const char *name, json_t *objects, struct error *err)
{
	const struct noun *noun = call->command->noun;
	_cleanup_(freep) char *path = request_path(noun->path, name, "");
	json_auto_t *found = NULL;
	int r;

	if (!path)
		return error_memory(err);
	r = request_list(call, path, noun->key, &found, err);
	if (r < 0)
		return r;
	return json_array_extend(objects, found) < 0 ? error_memory(err) : 0;
}

int noun_inspect(const struct call *call)
{
	const struct noun *noun = call->command->noun;
	json_auto_t *objects = json_array();
	struct error err;
	int status = EXIT_DONE;

	if (!objects)
		return out_of_memory();
	for (size_t i = 0; i < call->n_arguments; i++)
		if (inspect_one(call, call->arguments[i], objects, &err) < 0)
			status = first_status(status, output_error(&err));
	if (call_has(call, OPTION_JSON))
		output_json(objects);
	else if (call_has(call, OPTION_QUIET))
		print_names(noun, objects);
	else
		record_print(noun->record, objects);
	return status;
}

static void print_lines(const char *before, const json_t *lines)
{
	const json_t *line;
	size_t i;

	json_array_foreach (lines, i, line) {
		if (json_is_string(line))
			output_line("%s%s", before, json_string_value(line));
	}
}

int change_error(const struct call *call, struct error *err)
{
	const char *const *words = call->command->words;

	if (err->code == ERROR_INVALID)
		error_context(
		        err, "%s%s%s", words[0], words[1] ? " " : "", words[1] ? words[1] : "");
	return output_error(err);
}

int change_send(const struct call *call, const char *method, const char *path, json_t *body,
        struct error *err, void (*say)(const struct call *call, const json_t *answer))
{
	json_auto_t *answer = NULL;

	if (!body || request_send(call, method, path, body, &answer, err) < 0)
		return change_error(call, err);
	if (call_has(call, OPTION_JSON))
		output_json(answer);
	else if (call_has(call, OPTION_DRY_RUN))
		print_lines("", json_object_get(answer, "plan"));
	else
		say(call, answer);
	return EXIT_DONE;
}

int change_assignments(const struct call *call, const char *path,
        void (*say)(const struct call *call, const json_t *answer))
{
	json_auto_t *body = json_object();
	struct error err = {0};
	int r = body && path ? 0 : error_memory(&err);
	size_t i = 0;

	while (!call->command->arguments[i].repeated)
		i++;
	for (; r == 0 && i < call->n_arguments; i++)
		r = call_assignment(call->command, call->arguments[i], body, &err);
	return change_send(call, "PATCH", path, r == 0 ? json_incref(body) : NULL, &err, say);
}

/* Puts the arrays of one answer behind those of the earlier ones. */
static void merge(json_t **answers, json_t *answer)
{
	const char *key;
	json_t *value;
	int r = 0;

	if (!*answers)
		*answers = json_object();
	if (!*answers)
		r = -1;
	json_object_foreach (answer, key, value) {
		json_t *earlier = json_object_get(*answers, key);

		if (r == 0 && json_is_array(earlier) && json_is_array(value))
			r = json_array_extend(earlier, value);
		else if (r == 0)
			r = json_object_set(*answers, key, value);
	}
	if (r < 0)
		output_memory();
}

void removal_add(struct removal *removal, char *path, const char *name)
{
	const struct call *call = removal->call;
	_cleanup_(freep) char *taken = path;
	json_auto_t *answer = NULL;
	struct error err;
	int r = taken ? request_send(call, "DELETE", taken, NULL, &answer, &err)
	              : error_memory(&err);

	if (r < 0)
		removal->status = first_status(removal->status, output_error(&err));
	else if (call_has(call, OPTION_JSON))
		merge(&removal->answers, answer);
	else if (call_has(call, OPTION_DRY_RUN))
		print_lines("", json_object_get(answer, "plan"));
	else if (call_has(call, OPTION_QUIET))
		output_line("%s", name);
	else
		print_lines("removed ", json_object_get(answer, "removed"));
}

int removal_end(struct removal *removal)
{
	if (removal->answers)
		output_json(removal->answers);
	json_decref(removal->answers);
	removal->answers = NULL;
	return removal->status;
}

int noun_rm(const struct call *call)
{
	const struct noun *noun = call->command->noun;
	struct removal removal = {.call = call};

	for (size_t i = 0; i < call->n_arguments; i++)
		removal_add(&removal,
		        request_path(noun->path, call->arguments[i],
		                call_has(call, OPTION_FORCE) ? "?force=true" : ""),
		        call->arguments[i]);
	return removal_end(&removal);
}

/* "network a": with --quiet the name alone. */
static void say_pruned(const struct call *call, const json_t *answer)
{
	const json_t *lines = json_object_get(answer, "removed"), *line;
	bool quiet = call_has(call, OPTION_QUIET);
	size_t i;

	if (!quiet)
		print_lines("removed ", lines);
	json_array_foreach (lines, i, line) {
		const char *text = json_string_value(line),
		           *name = text ? strrchr(text, ' ') : NULL;

		if (quiet && name)
			output_line("%s", name + 1);
	}
}

int noun_prune(const struct call *call)
{
	_cleanup_(freep) char *path = request_path(call->command->noun->path, "prune", "");
	struct error err;
	json_t *body = path ? call_body(call, json_object(), &err) : NULL;

	if (!path)
		error_memory(&err);
	return change_send(call, "POST", path, body, &err, say_pruned);
}
