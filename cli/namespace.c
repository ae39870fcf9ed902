/*
 * `netd-ctl ns ...`. Every namespace of /run/netns is listed, also those that netd did not make:
 * which is which stands under ORIGIN.
 */
#include "cli/commands.h"
#include "cli/nouns.h"

#include "cli/output.h"
#include "cli/request.h"
#include "cli/ssh.h"
#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

/* "my-net 10.200.1.2/24" of each endpoint, joined with ", ". */
static char *cell_attached(const json_t *object)
{
	json_auto_t *texts = json_array();
	const json_t *endpoint;
	size_t i;

	json_array_foreach (json_object_get(object, "endpoints"), i, endpoint) {
		_cleanup_(freep) char *addresses = endpoint_addresses(endpoint);

		if (!addresses || json_array_append_new(texts,
		                          json_sprintf("%s %s", field_text(endpoint, "network"),
		                                  addresses)) < 0)
			return NULL;
	}
	return texts ? cell_value(texts) : NULL;
}

static char *cell_endpoints(const json_t *object)
{
	return endpoint_lines(object, "network");
}

/* "eth1 as lan0" of each, joined with ", ". */
static char *cell_moved(const json_t *object)
{
	json_auto_t *texts = json_array();
	const json_t *moved;
	size_t i;

	json_array_foreach (json_object_get(object, "moved"), i, moved) {
		if (!texts || json_array_append_new(texts,
		                      json_sprintf("%s as %s", field_text(moved, "interface"),
		                              field_text(moved, "name"))) < 0)
			return NULL;
	}
	return texts ? cell_value(texts) : NULL;
}

/* What netd gave its name is still someone else's. */
static char *cell_origin_word(const json_t *object)
{
	bool attached = json_is_true(json_object_get(object, "attached"));

	return strdup(attached ? "attached" : field_text(object, "origin"));
}

/* With what it was found by. */
static char *cell_origin(const json_t *object)
{
	const char *source = json_string_value(json_object_get(object, "source"));
	char *text = NULL;

	if (!source)
		return cell_origin_word(object);
	if (asprintf(&text, "attached, found by %s%s", source[0] == '/' ? "" : "process ", source) <
	        0)
		return NULL;
	return text;
}

static const struct column table[] = {
        {"NAME", "name"},
        {"ORIGIN", NULL, cell_origin_word},
        {"PROCESSES", "processes"},
        {"ENDPOINTS", NULL, cell_attached},
        {NULL},
};

static const struct column record[] = {
        {"NAME", "name"},
        {"PATH", "path"},
        {"ORIGIN", NULL, cell_origin},
        {"INODE", "inode"},
        {"COOKIE", "cookie"},
        {"NSID", "nsid"},
        {"PROCESSES", "processes"},
        {"INTERFACES", "interfaces"},
        {"", .settings = namespace_options},
        {"ENDPOINTS", NULL, cell_endpoints},
        {"LINKS", NULL, link_lines},
        {"MOVED IN", NULL, cell_moved},
        {NULL},
};

static const struct filter filters[] = {
        {"name", "name"},
        {"origin", "origin"},
        {"label", "labels"},
        {"attached", "attached"},
        {"network", "endpoints.network"},
        {NULL},
};

const struct noun namespace_noun = {
        .path = "/v1/namespaces",
        .key = "namespaces",
        .table = table,
        .record = record,
        .filters = filters,
};

static void say_created(const struct call *call, const json_t *answer)
{
	const json_t *object = json_object_get(answer, "namespace");

	if (call_has(call, OPTION_QUIET))
		output_line("%s", field_text(object, "name"));
	else
		output_line("%s: %s", field_text(object, "name"), field_text(object, "path"));
}

int namespace_create(const struct call *call)
{
	struct error err = {0};
	json_t *body = call_body(call, json_pack("{s:s}", "name", call->arguments[0]), &err);

	return change_send(call, "POST", namespace_noun.path, body, &err, say_created);
}

static void say_set(const struct call *call, const json_t *answer)
{
	(void)call;
	output_line("%s", field_text(json_object_get(answer, "namespace"), "name"));
}

int namespace_set(const struct call *call)
{
	_cleanup_(freep) char *path = request_path(namespace_noun.path, call->arguments[0], "");

	return change_assignments(call, path, say_set);
}

