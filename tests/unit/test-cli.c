/*
 * The command line and its failures: grammar, help, wrong usage, exit statuses, output that is
 * lost.
 */
#include "tests/unit/run-cli.h"
#include "tests/lib/suite.h"

#include <netinet/in.h>
#include <sys/stat.h>

static const struct {
	const char *line;
	const char *sentence;
} wrong[] = {
        {"", "netd-ctl: what shall be done? A command is missing\nusage: netd-ctl [OPTION]"},
        {"frob", "netd-ctl: there is no command 'frob'\n"},
        {"network", "netd-ctl: network: a command is missing\nusage: netd-ctl network create"},
        {"network list", "netd-ctl: network: there is no command 'list'\nusage: netd-ctl network"},
        {"network create", "netd-ctl: network create: NAME is missing\nusage: netd-ctl network "
                           "create NAME [--subnet CIDR]"},
        {"network create a b", "there is a word too many: 'b'"},
        {"network create a --foo", "network create: there is no option '--foo'\nusage: netd-ctl"},
        {"network create a -x", "there is no option '-x'"},
        {"network create a --exist", "there is no option '--exist'"},
        {"network create a --mtu", "--mtu needs a value: --mtu N"},
        {"network create a --mtu --internal", "--mtu needs a value"},
        {"network create a --mtu=", "--mtu needs a value"},
        {"network create a --mtu many", "--mtu: 'many' is no whole number"},
        {"network create a --subnet 10.1.0.0/24 --subnet 10.2.0.0/24", "--subnet is given twice"},
        {"network create a --subnet fd00::/64 --gateway 10.1.0.1", "--gateway needs --subnet"},
        {"network create a --internal=yes", "--internal takes no value"},
        {"network create a --bridge b1 --bridge=b2", "--bridge is given twice ('b1' and 'b2')"},
        {"network create a --bridge b\xff", "not printable ASCII"},
        {"network create a --gateway 10.0.0.1", "--gateway needs --subnet"},
        {"network create ../x", "'../x' is no name"},
        {"network create --", "NAME is missing"},
        {"network inspect a ..", "'..' is no name"},
        {"network ls a", "there is a word too many: 'a'"},
        {"network ls --force", "network ls: there is no option --force here"},
        {"network ls --json -q", "--json and --quiet exclude each other"},
        {"network ls --filter", "--filter needs a value: --filter KEY=VALUE"},
        {"network ls --filter x=1", "write KEY=VALUE, where KEY is one of: name, driver, label"},
        {"ns ls --filter name", "'name': write KEY=VALUE, where KEY is one of: name, origin"},
        {"ports --filter =1", "KEY is one of: namespace, network, protocol, state"},
        {"network prune a", "there is a word too many: 'a'"},
        {"ns prune --filter name=x", "ns prune: there is no option --filter here"},
        {"ns attach", "NAME is missing\nusage: netd-ctl ns attach NAME [--"},
        {"ns attach web", "ns attach: give one of --pid and --path"},
        {"ns attach web --pid 1 --path /x", "give one of --pid and --path"},
        {"ns attach web --pid self", "--pid: 'self' is no whole number"},
        {"ns attach ../web --pid 1", "'../web' is no name"},
        {"ns detach", "NAME is missing"},
        {"ns pids", "NS is missing"},
        {"ns identify web", "pid: 'web' is no number from 1 to 2147483647"},
        {"ns identify 1 2", "there is a word too many: '2'"},
        {"ns rm", "NAME is missing\nusage: netd-ctl ns rm NAME... [-f] [--dry-run]"},
        {"connect my-net", "connect: NS is missing"},
        {"publish 8080:", "'' is no number"},
        {"publish 80:90:100:110", "is no published port"},
        {"publish 8000-8010:80-81", "11 ports of the host cannot lead to 2"},
        {"publish 8080:80 81:", "'' is no number"},
        {"publish 8080:65536", "'65536' is no number"},
        {"publish 8080:80/icmp", "'icmp' is no protocol"},
        {"unpublish text", "'text' is no number"},
        {"exec", "exec: NS is missing"},
        {"exec ../x -- true", "'../x' is no name"},
        {"exec web ls", "there is a word too many: 'ls' (a command to run stands behind --)"},
        {"help frob", "there is no command 'frob'"},
        {"--socket", "--socket needs a value: --socket PATH"},
};

