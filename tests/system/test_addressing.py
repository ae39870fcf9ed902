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
    both.ns("web").serve(80, address="::")
    for place in (peer, both):
        assert place.ask("tcp", IP[family], 80)
    assert known(peer, family, "eth0") == known(both, family, bridge) == [MACS[0]]
    both.ctl("disconnect", "a", "web")
    both.ctl("ns", "rm", "web")
    both.ctl("connect", "a", "db", OPTION[family], IP[family], "--mac", MACS[1])
    wait_for(lambda: known(peer, family, "eth0") == known(both, family, bridge) == [MACS[1]], "both know the new address")
    assert known(both.ns("stranger"), family, "eth0") == [], "who had not asked has not been told more than that"
    both.ns("db").serve(80, tag="db", address="::")
    assert peer.ask("tcp", IP[family], 80).tag == both.ask("tcp", IP[family], 80).tag == "db"
