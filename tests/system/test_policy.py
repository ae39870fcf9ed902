"""Who may talk to whom, by a network's settings: with packets, in both families, changed live, through a restart and back."""

import contextlib
import re

import pytest

from lib.host import ROOT
from lib.snapshot import wait_same
from lib.wait import wait_for

FAMILIES = (4, 6)
PROTOCOLS = ("tcp", "udp")
OUT = {4: "192.0.2.2", 6: "fd00:2::2"}
HOST = {4: "192.0.2.1", 6: "fd00:2::1"}
BRIDGE_FILTER = pytest.mark.parametrize("bridge_filter", (0, 1), ids=("plain", "br_netfilter"))
NUMBERS = {"a": 77, "b": 78}
MEMBERS = {"web": ("a", 2), "cli": ("a", 3), "db": ("b", 2)}
LATE = 12.0  # a change of br_netfilter is not announced: it is looked at every five seconds


def ip(name, family=4):
    network, last = MEMBERS[name]
    return f"10.{NUMBERS[network]}.0.{last}" if family == 4 else f"fd00:{NUMBERS[network]}::{last}"


def gateway(network, family=4):
    return f"10.{NUMBERS[network]}.0.1" if family == 4 else f"fd00:{NUMBERS[network]}::1"


@pytest.fixture
def net(host, out):
    """Networks a (web, cli) and b (db) with both families, a server on 80 and 81 in each and outside, and on 6001 of the host.
    Tables are plain ones, which tests can change."""
    host.shell("ip addr add fd00:2::1/64 dev up-out nodad")
    out.shell("ip addr add fd00:2::2/64 dev eth0 nodad; ip route add default via fd00:2::1")
    host.start_daemon(own_tables=False)
    for name, number in NUMBERS.items():
        host.ctl("network", "create", name, "--subnet", f"10.{number}.0.0/24", "--subnet", f"fd00:{number}::/64", "--bridge", f"nd-{name}")
    host.outer = {}
    for name, (network, _) in MEMBERS.items():
        connected = host.ctl_json("connect", network, name, "--ip", ip(name), "--ip6", ip(name, 6))
        host.outer[name] = connected["endpoint"]["host_interface"]
    for protocol in PROTOCOLS:
        host.ctl("publish", f"*:8080:80/{protocol}", "web")
    host.out, host.web, host.cli, host.db = out, *(host.ns(name) for name in MEMBERS)
    for place in (host.out, host.web, host.cli, host.db):
        for port in (80, 81):
            serve(place, port)
    serve(host, 6001)
    return host


def serve(place, port):
    place.serve(port)
    place.serve(port, address="::")


def reaches(place, address, port=80):
    """By TCP and by UDP: both or neither."""
    found = {protocol: place.ask(protocol, address, port, timeout=1.5) is not None for protocol in PROTOCOLS}
    assert len(set(found.values())) == 1, found
    return found["tcp"]


def cut(place, address, port=80):
    return all(place.silent(protocol, address, port) for protocol in PROTOCOLS)


def peer(place, address, port=80):
    """The address that the server sees."""
    seen = {protocol: getattr(place.ask(protocol, address, port, timeout=1.5), "peer", None) for protocol in PROTOCOLS}
    assert len(set(seen.values())) == 1, seen
    return seen["tcp"]


def is_isolated(host, name):
    return "isolated on" in host.run(f"bridge -d link show dev {host.outer[name]}").stdout


def bridge_netfilter(host, on):
    """Switches it, and waits until netd has seen that."""
    for family in ("iptables", "ip6tables"):
        host.sysctl(f"net/bridge/bridge-nf-call-{family}", on)
    word = "hairpin on" if on else "hairpin off"
    wait_for(lambda: word in host.run(f"bridge -d link show dev {host.outer['web']}").stdout, f"netd sees br_netfilter {on}", LATE)


def settings(host, name):
    found, = host.ctl_json("network", "inspect", name)
    return found


# --- isolated ---

