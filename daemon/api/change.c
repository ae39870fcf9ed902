/*
 * Changing requests: handed to the engine, logged once with who asked and what came of it (by the
 * engine where something was changed), and answered, if the client is still there. The change goes
 * on without its client: a closed connection is no undo.
 */
#include "daemon/api/internal.h"

#include "lib/log.h"

#include <stdio.h>
#include <sys/socket.h>

/* Who speaks, as the kernel knows it. */
static void read_caller(struct call *call)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(call->http);
	int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	struct ucred caller = {.pid = 0, .uid = (uid_t)-1};
	socklen_t size = sizeof(caller);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &size);
	call->request.caller_uid = caller.uid;
	call->request.caller_pid = caller.pid;
}

static void log_outcome(const struct call *call, const char *what, const char *outcome)
{
	log_info("uid %u pid %d: %s%s%s: %s", call->request.caller_uid, call->request.caller_pid,
	        what, call->request.force ? " (force)" : "",
	        call->request.dry_run ? " (dry run)" : "", outcome);
}

static json_t *warnings_json(const struct answer *answer)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < answer->warning_count; i++)
		list = list_add(list, json_string(answer->warnings[i]));
	return list;
}

static int fill_answer(
        const struct call *call, const struct answer *answer, json_t *body, struct error *err)
{
	int r;

	if (!body)
		return error_memory(err);
	if (call->request.dry_run)
		r = answer_add(body, "plan", lines_json(answer->plan), err);
	else if (call->route->answer)
		r = call->route->answer(call, answer, body, err);
	else
		r = answer_add(body, "removed", lines_json(answer->removed), err);
	return r == 0 ? answer_add(body, "warnings", warnings_json(answer), err) : r;
}

static void answer_change(struct call *call, const struct answer *answer)
{
	bool made = call->route->method == EVHTTP_REQ_POST && call->route->answer &&
	            !call->request.dry_run && !answer->existed;
	json_t *body = json_object();
	struct error err;

	if (fill_answer(call, answer, body, &err) < 0) {
		json_decref(body);
		body = NULL;
	}
	if (!body && call->request.dry_run)
		reply_error(call, &err, NULL);
	else
		reply_change(call, made ? 201 : 200, body);
}

static void answered(const struct answer *answer, const struct error *err, void *arg)
{
	struct call *call = arg;
	char what[256];

	/* What was done is announced by the engine. */
	request_describe(&call->request, what, sizeof(what));
	if (err || answer->existed || call->request.dry_run)
		log_outcome(call, what,
		        err               ? err->text
		        : answer->existed ? "it was there"
		                          : "done");
	/* Without a client the engine may be on its way out: it is not asked any more. */
	if (call->http && err)
		reply_error(call, err, answer ? &answer->listener : NULL);
	else if (call->http)
		answer_change(call, answer);
	call_free(call);
}

static const char *method_name(enum evhttp_cmd_type method)
{
	return method == EVHTTP_REQ_POST ? "POST" : method == EVHTTP_REQ_PATCH ? "PATCH" : "DELETE";
}

void change_start(struct call *call)
{
	struct request *request = &call->request;
	struct error err;
	char what[256];
	int r;

	read_caller(call);
	snprintf(what, sizeof(what), "%s %s", method_name(call->route->method),
	        call->route->pattern);
	r = call_flag(call, "dry_run", &request->dry_run, &err);
	if (r == 0)
		r = call_flag(call, "force", &request->force, &err);
	if (r == 0)
		r = call->route->parse(call, request, &err);
	if (r == 0) {
		request_describe(request, what, sizeof(what));
		r = engine_submit(call->engine, request, answered, call, &err);
	}
	if (r == 0)
		return;
	log_outcome(call, what, err.text);
	reply_error(call, &err, NULL);
	call_free(call);
}
