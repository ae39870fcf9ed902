/*
 * Reads the kernel's list of interfaces, and joins it: which links bear netd's mark, and in which
 * namespace the other end of each of netd's pairs is.
 *
 * The invariant: an inner end is netd's because it is the other end of a link that bears the mark,
 * and for no other reason. Its name, which the namespace's tenant may change, plays no part; nor
 * does the number by which the kernel tells namespaces apart here mean anything beyond the list it
 * was read with.
 */
#include "daemon/kernel/links.h"

#include "daemon/kernel/internal.h"
#include "lib/cleanup.h"
#include "lib/list.h"

#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

/* DEVCONF_FORCE_FORWARDING, of Linux 6.17 and later, where the headers may be older. */
#define FORCE_FORWARDING 59

static bool is_on(const struct nlattr *attribute)
{
	return attribute && nla_len(attribute) >= 1 && nla_get_u8(attribute) != 0;
}

static void read_port(const struct nlattr *data, struct link_seen *link)
{
	struct nlattr *attributes[IFLA_BRPORT_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_BRPORT_MAX, (struct nlattr *)data, NULL) < 0)
		return;
	link->hairpin = is_on(attributes[IFLA_BRPORT_MODE]);
	link->isolated = is_on(attributes[IFLA_BRPORT_ISOLATED]);
}

static void read_info(const struct nlattr *info, struct link_seen *link)
{
	struct nlattr *attributes[IFLA_INFO_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_INFO_MAX, (struct nlattr *)info, NULL) < 0)
		return;
	if (attributes[IFLA_INFO_KIND])
		nla_strlcpy(link->kind, attributes[IFLA_INFO_KIND], sizeof(link->kind));
	if (attributes[IFLA_INFO_SLAVE_KIND] && attributes[IFLA_INFO_SLAVE_DATA] &&
	        nla_strcmp(attributes[IFLA_INFO_SLAVE_KIND], "bridge") == 0)
		read_port(attributes[IFLA_INFO_SLAVE_DATA], link);
}

/* A switch out of the kernel's table of an interface's settings, which it sends as it is. */
static int setting(const struct nlattr *table, unsigned number)
{
	int32_t value;

	if (!table || nla_len(table) < (int)((number + 1) * sizeof(value)))
		return -1;
	memcpy(&value, (const char *)nla_data(table) + number * sizeof(value), sizeof(value));
	return value;
}

/* What would stand below /proc/sys/net: here it comes with the link, without a file for each. */
static void read_settings(const struct nlattr *families, struct link_seen *link)
{
	struct nlattr *family[AF_INET6 + 1], *ip4[IFLA_INET_MAX + 1], *ip6[IFLA_INET6_MAX + 1];

	if (nla_parse_nested(family, AF_INET6, (struct nlattr *)families, NULL) < 0)
		return;
	if (family[AF_INET] && nla_parse_nested(ip4, IFLA_INET_MAX, family[AF_INET], NULL) == 0) {
		link->forwarding = setting(ip4[IFLA_INET_CONF], IPV4_DEVCONF_FORWARDING - 1);
		link->route_localnet =
		        setting(ip4[IFLA_INET_CONF], IPV4_DEVCONF_ROUTE_LOCALNET - 1);
	}
	if (family[AF_INET6] &&
	        nla_parse_nested(ip6, IFLA_INET6_MAX, family[AF_INET6], NULL) == 0) {
		link->disable_ipv6 = setting(ip6[IFLA_INET6_CONF], DEVCONF_DISABLE_IPV6);
		link->accept_ra = setting(ip6[IFLA_INET6_CONF], DEVCONF_ACCEPT_RA);
		link->addr_gen_mode = setting(ip6[IFLA_INET6_CONF], DEVCONF_ADDR_GEN_MODE);
		link->force_forwarding = setting(ip6[IFLA_INET6_CONF], FORCE_FORWARDING);
	}
}

