/*
 * Questions about the host's own links, addresses and routes, and about the boot it runs in.
 * Answers are lists of plain values for the rules to judge; what cannot matter to a rule is left
 * out here, so that all callers leave out the same.
 */
#include "daemon/kernel/look.h"

#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/nft.h"
#include "daemon/kernel/netns_record.h"
#include "daemon/kernel/routes.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

/* --- prefixes --- */

struct prefixes {
	struct look_prefix *items;
	unsigned count, capacity;
};

static void prefixes_done(struct prefixes *prefixes)
{
	free(prefixes->items);
}

static int add_prefix(struct prefixes *prefixes, const struct cidr *cidr, int index, bool route)
{
	struct look_prefix *prefix;

	if (!LIST_ROOM(prefixes->items, prefixes->count, prefixes->capacity, 16))
		return -ENOMEM;
	prefix = &prefixes->items[prefixes->count++];
	*prefix = (struct look_prefix){.cidr = *cidr, .index = index, .route = route};
	if (index && !if_indextoname((unsigned)index, prefix->ifname))
		prefix->ifname[0] = '\0';
	return 0;
}

/* Every interface with IPv6 has the same link-local prefix. */
bool look_is_everywhere(const struct cidr *cidr)
{
	return cidr->ip.family == AF_INET6 && ip_is_link_local(&cidr->ip);
}

/* 2000::/3 is all of the Internet. */
bool look_is_default(const struct cidr *destination)
{
	return destination->prefix <= (destination->ip.family == AF_INET6 ? 3 : 1);
}

