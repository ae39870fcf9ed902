/*
 * The sockets that listen, and the way from the kernel's announcements to plain values.
 *
 * Namespaces are heard through one socket in the host (NETLINK_LISTEN_ALL_NSID): a socket inside
 * each would keep it alive after its last user. The kernel tells such events apart by the number
 * that the host has for the namespace.
 *
 * Of nf_tables only other people's commits to netd's tables are told: netd's own bear the port of
 * its socket. A commit ends with a message that names the process.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/monitor.h"

#include "daemon/kernel/inside.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/lone.h"
#include "daemon/kernel/nft.h"
#include "daemon/kernel/rtnl.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/net_namespace.h>
#include <linux/netconf.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define ROOM       (4 << 20) /* bytes of a socket's queue */
#define ATTRIBUTES 80        /* types of attributes that are told apart: more than are asked for */

struct monitor {
	struct kernel *kernel;
	struct mnl_socket *sockets[MONITOR_SOURCES];
	/* The kernel lost some, and says so but once until the queue is empty. */
	bool overrun[MONITOR_SOURCES];
	bool touched; /* the commit that is being told changed a table of netd's */
};

/* One reading. */
struct reading {
	struct monitor *monitor;
	int nsid;
	monitor_each *each;
	void *arg;
};

/* --- rtnetlink --- */

