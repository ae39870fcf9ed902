"""IPv6 as IPv4 has it: ways, isolation, restart, reboot and drift; and a host that goes on listening to its routers.

    out 192.0.2.2, 2001:db8:1::2 ---- host
                                       |
      nd-a 10.77.0.0/24 fd00:77::/64   |  web .2, cli .3
      nd-b              fd00:78::/64   |  far .2
      nd-c 10.79.0.0/24 fd00:79::/64   |  db .2          internal
      nd-d 10.80.0.0/24                |  old .2
"""

import re
import socket
import struct
from pathlib import Path

import pytest

from lib import packets
from lib.host import Host
from lib.packets import Eyes, ether, send_frame
from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

DEADLINE = 8.0  # what the kernel does not announce is looked at every five seconds
WEB, CLI, FAR, DB = "fd00:77::2", "fd00:77::3", "fd00:78::2", "fd00:79::2"
OWN = ["file /run/netd"]
FORCES = Path("/proc/sys/net/ipv6/conf/all/force_forwarding").exists()  # else IPv6 is forwarded on all interfaces or on none


def switch(interface):
    """What lets IPv6 pass an interface."""
    return f"{interface}/force_forwarding" if FORCES else "all/forwarding"


def forwards(host, interface):
    return host.sysctl(f"net/ipv6/conf/{switch(interface)}") == "1"


def without_force_forwarding(host):
    if FORCES:
        host.run("mount --bind /dev/null /proc/sys/net/ipv6/conf/all/force_forwarding")


@pytest.fixture
def out6(host):
    return host.neighbour(network6="2001:db8:1")


def build(host):
    host.ctl("network", "create", "six", "--subnet", "10.77.0.0/24", "--subnet", "fd00:77::/64", "--bridge", "nd-a")
    host.ctl("network", "create", "only", "--subnet", "fd00:78::/64", "--bridge", "nd-b")
    host.ctl("network", "create", "closed", "--internal", "--subnet", "fd00:79::/64", "--subnet", "10.79.0.0/24", "--bridge", "nd-c")
    host.ctl("network", "create", "plain", "--subnet", "10.80.0.0/24", "--bridge", "nd-d")
    for network, name in (("six", "web"), ("six", "cli"), ("only", "far"), ("closed", "db"), ("plain", "old")):
        host.ctl("connect", network, name)


def serve(host):
    for place in (*(host.ns(name) for name in ("web", "far", "db")), *host.neighbours):
        place.serve(80, address="::")
    for place in host.neighbours:
        place.serve(80)


@pytest.fixture
def built(host, out6):
    host.start_daemon(own_tables=False)
    build(host)
    serve(host)
    return host


def reaches(place, address):
    return [place.ask(protocol, address, 80) is not None for protocol in ("tcp", "udp")] == [True, True]


def silent(place, address):
    return all(place.silent(protocol, address, 80) for protocol in ("tcp", "udp"))


def ip6(place, name=None):
    """Addresses of IPv6 by interface."""
    return {link["ifname"]: [f"{item['local']}/{item['prefixlen']}" for item in link["addr_info"]]
            for link in place.json("ip", "-6", "-j", "addr", "show", *(["dev", name] if name else [])) if link}


# --- ways ---

def test_members_reach_each_other_the_host_and_the_outside(built, out6):
    web, cli, far = built.ns("web"), built.ns("cli"), built.ns("far")
    assert reaches(cli, WEB) and cli.ask("tcp", WEB, 80).peer == CLI
    assert reaches(built, WEB) and built.ask("tcp", WEB, 80).peer == "fd00:77::1"
    assert reaches(built, FAR)
    for place in (web, far):
        assert reaches(place, out6.address6)
        assert place.ask("tcp", out6.address6, 80).peer == out6.host_address6, "NAT66: the outside sees the host"
    assert web.ask("tcp", out6.address, 80).peer == out6.host_address, "IPv4 beside it"


