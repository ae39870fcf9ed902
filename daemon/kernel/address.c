/*
 * RESOURCE_ADDRESS: addresses of netd's bridges in the host, and of its inner ends in namespaces.
 *
 * An address is its own key, prefix length included, so it is created or deleted and never changed.
 * IPv6 addresses are usable at once: netd gave them out itself, and a duplicate would be its own
 * mistake, so nothing waits for duplicate address detection. What the kernel put there from a
 * router's advertisement is not netd's and is not observed (addresses.c).
 */
#include "daemon/kernel/internal.h"
#include "daemon/kernel/observation.h"
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
	if (index == -EEXIST)
		index = 0; /* somebody else's */
	if (index < 0 || (index == 0 && step->new))
		return error_set(err, ERROR_KERNEL, index ? -index : ENODEV, "%s", what);
	if (index == 0) {
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

static int add_observed(const struct own_link *own, struct resources *ret, struct error *err)
{
	const struct addresses *addresses = own->addresses;

	for (size_t i = 0; own->kind != OWN_OUTER && i < addresses->count; i++) {
		struct resource *resource;

		if (addresses->items[i].index != own->link->index)
			continue;
		resource = resources_add(ret, RESOURCE_ADDRESS, own->ns, own->name);
		if (!resource)
			return error_memory(err);
		resource->address.cidr = addresses->items[i].cidr;
		memcpy(resource->address.ifname, own->link->name, IFNAMSIZ);
	}
	return 0;
}

static int observe(struct observation *observation, struct resources *ret, struct error *err)
{
	return observation_each(observation, add_observed, ret, err);
}

static void tell(const struct step *step, FILE *out)
{
	const struct resource *address = step->new ? step->new : step->old;
	char text[CIDR_TEXT_SIZE];

	if (step->old && step->new)
		return;
	fputs(address->address.cidr.ip.family == AF_INET6 ? "ip -6 " : "ip ", out);
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
