/* Addresses and subnets in the pure layers: what is given, to whom, in which order, and what is
 * remembered. */
#include "daemon/model/pool.h"
#include "tests/lib/made_up.h"
#include "tests/lib/suite.h"

#include <stdio.h>

static struct error err;

static struct cidr cidr(const char *text)
{
	struct cidr cidr;

	ck_assert_msg(parse_subnet(text, "", &cidr, &err) == 0, "%s", err.text);
	return cidr;
}

static void create(struct model *model, const char *network, const char *subnet, const char *range,
        const char *reserve)
{
	struct request request = {.kind = REQUEST_NETWORK_CREATE, .subnet_count = 1};
	const struct setting *settings[] = {setting_find(&network_settings, "ip_range"),
	        setting_find(&network_settings, "reserve")};
	const char *values[] = {range, reserve};

	strcpy(request.network, network);
	request.subnets[0].cidr = cidr(subnet);
	for (int i = 0; i < 2; i++) {
		if (!values[i])
			continue;
		request.given |= setting_bit(&network_settings, settings[i]);
		ck_assert_msg(
		        setting_read(settings[i], values[i], &request.wanted_network, &err) == 0,
		        "%s", err.text);
	}
	must(model, &request, &quiet_host);
	request_done(&request);
}

static int connect_at(struct model *model, const char *network, const char *ns, const char *ip)
{
	struct request request = {.kind = REQUEST_CONNECT, .ip_count = ip != NULL};
	struct answer answer = {0};
	int r;

	strcpy(request.network, network);
	strcpy(request.namespace, ns);
	if (ip)
		ck_assert_int_eq(parse_ip(ip, "", &request.ips[0], &err), 0);
	r = ask(model, &request, &quiet_host, &answer, &err);
	answer_done(&answer);
	return r;
}

static void disconnect(struct model *model, const char *network, const char *ns, bool forget)
{
	struct request request = {.kind = REQUEST_DISCONNECT, .forget = forget};
	char key[KEY_SIZE] = "";

	strcpy(request.network, network);
	strcpy(request.namespace, ns);
	must(model, &request, &quiet_host);
	/* As after a reap: nothing rests any more for the sake of its flows. */
	while (model_next(model, TABLE_TOMBSTONES, key))
		ck_assert_int_eq(model_remove(model, TABLE_TOMBSTONES, key), 0);
}

/* Connects it, and says which address it got. */
static const char *given(struct model *model, const char *network, const char *ns)
{
	static char text[IP_TEXT_SIZE];
	const struct endpoint *endpoint;

	ck_assert_msg(connect_at(model, network, ns, NULL) == 0, "%s", err.text);
	endpoint = namespace_endpoint(model_namespace(model, ns), network);
	return ip_format(&endpoint->addresses[0].ip, text);
}

static void refused(
        struct model *model, const char *network, const char *ns, const char *ip, const char *words)
{
	ck_assert_int_lt(connect_at(model, network, ns, ip), 0);
	ck_assert_msg(strstr(err.text, words) != NULL, "%s", err.text);
}

START_TEST(what_was_left_comes_back_or_rests)
{
	struct model *model = made_up_model();

	create(model, "a", "10.0.0.0/29", NULL, NULL);
	ck_assert_str_eq(given(model, "a", "n1"), "10.0.0.2");
	ck_assert_str_eq(given(model, "a", "n2"), "10.0.0.3");
	disconnect(model, "a", "n1", false);
	ck_assert_str_eq(given(model, "a", "n3"), "10.0.0.4");
	ck_assert_str_eq(given(model, "a", "n1"), "10.0.0.2");
	disconnect(model, "a", "n2", false);
	disconnect(model, "a", "n1", false);
	ck_assert_str_eq(given(model, "a", "n4"), "10.0.0.5");
	ck_assert_str_eq(given(model, "a", "n5"), "10.0.0.6");
	ck_assert_str_eq(given(model, "a", "n6"), "10.0.0.3"); /* that of n2, who left first */
	ck_assert_str_eq(given(model, "a", "n2"), "10.0.0.2");
	refused(model, "a", "n1", NULL, "no address of 10.0.0.0/29 is free (5 endpoints");
	model_free(model);
}
END_TEST

/* A tombstone owns the address until its flows are gone; whoever had it need not wait. */
START_TEST(flows_that_are_not_gone_keep_others_away)
{
	struct request request = {.kind = REQUEST_DISCONNECT, .network = "a", .namespace = "n1"};
	struct model *model = made_up_model();

	create(model, "a", "10.0.0.0/30", NULL, NULL);
	ck_assert_str_eq(given(model, "a", "n1"), "10.0.0.2");
	must(model, &request, &quiet_host);
	refused(model, "a", "n2", NULL, "no address of 10.0.0.0/30 is free");
	refused(model, "a", "n2", "10.0.0.2", "rests until its flows are gone");
	ck_assert_str_eq(given(model, "a", "n1"), "10.0.0.2");
	model_free(model);
}
END_TEST

