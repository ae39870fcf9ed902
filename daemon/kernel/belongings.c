/*
 * What an interface of the host had before it was moved into a namespace, given back when it
 * returns: the kernel takes all of it away on both ways.
 *
 * Text that cannot be read is passed over, a line at a time: it comes
 * from a file, and the interface is to return all the same.
 */
#include "daemon/kernel/belongings_line.h"

#include "daemon/kernel/talk.h"
#include "daemon/kernel/tell.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 512
#define WORD_SIZE 64

const char *const belongings_switches[] = {"disable_ipv6", "addr_gen_mode", NULL};

/* The next line; false at the end. */
static bool next_line(const char **rest, char line[LINE_SIZE])
{
	size_t length = strcspn(*rest, "\n");

	if (**rest == '\0')
		return false;
	snprintf(line, LINE_SIZE, "%.*s", (int)length, *rest);
	*rest += length + ((*rest)[length] == '\n');
	return true;
}

bool belongings_up(const char *text)
{
	char line[LINE_SIZE];

	while (next_line(&text, line))
		if (strcmp(line, "up") == 0)
			return true;
	return false;
}

int belongings_index(const char *text)
{
	char line[LINE_SIZE];
	int index;

	while (next_line(&text, line))
		if (sscanf(line, "index %d", &index) == 1)
			return index > 0 ? index : 0;
	return 0;
}

/* "-" is none. */
static bool read_ip(const char *word, struct ip *ret)
{
	struct error ignored;

	return strcmp(word, "-") == 0 || parse_ip(word, "", ret, &ignored) == 0;
}

static bool read_cidr(char *word, struct cidr *ret)
{
	char *slash = strchr(word, '/');
	unsigned long prefix;
	struct error ignored;

	if (!slash)
		return false;
	*slash = '\0';
	if (parse_ip(word, "", &ret->ip, &ignored) < 0 ||
	        parse_number(slash + 1, "", 0, 8 * ip_size(ret->ip.family), &prefix, &ignored) < 0)
		return false;
	ret->prefix = (uint8_t)prefix;
	return true;
}

static bool read_address(const char *line, struct address *ret)
{
	char cidr[WORD_SIZE], peer[WORD_SIZE], broadcast[WORD_SIZE], label[IFNAMSIZ];

	*ret = (struct address){0};
	if (sscanf(line, "address %63s %63s %63s %u %u %u %u %15s", cidr, peer, broadcast,
	            &ret->scope, &ret->flags, &ret->valid, &ret->preferred, label) != 8)
		return false;
	if (strcmp(label, "-") != 0)
		memcpy(ret->label, label, sizeof(label));
	return read_cidr(cidr, &ret->cidr) && read_ip(peer, &ret->peer) &&
	       read_ip(broadcast, &ret->broadcast);
}

static bool read_way(const char *line, struct way *ret)
{
	char cidr[WORD_SIZE], gateway[WORD_SIZE], source[WORD_SIZE];

	*ret = (struct way){0};
	return sscanf(line, "route %63s %63s %63s %u %u %u %u", cidr, gateway, source, &ret->metric,
	               &ret->table, &ret->protocol, &ret->scope) == 7 &&
	       read_cidr(cidr, &ret->destination) && read_ip(gateway, &ret->gateway) &&
	       read_ip(source, &ret->source);
}

static void put_ip(struct nlmsghdr *message, uint16_t type, const struct ip *ip)
{
	if (ip->family)
		mnl_attr_put(message, type, ip_size(ip->family), ip->bytes);
}

static int restore_address(int rtnetlink, unsigned index, const struct address *address)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	const struct ifa_cacheinfo times = {
	        .ifa_valid = address->valid, .ifa_prefered = address->preferred};

	header->ifa_family = (uint8_t)address->cidr.ip.family;
	header->ifa_prefixlen = address->cidr.prefix;
	header->ifa_scope = (uint8_t)address->scope;
	header->ifa_index = index;
	put_ip(request, IFA_LOCAL, &address->cidr.ip);
	put_ip(request, IFA_ADDRESS, address->peer.family ? &address->peer : &address->cidr.ip);
	put_ip(request, IFA_BROADCAST, &address->broadcast);
	mnl_attr_put_u32(request, IFA_FLAGS, address->flags);
	mnl_attr_put(request, IFA_CACHEINFO, sizeof(times), &times);
	if (address->label[0])
		mnl_attr_put_strz(request, IFA_LABEL, address->label);
	return talk(rtnetlink, request, NULL, NULL);
}

static int restore_way(int rtnetlink, unsigned index, const struct way *way)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->rtm_family = (uint8_t)way->destination.ip.family;
	header->rtm_dst_len = way->destination.prefix;
	header->rtm_protocol = (uint8_t)way->protocol;
	header->rtm_scope = (uint8_t)way->scope;
	header->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(request, RTA_TABLE, way->table);
	if (way->destination.prefix)
		put_ip(request, RTA_DST, &way->destination.ip);
	put_ip(request, RTA_GATEWAY, &way->gateway);
	put_ip(request, RTA_PREFSRC, &way->source);
	if (way->metric)
		mnl_attr_put_u32(request, RTA_PRIORITY, way->metric);
	mnl_attr_put_u32(request, RTA_OIF, index);
	return talk(rtnetlink, request, NULL, NULL);
}

