/*
 * netd's tables: what the kernel has is what nft makes of the told texts, it can be listed and
 * loaded again, and it is recognised when and only when nobody touched it.
 */
#include "tests/kernel/tables.h"

#define OTHER "fedcba9876543210fedcba9876543210"

START_TEST(makes_tables_that_it_recognises)
{
	make_tables();
	ck_assert(tables_are_intact());
}
END_TEST

/* What the kernel has, as nft reads it, is what nft makes of the texts of the same rules. */
START_TEST(loads_what_its_texts_say)
{
	_cleanup_(freep) char *inet = NULL, *bridge = NULL;
	struct resource tables[] = {skeleton(INET), skeleton(BRIDGE)};
	FILE *script = fopen("/run/told", "we");

	inet = kind_tell(&kind_skeleton, NULL, &tables[0]);
	bridge = kind_tell(&kind_skeleton, NULL, &tables[1]);
	fprintf(script, "%s%s", inet, bridge);
	fclose(script);
	make_tables();
	shell("nft list ruleset > /run/made; unshare --net sh -ec "
	      "'. /run/told; nft list ruleset > /run/heard'; diff /run/made /run/heard >&2");
	shell("jq='del(.. | .handle?)'; nft -j list ruleset | jq -S \"$jq\" > /run/made; "
	      "unshare --net sh -ec '. /run/told; nft -j list ruleset' | jq -S \"$jq\" > "
	      "/run/heard; diff /run/made /run/heard >&2");
	free(tables[0].text);
	free(tables[1].text);
}
END_TEST

START_TEST(lists_so_that_nft_can_load_it_again)
{
	make_tables();
	shell("nft list ruleset > /run/listing; nft flush ruleset; nft -f /run/listing; "
	      "nft list ruleset | diff /run/listing - >&2");
	ck_assert(tables_are_intact());
}
END_TEST

static const char *const damages[] = {
        "nft flush chain inet netd nd_guard",
        "nft flush chain bridge netd nd_v6",
        "nft flush table inet netd",
        "nft add rule inet netd nd_forward counter",
        "nft insert rule inet netd nd_published accept",
        "nft add rule inet netd nd_forward accept comment '\"netd 00000000\"'",
        "nft delete rule inet netd nd_published handle $(nft -a list chain inet netd "
        "nd_published | awk '/ct status/{print $NF}')",
        "nft replace rule inet netd nd_published handle $(nft -a list chain inet netd "
        "nd_published | awk '/drop/{print $NF}') accept",
        "nft chain inet netd nd_forward '{ policy drop; }'",
        "nft add chain inet netd nd_more",
        "nft add chain inet netd nd_more '{ type filter hook forward priority 5; }'",
        "nft add set inet netd nd_more '{ type ifname; }'",
        "nft add table inet netd '{ flags dormant; }'",
        "nft delete table bridge netd",
        "nft flush ruleset",
};

START_TEST(notices_every_damage_and_replaces_the_table)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(*damages); i++) {
		make_tables();
		ck_assert(tables_are_intact());
		shell("%s", damages[i]);
		ck_assert_msg(!tables_are_intact(), "unnoticed: %s", damages[i]);
	}
	make_tables();
	ck_assert(tables_are_intact());
}
END_TEST

START_TEST(knows_whose_a_table_is)
{
	struct resources list;
	char instance[33] = "";

	ck_assert_int_eq(nft_table_instance(kernel->nft, INET, instance, &err), 0);
	ck_assert_str_eq(instance, "");
	strcpy(kernel->instance, OTHER);
	make_tables();
	ck_assert_int_eq(nft_table_instance(kernel->nft, INET, instance, &err), 0);
	ck_assert_str_eq(instance, OTHER);
	strcpy(kernel->instance, KIND_INSTANCE);
	list = observe(&kind_skeleton, SCOPE_INSTANCE);
	ck_assert_int_eq(list.count, 0);
	resources_done(&list);
	list = observe(&kind_skeleton, SCOPE_ALL);
	ck_assert_int_eq(list.count, 2);
	resources_done(&list);
}
END_TEST

START_TEST(takes_a_table_without_a_mark_for_a_damaged_one)
{
	_cleanup_(resources_done) struct resources list = {0};

	shell("nft add table inet netd; nft add set inet netd nd_bridges '{ type ipv4_addr; "
	      "elements = { 10.0.0.1 }; }'");
	list = observe(&kind_skeleton, SCOPE_INSTANCE);
	ck_assert_int_eq(list.count, 1);
	ck_assert(!tables_are_intact());
	resources_done(&list);
	list = observe(&kind_element, SCOPE_INSTANCE);
	ck_assert_int_eq(list.count, 0);
	make_tables();
	ck_assert(tables_are_intact());
}
END_TEST

START_TEST(removes_tables_that_are_there_and_that_are_not)
{
	struct resource inet = skeleton(INET);
	_cleanup_(freep) char *told = kind_tell(&kind_skeleton, &inet, NULL);

	make_tables();
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(queue(&kind_skeleton, &inet, NULL), 0);
		must_commit();
		ck_assert_str_eq(shell_line("nft list tables"), "table bridge netd");
	}
	ck_assert_str_eq(told, "nft delete table inet netd\n");
	free(inet.text);
}
END_TEST

START_TEST(an_abandoned_batch_leaves_nothing)
{
	struct resource inet = skeleton(INET);

	ck_assert_int_eq(queue(&kind_skeleton, NULL, &inet), 0);
	nft_abandon(kernel->nft);
	must_commit();
	ck_assert_str_eq(shell_line("nft list ruleset"), "");
	free(inet.text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {makes_tables_that_it_recognises, loads_what_its_texts_say,
	        lists_so_that_nft_can_load_it_again, notices_every_damage_and_replaces_the_table,
	        knows_whose_a_table_is, takes_a_table_without_a_mark_for_a_damaged_one,
	        removes_tables_that_are_there_and_that_are_not, an_abandoned_batch_leaves_nothing,
	        NULL};

	host_enter();
	return run_tests("nft", setup, teardown, tests);
}