@BRIDGE_FILTER
def test_members_of_an_isolated_network_meet_by_published_ports_only(net, bridge_filter):
    bridge_netfilter(net, bridge_filter)
    before = net.snapshot()
    assert all(reaches(net.cli, ip("web", family)) for family in FAMILIES), "they see each other at first"
    net.ctl("network", "set", "a", "isolated=yes")
    assert is_isolated(net, "web") == is_isolated(net, "cli") == (not bridge_filter)
    for family in FAMILIES:
        assert cut(net.cli, ip("web", family)), f"IPv{family}"
    for place, addresses in ((net.cli, HOST), (net.cli, {4: gateway("a"), 6: gateway("a", 6)}), (net.web, HOST), (net.out, HOST), (net.db, HOST)):
        for family in FAMILIES:
            assert reaches(place, addresses[family], 8080), (place.name, addresses[family])
    assert all(reaches(net.cli, OUT[family]) for family in FAMILIES)
    net.restart_daemon()
    assert settings(net, "a")["isolated"] and all(cut(net.cli, ip("web", family)) for family in FAMILIES)
    net.ctl("network", "set", "a", "isolated=no")
    assert all(reaches(net.cli, ip("web", family)) for family in FAMILIES)
    wait_same(before, net.snapshot, "isolated and back")


def test_isolation_follows_br_netfilter(net):
    """While netd has not seen the change yet, members are kept apart all the same."""
    bridge_netfilter(net, 0)
    net.ctl("network", "set", "a", "isolated=yes")
    assert is_isolated(net, "web")
    bridge_netfilter(net, 1)
    assert not is_isolated(net, "web") and reaches(net.cli, HOST[4], 8080)
    for family in ("iptables", "ip6tables"):
        net.sysctl(f"net/bridge/bridge-nf-call-{family}", 0)
    assert all(cut(net.cli, ip("web", family)) for family in FAMILIES)
    wait_for(lambda: is_isolated(net, "web"), "the kernel keeps them apart again", LATE)


@BRIDGE_FILTER
def test_a_port_that_someone_changed_is_healed(net, bridge_filter):
    bridge_netfilter(net, bridge_filter)
    net.ctl("network", "set", "a", "isolated=yes")
    before = net.snapshot()
    word = "off" if not bridge_filter else "on"
    net.run(f"bridge link set dev {net.outer['web']} isolated {word} hairpin {word}")
    wait_same(before, net.snapshot, "the port is as it was")
    assert re.search(rf"bridge port {net.outer['web']} was (changed|missing)", net.log())


def test_a_new_member_is_apart_from_the_beginning(net):
    bridge_netfilter(net, 0)
    net.ctl("network", "set", "a", "isolated=yes")
    net.outer["late"] = net.ctl_json("connect", "a", "late", "--ip", "10.77.0.9")["endpoint"]["host_interface"]
    assert is_isolated(net, "late") and cut(net.ns("late"), ip("web")) and reaches(net.ns("late"), HOST[4], 8080)


# --- modes ---

def test_modes_of_each_family(net):
    """Another one for each: what leaves keeps its address, and what is published, or everything, comes in straight."""
    before = net.snapshot()
    for family in FAMILIES:
        other = 10 - family
        assert peer(net.web, OUT[family]) == HOST[family] and cut(net.out, ip("web", family))
        net.ctl("network", "set", "a", f"mode{family}=routed")
        assert peer(net.web, OUT[family]) == ip("web", family), "routed"
        assert peer(net.web, OUT[other]) == HOST[other] and cut(net.out, ip("web", other)), "the other family is as it was"
        for place in (net.out, net.db):
            assert cut(place, ip("web", family), 81), "what is not published stays shut"
            place.run(f"ping -c 1 -W 2 {ip('web', family)}")
        net.ctl("network", "set", "a", f"mode{family}=open")
        assert peer(net.web, OUT[family]) == ip("web", family), "open"
        assert peer(net.out, ip("web", family), 81) and peer(net.db, ip("web", family), 81), "everything is open"
        net.ctl("network", "set", "a", f"mode{family}=nat")
        assert peer(net.web, OUT[family]) == HOST[family] and cut(net.out, ip("web", family), 81)
        net.ctl("network", "set", "a", f"mode{family}=")
    wait_same(before, net.snapshot, "modes and back")


