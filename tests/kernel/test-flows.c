/*
 * Conntrack entries end exactly where they are meant: real packets through a real translation, from
 * an outside neighbour `out` (192.0.2.2) to a namespace `web` (10.1.0.2) and to the host itself
 * (192.0.2.1, 10.1.0.1).
 */
#include "daemon/kernel/flows.h"
#include "daemon/kernel/inside.h"
#include "tests/lib/host.h"
#include "tests/lib/kind.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct kernel *kernel;
static struct error err;

static void end(const char *ns, const char *outer, const char *host_ip, const char *ip)
{
	shell("ip netns add %s && ip link add %s type veth peer name eth0 netns %s", ns, outer, ns);
	shell("ip addr add %s/24 dev %s && ip link set %s up && ip -n %s addr add %s/24 dev eth0 "
	      "&& "
	      "ip -n %s link set eth0 up && ip -n %s route add default via %s",
	        host_ip, outer, outer, ns, ip, ns, ns, host_ip);
}

static void setup(void)
{
	host_renew();
	kernel = kind_kernel();
	end("out", "vout", "192.0.2.1", "192.0.2.2");
	end("web", "vweb", "10.1.0.1", "10.1.0.2");
	shell("echo 1 >/proc/sys/net/ipv4/ip_forward; nft 'table ip t { chain c { type nat hook "
	      "prerouting priority dstnat; ip daddr 192.0.2.1 tcp dport 8080 dnat to 10.1.0.2:80; "
	      "ip "
	      "daddr 192.0.2.1 udp dport { 8080, 8081 } dnat to 10.1.0.2 : udp dport map { 8080 : "
	      "80, 8081 : 81 }; }; }'");
}

static void teardown(void)
{
	kernel = kind_kernel_free(kernel);
}

static int open_inside(const char *ns, int type)
{
	int fd;

	ck_assert_int_eq(netns_socket(ns, AF_INET, type, 0, &fd, &err), 0);
	return fd;
}

static struct sockaddr_in to_address(const char *ip, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	ck_assert_int_eq(inet_pton(AF_INET, ip, &address.sin_addr), 1);
	return address;
}

static void datagram(const char *ns, const char *ip, uint16_t port)
{
	struct sockaddr_in address = to_address(ip, port);
	int fd = open_inside(ns, SOCK_DGRAM);

	ck_assert_int_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address), 1);
	close(fd);
}

/* Entries that `conntrack -L` finds with these options. */
static int tracked(const char *options)
{
	return atoi(shell_line("conntrack -L %s 2>/dev/null | wc -l", options));
}

static struct resource flows(const char *ip, uint8_t protocol, uint16_t port, bool original_local)
{
	struct resource resource = {.kind = RESOURCE_FLOWS};

	ck_assert_int_eq(parse_ip(ip, "ip", &resource.flows.ip, &err), 0);
	resource.flows.protocol = protocol;
	resource.flows.port = port;
	resource.flows.original_local = original_local;
	return resource;
}

static void purge(const struct resource *resource)
{
	int r = kind_apply(&kind_flows, kernel, resource, NULL, &err);

	ck_assert_msg(r == 0, "%s", err.text);
}

START_TEST(nothing_tracked_is_success)
{
	struct resource web = flows("10.1.0.2", 0, 0, false);

	shell("conntrack -F 2>/dev/null");
	purge(&web);
	ck_assert_int_eq(kind_apply(&kind_flows, kernel, NULL, &web, &err), 0);
}
END_TEST

START_TEST(ends_what_one_port_answers)
{
	struct resource web = flows("10.1.0.2", IPPROTO_UDP, 80, false);

	datagram("out", "192.0.2.1", 8080);
	datagram("out", "192.0.2.1", 8080);
	datagram("out", "192.0.2.1", 8081);
	datagram("out", "192.0.2.1", 5353);
	ck_assert_int_eq(tracked("-p udp --reply-src 10.1.0.2 --reply-port-src 80"), 2);
	purge(&web);
	ck_assert_int_eq(tracked("-p udp --reply-src 10.1.0.2 --reply-port-src 80"), 0);
	ck_assert_int_eq(tracked("-p udp --reply-src 10.1.0.2 --reply-port-src 81"), 1);
	ck_assert_int_eq(tracked("-p udp --orig-port-dst 5353"), 1);
}
END_TEST

