"""Every rule of netd's tables, by what happens without it.

A guard is tested by the attack it stops, which is first shown to work with the guard taken out of the live table. A way is tested by
the traffic that it lets through. tests/mutants takes each rule out in turn and expects the test named here to fail.
"""

import socket

import pytest

from lib import packets
from lib.packets import BROADCAST, Eyes, ether, send_frame, send_packet
from lib.wait import wait_for

INET, BRIDGE = "inet netd", "bridge netd"
ROWS = []


class Row:
    def __init__(self, attack, table, chain, pattern, function, bridge_filter):
        self.attack, self.table, self.chain, self.pattern = attack, table, chain, pattern
        self.function, self.name, self.bridge_filter = function, function.__name__, bridge_filter


def guard(table, chain, pattern, bridge_filter=(False, True)):
    def add(function):
        ROWS.append(Row(True, table, chain, pattern, function, bridge_filter))
        return function
    return add


def way(table, chain, pattern, bridge_filter=(False, True)):
    def add(function):
        ROWS.append(Row(False, table, chain, pattern, function, bridge_filter))
        return function
    return add


# --- 127/8 ---

def loopback_attack(lab, place, gateway, port):
    """A machine without 127.0.0.1 of its own sends what is for the host's."""
    place.shell(f"ip addr del 127.0.0.1/8 dev lo; ip route replace 127.0.0.1 via {gateway} dev eth0")
    place.sysctl("net/ipv4/conf/all/route_localnet", 1)
    try:
        return lab.reaches(place, "127.0.0.1", port, device="eth0")
    finally:
        place.sysctl("net/ipv4/conf/all/route_localnet", 0)
        place.shell("ip route del 127.0.0.1; ip addr add 127.0.0.1/8 dev lo")


@guard(INET, "nd_guard", r"ip daddr 127")
def namespace_reaches_the_hosts_loopback(lab):
    return loopback_attack(lab, lab.cli, "10.1.0.1", 6000)


@guard(INET, "nd_guard", r"ip saddr 127")
def namespace_speaks_as_the_host(lab):
    """The bridge table stops it, too; so for this test the address is the endpoint's own there."""
    sought = packets.token()
    with lab.element(BRIDGE, "nd_ip4", f'"{lab.outer["cli"]}" . 127.0.0.2'), \
            lab.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 6002))
        server.settimeout(lab.patience)
        lab.cli.sysctl("net/ipv4/conf/eth0/route_localnet", 1)
        try:
            send_packet(lab.cli, packets.udp("127.0.0.2", "10.1.0.1", 4000, 6002, sought))
            return [server.recvfrom(100) == (sought, ("127.0.0.2", 4000))]
        except TimeoutError:
            return [False]
        finally:
            lab.cli.sysctl("net/ipv4/conf/eth0/route_localnet", 0)


@guard(INET, "nd_prerouting", r"ip daddr 127")
def neighbour_reaches_what_is_published_on_loopback(lab):
    lab.host.sysctl("net/ipv4/conf/all/route_localnet", 1)
    try:
        return loopback_attack(lab, lab.out, lab.out.host_address, 7070)
    finally:
        lab.host.sysctl("net/ipv4/conf/all/route_localnet", 0)


@way(INET, "nd_postrouting", r"ip saddr 127")
def host_by_loopback(lab):
    return lab.reaches(lab.host, "127.0.0.1", 8080)


# --- published ports ---

@guard(INET, "nd_prerouting", r"ip daddr @nd_gateways4")
def neighbour_reaches_what_is_published_on_a_networks_own_address(lab):
    return lab.reaches(lab.out, "10.1.0.1", 7171)


@way(INET, "nd_prerouting", r"jump nd_dnat")
def published_port_from_outside(lab):
    return lab.reaches(lab.out, lab.out.host_address, 8080)


@way(INET, "nd_output", r"jump nd_dnat")
def published_port_from_the_host(lab):
    return lab.reaches(lab.host, lab.out.host_address, 8080)


@way(INET, "nd_dnat", r"@nd_any4")
def published_on_every_address(lab):
    return lab.reaches(lab.out, lab.out.host_address, 8080)


