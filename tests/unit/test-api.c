/* The API over a real socket: well-meaning clients of every language get what doc/api.md says. */
#include "tests/unit/api-client.h"
#include "tests/lib/suite.h"

START_TEST(networks_read_as_documented)
{
	asked("GET", "/v1/networks", "", 200, "networks", "[]");
	asked("POST", "/v1/networks",
	        "{\"name\": \"my-net\", \"driver\": \"bridge\", \"mtu\": 1400, \"internal\": true,"
	        " \"bridge\": \"br0\", \"subnets\": [{\"subnet\": \"10.1.0.0/24\", \"gateway\": "
	        "\"10.1.0.1\"}]}",
	        201, "network/name", "my-net");
	asked("GET", "/v1/networks/my-net", "", 200, "networks",
	        "[{\"id\":\"0123456789ab\",\"name\":\"my-net\",\"driver\":\"bridge\","
	        "\"bridge\":\"netd-012345\",\"subnets\":[{\"subnet\":\"10.1.0.0/24\","
	        "\"gateway\":\"10.1.0.1\"}],\"ipv4\":true,\"ipv6\":false,\"endpoints\":[],"
	        "\"mtu\":1400,\"internal\":true,\"labels\":[],\"publish_address\":null}]");
	asked("POST", "/v1/networks", "{\"name\": \"my-net\", \"exist_ok\": true}", 200,
	        "network/mtu", "1500");
	asked("DELETE", "/v1/networks/my-net", "", 200, "removed",
	        "[\"endpoint web on my-net\",\"network my-net\"]");
	asked("GET", "/v1/networks/none", "", 404, "field", "network");
}
END_TEST

START_TEST(an_endpoint_shows_in_its_network_and_namespace)
{
	static const char endpoint[] =
	        "{\"network\":\"my-net\",\"namespace\":\"web\",\"interface\":\"eth0\","
	        "\"host_interface\":\"nv0123456789\",\"mac\":\"00:00:00:00:00:00\","
	        "\"addresses\":[\"10.1.0.2/24\"]}";
	char list[512];

	asked("POST", "/v1/networks", "{\"name\": \"my-net\"}", 201, "network/name", "my-net");
	asked("POST", "/v1/endpoints",
	        "{\"network\": \"my-net\", \"namespace\": \"web\", \"addresses\": [\"10.1.0.2\"],"
	        " \"mac\": \"02:00:00:00:00:01\", \"interface\": \"eth0\", \"existing\": false}",
	        201, "created_namespace", "true");
	snprintf(list, sizeof(list), "[%s]", endpoint);
	asked("GET", "/v1/endpoints", "", 200, "endpoints", list);
	asked("GET", "/v1/networks", "", 200, "networks/0/endpoints", list);
	asked("GET", "/v1/namespaces/web", "", 200, "namespaces/0/endpoints", list);
	asked("DELETE", "/v1/networks/my-net/endpoints/web", "", 200, "removed/0",
	        "endpoint web on my-net");
}
END_TEST

START_TEST(namespaces_are_those_of_the_kernel_joined_with_the_model)
{
	asked("POST", "/v1/endpoints", "{\"network\": \"n\", \"namespace\": \"web\"}", 201,
	        "warnings/1", "(absent)");
	asked("POST", "/v1/endpoints", "{\"network\": \"n\", \"namespace\": \"gone\"}", 201,
	        "endpoint/namespace", "gone");
	asked("GET", "/v1/namespaces", "", 200, "namespaces/0",
	        "{\"name\":\"alien\",\"path\":\"/run/netns/alien\",\"origin\":\"adopted\","
	        "\"attached\":false,\"source\":null,\"inode\":4026532000,\"cookie\":"
	        "\"18446744073709551615\",\"nsid\":3,"
	        "\"processes\":2,\"endpoints\":[],\"labels\":[]}");
	asked("GET", "/v1/namespaces", "", 200, "namespaces/1/inode", "null");
	asked("GET", "/v1/namespaces", "", 200, "namespaces/2/origin", "created");
	asked("GET", "/v1/namespaces", "", 200, "namespaces/2/nsid", "null");
	asked("GET", "/v1/namespaces", "", 200, "namespaces/2/interfaces", "(absent)");
	asked("GET", "/v1/namespaces/alien", "", 200, "namespaces/0/interfaces", "[\"lo\"]");
	asked("GET", "/v1/namespaces/none", "", 404, "field", "namespace");
	asked("POST", "/v1/namespaces", "{\"name\": \"web\"}", 201, "namespace/cookie", "7");
	asked("DELETE", "/v1/namespaces/web?force=true", "", 200, "removed/1", "network my-net");
}
END_TEST

