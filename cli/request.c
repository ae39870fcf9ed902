/*
 * Between a command and the socket: where the socket is, what --dry-run adds to the path, and that
 * no warning of an answer is lost. Commands see answers only, never HTTP.
 */
#include "cli/request.h"

#include "cli/listener.h"
#include "cli/output.h"
#include "cli/wording.h"
#include "lib/cleanup.h"
#include "lib/version.h"

#include <string.h>

const char *request_socket(const struct call *call)
{
	const char *environment = getenv("NETD_SOCKET");

	if (call_has(call, OPTION_SOCKET))
		return call->options[OPTION_SOCKET];
	return environment && *environment ? environment : NETD_SOCKET_DEFAULT;
}

char *request_path(const char *collection, const char *part, const char *after)
{
	_cleanup_(freep) char *encoded = client_encode(part);
	char *path = NULL;

	if (!encoded || asprintf(&path, "%s/%s%s", collection, encoded, after) < 0)
		return NULL;
	return path;
}

static void print_warnings(const json_t *answer)
{
	const json_t *warning;
	size_t i;

	json_array_foreach (json_object_get(answer, "warnings"), i, warning) {
		if (json_is_string(warning))
			output_warning("%s", json_string_value(warning));
	}
}

/* The daemon names the unit that listens; which process it is only the caller may be allowed to
 * see. */
static void name_listener(const json_t *problem, struct error *err)
{
	const json_t *inode = json_object_get(json_object_get(problem, "listener"), "inode");
	size_t length = strlen(err->text);
	struct listener listener;

	if (!json_is_integer(inode) || json_integer_value(inode) <= 0)
		return;
	if (!listener_find((unsigned long long)json_integer_value(inode), &listener))
		return;
	snprintf(err->text + length, sizeof(err->text) - length, " (it is pid %d, %s)",
	        (int)listener.pid, listener.program);
}

/* An end that is older than the other explains what the daemon does not know. */
static int explain_unknown(
        const struct call *call, const char *method, const char *path, struct error *err)
{
	_cleanup_(client_answer_done) struct client_answer answer = {0};
	const char *version = NULL;
	struct error none;
	char what[256];
	int order = 0;

	if (client_call(request_socket(call), "GET", "/v1/version", NULL, &answer, &none) == 0)
		version = json_string_value(json_object_get(answer.body, "version"));
	if (version)
		order = strverscmp(version, netd_version);
	snprintf(what, sizeof(what), "%s%s%s %.*s", err->field, err->field[0] ? " of " : "", method,
	        (int)strcspn(path, "?"), path);
	if (order < 0)
		return error_set(err, ERROR_REFUSED, 0,
		        "this netd (%s) is older than netd-ctl (%s) and does not know %s: restart "
		        "it with 'systemctl restart netd'",
		        version, netd_version, what);
	if (order > 0)
		return error_set(err, ERROR_REFUSED, 0,
		        "this netd-ctl (%s) is older than netd (%s), which does not know %s any "
		        "more: install the netd-ctl that belongs to it",
		        netd_version, version, what);
	return -EINVAL;
}

/* The sentence for what the daemon did not do. */
static int explain(const struct call *call, const char *method, const char *path,
        const struct client_answer *answer, int result, struct error *err)
{
	if (err->code == ERROR_UNKNOWN || answer->status == 405)
		return explain_unknown(call, method, path, err);
	name_listener(answer->body, err);
	wording_translate(call, err);
	return result;
}

int request_stream(
        const struct call *call, const char *path, client_line *take, void *arg, struct error *err)
{
	_cleanup_(client_answer_done) struct client_answer answer = {0};
	int r = client_stream(request_socket(call), path, take, arg, &answer, err);

	return r < 0 ? explain(call, "GET", path, &answer, r, err) : 0;
}

int request_send(const struct call *call, const char *method, const char *path, json_t *body,
        json_t **ret, struct error *err)
{
	_cleanup_(client_answer_done) struct client_answer answer = {0};
	_cleanup_(freep) char *whole = NULL;
	json_auto_t *sent = body;
	int r;

	if (call_has(call, OPTION_DRY_RUN) &&
	        asprintf(&whole, "%s%cdry_run=true", path, strchr(path, '?') ? '&' : '?') < 0) {
		whole = NULL;
		return error_memory(err);
	}
	r = client_call(request_socket(call), method, whole ? whole : path, sent, &answer, err);
	if (r < 0)
		return explain(call, method, path, &answer, r, err);
	if (!answer.body)
		return error_set(err, ERROR_UNREACHABLE, 0, "%s: an answer came without content",
		        request_socket(call));
	print_warnings(answer.body);
	*ret = TAKE_PTR(answer.body);
	return 0;
}

int request_list(
        const struct call *call, const char *path, const char *key, json_t **ret, struct error *err)
{
	json_auto_t *answer = NULL;
	json_t *list;
	int r = request_send(call, "GET", path, NULL, &answer, err);

	if (r < 0)
		return r;
	list = json_object_get(answer, key);
	if (!json_is_array(list))
		return error_set(err, ERROR_UNREACHABLE, 0, "%s: the answer has no list of %s",
		        request_socket(call), key);
	*ret = json_incref(list);
	return 0;
}
