/* The HTTP API on a Unix socket, as doc/api.md has it. */
#pragma once

#include "daemon/engine/engine.h"
#include "lib/error.h"

#include <event2/event.h>
#include <stdbool.h>

struct api;

/*
 * Makes the listening socket at `path`, mode 0660 and of the group `netd` where there is one, from
 * its first moment. Its directory is made (0750, same group) where it is missing. The socket of a
 * daemon that died is removed, after connect() has proved that nobody answers there; one that
 * answers is ERROR_EXISTS. The file stays when the socket is closed: whoever listens removes it, or
 * the next one does.
 */
int api_listen(const char *path, int *ret, struct error *err);

/* Removes the socket of a daemon that died; one on which someone still listens stays. */
void api_unlink(const char *path);

/* Keeps what the engine announces from here on, for those who ask for events. */
int api_open(struct api **ret, struct event_base *base, struct engine *engine, struct error *err);
/* Serves on a socket that listens already; the descriptor is the api's from here on, also on
 * failure. */
int api_serve(struct api *api, int listen_fd, struct error *err);
/*
 * Ends the service: every client that was accepted, and with a socket that does not stay (its file
 * is removed already) every one that has connected, is answered; then `drained` is called, once,
 * from the loop. A client has a few seconds to ask and to read. Streams of events end.
 */
int api_drain(struct api *api, bool socket_stays, void (*drained)(void *arg), void *arg,
        struct error *err);

/*
 * Closes every connection. Close it before the engine: requests that wait there go on, and their
 * answers, which the engine may still give afterwards, go nowhere. NULL is allowed; returns NULL.
 */
struct api *api_close(struct api *api);
