/*
 * A client that keeps its connection, for the time that the daemon takes: lib/client.h opens one
 * for each call, as netd-ctl does, which is measured as a line of its own.
 */
#pragma once

#include <jansson.h>

struct connection {
	int fd;
	char answer[16384];
};

void connection_open(struct connection *connection, const char *socket_path);
void connection_close(struct connection *connection);
/* `body` NULL: none. */
void connection_send(
        struct connection *connection, const char *method, const char *path, const char *body);
/* Waits for the whole answer, and ends the program where it is an error. Returns its body. */
const char *connection_receive(struct connection *connection);
/* Both. */
const char *connection_call(
        struct connection *connection, const char *method, const char *path, const char *body);