def test_mode_is_for_both_families_and_survives_a_restart(net):
    net.ctl("network", "set", "a", "mode=open", "mode6=nat")
    net.restart_daemon()
    assert (settings(net, "a")["mode"], settings(net, "a")["mode4"], settings(net, "a")["mode6"]) == ("open", "same", "nat")
    assert reaches(net.out, ip("web")) and cut(net.out, ip("web", 6))
    shown = net.ctl("network", "inspect", "a").stdout
    assert re.search("^MODE +open$", shown, re.M) and re.search("^MODE6 +nat$", shown, re.M)


def test_published_ports_of_a_routed_network(net):
    net.ctl("network", "set", "a", "mode=routed")
    for place in (net.out, net.db):
        for family in FAMILIES:
            source = {"out": OUT[family], "db": ip("db", family)}[place.name]
            assert peer(place, ip("web", family)) == peer(place, HOST[family], 8080) == source
            assert cut(place, ip("web", family), 81)
    net.ctl("publish", "8090-8099:8090-8099", "web")
    net.ctl("publish", "9000-9001:8000-8001", "web")
    net.ctl("publish", "8070:70", "web", "--from", "198.51.100.0/24")
    for port in (8090, 8099, 8001, 70):
        net.web.serve(port)
    assert net.out.ask("tcp", ip("web"), 8090) and net.out.ask("tcp", ip("web"), 8099) and net.out.ask("tcp", ip("web"), 8001)
    assert net.out.silent("tcp", ip("web"), 70), "published for some sources: by the host's address only"
    assert reaches(net, "127.0.0.1", 8080)
    net.ctl("publish", "192.0.2.1:8081:81", "web")
    assert net.out.ask("tcp", HOST[4], 8081) and net.out.silent("tcp", ip("web"), 81), "published on one address: by that address only"


def test_a_port_stays_open_as_long_as_one_publication_leads_to_it(net):
    net.ctl("network", "set", "a", "mode=routed")
    net.ctl("publish", "9090:80/tcp", "web")
    net.ctl("unpublish", "8080/tcp")
    assert net.out.ask("tcp", ip("web"), 80)
    net.ctl("unpublish", "9090/tcp")
    assert net.out.silent("tcp", ip("web"), 80)
    net.ctl("publish", "9090:80/tcp", "web")
    assert net.out.ask("tcp", ip("web"), 80)
    net.ctl("disconnect", "a", "web")
    assert "10.77.0.2" not in net.run("nft list set inet netd nd_open4").stdout


# --- the host ---

def test_access_to_the_host(net):
    before = net.snapshot()
    serve(net, 53)
    for family in FAMILIES:
        assert reaches(net.web, gateway("a", family), 6001) and net.web.ask("tcp", HOST[family], 6001)
    for access, dns in (("no", False), ("dns", True)):
        net.ctl("network", "set", "a", f"host-access={access}")
        for family in FAMILIES:
            for address, port in ((gateway("a", family), 6001), (gateway("b", family), 53), (HOST[family], 53)):
                assert cut(net.web, address, port), (access, address, port)
            assert reaches(net.web, gateway("a", family), 53) == dns
            assert reaches(net.db, gateway("b", family), 6001), "another network is not touched"
            assert reaches(net.web, OUT[family]) and reaches(net.web, ip("cli", family)), "the way out, and the neighbours"
            assert reaches(net, ip("web", family)), "the host reaches it, and hears the answer"
            net.run(f"ip -{family} neigh flush dev nd-a")
            net.web.run(f"ip -{family} neigh flush dev eth0")
            assert reaches(net.web, OUT[family]), "its gateway is found"
        assert all(reaches(net.web, HOST[family], 8080) and reaches(net.cli, gateway("a", family), 8080) for family in FAMILIES), "published ports"
    net.restart_daemon()
    assert settings(net, "a")["host_access"] == "dns" and cut(net.web, gateway("a"), 6001)
    net.ctl("network", "set", "a", "host-access=yes")
    wait_same(before, net.snapshot, "access and back")


