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

#include "daemon/kernel/inside.h"
#include "daemon/kernel/internal.h"
#include "lib/cleanup.h"

#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

static void read_port(const struct nlattr *data, struct link_seen *link)
{
	struct nlattr *attributes[IFLA_BRPORT_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_BRPORT_MAX, (struct nlattr *)data, NULL) == 0 &&
	        attributes[IFLA_BRPORT_MODE] && nla_len(attributes[IFLA_BRPORT_MODE]) >= 1)
		link->hairpin = nla_get_u8(attributes[IFLA_BRPORT_MODE]) != 0;
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

/* The number in an attribute; `otherwise` where it is absent or too short. */
static uint32_t number(const struct nlattr *attribute, uint32_t otherwise)
{
	return attribute && nla_len(attribute) >= (int)sizeof(uint32_t) ? nla_get_u32(attribute)
	                                                                : otherwise;
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
	        .peer_index = (int)number(attributes[IFLA_LINK], 0),
	        .peer_nsid = (int)number(attributes[IFLA_LINK_NETNSID], (uint32_t)-1),
	        .master = (int)number(attributes[IFLA_MASTER], 0),
	        .mtu = number(attributes[IFLA_MTU], 0),
	        .group = number(attributes[IFLA_GROUP], 0),
	        .up = info->ifi_flags & IFF_UP,
	        .loopback = info->ifi_flags & IFF_LOOPBACK,
	};
	nla_strlcpy(link->name, attributes[IFLA_IFNAME], sizeof(link->name));
	if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == MAC_SIZE)
		memcpy(link->mac, nla_data(attributes[IFLA_ADDRESS]), MAC_SIZE);
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
	if (links->count == links->capacity) {
		unsigned capacity = links->capacity ? 2 * links->capacity : 16;
		void *items = reallocarray(links->items, capacity, sizeof(*links->items));

		if (!items)
			return -ENOMEM;
		links->items = items;
		links->capacity = capacity;
	}
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

/* The request for all interfaces (NULL) or for one. NULL: out of memory. */
static struct nl_msg *ask_links(const char *ifname)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(RTM_GETLINK, 0, &header, sizeof(header));

	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0 ||
	        (ifname && nla_put_string(msg, IFLA_IFNAME, ifname) < 0))
		return NULL;
	return TAKE_PTR(msg);
}

int links_read(struct rtnl *rtnl, const char *ns, struct links *ret, struct error *err)
{
	_cleanup_(links_done) struct links links = {0};
	struct nl_msg *msg = ask_links(NULL);

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

int links_read_one(
        struct rtnl *rtnl, const char *ns, const char *ifname, struct links *ret, struct error *err)
{
	_cleanup_(links_done) struct links links = {0};
	struct nl_msg *msg = ask_links(ifname);
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

/* --- names --- */

int link_index(struct kernel *kernel, const char *name)
{
	_cleanup_(links_done) struct links found = {0};
	int index = rtnl_ifindex(kernel->rtnl, "", name);
	struct error ignored; /* one that cannot be looked at is not known to be netd's */

	/* netd draws its indexes itself: only for others the kernel's slow answer is needed. */
	if (index == 0 || index >= LINKS_FIRST_INDEX)
		return index;
	if (links_read_one(kernel->rtnl, "", name, &found, &ignored) < 0 || !found.count)
		return 0;
	return mark_matches(found.items[0].alias, NULL) ? found.items[0].index : -EEXIST;
}

void link_explain(struct kernel *kernel, const struct resource *link, struct error *err)
{
	bool host = rtnl_ifindex(kernel->rtnl, "", link->name) != 0;
	size_t length = strlen(err->text);

	snprintf(err->text + length, sizeof(err->text) - length,
	        " (%s%s has an interface %s that netd did not make: remove or rename it)",
	        host ? "the host" : "namespace ", host ? "" : link->link.peer_ns,
	        host ? link->name : link->link.peer_name);
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
		*(int *)arg = (int)number(attributes[NETNSA_NSID], (uint32_t)-1);
	return 0;
}

/* -1: the host has no number for it, and so no link into it; also where there is no such namespace.
 */
static int read_nsid(struct rtnl *rtnl, const char *ns, int *ret, struct error *err)
{
	_cleanup_(closep) int fd = -1;
	struct rtgenmsg header = {.rtgen_family = AF_UNSPEC};
	_cleanup_(rtnl_messagep) struct nl_msg *msg = NULL;
	int r = netns_open(ns, &fd, err);

	*ret = -1;
	if (r == -ENOENT || r == -EINVAL)
		return 0;
	if (r < 0)
		return r;
	msg = rtnl_message(RTM_GETNSID, 0, &header, sizeof(header));
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

static int read_nsids(struct rtnl *rtnl, const char *const *namespaces, size_t count,
        struct nsid **ret, struct error *err)
{
	_cleanup_(freep) struct nsid *nsids = calloc(count ? count : 1, sizeof(*nsids));

	if (!nsids)
		return error_memory(err);
	for (unsigned i = 0; i < count; i++) {
		int r = read_nsid(rtnl, namespaces[i], &nsids[i].nsid, err);

		if (r < 0)
			return r;
		nsids[i].ns = i;
	}
	qsort(nsids, count, sizeof(*nsids), compare_nsids);
	*ret = TAKE_PTR(nsids);
	return 0;
}

/* Of several names for one namespace, the one that the mark says; or else the first. */
static unsigned find_namespace(const struct nsid *nsids, const char *const *namespaces,
        unsigned count, const struct link_seen *outer)
{
	const char *slash = strrchr(outer->alias, '/');
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
	return mark_matches(link->alias, survey->instance);
}

int survey_read(struct kernel *kernel, enum kernel_scope scope, const char *const *namespaces,
        size_t namespace_count, struct survey *ret, struct error *err)
{
	_cleanup_(survey_done) struct survey survey = {
	        .instance = scope == SCOPE_INSTANCE ? kernel->instance : NULL};
	_cleanup_(freep) struct nsid *nsids = NULL;
	/* Links first: listing a veth is what makes the kernel number the other end's namespace. */
	int r = links_read(kernel->rtnl, "", &survey.host, err);

	if (r == 0)
		r = read_nsids(kernel->rtnl, namespaces, namespace_count, &nsids, err);
	if (r < 0)
		return r;
	survey.pairs = calloc(survey.host.count ? survey.host.count : 1, sizeof(*survey.pairs));
	if (!survey.pairs)
		return error_memory(err);
	for (unsigned i = 0; i < survey.host.count; i++) {
		const struct link_seen *link = &survey.host.items[i];

		if (strcmp(link->kind, "veth") == 0 && survey_owns(&survey, link))
			survey.pairs[survey.pair_count++] = (struct pair){.outer = link,
			        .ns = find_namespace(
			                nsids, namespaces, (unsigned)namespace_count, link)};
	}
	qsort(survey.pairs, survey.pair_count, sizeof(*survey.pairs), compare_pairs);
	*ret = survey;
	survey = (struct survey){0};
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
	unsigned low = 0, high = survey->pair_count, end;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (survey->pairs[middle].ns < ns)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < survey->pair_count && survey->pairs[end].ns == ns;)
		end++;
	*count = end - low;
	return survey->pairs + low;
}

const struct pair *survey_pair(const struct survey *survey, unsigned ns, int inner_index)
{
	unsigned count;
	const struct pair *pairs = survey_pairs(survey, ns, &count);

	for (unsigned i = 0; i < count; i++)
		if (pairs[i].outer->peer_index == inner_index)
			return &pairs[i];
	return NULL;
}
