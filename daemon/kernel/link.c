/*
 * RESOURCE_LINK: bridges, and veth pairs by their outer end, or, where they have none, by the one
 * that is called the first.
 *
 * The invariant: a link is born whole. One message makes it with its MTU, its master and, of a
 * pair, with the other end in its namespace under its final name. The kernel takes no alias in that
 * message, so the mark comes in a second one of the same send, which nothing can end in between; it
 * goes by index, one that netd chose itself, because a name may turn out to be a foreign link's. So
 * there is no moment at which a link of netd's exists and cannot be recognised. Both ends of a pair
 * have one queue each way: with more, the kernel waits for a grace period for every pair.
 *
 * A link that is to go is *retired* first, which can be taken back: no master, down, in the group
 * of the condemned. Any group but 0 says so when it is observed, since the number is drawn anew by
 * every run of netd.
 */
#include "daemon/kernel/link.h"

#include "daemon/kernel/inside.h"
#include "daemon/kernel/internal.h"
#include "daemon/kernel/observation.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"

#include <linux/if_link.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <string.h>

#define QUEUES 1

static const char *master_of(const struct resource *link)
{
	return link->link.retired ? "" : link->link.master;
}

static bool is_up(const struct resource *link)
{
	return link->link.up && !link->link.retired;
}

static bool has_mac(const uint8_t mac[MAC_SIZE])
{
	static const uint8_t none[MAC_SIZE];

	return memcmp(mac, none, MAC_SIZE) != 0;
}

/* Of a pair without an outer end the first one, which it is made by. */
static const char *born_as(const struct resource *link)
{
	return link->ns[0] ? link->link.ifname : link->name;
}

/* "add veth nv12 to bridge netd0, eth0 in web" */
static void sentence(const char *verb, const struct resource *link, char *text, size_t size)
{
	char name[RESOURCE_NAME_SIZE + 16];
	bool pair = link->link.type == LINK_VETH && link->link.peer_ns[0];

	resource_describe(link, name, sizeof(name));
	snprintf(text, size, "%s %s%s%s%s%s%s%s", verb, name,
	        master_of(link)[0] ? " to bridge " : "", master_of(link), pair ? ", " : "",
	        pair ? link->link.peer_name : "", pair ? " in " : "",
	        pair ? link->link.peer_ns : "");
}

static int find_master(
        struct kernel *kernel, const struct resource *link, uint32_t *ret, struct error *err)
{
	const char *master = master_of(link);
	char what[160];
	int index = !master[0]         ? 0
	            : link->link.guest ? rtnl_ifindex(kernel->rtnl, "", master)
	                               : link_index(kernel, master);

	*ret = index > 0 ? (uint32_t)index : 0;
	/* Whether somebody else's is there, is followed. */
	if (*ret || !master[0] || (link->link.guest && index == 0))
		return 0;
	sentence("put", link, what, sizeof(what));
	return link_missing(what, master, index, err);
}

/* Frames to 01:80:c2:00:00:0e: else they reach the host past every rule of the bridge table. */
#define FORWARDED_GROUPS (1 << 0x0e)

static int put_bridge(struct nl_msg *msg)
{
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA);

	if (!data || nla_put_u32(msg, IFLA_BR_STP_STATE, 0) < 0 ||
	        nla_put_u32(msg, IFLA_BR_FORWARD_DELAY, 0) < 0 ||
	        nla_put_u16(msg, IFLA_BR_GROUP_FWD_MASK, FORWARDED_GROUPS) < 0)
		return -ENOMEM;
	return nla_nest_end(msg, data);
}

static int put_queues(struct nl_msg *msg)
{
	if (nla_put_u32(msg, IFLA_NUM_TX_QUEUES, QUEUES) < 0)
		return -ENOMEM;
	return nla_put_u32(msg, IFLA_NUM_RX_QUEUES, QUEUES);
}

/* The other end. ns: -1 where it stays in the host. */
static int put_peer(struct nl_msg *msg, const struct resource *link, int ns)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC};
	struct nlattr *data = nla_nest_start(msg, IFLA_INFO_DATA), *peer;

	peer = data ? nla_nest_start(msg, VETH_INFO_PEER) : NULL;
	if (!peer || nlmsg_append(msg, &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	        (link->link.peer_name[0] &&
	                nla_put_string(msg, IFLA_IFNAME, link->link.peer_name) < 0) ||
	        (has_mac(link->link.peer_mac) &&
	                nla_put(msg, IFLA_ADDRESS, MAC_SIZE, link->link.peer_mac) < 0) ||
	        (link->link.mtu && nla_put_u32(msg, IFLA_MTU, link->link.mtu) < 0) ||
	        put_queues(msg) < 0 ||
	        (ns >= 0 && nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)ns) < 0))
		return -ENOMEM;
	nla_nest_end(msg, peer);
	return nla_nest_end(msg, data);
}

