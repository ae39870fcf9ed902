/*
 * What netd-ctl makes of answers: the request that a command becomes, and the lines, tables, JSON
 * and names that the answer becomes.
 */
#include "tests/unit/run-cli.h"

#include "cli/table.h"
#include "tests/lib/suite.h"

START_TEST(network_create_says_what_was_made)
{
	fake_answer(&fake, 201, "{\"network\": " NETWORK ", \"warnings\": [\"mind the gap\"]}");
	run("network create my-net");
	fake_stop(&fake);
	ck_assert_int_eq(status, EXIT_DONE);
	ck_assert_str_eq(out, "my-net: bridge netd-3f2a9c, 10.200.1.0/24, gateway 10.200.1.1\n");
	ck_assert_str_eq(err, "netd-ctl: warning: mind the gap\n");
	ck_assert_str_eq(request_body(0), "{\"name\":\"my-net\"}");
}
END_TEST

START_TEST(list_is_a_table_json_or_names_of_the_same)
{
	for (int i = 0; i < 3; i++)
		fake_answer(&fake, 200, "{\"networks\": [" NETWORK "]}");
	run("network ls");
	ck_assert_str_eq(out,
	        "NAME    DRIVER  BRIDGE       SUBNET         GATEWAY     MTU   INTERNAL  "
	        "ENDPOINTS\n"
	        "my-net  bridge  netd-3f2a9c  10.200.1.0/24  10.200.1.1  1500  no        1\n");
	run("network ls --json");
	{
		json_auto_t *printed = json_loads(out, 0, NULL);
		json_auto_t *wanted = json_loads("[" NETWORK "]", 0, NULL);

		ck_assert(json_equal(printed, wanted));
	}
	run("network ls -q");
	ck_assert_str_eq(out, "my-net\n");
	fake_stop(&fake);
	check_request(0, "GET /v1/networks");
}
END_TEST

START_TEST(namespaces_and_ports_are_listed)
{
	fake_answer(&fake, 200, "{\"namespaces\": [" NAMESPACE "]}");
	fake_answer(&fake, 200, "{\"publications\": [" PUBLICATION ", " PENDING "]}");
	fake_answer(&fake, 200, "{\"publications\": [" PUBLICATION ", " PENDING "]}");
	fake_answer(&fake, 200, "{\"publications\": []}");
	run("ns ls");
	ck_assert_str_eq(out, "NAME  ORIGIN   PROCESSES  ENDPOINTS\n"
	                      "web   created  2          my-net 10.200.1.2/24\n");
	run("ports");
	ck_assert_str_eq(out,
	        "HOST              NAMESPACE  NETWORK  TARGET       PACKETS  BYTES  STATE"
	        "                                    SETTINGS\n"
	        "0.0.0.0:8080/tcp  web        my-net   10.0.0.2:80  12       3456   active"
	        "                                   -\n"
	        "[::]:53/udp       dns        -        :53          -        -      pending: dns "
	        "is "
	        "connected to no network  -\n");
	run("ports -q");
	ck_assert_str_eq(out, "0.0.0.0:8080/tcp\n[::]:53/udp\n");
	run("ports --json");
	ck_assert_str_eq(out, "[]\n");
}
END_TEST

START_TEST(a_list_shows_what_passes_all_filters)
{
	static const struct {
		const char *filters, *wanted;
	} lists[] = {
	        {"--filter name=my* --filter driver=bridge --filter internal=no --filter "
	         "namespace=web",
	                "my-net\n"},
	        {"--filter label=tier --filter label=tier=front", "x\n"},
	        {"--filter label=tier", "x\n"},
	        {"--filter name=?", "x\n"},
	        {"--filter name=n", ""},
	        {"--filter label=tie", ""},
	        {"--filter label=tier=a", ""},
	        {"--filter label=tier --filter name=my-net", ""},
	        {"--filter driver=", ""},
	        {"--filter namespace=w?b2", ""},
	        {"--filter internal=yes", ""},
	};
	size_t count = sizeof(lists) / sizeof(lists[0]);
	char line[128];

	for (size_t i = 0; i < count; i++)
		fake_answer(&fake, 200,
		        "{\"networks\": [" NETWORK ", {\"name\": \"x\", \"labels\": "
		        "[\"other=1\", \"tier=front\"]}]}");
	for (size_t i = 0; i < count; i++) {
		snprintf(line, sizeof(line), "network ls -q %s", lists[i].filters);
		run(line);
		ck_assert_str_eq(out, lists[i].wanted);
	}
}
END_TEST

