"""Links: two namespaces joined by a veth pair of their own, in which the host has no part."""

import re
import sqlite3

import pytest

from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

OWN = ["file /run/netd"]
DEADLINE = 8.0
FAMILIES = {"4": "10.99.0.2", "6": "fd99::2"}
BOTH = ["--ip", "10.99.0.1/30", "--ip", "fd99::1/64", "--peer-ip", "10.99.0.2/30", "--peer-ip", "fd99::2/64"]


def pings(host, ns, address, family, ttl=64):
    done = host.ns(ns).run("ping", f"-{family}", "-n", "-c1", "-W5", address, check=False)
    return f"ttl={ttl}" in done.stdout


def carries(host):
    return all(pings(host, "a", address, family) for family, address in FAMILIES.items())


def ends(host, ns):
    """Its interfaces but lo, as the kernel has them."""
    return [link for link in host.json(f"ip -n {ns} -j -d addr show") if link["ifname"] != "lo"]


@pytest.fixture
def linked(netd):
    netd.ctl("ns", "link", "a", "b", *BOTH)
    assert carries(netd)
    netd.quiet = netd.snapshot(inside=True, without=OWN)
    return netd


# --- what it is ---


def test_packets_in_both_families(linked):
    linked.ns("b").serve_both(80)
    for address in FAMILIES.values():
        for protocol in ("tcp", "udp"):
            answer = linked.ns("a").ask(protocol, address, 80)
            assert answer and answer.tag == "b"
    for ns, mac, address in (("a", 0, "10.99.0.1"), ("b", 1, "10.99.0.2")):
        end, = ends(linked, ns)
        link, = linked.ctl_json("ns", "links")
        assert end["ifname"] == "eth0" and end["address"] == link["ends"][mac]["mac"]
        assert end["linkinfo"]["info_kind"] == "veth" and end["num_tx_queues"] == end["num_rx_queues"] == 1
        assert end["ifalias"].startswith("netd:") and link["id"] in end["ifalias"]
        assert address in [item["local"] for item in end["addr_info"]]


def test_the_host_has_no_part_in_it(netd):
    before = netd.snapshot()
    netd.ctl("ns", "link", "a", "b", *BOTH)
    gone = [line for line in before.diff(netd.snapshot()).splitlines() if not re.search(r"netns|/run/netd", line)]
    assert gone == [], "neither an interface, nor an address, nor an element of nf_tables"


def test_what_is_shown(linked):
    link, = linked.ctl_json("ns", "links")
    assert [(end["namespace"], end["interface"], end["addresses"]) for end in link["ends"]] == [
        ("a", "eth0", ["10.99.0.1/30", "fd99::1/64"]), ("b", "eth0", ["10.99.0.2/30", "fd99::2/64"])]
    assert link["mtu"] == 1500 and link["labels"] == []
    for ns in "ab":
        assert linked.ctl_json("ns", "inspect", ns)[0]["links"] == [link]
        assert "eth0 10.99.0." in linked.ctl("ns", "inspect", ns).stdout
    assert linked.ctl("ns", "links", "-q").stdout == "a:eth0 b:eth0\n"
    assert "10.99.0.1/30" in linked.ctl("ns", "links").stdout
    assert linked.http("GET", f"/v1/links/{link['id']}").body == {"links": [link]}
    assert linked.http("GET", "/v1/links/000000000000").status == 404
    assert linked.ctl_json("ns", "links", "--filter", "namespace=b") == [link]
    assert linked.ctl_json("ns", "links", "--filter", "namespace=c") == []
    event, = [line for line in linked.ctl("events", "--recent").lines if "ns link" in line]
    assert "a:eth0 b:eth0" in event and "namespace a was created" in event


