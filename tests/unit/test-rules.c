/* The rules: what is granted, what is refused, and with which words. */
#include "tests/lib/made_up.h"
#include "tests/lib/suite.h"

#include <stdio.h>

static struct error err;

/* Refused with this code, and a sentence that has these words. */
static void refused(struct model *model, const struct request *request, const struct facts *facts,
        enum error_code code, const char *words)
{
	struct answer answer = {0};

	ck_assert_int_lt(ask(model, request, facts, &answer, &err), 0);
	ck_assert_msg(err.code == code && strstr(err.text, words), "%s", err.text);
	answer_done(&answer);
}

static struct request request_for(enum request_kind kind, const char *network, const char *ns)
{
	struct request request = {.kind = kind};

	strcpy(request.network, network);
	strcpy(request.namespace, ns);
	return request;
}

static void set_subnet(struct request *request, const char *text)
{
	request->subnet_count = 1;
	ck_assert_int_eq(parse_subnet(text, "", &request->subnets[0].cidr, &err), 0);
}

START_TEST(networks_get_the_next_free_subnet_of_the_pool)
{
	struct used_prefix used[] = {{.ifname = "eth0", .route = true}};
	struct facts facts = {.default_mtu = 1400, .used = used, .used_count = 1};
	struct request create = request_for(REQUEST_NETWORK_CREATE, "a", "");
	struct model *model = made_up_model();
	char text[CIDR_TEXT_SIZE];

	parse_subnet("10.208.0.0/23", "", &used[0].cidr, &err);
	must(model, &create, &facts);
	ck_assert_str_eq(
	        cidr_format(&model_network(model, "a")->subnets[0].cidr, text), "10.208.2.0/24");
	ck_assert_uint_eq(model_network(model, "a")->link_mtu, 1400);
	strcpy(create.network, "b");
	must(model, &create, &facts);
	ck_assert_str_eq(
	        cidr_format(&model_network(model, "b")->subnets[0].cidr, text), "10.208.3.0/24");
	ck_assert_str_ne(model_network(model, "a")->bridge, model_network(model, "b")->bridge);
	parse_subnet("10.208.0.0/12", "", &used[0].cidr, &err);
	strcpy(create.network, "c");
	refused(model, &create, &facts, ERROR_REFUSED, "10.208.0.0/12");
	model_free(model);
}
END_TEST

START_TEST(bad_networks_are_refused_by_field)
{
	static const struct {
		const char *subnet, *gateway, *field, *words;
	} bad[] = {
	        {"10.1.0.0/31", NULL, "subnets[0].subnet", "8 to 30"},
	        {"10.0.0.0/7", NULL, "subnets[0].subnet", "8 to 30"},
	        {"127.1.0.0/16", NULL, "subnets[0].subnet", "not for hosts"},
	        {"224.0.0.0/24", NULL, "subnets[0].subnet", "not for hosts"},
	        {"fd00:1::/127", NULL, "subnets[0].subnet", "16 to 126"},
	        {"fc00::/7", NULL, "subnets[0].subnet", "16 to 126"},
	        {"::ffff:0:0/96", NULL, "subnets[0].subnet", "not for hosts"},
	        {"fe80:1::/64", NULL, "subnets[0].subnet", "not for hosts"},
	        {"ff05::/64", NULL, "subnets[0].subnet", "not for hosts"},
	        {"fd00:1::/64", "fd00:2::1", "subnets[0].gateway", "outside"},
	        {"fd00:1::/64", "10.1.0.1", "subnets[0].gateway", "outside"},
	        {"fd00:1::/64", "fd00:1::", "subnets[0].gateway", "routers"},
	        {"10.1.0.0/24", "10.2.0.1", "subnets[0].gateway", "outside"},
	        {"10.1.0.0/24", "10.1.0.0", "subnets[0].gateway", "broadcast"},
	        {"10.1.0.0/24", "10.1.0.255", "subnets[0].gateway", "broadcast"},
	        {"10.208.0.128/25", NULL, "subnets[0].subnet", "network there"},
	};
	struct model *model = made_up_model();

	must_create(model, "there");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct request create = request_for(REQUEST_NETWORK_CREATE, "new", "");

		set_subnet(&create, bad[i].subnet);
		if (bad[i].gateway)
			ck_assert_int_eq(
			        parse_ip(bad[i].gateway, "", &create.subnets[0].gateway, &err), 0);
		refused(model, &create, &quiet_host, ERROR_INVALID, bad[i].words);
		ck_assert_str_eq(err.field, bad[i].field);
	}
	model_free(model);
}
END_TEST

