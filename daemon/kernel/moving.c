/* The messages by which an interface changes its namespace, is set up, and leaves a bridge. Each is
 * sent by itself and waited for, since the next one goes to another namespace. */
#include "daemon/kernel/moving.h"

#include "daemon/kernel/talk.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

int moving_send(int rtnetlink, const struct move *move)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_SETLINK, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ifi_index = move->index;
	mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)move->netns);
	mnl_attr_put_strz(request, IFLA_IFNAME, move->name);
	if (move->new_index)
		mnl_attr_put_u32(request, IFLA_NEW_IFINDEX, (uint32_t)move->new_index);
	return talk(rtnetlink, request, NULL, NULL);
}

int moving_flags(int rtnetlink, int index, bool up, bool release)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_SETLINK, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ifi_index = index;
	header->ifi_flags = up ? IFF_UP : 0;
	header->ifi_change = up ? IFF_UP : 0;
	if (release)
		mnl_attr_put_u32(request, IFLA_MASTER, 0);
	return talk(rtnetlink, request, NULL, NULL);
}
