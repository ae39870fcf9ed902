/*
 * The way of one interface between the host and a namespace.
 *
 * The kernel moves first and renames then: a refused message may have moved it all the same. So
 * after each failure it is asked where the interface is, by the index that netd has drawn for it:
 * a tenant may rename it, or give its name to another one, and who takes it out takes the index
 * along.
 */
#include "daemon/kernel/passage.h"

#include "daemon/kernel/belongings.h"
#include "daemon/kernel/inside.h"
#include "daemon/kernel/talk.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#define OTHER_NAME_SIZE 128 /* ALTIFNAMSIZ */
#define PATTERN_SIZE    (IFNAMSIZ + 2)

/* --- the messages --- */

static struct nlmsghdr *start(void *buffer, uint16_t type, int index, unsigned change, unsigned up)
{
	struct nlmsghdr *request = talk_start(buffer, type, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ifi_index = index;
	header->ifi_change = change;
	header->ifi_flags = up;
	return request;
}

struct move {
	int netns;        /* where it goes */
	const char *name; /* what it is called there */
	int new_index;    /* 0: as it comes */
};

/* It arrives down and without a master: the kernel sees to that, once it can refuse nothing but
 * the name any more. */
static int send_move(int rtnetlink, int index, const struct move *move)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = start(buffer, RTM_SETLINK, index, 0, 0);

	mnl_attr_put_u32(request, IFLA_NET_NS_FD, (uint32_t)move->netns);
	mnl_attr_put_strz(request, IFLA_IFNAME, move->name);
	if (move->new_index)
		mnl_attr_put_u32(request, IFLA_NEW_IFINDEX, (uint32_t)move->new_index);
	return talk(rtnetlink, request, NULL, NULL);
}

static int send_up(int rtnetlink, int index, bool up)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];

	return talk(
	        rtnetlink, start(buffer, RTM_SETLINK, index, IFF_UP, up ? IFF_UP : 0), NULL, NULL);
}

static int send_name(int rtnetlink, int index, const char *name)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = start(buffer, RTM_SETLINK, index, 0, 0);

	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	return talk(rtnetlink, request, NULL, NULL);
}

static int send_remove_other_name(int rtnetlink, int index, const char *name)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = start(buffer, RTM_DELLINKPROP, index, 0, 0);
	struct nlattr *list = mnl_attr_nest_start(request, IFLA_PROP_LIST);

	mnl_attr_put_strz(request, IFLA_ALT_IFNAME, name);
	mnl_attr_nest_end(request, list);
	return talk(rtnetlink, request, NULL, NULL);
}

/* --- where it is --- */

static int take_name(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
		        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			snprintf(arg, IFNAMSIZ, "%s", mnl_attr_get_str(attribute));
	}
	return MNL_CB_OK;
}

/* 1 and its name, or 0. */
static int name_at(int rtnetlink, int index, char ret[IFNAMSIZ])
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	int r = talk(rtnetlink, start(buffer, RTM_GETLINK, index, 0, 0), take_name, ret);

	return r == 0 ? 1 : r == -ENODEV ? 0 : r;
}

static bool has_name(int rtnetlink, const char *name)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = start(buffer, RTM_GETLINK, 0, 0, 0);

	mnl_attr_put_strz(request, IFLA_ALT_IFNAME, name);
	return talk(rtnetlink, request, NULL, NULL) == 0;
}

/* --- names that are in the way --- */

struct clash {
	int host;
	char name[OTHER_NAME_SIZE]; /* "": none */
};

static int take_clash(const struct nlmsghdr *message, void *arg)
{
	const struct nlattr *attribute, *one;
	struct clash *clash = arg;

	mnl_attr_for_each(attribute, message, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attribute) != IFLA_PROP_LIST)
			continue;
		mnl_attr_for_each_nested(one, attribute)
		{
			if (mnl_attr_get_type(one) == IFLA_ALT_IFNAME &&
			        mnl_attr_validate(one, MNL_TYPE_NUL_STRING) == 0 &&
			        has_name(clash->host, mnl_attr_get_str(one)))
				snprintf(clash->name, sizeof(clash->name), "%s",
				        mnl_attr_get_str(one));
		}
	}
	return MNL_CB_OK;
}

/* A tenant can give it other names, also such as the host has: it would not come back any more. */
static void remove_clashes(const struct passage *passage)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	const struct resource *moved = passage->moved;
	struct clash clash;

	do {
		struct nlmsghdr *request = start(buffer, RTM_GETLINK, moved->moved.index, 0, 0);

		clash = (struct clash){.host = passage->host};
		if (talk(passage->inside, request, take_clash, &clash) < 0 || !clash.name[0])
			return;
		log_warning("interface %s comes back without its other name %s: the host has one "
		            "of that name",
		        moved->name, clash.name);
	} while (send_remove_other_name(passage->inside, moved->moved.index, clash.name) == 0);
}

/* --- both sides --- */

/* In the namespace. */
static int open_rtnetlink(void *arg, struct error *err)
{
	int *fd = arg;

	*fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return *fd < 0 ? error_set(err, ERROR_KERNEL, errno, "open an rtnetlink socket") : 0;
}