START_TEST(names_and_bridges_that_are_taken_are_refused)
{
	char links[][IFNAMSIZ] = {"br0"};
	struct facts facts = {.default_mtu = 1500, .links = links, .link_count = 1};
	struct request create = request_for(REQUEST_NETWORK_CREATE, "there", "");
	struct model *model = made_up_model();

	must_create(model, "there");
	refused(model, &create, &facts, ERROR_EXISTS, "exists already");
	create.exist_ok = true;
	must(model, &create, &facts);
	create.wanted_network.mtu = 9000;
	create.given = 1;
	refused(model, &create, &facts, ERROR_EXISTS, "another setting: mtu");
	create = request_for(REQUEST_NETWORK_CREATE, "host", "");
	refused(model, &create, &facts, ERROR_INVALID, "reserved");
	create = request_for(REQUEST_NETWORK_CREATE, "new", "");
	strcpy(create.bridge, "br0");
	refused(model, &create, &facts, ERROR_EXISTS, "br0");
	model_free(model);
}
END_TEST

START_TEST(addresses_go_round_and_taken_ones_name_their_owner)
{
	struct model *model = made_up_model();
	struct request create = request_for(REQUEST_NETWORK_CREATE, "small", "");
	struct request connect = request_for(REQUEST_CONNECT, "small", "c");
	char text[CIDR_TEXT_SIZE];

	set_subnet(&create, "10.1.0.0/29");
	must(model, &create, &quiet_host);
	must_connect(model, "small", "a");
	must_connect(model, "small", "b");
	ck_assert_str_eq(cidr_format(&model_namespace(model, "b")->endpoints[0].addresses[0], text),
	        "10.1.0.3/29");
	connect.ip_count = 1;
	parse_ip("10.1.0.2", "", &connect.ips[0], &err);
	refused(model, &connect, &quiet_host, ERROR_EXISTS, "namespace a");
	parse_ip("10.1.0.1", "", &connect.ips[0], &err);
	refused(model, &connect, &quiet_host, ERROR_EXISTS, "gateway");
	parse_ip("10.1.1.1", "", &connect.ips[0], &err);
	refused(model, &connect, &quiet_host, ERROR_INVALID, "outside");
	parse_ip("10.1.0.7", "", &connect.ips[0], &err);
	refused(model, &connect, &quiet_host, ERROR_INVALID, "broadcast");
	ck_assert_ptr_null(model_namespace(model, "c"));
	for (int i = 0; i < 3; i++)
		must_connect(model, "small", (const char *[]){"d", "e", "f"}[i]);
	connect.ip_count = 0;
	refused(model, &connect, &quiet_host, ERROR_REFUSED, "no address");
	model_free(model);
}
END_TEST

START_TEST(a_freed_address_rests_until_its_flows_are_gone)
{
	struct model *model = made_up_model();
	struct request again = request_for(REQUEST_CONNECT, "net", "other");
	struct request disconnect = request_for(REQUEST_DISCONNECT, "net", "web");
	char key[KEY_SIZE] = "";

	must_create(model, "net");
	must_connect(model, "net", "web");
	again.ip_count = 1;
	again.ips[0] = model_namespace(model, "web")->endpoints[0].addresses[0].ip;
	must(model, &disconnect, &quiet_host);
	ck_assert_uint_eq(model_count(model, TABLE_TOMBSTONES), 2);
	refused(model, &again, &quiet_host, ERROR_REFUSED, "rests");
	while (model_next(model, TABLE_TOMBSTONES, key))
		model_remove(model, TABLE_TOMBSTONES, key);
	must(model, &again, &quiet_host);
	model_free(model);
}
END_TEST