START_TEST(wrong_usage_names_the_word_and_the_usage)
{
	run(wrong[_i].line);
	ck_assert_int_eq(status, EXIT_USAGE);
	ck_assert_str_eq(out, "");
	check_contains(err, wrong[_i].sentence);
	ck_assert_int_eq(strncmp(err, "netd-ctl: ", 10), 0);
}
END_TEST

START_TEST(socket_path_that_is_too_long_is_wrong_usage)
{
	char line[300] = "network ls --socket ";

	memset(line + strlen(line), 'x', 200);
	run(line);
	ck_assert_int_eq(status, EXIT_USAGE);
	check_contains(err, "is no path of a socket");
}
END_TEST

START_TEST(every_command_has_help_on_every_level)
{
	run("help");
	ck_assert_int_eq(status, EXIT_DONE);
	for (size_t i = 0; i < commands.n_commands; i++) {
		const struct command *command = &commands.commands[i];
		char words[64], line[96];

		snprintf(words, sizeof(words), "%s%s%s", command->words[0],
		        command->words[1] ? " " : "", command->words[1] ? command->words[1] : "");
		run("help");
		check_contains(out, words);
		check_contains(out, command->help);
		snprintf(line, sizeof(line), "%s -h", words);
		run(line);
		ck_assert_int_eq(status, EXIT_DONE);
		snprintf(line, sizeof(line), "usage: netd-ctl %s", words);
		check_contains(out, line);
		ck_assert_str_eq(err, "");
	}
	run("network -h");
	ck_assert_int_eq(status, EXIT_DONE);
	check_contains(out, "network rm NAME...");
	ck_assert_ptr_null(strstr(out, "publish"));
	run("--help");
	check_contains(out, "Exit status");
	run("help network create");
	check_contains(out, "[--internal]");
}
END_TEST

START_TEST(options_stand_anywhere_and_with_or_without_equals)
{
	const char *wanted = "{\"name\":\"a\",\"subnets\":[{\"subnet\":\"10.1.0.0/24\",\"gateway\":"
	                     "\"10.1.0.9\"}],\"bridge\":\"br7\",\"mtu\":1400,\"internal\":true,"
	                     "\"exist_ok\":true}";

	fake_answer(&fake, 201, "{\"network\": " NETWORK ", \"warnings\": []}");
	fake_answer(&fake, 201, "{\"network\": " NETWORK ", \"warnings\": []}");
	run("--subnet 10.1.0.0/24 --gateway=10.1.0.9 network --mtu 1400 create --exist-ok "
	    "--bridge=br7 -q --internal -- a");
	ck_assert_int_eq(status, EXIT_DONE);
	ck_assert_str_eq(out, "my-net\n");
	run("network create a --subnet=10.1.0.0/24 --gateway 10.1.0.9 --mtu=1400 --bridge br7 "
	    "--internal --exist-ok");
	fake_stop(&fake);
	check_request(0, "POST /v1/networks");
	ck_assert_str_eq(request_body(0), wanted);
	ck_assert_str_eq(request_body(1), wanted);
}
END_TEST

START_TEST(subnets_and_gateways_of_a_family_belong_together)
{
	fake_answer(&fake, 201, "{\"network\": " NETWORK ", \"warnings\": []}");
	fake_answer(&fake, 201, "{\"network\": " NETWORK ", \"warnings\": []}");
	fake_answer(&fake, 201, "{\"endpoint\": {}, \"warnings\": []}");
	run("network create a --subnet fd00::/64 --gateway 10.1.0.9 --subnet 10.1.0.0/24 -q");
	ck_assert_int_eq(status, EXIT_DONE);
	run("network create a --ipv6 --no-ipv4 -q");
	run("connect a web --ip6 fd00::2 -q");
	fake_stop(&fake);
	ck_assert_str_eq(request_body(0),
	        "{\"name\":\"a\",\"subnets\":[{\"subnet\":\"fd00::/64\"},{\"subnet\":"
	        "\"10.1.0.0/24\",\"gateway\":\"10.1.0.9\"}]}");
	ck_assert_str_eq(request_body(1), "{\"name\":\"a\",\"ipv4\":false,\"ipv6\":true}");
	ck_assert_str_eq(request_body(2),
	        "{\"network\":\"a\",\"namespace\":\"web\",\"addresses\":[\"fd00::2\"]}");
}
END_TEST

