"""Networks on bridges that are somebody else's: netd adds ports, and touches nothing else of them."""

import json
import re

import pytest

from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

FAMILIES = ["4", "6"]
LAN = {"4": "192.168.77.9", "6": "fd77::9"}  # a machine of the LAN
HOST = {"4": "192.168.77.1", "6": "fd77::1"}
OPTIONS = ["--use-bridge", "br0", "--subnet", "192.168.77.0/24", "--subnet", "fd77::/64"]


def make_bridge(host):
    host.shell("""ip link add br0 type bridge
        ip link set dev br0 addrgenmode none
        ip link set br0 up""")


def plug_in(host):
    """A port to a machine of the LAN. Its MAC address, which the bridge takes, is higher than those that the kernel draws."""
    host.shell("""ip link set up-lan address fe:00:00:00:02:01
        ip link set up-lan master br0
        ip link set up-lan up
        ip addr flush dev up-lan
        ip addr add 192.168.77.1/24 dev br0
        ip -6 addr add fd77::1/64 dev br0 nodad""")


@pytest.fixture(params=[0, 1], ids=["bridged", "br_netfilter"])
def lan(request, host, out):
    """A host whose br0 has a machine of the LAN behind a port; the machine is `host.lan`."""
    lan = host.neighbour("lan", "192.168.78")
    lan.shell("ip addr flush dev eth0; ip addr add 192.168.77.9/24 dev eth0; ip -6 addr add fd77::9/64 dev eth0 nodad")
    make_bridge(host)
    plug_in(host)
    for family in ("iptables", "ip6tables"):
        if host.file("/proc/sys/net/bridge").exists():
            host.sysctl(f"net/bridge/bridge-nf-call-{family}", request.param)
    host.start_daemon()
    wait_for(lambda: host.sysctl("net/ipv4/conf/br0/forwarding") == "1", "netd knows the interfaces of the host")
    host.lan = lan
    return host


def bridge_of(host):
    """All of br0: link, addresses, routes and sysctls, and what its own port is as such."""
    return host.snapshot().__class__({key: value for key, value in host.snapshot().items() if re.search(r"\b(br0|up-lan)\b", key)
                                      and not key.startswith(("file", "nft", "set", "map"))})


def address_of(host, ns, family):
    endpoint, = host.ctl_json("ns", "inspect", ns)[0]["endpoints"]
    return next(a.split("/")[0] for a in endpoint["addresses"] if (":" in a) == (family == "6"))


def reaches(place, target, family, wait="5"):
    return place.run("ping", f"-{family}", "-n", "-c1", f"-W{wait}", target, check=False).returncode == 0


def state(host):
    return host.ctl_json("network", "inspect", "lan")[0]["state"]


def connect(host, ns="web", number=50, *options):
    host.ctl("connect", "lan", ns, "--ip", f"192.168.77.{number}", "--ip6", f"fd77::{number:x}", *options)


def test_members_are_on_the_lan_and_the_bridge_is_untouched(lan):
    before, everything = bridge_of(lan), lan.snapshot()
    lan.ctl("network", "create", "lan", *OPTIONS)
    assert_same(before, bridge_of(lan), "create left it alone")
    for number, ns in enumerate(("web", "db"), 50):
        connect(lan, ns, number)
    assert_same(before, bridge_of(lan), "connect left it alone")
    for family in FAMILIES:
        for number, ns in enumerate(("web", "db"), 50):
            target = address_of(lan, ns, family)
            assert reaches(lan.lan, target, family) and reaches(lan, target, family)
            assert reaches(lan.ns(ns), LAN[family], family)
        assert reaches(lan.ns("web"), address_of(lan, "db", family), family)
        assert lan.ns("web").run(f"ip -{family} route show default").stdout == "", "nobody said who leads out"
    assert state(lan) == "active"
    lan.restart_daemon()
    assert_same(before, bridge_of(lan), "a restart left it alone")
    assert "repair:" not in lan.log()
    lan.ctl("disconnect", "lan", "db")
    lan.ctl("network", "rm", "-f", "lan")
    lan.ctl("ns", "rm", "web", "db")
    wait_same(everything, lan.snapshot, "nothing is left")
    assert lan.json("ip", "-j", "link", "show", "br0")


