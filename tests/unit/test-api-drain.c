/* The end of the server: whoever has connected is answered, whoever has nothing to ask does not
 * hold it up. */
#include "tests/unit/api-client.h"
#include "tests/lib/suite.h"

#include <time.h>

static const char slow[] = "POST /v1/networks HTTP/1.1\r\nHost: x\r\n"
                           "Content-Length: 15\r\n\r\n{\"name\":\"slow\"}";
static const char question[] = "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n";

/* Asks the server to end, and waits until it has begun to: then its socket is gone. */
static void end_server(void)
{
	time_t end = time(NULL) + PATIENCE_MS / 1000;

	kill(server, SIGUSR1);
	while (access(path, F_OK) == 0)
		ck_assert_int_lt(time(NULL), end);
}

static void has_ended(void)
{
	siginfo_t info;

	ck_assert_int_eq(waitid(P_PID, (id_t)server, &info, WEXITED | WNOWAIT), 0);
}

static void is_answered(int fd, int status)
{
	struct response response = get(fd);

	ck_assert_int_eq(response.status, status);
	response_done(&response);
}

START_TEST(changes_that_are_under_way_are_answered)
{
	int fds[20];

	for (int i = 0; i < 20; i++) {
		fds[i] = dial();
		ck_assert(put(fds[i], slow, strlen(slow)));
	}
	still_serves(); /* who came before is accepted */
	end_server();
	for (int i = 0; i < 20; i++) {
		struct response response = get(fds[i]);

		expect(&response, 201, "network/name", "slow");
		ck_assert_ptr_nonnull(strstr(response.head, "Connection: close\r\n"));
		response_done(&response);
		close(fds[i]);
	}
	has_ended();
}
END_TEST

START_TEST(who_has_connected_may_still_ask)
{
	_cleanup_(closep) int fd = dial();

	still_serves(); /* it is accepted by now */
	end_server();
	ck_assert(put(fd, question, strlen(question)));
	is_answered(fd, 200);
	has_ended();
}
END_TEST

/* More than are accepted at a time. */
START_TEST(who_is_not_accepted_yet_is_answered)
{
	int fds[300];

	for (int i = 0; i < 300; i++) {
		fds[i] = dial();
		ck_assert(put(fds[i], slow, strlen(slow)));
	}
	end_server();
	for (int i = 0; i < 300; i++) {
		is_answered(fds[i], 201);
		close(fds[i]);
	}
	has_ended();
}
END_TEST

static void start_impatient(void)
{
	drain_unasked_ms = 200;
	start_server();
}

static void start_patient(void)
{
	drain_unasked_ms = 4 * PATIENCE_MS;
	start_server();
}

START_TEST(nobody_who_is_silent_holds_it_up)
{
	_cleanup_(closep) int silent = dial(), idle = dial(), half = dial();

	ck_assert(put(idle, question, strlen(question)));
	is_answered(idle, 200);
	ck_assert(put(half, "GET /v1", 7));
	still_serves();
	end_server();
	has_ended();
	ck_assert_int_eq(get(silent).status, 0);
	ck_assert_int_eq(get(idle).status, 0);
}
END_TEST

START_TEST(streams_end)
{
	static const char request[] = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n";
	_cleanup_(closep) int fd = dial();
	char text[4096];
	ssize_t n, size = 0;

	ck_assert(put(fd, request, strlen(request)));
	ck_assert_int_eq(recv(fd, text, 1, MSG_PEEK), 1);
	end_server();
	has_ended();
	while ((n = recv(fd, text + size, sizeof(text) - (size_t)size, 0)) > 0)
		size += n;
	ck_assert_int_eq(n, 0);
	ck_assert_int_gt(size, 9);
	ck_assert_int_eq(memcmp(text + size - 9, "\r\n\r\n0\r\n\r\n", 9), 0);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("tests"), *impatient = tcase_create("impatient");

	tcase_add_checked_fixture(tests, start_patient, stop_server);
	tcase_add_test(tests, changes_that_are_under_way_are_answered);
	tcase_add_test(tests, who_has_connected_may_still_ask);
	tcase_add_test(tests, who_is_not_accepted_yet_is_answered);
	tcase_add_test(tests, streams_end);
	tcase_add_checked_fixture(impatient, start_impatient, stop_server);
	tcase_add_test(impatient, nobody_who_is_silent_holds_it_up);
	return SUITE_CASES(tests, impatient);
}