def test_names_macs_and_several_links(netd):
    netd.ctl("ns", "create", "a")
    answer = netd.ctl_json("ns", "link", "a:up", "b:down", "--mac", "02:00:00:00:00:0a", "--peer-mac", "02:00:00:00:00:0b", "--mtu", "9000",
                           "--label", "rack=1")
    assert answer["created_namespaces"] == ["b"]
    netd.ctl("ns", "link", "a", "b")
    netd.ctl("ns", "link", "b", "a:third")
    assert len(netd.ctl("ns", "links", "-q").lines) == 3
    assert {link["ifname"] for link in ends(netd, "a")} == {"up", "eth0", "third"}
    assert {link["ifname"] for link in ends(netd, "b")} == {"down", "eth0", "eth1"}
    up, = [link for link in ends(netd, "a") if link["ifname"] == "up"]
    assert up["address"] == "02:00:00:00:00:0a" and up["mtu"] == 9000
    assert netd.ctl_json("ns", "links", "--filter", "label=rack")[0]["ends"][0]["interface"] == "up"
    # several: which is meant has to be said
    assert "several links" in netd.ctl("ns", "unlink", "a", "b", check=1).stderr
    netd.ctl("ns", "unlink", "b:down", "a")
    assert {link["ends"][0]["interface"] for link in netd.ctl_json("ns", "links")} == {"eth0", "eth1"}
    # a name that is taken, by an endpoint, a link, or someone else
    netd.ctl("connect", "default", "a", "--ifname", "mine")
    netd.ctl("ns", "link", "a:mine", "c", check=5)
    netd.ctl("ns", "link", "a:third", "c", check=5)
    netd.run("ip -n b link add other type bridge")
    netd.ctl("ns", "link", "a", "b:other", check=5)
    netd.ctl("connect", "default", "b", "--ifname", "eth0", check=5)
    assert netd.ctl("ns", "inspect", "c", check=3), "a refused link makes no namespace"


def test_exist_ok(linked):
    words = ["ns", "link", "a", "b", *BOTH, "--exist-ok"]
    linked.ctl(*words)
    linked.ctl("ns", "link", "b", "a", "--exist-ok", "--peer-ip", "10.99.0.1/30", "--peer-ip", "fd99::1/64", "--ip", "fd99::2/64",
               "--ip", "10.99.0.2/30")
    assert_same(linked.quiet, linked.snapshot(inside=True, without=OWN), "nothing has changed")
    assert "other addresses" in linked.ctl("ns", "link", "a", "b", "--exist-ok", check=5).stderr
    assert "another setting: --mtu" in linked.ctl(*words, "--mtu", "1400", check=5).stderr
    assert "other MAC" in linked.ctl(*words, "--mac", "02:00:00:00:00:0a", check=5).stderr
    linked.ctl("ns", "link", "a:eth7", "b", "--exist-ok")
    assert len(linked.ctl_json("ns", "links")) == 2


def test_existing_refuses_what_is_missing(netd):
    netd.ctl("ns", "create", "a")
    assert "no such namespace" in netd.ctl("ns", "link", "a", "b", "--existing", check=3).stderr
    netd.ctl("ns", "create", "b")
    netd.ctl("ns", "link", "a", "b", "--existing")


def test_set_live(linked):
    linked.ctl("ns", "set-link", "b", "a", "mtu=1400", "label=x=1")
    assert [ends(linked, ns)[0]["mtu"] for ns in "ab"] == [1400, 1400]
    assert linked.ctl_json("ns", "links")[0]["labels"] == ["x=1"]
    assert carries(linked)
    assert "IPv6 needs 1280" in linked.ctl("ns", "set-link", "a", "b", "mtu=1000", check=2).stderr
    link, = linked.ctl_json("ns", "links")
    assert linked.http("PATCH", f"/v1/links/{link['id']}", {"mtu": None, "labels": None}).body["link"]["mtu"] == 1500
    wait_same(linked.quiet, lambda: linked.snapshot(inside=True, without=OWN), "as it was")


def test_what_changes_nothing_but_a_link_is_stored_too(netd):
    """Both namespaces are there already, and stay as they are."""
    for name in ("a", "b"):
        netd.ctl("ns", "create", name)
    netd.ctl("ns", "link", "a", "b")
    netd.kill_daemon()
    netd.start_daemon()
    assert [link["mtu"] for link in netd.ctl_json("ns", "links")] == [1500]
    netd.ctl("ns", "set-link", "a", "b", "mtu=1400", "label=k=v")
    netd.kill_daemon()
    netd.start_daemon()
    link, = netd.ctl_json("ns", "links")
    assert (link["mtu"], link["labels"]) == (1400, ["k=v"]) and "repair" not in netd.log()


