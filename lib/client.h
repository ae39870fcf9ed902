/* One call = one HTTP/1.1 request over netd's Unix socket, its answer read whole. No event loop. */
#pragma once

#include "lib/error.h"

#include <jansson.h>
#include <stdbool.h>

#define NETD_SOCKET_DEFAULT "/run/netd/netd.sock"

struct client_answer {
	int status;   /* the HTTP status */
	json_t *body; /* owned; NULL where the answer had none */
};

/*
 * Sends `method` `path` with the JSON `body` (NULL: none; borrowed) and reads the answer. Fails
 * with ERROR_UNREACHABLE where no daemon answers (the sentence says what to do), with
 * ERROR_PERMISSION where the socket may not be opened (it names the group), and with the daemon's
 * own error (code, field, sentence from its problem document) for a status of 400 or more; *ret
 * then holds that document. Otherwise *ret is empty on failure, so client_answer_done() is always
 * right. A GET that gets no answer at all, since the daemon ended just then, is sent once more. A
 * body that is not the JSON the daemon would send is ERROR_UNREACHABLE, too.
 */
int client_call(const char *socket_path, const char *method, const char *path, const json_t *body,
        struct client_answer *ret, struct error *err);

/* A line without its newline; borrowed for the call. False: no more of them. */
typedef bool client_line(const char *line, size_t length, void *arg);
/*
 * GET of an answer that may not end: `take` is called for each line as it comes. Returns 0 when the
 * daemon ends it, or `take` had enough. Fails as client_call() does before the first line, and with
 * ERROR_UNREACHABLE for a line of more than 64 KiB. *ret is empty but after a problem.
 */
int client_stream(const char *socket_path, const char *path, client_line *take, void *arg,
        struct client_answer *ret, struct error *err);
void client_answer_done(struct client_answer *answer);

/* One part of a path or one value of a query, percent-encoded; NULL where memory is out. */
char *client_encode(const char *part);