int passage_open(const struct resource *moved, int netns, struct passage *ret, struct error *err)
{
	_cleanup_(passage_done) struct passage passage = {
	        .moved = moved, .host = -1, .inside = -1, .host_netns = -1, .inside_netns = netns};
	int r = netns_inside_fd(netns, moved->moved.ns, open_rtnetlink, &passage.inside, err);

	if (r == 0)
		r = netns_open("", &passage.host_netns, err);
	if (r == 0)
		r = open_rtnetlink(&passage.host, err);
	if (r < 0)
		return r;
	*ret = passage;
	passage = PASSAGE_NONE;
	return 0;
}

void passage_done(struct passage *passage)
{
	closep(&passage->host);
	closep(&passage->inside);
	closep(&passage->host_netns);
	closep(&passage->inside_netns);
}

int passage_is_inside(const struct resource *moved, int netns, bool *ret, struct error *err)
{
	_cleanup_(closep) int inside = -1;
	char name[IFNAMSIZ];
	int r = netns_inside_fd(netns, moved->moved.ns, open_rtnetlink, &inside, err);

	if (r < 0)
		return r;
	r = name_at(inside, moved->moved.index, name);
	if (r < 0)
		return error_set(err, ERROR_KERNEL, -r, "look for interface %s in namespace %s",
		        moved->name, moved->moved.ns);
	*ret = r > 0;
	return 0;
}

/* --- there --- */

static int refused(int errnum, const struct resource *moved, struct error *err)
{
	return error_set(err, ERROR_KERNEL, errnum, "move interface %s to namespace %s%s",
	        moved->name, moved->moved.ns,
	        errnum == EINVAL   ? " (a bridge and some other kinds cannot leave their namespace)"
	        : errnum == EEXIST ? " (one in there has its name, or another one of its names; "
	                             "--name gives it a new one, 'ip link property del' takes "
	                             "others away)"
	                           : "");
}

int passage_go(const struct passage *passage, int index, struct error *err)
{
	const struct resource *moved = passage->moved;
	const struct move move = {.netns = passage->inside_netns,
	        .name = moved->moved.inside,
	        .new_index = moved->moved.index};
	int r = send_move(passage->host, index, &move);

	if (r < 0)
		return refused(-r, moved, err);
	if (belongings_up(moved->text ? moved->text : ""))
		r = send_up(passage->inside, moved->moved.index, true);
	return r < 0 ? error_set(err, ERROR_KERNEL, -r, "set interface %s up in namespace %s",
	                       moved->name, moved->moved.ns)
	             : 0;
}

/* --- and back --- */

/* Another one may have its name by now. */
static void name_again(const struct passage *passage, int index)
{
	const char *name = passage->moved->name;
	char pattern[PATTERN_SIZE];

	send_up(passage->host, index, false); /* older kernels rename only what is down */
	snprintf(pattern, sizeof(pattern), "%.11s_%%d", name);
	if (send_name(passage->host, index, name) < 0)
		send_name(passage->host, index, pattern);
}

/* Where its index or one of its names is another one's by now, it comes without. *ret is its index
 * on the host. */
static int send_back(const struct passage *passage, int *ret, struct error *err)
{
	const struct resource *moved = passage->moved;
	char pattern[PATTERN_SIZE], name[IFNAMSIZ];
	const struct move moves[] = {{passage->host_netns, moved->name,
	                                     belongings_index(moved->text ? moved->text : "")},
	        {passage->host_netns, moved->name, 0}, {passage->host_netns, pattern, 0}};
	int r = 0, there = 1;

	snprintf(pattern, sizeof(pattern), "%.11s_%%d", moved->name);
	for (size_t i = 0; there > 0 && i < sizeof(moves) / sizeof(moves[0]); i++) {
		r = send_move(passage->inside, moved->moved.index, &moves[i]);
		*ret = moves[i].new_index ? moves[i].new_index : moved->moved.index;
		there = r < 0 ? name_at(passage->inside, moved->moved.index, name) : 0;
		if (there > 0)
			remove_clashes(passage);
	}
	if (there != 0)
		return error_set(err, ERROR_KERNEL, -(there < 0 ? there : r),
		        "move interface %s back from namespace %s", moved->name, moved->moved.ns);
	if (r < 0)
		name_again(passage, *ret);
	return 0;
}

static int failed_look(int errnum, const struct resource *moved, struct error *err)
{
	return error_set(err, ERROR_KERNEL, errnum, "look where interface %s is", moved->name);
}

/* On the host. Someone may have taken it again: 0. */
static int settle(const struct passage *passage, int index, struct error *err)
{
	const struct resource *moved = passage->moved;
	char name[IFNAMSIZ];
	int r = name_at(passage->host, index, name);

	if (r < 0)
		return failed_look(-r, moved, err);
	if (r == 0)
		return 0;
	if (strcmp(name, moved->name) != 0)
		log_warning(
		        "interface %s is back as %s: another one has its name", moved->name, name);
	belongings_restore(passage->host, name, moved->text ? moved->text : "");
	return 1;
}

int passage_home(const struct passage *passage, struct error *err)
{
	const struct resource *moved = passage->moved;
	char name[IFNAMSIZ];
	int index = moved->moved.index;
	int r = name_at(passage->inside, index, name);

	if (r > 0) {
		r = send_back(passage, &index, err);
		return r < 0 ? r : settle(passage, index, err);
	}
	if (r == 0)
		r = name_at(passage->host, index, name);
	if (r < 0)
		return failed_look(-r, moved, err);
	if (r == 0)
		return 0;
	name_again(passage, index);
	return settle(passage, index, err);
}
