/*
 * Links, their ends, addresses and routes, through the pipeline: what one message makes, what a
 * refusal says and marks, and that nothing of anyone else's is touched.
 */
#include "daemon/kernel/link.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/rtnl.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MARK        "netd:" KIND_INSTANCE ":my-net"
#define MTU         1400
#define DEADLINE_MS 5000
#define MANY        40

static struct kernel *kernel;
static struct error err;
static const char *const namespaces[] = {"web", "api"};

static void setup(void)
{
	host_renew();
	kernel = kind_kernel();
	ck_assert(rtnl_open(&kernel->rtnl, &kernel->changes, &err) == 0);
	shell("ip netns add web");
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

/* --- resources --- */

static struct resource bridge(const char *name)
{
	struct resource resource = {.kind = RESOURCE_LINK,
	        .text = MARK,
	        .link = {.type = LINK_BRIDGE, .up = true, .mtu = MTU, .mac = {2, 0, 0, 0, 0, 1}}};

	strcpy(resource.name, name);
	return resource;
}

static struct resource veth(const char *name, const char *ifname)
{
	struct resource resource = {.kind = RESOURCE_LINK,
	        .text = MARK "/web",
	        .link = {.type = LINK_VETH,
	                .up = true,
	                .mtu = MTU,
	                .master = "netd0",
	                .peer_ns = "web",
	                .peer_mac = {2, 0, 0, 0, 0, 2}}};

	strcpy(resource.name, name);
	strcpy(resource.link.peer_name, ifname);
	return resource;
}

static struct resource end(const char *name, const char *ifname)
{
	struct resource resource = {
	        .kind = RESOURCE_END, .ns = "web", .end = {.up = true, .mtu = MTU}};

	strcpy(resource.name, name);
	strcpy(resource.end.ifname, ifname);
	if (strcmp(name, "lo") == 0)
		resource.end.mtu = 0;
	else
		memcpy(resource.end.mac, (uint8_t[]){2, 0, 0, 0, 0, 2}, MAC_SIZE);
	return resource;
}

static struct resource address(const char *ns, const char *name, const char *ifname, uint32_t ip)
{
	struct resource resource = {
	        .kind = RESOURCE_ADDRESS, .address = {.cidr = {.ip = ip4(ip), .prefix = 24}}};

	strcpy(resource.ns, ns);
	strcpy(resource.name, name);
	strcpy(resource.address.ifname, ifname);
	return resource;
}

#define BRIDGE_IP 0x0a000001
#define WEB_IP    0x0a000002

static struct resource default_route(uint32_t gateway)
{
	struct resource resource = {.kind = RESOURCE_ROUTE,
	        .ns = "web",
	        .name = "nv1",
	        .route = {
	                .destination = {.ip = ip4(0)}, .gateway = ip4(gateway), .ifname = "eth0"}};

	return resource;
}

#define CONNECTED 9 /* steps of a connected namespace */

/* The route that the kernel makes for an address. */
static struct resource subnet_route(const struct resource *address)
{
	struct resource resource = {.kind = RESOURCE_ROUTE,
	        .route = {.destination = {.ip = ip4(BRIDGE_IP - 1), .prefix = 24},
	                .source = address->address.cidr.ip}};

	strcpy(resource.ns, address->ns);
	strcpy(resource.name, address->name);
	strcpy(resource.route.ifname, address->address.ifname);
	return resource;
}

/* All that connecting a namespace takes. */
static void connected(struct resource list[CONNECTED])
{
	list[0] = bridge("netd0");
	list[1] = veth("nv1", "eth0");
	list[2] = end("lo", "lo");
	list[3] = end("nv1", "eth0");
	list[4] = address("", "netd0", "netd0", BRIDGE_IP);
	list[5] = address("web", "nv1", "eth0", WEB_IP);
	list[6] = subnet_route(&list[4]);
	list[7] = subnet_route(&list[5]);
	list[8] = default_route(BRIDGE_IP);
}

static const struct kind *kind_of(const struct step *step)
{
	switch ((step->new ? step->new : step->old)->kind) {
	case RESOURCE_END:
		return &kind_end;
	case RESOURCE_ADDRESS:
		return &kind_address;
	case RESOURCE_ROUTE:
		return &kind_route;
	default:
		return &kind_link;
	}
}

/* Queues all steps, then sends. */
static int apply(struct step *steps, size_t count)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = kind_of(&steps[i])->apply(kernel, &steps[i], &err);
	return r < 0 ? r : rtnl_flush(kernel->rtnl, &err);
}

static void must_apply(const struct resource *old, const struct resource *new)
{
	struct step step = {.old = old, .new = new};

	ck_assert_msg(apply(&step, 1) == 0, "%s", err.text);
	ck_assert(step.done && !step.failed);
}

static int try(const struct resource *old, const struct resource *new)
{
	struct step step = {.old = old, .new = new};

	return apply(&step, 1);
}

static void connect_web(void)
{
	struct resource list[CONNECTED];
	struct step steps[CONNECTED];

	connected(list);
	for (int i = 0; i < CONNECTED; i++)
		steps[i] = (struct step){.new = &list[i]};
	ck_assert_msg(apply(steps, CONNECTED) == 0, "%s", err.text);
	for (int i = 0; i < CONNECTED; i++)
		ck_assert(steps[i].done);
	rtnl_forget(kernel->rtnl, NULL);
}

