/*
 * One request over the socket against a daemon that answers anything: what is sent, what is
 * accepted, and that no broken, endless or foreign answer passes for netd's.
 */
#include "lib/client.h"

#include "tests/unit/fake-daemon.h"
#include "tests/lib/suite.h"

#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static struct fake fake;
static struct client_answer answer;
static struct error err;

static void setup(void)
{
	fake_prepare(&fake);
	answer = (struct client_answer){0};
	err = (struct error){0};
}

static void teardown(void)
{
	client_answer_done(&answer);
	fake_done(&fake);
}

static int get(void)
{
	return client_call(fake.path, "GET", "/v1/version", NULL, &answer, &err);
}

START_TEST(request_is_http_with_a_length)
{
	json_auto_t *body = json_pack("{s:s}", "name", "web");

	fake_answer(&fake, 201, "{\"warnings\": []}");
	fake_start(&fake);
	ck_assert_int_eq(client_call(fake.path, "POST", "/v1/namespaces", body, &answer, &err), 0);
	fake_stop(&fake);
	ck_assert_int_eq(answer.status, 201);
	ck_assert(json_is_array(json_object_get(answer.body, "warnings")));
	ck_assert_str_eq(fake.record->requests[0],
	        "POST /v1/namespaces HTTP/1.1\r\nHost: netd\r\nConnection: close\r\n"
	        "Accept: application/json\r\nContent-Length: 14\r\n\r\n{\"name\":\"web\"}");
}
END_TEST

START_TEST(answer_may_end_with_the_stream)
{
	fake_raw(&fake, "HTTP/1.0 200 OK\r\n\r\n{\"api\": 1}");
	fake_start(&fake);
	ck_assert_int_eq(get(), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(answer.body, "api")), 1);
}
END_TEST

START_TEST(bytes_behind_the_answer_are_ignored)
{
	fake_raw(&fake, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}garbage");
	fake_start(&fake);
	ck_assert_int_eq(get(), 0);
	ck_assert(json_is_object(answer.body));
}
END_TEST

START_TEST(answer_without_content_is_no_error)
{
	fake_answer(&fake, 204, "");
	fake_start(&fake);
	ck_assert_int_eq(get(), 0);
	ck_assert_int_eq(answer.status, 204);
	ck_assert_ptr_null(answer.body);
}
END_TEST

START_TEST(large_answer_is_read_whole)
{
	size_t size = 3 * 1024 * 1024;
	char *body = malloc(size + 1);

	memset(body, 'x', size);
	memcpy(body, "{\"a\":\"", 6);
	memcpy(body + size - 2, "\"}", 3);
	fake_answer(&fake, 200, body);
	free(body);
	fake_start(&fake);
	ck_assert_int_eq(get(), 0);
	ck_assert_uint_eq(json_string_length(json_object_get(answer.body, "a")), size - 8);
}
END_TEST

START_TEST(problem_becomes_the_error_and_is_handed_out)
{
	fake_answer(&fake, 409,
	        "{\"type\": \"about:blank\", \"status\": 409, \"code\": \"exists\", \"field\": "
	        "\"host_port\", \"detail\": \"port 80 is taken\", \"listener\": {\"inode\": 7}}");
	fake_start(&fake);
	ck_assert_int_lt(get(), 0);
	ck_assert_int_eq(err.code, ERROR_EXISTS);
	ck_assert_str_eq(err.field, "host_port");
	ck_assert_str_eq(err.text, "port 80 is taken");
	ck_assert(json_is_object(json_object_get(answer.body, "listener")));
}
END_TEST

START_TEST(refusal_of_an_unread_request_is_the_answer)
{
	json_auto_t *body = json_object();
	char *large = calloc(1, 4 * 1024 * 1024);

	memset(large, 'x', 4 * 1024 * 1024 - 1);
	json_object_set_new(body, "name", json_string(large));
	free(large);
	fake_answer(&fake, 413, "{\"code\": \"too-large\", \"detail\": \"the body is too large\"}");
	fake.answers[0].deaf = true;
	fake_start(&fake);
	ck_assert_int_lt(client_call(fake.path, "POST", "/v1/networks", body, &answer, &err), 0);
	ck_assert_int_eq(err.code, ERROR_TOO_LARGE);
	ck_assert_str_eq(err.text, "the body is too large");
}
END_TEST