static const struct {
	const char *code;
	int http;
	int status;
} codes[] = {
        {"invalid", 400, 2},
        {"not-found", 404, 3},
        {"exists", 409, 5},
        {"refused", 409, 1},
        {"permission", 403, 1},
        {"kernel", 500, 1},
        {"store", 503, 1},
        {"too-large", 413, 2},
        {"method-not-allowed", 405, 1},
        {"unknown", 404, 2},
        {"none", 500, 1},
};

START_TEST(each_code_has_its_exit_status)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"code\": \"%s\", \"detail\": \"because\"}", codes[_i].code);
	fake_answer(&fake, codes[_i].http, body);
	fake_answer(&fake, 200, "{\"version\": \"" NETD_VERSION "\"}"); /* neither is older */
	run("ns create web");
	ck_assert_int_eq(status, codes[_i].status);
	ck_assert_str_eq(out, "");
	check_contains(err, "because\n");
}
END_TEST

START_TEST(no_daemon_is_exit_4)
{
	run("network ls");
	ck_assert_int_eq(status, EXIT_NO_DAEMON);
	check_contains(err, "netd-ctl: no daemon answers on ");
	run("--socket /nonexistent/sock ports");
	ck_assert_int_eq(status, EXIT_NO_DAEMON);
	check_contains(err, "no daemon answers on /nonexistent/sock: start it with");
}
END_TEST

START_TEST(version_shows_both_ends)
{
	run("version");
	ck_assert_int_eq(status, EXIT_NO_DAEMON);
	ck_assert_str_eq(out, "netd-ctl " NETD_VERSION "\n");
	check_contains(err, "no daemon answers");
	run("version --json");
	ck_assert_int_eq(status, EXIT_NO_DAEMON);
	check_contains(out, "\"daemon\": null");
	fake_answer(&fake, 200, "{\"version\": \"0.9\", \"api\": 1, \"instance\": \"ab\"}");
	run("version");
	ck_assert_int_eq(status, EXIT_DONE);
	check_contains(out, "netd-ctl " NETD_VERSION "\nnetd 0.9 (API 1, instance ab, on ");
}
END_TEST

/* What a daemon of another version says of a path or field that it does not have. */
static const struct {
	int http;
	const char *problem, *version, *says;
} others[] = {
        {404, "{\"code\": \"unknown\", \"detail\": \"d\"}", "0.0.9",
                "netd-ctl: this netd (0.0.9) is older than netd-ctl (" NETD_VERSION
                ") and does not know POST /v1/namespaces: restart it with 'systemctl restart "
                "netd'\n"},
        {400, "{\"code\": \"unknown\", \"detail\": \"d\", \"field\": \"name\"}", "0.0.9",
                "does not know name of POST /v1/namespaces: "},
        {405, "{\"code\": \"method-not-allowed\", \"detail\": \"d\"}", "0.0.10",
                "this netd (0.0.10) is older"},
        {404, "{\"code\": \"unknown\", \"detail\": \"d\"}", "10.0.0",
                "this netd-ctl (" NETD_VERSION ") is older than netd (10.0.0), which does not know "
                "POST /v1/namespaces any more: install"},
};

START_TEST(the_older_end_is_named_where_the_daemon_does_not_know_what_is_asked)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"version\": \"%s\"}", others[_i].version);
	fake_answer(&fake, others[_i].http, others[_i].problem);
	fake_answer(&fake, 200, body);
	run("ns create --dry-run web");
	check_contains(err, others[_i].says);
	ck_assert_int_eq(status, EXIT_FAILED);
	fake_stop(&fake);
	check_request(1, "GET /v1/version");
}
END_TEST

START_TEST(a_refusal_that_is_none_of_versions_asks_nothing_more)
{
	fake_answer(&fake, 404, "{\"code\": \"not-found\", \"detail\": \"no such one\"}");
	fake_answer(&fake, 200, "{\"version\": \"0.0.9\"}");
	run("network rm my-net");
	fake_stop(&fake);
	ck_assert_uint_eq(fake.record->n_requests, 1);
	check_contains(err, "no such one");
}
END_TEST

