/*
 * The stream of events: what it says, to whom, what those get who come late, and that readers who
 * do not read, are many, or go, cost little and are in nobody's way.
 */
#include "tests/unit/api-client.h"
#include "tests/lib/suite.h"

#include <poll.h>

#define STREAMS_MAX 32

/* Begins to listen; returns when the server knows of it. */
static int listen_to(const char *target)
{
	char request[256], head[1024];
	int fd = dial();
	size_t n = 0;

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
	ck_assert(put(fd, request, strlen(request)));
	while (n < sizeof(head) - 1 && recv(fd, head + n, 1, 0) == 1)
		if (++n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
			break;
	head[n] = '\0';
	ck_assert_msg(strncmp(head, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", head);
	ck_assert_ptr_nonnull(strstr(head, "Content-Type: application/jsonl\r\n"));
	ck_assert_ptr_nonnull(strstr(head, "Transfer-Encoding: chunked\r\n"));
	return fd;
}

/* One event; it is a chunk of its own. NULL: the stream is over. Allocated. */
static json_t *next(int fd)
{
	char text[8192];
	size_t n = 0, size;
	json_t *event;

	while (n < 16 && recv(fd, text + n, 1, 0) == 1)
		if (text[n++] == '\n')
			break;
	size = n ? strtoul(text, NULL, 16) : 0;
	if (size == 0)
		return NULL;
	ck_assert_uint_lt(size + 2, sizeof(text));
	ck_assert_int_eq(recv(fd, text, size + 2, MSG_WAITALL), (ssize_t)size + 2);
	ck_assert_int_eq(text[size - 1], '\n');
	event = json_loadb(text, size - 1, 0, NULL);
	ck_assert_msg(json_is_object(event), "%.*s", (int)size, text);
	return event;
}

static void is_next(int fd, const char *network)
{
	json_auto_t *event = next(fd);

	ck_assert_ptr_nonnull(event);
	ck_assert_str_eq(json_string_value(json_object_get(event, "network")), network);
}

static void make(const char *network)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"name\":\"%s\"}", network);
	asked("POST", "/v1/networks", body, 201, "network/name", network);
}

static bool is_closed(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLRDHUP};

	return poll(&poller, 1, PATIENCE_MS) == 1 && (poller.revents & (POLLRDHUP | POLLHUP));
}

START_TEST(event_says_what_when_and_by_whom)
{
	_cleanup_(closep) int fd = listen_to("/v1/events");
	int year, month, day, hour, minute, second, ms, length;
	const char *time;

	make("my-net");
	make("drift");
	{
		json_auto_t *event = next(fd);
		const json_t *cause = json_object_get(event, "cause");

		ck_assert_str_eq(json_string_value(json_object_get(event, "kind")), "change");
		ck_assert_str_eq(json_string_value(json_object_get(event, "network")), "my-net");
		ck_assert(json_is_null(json_object_get(event, "namespace")));
		ck_assert_str_eq(
		        json_string_value(json_object_get(event, "text")), "network create");
		ck_assert_int_eq(json_integer_value(json_object_get(cause, "uid")), getuid());
		ck_assert_int_eq(json_integer_value(json_object_get(cause, "pid")), getpid());
		time = json_string_value(json_object_get(event, "time"));
		ck_assert_int_eq(sscanf(time, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day,
		                         &hour, &minute, &second, &ms, &length),
		        7);
		ck_assert_uint_eq(strlen(time), 24);
	}
	{
		json_auto_t *event = next(fd);
		const json_t *cause = json_object_get(event, "cause");

		ck_assert_str_eq(json_string_value(json_object_get(event, "kind")), "drift");
		ck_assert_str_eq(json_string_value(json_object_get(event, "namespace")), "web");
		ck_assert_str_eq(
		        json_string_value(json_object_get(event, "text")), "cut in the middle: ?");
		ck_assert_int_eq(json_integer_value(json_object_get(cause, "pid")), 7);
		ck_assert_str_eq(json_string_value(json_object_get(cause, "program")), "nft");
		ck_assert(!json_object_get(cause, "uid"));
	}
}
END_TEST

