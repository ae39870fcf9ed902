/* The server and its connections: what server.c and page.c share. */
#pragma once

#include "daemon/api/internal.h"

#include <bsd/sys/queue.h>

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
	uint64_t since;    /* milliseconds of CLOCK_MONOTONIC: accepted, or answered */
	struct call *call; /* the request that is worked on */
};

TAILQ_HEAD(connections, connection);

struct api {
	struct event_base *base;
	struct engine *engine;
	struct evhttp *http;
	struct evconnlistener *listener; /* belongs to `http` */

	struct event *accept_again;
	struct connections connections; /* the one that is silent for longest first */
	unsigned count;
	struct connection *newest; /* not adopted yet */
	struct event *adopt;
	struct events *events;
	struct event *drain; /* NULL: clients are welcome */
	uint64_t drain_since;
	bool socket_stays;
	void (*drained)(void *arg);
	void *drained_arg;
};

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t server_now(void);

/* --- page.c: libevent's own pages --- */
/* The output's callback, and the event that it activates; the argument is the connection. */
void page_look(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg);
void page_replace(int fd, short events, void *arg);
