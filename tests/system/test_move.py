"""ns move-in, ns move-out: an interface of the host goes into a namespace, and comes back with what it had, whatever happens meanwhile."""

import json
import os

import pytest

from lib.host import NETD_CTL
from lib.wait import wait_for

HELD = "/run/netd/moved"


def lan(host):
    """An interface of the host with addresses and routes of both families, as a card would have."""
    host.shell("""ip link add lan type veth peer name far
        ip link set lan alias "plugged in"
        ip link set far up; ip link set lan mtu 1400 up
        ip addr add 198.51.100.1/24 brd + dev lan
        ip addr add 198.51.100.9/24 dev lan label lan:x
        ip addr add 192.168.7.1 peer 192.168.7.2/32 dev lan
        ip addr add 2001:db8:7::1/64 dev lan nodad
        ip route add 203.0.113.0/24 via 198.51.100.2 metric 50
        ip route add 10.99.0.0/16 dev lan src 198.51.100.9 table 77
        ip route add 2001:db8:8::/48 via 2001:db8:7::2 dev lan""")


@pytest.fixture
def home(netd):
    lan(netd)
    netd.ctl("ns", "create", "web")
    return netd


def listed(done):
    """A table that has no routes is none."""
    return done.json if done.returncode == 0 else []


def had(host, ifname="lan"):
    """All that the host knows of an interface, without counters and what comes by itself with time."""
    link, = host.json("ip", "-j", "link", "show", "dev", ifname)
    addresses = [{key: value for key, value in one.items() if key != "tentative"} for one in host.json("ip", "-j", "addr", "show", "dev", ifname)[0]["addr_info"]]
    routes = [route for family, table in (("-4", "main"), ("-4", "77"), ("-6", "main"))
              for route in listed(host.run("ip", family, "-j", "route", "show", "table", table, "dev", ifname, check=False))]
    return ({key: link[key] for key in ("ifname", "ifindex", "address", "mtu", "ifalias", "flags") if key in link} | {"master": link.get("master")},
            sorted(addresses, key=lambda one: one["local"]), sorted(routes, key=str))


def names(place):
    return [link["ifname"] for link in place.json("ip -j link")]


def inside(host, name="web"):
    return sorted(names(host.ns(name)))


def on_host(host, ifname="lan"):
    return ifname in names(host)


def held(host):
    return os.listdir(host.file(HELD)) if host.file(HELD).exists() else []


def test_there_and_back(home):
    before = had(home)
    done = home.ctl("ns", "move-in", "web", "lan")
    assert done.stdout == "lan: lan in web (undo: netd-ctl ns move-out web lan)\n"
    assert inside(home) == ["lan", "lo"] and not on_host(home)
    link, = home.ns("web").json("ip -j link show dev lan")
    assert "UP" in link["flags"] and link["mtu"] == 1400
    assert [one["family"] for one in home.ns("web").json("ip -j addr show dev lan")[0]["addr_info"]] in ([], ["inet6"]), "its addresses stay behind"
    assert home.ctl_json("ns", "inspect", "web")[0]["moved"] == [{"interface": "lan", "name": "lan"}]
    assert "lan as lan" in home.ctl("ns", "inspect", "web").stdout
    assert home.ctl("ns", "move-out", "web", "lan").stdout == "removed interface lan from namespace web\n"
    assert inside(home) == ["lo"]
    wait_for(lambda: had(home) == before, lambda: f"it has what it had: {had(home)}, not {before}")
    assert held(home) == [] and home.ctl_json("ns", "inspect", "web")[0]["moved"] == []


def test_by_another_name(home):
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan", "--name", "uplink")
    assert inside(home) == ["lo", "uplink"]
    home.ctl("ns", "move-out", "web", "uplink")
    wait_for(lambda: had(home) == before, "it has what it had")


def test_renamed_and_configured_by_the_tenant(home):
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan")
    home.ns("web").shell("""ip link set lan down; ip link set lan name mine alias theirs; ip link set mine up
        ip addr add 172.31.0.1/24 dev mine; ip link add lan type veth peer name x""")
    home.ctl("ns", "move-out", "web", "lan")
    assert inside(home) == ["lan", "lo", "x"]
    wait_for(lambda: on_host(home), "it is back")
    link, addresses, routes = had(home)
    assert (addresses, routes) == before[1:] and link["address"] == before[0]["address"]


def test_a_tap(home):
    home.shell("ip tuntap add tap0 mode tap; ip link set tap0 up; ip addr add 198.18.0.1/24 dev tap0")
    home.ctl("ns", "move-in", "web", "tap0")
    assert inside(home) == ["lo", "tap0"]
    home.ctl("ns", "move-out", "web", "tap0")
    assert [one["local"] for one in home.json("ip -j -4 addr show dev tap0")[0]["addr_info"]] == ["198.18.0.1"]