def test_addresses_are_usable_at_once_and_nothing_else_is_there(built):
    web = built.ns("web")
    mac = built.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]["mac"]
    octets = bytes.fromhex(mac.replace(":", ""))
    own = socket.inet_ntop(socket.AF_INET6, b"\xfe\x80" + bytes(6) + bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:])
    assert sorted(ip6(web, "eth0")["eth0"]) == sorted([f"{WEB}/64", f"{own}/64"])
    for link in [*built.json("ip -6 -j addr"), *web.json("ip -6 -j addr")]:
        assert not [item for item in link.get("addr_info", []) if item.get("tentative") or item.get("dynamic")]
    assert not [name for name in ip6(built) if name.startswith("nv") or name in ("nd-d", "netd0")], "only where there is IPv6"
    assert ip6(built.ns("old")) == {"lo": ["::1/128"]}
    assert built.sysctl("net/ipv6/conf/all/forwarding") == "0", "the host stays a host"


def test_both_families_are_shown(built):
    network = built.ctl_json("network", "inspect", "six")[0]
    assert network["subnets"] == [{"subnet": "10.77.0.0/24", "gateway": "10.77.0.1"}, {"subnet": "fd00:77::/64", "gateway": "fd00:77::1"}]
    assert (network["ipv4"], network["ipv6"]) == (True, True)
    only = built.ctl_json("network", "inspect", "only")[0]
    assert (only["ipv4"], only["ipv6"], [item["subnet"] for item in only["subnets"]]) == (False, True, ["fd00:78::/64"])
    assert "10.77.0.0/24, fd00:77::/64" in built.ctl("network", "ls").stdout
    assert built.ctl("connect", "six", "more").lines[-1] == "more: eth0 10.77.0.4/24, fd00:77::4/64 on six"
    assert built.ctl_json("connect", "only", "more")["endpoint"]["addresses"] == ["fd00:78::3/64"]


# --- isolation ---

def test_networks_are_apart(built, out6):
    web, far, db = built.ns("web"), built.ns("far"), built.ns("db")
    assert silent(far, WEB) and silent(web, FAR) and silent(web, DB)
    for address in (WEB, FAR, DB):
        assert silent(out6, address), "a neighbour with a route does not come in"
    db.run("ip -6 route replace default via fd00:79::1")
    assert silent(db, out6.address6), "internal: no way out"
    assert reaches(built, DB)


def test_no_one_speaks_as_another(built, out6):
    """The sets of the bridge table have what IPv6 needs, and no more."""
    cli, endpoint = built.ns("cli"), built.ctl_json("ns", "inspect", "cli")[0]["endpoints"][0]
    bridge_mac = built.json("ip -j link show nd-a")[0]["address"]
    for source, passes in ((CLI, True), (WEB, False)):
        sought = packets.token()
        frame = ether(bridge_mac, endpoint["mac"], 0x86dd, packets.udp6(source, out6.address6, sought))
        with Eyes(built, endpoint["host_interface"]) as port, Eyes(built, "nd-a") as bridge:
            send_frame(cli, "eth0", frame)
            assert port.see(sought, 3.0), "it left the namespace"
            assert (bridge.see(sought, 3.0 if passes else 0.4) is not None) == passes


def test_the_host_is_no_router_for_its_neighbours(built, out6):
    two = built.neighbour("two", "198.51.100", "2001:db8:2")
    two.serve(80, address="::")
    wait_for(lambda: forwards(built, "up-two"), "the new interface forwards")
    assert reaches(built.ns("web"), two.address6)
    assert silent(out6, two.address6)


def test_flows_end_with_their_endpoint(built, out6):
    assert built.ask("udp", WEB, 80) and built.ask("udp", FAR, 80)
    flows = built.run("conntrack -L -f ipv6").stdout
    assert WEB in flows and FAR in flows
    built.ctl("disconnect", "six", "web")
    flows = built.run("conntrack -L -f ipv6").stdout
    assert WEB not in flows and FAR in flows, "its own, and no other's"


def test_an_interface_of_the_host_without_ipv6_is_left_alone(host, out6):
    two = host.neighbour("two", "198.51.100")
    host.run(f"ip link set {two.interface} mtu 1000")  # too small: the kernel takes IPv6 away
    host.start_daemon(own_tables=False)
    build(host)
    serve(host)
    assert reaches(host.ns("web"), out6.address6)
    host.run(f"ip link set {two.interface} mtu 1500")
    wait_for(lambda: forwards(host, "up-two") and "up-two" in host.run("nft list set inet netd nd_switched6").stdout,
             "once it has IPv6 it forwards")
    host.restart_daemon(own_tables=False)
    assert "changes to the kernel: 0\n" in host.log()


