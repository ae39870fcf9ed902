/* Bad input to the API is a problem document that names the field, changes nothing, and costs
 * little. */
#include "tests/unit/api-client.h"
#include "tests/lib/suite.h"

static const struct {
	const char *method, *target, *body;
	int status;
	const char *field;
} bad[] = {
        {"GET", "/", "", 404, NULL},
        {"GET", "/v1", "", 404, NULL},
        {"GET", "/v1/networks/", "", 400, "network"},
        {"GET", "/v1/networks/a/b", "", 404, NULL},
        {"GET", "/v2/networks", "", 404, NULL},
        {"GET", "//v1/networks", "", 404, NULL},
        {"GET", "*", "", 404, NULL},
        {"GET", "/v1/networks/a%2Fb", "", 400, NULL},
        {"GET", "/v1/networks/a%00b", "", 400, NULL},
        {"GET", "/v1/networks/a%zz", "", 400, NULL},
        {"GET", "/v1/networks/a%4", "", 400, NULL},
        {"GET", "/v1/networks/..", "", 400, "network"},
        {"GET", "/v1/networks/%2e%2e", "", 400, "network"},
        {"DELETE", "/v1/namespaces/a%20b", "", 400, "namespace"},
        {"GET", "/v1/namespaces/a%0ab", "", 400, "namespace"},
        {"GET", "/v1/networks?force=true", "", 400, "force"},
        {"GET", "/v1/networks?=true", "", 400, "\"\""},
        {"GET", "/v1/networks?%66orce=true", "", 400, "%66orce"},
        {"POST", "/v1/networks?force=true", "{\"name\":\"a\"}", 400, "force"},
        {"POST", "/v1/networks?dry_run", "{\"name\":\"a\"}", 400, "dry_run"},
        {"POST", "/v1/networks?dry_run=1", "{\"name\":\"a\"}", 400, "dry_run"},
        {"POST", "/v1/networks?dry_run=true&dry_run=true", "{\"name\":\"a\"}", 400, "dry_run"},
        {"GET", "/v1/networks?a&b&c&d&e&f&g&h&i&j", "", 400, "a"},
        {"POST", "/v1/networks", "", 400, "name"},
        {"POST", "/v1/networks", "not JSON", 400, NULL},
        {"POST", "/v1/networks", "[]", 400, NULL},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"name\":\"b\"}", 400, NULL},
        {"POST", "/v1/networks", "{\"name\":\"a\"} x", 400, NULL},
        {"POST", "/v1/networks", "{\"name\":1}", 400, "name"},
        {"POST", "/v1/networks", "{\"name\":\"\"}", 400, "name"},
        {"POST", "/v1/networks", "{\"name\":\"../x\"}", 400, "name"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"colour\":1}", 400, "colour"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"driver\":\"macvlan\"}", 400, "driver"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"bridge\":\"interface-name-too-long\"}", 400,
                "bridge"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"mtu\":67}", 400, "mtu"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"mtu\":65536}", 400, "mtu"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"mtu\":\"1500\"}", 400, "mtu"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"internal\":1}", 400, "internal"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"subnets\":\"10.1.0.0/24\"}", 400, "subnets"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"subnets\":[\"10.1.0.0/24\"]}", 400,
                "subnets[0]"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"subnets\":[{}]}", 400, "subnets[0].subnet"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"subnets\":[{\"subnet\":\"10.1.0.1/24\"}]}", 400,
                "subnets[0].subnet"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"subnets\":[{\"subnet\":\"fd00::1/64\"}]}", 400,
                "subnets[0].subnet"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"ipv6\":\"yes\"}", 400, "ipv6"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"ipv4\":0}", 400, "ipv4"},
        {"POST", "/v1/networks",
                "{\"name\":\"a\",\"subnets\":[{\"subnet\":\"10.1.0.0/24\",\"gateway\":\"x\"}]}",
                400, "subnets[0].gateway"},
        {"POST", "/v1/networks",
                "{\"name\":\"a\",\"subnets\":[{\"subnet\":\"10.1.0.0/24\",\"gate\":\"x\"}]}", 400,
                "subnets[0].gate"},
        {"POST", "/v1/networks", "{\"name\":\"a\",\"subnets\":[{},{}]}", 400, "subnets[0].subnet"},
        {"POST", "/v1/networks",
                "{\"name\":\"a\",\"subnets\":[{\"subnet\":\"10.1.0.0/24\"},{\"subnet\":"
                "\"fd00::/64\"},{}]}",
                400, "subnets[2]"},
        {"POST", "/v1/namespaces", "{}", 400, "name"},
        {"POST", "/v1/namespaces", "{\"name\":\"a b\"}", 400, "name"},
        {"POST", "/v1/endpoints", "{\"namespace\":\"a\"}", 400, "network"},
        {"POST", "/v1/endpoints", "{\"network\":\"a\"}", 400, "namespace"},
        {"POST", "/v1/endpoints", "{\"network\":\"a\",\"namespace\":\"b\",\"addresses\":[1]}", 400,
                "addresses[0]"},
        {"POST", "/v1/endpoints", "{\"network\":\"a\",\"namespace\":\"b\",\"addresses\":[\"::g\"]}",
                400, "addresses[0]"},
        {"POST", "/v1/endpoints",
                "{\"network\":\"a\",\"namespace\":\"b\",\"addresses\":[\"10.0.0.1\",\"fd00::2\","
                "\"10.0.0.2\"]}",
                400, "addresses[2]"},
        {"POST", "/v1/endpoints",
                "{\"network\":\"a\",\"namespace\":\"b\",\"mac\":\"01:00:00:00:00:00\"}", 400,
                "mac"},
        {"POST", "/v1/endpoints", "{\"network\":\"a\",\"namespace\":\"b\",\"interface\":\"a/b\"}",
                400, "interface"},
        {"POST", "/v1/links", "", 400, "ends"},
        {"POST", "/v1/links", "{\"ends\":[]}", 400, "ends"},
        {"POST", "/v1/links", "{\"ends\":\"a b\"}", 400, "ends"},
        {"POST", "/v1/links", "{\"ends\":[{\"namespace\":\"a\"}]}", 400, "ends"},
        {"POST", "/v1/links", "{\"ends\":[\"a\",\"b\"]}", 400, "ends[0]"},
        {"POST", "/v1/links", "{\"ends\":[{\"namespace\":\"a\"},{}]}", 400, "ends[1].namespace"},
        {"POST", "/v1/links", "{\"ends\":[{\"namespace\":\"a\",\"x\":1},{\"namespace\":\"b\"}]}",
                400, "ends[0].x"},
        {"POST", "/v1/links",
                "{\"ends\":[{\"namespace\":\"a\",\"addresses\":[\"10.0.0.1\"]},{\"namespace\":"
                "\"b\"}]"
                "}",
                400, "ends[0].addresses[0]"},
        {"POST", "/v1/links",
                "{\"ends\":[{\"namespace\":\"a\"},{\"namespace\":\"b\",\"mac\":\"x\"}]}", 400,
                "ends[1].mac"},
        {"POST", "/v1/links", "{\"ends\":[{\"namespace\":\"a\"},{\"namespace\":\"b\"}],\"mtu\":67}",
                400, "mtu"},
        {"GET", "/v1/links/x", "", 400, "id"},
        {"DELETE", "/v1/links/x", "", 400, "id"},
        {"DELETE", "/v1/links", "", 400, "namespace"},
        {"DELETE", "/v1/links?namespace=a", "", 400, "peer"},
        {"DELETE", "/v1/links?namespace=a&peer=b&interface=a%20b", "", 400, "interface"},
        {"DELETE", "/v1/links?namespace=a&peer=b&id=c", "", 400, "id"},
        {"PATCH", "/v1/links?namespace=a&peer=b", "{\"ends\":[]}", 400, "ends"},
        {"POST", "/v1/publications", "{\"host_port\":80}", 400, "port"},
        {"POST", "/v1/publications", "{\"port\":80,\"port_end\":90}", 400, "host_port"},
        {"POST", "/v1/publications", "{\"host_port\":-1,\"port\":80}", 400, "host_port"},
        {"POST", "/v1/publications", "{\"host_port\":90,\"host_port_end\":80,\"port\":80}", 400,
                "host_port"},
        {"POST", "/v1/publications",
                "{\"host_port\":80,\"host_port_end\":90,\"port\":80,\"port_end\":81}", 400,
                "port_end"},
        {"POST", "/v1/publications", "{\"publications\":[]}", 400, "publications"},
        {"POST", "/v1/publications", "{\"publications\":[{\"port\":80},{}]}", 400,
                "publications[1].port"},
        {"POST", "/v1/publications", "{\"publications\":[{\"port\":80,\"namespace\":\"a\"}]}", 400,
                "publications[0].namespace"},
        {"POST", "/v1/publications", "{\"publications\":[{\"port\":80}],\"port\":80}", 400, "port"},
        {"POST", "/v1/publications", "{\"port\":80,\"interface\":\"a b\"}", 400, "interface"},
        {"POST", "/v1/publications", "{\"port\":80,\"from\":[\"10.0.0.1/8\"]}", 400, "from"},
        {"POST", "/v1/publications", "{\"port\":80,\"from\":[\"fd00::/129\"]}", 400, "from"},
        {"POST", "/v1/publications", "{\"port\":80,\"from\":[\"-\"]}", 400, "from"},
        {"POST", "/v1/publications", "{\"host_port\":65536,\"port\":80}", 400, "host_port"},
        {"POST", "/v1/publications", "{\"host_port\":\"80\",\"port\":80}", 400, "host_port"},
        {"POST", "/v1/publications", "{\"host_port\":80,\"port\":80,\"protocol\":\"icmp\"}", 400,
                "protocol"},
        {"POST", "/v1/publications", "{\"host_port\":80,\"port\":80,\"host_ip\":\"any\"}", 400,
                "host_ip"},
        {"DELETE", "/v1/publications", "", 400, "host_port"},
        {"DELETE", "/v1/publications?host_port=x", "", 400, "host_port"},
        {"DELETE", "/v1/publications?host_port=80&protocol=icmp", "", 400, "protocol"},
        {"DELETE", "/v1/publications?host_port=80&host_ip=1", "", 400, "host_ip"},
        {"DELETE", "/v1/publications/xyz", "", 400, "id"},
        {"DELETE", "/v1/networks/a", "{\"force\":true}", 400, "force"},
        {"DELETE", "/v1/networks/a", "text", 400, NULL},
        {"GET", "/v1/networks", "{\"x\":1}", 400, "x"},
        {"DELETE", "/v1/networks", "", 405, NULL},
        {"POST", "/v1/networks/a", "", 405, NULL},
        {"PUT", "/v1/networks/a", "{}", 405, NULL},
        {"PATCH", "/v1/networks/a", "{\"name\": \"b\"}", 400, "name"},
        {"PATCH", "/v1/networks/a", "{\"mtu\": 1}", 400, "mtu"},
        {"PATCH", "/v1/networks/a", "{\"mtu\": \"1400\"}", 400, "mtu"},
        {"PATCH", "/v1/networks/a", "{\"internal\": 1}", 400, "internal"},
        {"PATCH", "/v1/networks/a", "{\"labels\": [1]}", 400, "labels[0]"},
        {"PATCH", "/v1/networks/a", "{\"labels\": [\"a\"]}", 400, "labels"},
        {"PATCH", "/v1/networks/a", "{\"labels\": [\"a=1\", \"a=1\"]}", 400, "labels"},
        {"PATCH", "/v1/networks", "{}", 405, NULL},
        {"OPTIONS", "/v1/networks", "", 405, NULL},
        {"BREW", "/v1/networks", "", 405, NULL},
};