def test_a_bridge_with_an_index_as_netd_draws_them_stays_its_owners(host):
    """By such an index, and by a name that the database has, netd knows its own links when they have lost their mark."""
    host.run("ip link add br0 index 300000000 type bridge")
    host.run("ip link set br0 up")
    host.start_daemon()
    host.ctl("network", "create", "lan", *OPTIONS)
    host.run("ip link set br0 alias the-lan")
    host.restart_daemon()
    host.ctl("network", "rm", "lan")
    host.ctl("ns", "create", "web")  # what there was to do is done
    assert host.json("ip", "-j", "link", "show", "br0")[0]["ifalias"] == "the-lan"


def test_nothing_is_translated_and_the_gateway_is_another_machine(lan):
    lan.ctl("network", "create", "lan", *OPTIONS, "--gateway", LAN["4"], "--gateway", LAN["6"])
    connect(lan)
    web = lan.ns("web")
    for family, far in (("4", "203.0.113.7"), ("6", "fd99::7")):
        lan.lan.run(f"ip -{family} addr add {far} dev lo")
        server = lan.lan.serve(7000 + int(family), address="0.0.0.0" if family == "4" else "::")
        answer = web.ask("tcp", far, 7000 + int(family))
        assert answer and answer.peer == address_of(lan, "web", family), "with its own address"
    rules = lan.run("nft list table inet netd").stdout
    assert "br0" not in re.sub(r"set nd_switched[46] \{.*?\n\t\}", "", rules, flags=re.S), "only as an interface of the host"
    lan.ns("web").run("ip route del default")
    wait_for(lambda: LAN["4"] in web.run("ip route show default").stdout, "the default route is back")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_guards_stand_all_the_same(lan, family):
    lan.ctl("network", "create", "lan", *OPTIONS)
    connect(lan)
    server = lan.lan.serve(7000, address="0.0.0.0" if family == "4" else "::")
    stolen = {"4": "192.168.77.51", "6": "fd77::33"}[family]
    web = lan.ns("web")
    web.run(f"ip -{family} addr add {stolen}/{'24 dev eth0' if family == '4' else '64 dev eth0 nodad'}")
    own = {"4": "192.168.77.50", "6": "fd77::32"}[family]
    web.ask("udp", LAN[family], 7000, source=stolen, timeout=0.5)
    assert server.seen == []
    assert web.ask("udp", LAN[family], 7000, source=own)
    lan.stop_daemon()
    lan.start_daemon(own_tables=False)
    with lan.paused_daemon():
        lan.run("nft delete table bridge netd")
        assert web.ask("udp", LAN[family], 7000, source=stolen), "it is the guard that stops it"


def test_a_bridge_that_goes_and_comes_back(lan):
    lan.ctl("network", "create", "lan", *OPTIONS)
    connect(lan)
    for _ in range(2):
        lan.run("ip link del br0")
        wait_for(lambda: state(lan) == "pending", "its members wait")
        assert "is gone: its 1 endpoint waits" in lan.ctl("events", "--recent").stdout
        assert "gone; it can be connected to" in lan.ctl("connect", "lan", "late", check=1).stderr
        make_bridge(lan)
        plug_in(lan)
        wait_for(lambda: state(lan) == "active", "it is there again")
        for family in FAMILIES:
            wait_for(lambda: reaches(lan.lan, address_of(lan, "web", family), family, "1"), "the member is on it again")
        assert "is there again" in lan.ctl("events", "--recent").stdout
    assert "repair-failed" not in json.dumps(lan.ctl("events", "--recent", "--json").stdout)
    # so fast that nothing is seen of it
    with lan.paused_daemon():
        lan.run("ip link del br0")
        make_bridge(lan)
        plug_in(lan)
    wait_for(lambda: reaches(lan.lan, address_of(lan, "web", "4"), "4", "1"), "the member is on the new one")
    # something else of that name is no bridge to put ports into
    lan.run("ip link del br0")
    lan.run("ip link add br0 type veth peer name other")
    wait_for(lambda: state(lan) == "pending", "it is no bridge")
    assert "no bridge any more" in lan.ctl("connect", "lan", "late", check=1).stderr


