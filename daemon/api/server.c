/*
 * The connections, and the limits that keep a bad client from the others: how long one may take,
 * and how much it may send. How many there may be, and how much may wait for all of them, is in
 * room.c.
 *
 * libevent's HTTP server has no way to see a connection before its first request. It is reached
 * through the bufferevent that it lets us make: its callbacks' argument is the connection.
 */
#include "daemon/api/connection.h"

#include "lib/clock.h"
#include "lib/log.h"

#include <errno.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTED_MAX 32 /* clients in one go; then those are heard who are there already */
#define METHODS                                                                                    \
	(EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | \
	        EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH)

struct timeval server_silence = {.tv_sec = 30};
static const struct timeval accept_pause = {.tv_usec = 10000};

/* --- calls --- */

/* The connection is worked on, or not any more: then its client has so long for the answer and the
 * next request. */
static void set_call(struct connection *connection, struct call *call)
{
	connection->call = call;
	if (call)
		event_del(connection->deadline);
	else
		event_add(connection->deadline, &server_silence);
}

void call_free(struct call *call)
{
	if (call->connection)
		set_call(call->connection, NULL);
	request_done(&call->request);
	json_decref(call->body);
	free(call->path);
	free(call->query);
	free(call);
}

/* The client is gone; the call may go on. */
static void call_abandon(struct call *call)
{
	/* libevent takes a request out of a connection that fails while it is worked on: then it is
	 * ours. */
	if (!evhttp_request_get_connection(call->http))
		evhttp_request_free(call->http);
	call->http = NULL;
	call->connection = NULL;
}

/* --- connections --- */

static void connection_free(struct connection *connection)
{
	struct api *api = connection->api;
	struct call *call = connection->call;

	if (call) {
		call_abandon(call);
		set_call(connection, NULL);
		if (call->left)
			call->left(call);
	}
	if (connection->deadline)
		event_free(connection->deadline);
	if (connection->page)
		event_free(connection->page);
	if (api->newest == connection)
		api->newest = NULL;
	TAILQ_REMOVE(&api->connections, connection, next);
	api->count--;
	free(connection);
}

static void received(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct connection *connection = arg;

	if (!info->n_added)
		return;
	connection->received += info->n_added;
	event_active(connection->api->squeeze, 0, 0);
}

static void squeeze(int fd, short events, void *arg)
{
	room_squeeze(arg);
}

/* libevent is about to free the connection. */
static void closed(struct evhttp_connection *http, void *arg)
{
	struct connection *connection = arg;

	evbuffer_remove_cb(bufferevent_get_output(connection->stream), page_look, connection);
	evbuffer_remove_cb(bufferevent_get_input(connection->stream), received, connection);
	connection_free(connection);
}

static void deadline_passed(int fd, short events, void *arg)
{
	const struct connection *connection = arg;

	evhttp_connection_free(connection->http);
}

/* libevent has made a connection around our bufferevent by now, or has failed to. */
static void adopt(struct api *api)
{
	struct connection *connection = api->newest;
	void *http = NULL;

	if (!connection)
		return;
	api->newest = NULL;
	bufferevent_getcb(connection->stream, NULL, NULL, NULL, &http);
	if (http) {
		connection->http = http;
		evhttp_connection_set_closecb(http, closed, connection);
		room_identify(connection);
		event_add(connection->deadline, &server_silence);
		bufferevent_decref(connection->stream);
	} else {
		bufferevent_decref(connection->stream);
		connection_free(connection);
	}
}

static void adopt_event(int fd, short events, void *arg)
{
	adopt(arg);
}

/* --- accepting --- */

static struct connection *connection_new(struct api *api)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->api = api;
	connection->since = clock_ms();
	TAILQ_INSERT_TAIL(&api->connections, connection, next);
	api->count++;
	connection->deadline = evtimer_new(api->base, deadline_passed, connection);
	connection->page = event_new(api->base, -1, 0, page_replace, connection);
	connection->stream = bufferevent_socket_new(api->base, -1, 0);
	if (connection->deadline && connection->page && connection->stream &&
	        evbuffer_add_cb(
	                bufferevent_get_output(connection->stream), page_look, connection) &&
	        evbuffer_add_cb(bufferevent_get_input(connection->stream), received, connection))
		return connection;
	if (connection->stream)
		bufferevent_free(connection->stream);
	connection_free(connection);
	return NULL;
}

