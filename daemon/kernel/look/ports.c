/*
 * Who has a port: sock_diag, asked inside the namespace in question.
 *
 * The kernel names every listening TCP socket and every bound UDP socket, with its cgroup, to
 * anyone; so the daemon can say which unit is in the way without a right to look into other
 * processes (pid and program are netd-ctl's to add, with its caller's rights). The invariant:
 * netd's own held sockets are never in the answer; those of TCP do not listen, those of UDP are
 * told by their inode.
 */
#include "daemon/kernel/flows_match.h"
#include "daemon/kernel/hold.h"
#include "daemon/kernel/inside.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/look.h"
#include "daemon/kernel/look/cgroup.h"
#include "daemon/kernel/nft.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>

#define LISTENERS_MAX 65536
#define PORT_RANGE    "/proc/sys/net/ipv4/ip_local_port_range"
#define RESERVED      "/proc/sys/net/ipv4/ip_local_reserved_ports"

struct found {
	struct look_listener *list;
	uint64_t *cgroups; /* of each of them */
	unsigned count, capacity;
	const struct kernel *kernel;
	bool host;
	uint8_t protocol;
	uint16_t first, last;
};

static void found_done(struct found *found)
{
	free(found->list);
	free(found->cgroups);
}

static bool found_add(struct found *found, const struct look_listener *listener, uint64_t cgroup)
{
	unsigned capacity = found->capacity;

	if (!LIST_ROOM(found->cgroups, found->count, capacity, 16) ||
	        !LIST_ROOM(found->list, found->count, found->capacity, 16))
		return false;
	found->cgroups[found->count] = cgroup;
	found->list[found->count++] = *listener;
	return true;
}

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
	struct look_listener listener = {.protocol = found->protocol};
	struct details details = {0};

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message) || found->count == LISTENERS_MAX)
		return MNL_CB_OK;
	listener.port = ntohs(message->id.idiag_sport);
	if (listener.port < found->first || listener.port > found->last)
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
	if (found_add(found, &listener, details.cgroup))
		return MNL_CB_OK;
	errno = ENOMEM;
	return MNL_CB_ERROR;
}

/* A program that the kernel runs for each socket (linux/inet_diag.h): a jump behind its end is a
 * refusal. */
static void put_range(struct nlmsghdr *request, uint16_t first, uint16_t last)
{
	enum { STEP = 2 * sizeof(struct inet_diag_bc_op), PAST = sizeof(struct inet_diag_bc_op) };
	const struct inet_diag_bc_op program[] = {{INET_DIAG_BC_S_GE, STEP, 2 * STEP + PAST},
	        {.no = first}, {INET_DIAG_BC_S_LE, STEP, STEP + PAST}, {.no = last}};

	mnl_attr_put(request, INET_DIAG_REQ_BYTECODE, sizeof program, program);
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
	if (found->first == found->last)
		wanted->id.idiag_sport = htons(found->first);
	else
		put_range(request, found->first, found->last);
	return talk(fd, request, each_socket, found);
}

/* Asking about SCTP would load its module; without it nobody listens. */
static bool has_protocol(uint8_t protocol)
{
	return protocol != IPPROTO_SCTP || access("/proc/net/sctp", F_OK) == 0;
}

int look_listeners(struct kernel *kernel, const char *ns, uint8_t protocol, uint16_t first,
        uint16_t last, struct look_listener **ret, unsigned *count, struct error *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	_cleanup_(closep) int fd = -1;
	_cleanup_(found_done) struct found found = {
	        .kernel = kernel, .host = !*ns, .protocol = protocol, .first = first, .last = last};
	char ports[PORTS_TEXT_SIZE];
	int r;

	r = netns_socket(ns, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG, &fd, err);
	if (r < 0)
		return r;
	for (size_t i = 0; has_protocol(protocol) && i < sizeof families; i++) {
		r = dump(fd, families[i], &found);
		/* A kernel without IPv6 has none of its sockets. */
		if (r < 0 && !(families[i] == AF_INET6 && r == -ENOENT))
			return error_set(err, ERROR_KERNEL, -r, "list the sockets of port %s/%s",
			        ports_format(first, last, ports), protocol_name(protocol));
	}
	for (unsigned i = 0; i < found.count; i++)
		if (found.cgroups[i])
			look_cgroup(
			        found.cgroups[i], found.list[i].unit, sizeof found.list[i].unit);
	*count = found.count;
	*ret = TAKE_PTR(found.list);
	return 0;
}

/* --- ports that may be given to those who name none --- */

static void reserve(struct look_local_ports *ports, unsigned first, unsigned last)
{
	for (unsigned port = first; port <= last && port <= PORT_MAX; port++)
		ports->reserved[port / 8] |= (uint8_t)(1u << port % 8);
}

/* "8080,9148-9150": what cannot be read reserves nothing. */
static void read_reserved(struct look_local_ports *ports)
{
	_cleanup_(fclosep) FILE *file = fopen(RESERVED, "re");
	unsigned first, last;
	int read;

	while (file && fscanf(file, "%u", &first) == 1) {
		read = fgetc(file);
		last = first;
		if (read == '-' && fscanf(file, "%u", &last) == 1)
			read = fgetc(file);
		reserve(ports, first, last);
		if (read != ',')
			break;
	}
}

void look_local_ports(struct look_local_ports *ret)
{
	_cleanup_(fclosep) FILE *file = fopen(PORT_RANGE, "re");
	unsigned first, last;

	*ret = (struct look_local_ports){.first = 32768, .last = 60999};
	if (file && fscanf(file, "%u %u", &first, &last) == 2 && first > 0 && first <= last &&
	        last <= PORT_MAX) {
		ret->first = (uint16_t)first;
		ret->last = (uint16_t)last;
	}
	read_reserved(ret);
}

/* --- what a published port needs of the host --- */

int look_local_address(struct kernel *kernel, const struct ip *ip, bool *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	char text[IP_TEXT_SIZE];
	int r = netns_socket("", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE, &fd, err);

	(void)kernel;
	if (r < 0)
		return r;
	r = flows_route_local(fd, ip, ret);
	return r < 0 ? error_set(err, ERROR_KERNEL, -r, "ask whether %s is an address of this host",
	                       ip_format(ip, text))
	             : 0;
}

bool look_has_link(const char *ifname)
{
	return if_nametoindex(ifname) != 0;
}

int look_counters(struct kernel *kernel, struct resources *ret, struct error *err)
{
	int r = 0;

	for (const struct set *set = sets; r == 0 && set->name; set++)
		if (set->counter)
			r = nft_set_read(kernel->nft, set, ret, err);
	if (r == 0)
		resources_sort(ret);
	return r;
}