START_TEST(the_default_route_moves_and_internal_networks_have_none)
{
	struct model *model = made_up_model();
	struct request internal = request_for(REQUEST_NETWORK_CREATE, "inside", "");
	struct request disconnect = request_for(REQUEST_DISCONNECT, "one", "web");
	const struct namespace *ns;

	internal.wanted_network.internal = true;
	internal.given = UINT64_MAX;
	must(model, &internal, &quiet_host);
	must_create(model, "one");
	must_create(model, "two");
	must_connect(model, "inside", "web");
	ns = model_namespace(model, "web");
	ck_assert_ptr_null(namespace_default_endpoint(model, ns, AF_INET));
	must_connect(model, "one", "web");
	must_connect(model, "two", "web");
	ns = model_namespace(model, "web");
	ck_assert_str_eq(namespace_default_endpoint(model, ns, AF_INET)->network, "one");
	ck_assert_str_eq(ns->endpoints[2].ifname, "eth2");
	must(model, &disconnect, &quiet_host);
	ns = model_namespace(model, "web");
	ck_assert_str_eq(namespace_default_endpoint(model, ns, AF_INET)->network, "two");
	model_free(model);
}
END_TEST

START_TEST(adopted_namespaces_keep_what_they_have)
{
	char links[][IFNAMSIZ] = {"lo", "eth0"};
	struct facts facts = {.boot_id = "boot-1",
	        .ns_exists = true,
	        .ns_cookie = 7,
	        .ns_default_route = true,
	        .ns_links = links,
	        .ns_link_count = 2};
	struct request connect = request_for(REQUEST_CONNECT, "net", "theirs");
	struct request disconnect = request_for(REQUEST_DISCONNECT, "net", "theirs");
	struct request remove = request_for(REQUEST_NS_REMOVE, "", "theirs");
	struct model *model = made_up_model();
	const struct namespace *ns;

	must_create(model, "net");
	must(model, &connect, &facts);
	ns = model_namespace(model, "theirs");
	ck_assert_int_eq(ns->origin, ORIGIN_ADOPTED);
	ck_assert_str_eq(ns->endpoints[0].ifname, "eth1");
	ck_assert_ptr_null(namespace_default_endpoint(model, ns, AF_INET));
	refused(model, &remove, &facts, ERROR_REFUSED, "not created by netd");
	must(model, &disconnect, &facts);
	ck_assert_ptr_null(model_namespace(model, "theirs"));
	facts.ns_is_host = true;
	refused(model, &connect, &facts, ERROR_REFUSED, "host's own");
	model_free(model);
}
END_TEST

START_TEST(a_port_has_one_owner)
{
	struct listener listener = {.protocol = IPPROTO_TCP,
	        .ip = {.family = AF_INET, .bytes = {127, 0, 0, 1}},
	        .port = 9000,
	        .unit = "nginx.service"};
	struct facts facts = {.listeners = &listener, .listener_count = 1};
	struct request publish = request_for(REQUEST_PUBLISH, "", "");
	struct model *model = made_up_model();

	publish.port_count = 1;
	publish.ports[0] = (struct port_spec){.host_ip = {.family = AF_INET},
	        .host_port = 8080,
	        .port = 80,
	        .protocol = IPPROTO_TCP};
	refused(model, &publish, &quiet_host, ERROR_REFUSED, "no namespace is connected");
	must_create(model, "net");
	must_connect(model, "net", "web");
	must(model, &publish, &quiet_host);
	refused(model, &publish, &quiet_host, ERROR_EXISTS,
	        "0.0.0.0:8080/tcp -> web (net 10.208.0.2):80");
	parse_ip("127.0.0.1", "", &publish.ports[0].host_ip, &err);
	refused(model, &publish, &quiet_host, ERROR_EXISTS, "published already");
	publish.ports[0].protocol = IPPROTO_UDP;
	must(model, &publish, &quiet_host);
	publish.ports[0].protocol = IPPROTO_TCP;
	publish.ports[0].host_port = 9000;
	refused(model, &publish, &facts, ERROR_EXISTS, "nginx.service");
	parse_ip("192.0.2.1", "", &publish.ports[0].host_ip, &err);
	must(model, &publish, &facts);
	must_connect(model, "net", "db");
	publish.ports[0].host_port = 9001;
	refused(model, &publish, &quiet_host, ERROR_REFUSED, "db, web");
	model_free(model);
}
END_TEST

