/*
 * Links and their ends: what one message makes, how they are retired and go, and that nothing of
 * anyone else's is touched.
 */
#include "daemon/kernel/link.h"
#include "tests/kernel/connected.h"

#include <errno.h>

#define MANY 40

START_TEST(a_pair_is_born_with_both_ends_in_place)
{
	struct resource br = bridge("netd0"), pair = veth("nv1", "eth0");
	unsigned long before;

	must_apply(NULL, &br);
	before = kernel->changes;
	must_apply(NULL, &pair);
	ck_assert_uint_eq(kernel->changes - before, 2); /* the other one is for the mark */
	ck_assert_str_eq(
	        shell_line("ip -d -j link show nv1 | jq -c '.[0] | [.master, .mtu, .ifalias, "
	                   ".num_tx_queues, .num_rx_queues, (.flags | index(\"UP\") != null)]'"),
	        "[\"netd0\",1400,\"" MARK "/web\",1,1,true]");
	ck_assert_str_eq(
	        shell_line("ip -n web -d -j link show eth0 | jq -c '.[0] | [.address, .mtu, "
	                   ".num_tx_queues, .num_rx_queues, (.flags | index(\"UP\") != null)]'"),
	        "[\"02:00:00:00:00:02\",1400,1,1,false]");
	ck_assert_str_eq(
	        shell_line("ip -d -j link show netd0 | jq -c '.[0] | [.address, .mtu, "
	                   ".linkinfo.info_data.stp_state, .linkinfo.info_data.forward_delay, "
	                   ".linkinfo.info_data.group_fwd_mask]'"),
	        "[\"02:00:00:00:00:01\",1400,0,0,\"0x4000\"]");
}
END_TEST

START_TEST(a_retired_link_is_harmless_and_can_be_taken_back)
{
	struct resource pair = veth("nv1", "eth0"), retired = pair;
	struct resources seen;
	char before[256];

	connect_web();
	retired.link.retired = true;
	retired.link.up = false;
	retired.link.master[0] = '\0';
	snprintf(before, sizeof(before), "%s",
	        shell_line(
	                "ip -j link show nv1 | jq -c '.[0] | [.master, .group, .mtu, .ifalias]'"));
	must_apply(&pair, &retired);
	ck_assert_str_eq(shell_line("ip -j link show nv1 | jq -c '.[0] | [.master, (.flags | "
	                            "index(\"UP\")), (.group | tonumber == %u)]'",
	                         link_condemned_group()),
	        "[null,null,true]");
	seen = observe(&kind_link);
	ck_assert(find(&seen, "nv1")->link.retired);
	ck_assert(resource_equal(find(&seen, "nv1"), &retired));
	resources_done(&seen);
	/* An earlier run's group is another number. */
	shell("ip link set dev nv1 group 77");
	seen = observe(&kind_link);
	ck_assert(find(&seen, "nv1")->link.retired);
	must_apply(find(&seen, "nv1"), &pair);
	resources_done(&seen);
	ck_assert_str_eq(
	        shell_line(
	                "ip -j link show nv1 | jq -c '.[0] | [.master, .group, .mtu, .ifalias]'"),
	        before);
	seen = observe(&kind_link);
	ck_assert(resource_equal(find(&seen, "nv1"), &pair));
	resources_done(&seen);
}
END_TEST

/* MANY pairs, retired. */
static void retire_many(
        struct resource pairs[MANY], struct step steps[MANY], struct step *members[MANY])
{
	struct resource br = bridge("netd0");
	char ifname[IFNAMSIZ], name[IFNAMSIZ];

	must_apply(NULL, &br);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "nv%d", i);
		snprintf(ifname, sizeof(ifname), "eth%d", i);
		pairs[i] = veth(name, ifname);
		pairs[i].link.retired = true;
		must_apply(NULL, &pairs[i]);
		steps[i] = (struct step){.old = &pairs[i]};
		members[i] = &steps[i];
	}
}