def test_what_is_down_stays_down(home):
    home.shell("ip link add idle type veth peer name idle-far")
    home.ctl("ns", "move-in", "web", "idle")
    assert "UP" not in home.ns("web").json("ip -j link show dev idle")[0]["flags"]
    home.ctl("ns", "move-out", "web", "idle")
    assert "UP" not in home.json("ip -j link show dev idle")[0]["flags"]


# --- what is refused ---

def test_refused(home):
    home.ctl("connect", "default", "web")
    home.ctl("ns", "create", "db")
    home.ctl("ns", "move-in", "db", "lan")
    outer = home.ctl_json("ns", "inspect", "web")[0]["endpoints"][0]["host_interface"]
    home.shell("ip link add br7 type bridge; ip link add eth0 type veth peer name p; ip link property add dev far altname plug")
    home.ns("web").run("ip link property add dev eth0 altname foo")
    for words, status, text in (
            (("web", "nothing"), 3, "no such interface"), (("none", "far"), 3, "no such namespace"), (("web", "lo"), 1, "loopback"),
            (("web", "netd0"), 1, "netd's own"), (("web", outer), 1, "netd's own"), (("web", "lan"), 5, "is in namespace db already"),
            (("web", "eth0"), 5, "has an interface eth0"), (("web", "p", "--name", "lo"), 5, "has an interface lo"),
            (("web", "far", "--name", "a b"), 2, "name"), (("web", "far", "--name", "all"), 2, "name"), (("web", "far", "--name", "default"), 2, "name"),
            (("web", "plug"), 1, "another name of interface far"), (("web", "far", "--name", "foo"), 5, "has an interface foo"), (("web", "far/x"), 2, "interface"), (("web", "br7"), 1, "cannot leave")):
        for force in ([], ["-f"]):
            assert text in home.ctl("ns", "move-in", *words, *force, check=status).stderr, words
    assert "not moved" in home.ctl("ns", "move-out", "web", "lan", check=3).stderr
    assert held(home) == ["lan"] and on_host(home, "br7")


def test_refused_without_force(home):
    """What carries the default route, the caller's own connection, or belongs to another."""
    home.shell("ip link add br7 type bridge; ip link set br7 up; ip link set far master br7")
    ssh = {"SSH_CONNECTION": "203.0.113.5 40000 198.51.100.9 22"}
    assert "default route" in home.ctl("ns", "move-in", "web", "up-out", check=1).stderr
    assert "belongs to br7" in home.ctl("ns", "move-in", "web", "far", check=1).stderr
    assert "own connection" in home.ctl("ns", "move-in", "web", "lan", check=1, env=ssh).stderr
    home.ctl("ns", "move-in", "web", "lan", "--dry-run", env={"SSH_CONNECTION": "203.0.113.5 40000 192.0.2.1 22"})
    # One that goes over a link-local address names the interface, too.
    home.run("ip addr add fe80::1:2:3:4/64 dev lan nodad")
    assert "own connection" in home.ctl("ns", "move-in", "web", "lan", check=1, env={"SSH_CONNECTION": "fe80::9%lan 40000 fe80::1:2:3:4%lan 22"}).stderr
    # Without the variable itself, as behind sudo.
    shell = f"unset SSH_CONNECTION; {NETD_CTL} ns move-in web lan; echo $?"
    assert home.run("bash", "-c", f"bash -c '{shell}'; true", env=ssh).lines == ["1"]
    before = had(home, "far")
    home.ctl("ns", "move-in", "web", "far", "-f")
    assert home.json("ip -j link show master br7") == []
    home.ctl("ns", "move-out", "web", "far")
    wait_for(lambda: had(home, "far") == before, "it belongs to its bridge again")
    home.ctl("ns", "move-in", "-f", "web", "lan", env=ssh)
    home.ctl("ns", "move-out", "web", "lan")
    before = had(home, "up-out")
    home.ctl("ns", "move-in", "-f", "web", "up-out")
    assert home.json("ip -j route show default") == []
    home.ctl("ns", "move-out", "web", "up-out")
    assert [route["dev"] for route in home.json("ip -j route show default")] == ["up-out"]
    wait_for(lambda: had(home, "up-out") == before, "it has what it had")


def test_forwarding_follows(home):
    """netd switches forwarding on for the host's interfaces: for one that comes back, too, and not for one that is away."""
    switch = "/proc/sys/net/ipv4/conf/lan/forwarding"
    wait_for(lambda: home.run("cat", switch).stdout == "1\n", "netd has switched it on")
    home.ctl("ns", "move-in", "web", "lan")
    assert home.ns("web").run("cat", switch).stdout == "0\n"
    home.ctl("ns", "move-out", "web", "lan")
    wait_for(lambda: home.run("cat", switch).stdout == "1\n", "netd has switched it on again")


