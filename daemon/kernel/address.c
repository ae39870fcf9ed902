/*
 * RESOURCE_ADDRESS: addresses of netd's bridges in the host, and of its inner ends in namespaces.
 *
 * An address is its own key, prefix length included, so it is created or deleted and never changed.
 * IPv6 addresses are usable at once: netd gave them out itself, and a duplicate would be its own
 * mistake, so nothing waits for duplicate address detection. What the kernel put there by itself
 * (link-local, autoconfigured) is not netd's and is not observed.
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/links.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

static int queue(struct kernel *kernel, int type, int flags, const struct resource *address,
        int index, const char *what, struct step *step, struct error *err)
{
	const struct ip *ip = &address->address.cidr.ip;
	bool v6 = ip->family == AF_INET6;
	struct ifaddrmsg header = {.ifa_family = ip->family,
	        .ifa_prefixlen = address->address.cidr.prefix,
	        .ifa_flags = v6 ? IFA_F_NODAD : 0,
	        .ifa_scope = ip_is_loopback(ip) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
	        .ifa_index = (uint32_t)index};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(type, flags, &header, sizeof(header));
	enum rtnl_tolerate tolerate = type == RTM_DELADDR ? RTNL_GONE : RTNL_STRICT;
	int size = (int)ip_size(ip->family);

	if (!msg || nla_put(msg, IFA_LOCAL, size, ip->bytes) < 0 ||
	        nla_put(msg, IFA_ADDRESS, size, ip->bytes) < 0)
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, address->ns, TAKE_PTR(msg), what, tolerate, step, err);
}

static int change(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *address = step->new ? step->new : step->old;
	char what[160];
	int index, length;

	if (step->old && step->new) {
		step->done = true;
		return 0;
	}
	length = snprintf(what, sizeof(what), step->new ? "add " : "delete ");
	resource_describe(address, what + length, sizeof(what) - (size_t)length);
	index = address->ns[0] ? rtnl_ifindex(kernel->rtnl, address->ns, address->address.ifname)
	                       : link_index(kernel, address->name);
	if (index <= 0 && step->new)
		return error_set(err, ERROR_KERNEL, ENODEV, "%s", what);
	if (index <= 0) {
		step->done = true; /* it went with its interface */
		return 0;
	}
	return queue(kernel, step->new ? RTM_NEWADDR : RTM_DELADDR,
	        step->new ? NLM_F_CREATE | NLM_F_EXCL : 0, address, index, what, step, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	return rtnl_cause(kernel->rtnl, change(kernel, step, err), err);
}

/* --- observing --- */

/* Where addresses are read, and which of them are netd's. */
struct reading {
	const struct survey *survey;
	const char *ns;
	unsigned number;            /* of the namespace; not in the host */
	const struct links *inside; /* its interfaces; in the host those of the survey */
	struct resources *ret;
};

/* The resource's name for an interface, and what it is called now; NULL: not netd's. */
static const char *owner(const struct reading *reading, int index, const char **ifname)
{
	const struct link_seen *link = links_find(reading->inside, index);
	const struct pair *pair;

	if (!link)
		return NULL;
	*ifname = link->name;
	if (!reading->ns[0])
		return strcmp(link->kind, "bridge") == 0 && survey_owns(reading->survey, link)
		               ? link->name
		               : NULL;
	pair = survey_pair(reading->survey, reading->number, index);
	return pair ? pair->outer->name : NULL;
}

/* Set by someone, for good: not by autoconfiguration, nor by the kernel. */
static bool is_set(const struct ifaddrmsg *header, uint32_t flags)
{
	return (flags & IFA_F_PERMANENT) && !(flags & IFA_F_MANAGETEMPADDR) &&
	       header->ifa_scope != RT_SCOPE_LINK && header->ifa_prefixlen <= 128;
}