# --- choosing ---

def test_a_network_gets_a_subnet_of_this_machines_own_prefix(netd):
    def subnet(name, *options):
        subnets = netd.ctl_json("network", "create", name, *options)["network"]["subnets"]
        return [item["subnet"] for item in subnets]

    first, second, third = subnet("a", "--ipv6"), subnet("b", "--ipv6", "--subnet", "10.99.0.0/24"), subnet("c", "--ipv6", "--no-ipv4")
    assert len(first) == 2 and second[0] == "10.99.0.0/24" and len(third) == 1
    found = [re.fullmatch(r"(fd..:[0-9a-f]+:[0-9a-f]+):([0-9a-f]*)::?/64", item).groups() for item in (first[1], second[1], third[0])]
    prefix, = {prefix for prefix, _ in found}
    assert [int(number or "0", 16) for _, number in found] == [0, 1, 2]
    netd.restart_daemon()
    netd.reboot()
    netd.start_daemon()
    assert subnet("d", "--ipv6")[1] == f"{prefix}:3::/64"
    assert len(subnet("e")) == 1, "IPv6 is asked for"
    with Host() as another:
        another.start_daemon()
        other = another.ctl_json("network", "create", "a", "--ipv6")["network"]["subnets"][1]["subnet"]
        assert not other.startswith(prefix + ":")


def test_collisions_are_named(built, out6):
    def refused(words, *command):
        done = built.ctl(*command, check=False)
        assert done.returncode != 0 and words in done.stderr, done.stderr

    refused("overlaps fd00:77::/64 of network six", "network", "create", "x", "--subnet", "fd00:77::/80")
    refused("overlaps the address 2001:db8:1::1/64 of this host (interface up-out)", "network", "create", "x", "--subnet", "2001:db8:1::/64")
    built.run(f"ip -6 route add fd00:9::/48 via {out6.address6}")
    refused("overlaps the route fd00:9::/48", "network", "create", "x", "--subnet", "fd00:9:0:1::/64")
    refused("belongs to namespace web", "connect", "six", "x", "--ip6", WEB)
    refused("is the gateway", "connect", "six", "x", "--ip6", "fd00:77::1")
    refused("all of the network's routers", "connect", "six", "x", "--ip6", "fd00:77::")
    refused("is outside of fd00:77::/64", "connect", "six", "x", "--ip6", "fd00:78::9")
    refused("network plain has none of that", "connect", "plain", "x", "--ip6", "fd00:77::9")
    refused("network only has none of that", "connect", "only", "x", "--ip", "10.77.0.9")
    assert built.ctl_json("connect", "six", "x", "--ip6", "fd00:77::ffff:ffff:ffff:ffff")["endpoint"]["addresses"][1] == \
        "fd00:77::ffff:ffff:ffff:ffff/64", "the last one is like all others"


def test_a_small_subnet_is_used_up(netd):
    netd.ctl("network", "create", "tiny", "--subnet", "fd00:1::/126")
    found = [netd.ctl_json("connect", "tiny", name)["endpoint"]["addresses"][0] for name in ("a", "b")]
    assert found == ["fd00:1::2/126", "fd00:1::3/126"]
    done = netd.ctl("connect", "tiny", "c", check=False)
    assert done.returncode != 0 and "no address of fd00:1::/126 is free" in done.stderr
    netd.ctl("disconnect", "tiny", "a")
    assert wait_for(lambda: netd.ctl("connect", "tiny", "c", check=False).returncode == 0, "the freed one is given")


def test_exist_ok_compares_the_families(built):
    built.ctl("network", "create", "six", "--subnet", "10.77.0.0/24", "--subnet", "fd00:77::/64", "--bridge", "nd-a", "--exist-ok")
    built.ctl("connect", "six", "web", "--ip6", WEB, "--exist-ok")
    for words, command in (("another ipv6", ["network", "create", "plain", "--ipv6", "--bridge", "nd-d", "--exist-ok"]),
                           ("another ipv4", ["network", "create", "six", "--subnet", "fd00:77::/64", "--exist-ok"]),
                           ("another address", ["connect", "six", "web", "--ip6", CLI, "--exist-ok"])):
        done = built.ctl(*command, check=False)
        assert done.returncode == 5 and words in done.stderr, done.stderr