static int read_link(const struct nlmsghdr *header, struct link_seen *link)
{
	static struct nla_policy policy[IFLA_MAX + 1] = {
	        [IFLA_IFNAME] = {.type = NLA_STRING, .maxlen = IFNAMSIZ},
	};
	const struct ifinfomsg *info = nlmsg_data(header);
	struct nlattr *attributes[IFLA_MAX + 1];

	if (nlmsg_parse((struct nlmsghdr *)header, sizeof(*info), attributes, IFLA_MAX, policy) <
	                0 ||
	        !attributes[IFLA_IFNAME])
		return -EBADMSG;
	*link = (struct link_seen){
	        .index = info->ifi_index,
	        .peer_index = (int)rtnl_number(attributes[IFLA_LINK], 0),
	        .peer_nsid = (int)rtnl_number(attributes[IFLA_LINK_NETNSID], (uint32_t)-1),
	        .master = (int)rtnl_number(attributes[IFLA_MASTER], 0),
	        .mtu = rtnl_number(attributes[IFLA_MTU], 0),
	        .group = rtnl_number(attributes[IFLA_GROUP], 0),
	        .up = info->ifi_flags & IFF_UP,
	        .loopback = info->ifi_flags & IFF_LOOPBACK,
	        .forwarding = -1,
	        .route_localnet = -1,
	        .disable_ipv6 = -1,
	        .accept_ra = -1,
	        .addr_gen_mode = -1,
	        .force_forwarding = -1,
	};
	nla_strlcpy(link->name, attributes[IFLA_IFNAME], sizeof(link->name));
	if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == MAC_SIZE)
		memcpy(link->mac, nla_data(attributes[IFLA_ADDRESS]), MAC_SIZE);
	if (attributes[IFLA_AF_SPEC])
		read_settings(attributes[IFLA_AF_SPEC], link);
	if (attributes[IFLA_LINKINFO])
		read_info(attributes[IFLA_LINKINFO], link);
	if (attributes[IFLA_IFALIAS]) {
		link->alias = nla_strdup(attributes[IFLA_IFALIAS]);
		if (!link->alias)
			return -ENOMEM;
	}
	return 0;
}

static int add_link(const struct nlmsghdr *header, void *arg)
{
	struct links *links = arg;
	int r;

	if (header->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (!LIST_ROOM(links->items, links->count, links->capacity, 16))
		return -ENOMEM;
	r = read_link(header, &links->items[links->count]);
	if (r == 0)
		links->count++;
	return r;
}

static int compare_index(const void *a, const void *b)
{
	const struct link_seen *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

/* The request for all interfaces, for one (`ifname`), or for the ports of one (`master`). NULL: out
 * of memory. */
static struct nl_msg *ask_links(const char *ifname, int master)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(RTM_GETLINK, 0, &header, sizeof(header));

	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0 ||
	        (ifname && nla_put_string(msg, IFLA_IFNAME, ifname) < 0) ||
	        (master && nla_put_u32(msg, IFLA_MASTER, (uint32_t)master) < 0))
		return NULL;
	return TAKE_PTR(msg);
}

static int list_links(
        struct rtnl *rtnl, const char *ns, int master, struct links *ret, struct error *err)
{
	_cleanup_(links_done) struct links links = {0};
	struct nl_msg *msg = ask_links(NULL, master);

	if (!msg)
		return error_memory(err);
	if (rtnl_dump(rtnl, ns, msg, add_link, &links, err) < 0)
		return error_context(err, "list the interfaces of %s", ns[0] ? ns : "the host");
	if (links.count)
		qsort(links.items, links.count, sizeof(*links.items), compare_index);
	*ret = links;
	links = (struct links){0};
	return 0;
}

int links_read(struct rtnl *rtnl, const char *ns, struct links *ret, struct error *err)
{
	return list_links(rtnl, ns, 0, ret, err);
}

int links_read_ports(struct rtnl *rtnl, int master, struct links *ret, struct error *err)
{
	return list_links(rtnl, "", master, ret, err);
}

int links_read_one(
        struct rtnl *rtnl, const char *ns, const char *ifname, struct links *ret, struct error *err)
{
	_cleanup_(links_done) struct links links = {0};
	struct nl_msg *msg = ask_links(ifname, 0);
	int r;

	if (!msg)
		return error_memory(err);
	r = rtnl_get(rtnl, ns, msg, add_link, &links, err);
	if (r < 0 && r != -ENODEV)
		return error_context(err, "look at interface %s", ifname);
	*ret = links;
	links = (struct links){0};
	return 0;
}

void links_done(struct links *links)
{
	for (unsigned i = 0; i < links->count; i++)
		free(links->items[i].alias);
	free(links->items);
	*links = (struct links){0};
}