START_TEST(processes_are_a_table_or_numbers)
{
	static const char answer[] = "{\"processes\": [{\"pid\": 7, \"program\": \"sl\\u001bp\"}, "
	                             "{\"pid\": 12, \"program\": \"sh\"}]}";

	fake_answer(&fake, 200, answer);
	fake_answer(&fake, 200, answer);
	run("ns pids web");
	ck_assert_str_eq(out, "PID  PROGRAM\n7    sl?p\n12   sh\n");
	run("ns pids -q web");
	ck_assert_str_eq(out, "7\n12\n");
	fake_stop(&fake);
	check_request(0, "GET /v1/namespaces/web/processes");
}
END_TEST

START_TEST(pruned_are_sentences_or_names)
{
	static const char answer[] = "{\"removed\": [\"network a\", \"network b\"], "
	                             "\"warnings\": []}";

	fake_answer(&fake, 200, answer);
	fake_answer(&fake, 200, answer);
	run("network prune --label k --label k=v");
	ck_assert_str_eq(out, "removed network a\nremoved network b\n");
	run("network prune -q");
	ck_assert_str_eq(out, "a\nb\n");
	fake_stop(&fake);
	check_request(0, "POST /v1/networks/prune");
	ck_assert_str_eq(request_body(0), "{\"labels\":[\"k\",\"k=v\"]}");
}
END_TEST

START_TEST(inspect_shows_all_and_goes_on_after_an_error)
{
	for (int i = 0; i < 2; i++) {
		fake_answer(&fake, 404, "{\"code\": \"not-found\", \"detail\": \"no such one\"}");
		fake_answer(&fake, 200, "{\"namespaces\": [" NAMESPACE "]}");
	}
	run("ns inspect nosuch web");
	ck_assert_int_eq(status, EXIT_NOT_FOUND);
	ck_assert_str_eq(err, "netd-ctl: no such one\n");
	ck_assert_str_eq(out,
	        "NAME        web\nPATH        /run/netns/web\nORIGIN      created\nINODE       7\n"
	        "COOKIE      18446744073709551615\nNSID        -\nPROCESSES   2\n"
	        "INTERFACES  lo, eth0\n"
	        "LABEL       -\n"
	        "SYSCTL      -\n"
	        "ENDPOINTS   my-net: eth0 10.200.1.2/24, mac 02:00:0a:c8:01:02, host side nv12\n"
	        "LINKS       -\n"
	        "MOVED IN    -\n");
	run("ns inspect nosuch web --json");
	ck_assert_int_eq(status, EXIT_NOT_FOUND);
	{
		json_auto_t *printed = json_loads(out, 0, NULL);

		ck_assert_uint_eq(json_array_size(printed), 1);
	}
	fake_stop(&fake);
	check_request(0, "GET /v1/namespaces/nosuch");
	check_request(1, "GET /v1/namespaces/web");
}
END_TEST

