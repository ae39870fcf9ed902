/*
 * What an interface of the host has, read before it is moved into a namespace. What the kernel
 * makes by itself (routes of addresses, what a router's advertisement brings) is left out: it makes
 * it again.
 */
#include "daemon/kernel/belongings_line.h"

#include "daemon/kernel/sysctl.h"
#include "lib/cleanup.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#ifndef IFAPROT_KERNEL_LL
#define IFAPROT_KERNEL_LL 3 /* Linux 5.18 */
#endif

struct reading {
	int index;
	const struct ip *sought;
	struct belongings *belongings;
	FILE *out;
};

static const char *text_of(const struct ip *ip, char text[IP_TEXT_SIZE])
{
	return ip->family ? ip_format(ip, text) : "-";
}

static void write_address(const struct address *address, FILE *out)
{
	char cidr[CIDR_TEXT_SIZE], peer[IP_TEXT_SIZE], broadcast[IP_TEXT_SIZE];

	fprintf(out, "address %s %s %s %u %u %u %u %s\n", cidr_format(&address->cidr, cidr),
	        text_of(&address->peer, peer), text_of(&address->broadcast, broadcast),
	        address->scope, address->flags, address->valid, address->preferred,
	        address->label[0] ? address->label : "-");
}

static void write_way(const struct way *way, FILE *out)
{
	char cidr[CIDR_TEXT_SIZE], gateway[IP_TEXT_SIZE], source[IP_TEXT_SIZE];

	fprintf(out, "route %s %s %s %u %u %u %u\n", cidr_format(&way->destination, cidr),
	        text_of(&way->gateway, gateway), text_of(&way->source, source), way->metric,
	        way->table, way->protocol, way->scope);
}

/* IFA_LOCAL is its own address where the link has another end, which IFA_ADDRESS is then. */
static bool parse_address(
        const struct ifaddrmsg *header, struct nlattr **attributes, struct address *ret)
{
	const struct ifa_cacheinfo *times =
	        attributes[IFA_CACHEINFO] &&
	                        nla_len(attributes[IFA_CACHEINFO]) >= (int)sizeof(*times)
	                ? nla_data(attributes[IFA_CACHEINFO])
	                : NULL;
	struct ip local = {0}, other = {0};

	if (!rtnl_ip(attributes[IFA_ADDRESS], header->ifa_family, &other) ||
	        header->ifa_prefixlen > 8 * ip_size(header->ifa_family))
		return false;
	*ret = (struct address){.scope = header->ifa_scope,
	        .flags = rtnl_number(attributes[IFA_FLAGS], header->ifa_flags) &
	                 ~(unsigned)(IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED),
	        .valid = times ? times->ifa_valid : UINT32_MAX,
	        .preferred = times ? times->ifa_prefered : UINT32_MAX};
	if (!rtnl_ip(attributes[IFA_LOCAL], header->ifa_family, &local))
		local = other;
	ret->cidr = (struct cidr){local, header->ifa_prefixlen};
	if (!ip_equal(&local, &other))
		ret->peer = other;
	rtnl_ip(attributes[IFA_BROADCAST], header->ifa_family, &ret->broadcast);
	if (attributes[IFA_LABEL])
		nla_strlcpy(ret->label, attributes[IFA_LABEL], sizeof(ret->label));
	return !strpbrk(ret->label, " \n");
}

static int take_address(const struct nlmsghdr *message, void *arg)
{
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct reading *reading = arg;
	struct nlattr *attributes[IFA_MAX + 1];
	struct address address;

	if (message->nlmsg_type != RTM_NEWADDR || (int)header->ifa_index != reading->index ||
	        (header->ifa_family != AF_INET && header->ifa_family != AF_INET6) ||
	        nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX,
	                NULL) < 0 ||
	        !parse_address(header, attributes, &address))
		return 0;
	reading->belongings->has_address |=
	        reading->sought && ip_equal(&address.cidr.ip, reading->sought);
	/* What a router's advertisement brought, it brings again, and the kernel its own. */
	if (attributes[IFA_PROTO] && nla_len(attributes[IFA_PROTO]) >= 1 &&
	        nla_get_u8(attributes[IFA_PROTO]) == IFAPROT_KERNEL_LL)
		return 0;
	if (header->ifa_family == AF_INET || (address.flags & IFA_F_PERMANENT))
		write_address(&address, reading->out);
	return 0;
}