# --- trusted interfaces ---

def test_what_comes_in_by_a_trusted_interface(net):
    two = net.neighbour("two", "198.51.100")
    assert cut(net.out, ip("web")) and cut(two, ip("web"))
    net.ctl("network", "set", "a", "trusted-iface=up-out,later0")
    for family in FAMILIES:
        assert reaches(net.out, ip("web", family), 81)
    assert cut(two, ip("web"), 81) and cut(net.out, ip("db")), "no other interface, no other network"
    net.restart_daemon()
    assert reaches(net.out, ip("web"), 81)
    net.ctl("network", "set", "a", "trusted-iface=")
    assert cut(net.out, ip("web"), 81)


# --- networks that may talk ---

@BRIDGE_FILTER
def test_a_network_may_reach_another(net, bridge_filter):
    bridge_netfilter(net, bridge_filter)
    before = net.snapshot(inside=True)
    assert cut(net.web, ip("db"))
    net.ctl("network", "allow", "a", "b")
    for family in FAMILIES:
        assert peer(net.web, ip("db", family), 81) == ip("web", family), "with its own address"
        assert cut(net.db, ip("web", family)), "the other direction is another permission"
    net.restart_daemon()
    assert settings(net, "a")["allow"] == ["b"] and reaches(net.web, ip("db"))
    net.ctl("network", "allow", "b", "a")
    assert reaches(net.db, ip("web"))
    net.ctl("network", "disallow", "a", "b")
    net.ctl("network", "disallow", "b", "a")
    assert cut(net.web, ip("db")) and cut(net.db, ip("web"))
    wait_same(before, lambda: net.snapshot(inside=True), "allowed and back")


def test_one_port_and_no_more(net):
    net.ctl("network", "allow", "a", "db:80/tcp")
    for family in FAMILIES:
        assert net.web.ask("tcp", ip("db", family), 80) and net.web.silent("udp", ip("db", family), 80)
        assert cut(net.web, ip("db", family), 81)
    net.ctl("network", "allow", "a", "db:80/udp", "db:81")
    assert settings(net, "a")["allow"] == ["db:80/tcp", "db:80/udp", "db:81/tcp"]
    net.restart_daemon()
    assert net.web.ask("udp", ip("db"), 80) and net.web.ask("tcp", ip("db"), 81) and net.web.silent("udp", ip("db"), 81)
    net.ctl("network", "disallow", "a", "db:80", "db:81/tcp")
    assert settings(net, "a")["allow"] == ["db:80/udp"] and net.web.silent("tcp", ip("db"), 80)


@pytest.mark.parametrize("closed", ("a", "b"))
def test_internal_networks_have_a_way_to_what_is_allowed(net, closed):
    """Which needs routes, since there is no default route; and nothing else opens."""
    before = net.snapshot(inside=True)
    net.ctl("network", "set", closed, "internal=yes")
    net.ctl("network", "allow", "a", "db:81/tcp", "db:81/udp")
    member, there = {"a": ("web", "10.78.0.0/24"), "b": ("db", "10.77.0.0/24")}[closed]
    member = net.ns(member)
    for family in FAMILIES:
        assert reaches(net.web, ip("db", family), 81), f"IPv{family}"
        assert cut(net.web, ip("db", family), 80) and cut(member, OUT[family]) and cut(net.out, ip(member.name, family))
    member.run(f"ip route del {there}")
    wait_for(lambda: there in member.run("ip route").stdout, "the route is healed")
    net.restart_daemon()
    assert reaches(net.web, ip("db"), 81)
    net.ctl("network", "disallow", "a", "db:81", "db:81/udp")
    assert there not in member.run("ip route").stdout
    net.ctl("network", "set", closed, "internal=no")
    wait_same(before, lambda: net.snapshot(inside=True), "allowed and back")


