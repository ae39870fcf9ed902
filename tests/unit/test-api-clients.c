/* Clients of the API that misbehave (silent, slow, deaf, too many, gone) are in nobody's way and
 * cost little. */
#include "tests/unit/api-client.h"
#include "tests/lib/suite.h"

#include <poll.h>
#include <time.h>

/* Whether the server closes this connection in time. */
static void is_dropped(int fd)
{
	char byte;
	ssize_t n;

	while ((n = recv(fd, &byte, 1, 0)) == 1)
		;
	ck_assert_msg(n == 0 || errno == ECONNRESET, "it is still open: %s", strerror(errno));
}

static void shorten_patience(void)
{
	server_silence = (struct timeval){.tv_usec = 500000};
	start_server();
}

START_TEST(silent_clients_are_dropped)
{
	static const char *const beginnings[] = {"", "G", "GET /v1/version HTTP/1.1\r\nHo",
	        "POST /v1/networks HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
	        "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n"};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		_cleanup_(closep) int fd = dial();

		ck_assert(put(fd, beginnings[i], strlen(beginnings[i])));
		is_dropped(fd);
	}
	still_serves();
}
END_TEST

START_TEST(a_client_that_drips_is_dropped)
{
	_cleanup_(closep) int fd = dial();
	struct pollfd waiting = {.fd = fd, .events = POLLIN};
	int drips;

	for (drips = 0; drips < 200; drips++) {
		if (!put(fd, "G", 1))
			break;
		if (poll(&waiting, 1, 50) != 0)
			break;
	}
	ck_assert_int_lt(drips, 200);
	still_serves();
}
END_TEST

START_TEST(the_head_of_a_chunk_cannot_grow_for_ever)
{
	static char digits[1024 * 1024];
	static const char head[] =
	        "POST /v1/networks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	_cleanup_(closep) int fd = dial();
	long before = server_memory();
	int i;

	memset(digits, '0', sizeof(digits));
	ck_assert(put(fd, head, strlen(head)));
	for (i = 0; i < 64 && put(fd, digits, sizeof(digits)); i++)
		;
	ck_assert_int_lt(i, 64);
	ck_assert_int_lt(server_memory() - before, 4096);
	still_serves();
}
END_TEST

START_TEST(half_a_request_leaves_nothing_behind)
{
	for (int i = 0; i < 100; i++) {
		int fd = dial();

		ck_assert(put(
		        fd, "POST /v1/networks HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"na", 51));
		close(fd);
	}
	asked("GET", "/v1/networks", "", 200, "networks", "[]");
}
END_TEST

START_TEST(a_client_that_leaves_does_not_undo_its_change)
{
	static const char request[] = "POST /v1/networks HTTP/1.1\r\nHost: x\r\n"
	                              "Content-Length: 15\r\n\r\n{\"name\":\"slow\"}";
	time_t end = time(NULL) + PATIENCE_MS / 1000;
	int fd = dial();
	bool there = false;

	ck_assert(put(fd, request, strlen(request)));
	close(fd);
	while (!there && time(NULL) < end) {
		struct response response = ask("GET", "/v1/networks/slow", "");

		there = response.status == 200;
		response_done(&response);
	}
	ck_assert(there);
}
END_TEST

START_TEST(the_server_may_stop_while_a_change_is_under_way)
{
	static const char request[] = "POST /v1/networks HTTP/1.1\r\nHost: x\r\n"
	                              "Content-Length: 15\r\n\r\n{\"name\":\"slow\"}";
	_cleanup_(closep) int fd = dial();

	ck_assert(put(fd, request, strlen(request)));
	still_serves();
}
END_TEST

START_TEST(three_hundred_silent_connections_are_in_nobodys_way)
{
	int fds[300];

	for (int i = 0; i < 300; i++)
		fds[i] = dial();
	still_serves();
	is_dropped(fds[0]); /* the one that was silent for longest */
	for (int i = 0; i < 300; i++)
		close(fds[i]);
	still_serves();
}
END_TEST

START_TEST(three_hundred_connections_at_work_are_all_served)
{
	static const char request[] = "POST /v1/networks HTTP/1.1\r\nHost: x\r\n"
	                              "Content-Length: 15\r\n\r\n{\"name\":\"slow\"}";
	int fds[300];

	for (int i = 0; i < 300; i++) {
		fds[i] = dial();
		ck_assert(put(fds[i], request, strlen(request)));
	}
	for (int i = 0; i < 300; i++) {
		struct response response = get(fds[i]);

		expect(&response, 201, "network/name", "slow");
		response_done(&response);
		close(fds[i]);
	}
}
END_TEST

static void fill_networks(int count)
{
	_cleanup_(closep) int fd = dial();
	char request[128];

	for (int i = 0; i < count; i++) {
		struct response response;

		snprintf(request, sizeof(request),
		        "POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n"
		        "{\"name\":\"n%04d\"}",
		        i);
		ck_assert(put(fd, request, strlen(request)));
		response = get(fd);
		ck_assert_int_eq(response.status, 201);
		response_done(&response);
	}
}

START_TEST(clients_that_never_read_cost_little)
{
	static const char request[] = "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n";
	int fds[20];
	long before;

	fill_networks(1000);
	asked("GET", "/v1/networks", "", 200, "networks/999/name", "n0999");
	before = server_memory();
	for (int i = 0; i < 20; i++) {
		fds[i] = dial();
		for (int n = 0; n < 200; n++)
			ck_assert(put(fds[i], request, strlen(request)));
	}
	still_serves();
	/* One answer of 230 KB each, and what the allocator keeps. */
	ck_assert_int_lt(server_memory() - before, 20 * 1024);
	for (int i = 0; i < 20; i++)
		close(fds[i]);
	still_serves();
}
END_TEST

START_TEST(a_client_that_does_not_read_is_dropped)
{
	static const char request[] = "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n";
	_cleanup_(closep) int fd = -1;
	struct pollfd waiting = {.events = POLLHUP};

	fill_networks(1000);
	fd = waiting.fd = dial();
	for (int n = 0; n < 10; n++)
		ck_assert(put(fd, request, strlen(request)));
	ck_assert_int_eq(poll(&waiting, 1, PATIENCE_MS), 1);
	ck_assert(waiting.revents & POLLHUP);
	still_serves();
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("tests"), *impatient = tcase_create("impatient");

	tcase_add_checked_fixture(tests, start_server, stop_server);
	tcase_add_test(tests, half_a_request_leaves_nothing_behind);
	tcase_add_test(tests, a_client_that_leaves_does_not_undo_its_change);
	tcase_add_test(tests, the_server_may_stop_while_a_change_is_under_way);
	tcase_add_test(tests, three_hundred_silent_connections_are_in_nobodys_way);
	tcase_add_test(tests, three_hundred_connections_at_work_are_all_served);
	tcase_add_test(tests, clients_that_never_read_cost_little);
	tcase_add_checked_fixture(impatient, shorten_patience, stop_server);
	tcase_add_test(impatient, silent_clients_are_dropped);
	tcase_add_test(impatient, a_client_that_drips_is_dropped);
	tcase_add_test(impatient, the_head_of_a_chunk_cannot_grow_for_ever);
	tcase_add_test(impatient, a_client_that_does_not_read_is_dropped);
	return SUITE_CASES(tests, impatient);
}
