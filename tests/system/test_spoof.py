"""What a namespace tries in order to pass for another, beyond test_guards.py: each attack is shown to work without its guard.

Disguises are tags, other forms of frames, extension headers and fragments; what they hide is an address, a neighbour, a router, a server.
"""

import socket
import struct

import pytest

from lib import packets
from lib.packets import BROADCAST, ETH_ARP, ETH_IP, ETH_IP6, Eyes, ether, send_frame
from test_guards import BRIDGE, INET, Row, check_row, frame_arrives

ROWS = []
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
GATEWAY, GATEWAY6 = "10.1.0.1", "fd00:a::1"
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
PADDING = bytes([1, 4, 0, 0, 0, 0])  # of an options header, up to its eight bytes


def guard(chain, pattern, bridge_filter=(False, True), table=BRIDGE):
    def add(function):
        ROWS.append(Row(True, table, chain, pattern, function, bridge_filter))
        return function
    return add


def way(chain, pattern, bridge_filter=(False, True)):
    def add(function):
        ROWS.append(Row(False, BRIDGE, chain, pattern, function, bridge_filter))
        return function
    return add


# --- frames that the rules for IP, IPv6 and ARP do not see ---

def tagged(lab, *tags):
    """A packet from the gateway's address behind these tags."""
    sought = packets.token()
    inner = packets.udp(GATEWAY, lab.address("web"), 4000, 4001, sought)
    kinds = [kind for kind, _ in tags[1:]] + [ETH_IP]
    body = b"".join(struct.pack("!HH", number, kind) for (_, number), kind in zip(tags, kinds)) + inner
    return frame_arrives(lab, ether(lab.mac["web"], lab.mac["cli"], tags[0][0], body), sought)


@guard("nd_spoof", r"^drop")
def in_a_vlan(lab):
    return tagged(lab, (0x8100, 5))


@guard("nd_spoof", r"^drop")
def with_a_priority_only(lab):
    return tagged(lab, (0x8100, 0))


@guard("nd_spoof", r"^drop")
def with_a_service_tag(lab):
    return tagged(lab, (0x88A8, 5))


@guard("nd_spoof", r"^drop")
def in_a_vlan_in_a_vlan(lab):
    return tagged(lab, (0x88A8, 5), (0x8100, 0)) + tagged(lab, (0x8100, 0), (0x8100, 0))


@guard("nd_spoof", r"^drop")
def frames_of_other_kinds(lab):
    """IEEE 802.3 with a length and LLC, as spanning tree is sent; MPLS, PPPoE, RARP."""
    sought = packets.token()
    got = frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], 40, b"\x42\x42\x03" + sought), sought)
    for kind in (0x8847, 0x8863, 0x8035):
        sought = packets.token()
        got += frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], kind, sought), sought)
    return got


@guard("nd_spoof", r"ether saddr.*!= @nd_mac")
def with_the_gateways_mac(lab):
    """The bridge would learn it, and send what is for the gateway to the attacker's port."""
    sought = packets.token()
    mac = lab.host.json("ip", "-j", "link", "show", "dev", "nd-a")[0]["address"]
    packet = packets.udp(lab.address("cli"), lab.address("web"), 4000, 4001, sought)
    return frame_arrives(lab, ether(BROADCAST, mac, ETH_IP, packet), sought)


def to_the_link_itself(lab, group, packet_kind, packet):
    send_frame(lab.db, "eth0", ether(f"01:80:c2:00:00:{group:02x}", lab.mac["db"], packet_kind, packet))


@guard("nd_guard", r"@nd_outer", table=INET)
def past_the_bridge_to_the_host(lab):
    """Frames to the addresses of IEEE 802.1D are handed to the host as if the port were no bridge's: no rule for what comes in by a
    bridge sees them, so a namespace of an internal network reaches the host with whatever address it likes."""
    sought = packets.token()
    with lab.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, lab.without(BRIDGE, "nd_up", "drop"):
        server.bind(("0.0.0.0", 6003))
        server.settimeout(lab.patience)
        to_the_link_itself(lab, 0x03, ETH_IP, packets.udp("192.0.2.2", "10.1.0.1", 4000, 6003, sought))
        try:
            return [server.recvfrom(100) == (sought, ("192.0.2.2", 4000))]
        except TimeoutError:
            return [False]


def learned(lab, group):
    """Whether the host answers ARP that came past the bridge, and notes who asked."""
    asker = "10.1.0.77"
    lab.host.run("ip", "neigh", "flush", asker)
    with Eyes(lab.db, "eth0") as eyes:
        to_the_link_itself(lab, group, ETH_ARP, packets.arp(1, lab.mac["db"], asker, "00:00:00:00:00:00", "10.1.0.1"))
        return eyes.see(socket.inet_aton("10.1.0.1") + packets.mac(lab.mac["db"]) + socket.inet_aton(asker), lab.patience) is not None


@guard("nd_up", r"01:80:c2")
def fills_the_hosts_neighbour_table(lab):
    return [learned(lab, 0x03)]