static struct request publish_of(const char *spec, const char *ns)
{
	struct request request = {.kind = REQUEST_PUBLISH, .port_count = 1};

	strcpy(request.namespace, ns);
	ck_assert_msg(parse_port_spec(spec, "", &request.ports[0], &err) == 0, "%s", err.text);
	return request;
}

START_TEST(ranges_overlap_where_they_have_a_port_in_common)
{
	static const struct {
		uint16_t first, last;
	} free_ones[] = {{1, 999}, {3001, 65535}, {1024, 1999}, {2501, 2999}},
	  taken[] = {{1, 1000}, {1, 65535}, {1000, 1000}, {1023, 1023}, {2000, 2500}, {2499, 2501},
	          {3000, 3000}, {2999, 3001}, {512, 1535}, {2048, 2048}};
	struct model *model = made_up_model();
	char spec[64];

	must_create(model, "net");
	must_connect(model, "net", "web");
	for (int i = 0; i < 3; i++) {
		struct request publish = publish_of((const char *[]){"1000-1023:1000-1023",
		                                            "2000-2500:2000-2500", "3000:80"}[i],
		        "web");

		must(model, &publish, &quiet_host);
	}
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct request publish;

		snprintf(spec, sizeof(spec), "192.0.2.1:%u-%u:%u-%u", taken[i].first, taken[i].last,
		        taken[i].first, taken[i].last);
		publish = publish_of(spec, "web");
		refused(model, &publish, &quiet_host, ERROR_EXISTS, "published already");
	}
	for (size_t i = 0; i < sizeof(free_ones) / sizeof(free_ones[0]); i++) {
		struct request publish;

		snprintf(spec, sizeof(spec), "192.0.2.1:%u-%u:%u-%u", free_ones[i].first,
		        free_ones[i].last, free_ones[i].first, free_ones[i].last);
		publish = publish_of(spec, "web");
		must(model, &publish, &quiet_host);
	}
	ck_assert_uint_lt(model_count(model, TABLE_PORTS), 7 * 32);
	model_free(model);
}
END_TEST

START_TEST(an_open_port_is_the_one_that_the_facts_chose)
{
	struct facts facts = {.chosen = {40000, 0}};
	struct request publish = publish_of("80", "web"), range = publish_of("8000-8010:80", "web");
	struct model *model = made_up_model();
	char key[KEY_SIZE] = "";

	must_create(model, "net");
	must_connect(model, "net", "web");
	must(model, &publish, &facts);
	ck_assert_uint_eq(
	        ((const struct publication *)model_next(model, TABLE_PUBLICATIONS, key))->host_port,
	        40000);
	refused(model, &publish, &facts, ERROR_EXISTS, "published already");
	publish.exist_ok = true;
	must(model, &publish, &facts);
	ck_assert_uint_eq(model_count(model, TABLE_PUBLICATIONS), 1);
	refused(model, &range, &quiet_host, ERROR_REFUSED, "no port of 8000-8010/tcp is free");
	publish = publish_of("81", "web");
	refused(model, &publish, &quiet_host, ERROR_REFUSED, "ip_local_port_range");
	model_free(model);
}
END_TEST