static struct resources observe(const struct kind *kind)
{
	struct resources list = {0};
	int r = kind_observe(kind, kernel, SCOPE_INSTANCE, namespaces, 2, &list, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	rtnl_forget(kernel->rtnl, NULL);
	return list;
}

static const struct resource *find(const struct resources *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
			return &list->items[i];
	ck_abort_msg("%s was not observed", name);
}

/* --- tests --- */

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
	                   ".linkinfo.info_data.stp_state, .linkinfo.info_data.forward_delay]'"),
	        "[\"02:00:00:00:00:01\",1400,0,0]");
}
END_TEST

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

START_TEST(deleting_a_group_spares_a_foreign_link_in_it)
{
	struct resource pairs[MANY];
	struct step steps[MANY], *members[MANY];

	retire_many(pairs, steps, members);
	shell("ip link add foreign0 type bridge && ip link set foreign0 group %u"
	      " && ip link set dev nv5 alias mine",
	        link_condemned_group() | 1);
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

/* --- told commands --- */

/* What of the kernel's state does not depend on chance or on time. */
static char *snapshot(void)
{
	static const char command[] =
	        "for n in '' '-n web'; do ip $n -d -j link | jq -S 'map(del(.ifindex, .link_index, "
	        ".operstate, .linkinfo.info_slave_data) | .flags -= [\"NO-CARRIER\", \"LOWER_UP\", "
	        "\"M-DOWN\"] | "
	        "if .ifalias and .linkinfo.info_kind == \"veth\" then del(.address) else . end | "
	        "if .linkinfo.info_data then .linkinfo.info_data |= with_entries(select(.key | "
	        "test(\"timer|root_|topology\") | not)) else . end)';"
	        " ip $n -j -4 addr | jq -S 'map([.ifname, .addr_info])';"
	        " ip $n -j -4 route show table all type unicast |"
	        " jq -S 'map(.flags -= [\"linkdown\", \"dead\"])'; done";
	FILE *pipe = popen(command, "re");
	char *text = NULL;
	size_t capacity = 0;

	ck_assert_ptr_nonnull(pipe);
	ck_assert(getdelim(&text, &capacity, '\0', pipe) > 0);
	pclose(pipe);
	return text;
}

START_TEST(told_commands_make_the_same)
{
	struct resource list[CONNECTED], pair, retired, renamed, route;
	struct resource last_route = default_route(BRIDGE_IP + 8),
	                second = address("", "netd0", "netd0", BRIDGE_IP + 3);
	struct step steps[CONNECTED + 5];
	char *told = NULL, *ours, *theirs;
	size_t size, count = CONNECTED;
	FILE *out = open_memstream(&told, &size);

	connected(list);
	for (size_t i = 0; i < CONNECTED; i++)
		steps[i] = (struct step){.new = &list[i]};
	pair = list[1];
	route = list[8];
	steps[count++] = (struct step){.old = &route, .new = &last_route};
	steps[count++] = (struct step){.new = &second};
	steps[count++] = (struct step){.old = &list[4]};
	retired = pair;
	retired.link.retired = true;
	renamed = list[3];
	strcpy(renamed.end.ifname, "nv1");
	renamed.end.up = false;
	steps[count++] = (struct step){.old = &pair, .new = &retired};
	steps[count++] = (struct step){.old = &list[3], .new = &renamed};
	for (size_t i = 0; i < count; i++) {
		ck_assert_msg(apply(&steps[i], 1) == 0, "%s", err.text);
		kind_of(&steps[i])->tell(&steps[i], out);
	}
	fclose(out);
	rtnl_forget(kernel->rtnl, NULL);
	ours = snapshot();
	host_renew();
	shell("ip netns add web");
	shell("set -e; %s", told);
	theirs = snapshot();
	if (strcmp(ours, theirs) != 0)
		fprintf(stderr, "# told:\n%s# ours:\n%s# theirs:\n%s", told, ours, theirs);
	ck_assert(strcmp(ours, theirs) == 0);
	free(told);
	free(ours);
	free(theirs);
}
END_TEST

START_TEST(told_names_are_safe_for_a_shell)
{
	struct resource br = bridge("a;b$(c)");
	char *told = kind_tell(&kind_link, &br, NULL);

	ck_assert_str_eq(told, "ip link del dev 'a;b$(c)'\n");
	free(told);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {a_pair_is_born_with_both_ends_in_place, observes_what_it_made,
	        a_refusal_names_the_object_and_the_kernels_reason,
	        a_failure_in_a_row_marks_its_own_step, a_failure_found_on_the_way_is_the_cause,
	        a_long_row_is_sent_in_pieces, a_retired_link_is_harmless_and_can_be_taken_back,
	        many_links_go_by_few_messages, deleting_a_group_spares_a_foreign_link_in_it,
	        deleting_what_is_gone_or_foreign_is_success,
	        a_foreign_link_of_the_name_is_left_alone, an_end_is_renamed_while_it_is_up,
	        a_refused_rename_leaves_the_end_up, finds_a_route_that_was_changed_and_replaces_it,
	        a_subnets_route_is_made_where_the_kernels_own_is_gone,
	        a_subnets_route_leaves_anothers_alone, ipv6_addresses_are_usable_at_once,
	        a_namespace_made_again_is_another_one,
	        a_namespace_can_go_when_the_work_in_it_is_done,
	        a_pair_that_ends_elsewhere_is_seen_so, a_look_at_the_host_enters_no_namespace,
	        marks_of_others_are_not_ours, told_commands_make_the_same,
	        told_names_are_safe_for_a_shell, NULL};

	host_enter();
	return run_tests("rtnl", setup, teardown, tests);
}