def test_a_permission_follows_its_namespace(net):
    """Where it is connected, and by which addresses."""
    net.ctl("network", "set", "a", "internal=yes")
    net.ctl("network", "allow", "a", "db:80/tcp", "db:80/udp")
    net.ctl("disconnect", "b", "db")
    assert "10.78.0." not in net.web.run("ip route").stdout + net.run("nft list set inet netd nd_allowed4").stdout
    net.ctl("connect", "b", "db", "--ip", "10.78.0.9")
    assert reaches(net.web, "10.78.0.9")
    net.ctl("network", "create", "c", "--subnet", "10.79.0.0/24")
    net.ctl("connect", "c", "db", "--ip", "10.79.0.2")
    assert reaches(net.web, "10.79.0.2") and cut(net.web, "10.79.0.2", 81)


def test_what_is_removed_is_allowed_no_longer(net):
    net.ctl("network", "allow", "a", "b", "db:80")
    removed = net.ctl("ns", "rm", "db").stdout
    assert "permission of network a to reach db:80/tcp" in removed and settings(net, "a")["allow"] == ["b"]
    removed = net.ctl("network", "rm", "b").stdout
    assert "permission of network a to reach b" in removed and settings(net, "a")["allow"] == []
    assert "nd-b" not in net.run("nft list table inet netd").stdout


def test_a_permission_waits_for_a_namespace_that_someone_removed(net):
    """As a published port does."""
    net.ctl("network", "allow", "a", "db:80")
    net.run("ip netns del db")
    wait_for(lambda: "db" not in net.ctl("ns", "ls", "-q").stdout.split(), "netd lets go of it")
    assert settings(net, "a")["allow"] == ["db:80/tcp"]
    net.ctl("network", "set", "a", "mtu=1400")
    net.ctl("connect", "b", "db", "--ip", ip("db"))
    serve(net.ns("db"), 80)
    assert net.web.ask("tcp", ip("db"), 80)


def test_permissions_that_are_refused(net):
    before = settings(net, "a")
    net.ctl("network", "allow", "a", "b")
    for words, status, sentence in (
            (["allow", "a", "b"], 5, "may reach b already"), (["allow", "a", "a"], 2, "reach each other"),
            (["allow", "a", "nowhere"], 3, "no such network"), (["allow", "a", "nobody:80"], 3, "namespace nobody"),
            (["allow", "a", "db:0"], 2, "1 to 65535"), (["allow", "a", "db:80/icmp"], 2, "tcp"), (["allow", "a", "db:"], 2, "1 to 65535"),
            (["allow", "nowhere", "b"], 3, "no such network"), (["disallow", "a", "db:80"], 3, "was not allowed"), (["allow", "a"], 2, "missing")):
        assert sentence in net.ctl("network", *words, check=status).stderr
    net.ctl("network", "allow", "a", "b", "--exist-ok")
    net.ctl("network", "disallow", "a", "b")
    net.ctl("network", "disallow", "a", "b", "--exist-ok")
    assert settings(net, "a") == before


# --- what flows already ---

def ends(stream):
    return stream.quiet()


def test_what_may_no_longer_flow_ends(net):
    """By whatever change; and what still may goes on."""
    two = net.neighbour("two", "198.51.100")
    for begin, end, place, address in (
            (["allow", "a", "b"], ["disallow", "a", "b"], net.web, ip("db")),
            (["allow", "a", "db:80"], ["set", "a", "allow="], net.web, ip("db")),
            (["set", "a", "trusted-iface=up-out"], ["set", "a", "trusted-iface=up-two"], net.out, ip("web")),
            (["set", "a", "mode=open"], ["set", "a", "mode=routed"], net.out, ip("web", 6)),
            (["set", "a", "mode=open"], ["set", "a", "mode="], net.out, ip("web"))):
        net.ctl("network", *begin)
        with place.stream("tcp", address, 81 if begin[-1] == "mode=open" else 80) as ended, net.out.stream("tcp", HOST[4], 8080) as kept:
            ended.wait()
            net.ctl("network", *end)
            kept.wait(10)
            assert ends(ended), f"{end}: {address}"
            kept.wait(10)
    assert two.silent("tcp", ip("db"), 80)


