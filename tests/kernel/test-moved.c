/*
 * Interfaces of the host in a namespace: whatever the kernel refuses, and whatever a tenant does to
 * one, it comes back as it was.
 */
#include "daemon/kernel/belongings.h"
#include "tests/kernel/connected.h"

#include <errno.h>

#define INSIDE 0x02000000 /* the index there */

static struct belongings belongings;
static char before[2048];

/* Link, addresses and routes, as one line. */
static const char *state(const char *ifname)
{
	return shell_line(
	        "(ip -j link show dev %1$s; ip -j addr show dev %1$s; ip -j route show "
	        "dev %1$s; ip -6 -j route show dev %1$s) | jq -c '.[] | "
	        "[.ifindex,.ifname,.master,.flags,.mtu,.ifalias,.altnames,.dst,.gateway,"
	        ".metric,.protocol,(.addr_info // [] | map([.local,.prefixlen,.label]))]' "
	        "| tr '\\n' ' '",
	        ifname);
}

/* A port of a bridge that has addresses and a route, and is down at its other end: nothing about it
 * changes by itself. */
static void setup_lan(void)
{
	setup();
	shell("ip link add br7 type bridge; ip link add lan type veth peer name far; "
	      "ip link set lan alias plug mtu 1400 master br7 up; "
	      "ip addr add 198.51.100.1/24 dev lan; ip addr add 2001:db8::1/64 dev lan nodad; "
	      "ip route add 203.0.113.0/24 via 198.51.100.2 metric 50; "
	      /* Listed before the one that it needs. */
	      "ip route add 203.0.113.128/25 dev lan; ip route add 192.0.2.0/24 via 203.0.113.129");
	ck_assert_int_eq(belongings_read(kernel->rtnl, "lan", NULL, &belongings, &err), 0);
	snprintf(before, sizeof(before), "%s", state("lan"));
	ck_assert_ptr_nonnull(strstr(before, "203.0.113.0"));
}

static void teardown_lan(void)
{
	free(belongings.text);
	teardown();
}

static struct resource lan_as(const char *inside)
{
	struct resource moved = {.kind = RESOURCE_MOVED,
	        .name = "lan",
	        .text = belongings.text,
	        .moved = {.ns = "web", .index = INSIDE}};

	strcpy(moved.moved.inside, inside);
	return moved;
}

static int move_in(const struct resource *moved)
{
	return kind_apply(&kind_moved, kernel, NULL, moved, &err);
}

static void must_come_back(const struct resource *moved)
{
	ck_assert_msg(kind_apply(&kind_moved, kernel, moved, NULL, &err) == 0, "%s", err.text);
	ck_assert_str_eq(shell_line("ls %s", kernel->runtime_dir), "");
}

static void must_be_as_before(void)
{
	ck_assert_str_eq(state("lan"), before);
	ck_assert_str_eq(shell_line("ip -n web -o link | wc -l"), "1");
	ck_assert_str_eq(shell_line("ls %s", kernel->runtime_dir), "");
}

START_TEST(there_and_back)
{
	struct resource moved = lan_as("lan0");

	ck_assert_int_eq(move_in(&moved), 0);
	ck_assert_str_eq(shell_line("ip -n web -j link show lan0 | jq -c '.[0] | [.ifindex, "
	                            "(.flags | index(\"UP\") != null)]'"),
	        "[33554432,true]");
	must_come_back(&moved);
	must_be_as_before();
}
END_TEST

/* What the rules could not know of. The kernel moves first, and refuses the name then. */
START_TEST(a_refused_name_is_a_refused_move)
{
	static const char *const names[] = {"taken", "default"};

	shell("ip -n web link add x type bridge; ip -n web link property add dev x altname taken");
	for (size_t i = 0; i < 2; i++) {
		struct resource moved = lan_as(names[i]);

		ck_assert_int_lt(move_in(&moved), 0);
		ck_assert_str_eq(state("lan"), before);
		ck_assert_str_eq(shell_line("ip -n web -o link | wc -l"), "2");
		ck_assert_str_eq(shell_line("ls %s", kernel->runtime_dir), "");
	}
}
END_TEST