# --- restart, reboot, the end ---

def test_a_restart_changes_nothing(built, out6):
    before = built.snapshot(inside=True, without=OWN)
    with built.ns("web").stream("tcp", out6.address6, 80) as stream:
        stream.wait()
        built.restart_daemon(own_tables=False)
        stream.wait()
    assert "changes to the kernel: 0\n" in built.log()
    assert "repaired" not in built.all_logs(), "what netd makes, nothing of netd's takes away"
    assert_same(before, built.snapshot(inside=True, without=OWN), "a restart")


def test_a_reboot_brings_everything_back(built, out6):
    addresses = {name: ip6(built.ns(name)) for name in ("web", "cli", "far", "db", "old")}
    bridges = {name: ip6(built, name) for name in ("nd-a", "nd-b", "nd-c")}
    built.reboot()
    built.start_daemon(own_tables=False)
    assert addresses == {name: ip6(built.ns(name)) for name in addresses}
    assert bridges == {name: ip6(built, name) for name in bridges}
    serve(built)
    assert reaches(built.ns("cli"), WEB) and reaches(built.ns("far"), out6.address6)


def test_the_last_network_with_ipv6_gives_the_host_back_what_it_had(host, out6):
    host.start_daemon()
    before = host.snapshot(inside=True, without=OWN)
    build(host)
    assert forwards(host, "up-out")
    for name in ("web", "cli", "far", "db", "old"):
        host.ctl("ns", "rm", name)
    for network in ("six", "only", "closed", "plain"):
        assert forwards(host, "up-out") == (network != "plain")
        host.ctl("network", "rm", network)
    wait_same(before, lambda: host.snapshot(inside=True, without=OWN), "all is as before")


# --- drift ---

HARMS = {
    "bridge address": "ip -6 addr del fd00:77::1/64 dev nd-a",
    "all of a bridge": "ip -6 addr flush dev nd-a",
    "bridge route": "ip -6 route del fd00:77::/64 dev nd-a",
    "bridge link-local route": "ip -6 route del fe80::/64 dev nd-a",
    "bridge down": "ip link set nd-a down; ip link set nd-a up",
    "bridge gone": "ip link del nd-b",
    "bridge without IPv6": "echo 1 >/proc/sys/net/ipv6/conf/nd-a/disable_ipv6",
    "bridge hears routers": "echo 1 >/proc/sys/net/ipv6/conf/nd-a/accept_ra",
    "bridge makes up addresses": "echo 0 >/proc/sys/net/ipv6/conf/nd-a/addr_gen_mode; ip -6 addr flush dev nd-a",
    "bridge does not forward": f"echo 0 >/proc/sys/net/ipv6/conf/{switch('nd-a')}",
    "uplink does not forward": f"echo 0 >/proc/sys/net/ipv6/conf/{switch('up-out')}",
    "all of IPv6 off": "echo 1 >/proc/sys/net/ipv6/conf/nd-a/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/nd-b/disable_ipv6",
    "address": "ip -n web -6 addr del fd00:77::2/64 dev eth0",
    "all of an interface": "ip -n web -6 addr flush dev eth0",
    "route": "ip -n web -6 route del fd00:77::/64 dev eth0",
    "link-local route": "ip -n web -6 route del fe80::/64 dev eth0",
    "default route": "ip -n web -6 route del default",
    "another default route": "ip -n web -6 route replace default via fd00:77::3",
    "down and up": "ip -n web link set eth0 down; ip -n web link set eth0 up",
    "renamed": "ip -n web link set eth0 down name other",
    "IPv6 off inside": "ip netns exec web sh -c 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6'",
    "IPv6 off in all of it": "ip netns exec web sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'",
    "too small": "ip -n web link set eth0 mtu 1000",
    "pair gone": "ip -n far link del eth0",
}


@pytest.fixture(scope="module")
def drifting():
    with Host() as host:
        host.neighbour(network6="2001:db8:1")
        host.start_daemon(own_tables=False)
        build(host)
        serve(host)
        yield host


