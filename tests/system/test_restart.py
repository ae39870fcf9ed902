"""Stop, kill, start, reboot: the kernel is made what the database says, and nothing is touched that is so already."""

import itertools
import re
import shutil
import sqlite3

import pytest

from lib.host import NETD_CTL
from lib.many import connect_many
from lib.snapshot import assert_same
from lib.wait import wait_for

OWN = ["file /run/netd"]
UNNAMED = re.compile(r"nlmsg_type=(0x[0-9a-f]+) /\* NLMSG_\?\?\? \*/")
CHANGING = re.compile(r"RTM_(NEW|DEL|SET)\w+|NFT_MSG_(NEW|DEL|DESTROY)\w+|IPCTNL_MSG_CT_(NEW|DELETE)")


@pytest.fixture
def built(netd):
    """One of everything. The host's resolver is a loopback address, so that namespaces get files of their own."""
    netd.stop_daemon()
    netd.stub_resolver()
    netd.start_daemon()
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--bridge", "nd-a")
    netd.ctl("network", "create", "closed", "--subnet", "10.77.1.0/24", "--bridge", "nd-b", "--internal")
    netd.ctl("connect", "my-net", "web", "--ip", "10.77.0.2")
    netd.ctl("connect", "closed", "web")
    netd.ctl("connect", "my-net", "db")
    for spec in ("8080:80/tcp", "8080:80/udp", "192.0.2.1:9090:80"):
        netd.ctl("publish", spec, "web")
    netd.outer = {item["namespace"]: item["host_interface"]
                  for item in netd.ctl_json("network", "inspect", "my-net")[0]["endpoints"]}
    return netd


def lists(host):
    return {noun: host.ctl_json(*noun.split()) for noun in ("network ls", "ns ls", "ports")}


# --- nothing to do ---

CLAIMS = ["add table bridge netd", "add table inet netd"]


@pytest.mark.parametrize("kept", (False, True), ids=("claiming", "kept"))
def test_start_with_nothing_to_do_is_heard_by_no_one(built, kept):
    """Seen from outside. Tables whose owner was not kept are claimed again: that is announced, though they do not change."""
    built.restart_daemon(keep=kept)
    built.stop_daemon()
    before = built.snapshot(inside=True, without=OWN)
    heard = built.dir / "heard"
    numbers = itertools.count()
    with heard.open("a") as file, built.spawn("ip", "monitor", "all", stdout=file), \
            built.spawn("nft", "monitor", stdout=file):
        def both_heard(number):
            """Both monitors are listening, and are done with what came before, once they have heard this."""
            built.shell(f"ip link add marker{number} type bridge; nft add table inet marker{number}")
            text = heard.read_text()
            return re.search(r": marker", text) and "add table inet marker" in text

        wait_for(lambda: both_heard(next(numbers)), "the monitors listen")
        heard.write_text("")
        built.start_daemon()
        wait_for(lambda: both_heard(next(numbers)), "the monitors are done")
        built.shell("for link in $(ls /sys/class/net | grep marker); do ip link del $link; nft delete table inet $link; done")
    lines = [line for line in heard.read_text().splitlines()
             if line and "marker" not in line and not line.startswith("# new generation")]
    assert sorted(line for line in lines if re.search(r"netd|nv[0-9a-f]{6}|nd-[ab]|10\.77\.", line)) == ([] if kept else CLAIMS)
    assert_same(before, built.snapshot(inside=True, without=OWN), "a start with nothing to do changes nothing")


def changing_messages(line):
    """strace knows what a socket is for only where it is the host's and was used before. Of the others it gives the number of the message:
    in rtnetlink its last two bits say new, del, get, set; of what begins at 0x100, netfilter, none is expected."""
    yield from (match[0] for match in CHANGING.finditer(line))
    for match in UNNAMED.finditer(line):
        number = int(match[1], 16)
        if number & 3 != 2 or number >= 0x100:
            yield f"message {number}"