const struct link_seen *links_find(const struct links *links, int index)
{
	struct link_seen key = {.index = index};

	if (!links->count)
		return NULL;
	return bsearch(&key, links->items, links->count, sizeof(key), compare_index);
}

bool mark_matches(const char *alias, const char *instance)
{
	const char *id;

	if (!alias || strncmp(alias, MARK_PREFIX, strlen(MARK_PREFIX)) != 0)
		return false;
	id = alias + strlen(MARK_PREFIX);
	return strspn(id, "0123456789abcdef") == MARK_INSTANCE_LENGTH &&
	       id[MARK_INSTANCE_LENGTH] == ':' &&
	       (!instance || strncmp(id, instance, MARK_INSTANCE_LENGTH) == 0);
}

bool link_lost_mark(const struct kernel *kernel, const struct link_seen *link)
{
	return link->index >= LINKS_FIRST_INDEX && !mark_matches(link->alias, NULL) &&
	       kernel->knows && kernel->knows(link->name, kernel->arg);
}

bool link_is_ours(const struct kernel *kernel, const struct link_seen *link, const char *instance)
{
	return mark_matches(link->alias, instance) || link_lost_mark(kernel, link);
}

/* --- names --- */

int link_index(struct kernel *kernel, const char *name)
{
	_cleanup_(links_done) struct links found = {0};
	int index = rtnl_ifindex(kernel->rtnl, "", name);
	struct error ignored; /* the number says enough */
	int r;

	/* netd draws its indexes itself: only for others the kernel's slow answer is needed. */
	if (index <= 0 || index >= LINKS_FIRST_INDEX)
		return index;
	r = links_read_one(kernel->rtnl, "", name, &found, &ignored);
	if (r < 0 || !found.count)
		return r;
	return mark_matches(found.items[0].alias, NULL) ? found.items[0].index : -EEXIST;
}

static void explain_name(struct kernel *kernel, const struct resource *link, char *out, size_t size)
{
	const char *ifname = link->ns[0] ? link->link.ifname : link->name;
	bool here = rtnl_ifindex(kernel->rtnl, link->ns, ifname) > 0;
	bool host = here && !link->ns[0];

	snprintf(out, size,
	        " (%s%s has an interface %s that netd did not make: remove or rename it)",
	        host ? "the host" : "namespace ",
	        host   ? ""
	        : here ? link->ns
	               : link->link.peer_ns,
	        here ? ifname : link->link.peer_name);
}

void link_explain(struct kernel *kernel, const struct resource *link, int r, struct error *err)
{
	size_t length = strlen(err->text), room = sizeof(err->text) - length;

	if (r == -EEXIST)
		explain_name(kernel, link, err->text + length, room);
	if (r == -EXFULL)
		snprintf(err->text + length, room,
		        " (bridge %s has as many ports as a Linux bridge takes: connect to "
		        "another network)",
		        link->link.master);
}

int link_missing(const char *what, const char *name, int index, struct error *err)
{
	if (index != -EEXIST)
		return error_set(
		        err, ERROR_KERNEL, index ? -index : ENODEV, "%s: interface %s", what, name);
	return error_set(err, ERROR_REFUSED, 0,
	        "%s: the interface %s of the host is not the one that netd made: remove or rename "
	        "it",
	        what, name);
}

/* --- pairs --- */

/* The number by which the host knows one of the namespaces. */
struct nsid {
	int nsid;
	unsigned ns;
};

static int take_nsid(const struct nlmsghdr *header, void *arg)
{
	struct nlattr *attributes[NETNSA_MAX + 1];

	if (header->nlmsg_type == RTM_NEWNSID &&
	        nlmsg_parse((struct nlmsghdr *)header, sizeof(struct rtgenmsg), attributes,
	                NETNSA_MAX, NULL) == 0)
		*(int *)arg = (int)rtnl_number(attributes[NETNSA_NSID], (uint32_t)-1);
	return 0;
}

int survey_nsid(struct rtnl *rtnl, int fd, int *ret, struct error *err)
{
	struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(RTM_GETNSID, 0, &header, sizeof(header));

	*ret = -1;
	if (!msg || nla_put_u32(msg, NETNSA_FD, (uint32_t)fd) < 0)
		return error_memory(err);
	return rtnl_get(rtnl, "", TAKE_PTR(msg), take_nsid, ret, err);
}