START_TEST(readers_get_what_they_asked_for)
{
	_cleanup_(closep) int all = listen_to("/v1/events");
	_cleanup_(closep) int drift = listen_to("/v1/events?kind=drift");
	_cleanup_(closep) int network = listen_to("/v1/events?network=b");
	_cleanup_(closep) int namespace = listen_to("/v1/events?namespace=web");

	make("a");
	make("b");
	make("drift");
	is_next(all, "a");
	is_next(all, "b");
	is_next(all, "drift");
	is_next(drift, "drift");
	is_next(network, "b");
	is_next(namespace, "drift");
}
END_TEST

START_TEST(who_comes_late_gets_the_last_of_it)
{
	_cleanup_(closep) int none = -1, two = -1;
	char name[32];

	for (int i = 0; i < 130; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		make(name);
	}
	none = listen_to("/v1/events");
	two = listen_to("/v1/events?recent=2&network=n128");
	make("last");
	is_next(none, "last");
	is_next(two, "n128");
	make("n128");
	is_next(two, "n128");
}
END_TEST

/* The events of an answer that ends, as an array. */
static json_t *recent(const char *target)
{
	_cleanup_(closep) int fd = dial();
	char request[256], text[65536] = "";
	json_t *events = json_array();
	ssize_t n = 0, size = 0;
	char *line, *rest;

	snprintf(request, sizeof(request),
	        "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target);
	ck_assert(put(fd, request, strlen(request)));
	while ((n = recv(fd, text + size, sizeof(text) - 1 - (size_t)size, 0)) > 0)
		size += n;
	text[size] = '\0';
	ck_assert_msg(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0, "%s", text);
	rest = strstr(text, "\r\n\r\n") + 4;
	while ((line = strsep(&rest, "\n")) && *line)
		ck_assert_int_eq(json_array_append_new(events, json_loads(line, 0, NULL)), 0);
	return events;
}

START_TEST(the_last_hundred_are_kept)
{
	json_auto_t *before = recent("/v1/events?follow=false&recent=100"), *after = NULL,
	            *one = NULL;
	char name[32];

	ck_assert_uint_eq(json_array_size(before), 0);
	for (int i = 0; i < 130; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		make(name);
	}
	after = recent("/v1/events?follow=false&recent=100");
	ck_assert_uint_eq(json_array_size(after), 100);
	for (size_t i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%zu", 30 + i);
		ck_assert_str_eq(
		        json_string_value(json_object_get(json_array_get(after, i), "network")),
		        name);
	}
	one = recent("/v1/events?follow=false&recent=1");
	ck_assert_uint_eq(json_array_size(one), 1);
	ck_assert_str_eq(
	        json_string_value(json_object_get(json_array_get(one, 0), "network")), "n129");
}
END_TEST

START_TEST(wrong_wishes_are_refused)
{
	static const struct {
		const char *target, *field;
	} wrong[] = {{"/v1/events?kind=nonsense", "kind"}, {"/v1/events?recent=101", "recent"},
	        {"/v1/events?recent=x", "recent"}, {"/v1/events?follow=no", "follow"},
	        {"/v1/events?nonsense=1", "nonsense"}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		asked("GET", wrong[i].target, "", 400, "field", wrong[i].field);
}
END_TEST

START_TEST(an_old_client_gets_bare_lines)
{
	static const char request[] = "GET /v1/events HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
	_cleanup_(closep) int fd = dial();
	char text[4096];
	size_t n = 0;

	ck_assert(put(fd, request, strlen(request)));
	while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0)
		ck_assert_int_eq(recv(fd, text + n++, 1, 0), 1);
	text[n] = '\0';
	ck_assert_msg(!strstr(text, "Content-Length") && !strstr(text, "chunked"), "%s", text);
	make("my-net");
	ck_assert_int_eq(recv(fd, text, 1, 0), 1);
	ck_assert_int_eq(text[0], '{');
}
END_TEST

START_TEST(there_is_a_limit_to_readers)
{
	int fds[STREAMS_MAX];

	for (int i = 0; i < STREAMS_MAX; i++)
		fds[i] = listen_to("/v1/events");
	asked("GET", "/v1/events", "", 409, "code", "refused");
	close(fds[0]);
	for (bool again = true; again;) { /* until the server has seen it go */
		struct response response = {0};
		int fd = dial();

		put(fd, "GET /v1/events HTTP/1.0\r\n\r\n", 27);
		ck_assert_int_eq(recv(fd, response.head, 12, MSG_WAITALL), 12);
		again = strcmp(response.head, "HTTP/1.0 409") == 0;
		close(fd);
	}
	make("my-net");
	for (int i = 1; i < STREAMS_MAX; i++) {
		is_next(fds[i], "my-net");
		close(fds[i]);
	}
	still_serves();
}
END_TEST

START_TEST(readers_that_go_leave_nothing_behind)
{
	for (int i = 0; i < 500; i++) {
		int fd = listen_to("/v1/events");

		if (i % 10 == 0)
			make("my-net");
		close(fd);
	}
	still_serves();
}
END_TEST

START_TEST(who_does_not_read_is_dropped_and_the_others_miss_nothing)
{
	int fds[STREAMS_MAX], good;
	long before;
	char name[32];
	int events;

	make("long");
	before = server_memory();
	for (int i = 0; i < STREAMS_MAX - 1; i++)
		fds[i] = listen_to("/v1/events");
	good = listen_to("/v1/events");
	for (events = 0; events < 2000; events++) {
		struct pollfd gone = {.fd = fds[STREAMS_MAX - 2], .events = POLLRDHUP};

		snprintf(name, sizeof(name), "long%d", events);
		make(name);
		is_next(good, name);
		if (poll(&gone, 1, 0) == 1)
			break;
	}
	/* 256 KiB here, and what the kernel takes. */
	ck_assert_int_gt(events, 200);
	ck_assert_int_lt(events, 1500);
	for (int i = 0; i < STREAMS_MAX - 1; i++) {
		ck_assert(is_closed(fds[i]));
		close(fds[i]);
	}
	ck_assert_int_lt(server_memory() - before, 16 * 1024);
	make("after");
	is_next(good, "after");
	close(good);
}
END_TEST

START_TEST(a_reader_that_talks_is_not_heard)
{
	static char chatter[65536];
	_cleanup_(closep) int fd = listen_to("/v1/events");
	struct timeval moment = {.tv_usec = 200000};
	long before = server_memory();

	memset(chatter, 'x', sizeof(chatter));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof(moment));
	for (int i = 0; i < 64 && put(fd, chatter, sizeof(chatter)); i++)
		;
	ck_assert_int_lt(server_memory() - before, 2048);
	make("my-net");
	is_next(fd, "my-net");
	still_serves();
}
END_TEST

