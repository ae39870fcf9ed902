/*
 * Who knew an address by another MAC sends into the void until he asks again, which may be seconds.
 * So when an endpoint gets an address, its network is told: by an ARP announcement (RFC 5227) or an
 * unsolicited neighbour advertisement (RFC 4861, 7.2.6), and the host's own entry is replaced.
 *
 * The endpoint's own kernel would do that when its interface comes up (arp_notify, ndisc_notify);
 * but then the bridge's port is not forwarding yet, and what is sent is lost. So the host sends the
 * frame, out of the bridge and in the endpoint's name, which needs neither the port nor a way into
 * the namespace. Nothing waits for it and nothing depends on it.
 */
#include "daemon/kernel/unsolicited.h"

#include "daemon/kernel/internal.h"
#include "daemon/kernel/rtnl.h"
#include "lib/cleanup.h"
#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FRAME_MIN     60 /* without its checksum */
#define FRAME_MAX     96
#define ADVERTISEMENT 32 /* bytes: with the option that has the MAC address */

struct unsolicited {
	int fd; /* -1: it may not be had */
};

int unsolicited_open(struct unsolicited **ret, struct error *err)
{
	struct unsolicited *unsolicited = calloc(1, sizeof(*unsolicited));

	if (!unsolicited)
		return error_memory(err);
	/* Protocol 0: nothing is received. */
	unsolicited->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (unsolicited->fd < 0)
		log_info("open a socket for frames: %s; neighbours learn of a new MAC address only "
		         "when they ask for it (CAP_NET_RAW is missing)",
		        strerror(errno));
	*ret = unsolicited;
	return 0;
}

struct unsolicited *unsolicited_close(struct unsolicited *unsolicited)
{
	if (!unsolicited)
		return NULL;
	closep(&unsolicited->fd);
	free(unsolicited);
	return NULL;
}

/* --- frames --- */

static size_t put(uint8_t *frame, size_t at, const void *bytes, size_t size)
{
	memcpy(frame + at, bytes, size);
	return at + size;
}

/* A question for one's own address. */
static size_t write_arp(const struct resource *address, uint8_t frame[FRAME_MAX])
{
	static const uint8_t head[] = {
	        0, ARPHRD_ETHER, ETH_P_IP >> 8, ETH_P_IP & 0xff, MAC_SIZE, 4, 0, ARPOP_REQUEST};
	const uint8_t *mac = address->address.mac, *ip = address->address.cidr.ip.bytes;
	size_t at = ETH_HLEN;

	memset(frame, 0xff, ETH_ALEN);
	at = put(frame, at, head, sizeof(head));
	at = put(frame, at, mac, MAC_SIZE);
	at = put(frame, at, ip, 4);
	put(frame, at + MAC_SIZE, ip, 4);
	return FRAME_MIN;
}

/* The Internet checksum (RFC 1071) over more of the message. */
static uint32_t sum(uint32_t before, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i += 2)
		before += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return before;
}

static size_t write_advertisement(const struct resource *address, uint8_t frame[FRAME_MAX])
{
	static const uint8_t all_nodes[ETH_ALEN] = {0x33, 0x33, [5] = 1};
	static const uint8_t head[] = {0x60, 0, 0, 0, 0, ADVERTISEMENT, IPPROTO_ICMPV6, 255};
	static const uint8_t everyone[16] = {0xff, 0x02, [15] = 1};
	static const uint8_t advertises[8] = {136, [4] = 0x20}; /* it overrides what is known */
	static const uint8_t option[2] = {2, 1};                /* the target's MAC address */
	const uint8_t *ip = address->address.cidr.ip.bytes;
	size_t message = ETH_HLEN + 40, at = ETH_HLEN;
	uint32_t checksum;

	memcpy(frame, all_nodes, ETH_ALEN);
	at = put(frame, at, head, sizeof(head));
	at = put(frame, at, ip, 16);
	at = put(frame, at, everyone, 16);
	at = put(frame, at, advertises, sizeof(advertises));
	at = put(frame, at, ip, 16);
	at = put(frame, at, option, sizeof(option));
	at = put(frame, at, address->address.mac, MAC_SIZE);
	checksum = sum(ADVERTISEMENT + IPPROTO_ICMPV6, frame + ETH_HLEN + 8, at - ETH_HLEN - 8);
	checksum = (checksum >> 16) + (checksum & 0xffff);
	checksum = ~((checksum >> 16) + checksum);
	frame[message + 2] = (uint8_t)(checksum >> 8);
	frame[message + 3] = (uint8_t)checksum;
	return at;
}

static void send_frame(
        const struct unsolicited *unsolicited, const struct resource *address, int index)
{
	bool v6 = address->address.cidr.ip.family == AF_INET6;
	uint16_t protocol = htons(v6 ? ETH_P_IPV6 : ETH_P_ARP);
	struct sockaddr_ll to = {
	        .sll_family = AF_PACKET, .sll_protocol = protocol, .sll_ifindex = index};
	uint8_t frame[FRAME_MAX] = {0};
	size_t size = v6 ? write_advertisement(address, frame) : write_arp(address, frame);

	memcpy(frame + ETH_ALEN, address->address.mac, ETH_ALEN);
	memcpy(frame + (size_t)2 * ETH_ALEN, &protocol, sizeof(protocol));
	if (sendto(unsolicited->fd, frame, size, MSG_DONTWAIT, (const struct sockaddr *)&to,
	            sizeof(to)) < 0)
		log_debug("tell %s of a new MAC address: %s", address->address.bridge,
		        strerror(errno));
}

/* --- the host's own entry --- */

/* Only where there is one. */
static int replace_entry(
        struct kernel *kernel, const struct resource *address, int index, struct error *err)
{
	const struct ip *ip = &address->address.cidr.ip;
	struct ndmsg header = {
	        .ndm_family = ip->family, .ndm_ifindex = index, .ndm_state = NUD_STALE};
	_cleanup_(rtnl_messagep) struct nl_msg *msg =
	        rtnl_message(RTM_NEWNEIGH, NLM_F_REPLACE, &header, sizeof(header));

	if (!msg || nla_put(msg, NDA_DST, (int)ip_size(ip->family), ip->bytes) < 0 ||
	        nla_put(msg, NDA_LLADDR, MAC_SIZE, address->address.mac) < 0)
		return error_memory(err);
	return rtnl_queue(kernel->rtnl, "", TAKE_PTR(msg), "replace a neighbour's entry", RTNL_GONE,
	        NULL, err);
}

static bool is_new(const struct step *step)
{
	return step->done && !step->old && step->new->kind == RESOURCE_ADDRESS &&
	       step->new->address.bridge[0];
}

void unsolicited_tell(struct kernel *kernel, const struct steps *steps)
{
	const char *bridge = "";
	struct error ignored; /* without it all is right some seconds later */
	int index = 0;

	for (size_t i = 0; i < steps->count; i++) {
		const struct resource *address = steps->items[i].new;

		if (!is_new(&steps->items[i]))
			continue;
		if (strcmp(address->address.bridge, bridge) != 0)
			index = rtnl_ifindex(kernel->rtnl, "", address->address.bridge);
		bridge = address->address.bridge;
		if (index <= 0)
			continue;
		if (replace_entry(kernel, address, index, &ignored) == 0 &&
		        kernel->unsolicited->fd >= 0)
			send_frame(kernel->unsolicited, address, index);
	}
	if (rtnl_flush(kernel->rtnl, &ignored) < 0)
		log_debug("%s", ignored.text);
}
