/*
 * The chains and rules of netd's two tables. They never change while netd runs; what changes are
 * elements of the sets that they look into.
 *
 * Where netd forwards, three things hold: nothing enters a network from outside it but published
 * ports and answers; nothing reaches 127/8 of the host; what is not netd's passes as if netd were
 * not there. Every rule that drops is tested by the attack it stops. Most packets meet as few rules
 * as possible: established flows leave nd_forward at its third.
 *
 * Registers are numbered as nft does: 1 to 4 have sixteen bytes; 8 to 23 are the same in words of
 * four, so that 9 is the second word of 1, and 10 the third.
 */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "daemon/kernel/nft/rules.h"

#include <linux/if_packet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <stddef.h>

#define INET   "inet netd"
#define BRIDGE "bridge netd"

const struct chain chains[] = {
        {INET, "nd_guard", "filter", NF_INET_PRE_ROUTING, -300, "prerouting priority raw"},
        {INET, "nd_prerouting", "nat", NF_INET_PRE_ROUTING, -100, "prerouting priority dstnat"},
        {INET, "nd_output", "nat", NF_INET_LOCAL_OUT, -100, "output priority -100"},
        {INET, "nd_dnat"},
        {INET, "nd_early", "filter", NF_INET_PRE_ROUTING, -90, "prerouting priority dstnat + 10"},
        {INET, "nd_postrouting", "nat", NF_INET_POST_ROUTING, 100, "postrouting priority srcnat"},
        {INET, "nd_forward", "filter", NF_INET_FORWARD, 0, "forward priority filter"},
        {INET, "nd_published"},
        {INET, "nd_routed"},
        {INET, "nd_input", "filter", NF_INET_LOCAL_IN, 0, "input priority filter"},
        {INET, "nd_host"},
        {INET, "nd_leaving", "filter", NF_INET_POST_ROUTING, 0, "postrouting priority filter"},
        {INET, "nd_count"},
        {BRIDGE, "nd_spoof", "filter", NF_INET_PRE_ROUTING, -300, "prerouting priority dstnat"},
        {BRIDGE, "nd_arp"},
        {BRIDGE, "nd_v4"},
        {BRIDGE, "nd_v6"},
        {BRIDGE, "nd_up", "filter", NF_INET_LOCAL_IN, -200, "input priority filter"},
        {BRIDGE, "nd_between", "filter", NF_INET_FORWARD, -200, "forward priority filter"},
        {BRIDGE, "nd_from", "filter", NF_INET_PRE_ROUTING, -290, "prerouting priority dstnat + 10"},
        {BRIDGE, "nd_to", "filter", NF_INET_POST_ROUTING, -200, "postrouting priority filter"},
        {NULL},
};

/* --- the words that rules are made of --- */

#define META(reg_, key_)                                                                           \
	{                                                                                          \
		EXPR_META, .reg = reg_, .key = key_                                                \
	}
#define LOAD(reg_, base_, at_, size_)                                                              \
	{                                                                                          \
		EXPR_LOAD, .reg = reg_, .key = base_, .offset = at_, .size = size_                 \
	}
#define IS(reg_, size_, ...)                                                                       \
	{                                                                                          \
		EXPR_IS, .reg = reg_, .size = size_, .bytes = { __VA_ARGS__ }                      \
	}
#define IS_NOT(reg_, size_, ...)                                                                   \
	{                                                                                          \
		EXPR_IS, .reg = reg_, .size = size_, .bytes = {__VA_ARGS__}, .inverted = true      \
	}
#define IN(reg_, set_)                                                                             \
	{                                                                                          \
		EXPR_IN, .reg = reg_, .name = set_                                                 \
	}
#define NOT_IN(reg_, set_)                                                                         \
	{                                                                                          \
		EXPR_IN, .reg = reg_, .name = set_, .inverted = true                               \
	}
#define MAP(reg_, map_, to_)                                                                       \
	{                                                                                          \
		EXPR_MAP, .reg = reg_, .name = map_, .to = to_                                     \
	}
#define VERDICT(number_, chain_)                                                                   \
	{                                                                                          \
		EXPR_VERDICT, .number = (uint32_t)(number_), .name = chain_                        \
	}
#define DROP   VERDICT(NF_DROP, NULL)
#define ACCEPT VERDICT(NF_ACCEPT, NULL)
#define RETURN VERDICT(NFT_RETURN, NULL)
/* From now on the packet is one for another machine. */
#define OTHERS                                                                                     \
	{                                                                                          \
		EXPR_PKTTYPE, .reg = 1, .bytes = { PACKET_OTHERHOST }                              \
	}
#define MASQUERADE                                                                                 \
	{                                                                                          \
		EXPR_MASQUERADE                                                                    \
	}
#define SNAT(family_, address_)                                                                    \
	{                                                                                          \
		EXPR_NAT, .key = family_, .reg = address_, .inverted = true                        \
	}
