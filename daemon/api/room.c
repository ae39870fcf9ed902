/*
 * Who has to go when there is no room: for one more connection, or for the bytes of requests that
 * are not whole and of answers that are not read.
 *
 * First it is who has been silent for longest and is owed nothing. Where all are new or busy, it is
 * one of the process that takes the most: so whoever opens a thousand connections is in its own way
 * only. A request that is worked on is never broken off.
 */
#include "daemon/api/connection.h"

#include "lib/clock.h"

#include <poll.h>
#include <sys/ioctl.h>

#define CONNECTIONS_MAX 256
#define CROWD_MIN       (CONNECTIONS_MAX / 2) /* no process with fewer connections is one too many */
#define REQUEST_MAX     (BODY_MAX + HEADERS_MAX)
#define BYTES_MAX       (8 * 1024 * 1024) /* of all clients, but for the last answer */
/* In which a client keeps its place that has something to send or to read; and one of a crowd. */
#define GRACE_MS         500
#define CROWD_GRACE_MS   20
#define WAIT_FOR_NETD_MS 5000 /* the same, where it is netd that keeps it waiting */

void room_identify(struct connection *connection)
{
	socklen_t size = sizeof(connection->peer);

	getsockopt(bufferevent_getfd(connection->stream), SOL_SOCKET, SO_PEERCRED,
	        &connection->peer, &size);
}

static size_t unread(const struct connection *connection)
{
	return evbuffer_get_length(bufferevent_get_output(connection->stream));
}

static bool may_drop(const struct connection *connection)
{
	return connection->http && !connection->call;
}

static bool is_older(const struct connection *connection, unsigned ms)
{
	return clock_ms() - connection->since > ms;
}

/* It is netd's turn: what it has sent lies in its socket still, or its answer is not written though
 * there is room. Not for ever, as nobody else would get a place. */
static bool waits_for_netd(const struct connection *connection)
{
	int size = 0, fd = bufferevent_getfd(connection->stream);
	struct pollfd poller = {.fd = fd, .events = POLLOUT};

	if (is_older(connection, WAIT_FOR_NETD_MS))
		return false;
	if (ioctl(fd, FIONREAD, &size) == 0 && size > 0)
		return true;
	return unread(connection) > 0 && poll(&poller, 1, 0) > 0 && poller.revents == POLLOUT;
}

/* libevent frees what it has for a connection in a later turn of the loop: too late for the bytes.
 */
static void drop(struct connection *connection)
{
	struct evbuffer *output = bufferevent_get_output(connection->stream);

	evbuffer_unfreeze(output, 1);
	evbuffer_drain(output, evbuffer_get_length(output));
	evhttp_connection_free(connection->http);
}

bool room_drop_silent(struct api *api)
{
	struct connection *connection;

	TAILQ_FOREACH (connection, &api->connections, next) {
		bool done = connection->asked && unread(connection) == 0;

		if (may_drop(connection) && (done || is_older(connection, GRACE_MS)) &&
		        !waits_for_netd(connection)) {
			drop(connection);
			return true;
		}
	}
	return false;
}

static bool is_same_peer(const struct connection *a, const struct connection *b)
{
	return a->peer.pid == b->peer.pid && a->peer.uid == b->peer.uid;
}

/* Of the process whose connections weigh the most, and at least so much. NULL: there is none. */
static const struct connection *find_heaviest(const struct api *api, size_t least)
{
	const struct connection *heaviest = NULL, *connection, *other;

	TAILQ_FOREACH (connection, &api->connections, next) {
		size_t sum = 0;

		TAILQ_FOREACH (other, &api->connections, next)
			if (is_same_peer(connection, other))
				sum += other->weight;
		if (sum >= least) {
			heaviest = connection;
			least = sum + 1;
		}
	}
	return heaviest;
}

/* One of the largest crowd, which has said nothing new. */
static bool drop_of_crowd(struct api *api)
{
	const struct connection *peer;
	struct connection *connection;

	TAILQ_FOREACH (connection, &api->connections, next)
		connection->weight = 1;
	peer = find_heaviest(api, CROWD_MIN);
	if (!peer)
		return false;
	TAILQ_FOREACH (connection, &api->connections, next)
		if (is_same_peer(connection, peer) && may_drop(connection) &&
		        is_older(connection, CROWD_GRACE_MS) && !waits_for_netd(connection)) {
			drop(connection);
			return true;
		}
	return false;
}

bool room_make(struct api *api)
{
	return api->count < CONNECTIONS_MAX || room_drop_silent(api) || drop_of_crowd(api);
}

/* Returns the sum. */
static size_t weigh(struct api *api)
{
	struct connection *connection;
	size_t sum = 0;

	TAILQ_FOREACH (connection, &api->connections, next) {
		size_t request =
		        connection->received < REQUEST_MAX ? connection->received : REQUEST_MAX;

		connection->weight = request + unread(connection) +
		                     evbuffer_get_length(bufferevent_get_input(connection->stream));
		sum += connection->weight;
	}
	return sum;
}

void room_squeeze(struct api *api)
{
	size_t sum;

	while ((sum = weigh(api)) > BYTES_MAX) {
		const struct connection *peer = find_heaviest(api, 1);
		struct connection *connection, *heaviest = NULL;

		TAILQ_FOREACH (connection, &api->connections, next)
			if (is_same_peer(connection, peer) && may_drop(connection) &&
			        (is_older(connection, GRACE_MS) || sum > 2 * (size_t)BYTES_MAX) &&
			        (!heaviest || connection->weight > heaviest->weight))
				heaviest = connection;
		if (!heaviest)
			return;
		drop(heaviest);
	}
}