START_TEST(what_leads_elsewhere_has_a_limit)
{
	struct model *model = made_up_model();
	struct request publish = publish_of("10000-11024:20000-21024", "web");

	must_create(model, "net");
	must_connect(model, "net", "web");
	refused(model, &publish, &quiet_host, ERROR_INVALID, "1024");
	publish = publish_of("10000-60000:10000-60000", "web");
	must(model, &publish, &quiet_host);
	publish = publish_of("[::1]:80:80", "web");
	refused(model, &publish, &quiet_host, ERROR_INVALID, "127.0.0.1");
	publish = publish_of("[fd00::1]:80:80", "web");
	refused(model, &publish, &quiet_host, ERROR_REFUSED, "none of that family");
	model_free(model);
}
END_TEST

START_TEST(publications_wait_for_their_namespace)
{
	struct request disconnect = request_for(REQUEST_DISCONNECT, "net", "web");
	struct request unpublish = request_for(REQUEST_UNPUBLISH, "", "");
	const struct publication *publication;
	struct model *model = made_up_model();
	char key[KEY_SIZE] = "";

	must_create(model, "net");
	must_connect(model, "net", "web");
	must_publish(model, 8080, 80, "web");
	publication = model_next(model, TABLE_PUBLICATIONS, key);
	ck_assert_ptr_nonnull(publication_target(model, publication));
	must(model, &disconnect, &quiet_host);
	ck_assert_ptr_null(publication_target(model, publication));
	must_connect(model, "net", "web");
	ck_assert_ptr_nonnull(publication_target(model, publication));
	unpublish.ports[0].host_port = 8081;
	refused(model, &unpublish, &quiet_host, ERROR_NOT_FOUND, "8081");
	unpublish.ports[0].host_port = 8080;
	must(model, &unpublish, &quiet_host);
	ck_assert_uint_eq(model_count(model, TABLE_PUBLICATIONS), 0);
	ck_assert_uint_eq(model_count(model, TABLE_PORTS), 0);
	model_free(model);
}
END_TEST

START_TEST(what_is_in_use_is_not_removed_by_accident)
{
	struct facts busy = {.ns_exists = true, .ns_processes = 2};
	struct request rm_net = request_for(REQUEST_NETWORK_REMOVE, "net", "");
	struct request rm_ns = request_for(REQUEST_NS_REMOVE, "", "web");
	struct model *model = made_up_model();

	must_create(model, "default");
	must_create(model, "net");
	must_connect(model, "net", "web");
	must_publish(model, 8080, 80, "web");
	refused(model, &rm_net, &quiet_host, ERROR_REFUSED, "web");
	refused(model, &rm_ns, &busy, ERROR_REFUSED, "2 processes");
	rm_ns.force = true;
	must(model, &rm_ns, &busy);
	ck_assert_uint_eq(model_count(model, TABLE_NAMESPACES), 0);
	ck_assert_uint_eq(model_count(model, TABLE_PUBLICATIONS), 0);
	must(model, &rm_net, &quiet_host);
	rm_net = request_for(REQUEST_NETWORK_REMOVE, "default", "");
	refused(model, &rm_net, &quiet_host, ERROR_REFUSED, "default");
	model_free(model);
}
END_TEST

START_TEST(a_name_whose_namespace_is_not_gone_yet_is_nobodys)
{
	struct facts there = {.boot_id = "boot-1", .ns_exists = true, .ns_cookie = 7};
	struct request rm = request_for(REQUEST_NS_REMOVE, "", "web");
	struct request create = request_for(REQUEST_NS_CREATE, "", "web");
	struct request again = request_for(REQUEST_CONNECT, "net", "web");
	struct model *model = made_up_model();

	create.exist_ok = true;
	must_create(model, "net");
	must_connect(model, "net", "web");
	must(model, &rm, &there);
	refused(model, &again, &there, ERROR_REFUSED, "try again");
	refused(model, &create, &there, ERROR_REFUSED, "try again");
	model_free(model);
}
END_TEST