@way(INET, "nd_dnat", r"@nd_pub4")
def published_on_one_address(lab):
    return lab.reaches(lab.out, lab.out.host_address, 9090)


@way(INET, "nd_dnat", r"map @nd_rng4")
def range_on_every_address(lab):
    return lab.reaches(lab.out, lab.out.host_address, 15432)


@way(INET, "nd_dnat", r"map @nd_pubrng4")
def range_on_one_address(lab):
    return lab.reaches(lab.out, lab.out.host_address, 17432)


@way(INET, "nd_dnat", r"map @nd_any6")
def published_on_every_address_of_ipv6(lab):
    return lab.reaches(lab.out, lab.out.host_address6, 8080)


@way(INET, "nd_dnat", r"map @nd_pub6")
def published_on_one_address_of_ipv6(lab):
    return lab.reaches(lab.out, lab.out.host_address6, 9090)


@way(INET, "nd_dnat", r"map @nd_rng6")
def range_on_every_address_of_ipv6(lab):
    return lab.reaches(lab.out, lab.out.host_address6, 15432)


@way(INET, "nd_dnat", r"map @nd_pubrng6")
def range_on_one_address_of_ipv6(lab):
    return lab.reaches(lab.out, lab.out.host_address6, 17432)


@guard(INET, "nd_dnat", r"@nd_own6")
def own_service_is_published_away_in_ipv6(lab):
    with lab.element(INET, "nd_own6", f"{lab.out.host_address6} . tcp . 9090"):
        return [lab.out.ask("tcp", lab.out.host_address6, 9090, timeout=lab.patience) is not None]


@guard(INET, "nd_prerouting", r"ip6 daddr @nd_gateways6")
def neighbour_reaches_what_is_published_on_a_networks_own_address_of_ipv6(lab):
    return lab.reaches(lab.out, "fd00:a::1", 7171)


@way(INET, "nd_postrouting", r"ct status dnat ip6 saddr")
def member_of_the_same_network_by_the_hosts_address_of_ipv6(lab):
    return lab.reaches(lab.cli, lab.out.host_address6, 8080)


def refused_at_once(place, address):
    with place.socket(socket.AF_INET6) as made:
        made.settimeout(1)
        try:
            made.connect(address)
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
    return False


@way(INET, "nd_output", r"ip6 daddr ::1 return")
def loopback_of_ipv6_is_refused_at_once(lab):
    return [refused_at_once(lab.host, ("::1", 8080))]


def link_local_of_the_bridge(lab):
    listed = lab.host.json("ip -j -6 addr show dev nd-a scope link")
    return next(address["local"] for address in listed[0]["addr_info"] if address)


def index_of(place, name):
    return place.json("ip", "-j", "link", "show", "dev", name)[0]["ifindex"]


@way(INET, "nd_output", r"ip6 daddr fe80::/10 return")
def link_local_from_the_host_is_refused_at_once(lab):
    return [refused_at_once(lab.host, (link_local_of_the_bridge(lab), 8080, 0, index_of(lab.host, "nd-a")))]


@way(INET, "nd_prerouting", r"ip6 daddr fe80::/10 return")
def link_local_from_a_namespace_is_refused_at_once(lab):
    return [refused_at_once(lab.cli, (link_local_of_the_bridge(lab), 8080, 0, index_of(lab.cli, "eth0")))]


# --- published ports that are not for everyone ---

@guard(INET, "nd_prerouting", r"@nd_onlyvia4")
def by_another_interface(lab):
    return lab.reaches(lab.two, lab.two.host_address, 8081)


@guard(INET, "nd_prerouting", r"@nd_onlyvia6")
def by_another_interface_in_ipv6(lab):
    return lab.reaches(lab.two, lab.two.host_address6, 8081)


@guard(INET, "nd_prerouting", r"@nd_onlyfrom4")
def from_another_source(lab):
    return lab.reaches(lab.two, lab.two.host_address, 8082)


@guard(INET, "nd_prerouting", r"@nd_onlyfrom6")
def from_another_source_in_ipv6(lab):
    return lab.reaches(lab.two, lab.two.host_address6, 8082)


# --- what went through a published port ---

