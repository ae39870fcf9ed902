"""Networks without the host, routers and sysctls of namespaces: what a lab is built of."""

import json
import re

import pytest

from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

FAMILIES = ["4", "6"]
# Three networks in a row: left and right have their hosts, between them is what the routers share.
NETS = {"left": ("10.61.0", "fd61"), "middle": ("10.62.0", "fd62"), "right": ("10.63.0", "fd63")}
HOSTS = {"left": [f"l{i}" for i in range(4)], "middle": ["m0", "m1"], "right": [f"r{i}" for i in range(4)]}
GATEWAY = {"left": 254, "right": 253}


def address(network, number, family):
    v4, v6 = NETS[network]
    return f"{v4}.{number}" if family == "4" else f"{v6}::{number:x}"


def subnet(network, family):
    v4, v6 = NETS[network]
    return f"{v4}.0/24" if family == "4" else f"{v6}::/64"


def ips(network, number):
    return ["--ip", address(network, number, "4"), "--ip6", address(network, number, "6")]


def create(netd, network, *options):
    words = [word for family in FAMILIES for word in ("--subnet", subnet(network, family))]
    for family in FAMILIES if network in GATEWAY else []:
        words += ["--gateway", address(network, GATEWAY[network], family)]
    netd.ctl("network", "create", network, "--no-host-address", *words, *options)


def build(netd):
    routes = {"left": 254, "right": 253}  # of the middle network: left by the first router, right by the second one
    for network in NETS:
        create(netd, network, *(word for there, via in routes.items() if network == "middle" for family in FAMILIES
                                for word in ("--route", f"{subnet(there, family)},{address('middle', via, family)}")))
    for network, router, number in (("left", "ra", 254), ("middle", "ra", 254), ("middle", "rb", 253), ("right", "rb", 253)):
        netd.ctl("connect", network, router, "--router", *ips(network, number))
    for network, names in HOSTS.items():
        for number, name in enumerate(names, 10):
            netd.ctl("connect", network, name, *ips(network, number))


@pytest.fixture
def lab(netd):
    build(netd)
    return netd


def ttl(netd, ns, target, family, check=True):
    """The TTL that the answer comes with; None: there is none."""
    done = netd.ns(ns).run("ping", f"-{family}", "-n", "-c1", "-W5" if check else "-W1", target, check=False)
    found = re.search(r"ttl=(\d+)", done.stdout)
    assert found or not check, f"{ns} -> {target}: {done.stdout}{done.stderr}"
    return int(found[1]) if found else None


def everyone_reaches_everyone(netd):
    for family in FAMILIES:
        for name in HOSTS["left"]:
            for number in range(10, 14):
                assert ttl(netd, name, address("right", number, family), family) == 62, "two routers are on the way"
        assert ttl(netd, "m0", address("left", 11, family), family) == 63
        assert ttl(netd, "m1", address("right", 11, family), family) == 63
        assert ttl(netd, "m0", address("middle", 11, family), family) == 64
        # a router's far address: what it sends itself asks for neighbours as itself
        assert ttl(netd, "l0", address("right", 253, family), family) == 63
        assert ttl(netd, "ra", address("right", 10, family), family) == 63


def inside(netd, ns, *names):
    return [netd.ns(ns).sysctl(name) for name in names]


def serve(netd, ns):
    return {family: netd.ns(ns).serve(80, address=any_address) for family, any_address in (("4", "0.0.0.0"), ("6", "::"))}


FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


def test_ten_hosts_two_routers_three_networks(lab):
    everyone_reaches_everyone(lab)
    serve(lab, "r0")
    for family in FAMILIES:
        for protocol in ("tcp", "udp"):
            answer = lab.ns("l0").ask(protocol, address("right", 10, family), 80)
            assert answer and address("left", 10, family) in str(answer), "nobody translates on the way"
        # each hop says that it is one
        for hops, router in ((1, address("left", 254, family)), (2, address("middle", 253, family))):
            done = lab.ns("l0").run("ping", f"-{family}", "-n", "-c1", "-W5", f"-t{hops}", address("right", 10, family), check=False)
            assert f"rom {router}" in done.stdout and "exceeded" in done.stdout, done.stdout


