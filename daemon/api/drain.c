/*
 * The end of the server: whoever was accepted is answered, then there is nobody left. New clients
 * wait in the backlog of a socket that someone else keeps; where nobody does, the file is gone by
 * now, and the few that still wait are accepted, too.
 *
 * Nothing tells that a client which has connected is not going to ask, so it has some time for it.
 */
#include "daemon/api/connection.h"

#include "lib/clock.h"

#include <event2/listener.h>
#include <poll.h>
#include <sys/socket.h>

#define UNREAD_MS 5000 /* for a client to read its answer */

unsigned drain_unasked_ms = 2000;

static const struct timeval step = {.tv_usec = 10000};

static bool is_readable(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	return poll(&poller, 1, 0) > 0;
}

/* Whether nothing is owed to this client any more. */
static bool is_done(const struct connection *connection, uint64_t waited)
{
	struct bufferevent *stream = connection->stream;

	if (connection->call || !connection->http)
		return false;
	if (!connection->asked)
		return waited > drain_unasked_ms;
	if (waited > UNREAD_MS)
		return true;
	return evbuffer_get_length(bufferevent_get_output(stream)) == 0 &&
	       evbuffer_get_length(bufferevent_get_input(stream)) == 0 &&
	       !is_readable(bufferevent_getfd(stream));
}

static void drain_step(int fd, short what, void *arg)
{
	struct api *api = arg;
	struct connection *connection, *next;
	uint64_t waited = clock_ms() - api->drain_since;

	for (connection = TAILQ_FIRST(&api->connections); connection; connection = next) {
		next = TAILQ_NEXT(connection, next);
		if (is_done(connection, waited))
			evhttp_connection_free(connection->http);
	}
	if (api->count > 0 ||
	        (!api->socket_stays && is_readable(evconnlistener_get_fd(api->listener))))
		return;
	event_del(api->drain);
	api->drained(api->drained_arg);
}

int api_drain(struct api *api, bool socket_stays, void (*drained)(void *arg), void *arg,
        struct error *err)
{
	if (api->drain)
		return 0;
	api->drain = event_new(api->base, -1, EV_PERSIST, drain_step, api);
	if (!api->drain || event_add(api->drain, &step) < 0)
		return error_memory(err);
	api->drain_since = clock_ms();
	api->socket_stays = socket_stays;
	api->drained = drained;
	api->drained_arg = arg;
	if (socket_stays) {
		event_del(api->accept_again);
		evconnlistener_disable(api->listener);
	}
	events_end(api->events);
	event_active(api->drain, 0, 0);
	return 0;
}
