"""Which addresses a namespace gets, and keeps; which subnets a network gets; what its links take."""

import pytest

from lib.snapshot import assert_same
from lib.wait import wait_for

FAMILIES = ["4", "6"]


# --- the MTU of the way out ---


def mtus(netd, ns="web"):
    """Of the bridge, of the outer end, and inside."""
    endpoint = netd.ctl_json("ns", "inspect", ns)[0]["endpoints"][0]
    bridge = netd.ctl_json("network", "inspect", endpoint["network"])[0]["bridge"]
    links = {link["ifname"]: link["mtu"] for link in netd.json("ip", "-j", "link")}
    inside = netd.ns(ns).json("ip", "-j", "link", "show", endpoint["interface"])[0]["mtu"]
    return links[bridge], links[endpoint["host_interface"]], inside


def follows(netd, ns, mtu):
    wait_for(lambda: mtus(netd, ns) == (mtu,) * 3, lambda: f"{mtu}, not {mtus(netd, ns)}")


def test_a_network_follows_the_mtu_of_the_way_out(netd, out):
    netd.ctl("network", "create", "both", "--ipv6")
    netd.ctl("network", "create", "fixed", "--mtu", "1300")
    netd.ctl("connect", "both", "web")
    netd.ctl("connect", "fixed", "db")
    assert mtus(netd) == (1500,) * 3
    netd.run(f"ip link set {out.interface} mtu 1400")
    follows(netd, "web", 1400)
    assert netd.ctl_json("network", "inspect", "both")[0]["mtu"] == 1400
    assert mtus(netd, "db") == (1300,) * 3
    # of the route
    netd.run(f"ip route replace default via {out.address} mtu 1350")
    follows(netd, "web", 1350)
    # another way out
    netd.shell("ip link add wan mtu 1420 type veth peer name other; ip link set wan up; ip link set other up; ip addr add 203.0.113.1/24 dev wan")
    netd.run("ip route replace default via 203.0.113.2")
    follows(netd, "web", 1420)
    # as a VPN does it
    netd.shell("ip link add wg mtu 1380 type veth peer name wg2; ip link set wg up; ip link set wg2 up; ip addr add 10.5.0.2/24 dev wg")
    netd.shell("ip route add default dev wg table 51820; ip rule add not fwmark 51820 lookup 51820; ip rule add lookup main suppress_prefixlength 0")
    follows(netd, "web", 1380)
    # none: all stays as it is
    netd.shell("ip rule del not fwmark 51820 lookup 51820; ip route del default")
    netd.ctl("network", "create", "later")
    assert netd.ctl_json("network", "inspect", "later")[0]["mtu"] == 1500
    assert mtus(netd) == (1380,) * 3
    assert mtus(netd, "db") == (1300,) * 3


def test_ipv6_is_not_lost_to_a_small_mtu(netd, out):
    netd.ctl("network", "create", "both", "--ipv6")
    netd.ctl("connect", "both", "web")
    netd.run(f"ip link set {out.interface} mtu 1000")
    follows(netd, "web", 1280)
    assert netd.ctl_json("network", "inspect", "default")[0]["mtu"] == 1000
    assert netd.ns("web").json("ip", "-6", "-j", "addr", "show", "dev", "eth0", "scope", "global")


def test_the_mtu_changed_while_netd_was_stopped(netd, out):
    netd.ctl("connect", "default", "web")
    netd.stop_daemon()
    netd.run(f"ip link set {out.interface} mtu 1400")
    netd.start_daemon()
    assert mtus(netd) == (1400,) * 3
    netd.ctl("network", "set", "default", "mtu=1200")
    assert mtus(netd) == (1200,) * 3
    netd.ctl("network", "set", "default", "mtu=")
    assert mtus(netd) == (1400,) * 3


# --- neighbours ---


IP = {"4": "10.77.0.9", "6": "fd77::9"}
OPTION = {"4": "--ip", "6": "--ip6"}
MACS = ["02:00:00:00:aa:01", "02:00:00:00:aa:02"]


