/*
 * RESOURCE_FLOWS: conntrack entries that must go.
 *
 * Conntrack outlives rules: an established flow keeps its translation after its publication or its
 * endpoint has gone, and would reach whoever gets the address next. Such a resource exists only to
 * be deleted.
 *
 * The invariant: an entry is deleted by its own original tuple, zone and id, after it has been
 * matched here field by field; so a kernel whose filter knows less than asked, or a tuple that was
 * used again meanwhile, costs time but never another one's flow. The kernel's filter on the dump
 * (Linux 5.8) saves carrying a full table through the socket: one walk per resource. Above a
 * handful of resources one unfiltered walk for all of them is cheaper.
 *
 * The sockets stay open from one purge to the next. Closing any netfilter socket waits for the
 * kernel to free what nf_tables has removed shortly before, which takes twenty milliseconds, and a
 * purge always comes right after such a removal. They are closed after a failure only, so that
 * nothing of an answer that broke off is taken for the next one.
 */
#include "daemon/kernel/flows.h"

#include "daemon/kernel/flows_match.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/talk.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#define COUNT_FILE "/proc/sys/net/netfilter/nf_conntrack_count"
/* A filtered walk costs about a tenth of an unfiltered one. */
#define FILTERED_WALKS_MAX 8

/* The kernel's bits in CTA_FILTER_ORIG_FLAGS and _REPLY_FLAGS, in the order of
 * net/netfilter/nf_conntrack_netlink.c; no header has them. */
enum filter_bit {
	FILTER_SOURCE = 1 << 0,
	FILTER_DESTINATION = 1 << 1,
	FILTER_PROTOCOL = 1 << 3,
	FILTER_SOURCE_PORT = 1 << 4,
	FILTER_DESTINATION_PORT = 1 << 5,
};

struct flows {
	int dump, delete, route; /* -1: not open. A dump must not share one */
};

struct purge {
	struct flows_index index;
	const struct flows *sockets;
	struct error *err;
	int result;
};

static void purge_done(struct purge *purge)
{
	flows_index_done(&purge->index);
}

static void close_sockets(struct flows *flows)
{
	int *const sockets[] = {&flows->dump, &flows->delete, &flows->route};

	for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
		closep(sockets[i]);
		*sockets[i] = -1;
	}
}

int flows_open(struct flows **ret, struct error *err)
{
	struct flows *flows = malloc(sizeof *flows);

	if (!flows)
		return error_memory(err);
	*flows = (struct flows){-1, -1, -1};
	*ret = flows;
	return 0;
}

struct flows *flows_close(struct flows *flows)
{
	if (flows)
		close_sockets(flows);
	free(flows);
	return NULL;
}

static int open_netlink(int family, int *ret)
{
	if (*ret < 0)
		*ret = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family);
	return *ret < 0 ? -errno : 0;
}

/* -EPROTONOSUPPORT: this kernel has no netfilter. */
static int open_sockets(struct flows *flows)
{
	int r = open_netlink(NETLINK_NETFILTER, &flows->dump);

	if (r == 0)
		r = open_netlink(NETLINK_NETFILTER, &flows->delete);
	return r == 0 ? open_netlink(NETLINK_ROUTE, &flows->route) : r;
}

static struct nlmsghdr *start(void *buffer, uint8_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *request =
	        talk_start(buffer, (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type), flags);
	struct nfgenmsg *head = mnl_nlmsg_put_extra_header(request, sizeof *head);

	head->nfgen_family = family;
	head->version = NFNETLINK_V0;
	return request;
}

/* --- one entry --- */

static int delete_entry(struct purge *purge, const struct flow *flow)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request =
	        start(buffer, IPCTNL_MSG_CT_DELETE, 0, flow->original.source.family);
	const struct nlattr *parts[] = {flow->tuple, flow->zone, flow->id};
	int r;

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (parts[i] &&
		        !mnl_attr_put_check(request, sizeof buffer, parts[i]->nla_type,
		                mnl_attr_get_payload_len(parts[i]), mnl_attr_get_payload(parts[i])))
			return error_set(
			        purge->err, ERROR_KERNEL, EMSGSIZE, "delete a conntrack entry");
	r = talk(purge->sockets->delete, request, NULL, NULL);
	if (r == -EBUSY)
		return error_set(purge->err, ERROR_KERNEL, EBUSY,
		        "delete a conntrack entry that a flowtable has offloaded (it goes when "
		        "its traffic pauses)");
	if (r < 0 && r != -ENOENT)
		return error_set(purge->err, ERROR_KERNEL, -r, "delete a conntrack entry");
	return 0;
}

