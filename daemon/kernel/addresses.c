/*
 * Reads the kernel's list of addresses, of both families. What the kernel put there from a router's
 * advertisement is nobody's wish and is left out; of link-local addresses one cannot tell.
 */
#include "daemon/kernel/addresses.h"

#include "lib/list.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

/* Set for good: not by autoconfiguration. */
static bool is_set(const struct ifaddrmsg *header, uint32_t flags)
{
	return (flags & IFA_F_PERMANENT) && !(flags & IFA_F_MANAGETEMPADDR) &&
	       (header->ifa_scope != RT_SCOPE_LINK || header->ifa_family == AF_INET6) &&
	       header->ifa_prefixlen <= 128;
}

static struct address_seen *add(struct addresses *addresses)
{
	if (!LIST_ROOM(addresses->items, addresses->count, addresses->capacity, 4))
		return NULL;
	addresses->items[addresses->count] = (struct address_seen){0};
	return &addresses->items[addresses->count++];
}

static int take_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct nlattr *attributes[IFA_MAX + 1];
	struct address_seen *address;
	struct ip ip = {0};

	if (message->nlmsg_type != RTM_NEWADDR ||
	        nlmsg_parse(
	                (struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
		return 0;
	if (!is_set(header, rtnl_number(attributes[IFA_FLAGS], header->ifa_flags)) ||
	        !rtnl_ip(attributes[attributes[IFA_LOCAL] ? IFA_LOCAL : IFA_ADDRESS],
	                header->ifa_family, &ip))
		return 0;
	address = add(arg);
	if (!address)
		return -ENOMEM;
	address->index = (int)header->ifa_index;
	address->cidr.ip = ip;
	address->cidr.prefix = header->ifa_prefixlen;
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