def test_lldp_frames_go_the_way_of_all_others(lab):
    """No hook sees them on their way to the host; so the bridge forwards them, and then the rules do."""
    def forward(groups):
        lab.host.run("ip", "link", "set", "nd-b", "type", "bridge", "group_fwd_mask", groups)
    before = lab.host.json("ip", "-d", "-j", "link", "show", "nd-b")[0]["linkinfo"]["info_data"]["group_fwd_mask"]
    forward("0")
    try:
        with lab.expecting(True):
            assert learned(lab, 0x0E), "the attack does not work without the guard, so the test shows nothing"
    finally:
        forward(before)
    with lab.expecting(False):
        assert not learned(lab, 0x0E)


# --- ARP ---

@guard("nd_arp", r"arp saddr ip.*!= @nd_ip4")
def gratuitous_arp_for_anothers_address(lab):
    """As a request and as an answer: it changes the entry that others have already."""
    got = []
    for operation in (1, 2):
        sought = packets.token()
        forged = packets.arp(operation, lab.mac["cli"], lab.address("web"), "00:00:00:00:00:00", lab.address("web"), sought)
        got += frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], ETH_ARP, forged), sought)
    return got


@guard("nd_arp", r"arp saddr ip.*!= @nd_ip4")
def the_gateways_entry_of_a_neighbour_is_changed(lab):
    web = lab.web
    web.ask("udp", GATEWAY, 6001, timeout=lab.patience)
    send_frame(lab.cli, "eth0", ether(lab.mac["web"], lab.mac["cli"], ETH_ARP,
                                      packets.arp(1, lab.mac["cli"], GATEWAY, lab.mac["web"], lab.address("web"))))
    # what came behind it has been seen, so that one has, too
    lab.cli.ask("udp", lab.address("web"), 80, timeout=lab.patience)
    entry, = web.json("ip", "-j", "neigh", "show", GATEWAY)
    web.run("ip", "neigh", "del", GATEWAY, "dev", "eth0")
    return [entry.get("lladdr") == lab.mac["cli"]]


# --- servers and routers ---

@guard("nd_v4", r"udp sport 67")
def answers_as_a_dhcp_server(lab):
    sought = packets.token()
    packet = packets.udp(lab.address("cli"), "255.255.255.255", 67, 68, sought)
    return frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], ETH_IP, packet), sought)


@guard("nd_v6", r"udp sport 547")
def answers_as_a_dhcp_server_in_ipv6(lab):
    sought = packets.token()
    segment = struct.pack("!HHHH", 547, 546, 8 + len(sought), 0) + sought
    return sent6(lab, ip6(lab.address6("cli"), ALL_NODES, socket.IPPROTO_UDP, segment), sought)


@guard("nd_v4", r"ip saddr.*!= @nd_ip4", bridge_filter=(False,))
def redirects_as_the_gateway(lab):
    sought = packets.token()
    about = packets.udp(lab.address("web"), "192.0.2.2", 4000, 4001, sought)
    message = struct.pack("!BBH", 5, 1, 0) + socket.inet_aton(lab.address("cli")) + about
    message = message[:2] + struct.pack("!H", packets.checksum(message)) + message[4:]
    packet = packets.ip4(GATEWAY, lab.address("web"), socket.IPPROTO_ICMP, message)
    return frame_arrives(lab, ether(lab.mac["web"], lab.mac["cli"], ETH_IP, packet), sought)


def ip6(source, destination, kind, payload):
    return struct.pack("!IHBB", 6 << 28, len(payload), kind, 255) \
        + socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination) + payload


def sent6(lab, packet, sought):
    return frame_arrives(lab, ether(ALL_NODES_MAC, lab.mac["cli"], ETH_IP6, packet), sought)


@guard("nd_v6", r"nd-router-advert", bridge_filter=(False,))
def redirects_in_ipv6(lab):
    sought = packets.token()
    body = struct.pack("!I", 0) + socket.inet_pton(socket.AF_INET6, lab.address6("cli")) * 2 + sought
    return sent6(lab, packets.icmp6(lab.address6("cli"), ALL_NODES, 137, body), sought)


@guard("nd_v6", r"ip6 saddr.*!= @nd_ip6")
def speaks_as_the_gateway_in_ipv6(lab):
    """Also where it asks for a neighbour: its question carries the address that others note."""
    got = []
    for source in (GATEWAY6, "fe80::1"):
        sought = packets.token()
        got += sent6(lab, packets.neighbour6(source, ALL_NODES, 135, lab.address6("web"), sought), sought)
    return got


@guard("nd_v6", r"ip6 saddr.*!= @nd_ip6")
def disturbs_anothers_duplicate_address_detection(lab):
    """Who hears that another one probes for the address that it wants gives it up."""
    sought = packets.token()
    return sent6(lab, packets.neighbour6("::", ALL_NODES, 135, lab.address6("web"), sought), sought)


# --- behind extension headers ---

