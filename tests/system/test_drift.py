"""What someone does to netd's things while it runs is noticed and healed, said once, and nothing else is touched."""

import re
import time

import pytest

from lib.host import NETD_CTL
from lib.snapshot import assert_same
from lib.traffic import Datagrams
from lib.wait import wait_for

DEADLINE = 8.0  # what the kernel does not announce is looked at every five seconds


@pytest.fixture
def built(host, out):
    """Two endpoints of one network, one of another, published ports, and a server in each. Tables are plain ones, which others
    can change."""
    netd = host
    netd.start_daemon(own_tables=False)
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--bridge", "nd-a")
    netd.ctl("network", "create", "other", "--subnet", "10.78.0.0/24", "--bridge", "nd-b")
    netd.ctl("connect", "my-net", "web", "--ip", "10.77.0.2")
    netd.ctl("connect", "my-net", "db", "--ip", "10.77.0.3")
    netd.ctl("connect", "other", "far", "--ip", "10.78.0.2")
    netd.ctl("publish", "8080:80/tcp", "web")
    netd.ctl("publish", "8080:80/udp", "web")
    netd.ctl("publish", "9090:80/tcp", "far")
    netd.outer = {item["namespace"]: item["host_interface"]
                  for name in ("my-net", "other") for item in netd.ctl_json("network", "inspect", name)[0]["endpoints"]}
    for name in ("web", "db", "far"):
        netd.ns(name).serve(80)
    assert out.ask("tcp", "192.0.2.1", 8080).tag == "web"
    netd.quiet = netd.snapshot(inside=True)
    return netd


def healed(host, what):
    """Waits until everything is as it was, and returns the lines of the log that say so."""
    last = None

    def same():
        nonlocal last
        last = host.snapshot(inside=True)
        return last == host.quiet

    try:
        wait_for(same, what, DEADLINE, step=0.05)
    except AssertionError:
        assert_same(host.quiet, last, what)
        raise
    return wait_for(lambda: [line for line in host.log().splitlines() if line.endswith(": repaired") or ": repaired (by" in line],
                    lambda: f"{what}: one line says what was healed\n{host.log()}")