static int take_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1];
	struct cidr cidr = {.ip.family = header->ifa_family};
	unsigned size;

	if (message->nlmsg_type != RTM_NEWADDR ||
	        nlmsg_parse(
	                (struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
		return 0;
	/* IFA_ADDRESS is the other side's on a point-to-point link, and the prefix is around that.
	 */
	if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
		return 0;
	size = (unsigned)ip_size(header->ifa_family);
	if (header->ifa_prefixlen > 8 * size || !attributes[IFA_ADDRESS] ||
	        nla_len(attributes[IFA_ADDRESS]) != (int)size)
		return 0;
	memcpy(cidr.ip.bytes, nla_data(attributes[IFA_ADDRESS]), size);
	cidr.prefix = header->ifa_prefixlen;
	return look_is_everywhere(&cidr) ? 0
	                                 : add_prefix(arg, &cidr, (int)header->ifa_index, false);
}

static int take_route(const struct route_seen *route, void *arg)
{
	if (look_is_default(&route->destination) || look_is_everywhere(&route->destination))
		return 0;
	return add_prefix(arg, &route->destination, route->index, true);
}

int look_prefixes(
        struct kernel *kernel, struct look_prefix **ret, unsigned *count, struct error *err)
{
	_cleanup_(prefixes_done) struct prefixes prefixes = {0};
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
	struct nl_msg *msg = rtnl_message(RTM_GETADDR, 0, &header, sizeof(header));
	int r;

	if (!msg)
		return error_memory(err);
	if (rtnl_dump(kernel->rtnl, "", msg, take_address, &prefixes, err) < 0)
		return error_context(err, "list the addresses of the host");
	r = routes_read(kernel->rtnl, "", AF_INET, take_route, &prefixes, err);
	if (r == 0)
		r = routes_read(kernel->rtnl, "", AF_INET6, take_route, &prefixes, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(prefixes.items);
	*count = prefixes.count;
	return 0;
}

/* --- links --- */

/* host: NULL for a link inside a namespace, which has its mark or is not netd's. */
static void describe_link(
        const struct kernel *host, const struct link_seen *link, struct look_link *ret)
{
	bool unmarked = host && link_lost_mark(host, link);

	*ret = (struct look_link){.index = link->index,
	        .peer_index = link->peer_index,
	        .loopback = link->loopback,
	        .ours = unmarked || mark_matches(link->alias, NULL),
	        .unmarked = unmarked,
	        .bridge = strcmp(link->kind, "bridge") == 0,
	        .mtu = link->mtu};
	memcpy(ret->name, link->name, IFNAMSIZ);
}

int look_links(struct kernel *kernel, const char *ns, struct look_link **ret, unsigned *count,
        struct error *err)
{
	_cleanup_(links_done) struct links links = {0};
	struct look_link *list;
	int r = links_read(kernel->rtnl, ns, &links, err);

	/* The socket inside would keep the namespace alive. */
	rtnl_forget(kernel->rtnl, NULL);
	if (r < 0)
		return r;
	list = calloc(links.count ? links.count : 1, sizeof(*list));
	if (!list)
		return error_memory(err);
	for (unsigned i = 0; i < links.count; i++) {
		const struct link_seen *link = &links.items[i];
		const struct link_seen *master = links_find(&links, link->master);

		describe_link(ns[0] ? NULL : kernel, link, &list[i]);
		list[i].bridge_port = master && strcmp(master->kind, "bridge") == 0;
	}
	*ret = list;
	*count = links.count;
	return 0;
}

int look_link(struct kernel *kernel, const char *ifname, struct look_link *ret, struct error *err)
{
	_cleanup_(links_done) struct links found = {0};
	int r = links_read_one(kernel->rtnl, "", ifname, &found, err);

	if (r < 0 || !found.count)
		return r;
	describe_link(kernel, &found.items[0], ret);
	return 1;
}

bool look_link_ours(struct kernel *kernel, const char *ifname, enum kernel_scope scope)
{
	_cleanup_(links_done) struct links found = {0};
	struct error ignored; /* one that cannot be looked at is not known to be netd's */

	return links_read_one(kernel->rtnl, "", ifname, &found, &ignored) == 0 && found.count &&
	       link_is_ours(
	               kernel, &found.items[0], scope == SCOPE_INSTANCE ? kernel->instance : NULL);
}

int look_foreign_ports(struct kernel *kernel, int bridge, unsigned *ret, struct error *err)
{
	_cleanup_(links_done) struct links ports = {0};
	int r = links_read_ports(kernel->rtnl, bridge, &ports, err);

	*ret = 0;
	for (unsigned i = 0; i < ports.count; i++)
		*ret += !link_is_ours(kernel, &ports.items[i], kernel->instance);
	return r;
}

bool look_port(struct kernel *kernel, const char *ifname, struct look_port *ret)
{
	_cleanup_(links_done) struct links found = {0};
	struct error ignored; /* one that cannot be looked at is looked at again when it changes */
	const struct link_seen *link;

	if (links_read_one(kernel->rtnl, "", ifname, &found, &ignored) < 0 || !found.count)
		return false;
	link = &found.items[0];
	*ret = (struct look_port){.hairpin = link->hairpin, .isolated = link->isolated};
	snprintf(ret->alias, sizeof(ret->alias), "%s", link->alias ? link->alias : "");
	return true;
}

/* --- default routes --- */

/* The default route with the lowest metric; index 0: none. */
static int take_default(const struct route_seen *route, void *arg)
{
	struct route_seen *best = arg;

	if (route->destination.prefix == 0 && route->index &&
	        (!best->index || route->metric < best->metric))
		*best = *route;
	return 0;
}

/* Where the host sends what is for the Internet. */
struct way_out {
	int index;    /* of the interface; 0: there is none */
	uint32_t mtu; /* of the route itself; 0: it says none */
};

static int take_way(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *header = nlmsg_data(message);
	struct nlattr *attributes[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	struct way_out *way = arg;

	if (message->nlmsg_type != RTM_NEWROUTE ||
	        nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, RTA_MAX,
	                NULL) < 0 ||
	        header->rtm_type != RTN_UNICAST)
		return 0;
	way->index = (int)rtnl_number(attributes[RTA_OIF], 0);
	if (attributes[RTA_METRICS] &&
	        nla_parse_nested(metrics, RTAX_MAX, attributes[RTA_METRICS], NULL) == 0)
		way->mtu = rtnl_number(metrics[RTAX_MTU], 0);
	return 0;
}

/* The kernel is asked, as it is for a packet: so the routes and rules of a VPN count as they do
 * for packets. */
static int find_way(
        struct kernel *kernel, const struct ip *to, struct way_out *ret, struct error *err)
{
	struct rtmsg header = {
	        .rtm_family = to->family, .rtm_dst_len = (uint8_t)(8 * ip_size(to->family))};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(RTM_GETROUTE, 0, &header, sizeof(header));
	struct error unreachable;
	int r;

	*ret = (struct way_out){0};
	if (!msg || nla_put(msg, RTA_DST, (int)ip_size(to->family), to->bytes) < 0)
		return error_memory(err);
	r = rtnl_get(kernel->rtnl, "", TAKE_PTR(msg), take_way, ret, &unreachable);
	if (r < 0)
		*ret = (struct way_out){0};
	if (r == 0 || r == -ENETUNREACH || r == -EHOSTUNREACH || r == -EACCES || r == -EINVAL ||
	        r == -EAFNOSUPPORT || r == -EOPNOTSUPP)
		return 0;
	*err = unreachable;
	return r;
}

int look_default_mtu(struct kernel *kernel, uint32_t *ret, struct error *err)
{
	/* a.root-servers.net: who reaches the Internet reaches it. */
	static const struct ip internet[] = {
	        {.family = AF_INET, .bytes = {198, 41, 0, 4}},
	        {.family = AF_INET6,
	                .bytes = {0x20, 0x01, 0x05, 0x03, 0xba, 0x3e, [13] = 2, [15] = 0x30}},
	};
	uint32_t least = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(internet) / sizeof(internet[0]); i++) {
		_cleanup_(links_done) struct links found = {0};
		char ifname[IFNAMSIZ];
		struct way_out way;
		uint32_t mtu;

		r = find_way(kernel, &internet[i], &way, err);
		/* That one alone: to list all is dear where there are many. */
		if (r == 0 && way.index && if_indextoname((unsigned)way.index, ifname))
			r = links_read_one(kernel->rtnl, "", ifname, &found, err);
		if (r < 0 || found.count == 0 || found.items[0].loopback)
			continue;
		mtu = way.mtu && way.mtu < found.items[0].mtu ? way.mtu : found.items[0].mtu;
		least = least && least < mtu ? least : mtu;
	}
	if (r == 0)
		*ret = least;
	return r;
}

bool look_default_route(struct kernel *kernel, const char *ns, int family)
{
	struct route_seen best = {0};
	struct error ignored;
	int r = routes_read(kernel->rtnl, ns, (uint8_t)family, take_default, &best, &ignored);

	rtnl_forget(kernel->rtnl, NULL);
	return r == 0 && best.index;
}

/* --- whose host this is --- */

static int other_in_records(
        struct kernel *kernel, const char *boot_id, char ret[33], struct error *err)
{
	_cleanup_(freep) struct netns_record *records = NULL;
	unsigned count = 0;
	int r = netns_records(kernel->runtime_dir, &records, &count, err);

	for (unsigned i = 0; r == 0 && i < count; i++)
		if (strcmp(records[i].boot_id, boot_id) == 0 &&
		        strcmp(records[i].instance, kernel->instance) != 0) {
			memcpy(ret, records[i].instance, 33);
			break;
		}
	return r;
}

static int other_in_tables(struct kernel *kernel, char ret[33], struct error *err)
{
	static const char *const tables[] = {"inet netd", "bridge netd"};
	char mark[33] = "";
	int r = 0;

	for (size_t i = 0; r == 0 && !ret[0] && i < sizeof(tables) / sizeof(tables[0]); i++) {
		r = nft_table_instance(kernel->nft, tables[i], mark, err);
		if (r == 0 && strcmp(mark, kernel->instance) != 0)
			memcpy(ret, mark, sizeof(mark));
	}
	return r;
}

int look_other_instance(struct kernel *kernel, char ret[33], struct error *err)
{
	_cleanup_(links_done) struct links links = {0};
	char other[33] = "", boot_id[37];
	int r = links_read(kernel->rtnl, "", &links, err);

	for (unsigned i = 0; r == 0 && i < links.count && !other[0]; i++) {
		const char *alias = links.items[i].alias;

		if (mark_matches(alias, NULL) && !mark_matches(alias, kernel->instance))
			snprintf(other, sizeof(other), "%.*s", MARK_INSTANCE_LENGTH,
			        alias + strlen(MARK_PREFIX));
	}
	if (r == 0)
		r = look_boot_id(boot_id, err);
	if (r == 0 && !other[0])
		r = other_in_records(kernel, boot_id, other, err);
	if (r == 0 && !other[0])
		r = other_in_tables(kernel, other, err);
	if (r == 0)
		memcpy(ret, other, sizeof(other));
	return r;
}

int look_boot_id(char ret[37], struct error *err)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[36];
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (size < 0)
		return error_set(err, ERROR_KERNEL, errno, "read %s", path);
	if (size != (ssize_t)sizeof(text))
		return error_set(err, ERROR_KERNEL, EBADMSG, "read %s", path);
	memcpy(ret, text, sizeof(text));
	ret[sizeof(text)] = '\0';
	return 0;
}