START_TEST(many_links_go_by_few_messages)
{
	struct resource pairs[MANY];
	struct step steps[MANY], *members[MANY];
	unsigned long before;

	retire_many(pairs, steps, members);
	shell("ip link add foreign0 type bridge && ip link set foreign0 group %u && ip link del "
	      "nv3",
	        link_condemned_group());
	before = kernel->changes;
	ck_assert_msg(link_delete_many(kernel, members, MANY, &err) == 0, "%s", err.text);
	/* Each is put into the block's group, then two blocks go. */
	ck_assert_uint_eq(kernel->changes - before, MANY - 1 + 2);
	for (int i = 0; i < MANY; i++)
		ck_assert(steps[i].done && !steps[i].failed);
	ck_assert_str_eq(shell_line("ip -o link | grep -c nv"), "0");
	shell("ip link show foreign0 >/dev/null");
}
END_TEST

START_TEST(deleting_a_group_spares_foreign_links)
{
	struct resource pairs[MANY];
	struct step steps[MANY], *members[MANY];

	retire_many(pairs, steps, members);
	shell("ip link add foreign0 type bridge && ip link set foreign0 group %u"
	      " && ip link set dev nv5 alias mine",
	        link_condemned_group());
	ck_assert_msg(link_delete_many(kernel, members, MANY, &err) == 0, "%s", err.text);
	for (int i = 0; i < MANY; i++)
		ck_assert(steps[i].done);
	ck_assert_str_eq(shell_line("ip -o link | grep -o 'nv[0-9]*' | tr '\\n' ' '"), "nv5 ");
	shell("ip link show foreign0 >/dev/null");
}
END_TEST

START_TEST(deleting_what_is_gone_or_foreign_is_success)
{
	struct resource br = bridge("netd0"), gone = bridge("netd1");
	struct resource there = address("", "netd1", "netd1", BRIDGE_IP), other = there;

	must_apply(&gone, NULL);
	must_apply(&there, NULL);
	shell("ip link add netd0 type bridge");
	must_apply(&br, NULL);
	shell("ip link show netd0 >/dev/null");
	shell("ip addr add 10.0.0.1/24 dev netd0");
	strcpy(other.name, "netd0");
	strcpy(other.address.ifname, "netd0");
	must_apply(&other, NULL);
	ck_assert_str_eq(shell_line("ip -br -4 addr show dev netd0 | grep -c 10.0.0.1"), "1");
	strcpy(other.ns, "gone");
	must_apply(&other, NULL);
	ck_assert_uint_eq(kernel->changes, 0);
}
END_TEST

START_TEST(a_foreign_link_of_the_name_is_left_alone)
{
	struct resource br = bridge("netd0"), down = br, retired = br;
	struct resource there = address("", "netd0", "netd0", BRIDGE_IP);

	shell("ip link add netd0 up type bridge");
	ck_assert_int_eq(try(NULL, &br), -EEXIST);
	down.link.up = false;
	ck_assert_int_lt(try(&br, &down), 0);
	ck_assert_ptr_nonnull(strstr(err.text, "is not the one that netd made"));
	retired.link.retired = true;
	must_apply(&br, &retired); /* it went already */
	ck_assert_int_lt(try(NULL, &there), 0);
	ck_assert_str_eq(shell_line("ip -o link show dev netd0 | grep -c ',UP'"), "1");
	ck_assert_str_eq(
	        shell_line("ip -br -4 addr show dev netd0 | grep -c 10.0.0.1 || true"), "0");
}
END_TEST

START_TEST(an_end_is_renamed_while_it_is_up)
{
	struct resource moved = end("nv1", "eth0"), eth0 = end("nv1", "eth0");
	struct resources seen;

	connect_web();
	shell("ip -n web link set dev eth0 down && ip -n web link set dev eth0 name lan0 mtu 1300"
	      " address 02:00:00:00:00:99 up");
	seen = observe(&kind_end);
	moved = *find(&seen, "nv1");
	ck_assert_str_eq(moved.end.ifname, "lan0");
	must_apply(&moved, &eth0);
	resources_done(&seen);
	seen = observe(&kind_end);
	ck_assert(resource_equal(find(&seen, "nv1"), &eth0));
	resources_done(&seen);
	/* and out of the way again, as a link that is retired is */
	moved = eth0;
	strcpy(moved.end.ifname, "nv1");
	moved.end.up = false;
	must_apply(&eth0, &moved);
	ck_assert_str_eq(shell_line("ip -n web -o link show nv1 | grep -c UP"), "0");
	must_apply(&moved, &eth0);
	ck_assert_str_eq(shell_line("ip -n web -o link show eth0 | grep -c ',UP'"), "1");
}
END_TEST

