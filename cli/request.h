/* One request of a command: the call's options put into it, its warnings told. */
#pragma once

#include "cli/grammar.h"
#include "lib/client.h"

#include <jansson.h>

/* The daemon's socket: --socket, else NETD_SOCKET, else the default. */
const char *request_socket(const struct call *call);

/* COLLECTION/PART and `after` (a query, or ""), PART percent-encoded. Allocated; NULL where memory
 * is out. */
char *request_path(const char *collection, const char *part, const char *after);

/*
 * Sends the request; --dry-run is added. Takes `body` over (NULL: none). *ret is the answer, to be
 * json_decref()ed; its warnings have been printed. Where a listener is in the way, the error names
 * its process, as far as the caller may see it.
 */
int request_send(const struct call *call, const char *method, const char *path, json_t *body,
        json_t **ret, struct error *err);

/* Each line of an answer that may not end; see client_stream(). */
int request_stream(
        const struct call *call, const char *path, client_line *take, void *arg, struct error *err);

/* As request_send() with GET, and the array that stands under `key` in the answer. */
int request_list(const struct call *call, const char *path, const char *key, json_t **ret,
        struct error *err);