static const char *const broken[] = {
        NULL,
        "",
        "hello\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n{}",
        "HTTP/1.1 2000 OK\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"a\":1,\"a\":2}",
        "HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\n<html>",
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oops\r\nContent-Length: 17\r\n\r\n{\"code\":\"exists\"}",
};

START_TEST(answer_that_is_not_netds_is_refused)
{
	fake_raw(&fake, broken[_i]);
	fake_raw(&fake, broken[_i]); /* a question that gets no answer is asked again, once */
	fake_start(&fake);
	ck_assert_int_lt(get(), 0);
	ck_assert_int_eq(err.code, ERROR_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(err.text, fake.path));
}
END_TEST

START_TEST(question_is_asked_again_when_the_daemon_ends)
{
	fake_raw(&fake, NULL);
	fake_answer(&fake, 200, "{\"api\": 1}");
	fake_start(&fake);
	ck_assert_int_eq(get(), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(answer.body, "api")), 1);
}
END_TEST

START_TEST(change_is_not_asked_for_again_when_the_daemon_ends)
{
	fake_raw(&fake, NULL);
	fake_answer(&fake, 200, "{}");
	fake_start(&fake);
	ck_assert_int_lt(client_call(fake.path, "POST", "/v1/networks", NULL, &answer, &err), 0);
	ck_assert_int_eq(err.code, ERROR_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(err.text, "the change may be done or not"));
	fake_stop(&fake);
	ck_assert_uint_eq(fake.record->n_requests, 1);
}
END_TEST

/* --- answers without an end --- */

static char lines[256];

/* Joins the lines with '|'; "stop" is enough. */
static bool take(const char *line, size_t length, void *arg)
{
	size_t had = strlen(lines);

	snprintf(lines + had, sizeof(lines) - had, "%.*s|", (int)length, line);
	return length != 4 || memcmp(line, "stop", 4) != 0;
}

static int stream(const char *bytes)
{
	lines[0] = '\0';
	fake_raw(&fake, bytes);
	fake_start(&fake);
	return client_stream(fake.path, "/v1/events", take, NULL, &answer, &err);
}

START_TEST(stream_hands_out_whole_lines)
{
	ck_assert_int_eq(stream("HTTP/1.0 200 OK\r\n\r\none\n\ntwo\nhalf"), 0);
	ck_assert_str_eq(lines, "one||two|");
	fake_stop(&fake);
	ck_assert_int_eq(strncmp(fake.record->requests[0], "GET /v1/events HTTP/1.0\r\n", 25), 0);
}
END_TEST

START_TEST(stream_ends_when_it_is_enough)
{
	ck_assert_int_eq(stream("HTTP/1.0 200 OK\r\n\r\none\nstop\ntwo\n"), 0);
	ck_assert_str_eq(lines, "one|stop|");
}
END_TEST

START_TEST(stream_that_is_refused_is_the_daemons_error)
{
	ck_assert_int_lt(stream("HTTP/1.0 409 No\r\nContent-Length: 37\r\n\r\n"
	                        "{\"code\": \"refused\", \"detail\": \"full\"}"),
	        0);
	ck_assert_int_eq(err.code, ERROR_REFUSED);
	ck_assert_str_eq(err.text, "full");
	ck_assert_str_eq(lines, "");
}
END_TEST

START_TEST(stream_of_one_endless_line_is_refused)
{
	size_t size = 1024 * 1024;
	char *bytes = calloc(1, size);

	memset(bytes, 'x', size - 1);
	memcpy(bytes, "HTTP/1.0 200 OK\r\n\r\n", 19);
	ck_assert_int_lt(stream(bytes), 0);
	free(bytes);
	ck_assert_int_eq(err.code, ERROR_UNREACHABLE);
	ck_assert_str_eq(lines, "");
}
END_TEST

START_TEST(stream_without_an_answer_says_so)
{
	ck_assert_int_lt(stream(NULL), 0);
	ck_assert_int_eq(err.code, ERROR_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(err.text, "closed without an answer"));
}
END_TEST