START_TEST(a_refused_rename_leaves_the_end_up)
{
	struct resource eth0 = end("nv1", "eth0"), moved = end("nv1", "eth1");
	struct step step = {.old = &eth0, .new = &moved};

	connect_web();
	shell("ip -n web link add eth1 type bridge");
	ck_assert_int_eq(apply(&step, 1), -EEXIST);
	ck_assert_str_eq(shell_line("ip -n web -o link show eth0 | grep -c ',UP'"), "1");
	ck_assert_str_eq(
	        shell_line("ip -n web route show default"), "default via 10.0.0.1 dev eth0 ");
}
END_TEST

/* --- pairs with both ends in namespaces --- */

#define LONE_MARK "netd:" KIND_INSTANCE ":nv9/web/api"

static struct resource lone(void)
{
	return (struct resource){.kind = RESOURCE_LINK,
	        .ns = "web",
	        .name = "nv9",
	        .text = LONE_MARK,
	        .link = {.type = LINK_VETH,
	                .ifname = "wan",
	                .mtu = MTU,
	                .mac = {2, 0, 0, 0, 0, 8},
	                .peer_ns = "api",
	                .peer_name = "eth7",
	                .peer_mac = {2, 0, 0, 0, 0, 9}}};
}

static struct resource lone_end(const char *ns, const char *ifname, uint8_t last)
{
	struct resource resource = {.kind = RESOURCE_END,
	        .name = "nv9",
	        .text = LONE_MARK,
	        .end = {.alone = true, .up = true, .mtu = MTU, .mac = {2, 0, 0, 0, 0, last}}};

	strcpy(resource.ns, ns);
	strcpy(resource.end.ifname, ifname);
	return resource;
}

static void make_lone(void)
{
	struct resource pair = lone(), first = lone_end("web", "wan", 8),
	                second = lone_end("api", "eth7", 9);

	shell("ip netns add api");
	must_apply(NULL, &pair);
	must_apply(NULL, &first);
	must_apply(NULL, &second);
}

static const struct resource *end_in(const struct resources *list, const char *ns)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].ns, ns) == 0 && strcmp(list->items[i].name, "nv9") == 0)
			return &list->items[i];
	ck_abort_msg("no end in %s", ns);
}

START_TEST(a_pair_between_namespaces_is_born_marked)
{
	struct resource pair = lone(), first = lone_end("web", "wan", 8),
	                second = lone_end("api", "eth7", 9);
	struct resources seen;

	shell("ip netns add api");
	must_apply(NULL, &pair);
	ck_assert_str_eq(
	        shell_line("ip -n web -d -j link show wan | jq -c '.[0] | [.address, .mtu, "
	                   ".ifalias, .num_tx_queues, .num_rx_queues, (.flags | "
	                   "index(\"UP\") != null)]'"),
	        "[\"02:00:00:00:00:08\",1400,\"" LONE_MARK "\",1,1,false]");
	/* Before the other end has its mark it is known by this one. */
	seen = observe(&kind_link);
	ck_assert(resource_equal(find(&seen, "nv9"), &pair));
	resources_done(&seen);
	seen = observe(&kind_end);
	ck_assert_str_eq(end_in(&seen, "api")->text, "");
	resources_done(&seen);
	must_apply(NULL, &first);
	must_apply(NULL, &second);
	seen = observe(&kind_end);
	ck_assert(resource_equal(end_in(&seen, "web"), &first));
	ck_assert(resource_equal(end_in(&seen, "api"), &second));
	resources_done(&seen);
	ck_assert_str_eq(shell_line("ip -o link | grep -c nv9 || true"), "0");
}
END_TEST