static int put_kind(struct nl_msg *msg, const struct resource *link, int ns)
{
	bool bridge = link->link.type == LINK_BRIDGE;
	struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO);

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, bridge ? "bridge" : "veth") < 0 ||
	        (bridge ? put_bridge(msg) : put_peer(msg, link, ns)) < 0)
		return -ENOMEM;
	return nla_nest_end(msg, info);
}

static int put_new(struct nl_msg *msg, const struct resource *link, uint32_t master, int ns)
{
	if (nla_put_string(msg, IFLA_IFNAME, born_as(link)) < 0 ||
	        (link->link.mtu && nla_put_u32(msg, IFLA_MTU, link->link.mtu) < 0) ||
	        (has_mac(link->link.mac) &&
	                nla_put(msg, IFLA_ADDRESS, MAC_SIZE, link->link.mac) < 0) ||
	        (link->link.retired && nla_put_u32(msg, IFLA_GROUP, link_condemned_group()) < 0) ||
	        (master && nla_put_u32(msg, IFLA_MASTER, master) < 0) ||
	        (link->link.type == LINK_VETH && put_queues(msg) < 0))
		return -ENOMEM;
	return put_kind(msg, link, ns);
}

/* An index that no link has: counted from a number drawn by each run, far above those the kernel
 * gives out. */
static int new_index(void)
{
	static uint32_t last;

	if (last == 0)
		last = LINKS_FIRST_INDEX + (arc4random() & 0x1fffffff);
	return (int)++last;
}

/* The message that marks a link, and the one that takes the link back where the kernel refuses the
 * mark. Both are there before the link is asked for: for want of memory, too, none is unmarked. */
struct mark {
	struct nl_msg *msg, *regret;
};

static void mark_done(struct mark *mark)
{
	nlmsg_free(mark->msg);
	nlmsg_free(mark->regret);
}

/* Before the link has a carrier, and so before the kernel makes an address of its MAC. */
static int put_quiet(struct nl_msg *msg)
{
	struct nlattr *families = nla_nest_start(msg, IFLA_AF_SPEC), *family;

	family = families ? nla_nest_start(msg, AF_INET6) : NULL;
	if (!family || nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) < 0)
		return -ENOMEM;
	nla_nest_end(msg, family);
	return nla_nest_end(msg, families);
}

static int mark_make(const struct resource *new, int index, struct mark *ret, struct error *err)
{
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC, .ifi_index = index};

	if (!new->text)
		return 0;
	ret->regret = rtnl_message(RTM_DELLINK, 0, &header, sizeof(header));
	ret->msg = rtnl_message(RTM_SETLINK, 0, &header, sizeof(header));
	if (!ret->msg || !ret->regret || nla_put_string(ret->msg, IFLA_IFALIAS, new->text) < 0 ||
	        (new->link.quiet &&put_quiet(ret->msg) < 0))
		return error_memory(err);
	return 0;
}

/* Behind the message that makes the link. */
static int mark_queue(struct kernel *kernel, const struct resource *new, struct mark *mark,
        struct step *step, struct error *err)
{
	char what[160];
	int r;

	if (!mark->msg)
		return 0;
	sentence("mark", new, what, sizeof(what));
	r = rtnl_queue(kernel->rtnl, new->ns, TAKE_PTR(mark->msg), what, RTNL_STRICT, step, err);
	if (r == 0)
		rtnl_regret(kernel->rtnl, TAKE_PTR(mark->regret));
	return r;
}

static int create(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct resource *new = step->new;
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
	        .ifi_index = new_index(),
	        .ifi_flags = is_up(new) ? IFF_UP : 0,
	        .ifi_change = is_up(new) ? IFF_UP : 0};
	_cleanup_(closep) int ns = -1;
	_cleanup_(rtnl_messagep) struct nl_msg *msg = NULL;
	_cleanup_(mark_done) struct mark mark = {0};
	char what[160];
	uint32_t master;
	int r = find_master(kernel, new, &master, err);

	sentence("add", new, what, sizeof(what));
	if (r == 0 && new->link.type == LINK_VETH &&new->link.peer_ns[0]) {
		r = netns_open(new->link.peer_ns, &ns, err);
		if (r < 0)
			return error_context(err, "%s", what);
	}
	if (r < 0)
		return r;
	msg = rtnl_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	if (!msg || put_new(msg, new, master, ns) < 0)
		return error_memory(err);
	r = mark_make(new, header.ifi_index, &mark, err);
	if (r < 0)
		return r;
	rtnl_together(kernel->rtnl, new->ns, 2);
	r = rtnl_queue(kernel->rtnl, new->ns, TAKE_PTR(msg), what, RTNL_STRICT, step, err);
	if (r == 0 && ns >= 0)
		rtnl_hold(kernel->rtnl, TAKE_FD(ns));
	return r == 0 ? mark_queue(kernel, new, &mark, step, err) : r;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* What differs. A retired link keeps its MTU: it only waits. */