static int sort_attribute(const struct nlattr *attribute, void *arg)
{
	const struct nlattr **sorted = arg;

	if (mnl_attr_get_type(attribute) < ATTRIBUTES)
		sorted[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

/* The attributes behind a header of `offset` bytes, by type. */
static bool sort(const struct nlmsghdr *header, unsigned offset,
        const struct nlattr *sorted[static ATTRIBUTES])
{
	memset(sorted, 0, ATTRIBUTES * sizeof(*sorted));
	return mnl_nlmsg_get_payload_len(header) >= offset &&
	       mnl_attr_parse(header, offset, sort_attribute, sorted) >= 0;
}

static const char *text(const struct nlattr *attribute)
{
	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0
	               ? mnl_attr_get_str(attribute)
	               : "";
}

static bool is_on(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= 1 &&
	       mnl_attr_get_u8(attribute) != 0;
}

/* A bridge tells of its ports in a family of its own. */
static bool read_port(const struct nlmsghdr *header, const struct nlattr *const *attributes,
        struct happening *ret)
{
	const struct nlattr *settings[ATTRIBUTES] = {0};

	if (header->nlmsg_type != RTM_NEWLINK || !attributes[IFLA_PROTINFO] ||
	        !attributes[IFLA_MASTER] ||
	        mnl_attr_parse_nested(attributes[IFLA_PROTINFO], sort_attribute, settings) < 0)
		return false;
	ret->kind = EVENT_PORT;
	ret->master = (int)rtnl_number(attributes[IFLA_MASTER], 0);
	ret->hairpin = is_on(settings[IFLA_BRPORT_MODE]);
	ret->isolated = is_on(settings[IFLA_BRPORT_ISOLATED]);
	snprintf(ret->name, sizeof(ret->name), "%s", text(attributes[IFLA_IFNAME]));
	return true;
}

static bool read_link(
        const struct kernel *kernel, const struct nlmsghdr *header, struct happening *ret)
{
	const struct nlattr *attributes[ATTRIBUTES];
	struct lone_mark mark;
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);

	if (!sort(header, sizeof(*link), attributes))
		return false;
	if (link->ifi_family == AF_BRIDGE)
		return read_port(header, attributes, ret);
	if (link->ifi_family != AF_UNSPEC)
		return false;
	ret->kind = EVENT_LINK;
	ret->gone = header->nlmsg_type == RTM_DELLINK;
	ret->index = link->ifi_index;
	ret->up = link->ifi_flags & IFF_UP;
	ret->loopback = link->ifi_flags & IFF_LOOPBACK;
	ret->alias = text(attributes[IFLA_IFALIAS]);
	if (lone_mark_read(ret->alias, kernel->instance, &mark))
		memcpy(ret->pair, mark.name, IFNAMSIZ);
	ret->master = (int)rtnl_number(attributes[IFLA_MASTER], 0);
	ret->mtu = rtnl_number(attributes[IFLA_MTU], 0);
	ret->group = rtnl_number(attributes[IFLA_GROUP], 0);
	ret->peer_nsid = (int)rtnl_number(attributes[IFLA_LINK_NETNSID], (uint32_t)-1);
	snprintf(ret->name, sizeof(ret->name), "%s", text(attributes[IFLA_IFNAME]));
	if (attributes[IFLA_ADDRESS] &&
	        mnl_attr_get_payload_len(attributes[IFLA_ADDRESS]) == MAC_SIZE)
		memcpy(ret->mac, mnl_attr_get_payload(attributes[IFLA_ADDRESS]), MAC_SIZE);
	return true;
}

static bool read_address(const struct nlmsghdr *header, struct happening *ret)
{
	const struct nlattr *attributes[ATTRIBUTES];
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(header);

	if (!sort(header, sizeof(*address), attributes))
		return false;
	ret->kind = EVENT_ADDRESS;
	ret->gone = header->nlmsg_type == RTM_DELADDR;
	ret->index = (int)address->ifa_index;
	ret->cidr.prefix = address->ifa_prefixlen;
	return rtnl_ip(attributes[attributes[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS],
	        address->ifa_family, &ret->cidr.ip);
}

/* False: it is neither the main one nor netd's. */
static bool read_table(const struct nlattr *attribute, uint32_t otherwise, struct happening *ret)
{
	uint32_t table = rtnl_number(attribute, otherwise);

	ret->table = table == RT_TABLE_MAIN ? 0 : table;
	return table == RT_TABLE_MAIN ||
	       (table >= ROUTE_TABLES_FIRST && table <= ROUTE_TABLES_LAST);
}

static bool read_rule(const struct nlmsghdr *header, struct happening *ret)
{
	const struct nlattr *attributes[ATTRIBUTES];
	const struct fib_rule_hdr *rule = mnl_nlmsg_get_payload(header);

	if (!sort(header, sizeof(*rule), attributes) ||
	        !read_table(attributes[FRA_TABLE], rule->table, ret) || !ret->table)
		return false;
	ret->kind = EVENT_RULE;
	ret->gone = true;
	ret->cidr.prefix = rule->src_len;
	return rtnl_ip(attributes[FRA_SRC], rule->family, &ret->cidr.ip);
}

static bool read_route(const struct nlmsghdr *header, struct happening *ret)
{
	const struct nlattr *attributes[ATTRIBUTES];
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);

	if (!sort(header, sizeof(*route), attributes) || (route->rtm_flags & RTM_F_CLONED) ||
	        !read_table(attributes[RTA_TABLE], route->rtm_table, ret))
		return false;
	ret->kind = EVENT_ROUTE;
	ret->gone = header->nlmsg_type == RTM_DELROUTE;
	ret->index = (int)rtnl_number(attributes[RTA_OIF], 0);
	ret->cidr.prefix = route->rtm_dst_len;
	ret->cidr.ip.family = route->rtm_family;
	rtnl_ip(attributes[RTA_GATEWAY], route->rtm_family, &ret->gateway);
	return route->rtm_dst_len == 0 ||
	       rtnl_ip(attributes[RTA_DST], route->rtm_family, &ret->cidr.ip);
}

static bool read_forwarding(const struct nlmsghdr *header, struct happening *ret)
{
	const struct nlattr *attributes[ATTRIBUTES];
	const struct netconfmsg *netconf = mnl_nlmsg_get_payload(header);
	bool unsaid;
	int index;

	if (!sort(header, NLMSG_ALIGN(sizeof(*netconf)), attributes) ||
	        (netconf->ncm_family != AF_INET && netconf->ncm_family != AF_INET6))
		return false;
	index = (int)rtnl_number(attributes[NETCONFA_IFINDEX], 0);
	/* In IPv6 an interface's switch says nothing beside that of the whole host; the one that
	 * does, force_forwarding, is announced without its value, and so is an interface that gets
	 * IPv6. */
	unsaid = netconf->ncm_family == AF_INET6 && index > 0;
	if (!unsaid && !attributes[NETCONFA_FORWARDING])
		return false;
	ret->kind = EVENT_FORWARDING;
	ret->gone = unsaid || rtnl_number(attributes[NETCONFA_FORWARDING], 0) == 0;
	ret->index = index > 0 ? index : 0;
	ret->cidr.ip.family = netconf->ncm_family;
	return index > 0 || index == NETCONFA_IFINDEX_ALL;
}

static int take_rtnl(const struct nlmsghdr *header, void *arg)
{
	const struct reading *reading = arg;
	struct happening happening = {.nsid = reading->nsid, .peer_nsid = -1, .alias = ""};
	bool known = false;

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		known = read_link(reading->monitor->kernel, header, &happening);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		known = read_address(header, &happening);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		known = read_route(header, &happening);
		break;
	case RTM_DELNEXTHOP:
		happening.kind = EVENT_NEXTHOP;
		happening.gone = known = true;
		break;
	case RTM_DELRULE:
		known = read_rule(header, &happening);
		break;
	case RTM_NEWNETCONF:
		known = read_forwarding(header, &happening);
		break;
	}
	if (known)
		reading->each(&happening, reading->arg);
	return MNL_CB_OK;
}