START_TEST(ends_only_what_came_through_one_port)
{
	struct resource web = flows("10.1.0.2", IPPROTO_UDP, 80, false);

	datagram("out", "192.0.2.1", 8080);
	datagram("out", "10.1.0.2", 80);
	ck_assert_int_eq(tracked("-p udp --reply-src 10.1.0.2 --reply-port-src 80"), 2);
	web.flows.through = 8080;
	purge(&web);
	ck_assert_int_eq(tracked("-p udp --orig-port-dst 8080"), 0);
	ck_assert_int_eq(tracked("-p udp --orig-port-dst 80"), 1);
}
END_TEST

static void datagram_from(const char *ns, uint16_t from, const char *ip, uint16_t port)
{
	struct sockaddr_in address = to_address(ip, port),
	                   own = {.sin_family = AF_INET, .sin_port = htons(from)};
	int fd = open_inside(ns, SOCK_DGRAM);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
	ck_assert_int_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof address), 1);
	close(fd);
}

/* Of UDP a flow that the server began is no other one; and where the address goes, all go. */
START_TEST(ends_what_the_server_began_by_the_same_port)
{
	struct resource other = flows("10.1.0.2", IPPROTO_UDP, 8002, false);
	struct resource web = other, direct = flows("10.1.0.2", IPPROTO_UDP, 8002, true);
	struct resource gone = flows("10.1.0.2", 0, 0, false), members = gone;

	members.flows.original_local = true;
	datagram_from("web", 8002, "192.0.2.2", 5000);
	datagram_from("web", 8003, "192.0.2.2", 5000);
	other.flows.through = 8080;
	purge(&other);
	purge(&members);
	ck_assert_int_eq(tracked("-p udp --orig-src 10.1.0.2"), 2);
	web.flows.through = 8002;
	purge(&web);
	ck_assert_int_eq(tracked("-p udp --orig-src 10.1.0.2"), 1);
	datagram_from("web", 8002, "192.0.2.2", 5000);
	purge(&direct);
	ck_assert_int_eq(tracked("-p udp --orig-src 10.1.0.2"), 2);
	direct.flows.through = 8002;
	purge(&direct);
	ck_assert_int_eq(tracked("-p udp --orig-src 10.1.0.2"), 1);
	purge(&gone);
	ck_assert_int_eq(tracked("-p udp --orig-src 10.1.0.2"), 0);
}
END_TEST

START_TEST(ends_every_protocol_of_an_address)
{
	struct resource web = flows("10.1.0.2", 0, 0, false);
	struct sockaddr_in listening = to_address("10.1.0.2", 80);
	struct sockaddr_in published = to_address("192.0.2.1", 8080);
	int server = open_inside("web", SOCK_STREAM), client = open_inside("out", SOCK_STREAM);

	ck_assert_int_eq(bind(server, (struct sockaddr *)&listening, sizeof listening), 0);
	ck_assert_int_eq(listen(server, 1), 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&published, sizeof published), 0);
	datagram("out", "192.0.2.1", 8080);
	datagram("out", "192.0.2.1", 5353);
	ck_assert_int_eq(tracked("--reply-src 10.1.0.2"), 2);
	purge(&web);
	ck_assert_int_eq(tracked("--reply-src 10.1.0.2"), 0);
	ck_assert_int_eq(tracked(""), 1);
	close(client);
	close(server);
}
END_TEST

START_TEST(ends_untranslated_flows_to_the_hosts_own_port)
{
	struct resource any = flows("0.0.0.0", IPPROTO_UDP, 5353, true);

	datagram("out", "192.0.2.1", 5353);
	datagram("out", "10.1.0.1", 5353);
	datagram("web", "192.0.2.2", 5353); /* someone else's port of that number */
	datagram("out", "192.0.2.1", 5354);
	ck_assert_int_eq(tracked("-p udp"), 4);
	purge(&any);
	ck_assert_int_eq(tracked("-p udp"), 2);
	ck_assert_int_eq(tracked("-p udp --orig-dst 192.0.2.2 --orig-port-dst 5353"), 1);
	ck_assert_int_eq(tracked("-p udp --orig-port-dst 5354"), 1);
}
END_TEST

START_TEST(leaves_translated_flows_to_the_hosts_port)
{
	struct resource any = flows("0.0.0.0", IPPROTO_UDP, 8080, true);

	datagram("out", "192.0.2.1", 8080);
	datagram("out", "10.1.0.1", 8080);
	purge(&any);
	ck_assert_int_eq(tracked("-p udp --orig-dst 192.0.2.1"), 1);
	ck_assert_int_eq(tracked("-p udp --orig-dst 10.1.0.1"), 0);
}
END_TEST