static int compare_nsids(const void *a, const void *b)
{
	const struct nsid *x = a, *y = b;

	if (x->nsid != y->nsid)
		return x->nsid < y->nsid ? -1 : 1;
	return x->ns < y->ns ? -1 : x->ns > y->ns;
}

/* Of several names for one namespace, the one that the mark says; or else the first. */
static unsigned find_namespace(const struct nsid *nsids, const char *const *namespaces,
        unsigned count, const struct link_seen *outer)
{
	const char *slash = outer->alias ? strrchr(outer->alias, '/') : NULL;
	unsigned low = 0, high = count, first;

	if (outer->peer_nsid < 0)
		return count;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (nsids[middle].nsid < outer->peer_nsid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == count || nsids[low].nsid != outer->peer_nsid)
		return count;
	for (first = low; low < count && nsids[low].nsid == outer->peer_nsid; low++)
		if (slash && strcmp(slash + 1, namespaces[nsids[low].ns]) == 0)
			return nsids[low].ns;
	return nsids[first].ns;
}

static int compare_pairs(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return compare_index(x->outer, y->outer);
}

bool survey_owns(const struct survey *survey, const struct link_seen *link)
{
	return link_is_ours(survey->kernel, link, survey->instance);
}

bool survey_owns_bridge(const struct survey *survey, const struct link_seen *link)
{
	return strcmp(link->kind, "bridge") == 0 && survey_owns(survey, link);
}

int survey_read(
        struct kernel *kernel, enum kernel_scope scope, struct survey *ret, struct error *err)
{
	_cleanup_(survey_done) struct survey survey = {
	        .kernel = kernel, .instance = scope == SCOPE_INSTANCE ? kernel->instance : NULL};
	int r = links_read(kernel->rtnl, "", &survey.host, err);

	if (r < 0)
		return r;
	survey.pairs = calloc(survey.host.count ? survey.host.count : 1, sizeof(*survey.pairs));
	if (!survey.pairs)
		return error_memory(err);
	for (unsigned i = 0; i < survey.host.count; i++) {
		const struct link_seen *link = &survey.host.items[i];

		if (strcmp(link->kind, "veth") == 0 && survey_owns(&survey, link))
			survey.pairs[survey.pair_count++] = (struct pair){.outer = link};
	}
	*ret = survey;
	survey = (struct survey){0};
	return 0;
}

int survey_place(struct survey *survey, const char *const *namespaces, const int *nsids,
        size_t count, struct error *err)
{
	_cleanup_(freep) struct nsid *sorted = calloc(count ? count : 1, sizeof(*sorted));

	if (!sorted)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++)
		sorted[i] = (struct nsid){.nsid = nsids[i], .ns = i};
	qsort(sorted, count, sizeof(*sorted), compare_nsids);
	for (unsigned i = 0; i < survey->pair_count; i++)
		survey->pairs[i].ns =
		        find_namespace(sorted, namespaces, (unsigned)count, survey->pairs[i].outer);
	qsort(survey->pairs, survey->pair_count, sizeof(*survey->pairs), compare_pairs);
	return 0;
}

void survey_done(struct survey *survey)
{
	free(survey->pairs);
	links_done(&survey->host);
	*survey = (struct survey){0};
}

const struct pair *survey_pairs(const struct survey *survey, unsigned ns, unsigned *count)
{
	unsigned low = (unsigned)LIST_BEFORE(survey->pairs, survey->pair_count, one, one->ns < ns),
	         end;

	for (end = low; end < survey->pair_count && survey->pairs[end].ns == ns;)
		end++;
	*count = end - low;
	return survey->pairs + low;
}

static int give_number(struct rtnl *rtnl, int fd, struct error *err)
{
	struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	struct nl_msg *msg = rtnl_message(RTM_NEWNSID, NLM_F_ACK, &header, sizeof(header));

	if (!msg || nla_put_u32(msg, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED) < 0 ||
	        nla_put_u32(msg, NETNSA_FD, (uint32_t)fd) < 0) {
		nlmsg_free(msg);
		return error_memory(err);
	}
	return rtnl_get(rtnl, "", msg, NULL, NULL, err);
}

int survey_give_nsid(struct rtnl *rtnl, int fd, int *ret, struct error *err)
{
	int r = give_number(rtnl, fd, err);

	/* Where the kernel gave it one meanwhile. */
	return r == 0 || r == -EEXIST ? survey_nsid(rtnl, fd, ret, err) : r;
}