@pytest.mark.parametrize("harm", HARMS)
def test_drift(drifting, harm):
    def state():
        return ([sorted(ip6(drifting.ns(name), "eth0")["eth0"]) for name in ("web", "cli", "far")], {name: sorted(ip6(drifting, name)[name]) for name in ("nd-a", "nd-b", "nd-c")},
                [sorted(drifting.ns(name).run("ip -6 route").lines) for name in ("web", "cli", "far")],
                sorted(line for line in drifting.run("ip -6 route").lines if " nd-" in line),
                [drifting.sysctl(f"net/ipv6/conf/{name}/{key}") for name in ("nd-a", "nd-b")
                 for key in ("accept_ra", "addr_gen_mode", "disable_ipv6")],
                [drifting.sysctl(f"net/ipv6/conf/{switch(name)}") for name in ("nd-a", "nd-b", "up-out")],
                [drifting.ns(name).sysctl(f"net/ipv6/conf/eth0/{key}") for name in ("web", "far")
                 for key in ("accept_ra", "addr_gen_mode", "disable_ipv6")])

    def attempt():
        try:
            return state()
        except (AssertionError, OSError, KeyError) as absent:  # not yet
            return repr(absent)

    quiet = state()
    drifting.shell(HARMS[harm])
    last = None

    def healed():
        nonlocal last
        last = attempt()
        return last == quiet and reaches(drifting.ns("cli"), WEB)

    wait_for(healed, lambda: f"{harm} is healed\nwas {quiet}\nis {last}\n{drifting.log()[-3000:]}", 3 * DEADLINE, step=0.05)
    assert reaches(drifting.ns("far"), "2001:db8:1::2")


def test_a_namespaces_own_switch_is_healed_at_the_next_look(built):
    """accept_ra inside is announced by no one: a restart finds it."""
    built.stop_daemon()
    built.ns("web").sysctl("net/ipv6/conf/eth0/accept_ra", 2)
    built.start_daemon(own_tables=False)
    assert built.ns("web").sysctl("net/ipv6/conf/eth0/accept_ra") == "0"


# --- a host that has its default route from a router ---

def advertise(router, lifetime):
    """A router advertisement to all nodes (RFC 4861, 4.2)."""
    with router.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as made:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        made.bind(("fe80::2", 0, 0, router.index))
        made.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime, 0, 0), ("ff02::1", 0, 0, router.index))


def learned(host):
    return [route for route in host.json("ip -6 -j route show default") if route.get("protocol") == "ra"]


@pytest.fixture
def router(host, out):
    """A machine that the host learns its default route of IPv6 from, with an address behind it."""
    router = host.neighbour("two", "198.51.100", "2001:db8:2")
    router.index = router.json("ip -j link show eth0")[0]["ifindex"]
    router.run("ip -6 addr add 2001:db8:99::1/128 dev lo")
    router.sysctl("net/ipv6/conf/all/forwarding", 1)  # else its neighbour advertisements say that it is none
    router.serve(80, address="::")
    assert host.sysctl("net/ipv6/conf/up-two/accept_ra") == "1"
    wait_for(lambda: advertise(router, 1800) or learned(host), "the host learns its default route")
    return router


@pytest.mark.parametrize("kernel", ["with force_forwarding", "without"] if FORCES else ["without"])
def test_the_route_that_a_router_told_of_stays(host, out, router, kernel):
    old = kernel == "without"
    if old:
        without_force_forwarding(host)
    host.start_daemon()
    before = host.snapshot(inside=True, without=OWN)

    def switches():
        return [host.sysctl(f"net/ipv6/conf/{path}") for path in ("all/forwarding", "up-two/accept_ra")] + \
            [host.sysctl("net/ipv6/conf/up-two/force_forwarding") if FORCES else "0"]

    host.ctl("network", "create", "six", "--ipv6")
    host.ctl("connect", "six", "web")
    assert switches() == (["1", "2", "0"] if old else ["0", "1", "1"])
    assert learned(host), "the default route is still there"
    assert host.ns("web").ask("tcp", "2001:db8:99::1", 80).peer == "2001:db8:2::1", "and used"
    advertise(router, 0)
    wait_for(lambda: not learned(host), "the router is still heard")
    wait_for(lambda: advertise(router, 1800) or learned(host), "and again")
    host.restart_daemon()
    assert switches() == (["1", "2", "0"] if old else ["0", "1", "1"])
    host.ctl("ns", "rm", "web")
    host.ctl("network", "rm", "six")
    assert switches() == ["0", "1", "0"]
    wait_for(lambda: advertise(router, 1800) or learned(host), "a host again")
    wait_same(before, lambda: host.snapshot(inside=True, without=OWN), "all is as before")