static void pause_accepting(struct api *api)
{
	evconnlistener_disable(api->listener);
	event_add(api->accept_again, &accept_pause);
}

static void accept_again(int fd, short events, void *arg)
{
	struct api *api = arg;

	api->accepted = 0;
	if (room_make(api))
		evconnlistener_enable(api->listener);
	else
		pause_accepting(api);
}

/* Mostly for want of descriptors: without a pause the loop would do nothing but fail. */
static void accept_failed(struct evconnlistener *listener, void *arg)
{
	struct api *api = arg;

	log_warning("accept a client: %s", strerror(errno));
	room_drop_silent(api);
	pause_accepting(api);
}

/* libevent has accepted a client and asks for a stream to it. */
static struct bufferevent *accepted(struct event_base *base, void *arg)
{
	struct api *api = arg;
	struct connection *connection;

	adopt(api);
	if (!room_make(api)) {
		pause_accepting(api); /* after this one */
	} else if (++api->accepted >= ACCEPTED_MAX) {
		evconnlistener_disable(api->listener);
		event_active(api->accept_again, 0, 0);
	}
	connection = connection_new(api);
	if (!connection)
		return NULL; /* libevent makes one that `find` does not know: its requests are
		                refused */
	/* A chunk's head may be of any length for libevent. */
	bufferevent_setwatermark(connection->stream, EV_READ, 0, BODY_MAX + 2 * HEADERS_MAX);
	bufferevent_incref(connection->stream);
	api->newest = connection;
	event_active(api->adopt, 0, 0);
	return connection->stream;
}

/* --- requests --- */

static struct connection *find(struct api *api, const struct evhttp_connection *http)
{
	struct connection *connection;

	/* At most CONNECTIONS_MAX; who speaks has mostly come last. */
	TAILQ_FOREACH_REVERSE(connection, &api->connections, connections, next)
	if (connection->http == http)
		return connection;
	return NULL;
}

static void requested(struct evhttp_request *http, void *arg)
{
	struct api *api = arg;
	struct connection *connection;
	struct call *call;

	adopt(api);
	connection = find(api, evhttp_request_get_connection(http));
	call = connection ? calloc(1, sizeof(*call)) : NULL;
	if (!call) {
		evhttp_send_error(http, 503, NULL);
		return;
	}
	connection->asked = true;
	connection->received = 0;
	set_call(connection, call);
	call->engine = api->engine;
	call->events = api->events;
	call->turns = api->turns;
	call->connection = connection;
	call->http = http;
	route_call(call);
}

/* The call has got all that it was owed: its client may ask again. */
static void forget_client(struct call *call)
{
	struct connection *connection = call->connection;

	set_call(connection, NULL);
	call->connection = NULL;
	call->http = NULL;
	connection->since = clock_ms();
	TAILQ_REMOVE(&connection->api->connections, connection, next);
	TAILQ_INSERT_TAIL(&connection->api->connections, connection, next);
}

void server_send(struct call *call, int status, const char *type, struct evbuffer *body)
{
	struct connection *connection = call->connection;
	struct evhttp_request *http = call->http;
	struct evkeyvalq *headers;
	char length[24];

	if (!connection)
		return;
	room_squeeze(connection->api); /* not this one, while it has a call */
	forget_client(call);
	if (!body) {
		evhttp_connection_free(connection->http);
		return;
	}
	headers = evhttp_request_get_output_headers(http);
	evhttp_add_header(headers, "Content-Type", type);
	snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	evhttp_add_header(
	        headers, "Content-Length", length); /* libevent leaves it out for HTTP/1.0 */
	if (status == 405)
		evhttp_add_header(headers, "Allow", "GET, POST, DELETE");
	if (connection->api->drain)
		evhttp_add_header(headers, "Connection", "close");
	connection->answering = true;
	evhttp_send_reply(http, status, status_title(status), body);
	connection->answering = false;
}