static bool parse_way(const struct rtmsg *header, struct nlattr **attributes, struct way *ret)
{
	*ret = (struct way){.destination.ip.family = header->rtm_family,
	        .destination.prefix = header->rtm_dst_len,
	        .metric = rtnl_number(attributes[RTA_PRIORITY], 0),
	        .table = rtnl_number(attributes[RTA_TABLE], header->rtm_table),
	        .protocol = header->rtm_protocol,
	        .scope = header->rtm_scope};
	rtnl_ip(attributes[RTA_DST], header->rtm_family, &ret->destination.ip);
	rtnl_ip(attributes[RTA_GATEWAY], header->rtm_family, &ret->gateway);
	rtnl_ip(attributes[RTA_PREFSRC], header->rtm_family, &ret->source);
	return ret->destination.prefix <= 8 * ip_size(header->rtm_family);
}

static int take_route(const struct nlmsghdr *message, void *arg)
{
	const struct rtmsg *header = nlmsg_data(message);
	struct reading *reading = arg;
	struct nlattr *attributes[RTA_MAX + 1];
	struct way way;

	if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_type != RTN_UNICAST ||
	        (header->rtm_flags & RTM_F_CLONED) ||
	        (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) ||
	        nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, RTA_MAX,
	                NULL) < 0 ||
	        rtnl_number(attributes[RTA_OIF], 0) != (uint32_t)reading->index ||
	        !parse_way(header, attributes, &way))
		return 0;
	reading->belongings->default_route |= way.destination.prefix == 0;
	if (way.protocol != RTPROT_KERNEL && way.protocol != RTPROT_RA &&
	        way.table != RT_TABLE_LOCAL)
		write_way(&way, reading->out);
	return 0;
}

static int take_link(const struct nlmsghdr *message, void *arg)
{
	const struct ifinfomsg *header = nlmsg_data(message);
	struct reading *reading = arg;
	struct nlattr *attributes[IFLA_MAX + 1];
	uint32_t master;

	if (message->nlmsg_type != RTM_NEWLINK ||
	        nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFLA_MAX,
	                NULL) < 0)
		return 0;
	fprintf(reading->out, "index %d\n", reading->index);
	if (header->ifi_flags & IFF_UP)
		fputs("up\n", reading->out);
	master = rtnl_number(attributes[IFLA_MASTER], 0);
	if (master && if_indextoname(master, reading->belongings->master))
		fprintf(reading->out, "master %s\n", reading->belongings->master);
	return 0;
}

static int read_switches(const struct reading *reading, const char *ifname, struct error *err)
{
	for (size_t i = 0; belongings_switches[i]; i++) {
		char path[RESOURCE_NAME_SIZE], value[SYSCTL_VALUE_SIZE];
		int r;

		snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", ifname, belongings_switches[i]);
		r = sysctl_read("", path, value, err);
		if (r == 0)
			fprintf(reading->out, "switch %s %s\n", belongings_switches[i], value);
		else if (r != -ENOENT) /* no IPv6 */
			return r;
	}
	return 0;
}

static int read_all(struct rtnl *rtnl, struct reading *reading, struct error *err)
{
	const struct ifinfomsg link = {.ifi_index = reading->index};
	const struct ifaddrmsg addresses = {.ifa_family = AF_UNSPEC};
	const struct rtmsg ways[] = {{.rtm_family = AF_INET}, {.rtm_family = AF_INET6}};
	struct nl_msg *msg = rtnl_message(RTM_GETLINK, 0, &link, sizeof(link));
	int r = msg ? rtnl_get(rtnl, "", msg, take_link, reading, err) : error_memory(err);

	if (r < 0)
		return r;
	msg = rtnl_message(RTM_GETADDR, 0, &addresses, sizeof(addresses));
	r = msg ? rtnl_dump(rtnl, "", msg, take_address, reading, err) : error_memory(err);
	for (size_t i = 0; r == 0 && i < sizeof(ways) / sizeof(ways[0]); i++) {
		msg = rtnl_message(RTM_GETROUTE, 0, &ways[i], sizeof(ways[i]));
		r = msg ? rtnl_dump(rtnl, "", msg, take_route, reading, err) : error_memory(err);
	}
	return r;
}

int belongings_read(struct rtnl *rtnl, const char *ifname, const struct ip *sought,
        struct belongings *ret, struct error *err)
{
	struct belongings belongings = {0};
	struct reading reading = {.index = rtnl_ifindex(rtnl, "", ifname),
	        .sought = sought,
	        .belongings = &belongings};
	size_t size;
	int r;

	if (reading.index <= 0) /* it has just gone */
		return error_set(err, ERROR_KERNEL, reading.index < 0 ? -reading.index : ENODEV,
		        "look at interface %s", ifname);
	reading.out = open_memstream(&belongings.text, &size);
	if (!reading.out)
		return error_memory(err);
	r = read_switches(&reading, ifname, err);
	if (r == 0)
		r = read_all(rtnl, &reading, err);
	if (fclose(reading.out) != 0 && r == 0)
		r = error_memory(err);
	if (r < 0) {
		free(belongings.text);
		return error_context(err, "read what interface %s has", ifname);
	}
	*ret = belongings;
	return 0;
}