def traced_start(host):
    """Calls of a start, and its changing messages with their calls."""
    trace = host.dir / "trace"
    host.start_daemon(prefix=["strace", "-f", "-s", "4096", "-o", trace,
                              "-e", "trace=sendmsg,sendto,sendmmsg,mount,umount2,openat,unlink,unlinkat"],
                      env={"ASAN_OPTIONS": "detect_leaks=0"}, deadline=60)
    calls = trace.read_text().splitlines()
    return calls, [(message, line) for line in calls if "nlmsg_type" in line for message in changing_messages(line)]


def start_changes_nothing(host, kept, questions):
    """After a netd that is running. Counted: no changing message, but for the claim of tables that no one owns; no mount; no sysctl written.
    More than so many questions."""
    host.stop_daemon()
    calls, changing = traced_start(host)
    host.stop_daemon()
    wanted = [] if kept else ["NFT_MSG_NEWTABLE"] * 2
    assert [message for message, _ in changing] == wanted, "\n".join(line for _, line in changing)
    assert f"changes to the kernel: {len(wanted)}\n" in host.log()
    assert not [line for line in calls if re.search(r"\b(mount|umount2)\(", line)]
    assert not [line for line in calls if "/proc/sys/" in line and re.search(r"O_WRONLY|O_RDWR", line) and "pid_max" not in line]
    assert len([line for line in calls if "nlmsg_type" in line]) > questions, "strace shows the netlink messages"


def test_changing_messages_are_counted_in_namespaces_too(built):
    built.stop_daemon()
    built.run("ip -n web addr flush dev eth0")
    built.run("ip link set nd-a mtu 1300")
    _, changing = traced_start(built)
    assert [message for message, _ in changing] == [
        "NFT_MSG_NEWTABLE", "NFT_MSG_NEWTABLE", "RTM_SETLINK", "message 20", *4 * ["message 24"], "RTM_NEWNEIGH"]  # RTM_NEWADDR, RTM_NEWROUTE
    assert "changes to the kernel: 9\n" in built.log(), "as netd counts them itself"


@pytest.mark.parametrize("kept", (False, True), ids=("claiming", "kept"))
def test_start_with_nothing_to_do_sends_no_changing_message(built, kept):
    built.restart_daemon(keep=kept)
    start_changes_nothing(built, kept, 10)


def test_start_with_a_thousand_endpoints_and_nothing_to_do_sends_no_changing_message(netd):
    connect_many(netd, 1000)
    for port in range(9000, 9100):
        assert netd.http("POST", "/v1/publications", {"host_port": port, "port": 80, "namespace": f"n{port % 1000}"}).status == 201
    netd.stop_daemon()
    for kept in (False, True):
        netd.start_daemon(keep=kept)
        start_changes_nothing(netd, kept, 1000)


def test_start_with_nothing_to_do_repairs_nothing(built):
    """An adopted namespace is looked at like one that netd made."""
    built.run("ip netns add theirs")
    built.ctl("connect", "my-net", "theirs")
    built.restart_daemon()
    assert "repair" not in built.log()
    built.ns("theirs").sysctl("net/ipv6/conf/eth0/disable_ipv6", 0)
    built.restart_daemon()
    assert "net/ipv6/conf/eth0/disable_ipv6 in theirs" in built.log()
    assert built.ns("theirs").sysctl("net/ipv6/conf/eth0/disable_ipv6") == "1"


def test_restart_changes_no_answer(built):
    before = lists(built)
    built.restart_daemon()
    assert lists(built) == before


# --- what was destroyed while netd was stopped ---