struct difference {
	bool mtu, mac, alias, master, up, group;
};

static struct difference compare(const struct resource *old, const struct resource *new)
{
	bool stays = !new->link.retired;

	return (struct difference){
	        .mtu = stays && new->link.mtu && old->link.mtu != new->link.mtu,
	        .mac = new->link.type == LINK_BRIDGE &&has_mac(new->link.mac) &&
	               memcmp(old->link.mac, new->link.mac, MAC_SIZE) != 0,
	        .alias = stays &&new->text && !same_text(old->text, new->text),
	        .master = strcmp(master_of(old), master_of(new)) != 0,
	        .up = is_up(old) != is_up(new),
	        .group = old->link.retired != new->link.retired,
	};
}

static uint32_t group_of(const struct resource *link)
{
	return link->link.retired ? link_condemned_group() : 0;
}

static int put_difference(struct nl_msg *msg, const struct difference *difference,
        const struct resource *old, const struct resource *new, uint32_t master)
{
	/* By its mark a retired link is deleted, so that it gets it again, should it have lost it.
	 */
	const char *mark = new->link.retired ? old->text : difference->alias ? new->text : NULL;

	if ((difference->mtu && nla_put_u32(msg, IFLA_MTU, new->link.mtu) < 0) ||
	        (difference->mac && nla_put(msg, IFLA_ADDRESS, MAC_SIZE, new->link.mac) < 0) ||
	        (mark && nla_put_string(msg, IFLA_IFALIAS, mark) < 0) ||
	        (difference->group && nla_put_u32(msg, IFLA_GROUP, group_of(new)) < 0) ||
	        (difference->master && nla_put_u32(msg, IFLA_MASTER, master) < 0))
		return -ENOMEM;
	return 0;
}

/* Gives a link that someone renamed its name back. */
static int rename_back(struct kernel *kernel, const struct resource *old,
        const struct resource *new, struct error *err)
{
	char what[160];
	int r = rtnl_flush(kernel->rtnl, err);

	sentence("rename", new, what, sizeof(what));
	if (r < 0)
		return r;
	return link_rename(kernel, "", rtnl_ifindex(kernel->rtnl, "", old->link.ifname), new->name,
	        old->link.up, what, err);
}

static bool is_nothing(const struct difference *difference)
{
	return !difference->mtu && !difference->mac && !difference->alias && !difference->master &&
	       !difference->up && !difference->group;
}

static int change(struct kernel *kernel, struct step *step, struct error *err)
{
	const struct difference difference = compare(step->old, step->new);
	/* Flags without a mask would replace all of the link's flags. */
	struct ifinfomsg header = {.ifi_family = AF_UNSPEC,
	        .ifi_flags = difference.up && is_up(step->new) ? IFF_UP : 0,
	        .ifi_change = difference.up ? IFF_UP : 0};
	_cleanup_(rtnl_messagep) struct nl_msg *msg = NULL;
	char what[160];
	uint32_t master = 0;
	bool alone = step->new->ns[0]; /* what changes is its ends' */
	bool renamed = !alone && step->old->link.ifname[0];
	int r = renamed ? rename_back(kernel, step->old, step->new, err) : 0;

	if (r < 0)
		return r;
	if (alone || (renamed && is_nothing(&difference))) {
		step->done = true;
		return 0;
	}
	sentence(step->new->link.retired ? "retire" : "change", step->new, what, sizeof(what));
	header.ifi_index = link_index(kernel, step->new->name);
	if ((header.ifi_index == 0 || header.ifi_index == -EEXIST) && step->new->link.retired) {
		step->done = true; /* it is gone already */
		return 0;
	}
	if (header.ifi_index <= 0)
		return link_missing(what, step->new->name, header.ifi_index, err);
	if (difference.master)
		r = find_master(kernel, step->new, &master, err);
	if (r < 0)
		return r;
	msg = rtnl_message(RTM_SETLINK, 0, &header, sizeof(header));
	if (!msg || put_difference(msg, &difference, step->old, step->new, master) < 0)
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, "", TAKE_PTR(msg), what,
	        step->new->link.retired ? RTNL_GONE : RTNL_STRICT, step, err);
}