START_TEST(what_was_asked_for_is_kept)
{
	struct model *model = made_up_model();

	create(model, "a", "10.0.0.0/29", NULL, NULL);
	ck_assert_int_eq(connect_at(model, "a", "n1", "10.0.0.3"), 0);
	disconnect(model, "a", "n1", false);
	refused(model, "a", "n2", "10.0.0.3", "is kept for namespace n1");
	ck_assert_str_eq(given(model, "a", "n2"), "10.0.0.4");
	ck_assert_str_eq(given(model, "a", "n3"), "10.0.0.5");
	ck_assert_str_eq(given(model, "a", "n4"), "10.0.0.6");
	ck_assert_str_eq(given(model, "a", "n5"), "10.0.0.2");
	refused(model, "a", "n6", NULL, "1 of namespaces that are not connected now");
	disconnect(model, "a", "n1", true);
	ck_assert_str_eq(given(model, "a", "n6"), "10.0.0.3");
	/* Where it asks for another one, the old one is anyone's. */
	disconnect(model, "a", "n5", false);
	ck_assert_int_eq(connect_at(model, "a", "n1", "10.0.0.2"), 0);
	ck_assert_ptr_null(model_lease(model, "a", "n1"));
	model_free(model);
}
END_TEST

START_TEST(ranges_and_reservations)
{
	struct model *model = made_up_model();
	const char *range = "10.0.0.4/30";

	create(model, "a", "10.0.0.0/24", range, "router=10.0.0.5");
	ck_assert_str_eq(given(model, "a", "n1"), "10.0.0.4");
	ck_assert_str_eq(given(model, "a", "n2"), "10.0.0.6");
	ck_assert_str_eq(given(model, "a", "n3"), "10.0.0.7");
	refused(model, "a", "n4", NULL, "no address of its range 10.0.0.4/30 is free");
	refused(model, "a", "n4", "10.0.0.5", "is reserved for router");
	ck_assert_int_eq(connect_at(model, "a", "n4", "10.0.0.99"), 0);
	ck_assert_str_eq(given(model, "a", "router"), "10.0.0.5");
	model_free(model);
}
END_TEST

START_TEST(ranges_of_ipv6)
{
	struct model *model = made_up_model();

	create(model, "b", "fd00::/48", "fd00:0:0:2::/63", "router=fd00:0:0:2::1");
	ck_assert_str_eq(given(model, "b", "n1"), "fd00:0:0:2::");
	ck_assert_str_eq(given(model, "b", "n2"), "fd00:0:0:2::2");
	ck_assert_str_eq(given(model, "b", "router"), "fd00:0:0:2::1");
	create(model, "c", "fd01::/64", "fd01::ff:fffe/127", NULL);
	ck_assert_str_eq(given(model, "c", "n1"), "fd01::ff:fffe");
	ck_assert_str_eq(given(model, "c", "n2"), "fd01::ff:ffff");
	refused(model, "c", "n3", NULL, "no address of its range fd01::ff:fffe/127 is free");
	model_free(model);
}
END_TEST

START_TEST(no_more_is_remembered_than_there_is_room_for)
{
	struct model *model = made_up_model();
	char ns[NAME_SIZE];

	create(model, "a", "10.0.0.0/16", NULL, NULL);
	ck_assert_int_eq(connect_at(model, "a", "fixed", "10.0.9.9"), 0);
	disconnect(model, "a", "fixed", false);
	for (unsigned i = 0; i < NETWORK_LEASES_MAX + 10; i++) {
		snprintf(ns, sizeof(ns), "n%u", i);
		given(model, "a", ns);
		disconnect(model, "a", ns, false);
	}
	ck_assert_uint_eq(model_usage(model, "a").leases, NETWORK_LEASES_MAX);
	ck_assert_uint_eq(model_count(model, TABLE_LEASES), NETWORK_LEASES_MAX);
	ck_assert_ptr_null(model_lease(model, "a", "n0"));
	ck_assert_ptr_nonnull(model_lease(model, "a", ns));
	ck_assert_ptr_nonnull(model_lease(model, "a", "fixed"));
	model_free(model);
}
END_TEST

/* --- pools --- */