@contextlib.contextmanager
def streams(protocol, flows):
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(place.stream(protocol, address, port)) for place, address, port in flows]
        for stream in made:
            stream.wait()
        yield made


def change_ends(protocol, change, ended, kept):
    """Flows, each (place, address, port), before and after."""
    with streams(protocol, ended) as gone, streams(protocol, kept) as there:
        change()
        for flow, stream in zip(ended, gone):
            assert ends(stream), flow
        for stream in there:
            stream.wait(10)


@BRIDGE_FILTER
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_an_internal_network_had_outside_ends(net, bridge_filter, family, protocol):
    bridge_netfilter(net, bridge_filter)
    net.ctl("publish", f"8081:80/{protocol}", "db")
    net.ctl("network", "allow", "a", "b")
    ended = [(net.web, OUT[family], 80), (net.out, HOST[family], 8080), (net.cli, HOST[family], 8080), (net.web, HOST[family], 8081)]
    kept = [(net.web, ip("cli", family), 80), (net.web, ip("db", family), 80), (net.web, gateway("a", family), 6001),
            (net, ip("web", family), 80), (net.db, OUT[family], 80), (net.out, HOST[family], 8081)]
    change_ends(protocol, lambda: net.ctl("network", "set", "a", "internal=yes"), ended, kept)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_a_network_had_with_the_host_ends(net, family, protocol):
    serve(net, 53)
    ended = [(net.web, gateway("a", family), 6001), (net.cli, gateway("a", family), 6001)]
    dns = [(net.web, gateway("a", family), 53)]
    kept = [(net.web, OUT[family], 80), (net.web, HOST[family], 8080), (net, ip("web", family), 80), (net.db, gateway("b", family), 6001),
            (net.out, HOST[family], 8080)]
    change_ends(protocol, lambda: net.ctl("network", "set", "a", "host-access=dns"), ended, dns + kept)
    change_ends(protocol, lambda: net.ctl("network", "set", "a", "host-access=no"), dns, kept)


@pytest.mark.parametrize("family", FAMILIES)
def test_unpublish_ends_what_began_while_the_port_led_to_another_network(net, family):
    net.ctl("publish", "8082:80", "db")
    with net.out.stream("tcp", HOST[family], 8082) as ended:
        ended.wait()
        net.ctl("connect", "a", "db", "--gw-priority", "10")
        ended.wait()
        net.ctl("unpublish", "8082")
        assert ends(ended)


def test_what_came_straight_to_a_published_port_ends_with_it(net):
    net.ctl("network", "set", "a", "mode=routed")
    net.ctl("publish", "9090:81/tcp", "web")
    with net.out.stream("tcp", ip("web"), 80) as ended, net.out.stream("tcp", ip("web"), 81) as kept:
        ended.wait()
        kept.wait()
        net.ctl("unpublish", "8080/tcp")
        assert ends(ended)
        kept.wait(10)


# --- the address that leaves ---

def test_leaves_with_a_chosen_address(net):
    net.shell("ip addr add 192.0.2.7/24 dev up-out; ip addr add fd00:2::7/64 dev up-out nodad preferred_lft 0")
    before = net.snapshot()
    chosen = {4: "192.0.2.7", 6: "fd00:2::7"}
    done = net.ctl("network", "set", "a", "snat=192.0.2.7,fd00:2::7")
    assert "warning" not in done.stderr
    for family in FAMILIES:
        assert peer(net.web, OUT[family]) == chosen[family] and peer(net.db, OUT[family]) == HOST[family]
    net.restart_daemon()
    assert peer(net.web, OUT[4]) == chosen[4] and settings(net, "a")["snat"] == ["192.0.2.7", "fd00:2::7"]
    net.ctl("network", "set", "a", "snat=fd00:2::7")
    assert peer(net.web, OUT[4]) == HOST[4] and peer(net.web, OUT[6]) == chosen[6]
    net.ctl("network", "set", "a", "snat=")
    wait_same(before, net.snapshot, "another address and back")


