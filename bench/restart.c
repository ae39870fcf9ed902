/*
 * The floor of a start: everything of the kernel that must be seen to know that there is nothing to
 * repair, read once, by someone who does not look at it. That is the host's links, addresses and
 * netd's two tables; and of each namespace, entered once by a helper thread, its cookie, its number
 * in the host, links, addresses, routes and the sysctl that stands in no link's answer. What is
 * written nowhere but in /proc/sys is read there; forwarding and its like come with the links.
 *
 * The daemon's time is all of it: the process, its libraries, the database, until it says that it
 * is ready.
 */
#include "bench/restart.h"

#include "bench/fatal.h"
#include "daemon/plan/sets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NETWORK_SIZE 500 /* endpoints; a bridge takes 1023 */
#define FIRST_PORT   10000

static void need(bool condition, const char *what)
{
	if (!condition)
		fatal("%s: %s", what, strerror(errno));
}

/* --- the host that is started on --- */

static void connect_namespace(struct connection *connection, unsigned ns)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"network\":\"bench%u\",\"namespace\":\"n%u\"}",
	        ns / NETWORK_SIZE, ns);
	connection_send(connection, "POST", "/v1/endpoints", body);
}

static void publish(struct connection *connection, unsigned port)
{
	char body[128];

	snprintf(body, sizeof(body), "{\"host_port\":%u,\"port\":80,\"namespace\":\"n0\"}", port);
	connection_send(connection, "POST", "/v1/publications", body);
}

void restart_fill(struct bench *bench, unsigned endpoints, unsigned publications)
{
	struct connection *connection = &bench->connection;

	connection_open(connection, bench->netd.socket);
	for (unsigned i = 0; i * NETWORK_SIZE < endpoints; i++) {
		char body[128];

		snprintf(body, sizeof(body),
		        "{\"name\":\"bench%u\",\"subnets\":[{\"subnet\":\"10.99.%u.0/21\"}]}", i,
		        8 * i);
		connection_call(connection, "POST", "/v1/networks", body);
	}
	connection_close(connection);
	fill(bench, 0, endpoints, connect_namespace);
	fill(bench, FIRST_PORT, publications, publish);
}

/* --- the floor --- */

static void dump(struct messages *messages, int fd, uint16_t type, const void *header, size_t size)
{
	messages_end(messages, messages_add(messages, type, NLM_F_DUMP, header, size));
	messages_dump(messages, fd, "list");
}

static void dump_links(struct messages *messages, int fd)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct nlmsghdr *message =
	        messages_add(messages, RTM_GETLINK, NLM_F_DUMP, &header, sizeof(header));

	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	messages_end(messages, message);
	messages_dump(messages, fd, "list links");
}

static void dump_addresses(struct messages *messages, int fd)
{
	dump(messages, fd, RTM_GETADDR, &(struct ifaddrmsg){.ifa_family = AF_UNSPEC},
	        sizeof(struct ifaddrmsg));
}

static void dump_routes(struct messages *messages, int fd, uint8_t family)
{
	dump(messages, fd, RTM_GETROUTE, &(struct rtmsg){.rtm_family = family},
	        sizeof(struct rtmsg));
}

static void dump_table(struct floor *floor, uint8_t family, uint8_t type)
{
	const struct nfgenmsg header = {.nfgen_family = family, .version = NFNETLINK_V0};

	dump(&floor->messages, floor->nft, NFNL_SUBSYS_NFTABLES << 8 | type, &header,
	        sizeof(header));
}

static void dump_set(struct floor *floor, const struct set *set)
{
	const struct nfgenmsg header = {.nfgen_family = strcmp(set->table, "bridge netd") == 0
	                                                        ? NFPROTO_BRIDGE
	                                                        : NFPROTO_INET,
	        .version = NFNETLINK_V0};
	struct nlmsghdr *message =
	        messages_add(&floor->messages, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETSETELEM,
	                NLM_F_DUMP, &header, sizeof(header));

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, "netd");
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set->name);
	messages_end(&floor->messages, message);
	messages_dump(&floor->messages, floor->nft, set->name);
}

static void look_at_host(struct floor *floor)
{
	static const uint8_t families[] = {NFPROTO_INET, NFPROTO_BRIDGE};

	dump_links(&floor->messages, floor->rtnl);
	dump_addresses(&floor->messages, floor->rtnl);
	dump_routes(&floor->messages, floor->rtnl, AF_INET);
	for (unsigned i = 0; i < 2; i++) {
		dump_table(floor, families[i], NFT_MSG_GETTABLE);
		dump_table(floor, families[i], NFT_MSG_GETCHAIN);
		dump_table(floor, families[i], NFT_MSG_GETSET);
		dump_table(floor, families[i], NFT_MSG_GETRULE);
	}
	for (const struct set *set = sets; set->name; set++)
		dump_set(floor, set);
}

struct visit {
	int ns, socket;
};

static void *go_inside(void *arg)
{
	struct visit *visit = arg;
	char value[16];
	uint64_t cookie;
	socklen_t size = sizeof(cookie);
	int fd;

	need(setns(visit->ns, CLONE_NEWNET) == 0, "enter a namespace");
	visit->socket = messages_socket(NETLINK_ROUTE);
	need(getsockopt(visit->socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0, "cookie");
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_RDONLY | O_CLOEXEC);
	need(fd >= 0 && read(fd, value, sizeof(value)) > 0, "read a sysctl");
	close(fd);
	return NULL;
}

static void look_inside(struct floor *floor, unsigned ns)
{
	struct messages *messages = &floor->messages;
	struct nlmsghdr *message;
	struct visit visit;
	pthread_t thread;
	char path[64];

	snprintf(path, sizeof(path), "/run/netns/n%u", ns);
	visit.ns = open(path, O_RDONLY | O_CLOEXEC);
	need(visit.ns >= 0, path);
	message = messages_add(
	        messages, RTM_GETNSID, 0, &(struct rtgenmsg){AF_UNSPEC}, sizeof(struct rtgenmsg));
	mnl_attr_put_u32(message, NETNSA_FD, (uint32_t)visit.ns);
	messages_end(messages, message);
	messages_ask(messages, floor->rtnl, "ask for a namespace's number");
	need(pthread_create(&thread, NULL, go_inside, &visit) == 0 &&
	                pthread_join(thread, NULL) == 0,
	        "start a thread");
	dump_links(messages, visit.socket);
	dump_addresses(messages, visit.socket);
	dump_routes(messages, visit.socket, AF_INET);
	dump_routes(messages, visit.socket, AF_INET6);
	close(visit.socket);
	close(visit.ns);
}

/* --- rounds --- */

static void look(unsigned endpoints)
{
	struct floor floor = {
	        .rtnl = messages_socket(NETLINK_ROUTE), .nft = messages_socket(NETLINK_NETFILTER)};

	look_at_host(&floor);
	for (unsigned i = 0; i < endpoints; i++)
		look_inside(&floor, i);
	close(floor.rtnl);
	close(floor.nft);
}

unsigned long rounds_restart(struct bench *bench, unsigned endpoints, struct row *row)
{
	look(endpoints); /* what the kernel makes at the first question */
	for (unsigned i = 0; i < bench->rounds; i++) {
		double start = now_ms();

		look(endpoints);
		samples_add(&row->floor, start);
		samples_put(&row->netd, netd_restart(&bench->netd));
	}
	return netd_start_changes(&bench->netd);
}
