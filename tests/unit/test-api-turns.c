/*
 * Long answers take turns. It is counted, not timed: all requests wait before the server reads the
 * first, and each list tells how many networks another client had made by then.
 */
#include "tests/unit/api-client.h"
#include "tests/lib/suite.h"

#define LISTERS 50
#define LISTS   4   /* of each, sent at once */
#define CHANGES 120 /* of one other client, sent at once, after all lists */
/* Lists while one change is read, made and answered; each of these takes the loop a turn or two. */
#define LISTS_PER_CHANGE 4

static const char list[] = "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n";

/* A client that the server knows: nobody has to be accepted any more. */
static int dial_known(void)
{
	static const char hello[] = "GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = dial();
	struct response response;

	ck_assert(put(fd, hello, strlen(hello)));
	response = get(fd);
	ck_assert_int_eq(response.status, 200);
	response_done(&response);
	return fd;
}

static void pause_server(void)
{
	int status;

	ck_assert_int_eq(kill(server, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(server, &status, WUNTRACED), server);
	ck_assert(WIFSTOPPED(status));
}

static void make_networks(int fd)
{
	char request[128];

	for (int i = 0; i < CHANGES; i++) {
		snprintf(request, sizeof(request),
		        "POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n"
		        "{\"name\":\"n%03d\"}",
		        i);
		ck_assert(put(fd, request, strlen(request)));
	}
}

static unsigned get_list(int fd)
{
	struct response response = get(fd);
	unsigned seen = (unsigned)json_array_size(json_object_get(response.body, "networks"));

	ck_assert_int_eq(response.status, 200);
	response_done(&response);
	return seen;
}

static void get_changes(int fd)
{
	for (int i = 0; i < CHANGES; i++) {
		struct response response = get(fd);

		ck_assert_int_eq(response.status, 201);
		response_done(&response);
	}
}

START_TEST(a_change_waits_for_few_lists_and_lists_are_served_in_turn)
{
	unsigned lists_at[CHANGES + 1] = {0}; /* with so many networks */
	unsigned last[LISTS] = {0}, first[LISTS];
	int fds[LISTERS], other;

	for (int i = 0; i < LISTERS; i++)
		fds[i] = dial_known();
	other = dial_known();
	pause_server();
	for (int i = 0; i < LISTERS; i++)
		for (int n = 0; n < LISTS; n++)
			ck_assert(put(fds[i], list, strlen(list)));
	make_networks(other);
	kill(server, SIGCONT);
	get_changes(other);
	memset(first, 0xff, sizeof(first));
	for (int i = 0; i < LISTERS; i++) {
		for (int n = 0; n < LISTS; n++) {
			unsigned seen = get_list(fds[i]);

			ck_assert_uint_le(seen, CHANGES);
			lists_at[seen]++;
			last[n] = seen > last[n] ? seen : last[n];
			first[n] = seen < first[n] ? seen : first[n];
		}
		close(fds[i]);
	}
	close(other);
	for (int i = 0; i < CHANGES; i++)
		ck_assert_msg(lists_at[i] <= LISTS_PER_CHANGE, "%u lists before change %d",
		        lists_at[i], i);
	for (int n = 0; n + 1 < LISTS; n++)
		ck_assert_msg(last[n] <= first[n + 1] + 1,
		        "someone's list %d came after %u changes, someone's list %d after %u", n,
		        last[n], n + 1, first[n + 1]);
}
END_TEST

START_TEST(who_leaves_while_he_waits_is_forgotten)
{
	int fds[LISTERS];

	for (int i = 0; i < LISTERS; i++)
		fds[i] = dial_known();
	pause_server();
	for (int i = 0; i < LISTERS; i++) {
		ck_assert(put(fds[i], list, strlen(list)));
		if (i % 2)
			close(fds[i]);
	}
	kill(server, SIGCONT);
	for (int i = 0; i < LISTERS; i += 2) {
		ck_assert_uint_eq(get_list(fds[i]), 0);
		close(fds[i]);
	}
	still_serves();
}
END_TEST

START_TEST(the_server_may_stop_while_they_wait)
{
	int fds[LISTERS];

	for (int i = 0; i < LISTERS; i++)
		fds[i] = dial_known();
	pause_server();
	for (int i = 0; i < LISTERS; i++)
		ck_assert(put(fds[i], list, strlen(list)));
	kill(server, SIGTERM); /* it is told when it has read them */
	kill(server, SIGCONT);
	wait_server();
	for (int i = 0; i < LISTERS; i++)
		close(fds[i]);
	start_server();
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("turns");

	tcase_add_checked_fixture(tests, start_server, stop_server);
	tcase_add_test(tests, a_change_waits_for_few_lists_and_lists_are_served_in_turn);
	tcase_add_test(tests, who_leaves_while_he_waits_is_forgotten);
	tcase_add_test(tests, the_server_may_stop_while_they_wait);
	return SUITE_CASES(tests);
}
