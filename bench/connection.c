/*
 * HTTP/1.1 with as little as it takes, so that what is measured is netd and not its client: one
 * send, and reads until the length that the head promised is there.
 */
#include "bench/connection.h"

#include "bench/fatal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

void connection_open(struct connection *connection, const char *socket_path)
{
	const struct timeval patience = {.tv_sec = 30};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connection->fd < 0 ||
	        connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fatal("connect to %s: %s", socket_path, strerror(errno));
}

void connection_close(struct connection *connection)
{
	close(connection->fd);
}

void connection_send(
        struct connection *connection, const char *method, const char *path, const char *body)
{
	char request[2048];
	int size = snprintf(request, sizeof(request),
	        "%s %s HTTP/1.1\r\nHost: netd\r\nContent-Length: %zu\r\n\r\n%s", method, path,
	        body ? strlen(body) : 0, body ? body : "");

	if (send(connection->fd, request, (size_t)size, MSG_NOSIGNAL) != size)
		fatal("%s %s: send: %s", method, path, strerror(errno));
}

const char *connection_receive(struct connection *connection)
{
	char *answer = connection->answer, *body = NULL, *length;
	size_t size = 0, wanted = 0;

	while (!body || size < wanted) {
		ssize_t n = recv(
		        connection->fd, answer + size, sizeof(connection->answer) - 1 - size, 0);

		if (n <= 0)
			fatal("netd's answer: %s",
			        n < 0 ? strerror(errno) : "the connection was closed");
		size += (size_t)n;
		answer[size] = '\0';
		body = strstr(answer, "\r\n\r\n");
		length = strcasestr(answer, "\r\nContent-Length:");
		if (body && !length)
			fatal("netd's answer has no length");
		if (body)
			wanted = (size_t)(body + 4 - answer) + strtoul(length + 17, NULL, 10);
	}
	if (answer[9] != '2')
		fatal("netd refused: %s", body + 4);
	return body + 4;
}

const char *connection_call(
        struct connection *connection, const char *method, const char *path, const char *body)
{
	connection_send(connection, method, path, body);
	return connection_receive(connection);
}
