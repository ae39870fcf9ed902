/*
 * Which conntrack entries a batch of RESOURCE_FLOWS means.
 *
 * By reply source: whatever a namespace's address and port answer, translated or not, and what it
 * began from there itself. By original destination: what was sent to a port of the host itself and
 * is not translated, that is, flows that began before the port was published and would go on past
 * it. A flow to someone else's port of that number is neither, and stays.
 *
 * The invariant: a match is decided by the entry alone; the one question that is not in it, whether
 * an address is the host's, is left to the caller as a verdict of its own.
 */
#include "daemon/kernel/flows_match.h"

#include "daemon/kernel/talk.h"
#include "lib/list.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

/* --- reading --- */

struct attributes {
	const struct nlattr **table;
	uint16_t max;
};

static int keep(const struct nlattr *attribute, void *arg)
{
	const struct attributes *attributes = arg;

	if (mnl_attr_get_type(attribute) <= attributes->max)
		attributes->table[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static bool read_ip(const struct nlattr *const *table, uint16_t v4, uint16_t v6, struct ip *ret)
{
	const struct nlattr *attribute = table[v4] ? table[v4] : table[v6];

	*ret = (struct ip){.family = table[v4] ? AF_INET : AF_INET6};
	if (!attribute || mnl_attr_get_payload_len(attribute) != ip_size(ret->family))
		return false;
	memcpy(ret->bytes, mnl_attr_get_payload(attribute), ip_size(ret->family));
	return true;
}

static uint16_t read_port(const struct nlattr *attribute)
{
	return attribute && mnl_attr_get_payload_len(attribute) == 2
	               ? ntohs(mnl_attr_get_u16(attribute))
	               : 0;
}

static bool read_tuple(const struct nlattr *tuple, struct flow_tuple *ret)
{
	const struct nlattr *parts[CTA_TUPLE_MAX + 1] = {0};
	const struct nlattr *ip[CTA_IP_MAX + 1] = {0};
	const struct nlattr *protocol[CTA_PROTO_MAX + 1] = {0};
	struct attributes in_parts = {parts, CTA_TUPLE_MAX};
	struct attributes in_ip = {ip, CTA_IP_MAX};
	struct attributes in_protocol = {protocol, CTA_PROTO_MAX};

	if (!tuple || mnl_attr_parse_nested(tuple, keep, &in_parts) < 0 || !parts[CTA_TUPLE_IP] ||
	        !parts[CTA_TUPLE_PROTO] ||
	        mnl_attr_parse_nested(parts[CTA_TUPLE_IP], keep, &in_ip) < 0 ||
	        mnl_attr_parse_nested(parts[CTA_TUPLE_PROTO], keep, &in_protocol) < 0)
		return false;
	if (!read_ip(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC, &ret->source) ||
	        !read_ip(ip, CTA_IP_V4_DST, CTA_IP_V6_DST, &ret->destination))
		return false;
	if (!protocol[CTA_PROTO_NUM] || mnl_attr_get_payload_len(protocol[CTA_PROTO_NUM]) != 1)
		return false;
	ret->protocol = mnl_attr_get_u8(protocol[CTA_PROTO_NUM]);
	ret->source_port = read_port(protocol[CTA_PROTO_SRC_PORT]);
	ret->destination_port = read_port(protocol[CTA_PROTO_DST_PORT]);
	return true;
}

bool flow_read(const struct nlmsghdr *header, struct flow *ret)
{
	const struct nlattr *table[CTA_MAX + 1] = {0};
	struct attributes attributes = {table, CTA_MAX};
	const struct nlattr *status;

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) ||
	        mnl_attr_parse(header, sizeof(struct nfgenmsg), keep, &attributes) < 0)
		return false;
	*ret = (struct flow){
	        .tuple = table[CTA_TUPLE_ORIG], .zone = table[CTA_ZONE], .id = table[CTA_ID]};
	status = table[CTA_STATUS];
	if (status && mnl_attr_get_payload_len(status) == 4)
		ret->translated = ntohl(mnl_attr_get_u32(status)) & IPS_DST_NAT;
	return read_tuple(table[CTA_TUPLE_ORIG], &ret->original) &&
	       read_tuple(table[CTA_TUPLE_REPLY], &ret->reply);
}

/* --- matching --- */

/* What names more than one port, or every one. */
static bool has_range(const struct resource *flows)
{
	return flows->flows.port_end > flows->flows.port ||
	       flows->flows.through_end > flows->flows.through;
}

static int compare(const struct resource *a, const struct resource *b)
{
	int r = (int)has_range(a) - (int)has_range(b);

	if (r == 0)
		r = (int)a->flows.original_local - (int)b->flows.original_local;
	if (r == 0)
		r = ip_compare(&a->flows.ip, &b->flows.ip);
	if (r == 0)
		r = (int)a->flows.protocol - (int)b->flows.protocol;
	if (r == 0)
		r = (int)a->flows.port - (int)b->flows.port;
	return r ? r : (int)a->flows.through - (int)b->flows.through;
}

static int compare_items(const void *a, const void *b)
{
	return compare(*(const struct resource *const *)a, *(const struct resource *const *)b);
}

int flows_index_init(struct flows_index *ret, const struct resource *const *flows, size_t count)
{
	const struct resource **items = calloc(count, sizeof *items);
	size_t single = 0;

	if (!items)
		return -ENOMEM;
	memcpy(items, flows, count * sizeof *items);
	qsort(items, count, sizeof *items, compare_items);
	while (single < count && !has_range(items[single]))
		single++;
	*ret = (struct flows_index){items, count, single};
	return 0;
}

