/*
 * One request and its answer over netd's Unix socket, as HTTP/1.1 by hand: the whole process of
 * netd-ctl takes about as long as loading a library for it would. Every request is for one
 * connection (`Connection: close`), so an answer ends at its Content-Length or at the end of the
 * stream, and what comes after it is no one's. The invariant: an answer is either read whole and is
 * one JSON object (or nothing), or the call fails; nothing of it is used before. Its size is
 * bounded, so that something that is not netd behind the socket cannot fill the memory.
 */
#include "lib/client.h"

#include "lib/cleanup.h"
#include "lib/json.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#define HEAD_MAX      ((size_t)64 * 1024)
#define BODY_MAX      ((size_t)64 * 1024 * 1024)
#define LINE_MAX_SIZE ((size_t)64 * 1024)

struct reply {
	char *bytes; /* always with a zero byte behind `size` */
	size_t size;
	size_t capacity;
	size_t head; /* bytes up to the body, 0 while the head is not whole */
	size_t body; /* the Content-Length, where has_length */
	bool has_length;
	int status;
};

static void reply_done(struct reply *reply)
{
	free(reply->bytes);
}

static int unreachable(const char *socket_path, int errnum, struct error *err)
{
	switch (errnum) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		return error_set(err, ERROR_UNREACHABLE, 0,
		        "no daemon answers on %s: start it with 'systemctl start netd', or name "
		        "its "
		        "socket with --socket or NETD_SOCKET",
		        socket_path);
	case EACCES:
	case EPERM:
		return error_set(err, ERROR_PERMISSION, 0,
		        "the socket %s may be opened by root and the group netd only: use sudo, or "
		        "join with 'sudo usermod -aG netd USER' and log in again",
		        socket_path);
	}
	return error_set(err, ERROR_UNREACHABLE, errnum, "connect to %s", socket_path);
}

static int broken(const char *socket_path, const char *what, struct error *err)
{
	return error_set(err, ERROR_UNREACHABLE, 0,
	        "%s: %s; is it netd's socket? ('systemctl status netd' says how the daemon is)",
	        socket_path, what);
}

/* Whether a change was made then, no one can know from here. */
static int unanswered(const char *socket_path, const char *method, struct error *err)
{
	error_set(err, ERROR_UNREACHABLE, 0,
	        "%s: the connection was closed without an answer; %s ('systemctl status netd' says "
	        "how the daemon is)",
	        socket_path,
	        strcmp(method, "GET") == 0
	                ? "is it netd's socket?"
	                : "if the daemon ended just then, the change may be done or not: look with "
	                  "'netd-ctl ns ls', 'network ls' or 'ports'");
	return -ECONNRESET;
}