def counts(lab, name, place, address, port):
    """How many packets more one question makes, and whether it was answered."""
    def packets_of():
        listed = lab.host.json("nft", "-j", "list", "set", "inet", "netd", name)["nftables"]
        found = next(item["set"] for item in listed if "set" in item)
        return sum(element["elem"]["counter"]["packets"] for element in found["elem"])
    before = packets_of()
    assert place.ask("udp", address, port, timeout=lab.long_patience), "the port does not answer"
    return packets_of() - before


@way(INET, "nd_leaving", r"ct status dnat jump nd_count")
def what_is_forwarded_is_counted(lab):
    return [counts(lab, "nd_countany4", lab.out, lab.out.host_address, 8080) == 2]


@way(INET, "nd_input", r"ct status dnat jump nd_count")
def what_comes_back_to_the_host_is_counted(lab):
    return [counts(lab, "nd_countany4", lab.host, "127.0.0.1", 8080) == 2]


@way(INET, "nd_count", r"@nd_countany4")
def single_ports_are_counted(lab):
    return [counts(lab, "nd_countany4", lab.out, lab.out.host_address, 8080) == 2]


@way(INET, "nd_count", r"@nd_countany6")
def single_ports_are_counted_in_ipv6(lab):
    return [counts(lab, "nd_countany6", lab.out, lab.out.host_address6, 8080) == 2]


@way(INET, "nd_count", r"@nd_countpub4")
def ports_of_one_address_are_counted(lab):
    return [counts(lab, "nd_countpub4", lab.out, lab.out.host_address, 9090) == 2]


@way(INET, "nd_count", r"@nd_countpub6")
def ports_of_one_address_are_counted_in_ipv6(lab):
    return [counts(lab, "nd_countpub6", lab.out, lab.out.host_address6, 9090) == 2]


@way(INET, "nd_count", r"@nd_countrng4")
def ranges_are_counted(lab):
    return [counts(lab, "nd_countrng4", lab.out, lab.out.host_address, 15432) == 2]


@way(INET, "nd_count", r"@nd_countrng6")
def ranges_are_counted_in_ipv6(lab):
    return [counts(lab, "nd_countrng6", lab.out, lab.out.host_address6, 17432) == 2]


@guard(INET, "nd_dnat", r"@nd_own4")
def own_service_is_published_away(lab):
    with lab.element(INET, "nd_own4", "192.0.2.1 . tcp . 9090"):
        return [lab.out.ask("tcp", "192.0.2.1", 9090, timeout=lab.patience) is not None]


@way(INET, "nd_published", r"ct status dnat accept")
def published_port_passes_the_forward_chain(lab):
    return lab.reaches(lab.out, lab.out.host_address, 8080)


@way(INET, "nd_postrouting", r"ct status dnat ip saddr")
def member_of_the_same_network_by_the_hosts_address(lab):
    return lab.reaches(lab.cli, lab.out.host_address, 8080)


# --- networks ---

@guard(INET, "nd_published", r"^drop")
def neighbour_reaches_a_namespace_straight(lab):
    return lab.reaches(lab.out, lab.address("web"), 80)


@guard(INET, "nd_forward", r"@nd_in4|oifname vmap \{.*nd-a")
def other_network_reaches_a_namespace_straight(lab):
    return lab.reaches(lab.far, lab.address("web"), 80)


@guard(INET, "nd_forward", r"@nd_in4")
def neighbour_reaches_an_internal_network(lab):
    return lab.reaches(lab.out, lab.address("db"), 80)


@guard(INET, "nd_forward", r"@nd_closed")
def internal_network_has_a_way_out(lab):
    return lab.reaches(lab.db, lab.out.address, 80)


@guard(INET, "nd_published", r"^drop")
def neighbour_reaches_a_namespace_straight_by_ipv6(lab):
    return lab.reaches(lab.out, lab.address6("web"), 80)


@guard(INET, "nd_forward", r"@nd_in6|nfproto ipv6 oifname vmap")
def other_network_reaches_a_namespace_straight_by_ipv6(lab):
    return lab.reaches(lab.far, lab.address6("web"), 80)


@guard(INET, "nd_forward", r"@nd_in6|nfproto ipv6 oifname vmap")
def neighbour_reaches_an_internal_network_by_ipv6(lab):
    return lab.reaches(lab.out, lab.address6("db"), 80)