#define DNAT(family_, address_, port_)                                                             \
	{                                                                                          \
		EXPR_NAT, .key = family_, .reg = address_, .to = port_                             \
	}

#define NETWORK(reg, at, size)   LOAD(reg, NFT_PAYLOAD_NETWORK_HEADER, at, size)
#define TRANSPORT(reg, at, size) LOAD(reg, NFT_PAYLOAD_TRANSPORT_HEADER, at, size)
#define LINK(reg, at, size)      LOAD(reg, NFT_PAYLOAD_LL_HEADER, at, size)

#define IIFNAME(reg)  META(reg, NFT_META_IIFNAME)
#define OIFNAME(reg)  META(reg, NFT_META_OIFNAME)
#define PROTOCOL(reg) META(reg, NFT_META_L4PROTO)
#define PORT(reg)     TRANSPORT(reg, 2, 2)
#define HTON(reg_)                                                                                 \
	{                                                                                          \
		EXPR_HTON, .reg = reg_                                                             \
	}

/* In the inet table: which family, before its header may be read. */
#define V4          META(1, NFT_META_NFPROTO), IS(1, 1, NFPROTO_IPV4)
#define V6          META(1, NFT_META_NFPROTO), IS(1, 1, NFPROTO_IPV6)
#define SOURCE4     V4, NETWORK(1, 12, 4)
#define TARGET4     V4, NETWORK(1, 16, 4)
#define SOURCE6     V6, NETWORK(1, 8, 16)
#define TARGET6     V6, NETWORK(1, 24, 16)
#define SOURCE4_127 V4, NETWORK(1, 12, 1), IS(1, 1, 127)
#define TARGET4_127 V4, NETWORK(1, 16, 1), IS(1, 1, 127)
/* The bridge table's. */
#define TARGET_OF_MESSAGE IIFNAME(1), TRANSPORT(2, 8, 8), TRANSPORT(14, 16, 8)
#define ETHER_ARP         LINK(1, 12, 2), IS(1, 2, 0x08, 0x06)
#define ETHER_IP          LINK(1, 12, 2), IS(1, 2, 0x08, 0x00)
#define ETHER_IP6         LINK(1, 12, 2), IS(1, 2, 0x86, 0xdd)
#define META_IP           META(1, NFT_META_PROTOCOL), IS(1, 2, 0x08, 0x00)
#define META_IP6          META(1, NFT_META_PROTOCOL), IS(1, 2, 0x86, 0xdd)
#define ICMP6             PROTOCOL(1), IS(1, 1, IPPROTO_ICMPV6)
#define UDP               PROTOCOL(1), IS(1, 1, IPPROTO_UDP)
#define UDP_FROM(port)    UDP, TRANSPORT(1, 0, 2), IS(1, 2, (port) >> 8, (port)&0xff)
#define ECHO4             V4, PROTOCOL(1), IS(1, 1, IPPROTO_ICMP), TRANSPORT(1, 0, 1), IS(1, 1, 8)
#define ECHO6             V6, ICMP6, TRANSPORT(1, 0, 1), IS(1, 1, 128)

/* A number of two bytes, in the host's order. */
#if __BYTE_ORDER == __LITTLE_ENDIAN
#define ETHERNET META(1, NFT_META_IIFTYPE), IS(1, 2, ARPHRD_ETHER, 0)
#else
#define ETHERNET META(1, NFT_META_IIFTYPE), IS(1, 2, 0, ARPHRD_ETHER)
#endif

#define FE80_10 {EXPR_MASK, .reg = 1, .size = 16, .bytes = {0xff, 0xc0}}, IS(1, 16, 0xfe, 0x80)
#define LOCAL                                                                                      \
	{EXPR_FIB_TYPE, .reg = 1},                                                                 \
	{                                                                                          \
		EXPR_IS_NUMBER, .reg = 1, .number = RTN_LOCAL                                      \
	}
#define DNATED                                                                                     \
	{EXPR_CT, .reg = 1, .key = NFT_CT_STATUS},                                                 \
	{                                                                                          \
		EXPR_ANY_BIT, .reg = 1, .number = IPS_DST_NAT                                      \
	}
#define STATE(bits)                                                                                \
	{EXPR_CT, .reg = 1, .key = NFT_CT_STATE},                                                  \
	{                                                                                          \
		EXPR_ANY_BIT, .reg = 1, .number = bits                                             \
	}

/* Where a flow's first packet was sent. */
#define SENT(reg_, key_)                                                                           \
	{                                                                                          \
		EXPR_CT_ORIGINAL, .reg = reg_, .key = key_                                         \
	}
#define SENT_TO4(reg)     SENT(reg, NFT_CT_DST_IP)
#define SENT_TO6(reg)     SENT(reg, NFT_CT_DST_IP6)
#define SENT_TO_PORT(reg) SENT(reg, NFT_CT_PROTO_DST)