START_TEST(a_refused_move_changes_nothing)
{
	struct resource moved = lan_as("lan");

	shell("ip -n web link add lan type bridge; ip monitor all dev lan > /run/seen & echo $! > "
	      "/run/pid; sleep 0.2");
	ck_assert_int_eq(move_in(&moved), -EEXIST);
	shell("kill $(cat /run/pid)");
	ck_assert_str_eq(shell_line("cat /run/seen"), "");
	shell("ip -n web link del lan");
	must_be_as_before();
	strcpy(moved.moved.ns, "nowhere");
	ck_assert_int_lt(move_in(&moved), 0);
	must_be_as_before();
}
END_TEST

START_TEST(who_takes_it_out_takes_its_inner_name_along)
{
	struct resource moved = lan_as("lan0");
	struct resources seen = {0};

	ck_assert_int_eq(move_in(&moved), 0);
	shell("ip -n web link set lan0 netns $$; ip link set lan0 up");
	ck_assert_int_eq(
	        kind_observe(&kind_moved, kernel, SCOPE_INSTANCE, NULL, 0, &seen, &err), 0);
	ck_assert(seen.count == 1 && seen.items[0].moved.gone);
	/* netd wants it where it was ... */
	ck_assert_int_eq(kind_apply(&kind_moved, kernel, &seen.items[0], &moved, &err), 0);
	ck_assert_str_eq(shell_line("ip -n web -o link show lan0 | grep -c ',UP'"), "1");
	resources_done(&seen);
	/* ... or gives it back what it had. */
	shell("ip -n web link set lan0 netns $$; ip link set lan0 up");
	must_come_back(&moved);
	ck_assert_str_eq(shell_line("ip -j addr show lan | jq -c '.[0] | [.master, "
	                            "(.addr_info | map(.local))]'"),
	        "[\"br7\",[\"198.51.100.1\",\"2001:db8::1\"]]");
}
END_TEST

START_TEST(other_names_from_inside_do_not_keep_it_there)
{
	struct resource moved = lan_as("lan");

	ck_assert_int_eq(move_in(&moved), 0);
	shell("for name in br7 far its-own; do ip -n web link property add dev lan altname $name; "
	      "done");
	must_come_back(&moved);
	ck_assert_str_eq(shell_line("ip -j link show lan | jq -c '.[0] | [.ifname, .altnames]'"),
	        "[\"lan\",[\"its-own\"]]");
}
END_TEST

START_TEST(another_one_has_its_name_or_its_index)
{
	static const char *const inside[] = {"lan", "lan0"};

	for (size_t i = 0; i < 2; i++) {
		struct resource moved = lan_as(inside[i]);

		ck_assert_int_eq(move_in(&moved), 0);
		shell("ip link add lan index %d type bridge", belongings_index(belongings.text));
		must_come_back(&moved);
		ck_assert_str_eq(shell_line("ip -j addr | jq -c '.[] | select(.ifname | startswith("
		                            "\"lan_\")) | [.master, (.addr_info | map(.local))]'"),
		        "[\"br7\",[\"198.51.100.1\",\"2001:db8::1\"]]");
		shell("ip link del lan; cd /sys/class/net; ip link set lan_* down; "
		      "ip link set lan_* name lan; ip link set lan up");
	}
}
END_TEST

/* Killed between the directory and the record. */
START_TEST(a_record_that_was_not_written_goes)
{
	struct resources seen = {0};

	shell("mkdir -p %s/moved/lan", kernel->runtime_dir);
	ck_assert_int_eq(
	        kind_observe(&kind_moved, kernel, SCOPE_INSTANCE, NULL, 0, &seen, &err), 0);
	ck_assert(seen.count == 1 && seen.items[0].moved.gone);
	must_come_back(&seen.items[0]);
	must_be_as_before();
	resources_done(&seen);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {there_and_back, a_refused_name_is_a_refused_move,
	        a_refused_move_changes_nothing, who_takes_it_out_takes_its_inner_name_along,
	        other_names_from_inside_do_not_keep_it_there, another_one_has_its_name_or_its_index,
	        a_record_that_was_not_written_goes, NULL};

	host_enter();
	return run_tests("moved", setup_lan, teardown_lan, tests);
}