def test_an_address_that_is_not_there_yet(net):
    done = net.ctl("network", "set", "a", "snat=192.0.2.7")
    assert "192.0.2.7" in done.stderr and "yet" in done.stderr
    assert net.web.silent("tcp", OUT[4], 80)
    net.run("ip addr add 192.0.2.7/24 dev up-out")
    assert peer(net.web, OUT[4]) == "192.0.2.7"


# --- what does not go together ---

def test_contradictions_change_nothing(net):
    net.ctl("network", "create", "four", "--subnet", "10.79.0.0/24")
    net.ctl("network", "create", "closed", "--internal")
    before = {name: settings(net, name) for name in ("a", "four", "closed")}
    for words, status, sentence in (
            (["closed", "mode=open"], 1, "internal"), (["closed", "mode6=routed"], 1, "internal"), (["closed", "snat=192.0.2.7"], 1, "internal"),
            (["closed", "trusted-iface=up-out"], 1, "internal"), (["a", "internal=yes", "mode=open"], 1, "internal"),
            (["four", "mode6=open"], 1, "no addresses of this family"), (["four", "snat=fd00:2::7"], 1, "no addresses of this family"),
            (["a", "mode4=routed", "snat=192.0.2.7"], 1, "mode nat"), (["a", "snat=192.0.2.7,192.0.2.8"], 2, "each family"),
            (["a", "snat=127.0.0.1"], 2, "others can answer"), (["a", "snat=fe80::1"], 2, "others can answer"), (["a", "snat=host"], 2, "snat"),
            (["a", "mode=bridge"], 2, "nat, routed, open"), (["a", "mode4=none"], 2, "same, nat, routed, open"),
            (["a", "host-access=maybe"], 2, "yes, no, dns"), (["a", "isolated=1"], 2, "yes or no"),
            (["a", "trusted-iface=nd-b"], 2, "network allow b a"), (["a", "trusted-iface=a/b"], 2, "trusted-iface"),
            (["a", "allow=nowhere"], 3, "no such network"), (["a", "allow=a"], 2, "reach each other")):
        done = net.ctl("network", "set", *words, check=status)
        assert sentence in done.stderr, done.stderr
    assert {name: settings(net, name) for name in before} == before


# --- an administrator's own rules ---

def test_the_manuals_example_runs_before_netds_rules(net):
    """What doc/firewall.md shows keeps one outside address off published ports, though netd would let it in."""
    text = (ROOT / "doc" / "firewall.md").read_text()
    example, = re.findall(r"^    table .*\n(?:    .*\n)*", text, re.M)
    rules = re.sub(r"^    ", "", example, flags=re.M)
    net.out.run("ip addr add 192.0.2.66/24 dev eth0")
    assert net.out.ask("tcp", HOST[4], 8080, source="192.0.2.66")
    net.run("nft", "-f", "-", stdin=rules)
    assert net.out.silent("tcp", HOST[4], 8080, source="192.0.2.66") and net.out.ask("tcp", HOST[4], 8080)
    assert net.web.silent("tcp", OUT[4], 81) and net.web.ask("tcp", OUT[4], 80)
    wait_same(net.snapshot(), net.snapshot, "netd leaves it alone")


def test_documented_priorities_are_those_of_the_chains(net):
    told = re.findall(r"^\| `(nd_\w+)` \| `(\w+)` \| (\w+) \| (-?\d+) \|", (ROOT / "doc" / "firewall.md").read_text(), re.M)
    chains = [(chain["name"], chain["family"], chain["hook"], str(chain["prio"])) for family in ("inet", "bridge")
              for item in net.json(f"nft -j list table {family} netd")["nftables"] if "chain" in item
              for chain in [item["chain"]] if "hook" in chain]
    assert sorted(told) == sorted(chains)