/* The path without symbolic links, which netd does not follow: they are followed with the caller's
 * own rights. Allocated. */
static char *real_path(const char *path, struct error *err)
{
	char *real = realpath(path, NULL);
	bool missing = !real && errno == ENOENT;

	/* It leads to no path, and still to a namespace. */
	if (missing && access(path, F_OK) == 0)
		error_set(err, ERROR_NOT_FOUND, 0,
		        "attach: %s is a link of a process, and no file that a namespace is "
		        "mounted on; the network namespace of a process is given with --pid",
		        path);
	else if (missing)
		error_set(err, ERROR_NOT_FOUND, 0, "attach: %s: there is no such file", path);
	else if (!real)
		error_set(err, errno == EACCES ? ERROR_PERMISSION : ERROR_KERNEL, errno,
		        "attach: look at %s", path);
	return real;
}

int namespace_attach(const struct call *call)
{
	_cleanup_(freep) char *path = NULL;
	struct error err = {0};
	json_t *body;

	if (call_has(call, OPTION_PID) == call_has(call, OPTION_PATH)) {
		error_field(&err, "", "give one of --pid and --path");
		return change_error(call, &err);
	}
	if (call_has(call, OPTION_PATH)) {
		path = real_path(call->options[OPTION_PATH], &err);
		if (!path)
			return change_error(call, &err);
	}
	body = call_body(
	        call, json_pack("{s:s, s:s*}", "name", call->arguments[0], "path", path), &err);
	return change_send(call, "POST", namespace_noun.path, body, &err, say_created);
}

int namespace_detach(const struct call *call)
{
	struct removal removal = {.call = call};

	for (size_t i = 0; i < call->n_arguments; i++)
		removal_add(&removal,
		        request_path(namespace_noun.path, call->arguments[i], "?detach=true"),
		        call->arguments[i]);
	return removal_end(&removal);
}

static void say_moved(const struct call *call, const json_t *answer)
{
	const json_t *moved = json_object_get(answer, "moved");

	if (call_has(call, OPTION_QUIET))
		output_line("%s", field_text(moved, "name"));
	else
		output_line("%s: %s in %s (undo: netd-ctl ns move-out %s %s)",
		        field_text(moved, "interface"), field_text(moved, "name"),
		        field_text(moved, "namespace"), field_text(moved, "namespace"),
		        field_text(moved, "interface"));
}

int namespace_move_in(const struct call *call)
{
	const char *force = call_has(call, OPTION_FORCE) ? "/interfaces?force=true" : "/interfaces";
	_cleanup_(freep) char *path = request_path(namespace_noun.path, call->arguments[0], force);
	char address[IP_TEXT_SIZE];
	bool remote = ssh_server_address(address);
	struct error err = {0};
	json_t *body = json_pack("{s:s, s:s*}", "interface", call->arguments[1], "caller_address",
	        remote ? address : NULL);

	body = path ? call_body(call, body, &err) : NULL;
	if (!path)
		error_memory(&err);
	return change_send(call, "POST", path, body, &err, say_moved);
}

int namespace_move_out(const struct call *call)
{
	struct removal removal = {.call = call};
	_cleanup_(freep) char *path =
	        request_path(namespace_noun.path, call->arguments[0], "/interfaces");

	removal_add(&removal, path ? request_path(path, call->arguments[1], "") : NULL,
	        call->arguments[1]);
	return removal_end(&removal);
}

int namespace_pids(const struct call *call)
{
	static const struct column columns[] = {{"PID", "pid"}, {"PROGRAM", "program"}, {NULL}};
	_cleanup_(freep) char *path =
	        request_path(namespace_noun.path, call->arguments[0], "/processes");
	json_auto_t *processes = NULL;
	const json_t *process;
	struct error err;
	size_t i;

	if ((path ? request_list(call, path, "processes", &processes, &err) : error_memory(&err)) <
	        0)
		return output_error(&err);
	if (call_has(call, OPTION_JSON))
		output_json(processes);
	else if (!call_has(call, OPTION_QUIET))
		table_print(columns, processes, output_width());
	else
		json_array_foreach (processes, i, process)
			output_line("%lld", field_number(process, "pid"));
	return EXIT_DONE;
}