def test_without_addresses_it_is_a_cable(netd):
    netd.ctl("ns", "link", "a", "b")
    for ns in "ab":
        end, = ends(netd, ns)
        assert end["addr_info"] == [] and "UP" in end["flags"]
    for ns, address in (("a", "10.5.0.1/31"), ("b", "10.5.0.0/31")):
        netd.run(f"ip -n {ns} addr add {address} dev eth0")
    assert pings(netd, "a", "10.5.0.0", "4")


@pytest.mark.parametrize("one, other, target, family", [("10.5.0.0/31", "10.5.0.1/31", "10.5.0.1", "4"),
                                                        ("fd05::/127", "fd05::1/127", "fd05::1", "6")])
def test_subnets_of_two_addresses(netd, one, other, target, family):
    netd.ctl("ns", "link", "a", "b", "--ip", one, "--peer-ip", other)
    assert pings(netd, "a", target, family)
    netd.restart_daemon()
    assert "repair" not in netd.log()


def test_single_addresses_have_no_subnet(netd):
    netd.ctl("ns", "link", "a", "b", "--ip", "10.5.0.1/32", "--ip", "fd05::1/128", "--peer-ip", "10.5.0.2/32", "--peer-ip", "fd05::2/128")
    for ns, there in (("a", 2), ("b", 1)):
        netd.run(f"ip -n {ns} route add 10.5.0.{there} dev eth0")
        netd.run(f"ip -n {ns} -6 route add fd05::{there} dev eth0")
    assert pings(netd, "a", "10.5.0.2", "4") and pings(netd, "a", "fd05::2", "6")
    netd.restart_daemon()
    assert "repair" not in netd.log() and pings(netd, "a", "10.5.0.2", "4")


# --- life ---


def test_a_restart_and_a_kill_change_nothing(linked):
    linked.restart_daemon()
    assert_same(linked.quiet, linked.snapshot(inside=True, without=OWN), "a restart changes nothing")
    assert "repair" not in linked.log()
    linked.kill_daemon()
    linked.start_daemon()
    assert_same(linked.quiet, linked.snapshot(inside=True, without=OWN), "nor does a kill")
    assert "repair" not in linked.log()
    # and it is heard again
    linked.run("ip -n b link del eth0")
    healed(linked, "after a restart")


def test_a_reboot_brings_it_back(linked):
    links = linked.ctl_json("ns", "links")
    linked.reboot()
    linked.start_daemon()
    assert linked.ctl_json("ns", "links") == links
    wait_same(linked.quiet, lambda: linked.snapshot(inside=True, without=OWN), "with the same MACs and addresses")
    assert carries(linked)


def test_an_adopted_side_that_is_gone_is_forgotten(netd):
    netd.run("ip netns add theirs")
    netd.ctl("ns", "link", "theirs", "a", *BOTH)
    netd.ctl("ns", "link", "b", "a")
    netd.reboot()
    netd.start_daemon()
    assert netd.ctl("ns", "links", "-q").stdout == "b:eth0 a:eth1\n"
    assert [link["ifname"] for link in ends(netd, "a")] == ["eth1"]


def healed(host, what):
    wait_same(host.quiet, lambda: host.snapshot(inside=True, without=OWN), what, deadline=DEADLINE)
    return wait_for(lambda: [line for line in host.log().splitlines() if ": repaired" in line], lambda: f"{what}: it is said\n{host.log()}")