START_TEST(ends_flows_to_one_address_of_the_host)
{
	struct resource one = flows("10.1.0.1", IPPROTO_UDP, 5353, true);

	datagram("out", "192.0.2.1", 5353);
	datagram("out", "10.1.0.1", 5353);
	purge(&one);
	ck_assert_int_eq(tracked("-p udp --orig-dst 192.0.2.1"), 1);
	ck_assert_int_eq(tracked("-p udp --orig-dst 10.1.0.1"), 0);
}
END_TEST

START_TEST(ends_entries_of_every_zone_and_family)
{
	struct resource web = flows("10.1.0.2", IPPROTO_UDP, 80, false);
	struct resource web6 = flows("2001:db8::2", IPPROTO_UDP, 80, false);

	shell("for zone in 0 5; do conntrack -I -w $zone -p udp -s 192.0.2.2 -d 10.1.0.2 --sport "
	      "1000 --dport 80 --timeout 60 2>/dev/null; done >/dev/null");
	shell("conntrack -I -p udp -s 2001:db8::1 -d 2001:db8::2 --sport 1000 --dport 80 "
	      "--timeout 60 >/dev/null 2>&1");
	ck_assert_int_eq(tracked("-f ipv4"), 2);
	purge(&web);
	ck_assert_int_eq(tracked("-f ipv4"), 0);
	ck_assert_int_eq(tracked("-f ipv6"), 1);
	purge(&web6);
	ck_assert_int_eq(tracked("-f ipv6"), 0);
}
END_TEST

START_TEST(ends_many_in_one_walk)
{
	struct resource many[40];
	const struct resource *pointers[40];
	int r;

	for (unsigned i = 0; i < 40; i++) {
		char ip[IP_TEXT_SIZE];

		snprintf(ip, sizeof ip, "10.1.0.%u", i + 100);
		many[i] = flows(ip, i % 2 ? IPPROTO_UDP : 0, i % 2 ? 80 : 0, false);
		pointers[i] = &many[i];
	}
	many[7] = flows("0.0.0.0", IPPROTO_UDP, 5353, true);
	shell("i=90; while [ $i -lt 150 ]; do conntrack -I -p udp -s 192.0.2.2 -d 10.1.0.$i "
	      "--sport 1000 --dport 80 --timeout 60; i=$((i+1)); done >/dev/null 2>&1");
	datagram("out", "192.0.2.1", 5353);
	datagram("web", "192.0.2.2", 5353);
	ck_assert_int_eq(tracked(""), 62);
	r = flows_purge(kernel, pointers, 40, &err);
	ck_assert_msg(r == 0, "%s", err.text);
	/* 10.1.0.90 to .99, .107 and .140 to .149, and the flow to someone else's port */
	ck_assert_int_eq(tracked("--orig-dst 10.1.0.107"), 1);
	ck_assert_int_eq(tracked("--orig-dst 192.0.2.2"), 1);
	ck_assert_int_eq(tracked(""), 22);
}
END_TEST

START_TEST(tells_commands_that_do_the_same)
{
	struct resource web = flows("10.1.0.2", IPPROTO_UDP, 80, false);
	struct resource any = flows("0.0.0.0", IPPROTO_UDP, 5353, true);
	char *told = kind_tell(&kind_flows, &web, NULL),
	     *told_any = kind_tell(&kind_flows, &any, NULL);

	ck_assert_str_eq(told,
	        "conntrack -D -f ipv4 --reply-src 10.1.0.2 -p udp --reply-port-src 80 "
	        "|| true\n");
	datagram("out", "192.0.2.1", 8080);
	datagram("out", "192.0.2.1", 5353);
	datagram("web", "192.0.2.2", 5353);
	shell("exec >/dev/null 2>&1; %s", told);
	ck_assert_int_eq(tracked("-p udp --reply-src 10.1.0.2"), 0);
	ck_assert_int_eq(tracked("-p udp --orig-port-dst 5353"), 2);
	shell("exec >/dev/null 2>&1; %s", told_any);
	ck_assert_int_eq(tracked("-p udp --orig-port-dst 5353"), 1);
	ck_assert_int_eq(tracked("-p udp --orig-dst 192.0.2.2"), 1);
	free(told);
	free(told_any);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {nothing_tracked_is_success, ends_what_one_port_answers,
	        ends_only_what_came_through_one_port, ends_what_the_server_began_by_the_same_port,
	        ends_every_protocol_of_an_address, ends_untranslated_flows_to_the_hosts_own_port,
	        leaves_translated_flows_to_the_hosts_port, ends_flows_to_one_address_of_the_host,
	        ends_entries_of_every_zone_and_family, ends_many_in_one_walk,
	        tells_commands_that_do_the_same, NULL};

	host_enter();
	return run_tests("flows", setup, teardown, tests);
}