static const char *found(const struct facts *facts, struct model *model, const char *base,
        uint8_t size, uint8_t prefix)
{
	static char text[CIDR_TEXT_SIZE];
	const struct pool pool = {cidr(base), size};
	struct pool_uses uses;
	struct cidr ret;
	bool is_found;

	ck_assert_int_eq(pool_uses(model, facts, &pool, &uses), 0);
	is_found = pool_find(&pool, &uses, prefix, &ret);
	pool_uses_done(&uses);
	return is_found ? cidr_format(&ret, text) : "none";
}

START_TEST(the_first_free_one_of_a_pool)
{
	struct used_prefix used[] = {{cidr("10.0.0.0/26")}, {cidr("10.0.1.128/25")},
	        {cidr("fd00::/65")}, {cidr("fd00:0:0:3::/64")}};
	struct facts facts = {.used = used, .used_count = 4};
	struct model *model = made_up_model();

	create(model, "a", "10.0.0.128/25", NULL, NULL);
	ck_assert_str_eq(found(&facts, model, "10.0.0.0/23", 26, 26), "10.0.0.64/26");
	ck_assert_str_eq(found(&facts, model, "10.0.0.0/23", 26, 25), "10.0.1.0/25");
	ck_assert_str_eq(found(&facts, model, "10.0.0.0/23", 26, 24), "none");
	ck_assert_str_eq(found(&facts, model, "10.0.0.0/23", 26, 22), "none");
	ck_assert_str_eq(found(&facts, model, "10.0.0.0/22", 26, 24), "10.0.2.0/24");
	ck_assert_str_eq(found(&facts, model, "10.0.1.128/25", 26, 26), "none");
	ck_assert_str_eq(found(&facts, model, "fd00::/62", 64, 64), "fd00:0:0:1::/64");
	ck_assert_str_eq(found(&facts, model, "fd00::/62", 64, 63), "none");
	/* More bits than a number has: the beginning of the pool. */
	ck_assert_str_eq(found(&facts, model, "fd01::/48", 64, 126), "fd01::/126");
	ck_assert_str_eq(found(&facts, model, "fd00::/48", 64, 126), "fd00::8000:0:0:0/126");
	ck_assert_str_eq(found(&facts, model, "fd00::/56", 64, 64), "fd00:0:0:1::/64");
	model_free(model);
}
END_TEST

START_TEST(how_much_of_a_pool_is_taken)
{
	struct used_prefix used[] = {{cidr("10.0.0.0/26")}, {cidr("10.0.0.64/26")},
	        {cidr("10.0.2.0/23")}, {cidr("10.0.2.0/24")}, {cidr("10.0.0.0/16")}};
	struct facts facts = {.used = used, .used_count = 4};
	struct model *model = made_up_model();
	const struct pool pool = {cidr("10.0.0.0/21"), 24};
	struct pool_uses uses;

	ck_assert_uint_eq(pool_total(&pool), 8);
	ck_assert_int_eq(pool_uses(model, &facts, &pool, &uses), 0);
	ck_assert_uint_eq(pool_taken(&pool, &uses), 3);
	pool_uses_done(&uses);
	facts.used_count = 5;
	ck_assert_int_eq(pool_uses(model, &facts, &pool, &uses), 0);
	ck_assert_uint_eq(pool_taken(&pool, &uses), 8);
	pool_uses_done(&uses);
	model_free(model);
}
END_TEST

/* --- the MTU of the way out --- */

START_TEST(networks_follow_the_way_out)
{
	struct request host = {.kind = REQUEST_HOST, .host.default_mtu = 1400};
	struct model *model = made_up_model();

	create(model, "a", "10.0.0.0/24", NULL, NULL);
	create(model, "six", "fd00::/64", NULL, NULL);
	ck_assert_uint_eq(model_network(model, "a")->link_mtu, 1500);
	must(model, &host, NULL);
	ck_assert_uint_eq(model_network(model, "a")->link_mtu, 1400);
	host.host.default_mtu = 1000;
	must(model, &host, NULL);
	ck_assert_uint_eq(model_network(model, "a")->link_mtu, 1000);
	ck_assert_uint_eq(model_network(model, "six")->link_mtu, 1280);
	host.host.default_mtu = 0;
	must(model, &host, NULL);
	ck_assert_uint_eq(model_network(model, "a")->link_mtu, 1000);
	model_free(model);
}
END_TEST

int main(void)
{
	return SUITE_RUN("addresses", what_was_left_comes_back_or_rests,
	        flows_that_are_not_gone_keep_others_away, what_was_asked_for_is_kept,
	        ranges_and_reservations, ranges_of_ipv6,
	        no_more_is_remembered_than_there_is_room_for, the_first_free_one_of_a_pool,
	        how_much_of_a_pool_is_taken, networks_follow_the_way_out);
}