HARMS = {
    "first end gone": ("ip -n a link del eth0", "veth eth0 in a was missing"),
    "second end gone": ("ip -n b link del eth0", "veth eth0 in a was missing"),
    "down": ("ip -n b link set eth0 down", "interface eth0 in b was changed"),
    "renamed": ("ip -n a link set eth0 down; ip -n a link set eth0 name mine; ip -n a link set mine up || true", "interface eth0 in a was changed"),
    "address": ("ip -n b addr del 10.99.0.2/30 dev eth0", "address 10.99.0.2/30 on eth0 in b was missing"),
    "address6": ("ip -n a addr del fd99::1/64 dev eth0", "address fd99::1/64 on eth0 in a was missing"),
    "link-local": ("ip -n a -6 addr flush dev eth0 scope link", "address fe80::.* on eth0 in a was missing"),
    "route": ("ip -n a route del 10.99.0.0/30", "route 10.99.0.0/30 in a was missing"),
    "mtu": ("ip -n a link set eth0 mtu 1300", "interface eth0 in a was changed"),
    "mac": ("ip -n b link set eth0 address 02:00:00:00:00:99", "interface eth0 in b was changed"),
    "moved to the host": ("ip -n a link set eth0 netns 1", "veth eth0 in a was"),
    "moved elsewhere": ("ip -n b link set eth0 netns c", "was"),
    "unmarked and renamed": ("ip -n a link set eth0 down; ip -n a link set eth0 alias '' name mine", "interface eth0 in a was changed"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_drift_is_healed_once(netd, harm):
    netd.ctl("ns", "create", "c")
    netd.ctl("ns", "link", "a", "b", *BOTH)
    netd.quiet = netd.snapshot(inside=True, without=OWN)
    command, said = HARMS[harm]
    netd.shell(command)
    lines = healed(netd, f"{harm} is healed")
    assert any(re.search(said, line) for line in lines), lines
    assert carries(netd)
    if "gone" in harm:
        assert len(lines) == 1, lines
        drift = [line for line in netd.ctl("events", "--recent").lines if " drift " in line]
        assert len(drift) == 1, drift


def test_what_is_not_its_own_stays(linked):
    linked.run("ip -n a addr add 10.98.0.1/24 dev eth0")
    linked.run("ip -n a link add other type bridge")
    linked.run("ip -n b link del eth0")
    wait_for(lambda: ends(linked, "b") and carries(linked), "the link is back", DEADLINE)
    assert "other" in [link["ifname"] for link in ends(linked, "a")]


def test_a_fight_is_backed_off(linked):
    for _ in range(12):
        linked.run("ip -n a link del eth0", check=False)
        if not wait_for(lambda: "again and again" in linked.log() or (ends(linked, "a") and ends(linked, "b")), "healed, or said", DEADLINE):
            break
    assert "link a:eth0 b:eth0: changed by someone again and again" in linked.log()


def test_a_copy_of_the_mark_is_none(linked):
    """A tenant writes the mark on an interface of its own: netd's is still known, and the other is left alone."""
    alias = ends(linked, "a")[0]["ifalias"]
    linked.run("ip -n a link add fake type veth peer name fake2")
    linked.run("ip", "-n", "a", "link", "set", "fake", "alias", alias)
    linked.restart_daemon()
    assert "repair" not in linked.log()
    assert {link["ifname"] for link in ends(linked, "a")} == {"eth0", "fake", "fake2"}
    assert carries(linked)


# --- its end ---


def all_gone(host, *namespaces):
    wait_for(lambda: not any(ends(host, ns) for ns in namespaces), lambda: f"no end is left\n{[ends(host, ns) for ns in namespaces]}")


def test_unlink(linked):
    assert "removed link a:eth0 b:eth0" in linked.ctl("ns", "unlink", "a", "b").stdout
    assert not any(link["ifname"] == "eth0" or link["addr_info"] or "UP" in link["flags"] for ns in "ab" for link in ends(linked, ns))
    all_gone(linked, "a", "b")
    linked.ctl("ns", "unlink", "a", "b", check=3)
    linked.ctl("ns", "link", "a", "b", *BOTH)
    assert carries(linked)
    link, = linked.ctl_json("ns", "links")
    assert linked.http("DELETE", f"/v1/links/{link['id']}").status == 200
    assert linked.http("DELETE", f"/v1/links/{link['id']}").status == 404


def test_killed_before_it_is_gone(linked):
    """The answer is the commit: what is left of the kernel's work is done after the next start."""
    linked.ctl("ns", "unlink", "a", "b")
    linked.kill_daemon()
    linked.start_daemon()
    all_gone(linked, "a", "b")


@pytest.mark.parametrize("side, other", ["ab", "ba"])
def test_ns_rm_of_one_side(linked, side, other):
    assert "link a:eth0 b:eth0" in linked.ctl("ns", "rm", side).stdout
    assert linked.ctl_json("ns", "links") == []
    all_gone(linked, other)
    assert linked.ctl_json("ns", "inspect", other)[0]["links"] == []


@pytest.mark.parametrize("side, other", ["ab", "ba"])
def test_ip_netns_del_of_one_side(linked, side, other):
    linked.run(f"ip netns del {side}")
    wait_for(lambda: linked.ctl_json("ns", "links") == [], "the link is let go of", DEADLINE)
    all_gone(linked, other)
    wait_for(lambda: "is gone, as someone removed it" in linked.log(), "it is said")
    assert "failed" not in linked.log() and "repaired" not in linked.log()
    linked.ctl("ns", "link", "a", "b", *BOTH)
    assert carries(linked)


def test_prune_leaves_what_is_linked(linked):
    linked.ctl("ns", "create", "idle")
    assert "removed namespace idle" in linked.ctl("ns", "prune").stdout
    assert carries(linked)
    linked.ctl("ns", "unlink", "a", "b")
    linked.ctl("ns", "prune")
    assert [ns["name"] for ns in linked.ctl_json("ns", "ls")] == []


def test_adopted_namespaces(netd):
    for name in ("one", "two"):
        netd.run(f"ip netns add {name}")
        netd.run(f"ip -n {name} link set lo up")
    before = netd.snapshot(inside=True, without=OWN)
    netd.ctl("ns", "link", "one", "two", "--ip", "10.99.0.1/30", "--peer-ip", "10.99.0.2/30")
    assert pings(netd, "one", "10.99.0.2", "4")
    for name in ("one", "two"):
        assert netd.ns(name).sysctl("net/ipv6/conf/eth0/disable_ipv6") == "1", "no IPv6 where it was not asked for"
        assert netd.ctl_json("ns", "inspect", name)[0]["origin"] == "adopted"
    netd.run("ln -s one /run/netns/alias")
    assert "knows the same namespace as one" in netd.ctl("ns", "link", "alias", "two", check=1).stderr
    netd.run("rm /run/netns/alias")
    netd.ctl("ns", "unlink", "one", "two")
    wait_same(before, lambda: netd.snapshot(inside=True, without=OWN), "they are left as they were")


def test_cleanup_needs_no_database(linked):
    linked.run("ip netns add theirs")
    linked.ctl("ns", "link", "theirs", "a")
    linked.stop_daemon()
    for file in linked.state.iterdir():
        file.unlink()
    linked.run(linked.netd, "--cleanup")
    assert linked.run("ls /run/netns").stdout.split() == ["theirs"]
    all_gone(linked, "theirs")


def test_an_orphan_goes_at_the_next_start(linked):
    """As after a kill between the kernel's work and the commit."""
    linked.stop_daemon()
    db = sqlite3.connect(linked.state / "netd.db")
    with db:
        for table in ("links", "link_addresses"):
            db.execute(f"DELETE FROM {table}")
    db.close()
    linked.start_daemon()
    all_gone(linked, "a", "b")


def join_by_hand(host, instance, name, both=False):
    """As a link stands between two namespaces of others before it is committed: the second end gets its mark later than the first."""
    alias = f"netd:{instance}:{name}/one/two"
    host.run(f"ip -n one link add {name}-1 type veth peer name {name}-2 netns two")
    host.run(f"ip -n one link set {name}-1 alias {alias}")
    if both:
        host.run(f"ip -n two link set {name}-2 alias {alias}")


@pytest.fixture
def foreign(netd):
    """Two namespaces of others, joined by hand: with this instance's mark, with another's, and with none."""
    netd.ctl("ns", "create", "mine")
    instance, = {link["ifalias"].split(":")[1] for link in netd.json("ip -j -d link show") if link.get("ifalias", "").startswith("netd:")}
    netd.stop_daemon()
    netd.shell("ip netns add one; ip netns add two; ln -s one /run/netns/alias; ln -s mine /run/netns/alias2; touch /run/netns/stale")
    join_by_hand(netd, instance, "nv0a", both=True)
    join_by_hand(netd, instance, "nv0b")
    join_by_hand(netd, "f" * 32, "nv0c", both=True)
    netd.run("ip -n one link add mine-1 type veth peer name mine-2 netns two")
    return netd


def names_in(host, ns):
    return {link["ifname"] for link in ends(host, ns)}


def test_an_orphan_between_namespaces_of_others_goes_at_the_next_start(foreign):
    """Neither namespace is in the database, as nothing was committed."""
    foreign.start_daemon()
    wait_for(lambda: names_in(foreign, "one") == {"nv0c-1", "mine-1"}, lambda: f"only netd's are gone\n{names_in(foreign, 'one')}")
    assert names_in(foreign, "two") == {"nv0c-2", "mine-2"}
    foreign.restart_daemon()
    assert names_in(foreign, "one") == {"nv0c-1", "mine-1"}


def test_cleanup_finds_links_between_namespaces_of_others(foreign):
    """Whoever's they are, and without a database."""
    for file in foreign.state.iterdir():
        file.unlink()
    foreign.run(foreign.netd, "--cleanup")
    assert names_in(foreign, "one") == {"mine-1"} and names_in(foreign, "two") == {"mine-2"}
    assert {"one", "two"} <= set(foreign.run("ls /run/netns").stdout.split())


def test_a_namespace_of_others_that_cannot_be_entered_is_passed_over(netd):
    netd.stop_daemon()
    netd.run("ip netns add theirs")
    netd.start_daemon(prefix=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=setns", "-e", "inject=setns:error=EPERM"])
    assert "namespace theirs is not looked into for what netd made there: enter network namespace theirs" in netd.log()


def test_a_second_name_of_a_linked_namespace_is_no_orphan(linked):
    linked.shell("ln -s a /run/netns/alias; ln -s b /run/netns/alias2")
    linked.restart_daemon()
    assert "repair" not in linked.log()
    assert carries(linked)


def test_two_routers_joined_by_a_link(netd):
    """left -- ra ===== rb -- right: the TTL has both."""
    nets = {"left": ("10.61.0", "fd61"), "right": ("10.63.0", "fd63")}
    for name, (v4, v6) in nets.items():
        netd.ctl("network", "create", name, "--no-host-address", "--subnet", f"{v4}.0/24", "--gateway", f"{v4}.254", "--subnet", f"{v6}::/64",
                 "--gateway", f"{v6}::fe")
    for name, router, host in (("left", "ra", "x"), ("right", "rb", "y")):
        v4, v6 = nets[name]
        netd.ctl("connect", name, router, "--router", "--ip", f"{v4}.254", "--ip6", f"{v6}::fe")
        netd.ctl("connect", name, host, "--ip", f"{v4}.2", "--ip6", f"{v6}::2")
    netd.ctl("ns", "link", "ra:wan", "rb:wan", *BOTH)
    for ns, v4, v6, way in (("ra", "10.63.0.0/24", "fd63::/64", 2), ("rb", "10.61.0.0/24", "fd61::/64", 1)):
        netd.run(f"ip -n {ns} route add {v4} via 10.99.0.{way}")
        netd.run(f"ip -n {ns} -6 route add {v6} via fd99::{way}")
    assert pings(netd, "x", "10.63.0.2", "4", ttl=62) and pings(netd, "x", "fd63::2", "6", ttl=62)
    hop = netd.ns("x").run("ping", "-n", "-c1", "-W5", "-t2", "10.63.0.2", check=False).stdout
    assert "rom 10.99.0.2" in hop and "exceeded" in hop