def test_through_a_restart_a_reboot_and_drift(lab):
    before = lab.snapshot(inside=True)
    objects = lab.objects()
    lab.restart_daemon()
    assert_same(before, lab.snapshot(inside=True), "a restart changes nothing")
    assert "repair:" not in lab.log()
    for name in FORWARDING:
        lab.ns("ra").sysctl(name, 0)
        wait_for(lambda: lab.ns("ra").sysctl(name) == "1", "the router forwards again", 20)
    lab.ns("l0").run("ip route del default")
    wait_for(lambda: "via" in lab.ns("l0").run("ip route show default").stdout, "the default route is back")
    lab.reboot()
    lab.start_daemon()
    assert lab.objects() == objects
    everyone_reaches_everyone(lab)


def test_taken_down_nothing_is_left(netd):
    before = netd.snapshot()
    build(netd)
    for network in NETS:
        netd.ctl("network", "rm", "-f", network)
    netd.ctl("ns", "rm", "ra", "rb", *(name for names in HOSTS.values() for name in names))
    wait_same(before, netd.snapshot, "the lab has gone")


def test_the_host_takes_no_part(lab):
    bridge = {network["name"]: network["bridge"] for network in lab.ctl_json("network", "ls")}["left"]
    assert [a for link in lab.json("ip", "-j", "addr", "show", "dev", bridge) for a in link["addr_info"]] == []
    lab.run("ip addr add 198.51.100.9/32 dev lo")
    lab.serve(7000)
    # to the bridge's own MAC address, with an address of the host
    mac = lab.json("ip", "-j", "link", "show", "dev", bridge)[0]["address"]
    lab.ns("l0").run(f"ip neigh replace 10.61.0.77 lladdr {mac} dev eth0")
    lab.ns("l0").run("ip route add 198.51.100.9 via 10.61.0.77 dev eth0")
    lab.run(f"ip route add 10.61.0.0/24 dev {bridge}")  # so that it could answer
    assert not lab.ns("l0").ask("tcp", "198.51.100.9", 7000, timeout=0.5)
    rules = lab.run("nft list table inet netd").stdout
    lab.stop_daemon()
    lab.start_daemon(own_tables=False)
    lab.run(f"ip route replace 10.61.0.0/24 dev {bridge}")
    with lab.paused_daemon():
        lab.run(f"nft delete element inet netd nd_shut {{ {bridge} }}")
        assert lab.ns("l0").ask("tcp", "198.51.100.9", 7000), f"it is nd_shut that stops it\n{rules}"


def test_a_network_without_a_gateway_has_no_default_route(netd):
    netd.ctl("network", "create", "alone", "--no-host-address", "--ipv6")
    netd.ctl("connect", "alone", "a")
    netd.ctl("connect", "alone", "b")
    found, = netd.ctl_json("network", "inspect", "alone")
    assert found["no_host_address"] and [s["gateway"] for s in found["subnets"]] == [None, None]
    for endpoint in found["endpoints"]:
        for family in FAMILIES:
            assert netd.ns(endpoint["namespace"]).run(f"ip -{family} route show default").stdout == ""
    for cidr, family in zip(found["endpoints"][1]["addresses"], FAMILIES):
        assert ttl(netd, "a", cidr.split("/")[0], family) == 64
    # the first address is free for anybody
    assert found["endpoints"][0]["addresses"][0].split("/")[0].endswith(".1")
    netd.restart_daemon()
    assert netd.ctl_json("network", "inspect", "alone")[0] == found