# what is done, and what the line must say was missing; {web}, {far}: the outer ends
HARMS = {
    "flush": ("nft flush ruleset", r"table (inet|bridge) netd was missing.*\(by pid \d+, nft\)"),
    "table": ("nft delete table inet netd", r"table inet netd was missing.*\(by pid \d+, nft\)"),
    "rule": ("handle=$(nft -a list chain inet netd nd_guard | sed -n 's/.*# handle //p' | sed -n 2p); "
             "nft delete rule inet netd nd_guard handle $handle", r"table inet netd was changed.*nft"),
    "chain": ("nft flush chain inet netd nd_publish 2>/dev/null || nft flush chain inet netd nd_guard", r"table inet netd was changed"),
    "bridge": ("ip link del nd-a", r"bridge nd-a was missing"),
    "bridge down": ("ip link set nd-a down", r"bridge nd-a was changed"),
    "bridge renamed": ("ip link set nd-a down; ip link set nd-a name foreign && ip link set foreign up || true", r"bridge nd-a was changed"),
    "bridge address": ("ip addr del 10.77.0.1/24 dev nd-a", r"address 10.77.0.1/24 on nd-a was missing"),
    "bridge mtu": ("ip link set nd-a mtu 1400", r"bridge nd-a was changed"),
    "bridge mark": ("ip link set nd-a alias ''", r"bridge nd-a was changed"),
    "veth": ("ip link del {web}", r"veth {web} was missing"),
    "veth down": ("ip link set {web} down", r"veth {web} was changed"),
    "veth renamed": ("ip link set {web} down; ip link set {web} name foreign && ip link set foreign up || true", r"veth {web} was changed"),
    "veth mark": ("ip link set {web} alias 'to the web'", r"veth {web} was changed"),
    "master": ("ip link set {web} nomaster", r"veth {web} was changed"),
    "other master": ("ip link set {web} nomaster; ip link set {web} master nd-b", r"veth {web} was changed"),
    "inside gone": ("ip -n web link del eth0", r"veth {web} was missing"),
    "inside down": ("ip -n web link set eth0 down", r"interface eth0 in web was changed"),
    "inside renamed": ("ip -n web link set eth0 down; ip -n web link set eth0 name mine && ip -n web link set mine up || true",
                       r"interface eth0 in web was changed"),
    "inside address": ("ip -n web addr del 10.77.0.2/24 dev eth0", r"address 10.77.0.2/24 on eth0 in web was missing"),
    "inside route": ("ip -n web route del default", r"route 0.0.0.0/0 in web was missing"),
    "inside mac": ("ip -n web link set eth0 address 02:00:00:00:00:99", r"interface eth0 in web was changed"),
    "inside loopback": ("ip -n web link set lo down", r"interface lo in web was changed"),
    "forwarding": ("sysctl -qw net.ipv4.conf.nd-a.forwarding=0", r"sysctl net/ipv4/conf/nd-a/forwarding was changed"),
    "way out": ("sysctl -qw net.ipv4.conf.up-out.forwarding=0", r"sysctl net/ipv4/conf/up-out/forwarding was changed"),
    "all forwarding": ("sysctl -qw net.ipv4.ip_forward=1; sysctl -qw net.ipv4.ip_forward=0", r"forwarding was changed"),
    "route_localnet": ("sysctl -qw net.ipv4.conf.nd-a.route_localnet=0", r"sysctl net/ipv4/conf/nd-a/route_localnet was changed"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_drift_is_healed(built, out, harm):
    command, said = (text.replace("{web}", built.outer["web"]).replace("{far}", built.outer["far"]) for text in HARMS[harm])
    built.shell(command)
    lines = healed(built, f"{harm} is healed")
    assert any(re.search(said, line) for line in lines), lines
    assert out.ask("tcp", "192.0.2.1", 8080).tag == "web"
    assert out.ask("udp", "192.0.2.1", 8080).tag == "web"


def test_what_lost_its_mark_a_moment_ago_is_removed_all_the_same(built):
    built.shell(f"""for link in nd-a {' '.join(built.outer.values())}; do ip link set $link alias ''; done
        {NETD_CTL} network rm -f my-net other""")
    wait_for(lambda: not re.search("nd-[ab]|nv", built.run("ip -o link").stdout), "nothing of them is left", DEADLINE)


@pytest.mark.parametrize("words", ["map inet netd nd_any4", "set inet netd nd_pairs", "set bridge netd nd_mac"])
def test_a_removed_element_is_healed(built, out, words):
    built.run("nft", f"flush {words}")
    lines = healed(built, f"the elements of {words} are put back")
    assert any(re.search(r"element of \w+ .* was missing", line) for line in lines), lines
    assert out.ask("tcp", "192.0.2.1", 8080).tag == "web"


def test_something_added_to_a_table_of_netd_is_taken_out(built):
    built.run("nft", "add rule inet netd nd_guard drop")
    lines = healed(built, "the rule is taken out")
    assert any("table inet netd was changed" in line for line in lines), lines


def test_healing_one_loses_no_packet_of_another(built, out):
    """While one endpoint's things are removed and come back, what belongs to the others goes on."""
    built.ctl("publish", "5000:5000/udp", "far")
    built.quiet = built.snapshot(inside=True)
    harms = [f"ip link del {built.outer['web']}", "ip -n web addr flush dev eth0", "ip -n web link set eth0 down",
             f"ip link set {built.outer['web']} nomaster", "sysctl -qw net.ipv4.conf.nd-a.route_localnet=0",
             "nft flush set inet netd nd_gateways4"]
    with out.stream("tcp", "192.0.2.1", 9090) as tcp, \
            Datagrams(out, "192.0.2.1", 5000, built.ns("far"), 5000) as datagrams:
        for harm in harms:
            built.shell(harm)
            healed(built, harm)
            datagrams.wait(100)
            tcp.wait()
        assert datagrams.missing() == []
        assert tcp.longest_gap() < 1.0, "no segment was sent again"


def test_netds_own_changes_are_not_taken_for_drift(built):
    """Nothing is looked at, healed or said after what netd did itself."""
    for i in range(5):
        built.ctl("connect", "other", "db")
        built.ctl("publish", "7070:80", "db", "--network", "other")
        built.ctl("unpublish", "7070")
        built.ctl("disconnect", "other", "db")
        built.ctl("network", "create", "brief")
        built.ctl("connect", "brief", f"ns{i}")
        built.ctl("network", "rm", "-f", "brief")
        built.ctl("ns", "rm", f"ns{i}")
    built.run("nft add table inet other")
    built.run("ip link add mine type bridge")
    built.run("ip link del mine")
    assert not re.search("was missing|was changed|should not be", built.log()), built.log()


def test_a_fight_is_backed_off_and_said(built):
    """Someone who removes the same thing again and again: it is put back, later and later, and said once."""
    seen = 0
    for _ in range(20):
        built.shell("ip addr flush dev nd-a")
        try:
            wait_for(lambda: "10.77.0.1" in built.run("ip addr show dev nd-a").stdout, "the address is back", 0.8)
            seen += 1
        except AssertionError:
            break
    assert 5 <= seen < 20, "healed at once some times, then after a pause"
    lines = built.log().splitlines()
    assert len([line for line in lines if "again and again" in line]) == 1, built.log()
    healed(built, "in the end it is as it was")
    # the others do not wait for that
    built.shell(f"ip link del {built.outer['far']}")
    wait_for(lambda: built.outer["far"] in built.run("ip link").stdout, "the other network's endpoint is healed at once", 1.5)


def test_a_fight_is_said_though_others_used_the_budget_up(built):
    """Every other look finds that all is there, so it is such a one with which the waiting begins."""
    for _ in range(12):
        built.run("ip", "-batch", "-", stdin="link set nd-a mtu 1400\nlink set nd-a mtu 1500\n")
        time.sleep(0.05)
        built.shell("ip addr flush dev nd-a")
        wait_for(lambda: "10.77.0.1" in built.run("ip addr show dev nd-a").stdout or "again and again" in built.log(), "the address is back", 10)
    assert built.log().count("again and again") == 1, built.log()


def test_lost_events_lead_to_a_full_look(built):
    """While netd stands still, more happens than a socket's queue holds."""
    with built.paused_daemon():
        built.shell("""
            ip link add noise type veth peer name noise2
            i=0; while [ $i -lt 4000 ]; do echo "link set noise up"; echo "link set noise down"; i=$((i+1)); done | ip -batch -
            ip link del noise
            ip link set nd-a down; ip addr flush dev nd-b; ip -n far addr flush dev eth0; nft flush ruleset""")
    healed(built, "all of it is healed")
    assert "events of the kernel were lost" in built.log()
