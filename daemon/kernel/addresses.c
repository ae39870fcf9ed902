/*
 * Reads the kernel's list of addresses, of both families. What the kernel put there from a router's
 * advertisement is nobody's wish and is left out; of link-local addresses one cannot tell.
 */
#include "daemon/kernel/addresses.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

/* Set for good: not by autoconfiguration. */
static bool is_set(const struct ifaddrmsg *header, uint32_t flags)
{
	return (flags & IFA_F_PERMANENT) && !(flags & IFA_F_MANAGETEMPADDR) &&
	       (header->ifa_scope != RT_SCOPE_LINK || header->ifa_family == AF_INET6) &&
	       header->ifa_prefixlen <= 128;
}

static struct address_seen *add(struct addresses *addresses)
{
	if (addresses->count == addresses->capacity) {
		size_t capacity = addresses->capacity ? 2 * addresses->capacity : 4;
		void *items = reallocarray(addresses->items, capacity, sizeof(*addresses->items));

		if (!items)
			return NULL;
		addresses->items = items;
		addresses->capacity = capacity;
	}
	addresses->items[addresses->count] = (struct address_seen){0};
	return &addresses->items[addresses->count++];
}

static int take_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1], *ip;
	struct address_seen *address;
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
	address = add(arg);
	if (!address)
		return -ENOMEM;
	address->index = (int)header->ifa_index;
	address->cidr.ip.family = header->ifa_family;
	address->cidr.prefix = header->ifa_prefixlen;
	memcpy(address->cidr.ip.bytes, nla_data(ip), (size_t)nla_len(ip));
	return 0;
}

int addresses_read(struct rtnl *rtnl, const char *ns, struct addresses *ret, struct error *err)
{
	struct ifaddrmsg header = {.ifa_family = AF_UNSPEC};
	struct nl_msg *msg = rtnl_message(RTM_GETADDR, 0, &header, sizeof(header));
	struct addresses addresses = {0};

	if (!msg)
		return error_memory(err);
	if (rtnl_dump(rtnl, ns, msg, take_address, &addresses, err) < 0) {
		addresses_done(&addresses);
		return error_context(err, "list the addresses of %s", ns[0] ? ns : "the host");
	}
	*ret = addresses;
	return 0;
}

void addresses_done(struct addresses *addresses)
{
	free(addresses->items);
	*addresses = (struct addresses){0};
}
