/*
 * The floor's work, in the kernel's own terms. It is written as plainly as possible, with every
 * failure fatal, since it is a measure and no program: only what the kernel is asked to do counts,
 * and that must be what netd asks. Whoever changes what netd sends changes it here, too (`strace -e
 * trace=network` on both).
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "bench/floor.h"

#include "bench/elements.h"
#include "bench/fatal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define NETNS_DIR "/run/netns"
#define ALIAS     "floor:0123456789abcdef0123456789abcdef:network/namespace"
#define GROUP     0x666c6f6f

static void need(bool condition, const char *what)
{
	if (!condition)
		fatal("%s: %s", what, strerror(errno));
}

static void sysctl(const char *family, const char *ifname, const char *key)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, ifname, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	need(fd >= 0 && write(fd, "1", 1) == 1, path);
	close(fd);
}

/* --- links --- */

static struct nlmsghdr *add_link(
        struct floor *floor, uint16_t type, uint16_t flags, int index, bool *up)
{
	const struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
	        .ifi_index = index,
	        .ifi_flags = up && *up ? IFF_UP : 0,
	        .ifi_change = up ? IFF_UP : 0};

	return messages_add(
	        &floor->messages, type, (uint16_t)(flags | NLM_F_ACK), &header, sizeof(header));
}

static void set_alias(struct floor *floor, int index)
{
	struct nlmsghdr *message = add_link(floor, RTM_SETLINK, 0, index, NULL);

	mnl_attr_put_strz(message, IFLA_IFALIAS, ALIAS);
	messages_end(&floor->messages, message);
}

static void add_address(struct floor *floor, int index, uint32_t ip, uint8_t prefix)
{
	const struct ifaddrmsg header = {
	        .ifa_family = AF_INET, .ifa_prefixlen = prefix, .ifa_index = (uint32_t)index};
	struct nlmsghdr *message = messages_add(&floor->messages, RTM_NEWADDR,
	        NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &header, sizeof(header));

	mnl_attr_put_u32(message, IFA_LOCAL, htonl(ip));
	mnl_attr_put_u32(message, IFA_ADDRESS, htonl(ip));
	messages_end(&floor->messages, message);
}

static void change_route(
        struct floor *floor, uint16_t type, uint16_t flags, int index, uint32_t gateway)
{
	const struct rtmsg header = {.rtm_family = AF_INET,
	        .rtm_table = RT_TABLE_MAIN,
	        .rtm_protocol = RTPROT_STATIC,
	        .rtm_scope = RT_SCOPE_UNIVERSE,
	        .rtm_type = RTN_UNICAST};
	struct nlmsghdr *message = messages_add(
	        &floor->messages, type, (uint16_t)(flags | NLM_F_ACK), &header, sizeof(header));

	mnl_attr_put_u32(message, RTA_GATEWAY, htonl(gateway));
	mnl_attr_put_u32(message, RTA_OIF, (uint32_t)index);
	messages_end(&floor->messages, message);
}

static int bridge_index(unsigned network)
{
	return 0x10000000 + (int)network;
}

static int veth_index(unsigned ns)
{
	return 0x11000000 + (int)ns;
}

static uint32_t gateway_of(unsigned network)
{
	return 0xac100001 + (network << 12); /* 172.16.0.0/12, a /20 for each */
}

static void put_queues(struct nlmsghdr *message)
{
	mnl_attr_put_u32(message, IFLA_NUM_TX_QUEUES, 1);
	mnl_attr_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
}

/* --- networks --- */

static void add_bridge(struct floor *floor, unsigned network, const char *name)
{
	const uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(network >> 8), (uint8_t)network};
	struct nlmsghdr *message = add_link(floor, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
	        bridge_index(network), &(bool){true});
	struct nlattr *info, *data;

	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(message, IFLA_MTU, 1500);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u32(message, IFLA_BR_STP_STATE, 0);
	mnl_attr_put_u32(message, IFLA_BR_FORWARD_DELAY, 0);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	messages_end(&floor->messages, message);
}

void floor_network_create(struct floor *floor, unsigned network)
{
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "floor%u", network);
	elements_change(floor, NFT_MSG_NEWSETELEM, SET_BRIDGES, SET_MASQ, 8 * network);
	add_bridge(floor, network, name);
	set_alias(floor, bridge_index(network));
	messages_send(&floor->messages, floor->rtnl, "make a bridge");
	sysctl("ipv4", name, "forwarding");
	sysctl("ipv4", name, "route_localnet");
	sysctl("ipv6", name, "disable_ipv6");
	add_address(floor, bridge_index(network), gateway_of(network), 20);
	messages_send(&floor->messages, floor->rtnl, "address a bridge");
}

void floor_network_remove(struct floor *floor, unsigned network)
{
	elements_change(floor, NFT_MSG_DELSETELEM, SET_BRIDGES, SET_MASQ, 8 * network);
	messages_end(
	        &floor->messages, add_link(floor, RTM_DELLINK, 0, bridge_index(network), NULL));
	messages_send(&floor->messages, floor->rtnl, "delete a bridge");
}