START_TEST(bad_input_is_a_problem_that_names_the_field)
{
	static const char *const codes[] = {
	        [400] = "invalid", [404] = "unknown", [405] = "method-not-allowed"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct response response = ask(bad[i].method, bad[i].target, bad[i].body);
		bool unknown = strstr(at(&response, "detail"), "there is no such");

		ck_assert_msg(response.status == bad[i].status, "%s %s %s: status %d",
		        bad[i].method, bad[i].target, bad[i].body, response.status);
		is_problem(&response, bad[i].status, unknown ? "unknown" : codes[bad[i].status]);
		ck_assert_msg(strcmp(at(&response, "field"),
		                      bad[i].field ? bad[i].field : "(absent)") == 0,
		        "%s %s %s: field %s", bad[i].method, bad[i].target, bad[i].body,
		        at(&response, "field"));
		response_done(&response);
	}
	asked("GET", "/v1/networks", "", 200, "networks", "[]");
}
END_TEST

START_TEST(broken_http_is_a_problem)
{
	static const char *const requests[] = {
	        "nonsense\r\n\r\n",
	        "GET\r\n\r\n",
	        "GET /v1/version HTTP/x\r\n\r\n",
	        "GET /v1/version HTTP/1.1\r\nno colon\r\n\r\n",
	        "POST /v1/networks HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	        "POST /v1/networks HTTP/1.1\r\nContent-Length: many\r\n\r\n",
	        "POST /v1/networks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct response response = ask_raw(requests[i], strlen(requests[i]));

		ck_assert_msg(response.status == 400 || response.status == 413, "%s: %d",
		        requests[i], response.status);
		is_problem(&response, response.status,
		        response.status == 400 ? "invalid" : "too-large");
		response_done(&response);
	}
	still_serves();
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
	static const char *const beginnings[] = {"GET /v1/version HTTP/1.1\r\nX: ", "GET /aaa"};
	static char head[64 * 1024];

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		struct response response;

		memset(head, 'a', sizeof(head));
		memcpy(head, beginnings[i], strlen(beginnings[i]));
		response = ask_raw(head, sizeof(head));
		is_problem(&response, 400, "invalid");
		ck_assert_ptr_nonnull(strstr(at(&response, "detail"), "16 KiB"));
		response_done(&response);
	}
}
END_TEST