@pytest.fixture
def both(netd):
    netd.ctl("network", "create", "a", "--subnet", "10.77.0.0/24", "--subnet", "fd77::/64")
    return netd


def known(place, family, device):
    """By which MAC address the place knows the address; it asks no one."""
    return [entry.get("lladdr") for entry in place.json("ip", f"-{family}", "-j", "neigh", "show", IP[family], "dev", device)]


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbours_learn_of_a_new_mac_at_once(both, family):
    both.ctl("connect", "a", "peer")
    both.ctl("connect", "a", "stranger")
    peer, bridge = both.ns("peer"), both.ctl_json("network", "inspect", "a")[0]["bridge"]
    both.ctl("connect", "a", "web", OPTION[family], IP[family], "--mac", MACS[0])
    both.ns("web").serve_both(80)
    for place in (peer, both):
        assert place.ask("tcp", IP[family], 80)
    assert known(peer, family, "eth0") == known(both, family, bridge) == [MACS[0]]
    both.ctl("disconnect", "a", "web")
    both.ctl("ns", "rm", "web")
    both.ctl("connect", "a", "db", OPTION[family], IP[family], "--mac", MACS[1])
    wait_for(lambda: known(peer, family, "eth0") == known(both, family, bridge) == [MACS[1]], "both know the new address")
    assert known(both.ns("stranger"), family, "eth0") == [], "who had not asked has not been told more than that"
    both.ns("db").serve_both(80, tag="db")
    assert peer.ask("tcp", IP[family], 80).tag == both.ask("tcp", IP[family], 80).tag == "db"


# --- who gets which address ---


def addresses(netd, network, ns):
    """Of both families, and the MAC address."""
    for endpoint in netd.ctl_json("ns", "inspect", ns)[0]["endpoints"]:
        if endpoint["network"] == network:
            return [address.split("/")[0] for address in endpoint["addresses"]], endpoint["mac"]
    raise AssertionError(f"{ns} is not on {network}")


def test_a_namespace_that_comes_back_gets_what_it_had(both):
    for name in ("web", "db"):
        both.ctl("connect", "a", name)
    before = addresses(both, "a", "web")
    both.ctl("disconnect", "a", "web")
    both.ctl("connect", "a", "other")
    assert addresses(both, "a", "other") != before
    both.ctl("connect", "a", "web")
    assert addresses(both, "a", "web") == before
    both.ns("web").serve_both(80)
    assert all(both.ns("db").ask("tcp", address, 80) for address in before[0])
    # its MAC too, where that was asked for
    both.ctl("disconnect", "a", "web", "--forget")
    both.ctl("connect", "a", "web", "--mac", MACS[0])
    with_mac = addresses(both, "a", "web")
    assert with_mac[1] == MACS[0] and with_mac[0] != before[0], "what was forgotten is not next in turn"
    both.ctl("disconnect", "a", "web")
    both.restart_daemon()
    both.ctl("connect", "a", "web")
    assert addresses(both, "a", "web") == with_mac


def test_it_is_remembered_through_a_reboot_and_a_foreign_removal(both):
    both.ctl("connect", "a", "web")
    both.ctl("connect", "a", "db", "--ip", "10.77.0.50")
    web, db = addresses(both, "a", "web"), addresses(both, "a", "db")
    both.ctl("disconnect", "a", "web")
    both.reboot()
    both.start_daemon()
    both.ctl("connect", "a", "web")
    assert addresses(both, "a", "web") == web
    both.run("ip netns del db")
    wait_for(lambda: [ns["name"] for ns in both.ctl_json("ns", "ls")] == ["web"], "netd lets go of it")
    both.run("ip netns add db")
    both.ctl("connect", "a", "db")
    assert addresses(both, "a", "db") == db


