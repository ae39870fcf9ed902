/*
 * What netd wants to know of the host: prefixes in use, its links, its default route, its resolver,
 * and whose marks it bears.
 */
#include "daemon/kernel/look.h"
#include "daemon/kernel/nft.h"
#include "daemon/kernel/netns_record.h"
#include "daemon/kernel/rtnl.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <stdlib.h>
#include <string.h>

#define OTHER "ffffffffffffffffffffffffffffffff"

static struct kernel *kernel;
static struct error err;

static void setup(void)
{
	host_renew();
	shell("mount -t tmpfs etc /etc");
	kernel = kind_kernel();
	ck_assert(rtnl_open(&kernel->rtnl, &kernel->changes, &err) == 0);
	ck_assert(nft_open(&kernel->nft, false, &err) == 0);
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

static bool has_prefix(const struct look_prefix *list, unsigned count, const char *text,
        const char *ifname, bool route)
{
	char cidr[CIDR_TEXT_SIZE];

	for (unsigned i = 0; i < count; i++)
		if (strcmp(cidr_format(&list[i].cidr, cidr), text) == 0 &&
		        strcmp(list[i].ifname, ifname) == 0 && list[i].route == route)
			return true;
	return false;
}

START_TEST(lists_addresses_and_routes_but_no_default_like_ones)
{
	struct look_prefix *list;
	unsigned count;

	shell("ip link add up0 up type bridge; ip addr add 192.0.2.1/24 dev up0"
	      "; ip addr add 198.51.100.1 peer 198.51.100.9/32 dev up0"
	      "; ip route add default via 192.0.2.2; ip route add 0.0.0.0/1 via 192.0.2.2"
	      "; ip route add 10.1.0.0/16 via 192.0.2.3; ip route add unreachable 10.2.0.0/16"
	      "; ip route add 10.3.0.0/16 nexthop via 192.0.2.4 nexthop via 192.0.2.5"
	      "; ip route add 10.4.0.0/16 via 192.0.2.6 table 100; ip -6 addr add fd00::1/64 dev "
	      "up0"
	      "; ip -6 addr add fe80::1/64 dev up0; ip -6 route add fd00:1::/48 via fd00::2"
	      "; ip -6 route add default via fd00::2; ip -6 route add 2000::/3 via fd00::2"
	      "; ip -6 route add unreachable fd00:2::/48");
	ck_assert_msg(look_prefixes(kernel, &list, &count, &err) == 0, "%s", err.text);
	ck_assert(has_prefix(list, count, "127.0.0.1/8", "lo", false));
	ck_assert(has_prefix(list, count, "192.0.2.1/24", "up0", false));
	ck_assert(has_prefix(list, count, "198.51.100.9/32", "up0", false));
	ck_assert(has_prefix(list, count, "192.0.2.0/24", "up0", true));
	ck_assert(has_prefix(list, count, "198.51.100.9/32", "up0", true));
	ck_assert(has_prefix(list, count, "10.1.0.0/16", "up0", true));
	ck_assert(has_prefix(list, count, "10.3.0.0/16", "up0", true));
	ck_assert(has_prefix(list, count, "::1/128", "lo", false));
	ck_assert(has_prefix(list, count, "fd00::1/64", "up0", false));
	ck_assert(has_prefix(list, count, "fd00::/64", "up0", true));
	ck_assert(has_prefix(list, count, "fd00:1::/48", "up0", true));
	ck_assert_uint_eq(count, 11);
	free(list);
}
END_TEST

START_TEST(takes_the_mtu_of_the_way_out)
{
	uint32_t mtu = 0;

	ck_assert_int_eq(look_default_mtu(kernel, &mtu, &err), 0);
	ck_assert_uint_eq(mtu, 0);
	ck_assert(!look_default_route(kernel, "", AF_INET));
	shell("for i in 0 1 2; do ip link add up$i mtu 140$i up type bridge"
	      "; ip addr add 192.0.$i.1/24 dev up$i; ip -6 addr add fd0$i::1/64 dev up$i nodad; "
	      "done"
	      "; ip -6 route add default via fd00::2 dev up0");
	ck_assert_int_eq(look_default_mtu(kernel, &mtu, &err), 0);
	ck_assert_uint_eq(mtu, 1400);
	ck_assert(!look_default_route(kernel, "", AF_INET));
	ck_assert(look_default_route(kernel, "", AF_INET6));
	shell("ip route add default via 192.0.1.2 metric 20; ip route add default via 192.0.2.2 "
	      "metric 10");
	ck_assert_int_eq(look_default_mtu(kernel, &mtu, &err), 0);
	ck_assert_uint_eq(mtu, 1400); /* IPv6's is less */
	shell("ip -6 route del default; ip link set up1 mtu 1300");
	ck_assert_int_eq(look_default_mtu(kernel, &mtu, &err), 0);
	ck_assert_uint_eq(mtu, 1402);
	shell("ip route replace default via 192.0.2.2 metric 10 mtu 1350");
	ck_assert_int_eq(look_default_mtu(kernel, &mtu, &err), 0);
	ck_assert_uint_eq(mtu, 1350);
	shell("ip route add 128.0.0.0/1 via 192.0.1.2"); /* as a VPN does */
	ck_assert_int_eq(look_default_mtu(kernel, &mtu, &err), 0);
	ck_assert_uint_eq(mtu, 1300);
	ck_assert(look_default_route(kernel, "", AF_INET));
}
END_TEST

START_TEST(lists_links_of_the_host_and_of_a_namespace)
{
	struct look_link *list;
	unsigned count;

	shell("ip netns add web; ip link add br0 type bridge; ip link add br1 type bridge"
	      "; ip link set br0 alias netd:" OTHER ":my-net"
	      "; ip link add nv1 master br1 type veth peer name eth0 netns web");
	ck_assert_int_eq(look_links(kernel, "", &list, &count, &err), 0);
	ck_assert_uint_eq(count, 4);
	ck_assert(list[0].loopback && strcmp(list[0].name, "lo") == 0);
	ck_assert(list[1].ours && !list[1].bridge_port);
	ck_assert(!list[2].ours && !list[2].bridge_port);
	ck_assert(list[3].bridge_port && list[3].peer_index == 2);
	free(list);
	ck_assert_int_eq(look_links(kernel, "web", &list, &count, &err), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(list[1].name, "eth0");
	free(list);
	ck_assert_int_lt(look_links(kernel, "none", &list, &count, &err), 0);
}
END_TEST

static bool knows_nv1(const char *link, void *arg)
{
	(void)arg;
	return strcmp(link, "nv1") == 0;
}

/* Until the mark that someone took away is back. What has an index of netd's and a name of nobody
 * is not netd's, nor is what has only the name. */
START_TEST(a_link_without_its_mark_is_still_its_own)
{
	struct look_interface seen;
	struct look_link bridge;
	unsigned foreign;

	kernel->knows = knows_nv1;
	shell("ip link add br0 type bridge"
	      "; ip link add nv1 index 1073741825 master br0 type veth peer name a"
	      "; ip link add nv2 index 1073741826 master br0 type veth peer name b");
	ck_assert_int_eq(look_link(kernel, "br0", &bridge, &err), 1);
	ck_assert_int_eq(look_foreign_ports(kernel, bridge.index, &foreign, &err), 0);
	ck_assert_uint_eq(foreign, 1);
	ck_assert(look_link_ours(kernel, "nv1", SCOPE_INSTANCE));
	ck_assert(!look_link_ours(kernel, "nv2", SCOPE_ALL));
	ck_assert_int_eq(look_interface(kernel, "nv1", &(struct ip){0}, &seen, &err), 0);
	ck_assert(seen.ours);
	free(seen.belongings);
	shell("ip link del nv1; ip link add nv1 type veth peer name a");
	ck_assert(!look_link_ours(kernel, "nv1", SCOPE_ALL));
}
END_TEST

START_TEST(finds_the_marks_of_another_instance)
{
	struct netns_record record = {.name = "web", .instance = OTHER, .cookie = 1};
	char other[33];

	shell("ip link add br0 type bridge; ip link set br0 alias netd:" KIND_INSTANCE ":my-net");
	ck_assert_int_eq(look_other_instance(kernel, other, &err), 0);
	ck_assert_str_eq(other, "");
	ck_assert_int_eq(look_boot_id(record.boot_id, &err), 0);
	ck_assert_str_eq(record.boot_id, shell_line("cat /proc/sys/kernel/random/boot_id"));
	ck_assert_int_eq(netns_record_write(kernel->runtime_dir, &record, &err), 0);
	ck_assert_int_eq(look_other_instance(kernel, other, &err), 0);
	ck_assert_str_eq(other, OTHER);
	ck_assert_int_eq(netns_record_remove(kernel->runtime_dir, "web", &err), 0);
	shell("ip link set br0 alias netd:" OTHER ":my-net");
	ck_assert_int_eq(look_other_instance(kernel, other, &err), 0);
	ck_assert_str_eq(other, OTHER);
	shell("ip link del br0; nft 'table inet netd { comment \"netd:" OTHER "\"; }'");
	ck_assert_int_eq(look_other_instance(kernel, other, &err), 0);
	ck_assert_str_eq(other, OTHER);
	ck_assert_uint_eq(kernel->changes, 0);
}
END_TEST

static unsigned resolver(bool *loopback, struct ip upstreams[6])
{
	unsigned count = 9;
	int r = look_resolver(loopback, upstreams, 3, &count, &err);

	ck_assert_msg(r == 0, "%s", err.text);
	return count;
}

START_TEST(finds_the_servers_behind_a_local_resolver)
{
	char text[IP_TEXT_SIZE];
	struct ip upstreams[6];
	bool loopback;

	shell("echo 'nameserver 192.0.2.53' >/etc/resolv.conf");
	ck_assert_uint_eq(resolver(&loopback, upstreams), 1);
	ck_assert(!loopback);

	shell("printf '# stub\\nnameserver 127.0.0.53\\noptions edns0\\n' >/etc/resolv.conf");
	ck_assert_uint_eq(resolver(&loopback, upstreams), 0);
	ck_assert(loopback);
	shell("mkdir -p /run/systemd/resolve; printf 'nameserver 192.0.2.1\\nnameserver "
	      "fe80::1%%eth0\\n"
	      "nameserver 2001:db8::1\\nnameserver 192.0.2.1\\nnameserver 192.0.2.2\\nnameserver "
	      "192.0.2.3\\n'"
	      " >/run/systemd/resolve/resolv.conf");
	ck_assert_uint_eq(resolver(&loopback, upstreams), 4);
	ck_assert(loopback);
	ck_assert_str_eq(ip_format(&upstreams[0], text), "192.0.2.1");
	ck_assert_str_eq(ip_format(&upstreams[1], text), "2001:db8::1");
	ck_assert_str_eq(ip_format(&upstreams[2], text), "192.0.2.2");
	ck_assert_str_eq(ip_format(&upstreams[3], text), "192.0.2.3");
	shell("printf 'nameserver 192.0.2.4\\nnameserver 2001:db8::2\\n'"
	      " >>/run/systemd/resolve/resolv.conf");
	ck_assert_uint_eq(resolver(&loopback, upstreams), 5);
	ck_assert_str_eq(ip_format(&upstreams[4], text), "2001:db8::2");

	/* dnsmasq in front, and a server of the provider's behind it in the same file */
	shell("printf 'nameserver 127.0.0.1\\nnameserver 192.0.2.9\\n' >/etc/resolv.conf");
	ck_assert_uint_eq(resolver(&loopback, upstreams), 1);
	ck_assert(loopback);
	ck_assert_str_eq(ip_format(&upstreams[0], text), "192.0.2.9");

	shell("rm /etc/resolv.conf /run/systemd/resolve/resolv.conf");
	ck_assert_uint_eq(resolver(&loopback, upstreams), 0);
	ck_assert(loopback);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {lists_addresses_and_routes_but_no_default_like_ones,
	        takes_the_mtu_of_the_way_out, lists_links_of_the_host_and_of_a_namespace,
	        a_link_without_its_mark_is_still_its_own, finds_the_marks_of_another_instance,
	        finds_the_servers_behind_a_local_resolver, NULL};

	host_enter();
	return run_tests("look-host", setup, teardown, tests);
}