/* --- a heart that beats fast --- */

static void start_impatient(void)
{
	server_silence = (struct timeval){.tv_usec = 200000};
	events_heartbeat = (struct timeval){.tv_usec = 100000};
	start_server();
}

START_TEST(a_quiet_stream_has_heartbeats_and_no_deadline)
{
	_cleanup_(closep) int fd = listen_to("/v1/events?kind=drift");

	for (int i = 0; i < 10; i++) {
		json_auto_t *event = next(fd);

		ck_assert_ptr_nonnull(event);
		ck_assert_str_eq(json_string_value(json_object_get(event, "kind")), "heartbeat");
		ck_assert_uint_eq(json_object_size(event), 6);
	}
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("tests"), *impatient = tcase_create("impatient");

	tcase_add_checked_fixture(tests, start_server, stop_server);
	tcase_add_test(tests, event_says_what_when_and_by_whom);
	tcase_add_test(tests, readers_get_what_they_asked_for);
	tcase_add_test(tests, who_comes_late_gets_the_last_of_it);
	tcase_add_test(tests, the_last_hundred_are_kept);
	tcase_add_test(tests, wrong_wishes_are_refused);
	tcase_add_test(tests, an_old_client_gets_bare_lines);
	tcase_add_test(tests, there_is_a_limit_to_readers);
	tcase_add_test(tests, readers_that_go_leave_nothing_behind);
	tcase_add_test(tests, who_does_not_read_is_dropped_and_the_others_miss_nothing);
	tcase_add_test(tests, a_reader_that_talks_is_not_heard);
	tcase_add_checked_fixture(impatient, start_impatient, stop_server);
	tcase_add_test(impatient, a_quiet_stream_has_heartbeats_and_no_deadline);
	return SUITE_CASES(tests, impatient);
}