DESTROYED = {
    "bridge": "ip link del nd-a",
    "bridge down": "ip link set nd-a down",
    "bridge's MTU": "ip link set nd-a mtu 1300",
    "bridge's MAC": "ip link set nd-a address 02:00:00:00:00:99",
    "bridge's address": "ip addr del 10.77.0.1/24 dev nd-a",
    "veth": "ip link del {web}",
    "veth from inside": "ip -n web link del eth0",
    "names": "ip link set nd-a down; ip link set nd-a name z-mine; ip link set {web} down; ip link set {web} name a-mine",
    "outer end down": "ip link set {web} down",
    "outer end without bridge": "ip link set {web} nomaster",
    "outer end on another bridge": "ip link set {web} master nd-b",
    "inner end down": "ip -n web link set eth0 down",
    "inner end's name": "ip -n web link set eth0 down; ip -n web link set eth0 name other",
    "inner end's MAC": "ip -n web link set eth0 address 02:00:00:00:00:98",
    "inner end's MTU": "ip -n web link set eth0 mtu 1300",
    "lo down": "ip -n web link set lo down",
    "marks": "ip link set nd-a alias ''; ip link set {web} alias ''",
    "address": "ip -n web addr flush dev eth0",
    "bridge's subnet route": "ip route del 10.77.0.0/24 dev nd-a",
    "bridge's subnet route elsewhere": "ip route replace 10.77.0.0/24 dev nd-b",
    "subnet route": "ip -n web route del 10.77.0.0/24 dev eth0",
    "subnet route of someone else's making": "ip -n web route replace 10.77.0.0/24 dev eth0",
    "default route": "ip -n web route del default",
    "default route elsewhere": "ip -n web route replace default via 10.77.0.9",
    "namespace's links all": "ip -n web link del eth0; ip -n web link del eth1",
    "inet table": "nft delete table inet netd",
    "bridge table": "nft delete table bridge netd",
    "whole ruleset": "nft flush ruleset",
    "a guard's rules": "nft flush chain inet netd nd_guard",
    "a rule": "nft delete rule inet netd nd_published handle $(nft -a list chain inet netd nd_published | awk '/drop/{{print $NF}}')",
    "a rule too many": "nft insert rule inet netd nd_forward accept",
    "a chain": "nft flush chain inet netd nd_output; nft delete chain inet netd nd_output",
    "a published port": "nft delete element inet netd nd_any4 '{{ tcp . 8080 }}'",
    "a published port elsewhere": "nft delete element inet netd nd_any4 '{{ tcp . 8080 }}';"
                                  " nft add element inet netd nd_any4 '{{ tcp . 8080 : 10.77.0.99 . 80 }}'",
    "a port too many": "nft add element inet netd nd_any4 '{{ tcp . 9999 : 10.77.0.2 . 80 }}'",
    "a guard's element": "nft delete element inet netd nd_closed '{{ nd-b }}'",
    "an endpoint's guard": "nft delete element bridge netd nd_ports '{{ {web} }}'",
    "forwarding of the uplink": "echo 0 >/proc/sys/net/ipv4/conf/up-out/forwarding",
    "forwarding of the bridge": "echo 0 >/proc/sys/net/ipv4/conf/nd-a/forwarding",
    "route_localnet": "echo 0 >/proc/sys/net/ipv4/conf/nd-a/route_localnet",
    "resolv.conf": "rm -r /etc/netns/web",
    "resolv.conf's content": "sed -i s/192.0.2.2/192.0.2.9/ /etc/netns/web/resolv.conf",
    "everything": "nft flush ruleset; ip link del nd-a; ip link del nd-b; ip link del {web}; ip link del {db}; rm -r /etc/netns",
}


@pytest.mark.parametrize("kind", DESTROYED)
def test_start_restores(built, kind):
    before = built.snapshot(inside=True, without=OWN)
    built.stop_daemon()
    built.shell(DESTROYED[kind].format(**built.outer))
    assert before.diff(built.snapshot(inside=True, without=OWN)), "something was destroyed"
    built.start_daemon()
    assert_same(before, built.snapshot(inside=True, without=OWN), f"{kind}: start restores what was")


def test_start_removes_its_own_orphans(built):
    """What bears this instance's mark and is in no database."""
    before = built.snapshot(inside=True, without=OWN)
    alias = built.json("ip", "-j", "link", "show", built.outer["web"])[0]["ifalias"]
    instance = alias.split(":")[1]
    built.stop_daemon()
    built.shell(f"""ip link add nvffffff type veth peer name eth9 netns web
        ip link set nvffffff alias netd:{instance}:my-net/gone
        ip link add netd-ffffff type bridge; ip link set netd-ffffff alias netd:{instance}:gone
        ip link add foreign type bridge; ip link set foreign alias someone""")
    built.start_daemon()
    built.run("ip link del foreign")
    assert_same(before, built.snapshot(inside=True, without=OWN), "orphans are gone, the foreign bridge was there")