static int apply(struct kernel *kernel, struct step *step, struct error *err)
{
	int r = !step->new  ? link_delete(kernel, step, err)
	        : step->old ? change(kernel, step, err)
	                    : create(kernel, step, err);

	return rtnl_cause(kernel->rtnl, r, err);
}

/* --- telling --- */

static void tell_attribute(FILE *out, const char *name, const char *value)
{
	fprintf(out, " %s ", name);
	tell_word(out, value);
}

static void tell_mac(FILE *out, const uint8_t mac[MAC_SIZE])
{
	char text[MAC_TEXT_SIZE];

	if (has_mac(mac))
		fprintf(out, " address %s", mac_format(mac, text));
}

static void tell_mtu(FILE *out, uint32_t mtu)
{
	if (mtu)
		fprintf(out, " mtu %u", mtu);
}

static void tell_start(FILE *out, const char *ns, const char *verb, const char *ifname)
{
	fputs("ip ", out);
	if (ns[0]) {
		fputs("-n ", out);
		tell_word(out, ns);
		fputc(' ', out);
	}
	fprintf(out, "link %s", verb);
	tell_attribute(out, strcmp(verb, "add") == 0 ? "name" : "dev", ifname);
}

static void tell_mark(const struct resource *link, FILE *out)
{
	if (!link->text)
		return;
	tell_start(out, link->ns, "set", born_as(link));
	tell_attribute(out, "alias", link->text);
	fputc('\n', out);
}

static void tell_create(const struct resource *link, FILE *out)
{
	bool veth = link->link.type == LINK_VETH;

	tell_start(out, link->ns, "add", born_as(link));
	tell_mac(out, link->link.mac);
	tell_mtu(out, link->link.mtu);
	if (veth)
		fprintf(out, " numtxqueues %d numrxqueues %d", QUEUES, QUEUES);
	if (link->link.retired)
		fprintf(out, " group %u", link_condemned_group());
	if (master_of(link)[0])
		tell_attribute(out, "master", link->link.master);
	if (is_up(link))
		fputs(" up", out);
	if (!veth) {
		fprintf(out, " type bridge stp_state 0 forward_delay 0 group_fwd_mask %d\n",
		        FORWARDED_GROUPS);
		return;
	}
	fputs(" type veth peer", out);
	if (link->link.peer_name[0])
		tell_attribute(out, "name", link->link.peer_name);
	tell_mac(out, link->link.peer_mac);
	tell_mtu(out, link->link.mtu);
	fprintf(out, " numtxqueues %d numrxqueues %d", QUEUES, QUEUES);
	if (link->link.peer_ns[0])
		tell_attribute(out, "netns", link->link.peer_ns);
	fputc('\n', out);
}

static void tell_change(const struct resource *old, const struct resource *new, FILE *out)
{
	const struct difference difference = compare(old, new);

	if (new->ns[0])
		return;
	if (old->link.ifname[0]) {
		tell_start(out, "", "set", old->link.ifname);
		tell_attribute(out, "name", new->name);
		fputc('\n', out);
	}
	if (old->link.ifname[0] && is_nothing(&difference))
		return;
	tell_start(out, "", "set", new->name);
	if (difference.mtu)
		tell_mtu(out, new->link.mtu);
	if (difference.mac)
		tell_mac(out, new->link.mac);
	if (difference.alias)
		tell_attribute(out, "alias", new->text);
	if (difference.master && master_of(new)[0])
		tell_attribute(out, "master", new->link.master);
	else if (difference.master)
		fputs(" nomaster", out);
	if (difference.up)
		fputs(is_up(new) ? " up" : " down", out);
	if (difference.group)
		fprintf(out, " group %u", group_of(new));
	fputc('\n', out);
}

static void tell(const struct step *step, FILE *out)
{
	if (step->new && step->old) {
		tell_change(step->old, step->new, out);
	} else if (step->new) {
		tell_create(step->new, out);
		tell_mark(step->new, out);
	} else {
		/* Of a broken pair perhaps only the second end is known. */
		bool second = !born_as(step->old)[0];

		tell_start(out, second ? step->old->link.peer_ns : step->old->ns, "del",
		        second ? step->old->link.peer_name : born_as(step->old));
		fputc('\n', out);
	}
}

const struct kind kind_link = {
        .name = "link",
        .apply = apply,
        .observe = link_observe,
        .tell = tell,
        .pipe = PIPE_RTNL,
};