START_TEST(connect_says_first_that_it_made_the_namespace)
{
	fake_answer(&fake, 201,
	        "{\"endpoint\": " ENDPOINT ", \"created_namespace\": true, \"warnings\": []}");
	fake_answer(&fake, 200,
	        "{\"endpoint\": " ENDPOINT ", \"created_namespace\": false, \"warnings\": []}");
	run("connect my-net web");
	ck_assert_str_eq(out, "created namespace web (undo: netd-ctl ns rm web)\n"
	                      "web: eth0 10.200.1.2/24 on my-net\n");
	run("connect my-net web --ip 10.200.1.2 --mac 02:00:00:00:00:01 --ifname eth0 --existing");
	ck_assert_str_eq(out, "web: eth0 10.200.1.2/24 on my-net\n");
	fake_stop(&fake);
	check_request(0, "POST /v1/endpoints");
	ck_assert_str_eq(request_body(0), "{\"network\":\"my-net\",\"namespace\":\"web\"}");
	ck_assert_str_eq(request_body(1),
	        "{\"network\":\"my-net\",\"namespace\":\"web\",\"addresses\":[\"10.200.1.2\"],"
	        "\"mac\":\"02:00:00:00:00:01\",\"interface\":\"eth0\",\"existing\":true}");
}
END_TEST

START_TEST(publish_answers_with_the_whole_line)
{
	fake_answer(&fake, 201, "{\"publication\": " PUBLICATION ", \"warnings\": []}");
	fake_answer(&fake, 201, "{\"publication\": " PENDING ", \"warnings\": []}");
	run("publish 8080:80");
	ck_assert_str_eq(out, "0.0.0.0:8080/tcp -> web (my-net 10.0.0.2):80\n");
	run("publish 127.0.0.1:53:53/udp dns --network my-net");
	ck_assert_str_eq(out, "[::]:53/udp -> dns (pending: dns is connected to no network):53\n");
	fake_stop(&fake);
	check_request(0, "POST /v1/publications");
	ck_assert_str_eq(request_body(0), "{\"protocol\":\"tcp\",\"host_port\":8080,\"port\":80}");
	ck_assert_str_eq(request_body(1),
	        "{\"protocol\":\"udp\",\"host_ip\":\"127.0.0.1\",\"host_port\":53,\"port\":53,"
	        "\"namespace\":\"dns\",\"network\":\"my-net\"}");
}
END_TEST

START_TEST(removals_print_their_sentences)
{
	fake_answer(&fake, 200, "{\"removed\": [\"first\", \"second\"], \"warnings\": []}");
	fake_answer(&fake, 200, "{\"removed\": [\"third\"], \"warnings\": []}");
	fake_answer(&fake, 200, "{\"removed\": [], \"warnings\": []}");
	run("disconnect my-net web");
	ck_assert_str_eq(out, "removed first\nremoved second\n");
	run("unpublish 8080");
	ck_assert_str_eq(out, "removed third\n");
	run("unpublish -q 127.0.0.1:8080/udp");
	ck_assert_str_eq(out, "127.0.0.1:8080/udp\n");
	fake_stop(&fake);
	check_request(0, "DELETE /v1/networks/my-net/endpoints/web");
	check_request(1, "DELETE /v1/publications?host_port=8080");
	check_request(2, "DELETE /v1/publications?host_port=8080&protocol=udp&host_ip=127.0.0.1");
}
END_TEST

START_TEST(rm_of_several_goes_on_and_keeps_the_first_status)
{
	const char *refused = "{\"code\": \"refused\", \"detail\": \"b is in use\"}";

	fake_answer(&fake, 200, "{\"removed\": [\"a gone\"], \"warnings\": []}");
	fake_answer(&fake, 409, refused);
	fake_answer(&fake, 404, "{\"code\": \"not-found\", \"detail\": \"no c\"}");
	fake_answer(&fake, 200, "{\"removed\": [\"d gone\"], \"warnings\": [\"w\"]}");
	run("network rm -f --json a b c d");
	ck_assert_int_eq(status, EXIT_FAILED);
	ck_assert_str_eq(err, "netd-ctl: b is in use\nnetd-ctl: no c\nnetd-ctl: warning: w\n");
	{
		json_auto_t *printed = json_loads(out, 0, NULL);
		json_auto_t *wanted = json_pack(
		        "{s:[s,s], s:[s]}", "removed", "a gone", "d gone", "warnings", "w");

		ck_assert(json_equal(printed, wanted));
	}
	fake_stop(&fake);
	check_request(3, "DELETE /v1/networks/d?force=true");
}
END_TEST