def test_nothing_is_published_there(lab):
    assert "no address of this host" in lab.ctl("publish", "8080:80", "l0", "--network", "left", check=1).stderr
    assert "no way in" in lab.ctl("publish", "8080:80", "l0", check=1).stderr
    lab.ctl("connect", "default", "l0")
    assert "default 10." in lab.ctl("publish", "8080:80", "l0").stdout
    assert "forwarded or published here" in lab.ctl("network", "create", "x", "--no-host-address", "--publish-address", "127.0.0.1",
                                                  check=2).stderr
    assert "cannot be changed" in lab.ctl("network", "set", "left", "no-host-address=no", check=1).stderr


def test_two_networks_with_br_netfilter(lab):
    """Bridged frames pass the host's hooks then: they are not netd's to drop, though one flow is seen on three bridges."""
    try:
        lab.sysctl("net/bridge/bridge-nf-call-iptables", 1)
        lab.sysctl("net/bridge/bridge-nf-call-ip6tables", 1)
    except OSError:
        assert not lab.file("/proc/sys/net/bridge").exists()
    everyone_reaches_everyone(lab)


# --- what a router may send ---


def spoofed(netd, server, ns, source, target, family):
    """Whether the target sees a datagram from a source that is not the sender's."""
    seen = len(server.seen)
    netd.ns(ns).run(f"ip -{family} addr add {source}/{32 if family == '4' else 128} dev lo" + (" nodad" if family == "6" else ""))
    netd.ns(ns).ask("udp", target, 80, source=source, timeout=0.4)
    netd.ns(ns).run(f"ip -{family} addr del {source}/{32 if family == '4' else 128} dev lo")
    return len(server.seen) > seen


def mac(netd, ns, interface):
    return netd.ns(ns).json("ip", "-j", "link", "show", "dev", interface)[0]["address"]


@pytest.mark.parametrize("family", FAMILIES)
def test_only_a_router_sends_for_others(lab, family):
    server = serve(lab, "m0")[family]
    source = {"4": "203.0.113.5", "6": "fd5f::5"}[family]
    target = address("middle", 10, family)
    assert spoofed(lab, server, "ra", source, target, family)
    assert not spoofed(lab, server, "m1", source, target, family)
    # its MAC address is checked all the same
    with lab.paused_daemon():
        lab.ns("ra").run("ip link set eth1 address 02:aa:aa:aa:aa:aa")
        lab.ns("ra").run(f"ip -{family} neigh replace {target} lladdr {mac(lab, 'm0', 'eth0')} dev eth1")
        assert not spoofed(lab, server, "ra", source, target, family)
    wait_for(lambda: spoofed(lab, server, "ra", source, target, family), "the MAC address is its own again")
    ports = lab.run("nft list set bridge netd nd_routers").stdout
    assert len(re.findall(r'"nv', ports)) == 4
    lab.ctl("disconnect", "middle", "ra")
    assert len(re.findall(r'"nv', lab.run("nft list set bridge netd nd_routers").stdout)) == 3


def test_a_router_no_more(lab):
    assert inside(lab, "ra", *FORWARDING) == ["1", "1"] and inside(lab, "l0", *FORWARDING) == ["0", "0"]
    lab.ctl("disconnect", "left", "ra")
    assert inside(lab, "ra", *FORWARDING) == ["1", "1"]
    lab.ctl("disconnect", "middle", "ra")
    assert inside(lab, "ra", *FORWARDING) == ["0", "0"]


# --- sysctls ---


KEY, PATH = "net.ipv4.tcp_keepalive_time", "net/ipv4/tcp_keepalive_time"
RANGE, RANGE_PATH = "net.ipv4.ip_local_port_range", "net/ipv4/ip_local_port_range"


def sysctls(netd, ns):
    return netd.ctl_json("ns", "inspect", ns)[0]["sysctls"]