void server_stream(struct call *call, const char *type, void (*left)(struct call *call))
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(call->http);

	call->left = left;
	/* HTTP/1.0 knows no chunks: libevent would promise "keep-alive" no bytes at all. */
	evhttp_remove_header(evhttp_request_get_input_headers(call->http), "Connection");
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Connection", "close");
	call->connection->answering = true;
	evhttp_send_reply_start(call->http, 200, status_title(200));
	call->connection->answering = false;
}

size_t server_stream_send(struct call *call, struct evbuffer *bytes)
{
	struct connection *connection = call->connection;

	connection->answering = true;
	evhttp_send_reply_chunk(call->http, bytes);
	connection->answering = false;
	return evbuffer_get_length(bufferevent_get_output(connection->stream));
}

void server_stream_end(struct call *call)
{
	struct connection *connection = call->connection;
	struct evhttp_request *http = call->http;

	forget_client(call);
	connection->answering = true;
	evhttp_send_reply_end(http); /* the connection may be gone now */
}

void server_drop(struct call *call)
{
	evhttp_connection_free(call->connection->http);
}

/* --- opening --- */

static int start(struct api *api, struct error *err)
{
	int r;

	api->http = evhttp_new(api->base);
	api->accept_again = evtimer_new(api->base, accept_again, api);
	api->adopt = event_new(api->base, -1, 0, adopt_event, api);
	api->squeeze = event_new(api->base, -1, 0, squeeze, api);
	if (!api->http || !api->accept_again || !api->adopt || !api->squeeze)
		return error_memory(err);
	evhttp_set_bevcb(api->http, accepted, api);
	evhttp_set_gencb(api->http, requested, api);
	evhttp_set_allowed_methods(api->http, METHODS);
	evhttp_set_max_headers_size(api->http, HEADERS_MAX);
	evhttp_set_max_body_size(api->http, BODY_MAX);
	evhttp_set_flags(api->http, EVHTTP_SERVER_LINGERING_CLOSE);
	r = turns_open(&api->turns, api->base, err);
	return r == 0 ? events_open(&api->events, api->base, api->engine, err) : r;
}

int api_open(struct api **ret, struct event_base *base, struct engine *engine, struct error *err)
{
	struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api)
		return error_memory(err);
	TAILQ_INIT(&api->connections);
	api->base = base;
	api->engine = engine;
	r = start(api, err);
	if (r < 0) {
		api_close(api);
		return r;
	}
	*ret = api;
	return 0;
}

int api_serve(struct api *api, int listen_fd, struct error *err)
{
	struct evconnlistener *listener = NULL;

	if (evutil_make_socket_nonblocking(listen_fd) == 0 &&
	        evutil_make_socket_closeonexec(listen_fd) == 0)
		listener = evconnlistener_new(api->base, NULL, NULL,
		        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listen_fd);
	if (!listener) {
		close(listen_fd);
		return error_memory(err);
	}
	if (!evhttp_bind_listener(api->http, listener)) {
		evconnlistener_free(listener);
		return error_memory(err);
	}
	api->listener = listener;
	evconnlistener_set_error_cb(listener, accept_failed);
	return 0;
}

struct api *api_close(struct api *api)
{
	if (!api)
		return NULL;
	adopt(api);
	while (!TAILQ_EMPTY(&api->connections))
		evhttp_connection_free(TAILQ_FIRST(&api->connections)->http);
	if (api->http)
		evhttp_free(api->http);
	if (api->accept_again)
		event_free(api->accept_again);
	if (api->adopt)
		event_free(api->adopt);
	if (api->squeeze)
		event_free(api->squeeze);
	if (api->drain)
		event_free(api->drain);
	events_close(api->events);
	turns_close(api->turns);
	free(api);
	return NULL;
}