START_TEST(dry_run_prints_the_plan_only)
{
	const char *plan =
	        "{\"plan\": [\"ip netns add web\", \"ip link add x\"], \"warnings\": []}";

	for (int i = 0; i < 3; i++)
		fake_answer(&fake, 200, plan);
	run("connect my-net web --dry-run");
	ck_assert_str_eq(out, "ip netns add web\nip link add x\n");
	run("ns rm web -f --dry-run");
	ck_assert_str_eq(out, "ip netns add web\nip link add x\n");
	run("unpublish 80 --dry-run --json");
	check_contains(out, "\"plan\": [");
	fake_stop(&fake);
	check_request(0, "POST /v1/endpoints?dry_run=true");
	check_request(1, "DELETE /v1/namespaces/web?force=true&dry_run=true");
	check_request(2, "DELETE /v1/publications?host_port=80&dry_run=true");
}
END_TEST

START_TEST(terminals_get_nothing_to_obey)
{
	fake_answer(&fake, 200, "{\"publications\": [{\"namespace\": \"a\\u001b[2Jb\\u009bc\"}]}");
	fake_answer(&fake, 500, "{\"code\": \"kernel\", \"detail\": \"bad \\u001b]0;x\\u0007\"}");
	run("ports");
	check_contains(out, "a?[2Jb??c");
	run("ports");
	ck_assert_str_eq(err, "netd-ctl: bad ?]0;x?\n");
}
END_TEST

START_TEST(json_for_programs_is_escaped_for_terminals)
{
	fake_answer(&fake, 200, "{\"publications\": [{\"namespace\": \"a\x7f\\u001bb\xc2\x9b\"}]}");
	run("ports --json");
	check_contains(out, "a\\u007f\\u001Bb\\u009B");
}
END_TEST

START_TEST(table_gives_way_to_a_narrow_terminal)
{
	static const struct column columns[] = {{"NAME", "name"}, {"PATH", "path"}, {NULL}};
	json_auto_t *objects = json_pack(
	        "[{s:s, s:s}]", "name", "short", "path", "/a/very/long/path/of/something");
	int output = temporary(), saved = dup(STDOUT_FILENO);

	fflush(stdout);
	dup2(output, STDOUT_FILENO);
	table_print(columns, objects, 20);
	table_print(columns, objects, 5); /* nothing is cut to less than can be read */
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	read_back(output, out, sizeof(out));
	ck_assert_str_eq(out, "NAME   PATH\n"
	                      "short  /a/very/lo...\n"
	                      "NAME   PATH\n"
	                      "short  /a/ve...\n");
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("cli-answers");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, network_create_says_what_was_made);
	tcase_add_test(tests, list_is_a_table_json_or_names_of_the_same);
	tcase_add_test(tests, namespaces_and_ports_are_listed);
	tcase_add_test(tests, a_list_shows_what_passes_all_filters);
	tcase_add_test(tests, processes_are_a_table_or_numbers);
	tcase_add_test(tests, pruned_are_sentences_or_names);
	tcase_add_test(tests, inspect_shows_all_and_goes_on_after_an_error);
	tcase_add_test(tests, connect_says_first_that_it_made_the_namespace);
	tcase_add_test(tests, publish_answers_with_the_whole_line);
	tcase_add_test(tests, removals_print_their_sentences);
	tcase_add_test(tests, rm_of_several_goes_on_and_keeps_the_first_status);
	tcase_add_test(tests, dry_run_prints_the_plan_only);
	tcase_add_test(tests, terminals_get_nothing_to_obey);
	tcase_add_test(tests, json_for_programs_is_escaped_for_terminals);
	tcase_add_test(tests, table_gives_way_to_a_narrow_terminal);
	return SUITE_CASES(tests);
}