/* --- nf_tables --- */

/* Every message about something in a table has the table's name first (NFTA_*_TABLE, and
 * NFTA_TABLE_NAME, are all 1). */
static bool is_own_table(const struct nlmsghdr *header)
{
	const struct nfgenmsg *message = mnl_nlmsg_get_payload(header);
	const struct nlattr *attributes[ATTRIBUTES];

	return sort(header, sizeof(*message), attributes) &&
	       (message->nfgen_family == NFPROTO_INET || message->nfgen_family == NFPROTO_BRIDGE) &&
	       strcmp(text(attributes[NFTA_TABLE_NAME]), "netd") == 0;
}

/* The end of a commit says whose it was. */
static void read_commit(const struct nlmsghdr *header, struct happening *ret)
{
	const struct nlattr *attributes[ATTRIBUTES];

	if (!sort(header, sizeof(struct nfgenmsg), attributes))
		return;
	ret->pid = ntohl(rtnl_number(attributes[NFTA_GEN_PROC_PID], 0));
	snprintf(ret->program, sizeof(ret->program), "%s", text(attributes[NFTA_GEN_PROC_NAME]));
}

static int take_rules(const struct nlmsghdr *header, void *arg)
{
	const struct reading *reading = arg;
	struct monitor *monitor = reading->monitor;
	struct happening happening = {
	        .kind = EVENT_RULES, .nsid = -1, .peer_nsid = -1, .alias = ""};

	if (header->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	        header->nlmsg_pid == nft_port_id(monitor->kernel->nft))
		return MNL_CB_OK;
	if ((header->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		monitor->touched |= is_own_table(header);
	} else if (monitor->touched) {
		monitor->touched = false;
		read_commit(header, &happening);
		reading->each(&happening, reading->arg);
	}
	return MNL_CB_OK;
}

/* --- sockets --- */

static const struct listening {
	const char *what;
	int bus;
	int groups[9];
} listenings[MONITOR_SOURCES] = {
        [MONITOR_HOST] = {"rtnetlink's events", NETLINK_ROUTE,
                {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_NETCONF,
                        RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV6_NETCONF,
                        RTNLGRP_NEXTHOP}},
        [MONITOR_INSIDE] = {"the events of namespaces", NETLINK_ROUTE,
                {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_IFADDR,
                        RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE}},
        [MONITOR_RULES] = {"nf_tables' events", NETLINK_NETFILTER, {NFNLGRP_NFTABLES}},
};

static int join(struct mnl_socket *socket, const struct listening *listening, struct error *err)
{
	int fd = mnl_socket_get_fd(socket), room = ROOM;

	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return error_set(err, ERROR_KERNEL, errno, "open a socket for %s", listening->what);
	/* In a user namespace only as much as net.core.rmem_max allows. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	for (const int *group = listening->groups; *group; group++)
		if (mnl_socket_setsockopt(
		            socket, NETLINK_ADD_MEMBERSHIP, (void *)group, sizeof(*group)) < 0)
			return error_set(err, ERROR_KERNEL, errno, "listen to %s", listening->what);
	return 0;
}

static int open_source(struct monitor *monitor, enum monitor_source source, struct error *err)
{
	const struct listening *listening = &listenings[source];
	struct mnl_socket *socket = mnl_socket_open2(listening->bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int on = 1;

	if (!socket)
		return error_set(err, ERROR_KERNEL, errno, "open a socket for %s", listening->what);
	if (source == MONITOR_INSIDE &&
	        mnl_socket_setsockopt(socket, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on)) < 0) {
		log_warning(
		        "listen to the events of namespaces: %s; what is changed inside them is "
		        "repaired at the next start only (CAP_NET_BROADCAST is missing)",
		        strerror(errno));
		mnl_socket_close(socket);
		return 0;
	}
	monitor->sockets[source] = socket;
	return join(socket, listening, err);
}

int monitor_open(struct monitor **ret, struct kernel *kernel, struct error *err)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int r = monitor ? 0 : error_memory(err);

	if (r == 0)
		monitor->kernel = kernel;
	for (int source = 0; r == 0 && source < MONITOR_SOURCES; source++)
		r = open_source(monitor, (enum monitor_source)source, err);
	if (r < 0) {
		monitor_close(monitor);
		return r;
	}
	*ret = monitor;
	return 0;
}

struct monitor *monitor_close(struct monitor *monitor)
{
	if (!monitor)
		return NULL;
	for (int source = 0; source < MONITOR_SOURCES; source++)
		if (monitor->sockets[source])
			mnl_socket_close(monitor->sockets[source]);
	free(monitor);
	return NULL;
}

int monitor_fd(const struct monitor *monitor, enum monitor_source source)
{
	return monitor->sockets[source] ? mnl_socket_get_fd(monitor->sockets[source]) : -1;
}

int monitor_hear(struct monitor *monitor, const char *ns, int *ret, struct error *err)
{
	struct rtnl *rtnl = monitor->kernel->rtnl;
	_cleanup_(closep) int fd = -1;
	int r = netns_open(ns, &fd, err);

	*ret = -1;
	if (r == -ENOENT || r == -EINVAL)
		return 0;
	if (r == 0)
		r = survey_nsid(rtnl, fd, ret, err);
	return r < 0 || *ret >= 0 ? r : survey_give_nsid(rtnl, fd, ret, err);
}

/* The namespace that a message came from; -1: the host. */
static int read_nsid(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
		if (part->cmsg_level == SOL_NETLINK && part->cmsg_type == NETLINK_LISTEN_ALL_NSID) {
			int nsid;

			memcpy(&nsid, CMSG_DATA(part), sizeof(nsid));
			return nsid;
		}
	return -1;
}

/* One message into `buffer`: its length, 0 where none waits, or a negative errno. */
static ssize_t receive(int fd, void *buffer, size_t size, int *nsid)
{
	struct iovec vector = {.iov_base = buffer, .iov_len = size};
	struct sockaddr_nl from;
	union {
		struct cmsghdr align;
		char bytes[64];
	} control;
	struct msghdr message = {.msg_name = &from,
	        .msg_namelen = sizeof(from),
	        .msg_iov = &vector,
	        .msg_iovlen = 1,
	        .msg_control = &control,
	        .msg_controllen = sizeof(control)};
	ssize_t length;

	for (;;) {
		length = recvmsg(fd, &message, MSG_DONTWAIT);
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid == 0)
			break; /* the kernel's; anyone may send to a group */
		message.msg_controllen = sizeof(control);
	}
	*nsid = read_nsid(&message);
	return length;
}

int monitor_read(struct monitor *monitor, enum monitor_source source, unsigned most,
        monitor_each *each, void *arg)
{
	_Alignas(struct nlmsghdr) char buffer[32768];
	struct reading reading = {.monitor = monitor, .each = each, .arg = arg};
	mnl_cb_t take = source == MONITOR_RULES ? take_rules : take_rtnl;
	unsigned count = 0;
	bool lost = false;

	while (count < most) {
		ssize_t size =
		        receive(monitor_fd(monitor, source), buffer, sizeof(buffer), &reading.nsid);

		lost |= size < 0 || (size == 0 && monitor->overrun[source]);
		if (size <= 0)
			monitor->overrun[source] = size < 0;
		if (size == 0 || (size < 0 && size != -ENOBUFS))
			break;
		count++;
		/* What the host's own socket tells needs not be told twice. */
		if (size > 0 && (source == MONITOR_INSIDE) == (reading.nsid >= 0) &&
		        talk_is_whole(buffer, (size_t)size))
			mnl_cb_run(buffer, (size_t)size, 0, 0, take, &reading);
	}
	return lost ? -ENOBUFS : (int)count;
}

int monitor_prime(struct monitor *monitor, monitor_each *each, void *arg, struct error *err)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_GETLINK, NLM_F_DUMP);
	struct reading reading = {.monitor = monitor, .nsid = -1, .each = each, .arg = arg};
	struct ifinfomsg *link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r = socket ? 0 : -errno;

	link->ifi_family = AF_UNSPEC;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (r == 0)
		r = talk(mnl_socket_get_fd(socket), request, take_rtnl, &reading);
	if (socket)
		mnl_socket_close(socket);
	return r < 0 ? error_set(err, ERROR_KERNEL, -r, "list the interfaces of the host") : 0;
}