@guard(INET, "nd_forward", r"@nd_closed")
def internal_network_has_a_way_out_by_ipv6(lab):
    return lab.reaches(lab.db, lab.out.address6, 80)


@way(INET, "nd_forward", r"@nd_pairs", bridge_filter=(True,))
def same_network_straight_by_ipv6(lab):
    return lab.reaches(lab.cli, lab.address6("web"), 80)


@way(INET, "nd_postrouting", r"@nd_masq6")
def way_out_is_masqueraded_in_ipv6(lab):
    replies = [lab.web.ask(protocol, lab.out.address6, 80, timeout=lab.patience) for protocol in ("tcp", "udp")]
    return [reply is not None and reply.peer == lab.out.host_address6 for reply in replies]


@guard(INET, "nd_forward", r"@nd_closed")
def internal_network_reaches_a_published_port(lab):
    return lab.reaches(lab.db, lab.out.host_address, 8080)


@way(INET, "nd_forward", r"@nd_pairs", bridge_filter=(True,))
def same_network_straight(lab):
    return lab.reaches(lab.cli, lab.address("web"), 80)


@way(INET, "nd_forward", r"ct state (established,related|\{ established, related \})|ct state .*established")
def answers_come_back(lab):
    return lab.reaches(lab.web, lab.out.address, 80)


@way(INET, "nd_postrouting", r"@nd_masq4")
def way_out_is_masqueraded(lab):
    replies = [lab.web.ask(protocol, lab.out.address, 80, timeout=lab.patience) for protocol in ("tcp", "udp")]
    return [reply is not None and reply.peer == lab.out.host_address for reply in replies]


@guard(INET, "nd_forward", r"ct state invalid|ct state .*invalid.*drop")
def stray_reset_leaves_with_a_private_source(lab):
    sought = packets.token()
    with Eyes(lab.out, "eth0") as eyes:
        send_packet(lab.web, packets.tcp_reset(lab.address("web"), lab.out.address, 4000, 4001, sought))
        return [eyes.see(sought, lab.patience) is not None]


@guard(INET, "nd_forward", r"ct state new tcp flags")
def flow_that_was_ended_is_picked_up_from_its_middle(lab):
    sought = packets.token()
    with Eyes(lab.out, "eth0") as eyes:
        send_packet(lab.web, packets.tcp(lab.address("web"), lab.out.address, 80, 4001, 0x18, sought))
        return [eyes.see(sought, lab.patience) is not None]


# --- what is not netd's ---

@guard(INET, "nd_early", r"nfproto ipv4|ip daddr != @nd_nets4")
def neighbours_pass_from_one_to_the_other(lab):
    """netd switched forwarding on for its own sake; nothing else may come of it."""
    return lab.reaches(lab.out, lab.two.address, 80)


@guard(INET, "nd_early", r"nfproto ipv6|ip6 daddr != @nd_nets6")
def neighbours_pass_from_one_to_the_other_by_ipv6(lab):
    return lab.reaches(lab.out, lab.two.address6, 80)


@guard(INET, "nd_early", r"nfproto ipv4|ip daddr != @nd_nets4")
def host_answers_like_a_router(lab):
    """Time exceeded tells that packets would be forwarded."""
    with Eyes(lab.out, "eth0") as eyes:
        send_packet(lab.out, packets.udp(lab.out.address, lab.two.address, 4000, 4001, packets.token(), ttl=1))
        exceeded = b"\x0b\x00"
        frame = eyes.see(socket.inet_aton(lab.out.host_address) + socket.inet_aton(lab.out.address) + exceeded, lab.patience)
        return [frame is not None]


@way(INET, "nd_forward", r"iifname != @nd_bridges oifname != @nd_bridges")
def foreign_traffic_is_not_judged(lab):
    """Where the administrator forwards, a packet that netd would call invalid passes."""
    switched = [name for name in (lab.out.interface, lab.two.interface)
                if name in lab.host.run("nft list set inet netd nd_switched4").stdout]
    sought = packets.token()
    lab.host.run("nft", "flush set inet netd nd_switched4")
    try:
        with Eyes(lab.two, "eth0") as eyes:
            send_packet(lab.out, packets.tcp_reset(lab.out.address, lab.two.address, 4000, 4001, sought))
            return [eyes.see(sought, lab.patience) is not None]
    finally:
        for name in switched:
            lab.host.run("nft", f'add element inet netd nd_switched4 {{ "{name}" }}')