static int open_socket(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(closep) int fd = -1;

	if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
		return error_field(err, "socket",
		        "socket: '%s' is no path of a socket: it has 1 to %zu bytes", path,
		        sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, ERROR_KERNEL, errno, "open a Unix socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return unreachable(path, errno, err);
	return TAKE_FD(fd);
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

/* `version` of HTTP: in 1.0 an answer is never in chunks. */
static int write_request(int fd, const char *version, const char *method, const char *path,
        const json_t *body, struct error *err)
{
	_cleanup_(freep) char *text = NULL, *head = NULL;
	int length, r;

	if (body) {
		text = json_dumps(body, JSON_COMPACT);
		if (!text)
			return error_memory(err);
	}
	length = asprintf(&head,
	        "%s %s HTTP/%s\r\nHost: netd\r\nConnection: close\r\nAccept: application/json\r\n"
	        "Content-Length: %zu\r\n\r\n%s",
	        method, path, version, text ? strlen(text) : 0, text ? text : "");
	if (length < 0) {
		head = NULL;
		return error_memory(err);
	}
	r = write_all(fd, head, (size_t)length);
	/* Whoever refuses a request may answer and hang up before having read it: the answer
	 * counts. */
	if (r == -EPIPE || r == -ECONNRESET)
		return 0;
	return r < 0 ? error_set(err, ERROR_UNREACHABLE, -r, "send the request") : 0;
}

/* The value of the header line that begins at `line`, NULL where it is not `name`. */
static const char *header_value(const char *line, const char *name)
{
	size_t length = strlen(name);

	if (strncasecmp(line, name, length) != 0 || line[length] != ':')
		return NULL;
	line += length + 1;
	return line + strspn(line, " \t");
}

static int read_length(const char *value, size_t *ret)
{
	size_t length = 0;

	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	for (; isdigit((unsigned char)*value); value++) {
		length = length * 10 + (size_t)(*value - '0');
		if (length > BODY_MAX)
			return -EFBIG;
	}
	if (value[strspn(value, " \t")] != '\r')
		return -EINVAL;
	*ret = length;
	return 0;
}

/* Reads status and length of a whole head. Returns what is wrong with it, or NULL. */
static const char *reply_parse_head(struct reply *reply)
{
	const char *line = reply->bytes;

	if (strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) ||
	        line[8] != ' ' || !isdigit((unsigned char)line[9]) ||
	        !isdigit((unsigned char)line[10]) || !isdigit((unsigned char)line[11]) ||
	        isdigit((unsigned char)line[12]))
		return "what answers there does not speak HTTP";
	reply->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	while ((line = strstr(line, "\r\n")) && line[2] != '\r') {
		const char *value;

		line += 2;
		if (header_value(line, "Transfer-Encoding"))
			return "the answer has a transfer encoding, which netd never uses";
		value = header_value(line, "Content-Length");
		if (!value)
			continue;
		if (reply->has_length || read_length(value, &reply->body) < 0)
			return "the answer has no usable length";
		reply->has_length = true;
	}
	return NULL;
}

static const char *reply_look(struct reply *reply)
{
	const char *end;

	if (reply->head)
		return NULL;
	end = strstr(reply->bytes, "\r\n\r\n");
	if (!end)
		return reply->size > HEAD_MAX ? "the head of the answer does not end" : NULL;
	reply->head = (size_t)(end - reply->bytes) + 4;
	return reply_parse_head(reply);
}

static bool reply_whole(const struct reply *reply)
{
	return reply->head && reply->has_length && reply->size - reply->head >= reply->body;
}

static int reply_grow(struct reply *reply, struct error *err)
{
	size_t capacity = reply->capacity ? 2 * reply->capacity : 16 * 1024;
	char *bytes;

	if (reply->capacity - reply->size > 1)
		return 0;
	bytes = realloc(reply->bytes, capacity);
	if (!bytes)
		return error_memory(err);
	reply->bytes = bytes;
	reply->capacity = capacity;
	return 0;
}

/* Some more bytes. Returns how many, 0 at the end. */
static ssize_t reply_receive(
        int fd, const char *socket_path, struct reply *reply, struct error *err)
{
	ssize_t n;
	int r = reply_grow(reply, err);

	if (r < 0)
		return r;
	do
		n = recv(fd, reply->bytes + reply->size, reply->capacity - reply->size - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	if (n < 0)
		return error_set(
		        err, ERROR_UNREACHABLE, errno, "read the answer of %s", socket_path);
	reply->size += (size_t)n;
	reply->bytes[reply->size] = '\0';
	return n;
}

/* The answer as far as its head, or `whole`. */
static int reply_read(
        int fd, const char *socket_path, bool whole, struct reply *reply, struct error *err)
{
	ssize_t n = 1;

	while (n > 0 && (whole ? !reply_whole(reply) : !reply->head)) {
		const char *wrong;

		n = reply_receive(fd, socket_path, reply, err);
		if (n < 0)
			return (int)n;
		wrong = n > 0 ? reply_look(reply) : NULL;
		if (!wrong && reply->size > HEAD_MAX + BODY_MAX)
			wrong = "the answer does not end";
		if (wrong)
			return broken(socket_path, wrong, err);
	}
	if (reply->size == 0)
		return -ECONNRESET;
	if (!reply->head || (whole && reply->has_length && !reply_whole(reply)))
		return broken(socket_path, "the answer ended in the middle", err);
	if (!reply->has_length)
		reply->body = reply->size - reply->head;
	return 0;
}

/* The daemon's own error. A problem document without code or sentence is not netd's. */
static int problem(const char *socket_path, const struct client_answer *answer, struct error *err)
{
	const char *code = json_string_value(json_object_get(answer->body, "code"));
	const char *detail = json_string_value(json_object_get(answer->body, "detail"));
	const char *field = json_string_value(json_object_get(answer->body, "field"));
	int r;

	if (!code || !detail)
		return broken(socket_path, "an error came without its reason", err);
	r = error_set(err, error_code_from_name(code), 0, "%s", detail);
	if (field)
		snprintf(err->field, sizeof(err->field), "%s", field);
	return r;
}

static int read_object(const char *socket_path, const struct reply *reply,
        struct client_answer *ret, struct error *err)
{
	if (reply->body > 0) {
		json_error_t ignored; /* netd's answers are JSON, or it is not netd */
		int r = json_load(reply->bytes + reply->head, reply->body, JSON_REJECT_DUPLICATES,
		        &ret->body, &ignored);

		if (r == -ENOMEM)
			return error_memory(err);
		if (!json_is_object(ret->body)) {
			client_answer_done(ret);
			return broken(socket_path, "the answer is no JSON object", err);
		}
	}
	ret->status = reply->status;
	return ret->status >= 400 ? problem(socket_path, ret, err) : 0;
}

static int call_once(const char *socket_path, const char *method, const char *path,
        const json_t *body, struct client_answer *ret, struct error *err)
{
	_cleanup_(reply_done) struct reply reply = {0};
	_cleanup_(closep) int fd = -1;
	int r;

	fd = open_socket(socket_path, err);
	if (fd < 0)
		return fd;
	r = write_request(fd, "1.1", method, path, body, err);
	if (r == 0)
		r = reply_read(fd, socket_path, true, &reply, err);
	if (r == -ECONNRESET)
		return unanswered(socket_path, method, err);
	return r < 0 ? r : read_object(socket_path, &reply, ret, err);
}

int client_call(const char *socket_path, const char *method, const char *path, const json_t *body,
        struct client_answer *ret, struct error *err)
{
	int r;

	*ret = (struct client_answer){0};
	r = call_once(socket_path, method, path, body, ret, err);
	/* The daemon ended in the middle of it. To ask again changes nothing. */
	if (r == -ECONNRESET && strcmp(method, "GET") == 0)
		r = call_once(socket_path, method, path, body, ret, err);
	return r;
}

/* Hands out the whole lines from *start on, and moves it behind them. False: that was enough. */
static bool take_lines(const struct reply *reply, size_t *start, client_line *take, void *arg)
{
	const char *end;

	while ((end = memchr(reply->bytes + *start, '\n', reply->size - *start))) {
		const char *line = reply->bytes + *start;

		*start = (size_t)(end - reply->bytes) + 1;
		if (!take(line, (size_t)(end - line), arg))
			return false;
	}
	return true;
}

static int read_lines(int fd, const char *socket_path, struct reply *reply, client_line *take,
        void *arg, struct error *err)
{
	size_t start = reply->head;
	ssize_t n;

	do {
		if (!take_lines(reply, &start, take, arg))
			return 0;
		memmove(reply->bytes, reply->bytes + start, reply->size - start);
		reply->size -= start;
		start = 0;
		if (reply->size > LINE_MAX_SIZE)
			return broken(socket_path, "a line of the answer does not end", err);
		n = reply_receive(fd, socket_path, reply, err);
	} while (n > 0);
	return (int)n;
}

int client_stream(const char *socket_path, const char *path, client_line *take, void *arg,
        struct client_answer *ret, struct error *err)
{
	_cleanup_(reply_done) struct reply reply = {0};
	_cleanup_(closep) int fd = -1;
	int r;

	*ret = (struct client_answer){0};
	fd = open_socket(socket_path, err);
	if (fd < 0)
		return fd;
	r = write_request(fd, "1.0", "GET", path, NULL, err);
	if (r == 0)
		r = reply_read(fd, socket_path, false, &reply, err);
	if (r == 0 && reply.status < 400)
		return read_lines(fd, socket_path, &reply, take, arg, err);
	if (r == 0)
		r = reply_read(fd, socket_path, true, &reply, err);
	if (r == -ECONNRESET)
		return unanswered(socket_path, "GET", err);
	return r < 0 ? r : read_object(socket_path, &reply, ret, err);
}

void client_answer_done(struct client_answer *answer)
{
	json_decref(answer->body);
	*answer = (struct client_answer){0};
}

char *client_encode(const char *part)
{
	char *text = malloc(3 * strlen(part) + 1), *out = text;

	if (!text)
		return NULL;
	for (; *part; part++) {
		unsigned char c = (unsigned char)*part;

		if (isalnum(c) || strchr("-._~", c))
			*out++ = (char)c;
		else
			out += sprintf(out, "%%%02X", c);
	}
	*out = '\0';
	return text;
}