START_TEST(a_mark_that_was_taken_off_is_put_back)
{
	struct resource first = lone_end("web", "wan", 8);
	struct resources seen;

	make_lone();
	shell("ip -n web link set dev wan alias ''");
	seen = observe(&kind_end);
	ck_assert(!resource_equal(end_in(&seen, "web"), &first));
	must_apply(end_in(&seen, "web"), &first);
	resources_done(&seen);
	ck_assert_str_eq(
	        shell_line("ip -n web -j link show wan | jq -r '.[0].ifalias'"), LONE_MARK);
}
END_TEST

START_TEST(ends_that_do_not_belong_together_are_a_broken_pair)
{
	struct resource pair = lone();
	struct resources seen;

	make_lone();
	shell("ip netns add else; ip -n web link set dev wan netns else");
	seen = observe(&kind_link);
	ck_assert(find(&seen, "nv9")->link.broken);
	ck_assert(!resource_equal(find(&seen, "nv9"), &pair));
	must_apply(find(&seen, "nv9"), NULL);
	resources_done(&seen);
	ck_assert_str_eq(shell_line("ip -n else -o link show type veth | wc -l"), "0");
}
END_TEST

START_TEST(a_copy_of_a_mark_makes_no_pair)
{
	struct resource pair = lone();
	struct resources seen;

	make_lone();
	shell("ip -n web link add fake type veth peer name fake2 netns api;"
	      " ip -n web link set dev fake alias " LONE_MARK);
	shell("ip -n api link set dev fake2 name fake3");
	seen = observe(&kind_link);
	ck_assert(resource_equal(find(&seen, "nv9"), &pair));
	resources_done(&seen);
}
END_TEST

START_TEST(a_pair_between_namespaces_goes_by_either_end)
{
	struct resource pair = lone(), retired = lone_end("web", "nv9", 8);
	struct resource first = lone_end("web", "wan", 8);
	struct resources seen;

	make_lone();
	retired.end.up = false;
	must_apply(&first, &retired);
	ck_assert_str_eq(shell_line("ip -n web -o link show nv9 | grep -c ',UP' || true"), "0");
	must_apply(&retired, &first);
	shell("ip -n api link set dev eth7 down");
	must_apply(&first, &retired);
	shell("ip -n api link set dev eth7 name nv9");
	seen = observe(&kind_link);
	ck_assert(find(&seen, "nv9")->link.retired);
	resources_done(&seen);
	must_apply(&pair, NULL);
	ck_assert_str_eq(shell_line("ip -n api -o link show type veth | wc -l"), "0");
	must_apply(&pair, NULL); /* what is gone is gone */
	shell("ip netns del api; ip netns del web");
	must_apply(&pair, NULL);
}
END_TEST

START_TEST(a_tenants_interface_of_the_name_is_not_retired)
{
	struct resource first = lone_end("web", "wan", 8), retired = lone_end("web", "nv9", 8);

	make_lone();
	shell("ip -n web link del wan; ip -n web link add wan up type bridge");
	retired.end.up = false;
	retired.text = NULL;
	must_apply(&first, &retired);
	ck_assert_str_eq(shell_line("ip -n web -o link show wan | grep -c ',UP'"), "1");
}
END_TEST

int main(void)
{
	return CONNECTED_RUN("link", a_pair_is_born_with_both_ends_in_place,
	        a_retired_link_is_harmless_and_can_be_taken_back, many_links_go_by_few_messages,
	        deleting_a_group_spares_foreign_links, deleting_what_is_gone_or_foreign_is_success,
	        a_foreign_link_of_the_name_is_left_alone, an_end_is_renamed_while_it_is_up,
	        a_refused_rename_leaves_the_end_up, a_pair_between_namespaces_is_born_marked,
	        a_mark_that_was_taken_off_is_put_back,
	        ends_that_do_not_belong_together_are_a_broken_pair, a_copy_of_a_mark_makes_no_pair,
	        a_pair_between_namespaces_goes_by_either_end,
	        a_tenants_interface_of_the_name_is_not_retired);
}