def test_sysctls_of_a_namespace(netd):
    netd.ctl("ns", "create", "web", "--sysctl", f"{KEY}=600")
    old = netd.ns("web").sysctl(RANGE_PATH)
    assert netd.ns("web").sysctl(PATH) == "600" and netd.sysctl(PATH) != "600"
    netd.ctl("ns", "set", "web", f"sysctl={KEY}=700", f"sysctl={RANGE}=20000 30000")
    assert netd.ns("web").sysctl(PATH) == "700"
    assert netd.ns("web").sysctl(RANGE_PATH).split() == ["20000", "30000"]
    assert sysctls(netd, "web") == [f"{KEY}=700", f"{RANGE}=20000 30000"]
    before = netd.snapshot(inside=True)
    netd.restart_daemon()
    assert_same(before, netd.snapshot(inside=True), "a restart changes nothing")
    assert "repair:" not in netd.log()
    netd.ctl("ns", "set", "web", f"sysctl={KEY}=700")
    assert netd.ns("web").sysctl(RANGE_PATH) == old, "what is not set any more is as it was"
    netd.ns("web").sysctl(PATH, 900)
    wait_for(lambda: netd.ns("web").sysctl(PATH) == "700", "it is set again", 20)
    netd.reboot()
    netd.start_daemon()
    assert netd.ns("web").sysctl(PATH) == "700" and netd.ns("web").sysctl(RANGE_PATH) == old
    netd.ctl("ns", "set", "web", "sysctl=")
    assert netd.ns("web").sysctl(PATH) == netd.sysctl(PATH)


def test_an_adopted_namespace_gets_its_own_values_back(netd):
    netd.run("ip netns add theirs")
    theirs = netd.ns("theirs")
    theirs.sysctl(PATH, 1234)
    assert "nothing to do with" in netd.ctl("ns", "set", "theirs", f"sysctl={KEY}=600", check=3).stderr
    before = netd.snapshot(inside=True)
    netd.ctl("connect", "default", "theirs", "--router")
    netd.ctl("ns", "set", "theirs", f"sysctl={KEY}=600")
    assert theirs.sysctl(PATH) == "600" and inside(netd, "theirs", *FORWARDING) == ["1", "1"]
    netd.restart_daemon()
    assert theirs.sysctl(PATH) == "600"
    netd.ctl("disconnect", "default", "theirs")
    assert theirs.sysctl(PATH) == "1234" and inside(netd, "theirs", *FORWARDING) == ["0", "0"]
    wait_same(before, lambda: netd.snapshot(inside=True), "it is as it was", 10)


def test_another_namespace_of_that_name_is_not_restored(netd):
    netd.ctl("ns", "create", "web", "--sysctl", f"{KEY}=600")
    netd.stop_daemon()
    netd.run("ip netns del web")
    netd.run("ip netns add web")
    netd.ns("web").sysctl(PATH, 600)
    netd.start_daemon()
    assert netd.ns("web").sysctl(PATH) == "600" and KEY not in json.dumps(netd.ctl_json("ns", "ls"))
    assert "tcp_keepalive" not in (netd.file("/run/netd/sysctls").read_text() if netd.file("/run/netd/sysctls").exists() else "")


def test_a_sysctl_that_there_is_not_changes_nothing(netd):
    netd.ctl("ns", "create", "web")
    before = netd.snapshot(inside=True)
    assert "namespace web: read sysctl net.ipv4.no_such" in netd.ctl("ns", "set", "web", f"sysctl={KEY}=600", "sysctl=net.ipv4.no_such=1", check=1).stderr
    assert_same(before, netd.snapshot(inside=True))
    assert sysctls(netd, "web") == []