static int is_local(struct purge *purge, const struct ip *ip, bool *ret)
{
	int r = flows_route_local(purge->sockets->route, ip, ret);

	return r < 0 ? error_set(purge->err, ERROR_KERNEL, -r,
	                       "ask whether a flow's destination is this host's")
	             : 0;
}

static int each_entry(const struct nlmsghdr *header, void *arg)
{
	struct purge *purge = arg;
	struct flow flow;
	bool ours = false;

	if (!flow_read(header, &flow))
		return MNL_CB_OK;
	switch (flows_index_match(&purge->index, &flow)) {
	case FLOWS_NO:
		break;
	case FLOWS_YES:
		ours = true;
		break;
	case FLOWS_IF_LOCAL:
		purge->result = is_local(purge, &flow.original.destination, &ours);
		break;
	}
	if (purge->result == 0 && ours)
		purge->result = delete_entry(purge, &flow);
	if (purge->result < 0) {
		errno = -purge->result;
		return MNL_CB_ERROR;
	}
	return MNL_CB_OK;
}

/* --- the walk --- */

/*
 * What the kernel may leave out of the dump; `began`: of flows that the address began itself. Never
 * the address of IPv6: Linux (6.18, too) compares it the wrong way round and leaves out exactly
 * what was asked for.
 */
static void put_filter(struct nlmsghdr *request, const struct resource *resource, bool began)
{
	bool original = resource->flows.original_local || began;
	bool target = resource->flows.original_local && !began;
	uint32_t bits = 0;
	struct nlattr *nest =
	        mnl_attr_nest_start(request, original ? CTA_TUPLE_ORIG : CTA_TUPLE_REPLY);

	if (resource->flows.ip.family == AF_INET && !ip_is_any(&resource->flows.ip)) {
		struct nlattr *ip = mnl_attr_nest_start(request, CTA_TUPLE_IP);

		mnl_attr_put(request, target ? CTA_IP_V4_DST : CTA_IP_V4_SRC, ip_size(AF_INET),
		        resource->flows.ip.bytes);
		mnl_attr_nest_end(request, ip);
		bits |= target ? FILTER_DESTINATION : FILTER_SOURCE;
	}
	if (resource->flows.protocol) {
		struct nlattr *protocol = mnl_attr_nest_start(request, CTA_TUPLE_PROTO);

		mnl_attr_put_u8(request, CTA_PROTO_NUM, resource->flows.protocol);
		bits |= FILTER_PROTOCOL;
		if (resource->flows.port && resource->flows.port_end <= resource->flows.port) {
			mnl_attr_put_u16(request, target ? CTA_PROTO_DST_PORT : CTA_PROTO_SRC_PORT,
			        htons(resource->flows.port));
			bits |= target ? FILTER_DESTINATION_PORT : FILTER_SOURCE_PORT;
		}
		mnl_attr_nest_end(request, protocol);
	}
	mnl_attr_nest_end(request, nest);
	nest = mnl_attr_nest_start(request, CTA_FILTER);
	mnl_attr_put_u32(request, original ? CTA_FILTER_ORIG_FLAGS : CTA_FILTER_REPLY_FLAGS, bits);
	mnl_attr_nest_end(request, nest);
}

/* `filter` is NULL for all of the index; `began` as there. -EAGAIN: the kernel does not know this
 * filter. */
static int walk(struct purge *purge, const struct resource *filter, bool began)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = start(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP,
	        filter ? filter->flows.ip.family : AF_UNSPEC);
	int r;

	if (filter)
		put_filter(request, filter, began);
	r = talk(purge->sockets->dump, request, each_entry, purge);
	if (purge->result < 0)
		return purge->result;
	if (filter && (r == -EINVAL || r == -EOPNOTSUPP))
		return -EAGAIN;
	if (r == -ENOPROTOOPT || r == -EPROTONOSUPPORT || r == -ENOENT)
		return 0;
	if (r < 0)
		return error_set(purge->err, ERROR_KERNEL, -r, "list the conntrack entries%s",
		        r == -EINVAL ? " (is the module nf_conntrack_netlink there?)" : "");
	return 0;
}

/* The table of the host; a missing file means that nothing has ever asked for conntrack. */
static bool nothing_tracked(void)
{
	_cleanup_(fclosep) FILE *file = fopen(COUNT_FILE, "re");
	unsigned long count;

	return !file || (fscanf(file, "%lu", &count) == 1 && count == 0);
}

/* Whether flows that the address began itself are meant, too (flows_match.c), and are not in the
 * first walk already. */