void floor_open(struct floor *floor)
{
	*floor = (struct floor){.rtnl = messages_socket(NETLINK_ROUTE),
	        .nft = messages_socket(NETLINK_NETFILTER),
	        .conntrack = messages_socket(NETLINK_NETFILTER)};
	elements_open(floor);
	floor_network_create(floor, 0);
}

/* --- inside a namespace --- */

struct errand {
	const char *path;
	int directory; /* -1: the namespace is there already */
	int socket;    /* out: rtnetlink in there */
};

static void *go_inside(void *arg)
{
	struct errand *errand = arg;
	int fd;

	if (errand->directory >= 0) {
		need(unshare(CLONE_NEWNET) == 0, "unshare");
		fd = open(errand->path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
		need(fd >= 0 && mount("/proc/thread-self/ns/net", errand->path, "none", MS_BIND,
		                        NULL) == 0,
		        errand->path);
		sysctl("ipv6", "default", "disable_ipv6");
	} else {
		fd = open(errand->path, O_RDONLY | O_CLOEXEC);
		need(fd >= 0 && setns(fd, CLONE_NEWNET) == 0, errand->path);
	}
	close(fd);
	errand->socket = messages_socket(NETLINK_ROUTE);
	return NULL;
}

/* rtnetlink inside, from a thread that goes there and ends. */
static int inside(const char *path, bool make)
{
	struct errand errand = {.path = path, .directory = -1};
	pthread_t thread;

	if (make) {
		need(mkdir(NETNS_DIR, 0755) == 0 || errno == EEXIST, NETNS_DIR);
		errand.directory = open(NETNS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		need(errand.directory >= 0 && flock(errand.directory, LOCK_EX) == 0, NETNS_DIR);
	}
	need(pthread_create(&thread, NULL, go_inside, &errand) == 0 &&
	                pthread_join(thread, NULL) == 0,
	        "start a thread");
	if (make)
		close(errand.directory);
	return errand.socket;
}

/* netd's ports are hairpins where bridged frames pass the firewall. */
static void set_hairpin(struct floor *floor, int index)
{
	const struct ifinfomsg header = {.ifi_family = AF_BRIDGE, .ifi_index = index};
	struct nlmsghdr *message =
	        messages_add(&floor->messages, RTM_SETLINK, NLM_F_ACK, &header, sizeof(header));
	struct nlattr *nest = mnl_attr_nest_start(message, IFLA_PROTINFO);

	mnl_attr_put_u8(message, IFLA_BRPORT_MODE, 1);
	mnl_attr_nest_end(message, nest);
	messages_end(&floor->messages, message);
}

static bool bridge_netfilter(void)
{
	FILE *file = fopen("/proc/sys/net/bridge/bridge-nf-call-iptables", "re");
	bool on = file && fgetc(file) == '1';

	if (file)
		fclose(file);
	return on;
}

static int index_inside(int fd, const char *ifname)
{
	struct ifreq request = {0};

	snprintf(request.ifr_name, IFNAMSIZ, "%s", ifname);
	need(ioctl(fd, SIOCGIFINDEX, &request) == 0, ifname);
	return request.ifr_ifindex;
}

/* --- endpoints --- */

static void add_pair(struct floor *floor, unsigned ns, int ns_fd)
{
	const uint8_t mac[6] = {2, 1, 0, 0, (uint8_t)(ns >> 8), (uint8_t)ns};
	const struct ifinfomsg peer = {.ifi_family = AF_UNSPEC};
	struct nlmsghdr *message = add_link(
	        floor, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, veth_index(ns), &(bool){true});
	struct nlattr *info, *data, *nest;
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "fl%u", ns);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_MTU, 1500);
	mnl_attr_put_u32(message, IFLA_MASTER, (uint32_t)bridge_index(0));
	put_queues(message);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	nest = mnl_attr_nest_start(message, VETH_INFO_PEER);
	memcpy(mnl_nlmsg_put_extra_header(message, sizeof(peer)), &peer, sizeof(peer));
	mnl_attr_put_strz(message, IFLA_IFNAME, "eth0");
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(message, IFLA_MTU, 1500);
	put_queues(message);
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)ns_fd);
	mnl_attr_nest_end(message, nest);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	messages_end(&floor->messages, message);
}

static void set_up_inside(struct floor *floor, unsigned ns, int fd)
{
	int eth0 = index_inside(fd, "eth0");
	const int ends[] = {1, eth0}; /* `lo` is always the first */

	for (unsigned i = 0; i < 2; i++)
		messages_end(
		        &floor->messages, add_link(floor, RTM_SETLINK, 0, ends[i], &(bool){true}));
	add_address(floor, eth0, gateway_of(0) + 1 + ns, 20);
	change_route(floor, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, eth0, gateway_of(0));
	messages_send(&floor->messages, fd, "set up a namespace");
}

