"""Networks: what `network create` makes of the kernel, what it chooses, what it refuses, and that `rm` takes all of it back."""

import ipaddress
import re

from lib.host import NETD
from lib.snapshot import wait_same
from lib.wait import wait_for

FIELDS = {"id", "name", "driver", "bridge", "subnets", "mtu", "internal", "endpoints"}


def link(host, name):
    return host.json("ip", "-d", "-j", "link", "show", "dev", name)[0]


def addresses(place, name):
    return [f'{address["local"]}/{address["prefixlen"]}'
            for item in place.json("ip", "-4", "-j", "addr", "show", "dev", name) for address in item["addr_info"]]


def create(host, *args):
    return host.ctl_json("network", "create", *args)["network"]


def test_default_is_there_from_the_first_start(netd):
    network, = netd.ctl_json("network", "inspect", "default")
    assert network["bridge"] == "netd0" and network["driver"] == "bridge" and not network["internal"]
    assert link(netd, "netd0")["linkinfo"]["info_kind"] == "bridge"


def test_default_cannot_be_removed(netd):
    for words in (["default"], ["-f", "default"]):
        done = netd.ctl("network", "rm", *words, check=1)
        assert "default" in done.stderr
    assert link(netd, "netd0")


def test_reserved_names(netd):
    for name, status in (("host", 2), ("none", 2), ("default", 5)):
        assert name in netd.ctl("network", "create", name, check=status).stderr


def test_create_makes_a_bridge_with_the_gateways_address(netd):
    network = create(netd, "my-net", "--subnet", "10.77.0.0/24")
    assert set(network) >= FIELDS
    assert network["subnets"] == [{"subnet": "10.77.0.0/24", "gateway": "10.77.0.1"}]
    assert re.fullmatch("netd-[0-9a-f]{6}", network["bridge"])
    bridge = link(netd, network["bridge"])
    assert bridge["linkinfo"]["info_kind"] == "bridge" and "UP" in bridge["flags"]
    assert bridge["linkinfo"]["info_data"]["stp_state"] == 0
    assert bridge["ifalias"].startswith("netd:")
    assert addresses(netd, network["bridge"]) == ["10.77.0.1/24"]


def test_bridge_keeps_its_mac_when_ports_come_and_go(netd):
    network = create(netd, "my-net")
    before = link(netd, network["bridge"])["address"]
    netd.ctl("connect", "my-net", "web", "--mac", "02:00:00:00:00:01")
    assert link(netd, network["bridge"])["address"] == before
    assert netd.run("cat", f"/sys/class/net/{network['bridge']}/addr_assign_type").stdout.strip() == "3"


def test_options_are_what_the_kernel_has(netd):
    network = create(netd, "my-net", "--subnet", "10.77.0.0/25", "--gateway", "10.77.0.126", "--bridge", "mine", "--mtu", "1400",
                     "--internal")
    assert (network["bridge"], network["mtu"], network["internal"]) == ("mine", 1400, True)
    assert link(netd, "mine")["mtu"] == 1400
    assert addresses(netd, "mine") == ["10.77.0.126/25"]


def test_mtu_is_that_of_the_default_routes_interface(host, out):
    host.run("ip", "link", "set", out.interface, "mtu", "1420")
    host.start_daemon()
    network = create(host, "my-net")
    assert network["mtu"] == 1420 and link(host, network["bridge"])["mtu"] == 1420
    endpoint = host.ctl_json("connect", "my-net", "web")["endpoint"]
    assert link(host, endpoint["host_interface"])["mtu"] == 1420
    assert link(host.ns("web"), "eth0")["mtu"] == 1420


def test_subnets_are_chosen_beside_addresses_and_routes_of_the_host(netd):
    """Default-like routes, as a VPN sets them, do not count."""
    netd.shell("ip route add 0.0.0.0/1 via 192.0.2.2; ip route add 128.0.0.0/1 via 192.0.2.2")
    free = ipaddress.ip_network(create(netd, "one")["subnets"][0]["subnet"])
    following = [ipaddress.ip_network((int(free.network_address) + 256 * n, 24)) for n in (1, 2, 3)]
    netd.run("ip", "addr", "add", f"{following[0][9]}/32", "dev", "lo")
    netd.run("ip", "route", "add", str(following[1]), "via", "192.0.2.2")
    assert create(netd, "two")["subnets"][0]["subnet"] == str(following[2])


def test_overlaps_are_refused_and_name_the_other(netd):
    create(netd, "my-net", "--subnet", "10.77.0.0/24")
    for subnet, other in (("10.77.0.128/25", "my-net"), ("10.64.0.0/10", "my-net"), ("192.0.2.0/25", "up-out")):
        done = netd.ctl("network", "create", "other", "--subnet", subnet, check=2)
        assert other in done.stderr and subnet in done.stderr