def test_without_force_forwarding_no_neighbour_passes(host, out6):
    without_force_forwarding(host)
    two = host.neighbour("two", "198.51.100", "2001:db8:2")
    two.serve(80, address="::")
    host.start_daemon(own_tables=False)
    host.ctl("network", "create", "six", "--ipv6")
    host.ctl("connect", "six", "web")
    assert host.sysctl("net/ipv6/conf/all/forwarding") == "1"
    assert reaches(host.ns("web"), two.address6)
    assert silent(out6, two.address6)
    host.sysctl("net/ipv6/conf/all/forwarding", 0)
    wait_for(lambda: host.sysctl("net/ipv6/conf/all/forwarding") == "1", "it is switched on again")
    wait_for(lambda: reaches(host.ns("web"), two.address6), "and the way is open")
    host.run("nft flush set inet netd nd_switched6")
    wait_for(lambda: "up-two" in host.run("nft list set inet netd nd_switched6").stdout, "the guard is back")


def test_an_administrator_who_forwards_goes_on_forwarding(host, out6):
    two = host.neighbour("two", "198.51.100", "2001:db8:2")
    two.serve(80, address="::")
    host.sysctl("net/ipv6/conf/all/forwarding", 1)
    host.start_daemon()
    host.ctl("network", "create", "six", "--ipv6")
    assert reaches(out6, two.address6)
    host.ctl("network", "rm", "six")
    assert reaches(out6, two.address6) and host.sysctl("net/ipv6/conf/all/forwarding") == "1"


# --- namespaces of others, resolvers ---

def test_an_adopted_namespace_keeps_its_own_default_route(netd, out):
    netd.shell("""ip netns add mine; ip -n mine link set lo up
        ip -n mine link add br9 type bridge; ip -n mine addr add 10.9.0.1/24 dev br9; ip -n mine -6 addr add fd00:9::1/64 dev br9 nodad
        ip -n mine link set br9 up; ip -n mine -6 route add default via fd00:9::2""")
    mine = netd.ns("mine")
    before = netd.snapshot(inside=True, without=OWN)
    netd.ctl("network", "create", "six", "--subnet", "10.77.0.0/24", "--subnet", "fd00:77::/64")
    netd.ctl("connect", "six", "mine")
    assert [route["gateway"] for route in mine.json("ip -6 -j route show default")] == ["fd00:9::2"]
    assert [route["gateway"] for route in mine.json("ip -4 -j route show default")] == ["10.77.0.1"], "each family by itself"
    mine.serve(80, address="::")
    assert netd.ask("tcp", "fd00:77::2", 80)
    mine.run("ip -6 addr flush dev eth0")
    wait_for(lambda: netd.ask("tcp", "fd00:77::2", 80, timeout=0.5), "it is healed in there, too", DEADLINE)
    netd.restart_daemon()
    assert [route["gateway"] for route in mine.json("ip -6 -j route show default")] == ["fd00:9::2"]
    netd.ctl("disconnect", "six", "mine")
    netd.ctl("network", "rm", "six")
    wait_same(before, lambda: netd.snapshot(inside=True, without=OWN), "nothing of netd's is left in it")


def test_servers_of_names_by_what_a_namespace_can_reach(host, out6):
    host.write("/etc/resolv.conf", "nameserver 127.0.0.53\n")
    host.write("/run/systemd/resolve/resolv.conf", "".join(f"nameserver {ip}\n" for ip in (
        "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8::1", "2001:db8::2")))
    host.start_daemon()
    build(host)

    def servers(name):
        text = host.file(f"/etc/netns/{name}/resolv.conf").read_text()
        return re.findall(r"^nameserver (.*)$", text, re.M)

    assert servers("old") == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert servers("far") == ["2001:db8::1", "2001:db8::2"]
    assert servers("web") == ["192.0.2.1", "192.0.2.2", "192.0.2.3"], "three are asked"
    host.ctl("connect", "only", "old")
    host.ctl("disconnect", "plain", "old")
    assert servers("old") == ["2001:db8::1", "2001:db8::2"]
