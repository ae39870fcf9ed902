/*
 * Who has a port: sock_diag, asked inside the namespace in question.
 *
 * The kernel names every listening TCP socket and every bound UDP socket, with its cgroup, to
 * anyone; so the daemon can say which unit is in the way without a right to look into other
 * processes (pid and program are netd-ctl's to add, with its caller's rights). The invariant:
 * netd's own held sockets are never in the answer; those of TCP do not listen, those of UDP are
 * told by their inode.
 */
#include "daemon/kernel/hold.h"
#include "daemon/kernel/inside.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/look/cgroup.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#define LISTENERS_MAX 256

struct found {
	struct look_listener *list;
	uint64_t cgroups[LISTENERS_MAX];
	unsigned count;
	const struct kernel *kernel;
	bool host;
	uint8_t protocol;
	uint16_t port;
};

struct details {
	bool v6only;
	uint64_t cgroup;
};

static int read_detail(const struct nlattr *attribute, void *arg)
{
	struct details *details = arg;

	if (mnl_attr_get_type(attribute) == INET_DIAG_SKV6ONLY &&
	        mnl_attr_get_payload_len(attribute) >= 1)
		details->v6only = mnl_attr_get_u8(attribute);
	if (mnl_attr_get_type(attribute) == INET_DIAG_CGROUP_ID &&
	        mnl_attr_get_payload_len(attribute) == 8)
		details->cgroup = mnl_attr_get_u64(attribute);
	return MNL_CB_OK;
}

static int each_socket(const struct nlmsghdr *header, void *arg)
{
	struct found *found = arg;
	const struct inet_diag_msg *message = mnl_nlmsg_get_payload(header);
	struct look_listener listener = {.protocol = found->protocol, .port = found->port};
	struct details details = {0};

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message) ||
	        ntohs(message->id.idiag_sport) != found->port || found->count == LISTENERS_MAX)
		return MNL_CB_OK;
	if (message->idiag_family != AF_INET && message->idiag_family != AF_INET6)
		return MNL_CB_OK;
	listener.ip.family = message->idiag_family;
	memcpy(listener.ip.bytes, message->id.idiag_src, ip_size(listener.ip.family));
	listener.inode = message->idiag_inode;
	if (found->host && holds_inode(found->kernel, listener.protocol, &listener.ip,
	                           listener.port, listener.inode))
		return MNL_CB_OK;
	if (mnl_attr_parse(header, sizeof *message, read_detail, &details) < 0)
		return MNL_CB_OK;
	listener.v6only = details.v6only;
	found->cgroups[found->count] = details.cgroup;
	found->list[found->count++] = listener;
	return MNL_CB_OK;
}

static int dump(int fd, uint8_t family, struct found *found)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	struct inet_diag_req_v2 *wanted = mnl_nlmsg_put_extra_header(request, sizeof *wanted);

	wanted->sdiag_family = family;
	wanted->sdiag_protocol = found->protocol;
	/* A bound UDP socket is in state CLOSE, a connected one in ESTABLISHED. */
	wanted->idiag_states = found->protocol == IPPROTO_TCP ? 1U << TCP_LISTEN : ~0U;
	wanted->id.idiag_sport = htons(found->port);
	return talk(fd, request, each_socket, found);
}

int look_listeners(struct kernel *kernel, const char *ns, uint8_t protocol, uint16_t port,
        struct look_listener **ret, unsigned *count, struct error *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	_cleanup_(closep) int fd = -1;
	_cleanup_(freep) struct look_listener *list = calloc(LISTENERS_MAX, sizeof *list);
	struct found found = {
	        .list = list, .kernel = kernel, .host = !*ns, .protocol = protocol, .port = port};
	int r;

	if (!list)
		return error_memory(err);
	r = netns_socket(ns, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG, &fd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof families; i++) {
		r = dump(fd, families[i], &found);
		/* A kernel without IPv6 has none of its sockets. */
		if (r < 0 && !(families[i] == AF_INET6 && r == -ENOENT))
			return error_set(err, ERROR_KERNEL, -r, "list the sockets of port %u/%s",
			        port, protocol_name(protocol));
	}
	for (unsigned i = 0; i < found.count; i++)
		if (found.cgroups[i])
			look_cgroup(found.cgroups[i], list[i].unit, sizeof list[i].unit);
	*count = found.count;
	*ret = TAKE_PTR(list);
	return 0;
}
