/*
 * The pipeline: what a refusal says and marks, wherever in a row it is, and that a namespace is
 * held for no longer than the work in it.
 */
#include "tests/kernel/connected.h"

#include <errno.h>
#include <time.h>

#define DEADLINE_MS 5000

START_TEST(a_refusal_names_the_object_and_the_kernels_reason)
{
	struct resource br = bridge("netd0"), pair = veth("nv1", "eth0"), tiny = br;
	struct step step = {.new = &pair}, change = {.old = &br, .new = &tiny};

	must_apply(NULL, &br);
	pair.link.mtu = 10;
	ck_assert_int_eq(apply(&step, 1), -EINVAL);
	ck_assert_str_eq(err.text, "add veth nv1 to bridge netd0, eth0 in web: Invalid argument");
	ck_assert(step.failed && !step.done);
	tiny.link.mtu = 10;
	ck_assert_int_eq(apply(&change, 1), -EINVAL);
	ck_assert_str_eq(
	        err.text, "change bridge netd0: Invalid argument (mtu less than device minimum)");
	strcpy(pair.link.peer_ns, "gone");
	ck_assert_int_eq(apply(&step, 1), -ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "/run/netns/gone: No such file or directory"));
	pair = veth("nv1", "eth0");
	strcpy(pair.link.master, "netd9");
	ck_assert_int_eq(apply(&step, 1), -ENODEV);
	ck_assert_ptr_nonnull(strstr(err.text, "interface netd9: No such device"));
}
END_TEST

START_TEST(a_failure_in_a_row_marks_its_own_step)
{
	struct resource one = bridge("br1"), two = bridge("br2");
	struct step steps[] = {{.new = &one}, {.new = &one}, {.new = &two}};

	ck_assert_int_eq(apply(steps, 3), -EEXIST);
	ck_assert_str_eq(err.text, "add bridge br1: File exists");
	ck_assert(steps[0].done && !steps[0].failed);
	ck_assert(!steps[1].done && steps[1].failed);
	ck_assert(steps[2].done && !steps[2].failed);
}
END_TEST

START_TEST(a_failure_found_on_the_way_is_the_cause)
{
	struct resource br = bridge("netd0"), pair = veth("nv1", "eth0"),
	                inner = end("nv1", "eth0");
	struct step steps[] = {{.new = &pair}, {.new = &inner}};

	must_apply(NULL, &br);
	shell("ip link add nv1 type bridge");
	ck_assert_int_eq(apply(steps, 2), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, "add veth nv1"));
	ck_assert(steps[0].failed && !steps[1].done);
	ck_assert_int_eq(rtnl_flush(kernel->rtnl, &err), 0);
}
END_TEST

START_TEST(a_long_row_is_sent_in_pieces)
{
	enum { ROW = 200 };
	struct resource br = bridge("netd0"), list[ROW];
	struct step steps[ROW];

	must_apply(NULL, &br);
	for (unsigned i = 0; i < ROW; i++) {
		list[i] = address("", "netd0", "netd0", BRIDGE_IP + i);
		steps[i] = (struct step){.new = &list[i]};
	}
	list[100] = list[0];
	ck_assert_int_eq(apply(steps, ROW), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.text, "add address 10.0.0.1/24 on netd0: File exists"));
	for (unsigned i = 0; i < ROW; i++)
		ck_assert(steps[i].done == (i != 100) && steps[i].failed == (i == 100));
	ck_assert_str_eq(shell_line("ip -o -4 addr show dev netd0 | wc -l"), "199");
}
END_TEST

START_TEST(a_namespace_made_again_is_another_one)
{
	struct resource lo = end("lo", "lo"), down = lo;

	down.end.up = false;
	must_apply(&down, &lo);
	shell("ip netns del web && ip netns add web");
	must_apply(&down, &lo);
	ck_assert_str_eq(shell_line("ip -n web -o link show lo | grep -c ',UP'"), "1");
}
END_TEST

/* Whether the shell command succeeds before the deadline. */
static bool soon(const char *command)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	for (int waited = 0; waited < DEADLINE_MS; waited += 10) {
		if (system(command) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

START_TEST(a_namespace_can_go_when_the_work_in_it_is_done)
{
	connect_web();
	shell("ip netns del web");
	ck_assert(soon("! ip link show nv1 >/dev/null 2>&1"));
}
END_TEST

int main(void)
{
	return CONNECTED_RUN("rtnl", a_refusal_names_the_object_and_the_kernels_reason,
	        a_failure_in_a_row_marks_its_own_step, a_failure_found_on_the_way_is_the_cause,
	        a_long_row_is_sent_in_pieces, a_namespace_made_again_is_another_one,
	        a_namespace_can_go_when_the_work_in_it_is_done);
}
