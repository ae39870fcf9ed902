"""Endpoints: a namespace's attachment to networks, its addresses and its one default route."""

import pytest

from lib.host import NETD_CTL
from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

FIELDS = {"network", "namespace", "interface", "host_interface", "mac", "addresses"}


def default_routes(place):
    return [(route["gateway"], route["dev"]) for route in place.json("ip -4 -j route show default")]


def interfaces(place):
    return sorted(item["ifname"] for item in place.json("ip -j link"))


def addresses(place, interface):
    return [f'{address["local"]}/{address["prefixlen"]}' for item in place.json("ip", "-4", "-j", "addr", "show", "dev", interface)
            for address in item["addr_info"]]


@pytest.fixture
def networks(netd):
    for number, words in enumerate(([], [], ["--internal"])):
        netd.ctl("network", "create", "abc"[number], "--subnet", f"10.77.{number}.0/24", "--bridge", f"nd-{'abc'[number]}", *words)
    return netd


def test_connect_creates_a_missing_namespace_and_says_so(networks):
    done = networks.ctl("connect", "a", "web")
    assert "created namespace web (undo: netd-ctl ns rm web)" in done.stdout
    assert "created namespace" not in networks.ctl("connect", "b", "web").stdout


def test_connect_gives_address_route_and_interface(networks):
    answer = networks.ctl_json("connect", "a", "web")
    endpoint = answer["endpoint"]
    assert answer["created_namespace"] is True and answer["warnings"] == [] and set(endpoint) >= FIELDS
    web = networks.ns("web")
    assert addresses(web, "eth0") == endpoint["addresses"]
    assert default_routes(web) == [("10.77.0.1", "eth0")]
    inner = web.json("ip -d -j link show eth0")[0]
    outer = networks.json("ip", "-d", "-j", "link", "show", endpoint["host_interface"])[0]
    assert inner["address"] == endpoint["mac"] and outer["master"] == "nd-a"
    assert outer["ifalias"].startswith("netd:") and outer["ifalias"].endswith(":a/web")
    assert {item["num_tx_queues"] for item in (inner, outer)} == {item["num_rx_queues"] for item in (inner, outer)} == {1}
    assert networks.ctl_json("ns", "inspect", "web")[0]["endpoints"] == [endpoint]
    assert networks.ctl_json("network", "inspect", "a")[0]["endpoints"] == [endpoint]


def test_connect_with_given_values(networks):
    endpoint = networks.ctl_json("connect", "a", "web", "--ip", "10.77.0.9", "--mac", "02:11:22:33:44:55", "--ifname", "up0")["endpoint"]
    assert (endpoint["addresses"], endpoint["mac"], endpoint["interface"]) == (["10.77.0.9/24"], "02:11:22:33:44:55", "up0")
    web = networks.ns("web")
    assert interfaces(web) == ["lo", "up0"] and addresses(web, "up0") == ["10.77.0.9/24"]
    assert web.json("ip -j link show up0")[0]["address"] == "02:11:22:33:44:55"


def test_ipv6_is_silent_inside_but_loopback_stays(networks):
    networks.ctl("connect", "a", "web")
    web = networks.ns("web")
    assert web.sysctl("net/ipv6/conf/eth0/disable_ipv6") == "1"
    assert web.json("ip -6 -j addr show dev lo")[0]["addr_info"][0]["local"] == "::1"


def test_members_of_a_network_see_each_other(networks):
    addresses = {name: networks.ctl_json("connect", "a", name)["endpoint"]["addresses"][0].split("/")[0] for name in ("one", "two")}
    networks.ns("one").serve(80)
    for protocol in ("tcp", "udp"):
        assert networks.ns("two").ask(protocol, addresses["one"], 80).peer == addresses["two"]
        assert networks.ask(protocol, addresses["one"], 80).peer == "10.77.0.1"


def test_one_default_route_that_moves(networks):
    web = networks.ns("web")
    for name in "cab":
        networks.ctl("connect", name, "web")
    assert interfaces(web) == ["eth0", "eth1", "eth2", "lo"]
    assert default_routes(web) == [("10.77.0.1", "eth1")]  # the first one that has a way out
    networks.ctl("disconnect", "a", "web")
    assert default_routes(web) == [("10.77.1.1", "eth2")]
    networks.ctl("disconnect", "b", "web")
    assert default_routes(web) == []


def test_default_route_comes_with_the_first_network_that_has_a_way_out(networks, out):
    networks.ctl("connect", "c", "web")
    networks.ctl("connect", "b", "web")
    out.serve(80)
    assert networks.ns("web").ask("tcp", out.address, 80).peer == out.host_address