def test_a_start_without_the_bridge_and_a_reboot(lan):
    lan.ctl("network", "create", "lan", *OPTIONS)
    connect(lan)
    lan.stop_daemon()
    lan.run("ip link del br0")
    lan.start_daemon()
    assert state(lan) == "pending" and lan.ns("web").run("ip addr show eth0").returncode == 0
    lan.reboot()
    lan.lan.shell("ip addr flush dev eth0; ip addr add 192.168.77.9/24 dev eth0; ip -6 addr add fd77::9/64 dev eth0 nodad")
    lan.start_daemon()
    assert state(lan) == "pending"
    make_bridge(lan)
    plug_in(lan)
    for family in FAMILIES:
        wait_for(lambda: reaches(lan.lan, address_of(lan, "web", family), family, "1"), "the member is on it")


def test_drift_of_a_port_is_healed_and_the_mtu_is_followed(lan):
    lan.ctl("network", "create", "lan", *OPTIONS)
    connect(lan)
    port = lan.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]["host_interface"]
    lan.run(f"ip link set {port} nomaster")
    wait_for(lambda: "master br0" in lan.run(f"ip link show {port}").stdout, "the port is one again")
    lan.run(f"ip link del {port}")
    wait_for(lambda: reaches(lan.lan, address_of(lan, "web", "4"), "4", "1"), "the pair is back")
    lan.run("ip link set br0 mtu 1400")
    wait_for(lambda: "mtu 1400" in lan.ns("web").run("ip link show eth0").stdout, "the MTU is followed")
    assert "mtu 1400" in lan.run("ip link show br0").stdout


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", ["its own", "a new one", "its port's"])
def test_the_host_is_no_router_for_the_lan(lan, out, family, way):
    """Whichever of the host's MAC addresses it is sent to, and with no netd that hears of a new one."""
    far = {"4": out.address, "6": "2001:db8::2"}[family]
    lan.shell("ip -6 addr add 2001:db8::1/64 dev up-out nodad; ip -6 addr add fe80::1/64 dev up-out nodad")
    out.shell("ip -6 addr add 2001:db8::2/64 dev eth0 nodad; ip -6 route add default via 2001:db8::1")
    lan.ctl("network", "create", "lan", *OPTIONS)
    lan.ctl("network", "create", "other", "--ipv6")  # so that IPv6 is forwarded, too
    lan.stop_daemon()
    assert lan.sysctl("net/ipv4/conf/br0/forwarding") == "1"
    if way == "a new one":
        lan.run("ip link set br0 address 02:00:00:00:77:77")
    if way == "its port's":
        lan.run("ip link set br0 address 02:00:00:00:77:77")
        lan.lan.run(f"ip neigh replace {HOST[family]} lladdr fe:00:00:00:02:01 dev eth0 nud permanent")
    elif way == "a new one":
        lan.lan.run("ip neigh flush all")
    lan.lan.run(f"ip -{family} route replace default via {HOST[family]}")
    server = out.serve(7000, address="::" if family == "6" else "0.0.0.0")
    told = lan.lan.run("ping", f"-{family}", "-n", "-c1", "-W0.5", "-t1", far, check=False).stdout
    assert lan.lan.silent("udp", far, 7000) and server.seen == []
    assert "xceeded" not in told and "nreachable" not in told, "it does not even say so"
    assert reaches(lan.lan, HOST[family], family), "the host itself answers"
    lan.run(f"nft flush set inet netd nd_switched{family}")
    lan.lan.ask("udp", far, 7000, timeout=0.5)
    assert server.seen, "it is the guard that stops it"


