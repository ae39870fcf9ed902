/* Addresses, and the routes that come with them or are made beside them. */
#include "tests/kernel/connected.h"

START_TEST(finds_a_route_that_was_changed_and_replaces_it)
{
	struct resource route = default_route(BRIDGE_IP);
	struct resources seen;

	connect_web();
	shell("ip -n web route replace default via 10.0.0.9 dev eth0");
	seen = observe(&kind_route);
	ck_assert_uint_eq(seen.count, 3);
	resources_sort(&seen);
	ck_assert(resource_compare(&seen.items[1], &route) == 0);
	ck_assert(!resource_equal(&seen.items[1], &route));
	must_apply(&seen.items[1], &route);
	resources_done(&seen);
	ck_assert_str_eq(
	        shell_line("ip -n web route show default"), "default via 10.0.0.1 dev eth0 ");
	must_apply(&route, NULL);
	ck_assert_str_eq(shell_line("ip -n web route show default"), "");
	must_apply(&route, NULL);
}
END_TEST

START_TEST(a_subnets_route_is_made_where_the_kernels_own_is_gone)
{
	struct resource list[CONNECTED];
	struct resources seen;

	connected(list);
	connect_web();
	must_apply(&list[7], NULL); /* it goes with its address only */
	ck_assert_str_eq(shell_line("ip -n web route show proto kernel"),
	        "10.0.0.0/24 dev eth0 scope link src 10.0.0.2 ");
	shell("ip -n web route del 10.0.0.0/24 dev eth0; ip route del 10.0.0.0/24 dev netd0");
	seen = observe(&kind_route);
	ck_assert_uint_eq(seen.count, 1); /* the default route */
	resources_done(&seen);
	must_apply(NULL, &list[6]);
	must_apply(NULL, &list[7]);
	ck_assert_str_eq(shell_line("ip route show dev netd0"),
	        "10.0.0.0/24 proto kernel scope link src 10.0.0.1 ");
	ck_assert_str_eq(shell_line("ip -n web route show proto kernel"),
	        "10.0.0.0/24 dev eth0 scope link src 10.0.0.2 ");
}
END_TEST

/* A tenant's interface that has the same subnet keeps its route, and is no failure. */
START_TEST(a_subnets_route_leaves_anothers_alone)
{
	struct resource list[CONNECTED];

	connected(list);
	shell("ip -n web link add eth9 up type veth peer name eth8; "
	      "ip -n web addr add 10.0.0.99/24 dev eth9");
	connect_web();
	must_apply(NULL, &list[7]);
	ck_assert_str_eq(shell_line("ip -n web route show dev eth9 | grep -c 10.0.0.99"), "1");
	ck_assert_str_eq(shell_line("ip -n web route show dev eth0 | grep -c 10.0.0.2"), "1");
}
END_TEST

START_TEST(ipv6_addresses_are_usable_at_once)
{
	struct resource br = bridge("netd0"), v6 = address("", "netd0", "netd0", 0);
	struct resources seen;

	v6.address.cidr = (struct cidr){
	        .prefix = 64, .ip = {.family = AF_INET6, .bytes = {0xfd, 0, [15] = 1}}};
	must_apply(NULL, &br);
	must_apply(NULL, &v6);
	ck_assert_str_eq(
	        shell_line("ip -6 -o addr show dev netd0 scope global | grep -c tentative"), "0");
	seen = observe(&kind_address);
	ck_assert_uint_eq(seen.count, 1);
	ck_assert(resource_compare(&seen.items[0], &v6) == 0);
	resources_done(&seen);
	must_apply(&v6, NULL);
	ck_assert_str_eq(shell_line("ip -6 -o addr show dev netd0 scope global"), "");
}
END_TEST

#define TABLE (ROUTE_TABLES_FIRST + 7)

/* What an endpoint's own table has. */
static void own_table(struct resource list[3])
{
	struct resource way = default_route(BRIDGE_IP), subnet = way,
	                rule = {.kind = RESOURCE_RULE, .ns = "web", .rule = {ip4(WEB_IP), TABLE}};

	way.route.table = subnet.route.table = TABLE;
	subnet.route.gateway = (struct ip){0};
	subnet.route.destination = (struct cidr){ip4(BRIDGE_IP - 1), 24};
	list[0] = subnet;
	list[1] = way;
	list[2] = rule;
}

START_TEST(an_endpoint_has_a_table_of_its_own)
{
	struct resource list[3], main_way = default_route(BRIDGE_IP);
	struct resources seen;

	own_table(list);
	connect_web();
	for (int i = 0; i < 3; i++)
		must_apply(NULL, &list[i]);
	ck_assert_str_eq(shell_line("ip -n web route get 192.0.2.9 from 10.0.0.2 | head -1"),
	        "192.0.2.9 from 10.0.0.2 via 10.0.0.1 dev eth0 table 1073741831 uid 0 ");
	seen = observe(&kind_route);
	resources_sort(&seen);
	for (int i = 0; i < 2; i++)
		ck_assert_ptr_nonnull(resources_find(&seen, &list[i]));
	ck_assert_ptr_nonnull(resources_find(&seen, &main_way)); /* they are not the same */
	resources_done(&seen);
	must_apply(&list[0], NULL);
	must_apply(&list[1], NULL);
	must_apply(&list[1], NULL); /* gone already */
	ck_assert_str_eq(shell_line("ip -n web route show table 1073741831 | wc -l"), "0");
	ck_assert_str_eq(shell_line("ip -n web route show default | wc -l"), "1");
}
END_TEST

START_TEST(a_rule_is_known_by_its_mark)
{
	struct resource list[3];
	struct resources seen;

	own_table(list);
	shell("ip -n web rule add from 10.0.0.2 lookup 1073741831 priority 30000; "
	      "ip -n web rule add from 10.0.0.3 lookup 100 priority 5 protocol 110; "
	      "ip -n web rule add from 10.0.0.0/24 lookup 100 priority 30000 protocol 110");
	seen = observe(&kind_rule); /* no pair leads into it */
	ck_assert_uint_eq(seen.count, 0);
	shell("ip -n web rule del from 10.0.0.2 lookup 1073741831 priority 30000");
	must_apply(NULL, &list[2]);
	must_apply(NULL, &list[2]);
	list[2].rule.from = (struct ip){.family = AF_INET6, .bytes = {0xfd, [15] = 2}};
	must_apply(NULL, &list[2]);
	seen = observe(&kind_rule);
	ck_assert_uint_eq(seen.count, 2);
	resources_sort(&seen);
	ck_assert_ptr_nonnull(resources_find(&seen, &list[2]));
	resources_done(&seen);
	must_apply(&list[2], NULL);
	must_apply(&list[2], NULL);
	ck_assert_str_eq(shell_line("ip -n web -6 rule show priority 30000 | wc -l"), "0");
	ck_assert_str_eq(shell_line("ip -n web rule show priority 30000 | wc -l"), "2");
}
END_TEST

int main(void)
{
	return CONNECTED_RUN("route", finds_a_route_that_was_changed_and_replaces_it,
	        a_subnets_route_is_made_where_the_kernels_own_is_gone,
	        a_subnets_route_leaves_anothers_alone, an_endpoint_has_a_table_of_its_own,
	        a_rule_is_known_by_its_mark, ipv6_addresses_are_usable_at_once);
}