def test_internal_only_has_no_default_route(networks):
    networks.ctl("connect", "c", "web")
    assert default_routes(networks.ns("web")) == []


def test_adopted_namespace_keeps_what_it_has(networks):
    networks.shell("""ip netns add theirs
        ip link add their0 type veth peer name eth0 netns theirs
        ip -n theirs addr add 198.51.100.9/24 dev eth0; ip link set their0 up; ip -n theirs link set eth0 up
        ip -n theirs route add default via 198.51.100.1
        mkdir -p /etc/netns/theirs; echo nameserver 198.51.100.1 >/etc/netns/theirs/resolv.conf""")
    theirs = networks.ns("theirs")
    endpoint = networks.ctl_json("connect", "a", "theirs")["endpoint"]
    assert endpoint["interface"] == "eth1"
    assert addresses(theirs, "eth0") == ["198.51.100.9/24"]
    assert default_routes(theirs) == [("198.51.100.1", "eth0")]
    assert networks.file("/etc/netns/theirs/resolv.conf").read_text() == "nameserver 198.51.100.1\n"
    networks.ctl("disconnect", "a", "theirs")
    wait_for(lambda: interfaces(theirs) == ["eth0", "lo"], "the endpoint is gone")
    assert default_routes(theirs) == [("198.51.100.1", "eth0")]


def test_adopted_namespace_is_as_before_after_disconnect(networks):
    networks.run("ip netns add theirs")
    networks.run("ip -n theirs link set lo up")
    before = networks.snapshot(inside=True, without=["file /run/netd"])
    networks.ctl("connect", "a", "theirs")
    networks.ctl("disconnect", "a", "theirs")
    wait_same(before, lambda: networks.snapshot(inside=True, without=["file /run/netd"]), "after disconnect all is as before connect")


def test_refused_connect_leaves_no_namespace(networks):
    before = networks.snapshot()
    for words, status in ((["nowhere", "web"], 3), (["a", "web", "--ip", "10.99.0.1"], 2), (["a", "web", "--ip", "10.77.0.1"], 5),
                          (["a", "web", "--existing"], 3)):
        networks.ctl("connect", *words, check=status)
    assert_same(before, networks.snapshot(), "a refused connect changes nothing")
    assert networks.ctl_json("ns", "ls") == []


def test_taken_address_names_its_owner(networks):
    networks.ctl("connect", "a", "web", "--ip", "10.77.0.9")
    assert "web" in networks.ctl("connect", "a", "db", "--ip", "10.77.0.9", check=5).stderr
    assert "web" in networks.ctl("connect", "a", "web", check=5).stderr


def test_connect_again(networks):
    networks.ctl("connect", "a", "web", "--ip", "10.77.0.9")
    networks.ctl("connect", "a", "web", "--exist-ok")
    networks.ctl("connect", "a", "web", "--ip", "10.77.0.9", "--exist-ok")
    assert "address" in networks.ctl("connect", "a", "web", "--ip", "10.77.0.8", "--exist-ok", check=5).stderr


def test_taken_interface_name(networks):
    networks.ctl("connect", "a", "web")
    for name in ("eth0", "lo"):
        assert name in networks.ctl("connect", "b", "web", "--ifname", name, check=5).stderr


def test_disconnect_takes_everything_back(networks):
    networks.ctl("ns", "create", "web")
    before = networks.snapshot(inside=True, without=["file /run/netd"])
    networks.ctl("connect", "a", "web")
    networks.ctl("disconnect", "a", "web")
    wait_same(before, lambda: networks.snapshot(inside=True, without=["file /run/netd"]), "after disconnect all is as before connect")
    networks.ctl("disconnect", "a", "web", check=3)


def test_small_subnet_is_used_up_and_says_so(networks):
    networks.ctl("network", "create", "small", "--subnet", "10.78.0.0/30")
    networks.ctl("connect", "small", "one")
    assert "10.78.0.0/30" in networks.ctl("connect", "small", "two", check=1).stderr
    networks.ctl("disconnect", "small", "one")
    networks.ctl("connect", "small", "two")


def test_users_own_changes_inside_stay_until_they_are_netds(networks):
    """A renamed interface is still the same endpoint."""
    networks.ctl("connect", "a", "web")
    with networks.paused_daemon():
        networks.shell("ip -n web link set eth0 down; ip -n web link set eth0 name mine; ip -n web link set mine up")
        leave = networks.spawn(NETD_CTL, "disconnect", "a", "web")
    assert leave.wait() == 0
    wait_for(lambda: interfaces(networks.ns("web")) == ["lo"], "the endpoint is gone")