@pytest.mark.parametrize("family", FAMILIES)
def test_machines_of_the_lan_reach_each_other_through_the_bridge(lan, family):
    """With br_netfilter their frames pass the host's hooks; they are as they were. So are those to an address that the host knows no way to."""
    more = lan.neighbour("more", "192.168.79")
    lan.shell("ip addr flush dev up-more; ip link set up-more master br0")
    more.shell("ip addr flush dev eth0; ip addr add 192.168.77.8/24 dev eth0; ip -6 addr add fd77::8/64 dev eth0 nodad")
    far = {"4": "203.0.113.7", "6": "fd99::7"}[family]
    lan.lan.run(f"ip -{family} addr add {far} dev lo")
    more.run(f"ip -{family} route replace {far} via {LAN[family]}")
    lan.lan.serve(7000, address="::" if family == "6" else "0.0.0.0")
    assert more.ask("udp", LAN[family], 7000)
    for target in (LAN[family], far):
        assert reaches(more, target, family) and more.ask("tcp", target, 7000)


def test_what_is_refused(lan):
    before = lan.snapshot()
    for options, status, sentence in (
            (["--use-bridge", "br0"], 2, "name it with --subnet"),
            (["--use-bridge", "br0", "--subnet", "192.168.77.0/24", "--ipv6"], 2, "name it with --subnet"),
            (["--use-bridge", "br1", "--subnet", "192.168.79.0/24"], 3, "no such interface"),
            (["--use-bridge", "up-out", "--subnet", "192.168.79.0/24"], 3, "is no bridge"),
            (["--use-bridge", "netd0", "--subnet", "192.168.79.0/24"], 5, "network default"),
            ([*OPTIONS, "--bridge", "mine"], 2, "use_bridge names it"), ([*OPTIONS, "--internal"], 2, "not netd's to say"),
            ([*OPTIONS, "--mtu", "1300"], 2, "would change it"), ([*OPTIONS, "--no-host-address"], 2, "not netd's to say"),
            ([*OPTIONS, "--publish-address", "127.0.0.1"], 2, "forwarded or published"),
            (["--use-bridge", "br0", "--subnet", "192.0.2.0/24"], 2, "overlaps")):
        assert sentence in lan.ctl("network", "create", "lan", *options, check=status).stderr
    assert_same(before, lan.snapshot())
    lan.ctl("network", "create", "lan", *OPTIONS)
    lan.ctl("network", "create", "lan", *OPTIONS, "--exist-ok")
    assert "belongs to network lan" in lan.ctl("network", "create", "more", "--use-bridge", "br0", "--subnet", "192.168.80.0/24",
                                               check=5).stderr
    assert "cannot be changed" in json.dumps(lan.http("PATCH", "/v1/networks/lan", {"use_bridge": "br1"}).body)
    connect(lan)
    assert "no address of this host" in lan.ctl("publish", "80:80", "web", "--network", "lan", check=1).stderr


def test_addresses_of_the_host_are_not_given_away(lan):
    lan.ctl("network", "create", "lan", *OPTIONS, "--ip-range", "192.168.77.0/30", "--ip-range", "fd77::40/124")
    assert "this host's own" in lan.ctl("connect", "lan", "web", "--ip6", HOST["6"], "--ip", "192.168.77.50", check=5).stderr
    lan.ctl("connect", "lan", "web")
    assert address_of(lan, "web", "4") == "192.168.77.2" and reaches(lan.lan, "192.168.77.2", "4")


def test_dry_run_says_it_all(lan):
    assert lan.ctl("network", "create", "lan", *OPTIONS, "--dry-run").stdout.strip() == ""
    lan.ctl("network", "create", "lan", *OPTIONS)
    said = lan.ctl("connect", "lan", "web", "--dry-run", "--ip", "192.168.77.50").stdout
    assert "master br0" in said and "sysctl -qw net/ipv4/conf/br0" not in said
    said = lan.ctl("network", "rm", "lan", "--dry-run").stdout
    assert "br0" not in said
