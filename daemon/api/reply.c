/*
 * Answers as bytes. Every error leaves as a problem document (RFC 9457), also those that libevent
 * would answer with a page for people, and also when there is no memory left to make one.
 */
#include "daemon/api/internal.h"

#include "lib/cleanup.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_JSON    "application/json"
#define TYPE_PROBLEM "application/problem+json"

const char *status_title(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 201:
		return "Created";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 413:
		return "Content Too Large";
	case 417:
		return "Expectation Failed";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

static int status_of(enum error_code code)
{
	switch (code) {
	case ERROR_INVALID:
	case ERROR_UNKNOWN:
		return 400;
	case ERROR_NOT_FOUND:
		return 404;
	case ERROR_EXISTS:
	case ERROR_REFUSED:
		return 409;
	case ERROR_PERMISSION:
		return 403;
	case ERROR_STORE:
		return 503;
	case ERROR_TOO_LARGE:
		return 413;
	case ERROR_NONE:
	case ERROR_KERNEL:
	case ERROR_UNREACHABLE:
		return 500;
	}
	return 500;
}

static int append(const char *bytes, size_t size, void *out)
{
	return evbuffer_add(out, bytes, size);
}

/* Takes the body over. False: not all of it could be written. */
static bool write_json(struct evbuffer *out, json_t *body)
{
	bool good = body && json_dump_callback(body, append, out, JSON_COMPACT) == 0 &&
	            evbuffer_add(out, "\n", 1) == 0;

	json_decref(body);
	return good;
}

static void write_no_memory(struct evbuffer *out)
{
	static const char text[] =
	        "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500,"
	        "\"code\":\"kernel\",\"detail\":\"allocate memory: Cannot allocate memory\"}\n";

	evbuffer_drain(out, evbuffer_get_length(out));
	evbuffer_add_reference(out, text, sizeof(text) - 1, NULL, NULL);
}

/* JSON takes nothing but UTF-8, and a sentence may have been cut in the middle of a letter. */
json_t *text_json(const char *text)
{
	json_t *value = json_string(text);
	_cleanup_(freep) char *copy = NULL;

	if (value || !(copy = strdup(text)))
		return value;
	for (char *c = copy; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	return json_string(copy);
}

static json_t *problem_json(int status, const char *code, const char *detail)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:o}", "type", "about:blank", "title",
	        status_title(status), "status", status, "code", code, "detail", text_json(detail));
}

static json_t *listener_json(const struct listener_info *listener)
{
	char ip[IP_TEXT_SIZE];

	return json_pack("{s:I, s:o, s:s, s:s, s:i}", "inode", (json_int_t)listener->inode, "unit",
	        text_json(listener->unit), "protocol", protocol_name(listener->protocol), "address",
	        ip_format(&listener->ip, ip), "port", (int)listener->port);
}

static void send_json(struct call *call, int status, const char *type, json_t *body)
{
	struct evbuffer *out = evbuffer_new();

	if (!out) {
		json_decref(body);
		server_send(call, 500, TYPE_PROBLEM, NULL);
		return;
	}
	if (!write_json(out, body)) {
		write_no_memory(out);
		status = 500;
		type = TYPE_PROBLEM;
	}
	server_send(call, status, type, out);
	evbuffer_free(out);
}

void reply_json(struct call *call, int status, json_t *body)
{
	send_json(call, status, TYPE_JSON, body);
}

/* What is committed is not called failed because it cannot be shown. */
void reply_change(struct call *call, int status, json_t *body)
{
	static const char text[] = "{\"warnings\":[\"done; but there is no memory to show it\"]}\n";
	struct evbuffer *out = evbuffer_new();

	if (!out) {
		json_decref(body);
		server_send(call, status, TYPE_JSON, NULL);
		return;
	}
	if (!write_json(out, body)) {
		evbuffer_drain(out, evbuffer_get_length(out));
		evbuffer_add_reference(out, text, sizeof(text) - 1, NULL, NULL);
	}
	server_send(call, status, TYPE_JSON, out);
	evbuffer_free(out);
}

void reply_problem(struct call *call, int status, const char *code, const char *detail)
{
	send_json(call, status, TYPE_PROBLEM, problem_json(status, code, detail));
}

void reply_error(struct call *call, const struct error *err, const struct listener_info *listener)
{
	int status = status_of(err->code);
	json_t *body = problem_json(status, error_code_name(err->code), err->text);

	if (err->field[0])
		json_object_set_new(body, "field", text_json(err->field));
	if (listener && listener->present)
		json_object_set_new(body, "listener", listener_json(listener));
	send_json(call, status, TYPE_PROBLEM, body);
}

void problem_write(struct evbuffer *out, int status, const char *code, const char *detail)
{
	struct evbuffer *body = evbuffer_new();

	if (!body)
		return;
	if (!write_json(body, problem_json(status, code, detail)))
		write_no_memory(body);
	evbuffer_add_printf(out,
	        "HTTP/1.1 %d %s\r\nContent-Type: " TYPE_PROBLEM "\r\nContent-Length: %zu\r\n"
	        "Connection: close\r\n\r\n",
	        status, status_title(status), evbuffer_get_length(body));
	evbuffer_add_buffer(out, body);
	evbuffer_free(body);
}