void flows_index_done(struct flows_index *index)
{
	free(index->items);
	*index = (struct flows_index){0};
}

/* What a flow may be named by. */
struct naming {
	bool original_local;
	struct ip ip;
	uint8_t protocol;
	uint16_t port, through;
	bool said; /* only by what says both numbers */
};

/* Whether this very combination, or one that leaves some of the numbers open, is in the index. */
static bool named_single(const struct flows_index *index, const struct naming *naming)
{
	struct resource key = {.kind = RESOURCE_FLOWS};
	const struct resource *wanted = &key;

	key.flows.original_local = naming->original_local;
	key.flows.ip = naming->ip;
	for (int i = 0; i < (naming->said ? 2 : 8); i++) {
		key.flows.protocol = i & 1 ? 0 : naming->protocol;
		key.flows.port = i & 2 ? 0 : naming->port;
		key.flows.through = i & 4 ? 0 : naming->through;
		if (bsearch(&wanted, index->items, index->single, sizeof *index->items,
		            compare_items))
			return true;
	}
	return false;
}

static bool in_range(const struct resource *flows, const struct naming *naming)
{
	if (flows->flows.protocol && flows->flows.protocol != naming->protocol)
		return false;
	if (naming->said && !flows->flows.through)
		return false;
	if (naming->port < flows->flows.port || naming->port > flows->flows.port_end)
		return false;
	return !flows->flows.through ||
	       naming->through - flows->flows.through == naming->port - flows->flows.port;
}

static bool is_before(const struct resource *flows, const struct naming *naming)
{
	int order = (int)flows->flows.original_local - (int)naming->original_local;

	return order < 0 || (order == 0 && ip_compare(&flows->flows.ip, &naming->ip) < 0);
}

/* Ranges are few; of those only the ones of this address are looked at. */
static bool named_in_range(const struct flows_index *index, const struct naming *naming)
{
	const struct resource **ranges = index->items + index->single;
	size_t count = index->count - index->single;

	for (size_t i = LIST_BEFORE(ranges, count, one, is_before(*one, naming)); i < count; i++) {
		const struct resource *item = ranges[i];

		if (item->flows.original_local != naming->original_local ||
		        !ip_equal(&item->flows.ip, &naming->ip))
			return false;
		if (in_range(item, naming))
			return true;
	}
	return false;
}

static bool named_by(const struct flows_index *index, const struct naming *naming)
{
	return named_single(index, naming) || named_in_range(index, naming);
}

static bool named(const struct flows_index *index, bool original_local, const struct ip *ip,
        uint8_t protocol, uint16_t port, uint16_t through)
{
	const struct naming naming = {original_local, *ip, protocol, port, through, false};

	return named_by(index, &naming);
}

/*
 * The same with the sides exchanged: the first packet came from the address, and from outside it is
 * known by the port that its answers go to. Of UDP, as nothing tells such a flow from one that the
 * other side began; of all protocols where the address itself goes.
 */
static bool began_by_itself(const struct flows_index *index, const struct flow *flow)
{
	const struct flow_tuple *original = &flow->original;
	struct naming naming = {.ip = original->source, .protocol = original->protocol};

	if (original->protocol != IPPROTO_UDP)
		return named_by(index, &naming);
	naming.port = original->source_port;
	naming.through = flow->reply.destination_port;
	if (named_by(index, &naming))
		return true;
	naming.original_local = naming.said = true;
	return naming.port == naming.through && named_by(index, &naming);
}

enum flows_verdict flows_index_match(const struct flows_index *index, const struct flow *flow)
{
	const struct flow_tuple *original = &flow->original;
	const struct ip any = {.family = original->destination.family};
	uint16_t port = original->destination_port;

	if (named(index, false, &flow->reply.source, flow->reply.protocol, flow->reply.source_port,
	            port) ||
	        began_by_itself(index, flow))
		return FLOWS_YES;
	if (flow->translated)
		return FLOWS_NO;
	if (named(index, true, &original->destination, original->protocol, port, port))
		return FLOWS_YES;
	if (named(index, true, &any, original->protocol, port, port))
		return FLOWS_IF_LOCAL;
	return FLOWS_NO;
}

/* --- the host's addresses --- */

static int read_route(const struct nlmsghdr *header, void *arg)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(header);

	if (header->nlmsg_type == RTM_NEWROUTE && header->nlmsg_len >= NLMSG_LENGTH(sizeof *route))
		*(bool *)arg = route->rtm_type == RTN_LOCAL;
	return MNL_CB_OK;
}

int flows_route_local(int fd, const struct ip *ip, bool *ret)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_GETROUTE, 0);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof *route);
	bool local = false;
	int r;

	route->rtm_family = ip->family;
	route->rtm_dst_len = (unsigned char)(8 * ip_size(ip->family));
	mnl_attr_put(request, RTA_DST, ip_size(ip->family), ip->bytes);
	r = talk(fd, request, read_route, &local);
	/* No route to it: it is not local. */
	if (r < 0 && r != -ENETUNREACH && r != -EHOSTUNREACH && r != -EACCES && r != -EINVAL &&
	        r != -ESRCH)
		return r;
	*ret = r == 0 && local;
	return 0;
}
