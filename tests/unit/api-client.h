/* A client of the API that can do what no good client does: it writes bytes, and reads one answer
 * at a time. */
#pragma once

#include "tests/unit/fake-engine.h"

#include "lib/cleanup.h"

#include <sys/un.h>

#define PATIENCE_MS 10000

static inline int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

/* False: the server closed before it took all of it. */
static inline bool put(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		bytes += n;
		size -= (size_t)n;
	}
	return true;
}

struct response {
	int status;
	char head[2048];
	json_t *body;
};

static inline void response_done(struct response *response)
{
	json_decref(response->body);
}

/* Reads one answer, byte by byte so that the next one stays. Status 0: the connection was closed
 * instead. */
static inline struct response get(int fd)
{
	struct response response = {0};
	size_t n = 0, size = 0;
	const char *length;
	char *body;

	while (n < sizeof(response.head) - 1 && recv(fd, response.head + n, 1, 0) == 1)
		if (++n >= 4 && memcmp(response.head + n - 4, "\r\n\r\n", 4) == 0)
			break;
	if (n == 0)
		return response;
	ck_assert_int_eq(sscanf(response.head, "HTTP/1.%*d %d", &response.status), 1);
	length = strstr(response.head, "Content-Length: ");
	if (length)
		size = strtoul(length + strlen("Content-Length: "), NULL, 10);
	if (size == 0)
		return response;
	body = malloc(size);
	ck_assert_int_eq(recv(fd, body, size, MSG_WAITALL), (ssize_t)size);
	ck_assert_int_eq(body[size - 1], '\n');
	response.body = json_loadb(body, size, 0, NULL);
	ck_assert_msg(response.body != NULL, "no JSON: %.*s", (int)size, body);
	free(body);
	return response;
}

static inline struct response ask_raw(const char *bytes, size_t size)
{
	_cleanup_(closep) int fd = dial();

	put(fd, bytes, size);
	return get(fd);
}

static inline struct response ask(const char *method, const char *target, const char *body)
{
	char request[4096];
	int size = snprintf(request, sizeof(request),
	        "%s %s HTTP/1.1\r\nHost: netd\r\nContent-Length: %zu\r\n\r\n%s", method, target,
	        strlen(body), body);

	return ask_raw(request, (size_t)size);
}

/* The value at a path like "networks/0/name", as text. Valid until the next call. */
static inline const char *at(const struct response *response, const char *where)
{
	static char text[4096];
	char copy[128], *rest = copy, *part;
	const json_t *value = response->body;

	snprintf(copy, sizeof(copy), "%s", where);
	while (value && (part = strsep(&rest, "/")))
		value = json_is_array(value) ? json_array_get(value, strtoul(part, NULL, 10))
		                             : json_object_get(value, part);
	if (!value)
		return "(absent)";
	if (json_is_string(value))
		return json_string_value(value);
	part = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	snprintf(text, sizeof(text), "%s", part);
	free(part);
	return text;
}

/* Whether all that is wanted is there. An object may have more: fields are added later. */
static inline bool json_holds(const json_t *wanted, const json_t *value)
{
	const char *name;
	json_t *item;
	size_t i;

	if (!json_is_object(wanted) && !json_is_array(wanted))
		return json_equal(wanted, value);
	json_object_foreach ((json_t *)wanted, name, item) {
		if (!json_holds(item, json_object_get(value, name)))
			return false;
	}
	json_array_foreach (wanted, i, item) {
		if (!json_holds(item, json_array_get(value, i)))
			return false;
	}
	return json_typeof(wanted) == json_typeof(value) &&
	       json_array_size(wanted) == json_array_size(value);
}

static inline bool text_holds(const char *wanted, const char *text)
{
	json_t *one = json_loads(wanted, 0, NULL), *other = json_loads(text, 0, NULL);
	bool holds = one && other ? json_holds(one, other) : strcmp(wanted, text) == 0;

	json_decref(one);
	json_decref(other);
	return holds;
}

static inline void expect(
        const struct response *response, int status, const char *where, const char *what)
{
	ck_assert_msg(response->status == status && text_holds(what, at(response, where)),
	        "status %d, %s is %s", response->status, where, at(response, where));
}

/* An answer with this status, and this value in it. */
static inline void asked(const char *method, const char *target, const char *body, int status,
        const char *where, const char *what)
{
	struct response response = ask(method, target, body);

	expect(&response, status, where, what);
	response_done(&response);
}

static inline void is_problem(const struct response *response, int status, const char *code)
{
	ck_assert_msg(response->status == status, "status %d: %s", response->status,
	        at(response, "detail"));
	ck_assert_ptr_nonnull(strstr(response->head, "Content-Type: application/problem+json\r\n"));
	ck_assert_str_eq(at(response, "code"), code);
	ck_assert_str_eq(at(response, "type"), "about:blank");
	ck_assert_int_eq(json_integer_value(json_object_get(response->body, "status")), status);
	ck_assert(json_is_string(json_object_get(response->body, "detail")));
}

static inline void still_serves(void)
{
	asked("GET", "/v1/version", "", 200, "api", "1");
}