START_TEST(head_without_end_is_refused)
{
	size_t size = 1024 * 1024;
	char *bytes = calloc(1, size);

	memset(bytes, 'x', size - 1);
	memcpy(bytes, "HTTP/1.1 200 OK\r\nX: ", 20);
	fake_raw(&fake, bytes);
	free(bytes);
	fake_start(&fake);
	ck_assert_int_lt(get(), 0);
	ck_assert_int_eq(err.code, ERROR_UNREACHABLE);
}
END_TEST

START_TEST(missing_daemon_is_named_with_what_to_do)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted),
	        "no daemon answers on %s: start it with 'systemctl start netd', or name its socket "
	        "with --socket or NETD_SOCKET",
	        fake.path);
	ck_assert_int_lt(get(), 0); /* no socket */
	ck_assert_int_eq(err.code, ERROR_UNREACHABLE);
	ck_assert_str_eq(err.text, wanted);
	fake_start(&fake);
	fake_stop(&fake); /* a socket that no one listens on */
	ck_assert_int_lt(get(), 0);
	ck_assert_int_eq(err.code, ERROR_UNREACHABLE);
	ck_assert_str_eq(err.text, wanted);
}
END_TEST

/* Root without capabilities is bound to the modes of files like anyone. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	ck_assert_int_eq(syscall(SYS_capset, &header, none), 0);
}

START_TEST(forbidden_socket_names_the_group)
{
	fake_start(&fake);
	ck_assert_int_eq(chmod(fake.directory, 0), 0);
	drop_capabilities();
	ck_assert_int_lt(get(), 0);
	ck_assert_int_eq(chmod(fake.directory, 0700), 0);
	ck_assert_int_eq(err.code, ERROR_PERMISSION);
	ck_assert_ptr_nonnull(strstr(err.text, "group netd"));
	ck_assert_ptr_nonnull(strstr(err.text, "sudo"));
}
END_TEST

START_TEST(path_that_is_no_sockets_is_bad_input)
{
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_lt(client_call(path, "GET", "/v1/version", NULL, &answer, &err), 0);
	ck_assert_int_eq(err.code, ERROR_INVALID);
	ck_assert_int_lt(client_call("", "GET", "/v1/version", NULL, &answer, &err), 0);
	ck_assert_int_eq(err.code, ERROR_INVALID);
}
END_TEST

START_TEST(parts_of_a_path_are_encoded)
{
	char *text = client_encode("a-b_c.d~/?&=%\n\xff");

	ck_assert_str_eq(text, "a-b_c.d~%2F%3F%26%3D%25%0A%FF");
	free(text);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("client");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, request_is_http_with_a_length);
	tcase_add_test(tests, answer_may_end_with_the_stream);
	tcase_add_test(tests, bytes_behind_the_answer_are_ignored);
	tcase_add_test(tests, answer_without_content_is_no_error);
	tcase_add_test(tests, large_answer_is_read_whole);
	tcase_add_test(tests, problem_becomes_the_error_and_is_handed_out);
	tcase_add_test(tests, refusal_of_an_unread_request_is_the_answer);
	tcase_add_loop_test(
	        tests, answer_that_is_not_netds_is_refused, 0, sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(tests, question_is_asked_again_when_the_daemon_ends);
	tcase_add_test(tests, change_is_not_asked_for_again_when_the_daemon_ends);
	tcase_add_test(tests, stream_hands_out_whole_lines);
	tcase_add_test(tests, stream_ends_when_it_is_enough);
	tcase_add_test(tests, stream_that_is_refused_is_the_daemons_error);
	tcase_add_test(tests, stream_of_one_endless_line_is_refused);
	tcase_add_test(tests, stream_without_an_answer_says_so);
	tcase_add_test(tests, head_without_end_is_refused);
	tcase_add_test(tests, missing_daemon_is_named_with_what_to_do);
	tcase_add_test(tests, forbidden_socket_names_the_group);
	tcase_add_test(tests, path_that_is_no_sockets_is_bad_input);
	tcase_add_test(tests, parts_of_a_path_are_encoded);
	return SUITE_CASES(tests);
}