static int restore_link(int rtnetlink, unsigned index, unsigned master, bool up)
{
	_Alignas(struct nlmsghdr) char buffer[TALK_SIZE];
	struct nlmsghdr *request = talk_start(buffer, RTM_SETLINK, 0);
	struct ifinfomsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ifi_index = (int)index;
	header->ifi_flags = up ? IFF_UP : 0;
	header->ifi_change = up ? IFF_UP : 0;
	if (master)
		mnl_attr_put_u32(request, IFLA_MASTER, master);
	return talk(rtnetlink, request, NULL, NULL);
}

static int restore_switch(const char *ifname, const char *name, const char *value)
{
	_cleanup_(closep) int fd = -1;
	size_t length = strlen(value);
	char path[128];
	ssize_t written;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", ifname, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	written = fd < 0 ? -1 : write(fd, value, length);
	if (written < 0)
		return -errno;
	return (size_t)written == length ? 0 : -EIO;
}

/* One line; 1: there is nothing to do for it. */
static int restore_line(int rtnetlink, unsigned index, const char *ifname, const char *line)
{
	struct address address;
	struct way way;
	char master[IFNAMSIZ], value[8];

	for (size_t i = 0; belongings_switches[i]; i++) {
		size_t length = strlen("switch ") + strlen(belongings_switches[i]);

		if (strncmp(line, "switch ", 7) == 0 &&
		        strncmp(line + 7, belongings_switches[i], length - 7) == 0 &&
		        sscanf(line + length, " %7[0-9]", value) == 1)
			return restore_switch(ifname, belongings_switches[i], value);
	}

	if (strcmp(line, "up") == 0)
		return restore_link(rtnetlink, index, 0, true);
	if (sscanf(line, "master %15s", master) == 1)
		return if_nametoindex(master)
		               ? restore_link(rtnetlink, index, if_nametoindex(master), false)
		               : -ENODEV;
	if (read_address(line, &address))
		return restore_address(rtnetlink, index, &address);
	if (read_way(line, &way))
		return restore_way(rtnetlink, index, &way);
	return 1;
}

/* False: something could not be given back. */
static bool restore(int rtnetlink, const char *ifname, const char *text, bool last)
{
	unsigned index = if_nametoindex(ifname);
	char line[LINE_SIZE];
	bool whole = true;

	while (index && next_line(&text, line)) {
		int r = restore_line(rtnetlink, index, ifname, line);

		if (r >= 0 || (r == -EEXIST && last))
			continue;
		whole = false;
		if (last)
			log_warning("interface %s is back, but without this: %s: %s", ifname, line,
			        strerror(-r));
	}
	return whole;
}

/* A route may need one that stands after it; and what was there at first may have been on its way
 * out. */
void belongings_restore(int rtnetlink, const char *ifname, const char *text)
{
	if (!restore(rtnetlink, ifname, text, false))
		restore(rtnetlink, ifname, text, true);
}

/* --- telling --- */

static void tell_address(const char *ifname, const struct address *address, FILE *out)
{
	char text[CIDR_TEXT_SIZE], other[IP_TEXT_SIZE];
	const char *local = address->peer.family ? ip_format(&address->cidr.ip, text)
	                                         : cidr_format(&address->cidr, text);

	fprintf(out, "ip addr add %s", local);
	if (address->peer.family)
		fprintf(out, " peer %s/%u", ip_format(&address->peer, other), address->cidr.prefix);
	if (address->broadcast.family)
		fprintf(out, " brd %s", ip_format(&address->broadcast, other));
	fputs(" dev ", out);
	tell_word(out, ifname);
	fputc('\n', out);
}

static void tell_way(const char *ifname, const struct way *way, FILE *out)
{
	char text[CIDR_TEXT_SIZE];

	fprintf(out, "ip%s route add %s", way->destination.ip.family == AF_INET6 ? " -6" : "",
	        way->destination.prefix ? cidr_format(&way->destination, text) : "default");
	if (way->gateway.family)
		fprintf(out, " via %s", ip_format(&way->gateway, text));
	fputs(" dev ", out);
	tell_word(out, ifname);
	if (way->source.family)
		fprintf(out, " src %s", ip_format(&way->source, text));
	if (way->metric)
		fprintf(out, " metric %u", way->metric);
	if (way->table != RT_TABLE_MAIN)
		fprintf(out, " table %u", way->table);
	fputc('\n', out);
}

void belongings_tell(const char *ifname, const char *text, FILE *out)
{
	char line[LINE_SIZE], master[IFNAMSIZ];
	struct address address;
	struct way way;

	while (next_line(&text, line)) {
		bool up = strcmp(line, "up") == 0,
		     enslaved = sscanf(line, "master %15s", master) == 1;

		if (up || enslaved) {
			fputs("ip link set dev ", out);
			tell_word(out, ifname);
			fputs(up ? " up" : " master ", out);
			if (enslaved)
				tell_word(out, master);
			fputc('\n', out);
		} else if (read_address(line, &address)) {
			tell_address(ifname, &address, out);
		} else if (read_way(line, &way)) {
			tell_way(ifname, &way, out);
		}
	}
}