static void path_of(unsigned ns, char path[64])
{
	snprintf(path, 64, NETNS_DIR "/floor%u", ns);
}

void floor_connect(struct floor *floor, unsigned ns)
{
	char path[64], name[IFNAMSIZ];
	int fd, ns_fd;

	path_of(ns, path);
	snprintf(name, sizeof(name), "fl%u", ns);
	elements_change(floor, NFT_MSG_NEWSETELEM, SET_PORTS, SET_IP4, ns);
	fd = inside(path, true);
	ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	need(ns_fd >= 0, path);
	add_pair(floor, ns, ns_fd);
	set_alias(floor, veth_index(ns));
	if (bridge_netfilter())
		set_hairpin(floor, veth_index(ns));
	messages_send(&floor->messages, floor->rtnl, "make a pair");
	close(ns_fd);
	sysctl("ipv6", name, "disable_ipv6");
	set_up_inside(floor, ns, fd);
	close(fd);
}

/* What conntrack has of this address, as netd asks for it: only where there is anything at all. */
static void end_flows(struct floor *floor, uint32_t ip)
{
	const struct nfgenmsg header = {.nfgen_family = AF_INET, .version = NFNETLINK_V0};
	FILE *file = fopen("/proc/sys/net/netfilter/nf_conntrack_count", "re");
	struct nlattr *nest, *inner;
	struct nlmsghdr *message;
	unsigned count = 0;

	if (file && fscanf(file, "%u", &count) != 1)
		count = 0;
	if (file)
		fclose(file);
	if (count == 0)
		return;
	message = messages_add(&floor->messages, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
	        NLM_F_DUMP, &header, sizeof(header));
	nest = mnl_attr_nest_start(message, CTA_TUPLE_REPLY);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put_u32(message, CTA_IP_V4_SRC, htonl(ip));
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
	nest = mnl_attr_nest_start(message, CTA_FILTER);
	mnl_attr_put_u32(message, CTA_FILTER_REPLY_FLAGS, 1);
	mnl_attr_nest_end(message, nest);
	messages_end(&floor->messages, message);
	messages_dump(&floor->messages, floor->conntrack, "list flows");
}

static void retire_outside(struct floor *floor, unsigned ns)
{
	struct nlmsghdr *message = add_link(floor, RTM_SETLINK, 0, veth_index(ns), &(bool){false});

	mnl_attr_put_u32(message, IFLA_GROUP, GROUP);
	mnl_attr_put_u32(message, IFLA_MASTER, 0);
	messages_end(&floor->messages, message);
	messages_send(&floor->messages, floor->rtnl, "retire a pair");
}

static void retire_inside(struct floor *floor, unsigned ns, int fd)
{
	int eth0 = index_inside(fd, "eth0");
	const struct ifaddrmsg header = {
	        .ifa_family = AF_INET, .ifa_prefixlen = 20, .ifa_index = (uint32_t)eth0};
	struct nlmsghdr *message;
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "fl%u", ns);
	change_route(floor, RTM_DELROUTE, 0, eth0, gateway_of(0));
	message = messages_add(&floor->messages, RTM_DELADDR, NLM_F_ACK, &header, sizeof(header));
	mnl_attr_put_u32(message, IFA_LOCAL, htonl(gateway_of(0) + 1 + ns));
	messages_end(&floor->messages, message);
	messages_end(&floor->messages, add_link(floor, RTM_SETLINK, 0, eth0, &(bool){false}));
	message = add_link(floor, RTM_SETLINK, 0, eth0, NULL);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	messages_end(&floor->messages, message);
	messages_send(&floor->messages, fd, "retire an end");
}

void floor_disconnect(struct floor *floor, unsigned ns)
{
	char path[64];
	int fd;

	path_of(ns, path);
	fd = inside(path, false);
	retire_inside(floor, ns, fd);
	retire_outside(floor, ns);
	close(fd);
	elements_change(floor, NFT_MSG_DELSETELEM, SET_PORTS, SET_IP4, ns);
	end_flows(floor, gateway_of(0) + 1 + ns);
}

void floor_delete_link(struct floor *floor, unsigned ns)
{
	messages_end(&floor->messages, add_link(floor, RTM_DELLINK, 0, veth_index(ns), NULL));
	messages_send(&floor->messages, floor->rtnl, "delete a pair");
}

void floor_remove_namespace(unsigned ns)
{
	char path[64];

	path_of(ns, path);
	need(umount2(path, MNT_DETACH) == 0 && unlink(path) == 0, path);
}

/* --- publications --- */

int floor_publish(struct floor *floor, unsigned port)
{
	const struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0,
	        "hold a port");
	elements_change(floor, NFT_MSG_NEWSETELEM, SET_ANY4, SET_ANY4, port);
	return fd;
}

void floor_unpublish(struct floor *floor, unsigned port, int held)
{
	elements_change(floor, NFT_MSG_DELSETELEM, SET_ANY4, SET_ANY4, port);
	close(held);
	end_flows(floor, gateway_of(0) + 1);
}