START_TEST(version_says_which_end_is_older)
{
	static const struct {
		const char *version, *older, *says;
	} ends[] = {
	        {"0.0.9", "\"daemon\"", "warning: netd 0.0.9 is older than this netd-ctl"},
	        {NETD_VERSION, "null", ""},
	        {"10.0.0", "\"client\"", "is older than netd 10.0.0"},
	};
	char body[128], older[64];

	for (size_t i = 0; i < 3; i++) {
		snprintf(body, sizeof(body),
		        "{\"version\": \"%s\", \"api\": 1, \"instance\": \"ab\", \"new\": 1}",
		        ends[i].version);
		fake_answer(&fake, 200, body);
	}
	for (size_t i = 0; i < 3; i++) {
		run("version --json");
		snprintf(older, sizeof(older), "\"older\": %s", ends[i].older);
		check_contains(out, older);
		check_contains(err, ends[i].says);
		ck_assert_int_eq(status, EXIT_DONE);
		ck_assert(ends[i].says[0] || !err[0]);
	}
}
END_TEST

START_TEST(answer_without_its_list_is_not_netds)
{
	fake_answer(&fake, 200, "{\"networks\": {}}");
	run("network ls");
	ck_assert_int_eq(status, EXIT_NO_DAEMON);
	check_contains(err, "the answer has no list of networks");
}
END_TEST

START_TEST(listener_is_named_with_its_process)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char body[256], wanted[128];
	struct stat stat;

	ck_assert_int_eq(fstat(fd, &stat), 0);
	snprintf(body, sizeof(body),
	        "{\"code\": \"exists\", \"detail\": \"8080 has a listener\", \"listener\": "
	        "{\"inode\": %llu, \"unit\": \"nginx.service\"}}",
	        (unsigned long long)stat.st_ino);
	fake_answer(&fake, 409, body);
	run("publish 8080:80");
	close(fd);
	ck_assert_int_eq(status, EXIT_EXISTS);
	snprintf(wanted, sizeof(wanted), "netd-ctl: 8080 has a listener (it is pid ");
	check_contains(err, wanted);
	check_contains(err, "test-cli)\n");
}
END_TEST

START_TEST(output_that_cannot_be_written_is_a_failure)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), ends[2];

	for (int i = 0; i < 3; i++)
		fake_answer(&fake, 200, "{\"networks\": [" NETWORK "]}");
	fake_start(&fake);
	run_into(full, "network ls");
	close(full);
	ck_assert_int_eq(status, EXIT_FAILED);
	check_contains(err, "netd-ctl: the output is not complete: No space left on device\n");
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	run_into(ends[1], "network ls --json");
	close(ends[1]);
	ck_assert_int_eq(status, EXIT_FAILED);
	check_contains(err, "Broken pipe");
	run_into(-1, "network ls");
	ck_assert_int_eq(status, EXIT_FAILED);
	check_contains(err, "the output is not complete");
}
END_TEST

START_TEST(exec_needs_a_namespace_and_no_daemon)
{
	run("exec netd-test-no-such -- true");
	ck_assert_int_eq(status, EXIT_NOT_FOUND);
	check_contains(err, "netd-ctl: exec netd-test-no-such: there is no namespace");
	run("ns exec netd-test-no-such");
	ck_assert_int_eq(status, EXIT_NOT_FOUND);
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("cli");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, wrong_usage_names_the_word_and_the_usage, 0,
	        sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tests, socket_path_that_is_too_long_is_wrong_usage);
	tcase_add_test(tests, every_command_has_help_on_every_level);
	tcase_add_test(tests, options_stand_anywhere_and_with_or_without_equals);
	tcase_add_test(tests, subnets_and_gateways_of_a_family_belong_together);
	tcase_add_loop_test(
	        tests, each_code_has_its_exit_status, 0, sizeof(codes) / sizeof(codes[0]));
	tcase_add_test(tests, no_daemon_is_exit_4);
	tcase_add_test(tests, version_shows_both_ends);
	tcase_add_test(tests, version_says_which_end_is_older);
	tcase_add_loop_test(tests,
	        the_older_end_is_named_where_the_daemon_does_not_know_what_is_asked, 0,
	        sizeof(others) / sizeof(others[0]));
	tcase_add_test(tests, a_refusal_that_is_none_of_versions_asks_nothing_more);
	tcase_add_test(tests, answer_without_its_list_is_not_netds);
	tcase_add_test(tests, listener_is_named_with_its_process);
	tcase_add_test(tests, output_that_cannot_be_written_is_a_failure);
	tcase_add_test(tests, exec_needs_a_namespace_and_no_daemon);
	return SUITE_CASES(tests);
}