def test_removed_is_forgotten(both):
    both.ctl("connect", "a", "web", "--ip", "10.77.0.50", "--ip6", "fd77::50")
    both.ctl("disconnect", "a", "web")
    both.ctl("ns", "rm", "web")
    both.ctl("connect", "a", "db", "--ip", "10.77.0.50", "--ip6", "fd77::50")
    both.ctl("network", "rm", "-f", "a")
    both.ctl("network", "create", "a", "--subnet", "10.77.0.0/24")
    both.ctl("connect", "a", "db")
    assert addresses(both, "a", "db")[0] == ["10.77.0.2"]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_address_that_was_asked_for_is_kept(both, family):
    both.ctl("connect", "a", "web", OPTION[family], IP[family])
    both.ctl("disconnect", "a", "web")
    said = both.ctl("connect", "a", "db", OPTION[family], IP[family], check=5).stderr
    assert f"address {IP[family]} on network a is kept for namespace web" in said and "disconnect a web --forget" in said
    both.ctl("disconnect", "a", "nobody", "--forget", check=3)
    assert IP[family] in both.ctl("disconnect", "a", "web", "--forget").stdout
    both.ctl("connect", "a", "db", OPTION[family], IP[family])


def test_what_was_left_rests_until_nothing_else_is_free(netd):
    netd.ctl("network", "create", "a", "--subnet", "10.77.0.0/29")  # .2 to .6
    for number in range(3):
        netd.ctl("connect", "a", f"n{number}")
    for number in (1, 0):
        netd.ctl("disconnect", "a", f"n{number}")
    given = []
    for name in "xyz":
        netd.ctl("connect", "a", name)
        given.append(addresses(netd, "a", name)[0][0])
    assert given == ["10.77.0.5", "10.77.0.6", "10.77.0.3"], "in turn; then the one that was left first"
    netd.ctl("connect", "a", "n0")
    assert addresses(netd, "a", "n0")[0] == ["10.77.0.2"]
    said = netd.ctl("connect", "a", "n1", check=1).stderr
    assert "no address of 10.77.0.0/29 is free (5 endpoints" in said
    netd.ctl("disconnect", "a", "x")
    netd.ctl("connect", "a", "n1")
    assert addresses(netd, "a", "n1")[0] == ["10.77.0.5"]


@pytest.mark.parametrize("family, ranges", [("4", ["10.77.0.8/30"]), ("6", ["fd77::100/126"]), ("both", ["10.77.0.8/30", "fd77::100/126"])])
def test_addresses_come_out_of_the_range(netd, family, ranges):
    options = [word for one in ranges for word in ("--ip-range", one)]
    netd.ctl("network", "create", "a", "--subnet", "10.77.0.0/24", "--subnet", "fd77::/64", *options)
    for number in range(4):
        netd.ctl("connect", "a", f"n{number}")
    got = [addresses(netd, "a", f"n{number}")[0] for number in range(4)]
    if family != "6":
        assert [four for four, _ in got] == ["10.77.0.8", "10.77.0.9", "10.77.0.10", "10.77.0.11"]
    if family != "4":
        assert [six for _, six in got] == ["fd77::100", "fd77::101", "fd77::102", "fd77::103"]
    said = netd.ctl("connect", "a", "n4", check=1).stderr
    assert f"no address of its range {ranges[0]} is free" in said
    netd.ctl("connect", "a", "n4", "--ip", "10.77.0.99", "--ip6", "fd77::99")
    netd.ctl("network", "set", "a", "ip-range=")
    netd.ctl("connect", "a", "n5")
    netd.ctl("network", "set", "a", "ip-range=10.77.0.16/28,fd77:0:0:0:1::/96")
    netd.ctl("connect", "a", "n6")
    assert addresses(netd, "a", "n6")[0] == ["10.77.0.16", "fd77::1:0:0:0"]
    netd.restart_daemon()
    assert netd.ctl_json("network", "inspect", "a")[0]["ip_range"] == ["10.77.0.16/28", "fd77::1:0:0:0/96"]