@way(BRIDGE, "nd_spoof", r"iifname != @nd_ports")
def foreign_bridge_is_not_judged(lab):
    sought = packets.token()
    lab.host.shell("""ip link add br-x type bridge; ip link set br-x up
        for i in 1 2; do ip link add x$i type veth peer name y$i; ip link set x$i master br-x; ip link set x$i up; ip link set y$i up; done""")
    try:
        with Eyes(lab.host, "y2") as eyes:
            def arrives():  # ports take a moment until they forward
                send_frame(lab.host, "y1", ether(BROADCAST, "02:00:00:00:00:77", packets.ETH_EXPERIMENT, sought))
                return eyes.see(sought, 0.05) is not None
            try:
                return [wait_for(arrives, "", lab.patience)]
            except AssertionError:
                return [False]
    finally:
        lab.host.shell("ip link del x1; ip link del x2; ip link del br-x")


# --- an endpoint's port lets in only what is the endpoint's own ---

def frame_arrives(lab, frame, sought):
    """Whether a frame that `cli` sends comes out at `web`."""
    with Eyes(lab.web, "eth0") as eyes:
        send_frame(lab.cli, "eth0", frame)
        return [eyes.see(sought, lab.patience) is not None]


@guard(BRIDGE, "nd_spoof", r"ether saddr.*!= @nd_mac")
def frame_with_anothers_mac(lab):
    sought = packets.token()
    packet = packets.udp(lab.address("cli"), lab.address("web"), 4000, 4001, sought)
    return frame_arrives(lab, ether(lab.mac["web"], "02:00:00:00:00:77", packets.ETH_IP, packet), sought)


@way(BRIDGE, "nd_spoof", r"vmap|goto nd_v4|goto nd_arp")
def own_traffic_passes(lab):
    lab.cli.run("ip neigh flush dev eth0")
    return lab.reaches(lab.cli, lab.address("web"), 80)


@guard(BRIDGE, "nd_spoof", r"^drop")
def frame_of_another_protocol(lab):
    sought = packets.token()
    return frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], packets.ETH_EXPERIMENT, sought), sought)


@guard(BRIDGE, "nd_arp", r"arp saddr ether.*!= @nd_mac")
def arp_with_anothers_mac(lab):
    sought = packets.token()
    forged = packets.arp(2, "02:00:00:00:00:77", lab.address("cli"), lab.mac["web"], lab.address("web"), sought)
    return frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], packets.ETH_ARP, forged), sought)


@guard(BRIDGE, "nd_arp", r"arp saddr ip.*!= @nd_ip4")
def arp_for_anothers_address(lab):
    """The gateway's address: who believes it sends the attacker everything."""
    sought = packets.token()
    forged = packets.arp(2, lab.mac["cli"], "10.1.0.1", lab.mac["web"], lab.address("web"), sought)
    return frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], packets.ETH_ARP, forged), sought)


@way(BRIDGE, "nd_arp", r"0\.0\.0\.0.*accept")
def duplicate_address_probe(lab):
    sought = packets.token()
    probe = packets.arp(1, lab.mac["cli"], "0.0.0.0", "00:00:00:00:00:00", lab.address("cli"), sought)
    return frame_arrives(lab, ether(BROADCAST, lab.mac["cli"], packets.ETH_ARP, probe), sought)


@guard(BRIDGE, "nd_v4", r"ip saddr.*!= @nd_ip4")
def packet_with_anothers_address(lab):
    sought = packets.token()
    packet = packets.udp("10.1.0.99", lab.address("web"), 4000, 4001, sought)
    return frame_arrives(lab, ether(lab.mac["web"], lab.mac["cli"], packets.ETH_IP, packet), sought)


def ipv6_arrives(lab, packet, sought):
    return frame_arrives(lab, ether(lab.mac["web"], lab.mac["cli"], packets.ETH_IP6, packet), sought)