START_TEST(publications_are_active_or_pending)
{
	asked("POST", "/v1/networks", "{\"name\": \"my-net\"}", 201, "network/name", "my-net");
	asked("POST", "/v1/publications",
	        "{\"host_port\": 8080, \"port\": 80, \"namespace\": \"web\"}", 201, "publication",
	        "{\"id\":\"00000000000a\",\"protocol\":\"tcp\",\"host_ip\":\"*\","
	        "\"host_port\":8080,\"host_port_end\":8080,\"network\":null,\"namespace\":\"web\","
	        "\"port\":80,\"port_end\":80,\"target\":null,\"targets\":[],"
	        "\"state\":\"pending\",\"reason\":\"web is connected to no network\","
	        "\"packets\":null,\"bytes\":null,\"interface\":null,\"from\":[]}");
	asked("POST", "/v1/endpoints", "{\"network\": \"my-net\", \"namespace\": \"web\"}", 201,
	        "endpoint/interface", "eth0");
	asked("GET", "/v1/publications", "", 200, "publications/0/state", "active");
	asked("GET", "/v1/publications", "", 200, "publications/0/network", "my-net");
	asked("GET", "/v1/publications", "", 200, "publications/0/target", "10.1.0.2");
	asked("GET", "/v1/publications", "", 200, "publications/0/targets", "[\"10.1.0.2\"]");
	asked("GET", "/v1/publications", "", 200, "publications/0/host_ip", "0.0.0.0");
	asked("GET", "/v1/publications", "", 200, "publications/0/reason", "null");
	asked("GET", "/v1/publications", "", 200, "publications/0/bytes", "120");
	asked("DELETE", "/v1/publications/00000000000a", "", 200, "removed/0", "publication");
	asked("DELETE", "/v1/publications?host_port=8080&protocol=tcp&host_ip=0.0.0.0", "", 200,
	        "removed/0", "publication");
	asked("DELETE",
	        "/v1/publications?host_port=8000&host_port_end=8010&port=9000&port_end=9010&"
	        "protocol=sctp&host_ip=*",
	        "", 200, "removed/0", "publication");
}
END_TEST

START_TEST(several_are_answered_as_a_list)
{
	asked("POST", "/v1/publications",
	        "{\"publications\": [{\"host_port\": 8000, \"host_port_end\": 8010, \"port\": 9000,"
	        " \"port_end\": 9010}], \"namespace\": \"web\", \"interface\": \"eth0\","
	        " \"from\": [\"10.0.0.0/8\", \"my-net\"]}",
	        201, "publications/0/host_port_end", "8010");
	asked("GET", "/v1/publications", "", 200, "publications/0/port_end", "9010");
	asked("GET", "/v1/publications", "", 200, "publications/0/interface", "eth0");
	asked("GET", "/v1/publications", "", 200, "publications/0/from",
	        "[\"10.0.0.0/8\",\"my-net\"]");
}
END_TEST

START_TEST(a_port_with_a_listener_names_it)
{
	asked("POST", "/v1/publications", "{\"host_port\": 9, \"port\": 80}", 409, "listener",
	        "{\"inode\":4000000000,\"unit\":\"discard.service\",\"protocol\":\"tcp\","
	        "\"address\":\"0.0.0.0\",\"port\":9}");
}
END_TEST