@pytest.mark.parametrize("words, sentence", [
    (["--ip-range", "10.78.0.0/28"], "not within 10.77.0.0/24"), (["--ip-range", "10.77.0.9/28"], "host bits"),
    (["--ip-range", "10.76.0.0/15"], "not within 10.77.0.0/24"), (["--ip-range", "10.77.0.0/28", "--ip-range", "10.77.0.16/28"], "second one"),
    (["--ip-range", "fd00::/80"], "has no IPv6"), (["--ip-range", "10.77.0.8"], "no subnet"),
    (["--reserve", "a=10.78.0.1"], "outside of 10.77.0.0/24"), (["--reserve", "a=10.77.0.1"], "is the gateway"),
    (["--reserve", "a=10.77.0.255"], "broadcast"), (["--reserve", "10.77.0.9"], "NAME=IP"), (["--reserve", "a=fd00::1"], "has no IPv6"),
    (["--reserve", "a=10.77.0.9", "--reserve", "b=10.77.0.9"], "reserved for a already"),
    (["--reserve", "a=10.77.0.9", "--reserve", "a=10.77.0.10"], "second one of its family"), (["--reserve", "-a=10.77.0.9"], "reserve")])
def test_bad_ranges_and_reservations(netd, words, sentence):
    assert sentence in netd.ctl("network", "create", "a", "--subnet", "10.77.0.0/24", *words, check=2).stderr


def test_reserved_addresses(both):
    both.ctl("network", "set", "a", "reserve=router=10.77.0.3,printer=10.77.0.2,router=fd77::3")
    both.ctl("connect", "a", "web")
    assert addresses(both, "a", "web")[0][0] == "10.77.0.4"
    said = both.ctl("connect", "a", "db", "--ip", "10.77.0.3", check=5).stderr
    assert "10.77.0.3 on network a is reserved for router" in said
    assert "fd77::3 on network a is reserved for router" in both.ctl("connect", "a", "db", "--ip6", "fd77::3", check=5).stderr
    both.ctl("connect", "a", "router")
    assert addresses(both, "a", "router")[0] == ["10.77.0.3", "fd77::3"]
    said = both.ctl("network", "set", "a", "reserve=printer=10.77.0.4", check=2).stderr
    assert "10.77.0.4 cannot be reserved for printer: it belongs to namespace web" in said
    both.ctl("connect", "a", "static", "--ip", "10.77.0.200")
    both.ctl("disconnect", "a", "static")
    assert "kept for namespace static" in both.ctl("network", "set", "a", "reserve=printer=10.77.0.200", check=2).stderr
    both.ctl("network", "set", "a", "reserve=")
    both.ctl("connect", "a", "db", "--ip", "10.77.0.2")


# --- pools ---


@pytest.fixture
def pooled(host, out):
    """A daemon with small pools of its own: two of IPv4, one of IPv6."""
    host.write("/etc/netd/netd.conf", "pool = 10.50.0.0/23 24\npool = 10.60.0.0/24 26\npool = fd50::/62 64\n")
    host.start_daemon()
    return host


def subnets(netd, name):
    return [subnet["subnet"] for subnet in netd.ctl_json("network", "inspect", name)[0]["subnets"]]


def pool(netd, name):
    pools = {one["pool"]: one for one in netd.ctl_json("pools")["pools"]}
    return [pools[name][field] for field in ("subnets", "used", "free")]


def test_subnets_come_from_the_configured_pools(pooled):
    assert subnets(pooled, "default") == ["10.50.0.0/24"]
    pooled.ctl("network", "create", "a", "--ipv6")
    assert subnets(pooled, "a") == ["10.50.1.0/24", "fd50::/64"]
    for name in "bcde":
        pooled.ctl("network", "create", name)
    assert [subnets(pooled, name) for name in "bcde"] == [[f"10.60.0.{64 * i}/26"] for i in range(4)]
    said = pooled.ctl("network", "create", "f", check=1).stderr
    assert "no /26 is free in the pool 10.60.0.0/24 (nor in the 1 before it): 4 networks are in it" in said
    assert pool(pooled, "10.60.0.0/24") == [4, 4, 0] and pool(pooled, "fd50::/62") == [4, 1, 3]
    pooled.ctl("network", "rm", "c")
    pooled.ctl("network", "create", "f")
    assert subnets(pooled, "f") == ["10.60.0.64/26"]