def bridged(host):
    """A card that is the port of a bridge, and has addresses and routes all the same."""
    host.shell("ip link add br7 type bridge; ip link set br7 up; ip link set lan master br7")
    return had(host)


def test_a_name_that_is_taken_inside(home):
    """By another interface's other name, which a tenant may give it: nothing was touched on the host."""
    home.ctl("connect", "default", "web")
    home.ns("web").shell("ip link property add dev eth0 altname foo; ip link property add dev eth0 altname lan")
    before = bridged(home)
    for name in ([], ["--name", "foo"]):
        assert "has an interface" in home.ctl("ns", "move-in", "web", "lan", "-f", *name, check=5).stderr
        assert had(home) == before and held(home) == []
    # That the kernel has one more reason is found out by it alone.
    home.run("ip link property add dev lan altname bar")
    home.ns("web").run("ip link property add dev eth0 altname bar")
    assert "has its name, or another one of its names" in home.ctl("ns", "move-in", "web", "lan", "-f", "--name", "uplink", check=1).stderr
    assert had(home) == before and held(home) == [] and inside(home) == ["eth0", "lo"]
    assert not home.file(HELD).exists()


# --- whatever happens meanwhile ---

def test_the_namespace_is_removed(home):
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan")
    done = home.ctl("ns", "rm", "web")
    assert "interface lan from namespace web" in done.stdout
    assert had(home) == before and held(home) == []


def test_the_namespace_is_removed_by_someone(home):
    """A veth or a tap would end with its namespace; it does not."""
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan")
    home.run("ip netns del web")
    wait_for(lambda: on_host(home) and had(home) == before, "it is back, with what it had")
    wait_for(lambda: held(home) == [], "nothing holds the namespace")


def test_removed_while_netd_is_down(home):
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan")
    home.stop_daemon()
    home.run("ip netns del web")
    home.start_daemon()
    assert had(home) == before and held(home) == []


def test_an_adopted_one_is_kept_in_mind(home):
    before = had(home)
    home.run("ip netns add theirs")
    home.ctl("ns", "move-in", "theirs", "lan")
    home.ctl("connect", "default", "theirs")
    home.ctl("disconnect", "default", "theirs")
    assert home.ctl_json("ns", "inspect", "theirs")[0]["moved"] == [{"interface": "lan", "name": "lan"}]
    home.run("ip netns del theirs")
    wait_for(lambda: on_host(home) and had(home) == before, "it is back, with what it had")


def test_restart_finds_nothing_to_do(home):
    home.ctl("ns", "move-in", "web", "lan", "--name", "uplink")
    before = home.snapshot()
    home.restart_daemon()
    assert home.snapshot() == before and "repair:" not in home.log()
    home.ctl("ns", "move-out", "web", "lan")
    assert on_host(home)


def test_taken_back_by_someone(home):
    """Moved to the host by hand: netd brings it in again at the next look, as it does at a start."""
    home.ctl("ns", "move-in", "web", "lan")
    home.stop_daemon()
    home.run("nsenter --net=/run/netns/web ip link set lan netns 1")
    home.start_daemon()
    assert inside(home) == ["lan", "lo"]


def test_taken_out_under_its_inner_name(home):
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan", "--name", "uplink")
    home.run("nsenter --net=/run/netns/web ip link set uplink netns 1")
    wait_for(lambda: inside(home) == ["lo", "uplink"], "it is in the namespace again", 20)
    home.ctl("ns", "move-out", "web", "lan")
    wait_for(lambda: had(home) == before, "it has what it had")


def test_gone_for_good(home):
    """A pair whose other end is deleted is no more; the namespace can be removed all the same."""
    home.ctl("ns", "move-in", "web", "lan")
    home.run("ip link del far")
    home.ctl("ns", "move-out", "web", "lan")
    assert "not in namespace web any more" in home.log() and held(home) == []
    home.ctl("ns", "rm", "web")


def test_its_name_was_given_to_another(home):
    home.ctl("ns", "move-in", "web", "lan")
    home.shell("ip link add lan type veth peer name lan-far; ip link set lan addr 02:00:00:00:00:99")
    home.ctl("ns", "move-out", "web", "lan")
    back, = [link for link in home.json("ip -j link") if link["ifname"].startswith("lan_")]
    addresses = [one["local"] for one in home.json(f"ip -j -4 addr show dev {back['ifname']}")[0]["addr_info"]]
    assert sorted(addresses) == ["192.168.7.1", "198.51.100.1", "198.51.100.9"]
    assert "another one has its name" in home.log()


