/*
 * What is seen of links, ends, addresses and routes: what is netd's, and where a pair ends now.
 */
#include "tests/kernel/connected.h"

START_TEST(observes_what_it_made)
{
	struct resource list[CONNECTED];
	const struct kind *const kinds[] = {&kind_link, &kind_end, &kind_address, &kind_route};
	size_t found = 0;

	connected(list);
	connect_web();
	shell("ip link add dummy0 alias 'netd:someone' type bridge && ip -n web link add eth9 type "
	      "bridge"
	      " && ip -n web link set eth9 up && ip -n web addr add 10.9.0.1/24 dev eth9"
	      " && ip -n web route add 10.10.0.0/24 via 10.9.0.2");
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct resources seen = observe(kinds[k]);

		for (size_t i = 0; i < seen.count; i++, found++) {
			size_t j = 0;

			while (j < CONNECTED && resource_compare(&seen.items[i], &list[j]) != 0)
				j++;
			ck_assert_msg(j < CONNECTED, "%s was not made", seen.items[i].name);
			ck_assert_msg(resource_equal(&seen.items[i], &list[j]), "%s differs",
			        seen.items[i].name);
		}
		resources_done(&seen);
	}
	ck_assert_uint_eq(found, CONNECTED);
}
END_TEST

START_TEST(a_pair_that_ends_elsewhere_is_seen_so)
{
	struct resources seen;

	connect_web();
	shell("ip netns add other && ip -n web link set dev eth0 netns other");
	seen = observe(&kind_link);
	ck_assert_str_eq(find(&seen, "nv1")->link.peer_ns, "");
	resources_done(&seen);
	shell("ip netns add api && ip -n other link set dev eth0 netns api");
	seen = observe(&kind_link);
	ck_assert_str_eq(find(&seen, "nv1")->link.peer_ns, "api");
	ck_assert_str_eq(find(&seen, "nv1")->link.peer_name, "eth0");
	resources_done(&seen);
	/* Two names for one namespace: the mark says which is meant. */
	shell("ln -s /run/netns/api /run/netns/api2; ip -n api link set dev eth0 netns web"
	      "; ip netns del api; rm /run/netns/api2; ln -s /run/netns/web /run/netns/api");
	seen = observe(&kind_link);
	ck_assert_str_eq(find(&seen, "nv1")->link.peer_ns, "web");
	resources_done(&seen);
}
END_TEST

START_TEST(a_look_at_the_host_enters_no_namespace)
{
	const struct kernel_look look = {SCOPE_INSTANCE,
	        KERNEL_LOOK(RESOURCE_LINK) | KERNEL_LOOK(RESOURCE_END) |
	                KERNEL_LOOK(RESOURCE_ADDRESS) | KERNEL_LOOK(RESOURCE_ROUTE),
	        NULL, 0};
	struct resources seen = {0};

	connect_web();
	ck_assert_msg(kernel_observe(kernel, &look, &seen, &err) == 0, "%s", err.text);
	for (size_t i = 0; i < seen.count; i++)
		ck_assert_str_eq(seen.items[i].ns, "");
	ck_assert_int_eq(find(&seen, "netd0")->kind, RESOURCE_LINK);
	ck_assert_str_eq(find(&seen, "nv1")->link.master, "netd0");
	ck_assert_str_eq(find(&seen, "nv1")->link.peer_ns, "");
	ck_assert_str_eq(find(&seen, "nv1")->link.peer_name, "");
	resources_done(&seen);
}
END_TEST

START_TEST(marks_of_others_are_not_ours)
{
	struct resource br = bridge("netd0");
	struct resources seen = {0};
	int r;

	br.text = "netd:ffffffffffffffffffffffffffffffff:my-net";
	must_apply(NULL, &br);
	shell("ip link add br1 alias netd:0123 type bridge");
	r = kind_observe(&kind_link, kernel, SCOPE_INSTANCE, NULL, 0, &seen, &err);
	ck_assert(r == 0 && seen.count == 0);
	r = kind_observe(&kind_link, kernel, SCOPE_ALL, NULL, 0, &seen, &err);
	ck_assert(r == 0 && seen.count == 1);
	ck_assert_str_eq(seen.items[0].text, br.text);
	resources_done(&seen);
}
END_TEST

int main(void)
{
	return CONNECTED_RUN("observation", observes_what_it_made,
	        a_pair_that_ends_elsewhere_is_seen_so, a_look_at_the_host_enters_no_namespace,
	        marks_of_others_are_not_ours);
}
