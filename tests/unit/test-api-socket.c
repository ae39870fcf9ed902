/* The API's socket file: who may open it, and what it replaces. */
#include "tests/unit/api-client.h"
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <sys/stat.h>

static void refused_listen(const char *at_path, enum error_code code, const char *sentence)
{
	struct error err = {0};
	int fd = -1;

	ck_assert_int_lt(api_listen(at_path, &fd, &err), 0);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(err.code, code);
	ck_assert_msg(strstr(err.text, sentence) != NULL, "%s", err.text);
}

START_TEST(the_socket_is_for_owner_and_group_only)
{
	struct stat st;
	struct error err;
	char other[128];
	mode_t before = umask(0);
	int fd;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0660);
	snprintf(other, sizeof(other), "%s/made/netd.sock", directory);
	ck_assert_int_eq(api_listen(other, &fd, &err), 0);
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFSOCK | 0660);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	close(fd);
	unlink(other);
	other[strlen(other) - strlen("/netd.sock")] = '\0';
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0750);
	rmdir(other);
	umask(before);
}
END_TEST

START_TEST(a_living_daemon_keeps_its_socket)
{
	refused_listen(path, ERROR_EXISTS, "another daemon answers");
	still_serves();
}
END_TEST

START_TEST(the_socket_of_a_dead_daemon_is_replaced)
{
	struct error err;
	char other[128];
	int fd;

	snprintf(other, sizeof(other), "%s/dead.sock", directory);
	ck_assert_int_eq(api_listen(other, &fd, &err), 0);
	close(fd);
	ck_assert_int_eq(api_listen(other, &fd, &err), 0);
	close(fd);
	unlink(other);
}
END_TEST

START_TEST(what_is_no_socket_stays)
{
	char other[128], longest[200];
	int fd;

	snprintf(other, sizeof(other), "%s/file", directory);
	fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	refused_listen(other, ERROR_EXISTS, "something else");
	ck_assert_int_eq(unlink(other), 0);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	refused_listen(longest, ERROR_INVALID, "107 bytes");
	refused_listen("", ERROR_INVALID, "107 bytes");
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("tests");

	tcase_add_checked_fixture(tests, start_server, stop_server);
	tcase_add_test(tests, the_socket_is_for_owner_and_group_only);
	tcase_add_test(tests, a_living_daemon_keeps_its_socket);
	tcase_add_test(tests, the_socket_of_a_dead_daemon_is_replaced);
	tcase_add_test(tests, what_is_no_socket_stays);
	return SUITE_CASES(tests);
}