static const struct expr_type type_protocol = {12, 1, 1};
static const struct expr_type type_address = {38, 4, 1}; /* of a route: local, broadcast, ... */
static const struct expr_type type_icmp6 = {29, 1, 2};

#define ONE_OF(reg_, type_, count_, ...)                                                           \
	{                                                                                          \
		EXPR_ONE_OF, .reg = reg_, .type = &(type_), .count = count_, .bytes = {            \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define NONE_OF(reg_, type_, count_, ...)                                                          \
	{                                                                                          \
		EXPR_ONE_OF, .reg = reg_, .type = &(type_), .count = count_,                       \
		             .bytes = {__VA_ARGS__}, .inverted = true                              \
	}
#define TRANSLATABLE                                                                               \
	PROTOCOL(1), ONE_OF(1, type_protocol, 3, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP)

#define RULE(table_, chain_, text_, ...)                                                           \
	{                                                                                          \
		table_, chain_, text_, (const struct expr[])                                       \
		{                                                                                  \
			__VA_ARGS__,                                                               \
			{                                                                          \
				EXPR_END                                                           \
			}                                                                          \
		}                                                                                  \
	}

/* clang-format off */
const struct rule rules[] = {
	/* What comes from a namespace comes in by a bridge. Frames to the link itself (IEEE 802.1D) do not: a bridge hands them
	 * to the host as if the port were not its own, past all that is said of bridges. */
	RULE(INET, "nd_guard", "iifname @nd_outer drop", IIFNAME(1), IN(1, "nd_outer"), DROP),
	/* route_localnet on netd's bridges opens nothing to namespaces, nor lets them speak as the host itself. */
	RULE(INET, "nd_guard", "iifname @nd_bridges ip daddr 127.0.0.0/8 drop",
		IIFNAME(1), IN(1, "nd_bridges"), TARGET4_127, DROP),
	RULE(INET, "nd_guard", "iifname @nd_bridges ip saddr 127.0.0.0/8 drop",
		IIFNAME(1), IN(1, "nd_bridges"), SOURCE4_127, DROP),

	/* 127/8 is published to the host only, also with conf.all.route_localnet=1; a network's own address is for that
	 * network and the host. */
	RULE(INET, "nd_prerouting", "ip daddr 127.0.0.0/8 return", TARGET4_127, RETURN),
	RULE(INET, "nd_prerouting", "iifname != @nd_bridges ip daddr @nd_gateways4 return",
		IIFNAME(1), NOT_IN(1, "nd_bridges"), TARGET4, IN(1, "nd_gateways4"), RETURN),
	RULE(INET, "nd_prerouting", "iifname != @nd_bridges ip6 daddr @nd_gateways6 return",
		IIFNAME(1), NOT_IN(1, "nd_bridges"), TARGET6, IN(1, "nd_gateways6"), RETURN),
	RULE(INET, "nd_prerouting", "ip6 daddr fe80::/10 return", TARGET6, FE80_10, RETURN),
	/* Ports that are not for everyone: whom they are not for finds the host itself there. */
	RULE(INET, "nd_prerouting", "ip daddr . meta l4proto . th dport @nd_onlyvia4 iifname . ip daddr . meta l4proto . th dport != @nd_via4 return",
		TARGET4, PROTOCOL(9), HTON(9), PORT(10), IN(1, "nd_onlyvia4"),
		IIFNAME(1), NETWORK(2, 16, 4), PROTOCOL(13), HTON(13), PORT(14), NOT_IN(1, "nd_via4"), RETURN),
	RULE(INET, "nd_prerouting", "ip6 daddr . meta l4proto . th dport @nd_onlyvia6 iifname . ip6 daddr . meta l4proto . th dport != @nd_via6 return",
		TARGET6, PROTOCOL(2), HTON(2), PORT(13), IN(1, "nd_onlyvia6"),
		IIFNAME(1), NETWORK(2, 24, 16), PROTOCOL(3), HTON(3), PORT(17), NOT_IN(1, "nd_via6"), RETURN),
	RULE(INET, "nd_prerouting", "ip daddr . meta l4proto . th dport @nd_onlyfrom4 ip saddr . ip daddr . meta l4proto . th dport != @nd_from4 return",
		TARGET4, PROTOCOL(9), HTON(9), PORT(10), IN(1, "nd_onlyfrom4"),
		NETWORK(1, 12, 4), NETWORK(9, 16, 4), PROTOCOL(10), HTON(10), PORT(11), NOT_IN(1, "nd_from4"), RETURN),
	RULE(INET, "nd_prerouting", "ip6 daddr . meta l4proto . th dport @nd_onlyfrom6 ip6 saddr . ip6 daddr . meta l4proto . th dport != @nd_from6 return",
		TARGET6, PROTOCOL(2), HTON(2), PORT(13), IN(1, "nd_onlyfrom6"),
		NETWORK(1, 8, 16), NETWORK(2, 24, 16), PROTOCOL(3), HTON(3), PORT(17), NOT_IN(1, "nd_from6"), RETURN),
	RULE(INET, "nd_prerouting", "fib daddr type local jump nd_dnat", LOCAL, VERDICT(NFT_JUMP, "nd_dnat")),

	/* ::1 cannot be translated: refused at once is better than a hang. */
	RULE(INET, "nd_output", "ip6 daddr ::1 return",
		TARGET6, IS(1, 16, [15] = 1), RETURN),
	RULE(INET, "nd_output", "ip6 daddr fe80::/10 return", TARGET6, FE80_10, RETURN),
	RULE(INET, "nd_output", "fib daddr type local jump nd_dnat", LOCAL, VERDICT(NFT_JUMP, "nd_dnat")),

	/* netd's own services first; then one address before all of them. */
	RULE(INET, "nd_dnat", "ip daddr . meta l4proto . th dport @nd_own4 return",
		TARGET4, PROTOCOL(9), PORT(10), IN(1, "nd_own4"), RETURN),
	RULE(INET, "nd_dnat", "ip6 daddr . meta l4proto . th dport @nd_own6 return",
		TARGET6, PROTOCOL(2), PORT(13), IN(1, "nd_own6"), RETURN),
	RULE(INET, "nd_dnat", "dnat ip to ip daddr . meta l4proto . th dport map @nd_pub4",
		TARGET4, PROTOCOL(9), PORT(10), MAP(1, "nd_pub4", 1), DNAT(NFPROTO_IPV4, 1, 9)),
	RULE(INET, "nd_dnat", "dnat ip to meta l4proto . th dport map @nd_any4",
		PROTOCOL(1), PORT(9), MAP(1, "nd_any4", 1), DNAT(NFPROTO_IPV4, 1, 9)),
	RULE(INET, "nd_dnat", "meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport map @nd_pubrng4",
		TRANSLATABLE, TARGET4, PROTOCOL(9), HTON(9), PORT(10), MAP(1, "nd_pubrng4", 1), DNAT(NFPROTO_IPV4, 1, 0)),
	RULE(INET, "nd_dnat", "meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . th dport map @nd_rng4",
		TRANSLATABLE, PROTOCOL(1), HTON(1), PORT(9), MAP(1, "nd_rng4", 1), DNAT(NFPROTO_IPV4, 1, 0)),
	RULE(INET, "nd_dnat", "dnat ip6 to ip6 daddr . meta l4proto . th dport map @nd_pub6",
		TARGET6, PROTOCOL(2), PORT(13), MAP(1, "nd_pub6", 1), DNAT(NFPROTO_IPV6, 1, 2)),
	RULE(INET, "nd_dnat", "dnat ip6 to meta l4proto . th dport map @nd_any6",
		PROTOCOL(1), PORT(9), MAP(1, "nd_any6", 1), DNAT(NFPROTO_IPV6, 1, 2)),
	RULE(INET, "nd_dnat", "meta l4proto { tcp, udp, sctp } dnat ip6 to ip6 daddr . meta l4proto . th dport map @nd_pubrng6",
		TRANSLATABLE, TARGET6, PROTOCOL(2), HTON(2), PORT(13), MAP(1, "nd_pubrng6", 1), DNAT(NFPROTO_IPV6, 1, 0)),
	RULE(INET, "nd_dnat", "meta l4proto { tcp, udp, sctp } dnat ip6 to meta l4proto . th dport map @nd_rng6",
		TRANSLATABLE, PROTOCOL(1), HTON(1), PORT(9), MAP(1, "nd_rng6", 1), DNAT(NFPROTO_IPV6, 1, 0)),

	/* After translation and before the route: where netd switched forwarding on, what is not for its networks vanishes as
	 * if it had not. A drop in the forward hook would be too late: the host has answered with time-exceeded by then. A
	 * drop here would be too much: with br_netfilter, what only passes a bridge of the host is seen here, too. So it is
	 * as if someone else were meant: no bridge minds, and the host neither forwards nor answers. */
	RULE(INET, "nd_early", "iifname @nd_switched4 meta nfproto ipv4 fib daddr type != { local, broadcast, anycast, multicast } ip daddr != @nd_nets4 meta pkttype set other",
		IIFNAME(1), IN(1, "nd_switched4"), V4, {EXPR_FIB_TYPE, .reg = 1},
		NONE_OF(1, type_address, 4, RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST),
		NETWORK(1, 16, 4), NOT_IN(1, "nd_nets4"), OTHERS),
	RULE(INET, "nd_early", "iifname @nd_switched6 meta nfproto ipv6 fib daddr type != { local, anycast, multicast } ip6 daddr != @nd_nets6 meta pkttype set other",
		IIFNAME(1), IN(1, "nd_switched6"), V6, {EXPR_FIB_TYPE, .reg = 1},
		NONE_OF(1, type_address, 3, RTN_LOCAL, RTN_ANYCAST, RTN_MULTICAST),
		NETWORK(1, 24, 16), NOT_IN(1, "nd_nets6"), OTHERS),

	/* A member that came to its own network through the host is answered through it. By address: with br_netfilter there
	 * is no iifname here. */
	RULE(INET, "nd_postrouting", "ct status dnat ip saddr . oifname @nd_members4 masquerade",
		DNATED, SOURCE4, OIFNAME(9), IN(1, "nd_members4"), MASQUERADE),
	RULE(INET, "nd_postrouting", "ct status dnat ip6 saddr . oifname @nd_members6 masquerade",
		DNATED, SOURCE6, OIFNAME(2), IN(1, "nd_members6"), MASQUERADE),
	RULE(INET, "nd_postrouting", "oifname @nd_bridges ip saddr 127.0.0.0/8 masquerade",
		OIFNAME(1), IN(1, "nd_bridges"), SOURCE4_127, MASQUERADE),
	RULE(INET, "nd_postrouting", "meta nfproto ipv4 oifname != @nd_bridges snat ip to iifname map @nd_snat4",
		V4, OIFNAME(1), NOT_IN(1, "nd_bridges"), IIFNAME(1), MAP(1, "nd_snat4", 1), SNAT(NFPROTO_IPV4, 1)),
	RULE(INET, "nd_postrouting", "meta nfproto ipv6 oifname != @nd_bridges snat ip6 to iifname map @nd_snat6",
		V6, OIFNAME(1), NOT_IN(1, "nd_bridges"), IIFNAME(1), MAP(1, "nd_snat6", 1), SNAT(NFPROTO_IPV6, 1)),
	RULE(INET, "nd_postrouting", "meta nfproto ipv4 iifname @nd_masq4 oifname != @nd_bridges masquerade",
		V4, IIFNAME(1), IN(1, "nd_masq4"), OIFNAME(1), NOT_IN(1, "nd_bridges"), MASQUERADE),
	RULE(INET, "nd_postrouting", "meta nfproto ipv6 iifname @nd_masq6 oifname != @nd_bridges masquerade",
		V6, IIFNAME(1), IN(1, "nd_masq6"), OIFNAME(1), NOT_IN(1, "nd_bridges"), MASQUERADE),

	RULE(INET, "nd_forward", "iifname != @nd_bridges oifname != @nd_bridges accept", /* not ours */
		IIFNAME(1), NOT_IN(1, "nd_bridges"), OIFNAME(1), NOT_IN(1, "nd_bridges"), ACCEPT),
	/* Else a stray RST leaves untranslated, with a private source. */
	RULE(INET, "nd_forward", "ct state invalid drop", STATE(1), DROP),
	RULE(INET, "nd_forward", "ct state established,related accept",
		STATE(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)), ACCEPT),
	/* Who may talk straight to whom; an isolated network has no pair with itself. */
	RULE(INET, "nd_forward", "iifname . oifname @nd_pairs accept",
		IIFNAME(1), OIFNAME(2), IN(1, "nd_pairs"), ACCEPT),
	/* What a namespace still answers by a port whose flows were ended just now: as a flow of its own it would have the
	 * masquerade, and with it the very port by which its client came. */
	RULE(INET, "nd_forward", "ip saddr . udp sport @nd_late4 drop",
		V4, UDP, NETWORK(1, 12, 4), TRANSPORT(9, 0, 2), IN(1, "nd_late4"), DROP),
	RULE(INET, "nd_forward", "ip6 saddr . udp sport @nd_late6 drop",
		V6, UDP, NETWORK(1, 8, 16), TRANSPORT(2, 0, 2), IN(1, "nd_late6"), DROP),
	RULE(INET, "nd_forward", "ip saddr . udp sport @nd_laterng4 drop",
		V4, UDP, NETWORK(1, 12, 4), TRANSPORT(9, 0, 2), IN(1, "nd_laterng4"), DROP),
	RULE(INET, "nd_forward", "ip6 saddr . udp sport @nd_laterng6 drop",
		V6, UDP, NETWORK(1, 8, 16), TRANSPORT(2, 0, 2), IN(1, "nd_laterng6"), DROP),
	/* What an administrator opened: an interface of the host, or one port of another network. */
	RULE(INET, "nd_forward", "iifname . oifname @nd_trusted accept",
		IIFNAME(1), OIFNAME(2), IN(1, "nd_trusted"), ACCEPT),
	RULE(INET, "nd_forward", "iifname . ip daddr . meta l4proto . th dport @nd_allowed4 accept",
		V4, IIFNAME(1), NETWORK(2, 16, 4), PROTOCOL(13), PORT(14), IN(1, "nd_allowed4"), ACCEPT),
	RULE(INET, "nd_forward", "iifname . ip6 daddr . meta l4proto . th dport @nd_allowed6 accept",
		V6, IIFNAME(1), NETWORK(2, 24, 16), PROTOCOL(3), PORT(17), IN(1, "nd_allowed6"), ACCEPT),
	/* Internal networks: nothing leaves, not even to a published port. */
	RULE(INET, "nd_forward", "iifname @nd_closed drop", IIFNAME(1), IN(1, "nd_closed"), DROP),
	/* Isolated networks: what comes back through the host has to be published, whatever may come in from elsewhere. */
	RULE(INET, "nd_forward", "iifname . oifname @nd_apart goto nd_published",
		IIFNAME(1), OIFNAME(2), IN(1, "nd_apart"), VERDICT(NFT_GOTO, "nd_published")),
	RULE(INET, "nd_forward", "meta nfproto ipv4 oifname vmap @nd_in4", V4, OIFNAME(1), MAP(1, "nd_in4", 0)),
	RULE(INET, "nd_forward", "meta nfproto ipv6 oifname vmap @nd_in6", V6, OIFNAME(1), MAP(1, "nd_in6", 0)),
	/* A flow that was ended by unpublish is not picked up again from its middle, by the server that speaks next: where the
	 * masquerade has the very port that was published, its client would not notice anything. */
	RULE(INET, "nd_forward", "iifname @nd_bridges ct state new tcp flags != syn / fin,syn,rst,ack drop",
		IIFNAME(1), IN(1, "nd_bridges"), STATE(NF_CT_STATE_BIT(IP_CT_NEW)), PROTOCOL(1), IS(1, 1, IPPROTO_TCP),
		TRANSPORT(1, 13, 1), {EXPR_MASK, .reg = 1, .size = 1, .bytes = {0x17}},
		{EXPR_IS, .reg = 1, .size = 1, .inverted = true, .bytes = {0x02}}, DROP),

	RULE(INET, "nd_published", "ct status dnat accept", DNATED, ACCEPT),
	RULE(INET, "nd_published", "drop", DROP),

	/* Into a routed network: what is published is reached by the namespace's own address, too. */
	RULE(INET, "nd_routed", "ct status dnat accept", DNATED, ACCEPT),
	RULE(INET, "nd_routed", "ip daddr . meta l4proto . th dport @nd_open4 accept",
		TARGET4, PROTOCOL(9), PORT(10), IN(1, "nd_open4"), ACCEPT),
	RULE(INET, "nd_routed", "ip6 daddr . meta l4proto . th dport @nd_open6 accept",
		TARGET6, PROTOCOL(2), PORT(13), IN(1, "nd_open6"), ACCEPT),
	RULE(INET, "nd_routed", "ip daddr . meta l4proto . th dport @nd_openrng4 accept",
		TARGET4, PROTOCOL(9), HTON(9), PORT(10), IN(1, "nd_openrng4"), ACCEPT),
	RULE(INET, "nd_routed", "ip6 daddr . meta l4proto . th dport @nd_openrng6 accept",
		TARGET6, PROTOCOL(2), HTON(2), PORT(13), IN(1, "nd_openrng6"), ACCEPT),
	RULE(INET, "nd_routed", "icmp type echo-request accept", ECHO4, ACCEPT),
	RULE(INET, "nd_routed", "icmpv6 type echo-request accept", ECHO6, ACCEPT),
	RULE(INET, "nd_routed", "drop", DROP),

	/* The host itself, from networks that may not reach it: answers, what it serves them, and finding its address. */
	RULE(INET, "nd_input", "ct status dnat jump nd_count", DNATED, VERDICT(NFT_JUMP, "nd_count")),
	RULE(INET, "nd_input", "iifname @nd_shut goto nd_host", IIFNAME(1), IN(1, "nd_shut"), VERDICT(NFT_GOTO, "nd_host")),
	/* Answers are to what the host began. What a namespace began is judged packet by packet, so that it ends at once where
	 * the network is shut meanwhile. */
	RULE(INET, "nd_host", "ct state established,related ct direction reply accept",
		STATE(NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED)),
		{EXPR_CT, .reg = 1, .key = NFT_CT_DIRECTION}, IS(1, 1, IP_CT_DIR_REPLY), ACCEPT),
	RULE(INET, "nd_host", "iifname . ip daddr . meta l4proto . th dport @nd_served4 accept",
		V4, IIFNAME(1), NETWORK(2, 16, 4), PROTOCOL(13), PORT(14), IN(1, "nd_served4"), ACCEPT),
	RULE(INET, "nd_host", "iifname . ip6 daddr . meta l4proto . th dport @nd_served6 accept",
		V6, IIFNAME(1), NETWORK(2, 24, 16), PROTOCOL(3), PORT(17), IN(1, "nd_served6"), ACCEPT),
	RULE(INET, "nd_host", "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
		V6, ICMP6, TRANSPORT(1, 0, 1), ONE_OF(1, type_icmp6, 2, 135, 136), ACCEPT),
	RULE(INET, "nd_host", "drop", DROP),
	/* What belongs to a published port, forwarded or the host's own, both ways; others' translated flows find no element. */
	RULE(INET, "nd_leaving", "ct status dnat jump nd_count", DNATED, VERDICT(NFT_JUMP, "nd_count")),
	RULE(INET, "nd_count", "meta nfproto ipv4 meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst @nd_countany4 return",
		V4, TRANSLATABLE, PROTOCOL(1), SENT_TO_PORT(9), IN(1, "nd_countany4"), RETURN),
	RULE(INET, "nd_count", "meta l4proto { tcp, udp, sctp } ct original ip daddr . meta l4proto . ct original proto-dst @nd_countpub4 return",
		TRANSLATABLE, SENT_TO4(1), PROTOCOL(9), SENT_TO_PORT(10), IN(1, "nd_countpub4"), RETURN),
	RULE(INET, "nd_count", "meta l4proto { tcp, udp, sctp } ct original ip daddr . meta l4proto . ct original proto-dst @nd_countrng4 return",
		TRANSLATABLE, SENT_TO4(1), PROTOCOL(9), HTON(9), SENT_TO_PORT(10), IN(1, "nd_countrng4"), RETURN),
	RULE(INET, "nd_count", "meta nfproto ipv6 meta l4proto { tcp, udp, sctp } meta l4proto . ct original proto-dst @nd_countany6 return",
		V6, TRANSLATABLE, PROTOCOL(1), SENT_TO_PORT(9), IN(1, "nd_countany6"), RETURN),
	RULE(INET, "nd_count", "meta l4proto { tcp, udp, sctp } ct original ip6 daddr . meta l4proto . ct original proto-dst @nd_countpub6 return",
		TRANSLATABLE, SENT_TO6(1), PROTOCOL(2), SENT_TO_PORT(13), IN(1, "nd_countpub6"), RETURN),
	RULE(INET, "nd_count", "meta l4proto { tcp, udp, sctp } ct original ip6 daddr . meta l4proto . ct original proto-dst @nd_countrng6 return",
		TRANSLATABLE, SENT_TO6(1), PROTOCOL(2), HTON(2), SENT_TO_PORT(13), IN(1, "nd_countrng6"), RETURN),

	/* An endpoint's port lets in only what is the endpoint's own. */
	RULE(BRIDGE, "nd_spoof", "iifname != @nd_ports accept", IIFNAME(1), NOT_IN(1, "nd_ports"), ACCEPT),
	RULE(BRIDGE, "nd_spoof", "iifname . ether saddr != @nd_mac drop",
		IIFNAME(1), LINK(2, 6, 6), NOT_IN(1, "nd_mac"), DROP),
	RULE(BRIDGE, "nd_spoof", "ether type ip goto nd_v4", ETHER_IP, VERDICT(NFT_GOTO, "nd_v4")),
	RULE(BRIDGE, "nd_spoof", "ether type ip6 goto nd_v6", ETHER_IP6, VERDICT(NFT_GOTO, "nd_v6")),
	RULE(BRIDGE, "nd_spoof", "ether type arp goto nd_arp", ETHER_ARP, VERDICT(NFT_GOTO, "nd_arp")),
	RULE(BRIDGE, "nd_spoof", "drop", DROP),

	RULE(BRIDGE, "nd_arp", "iifname . arp saddr ether != @nd_mac drop",
		ETHER_ARP, IIFNAME(1), NETWORK(2, 8, 6), NOT_IN(1, "nd_mac"), DROP),
	/* Probes for a duplicate address. */
	RULE(BRIDGE, "nd_arp", "arp saddr ip 0.0.0.0 accept",
		ETHER_ARP, NETWORK(1, 14, 4), IS(1, 4, 0), ACCEPT),
	RULE(BRIDGE, "nd_arp", "iifname . arp saddr ip != @nd_ip4 drop",
		ETHER_ARP, IIFNAME(1), NETWORK(2, 14, 4), NOT_IN(1, "nd_ip4"), DROP),

	/* A router sends what others gave it; the MAC address is its own all the same, and so is what it says of itself by
	 * ARP and in advertisements of neighbours. */
	RULE(BRIDGE, "nd_v4", "iifname . ip saddr != @nd_ip4 iifname != @nd_routers drop",
		META_IP, IIFNAME(1), NETWORK(2, 12, 4), NOT_IN(1, "nd_ip4"), NOT_IN(1, "nd_routers"), DROP),
	/* Addresses are given by netd. Later fragments are nothing without their first one; what they begin with is no header,
	 * though kernels take it for one. */
	RULE(BRIDGE, "nd_v4", "ip frag-off & 0x1fff != 0 accept",
		META_IP, NETWORK(1, 6, 2), {EXPR_MASK, .reg = 1, .size = 2, .bytes = {0x1f, 0xff}}, IS_NOT(1, 2, 0), ACCEPT),
	RULE(BRIDGE, "nd_v4", "udp sport 67 drop", UDP_FROM(67), DROP),

	/* Who has no address yet may ask whether another one has its own. */
	RULE(BRIDGE, "nd_v6", "ip6 saddr :: icmpv6 type mld2-listener-report accept",
		META_IP6, NETWORK(1, 8, 16), IS(1, 16, 0), ICMP6, TRANSPORT(1, 0, 1), IS(1, 1, 143), ACCEPT),
	/* What a message is about is two numbers in a set of its own: some versions of nft have a word for the whole, and others none, so
	 * that a listing with it, or with nd_ip6, could not be loaded again. */
	RULE(BRIDGE, "nd_v6", "ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . @th,64,64 . @th,128,64 @nd_target6 accept",
		META_IP6, NETWORK(1, 8, 16), IS(1, 16, 0), ICMP6, TRANSPORT(1, 0, 1), IS(1, 1, 135),
		TARGET_OF_MESSAGE, IN(1, "nd_target6"), ACCEPT),
	RULE(BRIDGE, "nd_v6", "iifname . ip6 saddr != @nd_ip6 iifname != @nd_routers drop",
		META_IP6, IIFNAME(1), NETWORK(2, 8, 16), NOT_IN(1, "nd_ip6"), NOT_IN(1, "nd_routers"), DROP),
	/* As in nd_v4. */
	RULE(BRIDGE, "nd_v6", "ip6 nexthdr 44 @nh,336,16 & 0xfff8 != 0 accept",
		META_IP6, NETWORK(1, 6, 1), IS(1, 1, IPPROTO_FRAGMENT), NETWORK(1, 42, 2),
		{EXPR_MASK, .reg = 1, .size = 2, .bytes = {0xff, 0xf8}}, IS_NOT(1, 2, 0), ACCEPT),
	/* A forged advertisement overwrites the host's neighbour entry. One whose target is in its next fragment is none of
	 * its own, either. */
	RULE(BRIDGE, "nd_v6", "icmpv6 type nd-neighbor-advert iifname . @th,64,64 . @th,128,64 @nd_target6 accept",
		ETHER_IP6, ICMP6, TRANSPORT(1, 0, 1), IS(1, 1, 136), TARGET_OF_MESSAGE,
		IN(1, "nd_target6"), ACCEPT),
	RULE(BRIDGE, "nd_v6", "icmpv6 type nd-neighbor-advert drop",
		ETHER_IP6, ICMP6, TRANSPORT(1, 0, 1), IS(1, 1, 136), DROP),
	RULE(BRIDGE, "nd_v6", "iifname != @nd_routers icmpv6 type { nd-router-advert, nd-redirect } drop",
		IIFNAME(1), NOT_IN(1, "nd_routers"), ETHER_IP6, ICMP6, TRANSPORT(1, 0, 1), ONE_OF(1, type_icmp6, 2, 134, 137), DROP),
	RULE(BRIDGE, "nd_v6", "udp sport 547 drop", UDP_FROM(547), DROP),
	/* What shows its message. A first fragment that ends within its headers hides what follows (RFC 7112). That a byte can
	 * be read is all that the two say. */
	RULE(BRIDGE, "nd_v6", "@th,0,8 != 0 accept", TRANSPORT(1, 0, 1), IS_NOT(1, 1, 0), ACCEPT),
	RULE(BRIDGE, "nd_v6", "@th,0,8 0 accept", TRANSPORT(1, 0, 1), IS(1, 1, 0), ACCEPT),
	RULE(BRIDGE, "nd_v6", "drop", DROP),

	/* Frames to the link itself again, for ARP. Those to the last but one address (LLDP) meet no rule: put_bridge() in
	 * link.c sends them on the way of all others. */
	RULE(BRIDGE, "nd_up", "iifname @nd_ports ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 drop",
		IIFNAME(1), IN(1, "nd_ports"), LINK(1, 0, 6),
		{EXPR_MASK, .reg = 1, .size = 6, .bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}},
		IS(1, 6, 0x01, 0x80, 0xc2), DROP),

	/* Members of an isolated network do not see each other, with br_netfilter, either, where the kernel's own flag would
	 * stop too much (kernel/port.c). What was sent to the bridge itself and is here all the same was led to a published
	 * port on its way. */
	RULE(BRIDGE, "nd_between", "iifname @nd_isolated oifname @nd_isolated meta pkttype != host drop",
		IIFNAME(1), IN(1, "nd_isolated"), OIFNAME(1), IN(1, "nd_isolated"),
		META(1, NFT_META_PKTTYPE), IS_NOT(1, 1, 0), DROP),

	/* What exceeds an endpoint's rate: its element matches that only. Behind nd_spoof: what is dropped there costs nothing. */
	RULE(BRIDGE, "nd_from", "iifname @nd_rateout drop", IIFNAME(1), IN(1, "nd_rateout"), DROP),
	RULE(BRIDGE, "nd_to", "oifname @nd_ratein drop", OIFNAME(1), IN(1, "nd_ratein"), DROP),
	{NULL},
};
/* clang-format on */