static bool may_have_begun(const struct resource *flows)
{
	if (flows->flows.port)
		return flows->flows.protocol == IPPROTO_UDP &&
		       flows->flows.through == flows->flows.port;
	return !flows->flows.original_local && flows->flows.ip.family == AF_INET;
}

static int walk_all(struct purge *purge, const struct resource *const *flows, size_t count)
{
	size_t walks = count;
	int r = -EAGAIN;

	for (size_t i = 0; i < count; i++)
		walks += may_have_begun(flows[i]);
	if (walks <= FILTERED_WALKS_MAX) {
		r = 0;
		for (size_t i = 0; r == 0 && i < count; i++) {
			r = walk(purge, flows[i], false);
			if (r == 0 && may_have_begun(flows[i]))
				r = walk(purge, flows[i], true);
		}
		if (r != -EAGAIN)
			return r;
	}
	return walk(purge, NULL, false);
}

int flows_purge(
        struct kernel *kernel, const struct resource *const *flows, size_t count, struct error *err)
{
	_cleanup_(purge_done) struct purge purge = {.sockets = kernel->flows, .err = err};
	char text[RESOURCE_NAME_SIZE + 64];
	int r;

	if (count == 0 || nothing_tracked())
		return 0;
	r = flows_index_init(&purge.index, flows, count);
	if (r < 0)
		return error_memory(err);
	r = open_sockets(kernel->flows);
	if (r == -EPROTONOSUPPORT)
		return 0;
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "open a netlink socket");
	r = walk_all(&purge, flows, count);
	if (r < 0)
		close_sockets(kernel->flows);
	if (r < 0 && count == 1)
		return error_context(err, "end %s", resource_describe(flows[0], text, sizeof text));
	return r < 0 ? error_context(err, "end the flows of %zu addresses and ports", count) : 0;
}

static int flows_apply(struct kernel *kernel, struct step *step, struct error *err)
{
	if (step->old && !step->new) {
		const struct resource *flows = step->old;
		int r = flows_purge(kernel, &flows, 1, err);

		if (r < 0)
			return r;
	}
	step->done = true;
	return 0;
}

/* --- as a person would type it --- */

/* conntrack(8) takes one port: a range is a loop. */
static unsigned more_ports(const struct resource *resource)
{
	return resource->flows.port_end > resource->flows.port
	               ? (unsigned)resource->flows.port_end - resource->flows.port
	               : 0;
}

static void tell_port(const char *option, const struct resource *resource, uint16_t port, FILE *out)
{
	if (!port)
		return;
	if (more_ports(resource))
		fprintf(out, " %s $((%u+i))", option, port);
	else
		fprintf(out, " %s %u", option, port);
}

static void tell_reply(const struct resource *resource, const char *family, FILE *out)
{
	char ip[IP_TEXT_SIZE];

	fprintf(out, "conntrack -D -f %s --reply-src %s", family,
	        ip_format(&resource->flows.ip, ip));
	if (resource->flows.protocol)
		fprintf(out, " -p %s", protocol_name(resource->flows.protocol));
	tell_port("--reply-port-src", resource, resource->flows.port, out);
	tell_port("--orig-port-dst", resource, resource->flows.through, out);
}

/* Not translated: what answers is what was asked. */
static void tell_original(const struct resource *resource, const char *family, FILE *out)
{
	bool any = ip_is_any(&resource->flows.ip);
	char text[IP_TEXT_SIZE];
	const char *ip = any ? "${a%/*}" : ip_format(&resource->flows.ip, text);

	if (any)
		fprintf(out, "ip -%c -o address show | while read -r _ _ _ a _; do ",
		        resource->flows.ip.family == AF_INET6 ? '6' : '4');
	fprintf(out, "conntrack -D -f %s -p %s --orig-dst %s --reply-src %s", family,
	        protocol_name(resource->flows.protocol), ip, ip);
	tell_port("--orig-port-dst", resource, resource->flows.port, out);
	if (any)
		fputs("; done", out);
}

static void flows_tell(const struct step *step, FILE *out)
{
	const struct resource *resource = step->old;
	const char *family;

	if (!resource || step->new)
		return;
	family = resource->flows.ip.family == AF_INET6 ? "ipv6" : "ipv4";
	if (more_ports(resource))
		fprintf(out, "for i in $(seq 0 %u); do ", more_ports(resource));
	if (resource->flows.original_local)
		tell_original(resource, family, out);
	else
		tell_reply(resource, family, out);
	if (more_ports(resource))
		fputs("; done", out);
	/* It fails where there is no such flow. */
	fputs(" || true\n", out);
}

const struct kind kind_flows = {
        .name = "flows",
        .apply = flows_apply,
        .tell = flows_tell,
};