START_TEST(a_body_of_ten_megabytes_is_refused_in_constant_memory)
{
	static char block[1024 * 1024];
	static const char head[] =
	        "POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 10485760\r\n\r\n";
	_cleanup_(closep) int fd = dial();
	struct response response;
	long before = server_memory();

	memset(block, ' ', sizeof(block));
	ck_assert(put(fd, head, strlen(head)));
	for (int i = 0; i < 10; i++)
		ck_assert(put(fd, block, sizeof(block)));
	response = get(fd);
	is_problem(&response, 413, "too-large");
	response_done(&response);
	ck_assert_int_lt(server_memory() - before, 4096);
	still_serves();
}
END_TEST

START_TEST(a_body_in_endless_chunks_is_refused_in_constant_memory)
{
	static const char head[] =
	        "POST /v1/networks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	static char chunk[4096 + 8];
	_cleanup_(closep) int fd = dial();
	struct response response;
	long before = server_memory();
	int i;

	memset(chunk, ' ', sizeof(chunk));
	memcpy(chunk, "1000\r\n", 6);
	memcpy(chunk + sizeof(chunk) - 2, "\r\n", 2);
	ck_assert(put(fd, head, strlen(head)));
	for (i = 0; i < 2560 && put(fd, chunk, sizeof(chunk)); i++)
		;
	ck_assert_int_lt(i, 2560);
	response = get(fd);
	is_problem(&response, 413, "too-large");
	response_done(&response);
	ck_assert_int_lt(server_memory() - before, 4096);
	still_serves();
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("tests");

	tcase_add_checked_fixture(tests, start_server, stop_server);
	tcase_add_test(tests, bad_input_is_a_problem_that_names_the_field);
	tcase_add_test(tests, broken_http_is_a_problem);
	tcase_add_test(tests, a_head_without_end_is_refused);
	tcase_add_test(tests, a_body_of_ten_megabytes_is_refused_in_constant_memory);
	tcase_add_test(tests, a_body_in_endless_chunks_is_refused_in_constant_memory);
	return SUITE_CASES(tests);
}