START_TEST(another_namespace_of_a_known_name_is_not_connected)
{
	struct facts theirs = {.boot_id = "boot-1", .ns_exists = true, .ns_cookie = 7};
	struct request other = request_for(REQUEST_CONNECT, "net", "theirs");
	struct request second = request_for(REQUEST_CONNECT, "closed", "theirs");
	struct model *model = made_up_model();

	must_create(model, "net");
	must_create(model, "closed");
	must(model, &other, &theirs);
	theirs.ns_cookie = 8;
	refused(model, &second, &theirs, ERROR_REFUSED, "another has its name");
	theirs.ns_cookie = 7;
	must(model, &second, &theirs);
	model_free(model);
}
END_TEST

START_TEST(a_network_of_an_earlier_name_has_all_of_its_addresses)
{
	struct request create = request_for(REQUEST_NETWORK_CREATE, "net", "");
	struct request rm = request_for(REQUEST_NETWORK_REMOVE, "net", "");
	struct request connect = request_for(REQUEST_CONNECT, "net", "first");
	struct model *model = made_up_model();

	set_subnet(&create, "10.0.0.0/24");
	must(model, &create, &quiet_host);
	connect.ips[0] = ip4(0x0a000064);
	connect.ip_count = 1;
	must(model, &connect, &quiet_host);
	rm.force = true;
	must(model, &rm, &quiet_host);
	set_subnet(&create, "10.0.1.0/24");
	must(model, &create, &quiet_host);
	connect.ip_count = 0;
	for (unsigned i = 0; i < 253; i++) {
		snprintf(connect.namespace, NAME_SIZE, "n%u", i);
		must(model, &connect, &quiet_host);
	}
	strcpy(connect.namespace, "last");
	refused(model, &connect, &quiet_host, ERROR_REFUSED, "no address of 10.0.1.0/24 is free");
	model_free(model);
}
END_TEST

START_TEST(a_bridge_that_is_nearly_full_is_told_and_a_full_one_refused)
{
	struct request create = request_for(REQUEST_NETWORK_CREATE, "net", "");
	struct request connect = request_for(REQUEST_CONNECT, "net", "");
	struct model *model = made_up_model();

	set_subnet(&create, "10.0.0.0/16");
	must(model, &create, &quiet_host);
	for (unsigned i = 1; i <= BRIDGE_PORTS_MAX; i++) {
		struct answer answer = {0};

		snprintf(connect.namespace, sizeof(connect.namespace), "n%u", i);
		ck_assert_int_eq(ask(model, &connect, &quiet_host, &answer, &err), 0);
		ck_assert_uint_eq(answer.warning_count, i >= 921 ? 1 : 0);
		if (i == 921)
			ck_assert_ptr_nonnull(strstr(answer.warnings[0], "921 of the 1023"));
		answer_done(&answer);
	}
	strcpy(connect.namespace, "one-more");
	refused(model, &connect, &quiet_host, ERROR_REFUSED, "has 1023 ports");
	model_free(model);
}
END_TEST

int main(void)
{
	return SUITE_RUN("rules", a_bridge_that_is_nearly_full_is_told_and_a_full_one_refused,
	        networks_get_the_next_free_subnet_of_the_pool, bad_networks_are_refused_by_field,
	        names_and_bridges_that_are_taken_are_refused,
	        addresses_go_round_and_taken_ones_name_their_owner,
	        a_freed_address_rests_until_its_flows_are_gone,
	        the_default_route_moves_and_internal_networks_have_none,
	        adopted_namespaces_keep_what_they_have, a_port_has_one_owner,
	        ranges_overlap_where_they_have_a_port_in_common,
	        an_open_port_is_the_one_that_the_facts_chose, what_leads_elsewhere_has_a_limit,
	        publications_wait_for_their_namespace, what_is_in_use_is_not_removed_by_accident,
	        a_name_whose_namespace_is_not_gone_yet_is_nobodys,
	        another_namespace_of_a_known_name_is_not_connected,
	        a_network_of_an_earlier_name_has_all_of_its_addresses);
}