START_TEST(the_version_names_the_instance)
{
	asked("GET", "/v1/version", "", 200, "instance", "0123456789abcdef0123456789abcdef");
	asked("GET", "/v1/version", "", 200, "version", NETD_VERSION);
}
END_TEST

START_TEST(a_dry_run_tells_the_commands)
{
	asked("POST", "/v1/networks?dry_run=true", "{\"name\": \"x\"}", 200, "plan",
	        "[\"ip netns add web\",\"ip link add x\"]");
	asked("GET", "/v1/networks", "", 200, "networks", "[]");
	asked("POST", "/v1/networks?dry_run=false", "{\"name\": \"x\"}", 201, "plan", "(absent)");
}
END_TEST

START_TEST(the_caller_is_known_by_the_kernels_word)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "asked by uid %u pid %d force 1", getuid(), getpid());
	asked("DELETE", "/v1/networks/x?force=true", "", 200, "warnings/0", expected);
}
END_TEST

START_TEST(clients_of_other_languages_are_understood)
{
	static const char *const requests[] = {
	        /* Go */
	        "POST /v1/networks HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n"
	        "Content-Length: 13\r\nAccept: application/json\r\n\r\n{\"name\":\"go\"}",
	        "POST http://netd/v1/networks HTTP/1.1\r\nHost: netd\r\nTransfer-Encoding: "
	        "chunked\r\n"
	        "\r\n7\r\n{\"name\"\r\n6\r\n:\"go\"}\r\n0\r\n\r\n",
	        "POST /v1/n%65tworks HTTP/1.0\r\nContent-Length: 13\r\n\r\n{\"name\":\"go\"}",
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct response response = ask_raw(requests[i], strlen(requests[i]));

		expect(&response, 201, "network/name", "go");
		response_done(&response);
	}
}
END_TEST

START_TEST(a_client_may_ask_whether_to_go_on)
{
	static const char head[] = "POST /v1/networks HTTP/1.1\r\nHost: x\r\n"
	                           "Expect: 100-continue\r\nContent-Length: 13\r\n\r\n";
	_cleanup_(closep) int fd = dial();
	struct response response;

	ck_assert(put(fd, head, strlen(head)));
	response = get(fd);
	ck_assert_int_eq(response.status, 100);
	ck_assert(put(fd, "{\"name\":\"go\"}", 13));
	response = get(fd);
	expect(&response, 201, "network/name", "go");
	response_done(&response);
}
END_TEST

START_TEST(requests_in_one_write_are_answered_in_order)
{
	_cleanup_(closep) int fd = dial();
	char request[128], name[32];

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "{\"name\":\"n%02d\"}", i);
		snprintf(request, sizeof(request),
		        "POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n%s",
		        name);
		ck_assert(put(fd, request, strlen(request)));
	}
	for (int i = 0; i < 50; i++) {
		struct response response = get(fd);

		snprintf(name, sizeof(name), "n%02d", i);
		expect(&response, 201, "network/name", name);
		response_done(&response);
	}
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("tests");

	tcase_add_checked_fixture(tests, start_server, stop_server);
	tcase_add_test(tests, networks_read_as_documented);
	tcase_add_test(tests, an_endpoint_shows_in_its_network_and_namespace);
	tcase_add_test(tests, namespaces_are_those_of_the_kernel_joined_with_the_model);
	tcase_add_test(tests, publications_are_active_or_pending);
	tcase_add_test(tests, several_are_answered_as_a_list);
	tcase_add_test(tests, a_port_with_a_listener_names_it);
	tcase_add_test(tests, the_version_names_the_instance);
	tcase_add_test(tests, a_dry_run_tells_the_commands);
	tcase_add_test(tests, the_caller_is_known_by_the_kernels_word);
	tcase_add_test(tests, clients_of_other_languages_are_understood);
	tcase_add_test(tests, a_client_may_ask_whether_to_go_on);
	tcase_add_test(tests, requests_in_one_write_are_answered_in_order);
	return SUITE_CASES(tests);
}