# --- running traffic ---

@pytest.mark.parametrize("ending", ("stop_daemon", "kill_daemon"))
def test_running_traffic_survives(built, out, ending):
    built.ns("web").serve(80)
    out.serve(80)
    streams = [out.stream("tcp", "192.0.2.1", 8080), out.stream("udp", "192.0.2.1", 8080), built.stream("tcp", "127.0.0.1", 8080),
               built.ns("web").stream("tcp", "192.0.2.2", 80), built.ns("db").stream("udp", "10.77.0.2", 80)]
    try:
        for stream in streams:
            stream.wait()
        getattr(built, ending)()
        for stream in streams:
            stream.wait(5)
        assert out.ask("tcp", "192.0.2.1", 8080).peer == out.address  # new connections, too
        built.start_daemon()
        for stream in streams:
            stream.wait(5)
    finally:
        for stream in streams:
            stream.close()
    for stream in streams:
        assert stream.error is None
        assert stream.lost <= 2, "no datagram was lost, but for one on its way at the end"


def test_killed_daemon_leaves_what_start_needs_not_change(built):
    before = built.snapshot(inside=True, without=OWN)
    built.kill_daemon()
    assert_same(before, built.snapshot(inside=True, without=OWN), "a killed netd leaves everything as it is")
    built.start_daemon()
    assert_same(before, built.snapshot(inside=True, without=OWN), "and so does the next start")


def test_killed_in_the_middle_of_changes(built):
    """Whatever was acknowledged is there, nothing is leaked."""
    clients = []
    for number in range(12):
        name = f"n{number}"
        clients.append((name, built.spawn(NETD_CTL, "connect", "my-net", name)))
    wait_for(lambda: clients[2][1].running() is False, "some are done")
    built.kill_daemon()
    done = [name for name, client in clients if client.wait() == 0]
    built.start_daemon()
    connected = {item["namespace"] for item in built.ctl_json("network", "inspect", "my-net")[0]["endpoints"]}
    assert set(done) <= connected
    listed = {item["name"] for item in built.ctl_json("ns", "ls") if item["origin"] == "created"}
    left = set(built.run("ls", "/run/netns").stdout.split())
    assert left == listed, built.run("sh", "-c", "stat -f -c '%n %T' /run/netns/*; ls /run/netd/*").stdout
    ports = {item["ifname"] for item in built.json("ip -j link show type veth") if item.get("master")}
    assert ports == {item["host_interface"] for network in built.ctl_json("network", "ls") for item in network["endpoints"]}


# --- reboot ---

def test_reboot_brings_everything_back(built, out):
    before, kernel = built.objects(), built.snapshot(inside=True, without=OWN)
    built.reboot()
    assert not {"netns", "netd", "systemd"} & set(built.run("ls", "/run").stdout.split())
    built.stub_resolver()
    built.start_daemon()
    assert built.objects() == before
    assert_same(kernel, built.snapshot(inside=True, without=OWN), "after a reboot the kernel is as before")
    built.ns("web").serve(80)
    for protocol in ("tcp", "udp"):
        assert out.ask(protocol, "192.0.2.1", 8080).peer == out.address


@pytest.mark.parametrize("mounted", (True, False), ids=("after the mount", "before the mount"))
def test_killed_in_the_first_start_after_a_reboot(built, mounted):
    """Namespaces are made again, but the database does not know it yet: they are still netd's."""
    before = built.objects()
    built.reboot()
    copy = built.dir / "copy"
    shutil.copytree(built.state, copy)
    built.start_daemon()
    cookies = {item["name"]: item["cookie"] for item in built.ctl_json("ns", "ls")}
    built.kill_daemon()
    if not mounted:
        built.run("umount /run/netns/web")
    built.file("/run/netd/generation").unlink()  # it is written after the commit
    for path in built.state.iterdir():
        path.unlink()
    shutil.copytree(copy, built.state, dirs_exist_ok=True)
    built.start_daemon()
    assert built.objects() == before
    assert "error" not in built.log()
    same = {name for name, cookie in cookies.items() if {item["name"]: item["cookie"] for item in built.ctl_json("ns", "ls")}[name] == cookie}
    assert same == ({"web", "db"} if mounted else {"db"})
    built.ctl("ns", "rm", "web")