def test_reboot(home):
    """A card is on the host again: it goes back into the namespace that comes back, and keeps in mind what it had before."""
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan", "--name", "uplink")
    home.reboot()
    lan(home)
    home.start_daemon()
    assert inside(home) == ["lo", "uplink"] and not on_host(home)
    home.ctl("ns", "move-out", "web", "lan")
    wait_for(lambda: on_host(home), "it is back")
    assert lasting(had(home)) == lasting(before)


def lasting(had):
    """Without what the kernel derives from the MAC address, which a new pair has another one of."""
    return [one for one in had[1] if not one["local"].startswith("fe80:")], had[2]


def test_plugged_in_after_a_reboot(home):
    home.ctl("ns", "move-in", "web", "lan")
    home.reboot()
    home.start_daemon()
    assert inside(home) == ["lo"]
    home.shell("ip link add lan type veth peer name far")
    wait_for(lambda: inside(home) == ["lan", "lo"], "it is moved in when it comes")


def test_cleanup_brings_it_back(home):
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan")
    home.stop_daemon()
    home.run(home.netd, "--cleanup")
    wait_for(lambda: on_host(home) and had(home) == before, "it is back, with what it had")
    assert not home.file("/run/netd").exists()


def test_a_record_that_was_damaged(home):
    """The database has all of it, too."""
    before = had(home)
    home.ctl("ns", "move-in", "web", "lan")
    home.stop_daemon()
    home.run(f"truncate -s 0 {HELD}/lan/record")
    home.start_daemon()
    assert inside(home) == ["lan", "lo"]
    home.ctl("ns", "move-out", "web", "lan")
    wait_for(lambda: on_host(home) and had(home) == before, "it is back, with what it had")
    assert held(home) == []


def test_cleanup_after_one_was_there_and_back(home):
    home.ctl("ns", "move-in", "web", "lan")
    home.ctl("ns", "move-out", "web", "lan")
    home.stop_daemon()
    home.run(home.netd, "--cleanup")
    assert not home.file("/run/netd").exists()


@pytest.mark.parametrize("way, call, when", [
    ("in", "mount", 1), ("in", "umount2", 1), ("in", "fdatasync", 1), ("in", "unlink", 2),  # the first unlink is of the start: a journal's leftover
    ("out", "umount2", 1), ("out", "fdatasync", 1), ("out", "unlink", 2),
])
def test_killed_on_the_way(home, way, call, when):
    before = had(home)
    if way == "out":
        home.ctl("ns", "move-in", "web", "lan")
    home.stop_daemon()
    home.start_daemon(prefix=["strace", "-f", "-o", "/dev/null", "-e", f"inject={call}:signal=SIGKILL:when={when}"])
    home.ctl("ns", f"move-{way}", "web", "lan", check=False)
    wait_for(lambda: not home.daemon.running(), "netd is killed")
    home.kill_daemon()
    home.start_daemon()
    if home.ctl_json("ns", "inspect", "web")[0]["moved"]:
        assert inside(home) == ["lan", "lo"]
        home.ctl("ns", "move-out", "web", "lan")
    wait_for(lambda: on_host(home) and had(home)[1:] == before[1:], lambda: f"it has what it had: {had(home)[1:]}, not {before[1:]}")
    assert held(home) == []


def test_a_refused_change_is_taken_back(home):
    """The database takes no commit: the interface is where it was, with what it had."""
    before = had(home)
    home.stop_daemon()
    home.start_daemon(prefix=["strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO"])
    home.ctl("ns", "move-in", "web", "lan", check=1)
    wait_for(lambda: on_host(home) and had(home) == before, lambda: f"it has what it had: {had(home)}, not {before}")
    assert inside(home) == ["lo"] and held(home) == []


def test_dry_run_tells_it(home):
    before = had(home)
    told = home.ctl("ns", "move-in", "web", "lan", "--name", "uplink", "--dry-run").lines
    at = told.index("ip link set dev lan netns web name uplink")
    assert told[at + 1] == "ip -n web link set dev uplink up"
    assert had(home) == before
    home.ctl("ns", "move-in", "web", "lan", "--name", "uplink")
    told = home.ctl("ns", "move-out", "web", "lan", "--dry-run").lines
    assert "ip -n web link set dev uplink netns 1 name lan" in told and "ip link set dev lan up" in told
    home.stop_daemon()
    home.shell("\n".join(told))
    wait_for(lambda: {one["local"] for one in had(home)[1]} == {one["local"] for one in before[1]}, "the commands do it")