def test_a_route_of_the_host_takes_a_part_of_a_pool(pooled):
    pooled.run("ip route add 10.60.0.0/25 via 192.0.2.2")
    pooled.ctl("network", "create", "a")
    pooled.ctl("network", "create", "b")
    assert subnets(pooled, "b") == ["10.60.0.128/26"]
    assert pool(pooled, "10.60.0.0/24") == [4, 3, 1]
    taken = next(one for one in pooled.ctl_json("pools")["pools"] if one["pool"] == "10.60.0.0/24")["taken"]
    assert taken == [{"subnet": "10.60.0.0/25", "host": "route", "interface": "up-out"}, {"subnet": "10.60.0.128/26", "network": "b"}]
    pooled.ctl("network", "create", "c")
    assert "and the route 10.60.0.0/25 of this host (interface up-out) takes its part" in pooled.ctl("network", "create", "d", check=1).stderr


@pytest.mark.parametrize("asked, got", [
    ("/26", "10.208.1.0/26"), ("0.0.0.0/26", "10.208.1.0/26"), ("/20", "10.208.16.0/20"), ("/80", "FD::/80"), ("::/64", "FD::/64"),
    ("::/60", "FD::/60")])
def test_any_subnet_of_a_size(netd, asked, got):
    netd.ctl("network", "create", "a", "--subnet", asked)
    assert subnets(netd, "a")[0] == got or (got.startswith("FD") and subnets(netd, "a")[0].startswith("fd")
                                            and subnets(netd, "a")[0].endswith(got[2:]))
    netd.ctl("network", "create", "a", "--subnet", asked, "--exist-ok")
    netd.ctl("network", "create", "b", "--subnet", asked)
    assert subnets(netd, "b") != subnets(netd, "a")
    netd.ctl("connect", "a", "web")
    prefix = asked.split("/")[1]
    assert addresses(netd, "a", "web") and f"/{prefix}" in str(netd.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]["addresses"])


@pytest.mark.parametrize("asked, sentence", [("/7", "prefix length"), ("/31", "prefix length"), ("/127", "prefix length"), ("/x", "no size"),
                                             ("/129", "no size"), ("/9", "no /9 is free in the pool 10.208.0.0/12"), ("0.0.0.0/0", "prefix length")])
def test_sizes_that_cannot_be(netd, asked, sentence):
    done = netd.ctl("network", "create", "a", "--subnet", asked, check=False)
    assert done.returncode in (1, 2) and sentence in done.stderr


def test_pools_show_what_is_in_use(both):
    both.ctl("network", "set", "a", "reserve=router=10.77.0.3", "ip-range=10.77.0.0/28")
    both.ctl("connect", "a", "web")
    both.ctl("connect", "a", "db", "--ip", "10.77.0.9")
    both.ctl("connect", "a", "far", "--ip", "10.77.0.99")
    both.ctl("connect", "a", "old")
    both.ctl("disconnect", "a", "db")
    both.ctl("disconnect", "a", "old")
    use = next(one for one in both.ctl_json("pools")["networks"] if one["subnet"] == "10.77.0.0/24")
    assert use == {"network": "a", "subnet": "10.77.0.0/24", "range": "10.77.0.0/28", "addresses": 14, "used": 1, "kept": 1, "reserved": 1,
                   "remembered": 1, "free": 11}
    shown = both.ctl("pools").stdout
    assert "10.208.0.0/12" in shown and "10.77.0.0/28" in shown and "/64" in shown
    assert both.ctl("pools", "-q").lines[0] == "10.208.0.0/12"


@pytest.mark.parametrize("line, sentence", [
    ("10.50.0.0/24", "is no pool"), ("10.50.0.1/24 26", "host bits"), ("10.50.0.0/24 23", "from 24 to 30"), ("10.50.0.0/24 31", "from 24 to 30"),
    ("10.0.0.0/7 24", "too large"), ("10.0.0.0/8 x", "size"), ("fd00::/16 64", "too many"), ("10.50.0.0/24 26\npool = 10.50.0.0/25 26", "overlaps")])
def test_bad_pools(host, line, sentence):
    host.write("/etc/netd/netd.conf", f"pool = {line}\n")
    with pytest.raises(AssertionError) as failure:
        host.start_daemon()
    assert sentence in str(failure.value) and "netd.conf" in str(failure.value)