def test_killed_in_the_very_first_start(netd):
    """The default network is there, but the database does not know it yet: it is no reason to choose another subnet."""
    before = netd.snapshot(without=OWN), netd.ctl_json("network", "ls")
    netd.kill_daemon()
    netd.file("/run/netd/generation").unlink()
    with sqlite3.connect(netd.state / "netd.db") as database:
        database.executescript("DELETE FROM networks; DELETE FROM subnets; UPDATE meta SET next_id = 1, boot_id = ''")
    database.close()
    netd.start_daemon()
    assert netd.ctl_json("network", "ls") == before[1]
    assert_same(before[0], netd.snapshot(without=OWN), "the next start makes the same")


def test_repair_that_fails_in_one_place_is_complete_elsewhere(built):
    """Someone listens on a published port: the namespaces are known all the same."""
    built.reboot()
    built.serve(8080)
    built.start_daemon()
    assert "8080" in built.log() and "tries again" in built.log()
    built.run("ip netns del db")
    wait_for(lambda: "db" not in {item["name"] for item in built.ctl_json("ns", "ls")}, "db is released")
    built.restart_daemon()
    assert {item["name"]: item["origin"] for item in built.ctl_json("ns", "ls")} == {"web": "created"}


def test_link_that_was_led_elsewhere_is_made_anew(built):
    """With all that is netd's of it: also what looked right on the old one."""
    built.stop_daemon()
    before = built.snapshot(inside=True, without=OWN)
    built.shell("ip netns add other; ip -n web link set eth0 netns other")
    built.start_daemon()
    built.run("ip netns del other")
    assert_same(before, built.snapshot(inside=True, without=OWN), "the pair is as before")


def test_reboot_forgets_what_was_adopted(netd):
    netd.run("ip netns add theirs")
    netd.ctl("connect", "default", "theirs")
    netd.ctl("publish", "8080:80", "theirs")
    netd.reboot()
    netd.start_daemon()
    assert netd.ctl_json("ns", "ls") == []
    assert netd.ctl_json("network", "inspect", "default")[0]["endpoints"] == []
    assert [port["state"] for port in netd.ctl_json("ports")] in ([], ["pending"])
    netd.run("ip netns add theirs")
    netd.ctl("connect", "default", "theirs")


# --- whose host is it ---

def refused_start(host, *args):
    before = host.snapshot(inside=True, without=OWN)
    with pytest.raises(AssertionError, match="before it was ready"):
        host.start_daemon(*args)
    assert_same(before, host.snapshot(inside=True, without=OWN), "a refused start changes nothing")
    return host.log()


def test_host_that_bears_another_instances_marks_is_refused(built):
    built.stop_daemon()
    other = built.dir / "other"
    other.mkdir()
    assert "--cleanup" in refused_start(built, "--state-dir", other)


def test_lost_state_directory_is_no_fresh_start(built):
    built.stop_daemon()
    for path in built.state.iterdir():
        path.unlink()
    assert "--cleanup" in refused_start(built)


def test_damaged_database_is_left_alone(built):
    built.stop_daemon()
    database = built.state / "netd.db"
    for path in built.state.iterdir():
        if path != database:
            path.unlink()
    damaged = b"This is no database.\n" * 400
    database.write_bytes(damaged)
    assert "netd.db" in refused_start(built)
    assert database.read_bytes() == damaged


def test_newer_database_is_left_alone(built):
    built.stop_daemon()
    path = built.state / "netd.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version = 9999")
    connection.close()
    before = path.read_bytes()
    assert "newer" in refused_start(built)
    assert path.read_bytes() == before