def test_bridge_name_that_is_taken(netd):
    netd.run("ip link add foreign type bridge")
    create(netd, "my-net", "--bridge", "mine")
    for name, owner in (("foreign", "foreign"), ("mine", "my-net"), ("lo", "lo")):
        assert owner in netd.ctl("network", "create", "other", "--bridge", name, check=5).stderr


def test_remove_takes_everything_back(netd):
    before = netd.snapshot(without=["file /run/netd"])
    create(netd, "my-net")
    create(netd, "closed", "--internal")
    netd.ctl("network", "rm", "my-net", "closed")
    wait_same(before, lambda: netd.snapshot(without=["file /run/netd"]), "after rm the host is as before create")


def test_network_with_endpoints_is_not_removed(netd):
    create(netd, "my-net")
    for name in ("web", "db"):
        netd.ctl("connect", "my-net", name)
    done = netd.ctl("network", "rm", "my-net", check=1)
    assert "web" in done.stderr and "db" in done.stderr and "-f" in done.stderr
    assert len(netd.ctl_json("network", "inspect", "my-net")[0]["endpoints"]) == 2


def test_force_removes_the_endpoints_too(netd):
    bridge = create(netd, "my-net")["bridge"]
    netd.ctl("connect", "my-net", "web")
    done = netd.ctl("network", "rm", "-f", "my-net")
    assert "web" in done.stdout and "my-net" in done.stdout
    wait_for(lambda: netd.run("ip", "link", "show", bridge, check=False).returncode != 0, "the bridge is gone")
    wait_for(lambda: [item["ifname"] for item in netd.ns("web").json("ip -j link")] == ["lo"], "the endpoint is gone")
    assert netd.ctl_json("ns", "inspect", "web")[0]["endpoints"] == []


def test_create_again(netd):
    create(netd, "my-net", "--subnet", "10.77.0.0/24")
    netd.ctl("network", "create", "my-net", check=5)
    netd.ctl("network", "create", "my-net", "--exist-ok")
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--exist-ok")
    assert "subnet" in netd.ctl("network", "create", "my-net", "--subnet", "10.78.0.0/24", "--exist-ok", check=5).stderr


def test_list_and_inspect_several(netd):
    for name in ("one", "two"):
        create(netd, name)
    assert netd.ctl("network", "ls", "-q").lines == ["default", "one", "two"]
    assert [network["name"] for network in netd.ctl_json("network", "ls")] == ["default", "one", "two"]
    assert [network["name"] for network in netd.ctl_json("network", "inspect", "two", "one")] == ["two", "one"]
    done = netd.ctl("network", "inspect", "one", "three", check=3)
    assert "one" in done.stdout and "three" in done.stderr


def test_remove_of_several_goes_on_after_a_failure(netd):
    for name in ("one", "two"):
        create(netd, name)
    netd.ctl("network", "rm", "one", "three", "two", check=3)
    assert netd.ctl("network", "ls", "-q").lines == ["default"]


def test_global_forwarding_is_left_alone(host, out):
    host.neighbour("two", "198.51.100")
    assert host.sysctl("net/ipv4/ip_forward") == "0"
    host.start_daemon()
    create(host, "my-net")
    assert host.sysctl("net/ipv4/ip_forward") == "0"
    assert host.sysctl(f"net/ipv4/conf/{out.interface}/forwarding") == "1"


def test_interface_that_is_replaced_forwards_again(netd):
    """Under the same name, faster than netd looks."""
    netd.run("ip link add plugged type bridge")
    path = "net/ipv4/conf/plugged/forwarding"
    wait_for(lambda: netd.sysctl(path) == "1", "a new interface is switched on")
    with netd.paused_daemon():
        netd.shell("ip link del plugged; ip link add plugged type bridge")
    wait_for(lambda: netd.sysctl(path) == "1", "its successor is, too")
    assert "plugged" in switched(netd)


def switched(host):
    elements = host.json("nft", "-j", "list", "set", "inet", "netd", "nd_switched4")["nftables"][1]["set"].get("elem", [])
    return sorted(elements)


def test_forwarding_is_the_administrators_once_they_switch_it_on(netd, out):
    """Then the interfaces forward for everyone, and go on doing so when netd goes."""
    assert switched(netd) == [out.interface]
    netd.sysctl("net/ipv4/ip_forward", "1")
    wait_for(lambda: switched(netd) == [], "no interface forwards for netd alone")
    netd.stop_daemon()
    netd.run(NETD, "--cleanup")
    assert netd.sysctl(f"net/ipv4/conf/{out.interface}/forwarding") == "1"


def test_networks_go_on_when_the_administrator_switches_forwarding_off(netd, out):
    netd.sysctl("net/ipv4/ip_forward", "1")
    wait_for(lambda: switched(netd) == [], "no interface forwards for netd alone")
    netd.sysctl("net/ipv4/ip_forward", "0")
    wait_for(lambda: switched(netd) == [out.interface], "netd has switched the interface on again")
    wait_for(lambda: netd.sysctl("net/ipv4/conf/netd0/forwarding") == "1", "the bridge forwards again")