static int take_address(const struct nlmsghdr *message, void *arg)
{
	struct reading *reading = arg;
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1], *ip;
	const char *name, *ifname;
	struct resource *resource;
	uint32_t flags;

	if (message->nlmsg_type != RTM_NEWADDR ||
	        nlmsg_parse(
	                (struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
		return 0;
	flags = attributes[IFA_FLAGS] && nla_len(attributes[IFA_FLAGS]) >= 4
	                ? nla_get_u32(attributes[IFA_FLAGS])
	                : header->ifa_flags;
	ip = attributes[IFA_LOCAL] ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
	if ((header->ifa_family != AF_INET && header->ifa_family != AF_INET6) ||
	        !is_set(header, flags) || !ip || nla_len(ip) != (int)ip_size(header->ifa_family))
		return 0;
	name = owner(reading, (int)header->ifa_index, &ifname);
	if (!name)
		return 0;
	resource = resources_add(reading->ret, RESOURCE_ADDRESS, reading->ns, name);
	if (!resource)
		return -ENOMEM;
	resource->address.cidr.ip.family = header->ifa_family;
	resource->address.cidr.prefix = header->ifa_prefixlen;
	memcpy(resource->address.cidr.ip.bytes, nla_data(ip), (size_t)nla_len(ip));
	memcpy(resource->address.ifname, ifname, IFNAMSIZ);
	return 0;
}

static int read_addresses(struct kernel *kernel, struct reading *reading, struct error *err)
{
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
	struct nl_msg *msg = rtnl_message(RTM_GETADDR, 0, &header, sizeof(header));

	if (!msg)
		return error_memory(err);
	if (rtnl_dump(kernel->rtnl, reading->ns, msg, take_address, reading, err) < 0)
		return error_context(
		        err, "list the addresses of %s", reading->ns[0] ? reading->ns : "the host");
	return 0;
}

static int observe_namespace(struct kernel *kernel, const struct survey *survey, const char *ns,
        unsigned number, struct resources *ret, struct error *err)
{
	_cleanup_(links_done) struct links inside = {0};
	struct reading reading = {
	        .survey = survey, .ns = ns, .number = number, .inside = &inside, .ret = ret};
	unsigned count;
	int r;

	survey_pairs(survey, number, &count);
	if (count == 0)
		return 0;
	r = links_read(kernel->rtnl, ns, &inside, err);
	if (r == 0)
		r = read_addresses(kernel, &reading, err);
	return r == -ENOENT || r == -EINVAL ? 0 : r;
}

static int observe(struct kernel *kernel, enum kernel_scope scope, const char *const *namespaces,
        size_t namespace_count, struct resources *ret, struct error *err)
{
	_cleanup_(survey_done) struct survey survey = {0};
	struct reading host = {.survey = &survey, .ns = "", .inside = &survey.host, .ret = ret};
	int r = survey_read(kernel, scope, namespaces, namespace_count, &survey, err);

	if (r == 0)
		r = read_addresses(kernel, &host, err);
	for (unsigned i = 0; r == 0 && i < namespace_count; i++)
		r = observe_namespace(kernel, &survey, namespaces[i], i, ret, err);
	return r;
}

static void tell(const struct step *step, FILE *out)
{
	const struct resource *address = step->new ? step->new : step->old;
	char text[CIDR_TEXT_SIZE];

	if (step->old && step->new)
		return;
	fputs("ip ", out);
	if (address->ns[0]) {
		fputs("-n ", out);
		tell_word(out, address->ns);
		fputc(' ', out);
	}
	fprintf(out, "addr %s %s dev ", step->new ? "add" : "del",
	        cidr_format(&address->address.cidr, text));
	tell_word(out, address->address.ifname);
	if (step->new && address->address.cidr.ip.family == AF_INET6)
		fputs(" nodad", out);
	fputc('\n', out);
}

const struct kind kind_address = {
        .name = "address",
        .apply = apply,
        .observe = observe,
        .tell = tell,
        .pipe = PIPE_RTNL,
};