@pytest.mark.parametrize("item, sentence", [
    ("kernel.hostname=x", "no sysctl of a network namespace"), ("net.ipv4", "KEY=VALUE"), ("net.ipv4.ip_forward=", "1 to 63"),
    ("net.ipv4./.kernel=1", "no name"), ("net.//.//.kernel.hostname=1", "no name"), ("net..ipv4=1", "no name"),
    ("net.ipv4.conf.eth0.forwarding=1", "one interface's own"), ("net.ipv4.neigh.eth0/1.app_solicit=1", "one interface's own"),
    ("net.ipv6.conf.all.disable_ipv6=1", "netd's to set"), ("net.ipv4.ip_forward=1~2", "no '~'"), ("net.ipv4.x y=1", "no name"),
    ("net.ipv4.ip_forward= 1", "one space"), (f"net.ipv4.ip_forward={'1' * 64}", "1 to 63"), (f"net.{'a' * 100}=1", "no name")])
def test_bad_sysctls_are_refused(netd, item, sentence):
    assert sentence in netd.ctl("ns", "create", "web", "--sysctl", item, check=2).stderr
    netd.ctl("ns", "create", "web")
    assert sentence in netd.ctl("ns", "set", "web", f"sysctl={item}", check=2).stderr
    assert "given twice" in netd.ctl("ns", "set", "web", f"sysctl={KEY}=1", f"sysctl={KEY}=2", check=2).stderr


def test_dry_run_says_it_all(netd):
    netd.ctl("ns", "create", "web")
    netd.ctl("network", "create", "a", "--no-host-address")
    said = netd.ctl("ns", "set", "web", f"sysctl={RANGE}=20000 30000", "--dry-run").stdout
    assert said.strip() == "ip netns exec web sysctl -qw 'net/ipv4/ip_local_port_range=20000 30000'"
    said = netd.ctl("connect", "a", "web", "--router", "--dry-run").stdout
    assert "ip netns exec web sysctl -qw net/ipv4/ip_forward=1" in said and "nd_routers" in said
    said = netd.ctl("network", "create", "b", "--no-host-address", "--dry-run").stdout
    assert "ip addr" not in said and "nd_shut" in said


# --- none and host ---


def test_none_is_a_namespace_with_lo_only(netd):
    assert netd.ctl("connect", "none", "web").stdout.splitlines() == ["created namespace web (undo: netd-ctl ns rm web)", "web: lo only"]
    links = netd.ns("web").json("ip", "-j", "link")
    assert [(link["ifname"], "UP" in link["flags"]) for link in links] == [("lo", True)]
    before = netd.snapshot(inside=True)
    for command in ("connect", "connect", "disconnect"):
        netd.ctl(command, "none", "web")
    assert_same(before, netd.snapshot(inside=True), "it was so already")
    assert netd.ctl("connect", "none", "web", "-q").stdout == "web\n"
    assert "no address" in netd.ctl("connect", "none", "web", "--ip", "10.0.0.1", check=2).stderr
    assert "no such namespace" in netd.ctl("connect", "none", "more", "--existing", check=3).stderr
    assert "no such namespace" in netd.ctl("disconnect", "none", "more", check=3).stderr
    assert "ip netns add more" in netd.ctl("connect", "none", "more", "--dry-run").stdout
    netd.ctl("connect", "default", "web")
    for command in ("connect", "disconnect"):
        assert "is connected to network default" in netd.ctl(command, "none", "web", check=1).stderr
    assert json.loads(netd.ctl("ns", "inspect", "web", "--json").stdout)[0]["endpoints"]


def test_host_is_where_no_namespace_is(netd):
    before = netd.snapshot()
    for command in ("connect", "disconnect"):
        assert "runs in no namespace" in netd.ctl(command, "host", "web", check=1).stderr
    for name in ("none", "host"):
        assert "is reserved" in netd.ctl("network", "create", name, check=2).stderr
        assert "nothing to change or remove" in netd.ctl("network", "rm", name, check=1).stderr
        assert "nothing to change or remove" in netd.ctl("network", "set", name, "mtu=1400", check=1).stderr
    assert_same(before, netd.snapshot())
    assert netd.ctl("network", "ls", "-q").lines == ["default"], "they are words, no networks"
