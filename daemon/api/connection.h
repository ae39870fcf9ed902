/* The server and its connections: what server.c, page.c and room.c share. */
#pragma once

#include "daemon/api/internal.h"

#include <bsd/sys/queue.h>
#include <sys/socket.h>

struct connection {
	TAILQ_ENTRY(connection) next;
	struct api *api;
	struct bufferevent *stream;
	struct evhttp_connection *http; /* NULL until libevent has made it */
	struct event *deadline;
	struct event *page; /* replaces libevent's page */
	size_t page_start;  /* where it begins in the output */
	bool page_pending;
	bool answering;    /* what goes out now is ours */
	bool asked;        /* at least once */
	uint64_t since;    /* of clock_ms(): accepted, or answered */
	size_t received;   /* bytes, of a request that is not whole yet */
	struct ucred peer; /* the process that made it */
	size_t weight;     /* room.c */
	struct call *call; /* the request that is worked on */
};

TAILQ_HEAD(connections, connection);

struct api {
	struct event_base *base;
	struct engine *engine;
	struct evhttp *http;
	struct evconnlistener *listener; /* belongs to `http` */
	struct event *accept_again;
	unsigned accepted;              /* in one go */
	struct connections connections; /* the one that is silent for longest first */
	unsigned count;
	struct connection *newest; /* not adopted yet */
	struct event *adopt;
	struct event *squeeze; /* after something was received */
	struct events *events;
	struct turns *turns;
	struct event *drain; /* NULL: clients are welcome */
	uint64_t drain_since;
	bool socket_stays;
	void (*drained)(void *arg);
	void *drained_arg;
};

/* --- page.c: libevent's own pages --- */
/* The output's callback, and the event that it activates; the argument is the connection. */
void page_look(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg);
void page_replace(int fd, short events, void *arg);

/* --- room.c: who has to go when there is no room --- */

/* Learns who made the connection. */
void room_identify(struct connection *connection);
/* Whether another client may come; closes a connection for it, if need be. */
bool room_make(struct api *api);
/* Closes the connection that has been silent for longest. False: there is none that may be. */
bool room_drop_silent(struct api *api);
/* Closes connections until what waits for all clients, and has come from them, is within its limit.
 * Never one with a call. */
void room_squeeze(struct api *api);