def hidden(lab, headers, kind, body):
    """An ICMPv6 message behind extension headers: their kinds, outermost first."""
    message = packets.icmp6(lab.address6("cli"), ALL_NODES, kind, body)[40:]
    kinds = [*headers, socket.IPPROTO_ICMPV6]
    chain = b""
    for header, following in zip(headers, kinds[1:]):
        chain += bytes([following, 0]) + (bytes(6) if header in (ROUTING, FRAGMENT) else PADDING)
    return ip6(lab.address6("cli"), ALL_NODES, kinds[0], chain + message)


CHAINS = [(HOP_BY_HOP,), (DESTINATION,), (ROUTING,), (FRAGMENT,), (HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT, DESTINATION)]


@guard("nd_v6", r"nd-router-advert")
def hides_a_router(lab):
    got = []
    for chain in CHAINS:
        sought = packets.token()
        got += sent6(lab, hidden(lab, chain, 134, bytes(12) + sought), sought)
    return got


@guard("nd_v6", r"nd-neighbor-advert drop")
def hides_an_advertisement_for_the_gateway(lab):
    got = []
    for chain in CHAINS:
        sought = packets.token()
        body = struct.pack("!I", 0x20000000) + socket.inet_pton(socket.AF_INET6, GATEWAY6) + sought
        got += sent6(lab, hidden(lab, chain, 136, body), sought)
    return got


def fragment(lab, following, offset, more, payload):
    head = struct.pack("!BBHI", following, 0, offset << 3 | more, 77)
    return ip6(lab.address6("cli"), ALL_NODES, FRAGMENT, head + payload)


@guard("nd_v6", r"nd-neighbor-advert drop", bridge_filter=(False,))
def tears_an_advertisement_in_two_before_its_target(lab):
    """The first fragment has the kind of the message, the second one what it is about."""
    message = packets.neighbour6(lab.address6("cli"), ALL_NODES, 136, GATEWAY6, bytes([2, 1]) + packets.mac(lab.mac["cli"]))[40:]
    return sent6(lab, fragment(lab, socket.IPPROTO_ICMPV6, 0, 1, message[:8]), message[:8])


@guard("nd_v6", r"^drop", bridge_filter=(False,))
def tears_the_headers_before_the_message(lab):
    """The first fragment ends within a header, so it does not show what the message is. Without it the others are nothing."""
    sought = packets.token()
    whole = bytes([socket.IPPROTO_ICMPV6, 4, 1, 36]) + sought + bytes(20)
    return sent6(lab, fragment(lab, DESTINATION, 0, 1, whole[:24]), sought)


def test_later_fragments_pass_whatever_they_begin_with(lab):
    """In the midst of a message a byte is no kind of one."""
    lab.bridge_filter(False)  # else they wait for the others
    sought = packets.token()
    assert all(sent6(lab, fragment(lab, socket.IPPROTO_ICMPV6, 3, 0, b"\x88" + bytes(31) + sought), sought))


def test_large_datagrams_pass(lab):
    lab.bridge_filter(False)
    for to, family in ((lab.address6("web"), socket.AF_INET6), (lab.address("web"), socket.AF_INET)):
        with lab.cli.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect((to, 80))
            for first in (b"x", b"\0\x43", b"\x02\x23"):  # what a DHCP server's port looks like
                client.send(b"y" * 1000 + first * 1500)
                assert client.recv(65536).endswith(first * 1500)


@way("nd_v4", r"frag-off", bridge_filter=(False,))
def later_fragments_pass_whatever_they_begin_with_in_ipv4(lab):
    sought = packets.token()
    return frame_arrives(lab, ether(lab.mac["web"], lab.mac["cli"], ETH_IP, later_fragment4(lab, b"\0\x43" + bytes(30) + sought)), sought)


def later_fragment4(lab, payload):
    packet = packets.ip4(lab.address("cli"), lab.address("web"), socket.IPPROTO_UDP, payload)
    head = packet[:6] + struct.pack("!H", 3) + packet[8:10] + b"\0\0" + packet[12:20]
    return head[:10] + struct.pack("!H", packets.checksum(head)) + head[12:] + payload


@way("nd_v6", r"@th,0,8 (!= )?(0x)?0 accept")
def own_datagrams_pass_in_ipv6(lab):
    """The client's port begins with another byte than 0, the server's with 0."""
    return lab.reaches(lab.cli, lab.address6("web"), 80)


@way("nd_v6", r"nd-neighbor-advert.*@nd_target6 accept")
def answers_who_asks_for_its_own_address(lab):
    lab.web.run("ip -6 neigh flush dev eth0")
    lab.cli.run("ip -6 neigh flush dev eth0")
    return lab.reaches(lab.cli, lab.address6("web"), 80)


@way("nd_v6", r"mld2-listener-report accept")
def joins_a_group_without_an_address(lab):
    sought = packets.token()
    return sent6(lab, packets.icmp6("::", ALL_NODES, 143, bytes(4) + sought), sought)


@pytest.mark.parametrize("row, bridge_filter", [pytest.param(row, on, id=f"{row.name}-{'br_netfilter' if on else 'plain'}")
                                                for row in ROWS for on in row.bridge_filter])
def test_spoof(lab, row, bridge_filter):
    assert lab.bridge_filter(bridge_filter), "the kernel has no br_netfilter"
    check_row(lab, row)