@guard(BRIDGE, "nd_v6", r"ip6 saddr.*!= @nd_ip6")
def packet_with_an_ipv6_address_that_is_not_its_own(lab):
    sought = packets.token()
    return ipv6_arrives(lab, packets.udp6("fd00:a::99", lab.address6("web"), sought), sought)


@guard(BRIDGE, "nd_v6", r"ip6 saddr.*!= @nd_ip6")
def packet_with_anothers_link_local_address(lab):
    sought = packets.token()
    return ipv6_arrives(lab, packets.udp6("fe80::99", lab.address6("web"), sought), sought)


@way(BRIDGE, "nd_spoof", r"goto nd_v6")
def own_ipv6_traffic_passes(lab):
    lab.cli.run("ip -6 neigh flush dev eth0")
    return lab.reaches(lab.cli, lab.address6("web"), 80)


@way(BRIDGE, "nd_v6", r"ip6 saddr ::.*@nd_target6 accept")
def duplicate_address_probe_in_ipv6(lab):
    sought = packets.token()
    return ipv6_arrives(lab, packets.neighbour6("::", "ff02::1:ff00:3", 135, lab.address6("cli"), sought), sought)


@guard(BRIDGE, "nd_v6", r"nd-router-advert|icmpv6 type \{ 134|nd-redirect")
def namespace_speaks_as_a_router(lab):
    sought = packets.token()
    return ipv6_arrives(lab, packets.icmp6(lab.address6("cli"), "ff02::1", 134, bytes(12) + sought), sought)


@guard(BRIDGE, "nd_v6", r"nd-neighbor-advert drop")
def neighbour_advertisement_for_anothers_address(lab):
    """The gateway's: who believes it sends the attacker everything."""
    sought = packets.token()
    return ipv6_arrives(lab, packets.neighbour6(lab.address6("cli"), "ff02::1", 136, "fd00:a::1", sought), sought)


@way(BRIDGE, "nd_spoof", r"goto nd_v6")
def neighbour_advertisement_for_its_own_address(lab):
    sought = packets.token()
    return ipv6_arrives(lab, packets.neighbour6(lab.address6("cli"), "ff02::1", 136, lab.address6("cli"), sought), sought)


# --- rates ---

def flood_arrives(lab, elements):
    """Whether the last of many packets comes through. A second's worth and one long packet may."""
    sought = packets.token()
    def packet(payload):
        return ether(lab.mac["web"], lab.mac["cli"], packets.ETH_IP, packets.udp(lab.address("cli"), lab.address("web"), 4000, 4001, payload))
    with lab.element(BRIDGE, *elements), Eyes(lab.web, "eth0") as eyes:
        for _ in range(60):
            send_frame(lab.cli, "eth0", packet(bytes(1400)))
        send_frame(lab.cli, "eth0", packet(bytes(1300) + sought))
        return [eyes.see(sought, lab.patience) is not None]


@guard(BRIDGE, "nd_from", r"@nd_rateout")
def namespace_sends_more_than_its_rate(lab):
    return flood_arrives(lab, ("nd_rateout", f'"{lab.outer["cli"]}" limit rate over 1000 bytes/second burst 65536 bytes'))


@guard(BRIDGE, "nd_to", r"@nd_ratein")
def namespace_gets_more_than_its_rate(lab):
    return flood_arrives(lab, ("nd_ratein", f'"{lab.outer["web"]}" limit rate over 1000 bytes/second burst 65536 bytes'))


def check_row(lab, row):
    """The test of one row; fails when its rule is not there."""
    if row.attack:
        with lab.without(row.table, row.chain, row.pattern), lab.expecting(True):
            assert all(row.function(lab)), f"the attack does not work without the guard, so the test shows nothing: {row.name}"
        with lab.expecting(False):
            assert not any(row.function(lab)), f"the attack works: {row.name}"
    else:
        assert all(row.function(lab)), f"does not work: {row.name}"


@pytest.mark.parametrize("row, bridge_filter", [pytest.param(row, on, id=f"{row.name}-{'br_netfilter' if on else 'plain'}")
                                                for row in ROWS for on in row.bridge_filter])
def test_guard(lab, row, bridge_filter):
    assert lab.bridge_filter(bridge_filter), "the kernel has no br_netfilter"
    check_row(lab, row)
