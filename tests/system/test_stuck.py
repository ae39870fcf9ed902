"""What someone else holds, or has taken: a sentence says who, the state stays consistent, and there is a way out."""

import contextlib
import fcntl
import os
import re
import time

import pytest

from lib.snapshot import assert_same
from lib.wait import wait_for

OWN = ["file /run/netd"]
RETRY = 15.0  # what failed at the start is tried again, after ten seconds at most


def names(host):
    return [item["name"] for item in host.json("ip", "-j", "netns", "list")]


def netd_names(host):
    return sorted(item["name"] for item in host.ctl_json("ns", "ls"))


def in_host(host, process):
    """The number of a process as the host counts."""
    return re.search(r"^NSpid:.*\s(\d+)$", open(f"/proc/{process.pid}/status").read(), re.M)[1]


def log_of(host, pattern):
    return re.search(pattern, host.log())


# --- a namespace that lives on ---

@pytest.fixture
def web(netd):
    netd.ctl("connect", "default", "web")
    return netd


def removed_but(host, pattern):
    """Removes the namespace web, which someone holds: the answer says who, and nothing of netd's is left of it."""
    done = host.ctl("ns", "rm", "-f", "web")
    assert re.search(pattern, done.stderr), done.stderr
    assert "lives on" in done.stderr and "still held" not in done.stderr
    assert names(host) == [] and netd_names(host) == []
    assert host.ctl_json("network", "inspect", "default")[0]["endpoints"] == []
    wait_for(lambda: not [link for link in host.json("ip -j link") if link["ifname"].startswith("nv")], "the endpoint's link is gone")
    host.ctl("connect", "default", "web")  # the name is free
    host.restart_daemon()
    assert "repair" not in host.log()


def test_process_in_a_removed_namespace(web):
    with web.ns("web").spawn("sleep", "600") as inside:
        wait_for(lambda: web.ctl_json("ns", "inspect", "web")[0]["processes"] == 1, "the process is inside")
        refused = web.ctl("ns", "rm", "web", check=1).stderr
        assert f"1 process runs in it: {in_host(web, inside)} (sleep)" in refused and "-f" in refused
        removed_but(web, rf"process {in_host(web, inside)} \(sleep\) runs in it")
        assert inside.running()


def test_many_processes_are_counted_and_some_are_named(web):
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(web.ns("web").spawn("sleep", "600"))
        wait_for(lambda: web.ctl_json("ns", "inspect", "web")[0]["processes"] == 5, "the processes are inside")
        refused = web.ctl("ns", "rm", "web", check=1).stderr
        assert "5 processes run in it" in refused and refused.count("(sleep)") == 3 and "and 2 more" in refused
        removed_but(web, r"and 2 more")


def test_bind_mount_elsewhere(web):
    web.shell("touch /run/keep; mount --bind /run/netns/web /run/keep")
    removed_but(web, r"it is mounted on /run/keep, as process \d+ \(")
    web.run("nsenter --net=/run/keep true")
    assert "eth0" not in web.run("nsenter --net=/run/keep ip link").stdout


def test_bind_mount_in_another_mount_namespace(web):
    """Which shares nothing with the host's: no unmounting reaches it."""
    web.run("touch /run/keep")
    with web.spawn("unshare", "--mount", "--propagation", "private", "sh", "-c",
                   "mount --bind /run/netns/web /run/keep; exec sleep 600") as other:
        wait_for(lambda: "/run/keep" in open(f"/proc/{other.pid}/mountinfo").read(), "it is mounted there")
        wait_for(lambda: "sleep" in open(f"/proc/{other.pid}/comm").read(), "and held")
        removed_but(web, rf"it is mounted on /run/keep, as process {in_host(web, other)} \(sleep\) sees it")


def test_copy_of_the_mounts_in_another_mount_namespace(web):
    """As every service with PrivateMounts= has one. It goes with the file."""
    with web.spawn("unshare", "--mount", "--propagation", "private", "sleep", "600") as other:
        wait_for(lambda: "sleep" in open(f"/proc/{other.pid}/comm").read(), "the copy is made")
        assert "/run/netns/web" in open(f"/proc/{other.pid}/mountinfo").read()
        assert "lives on" not in web.ctl("ns", "rm", "web").stderr
        assert "/run/netns/web" not in open(f"/proc/{other.pid}/mountinfo").read()


def test_open_file(web):
    with web.spawn("sh", "-c", "exec sleep 600 9</run/netns/web") as other:
        wait_for(lambda: "sleep" in open(f"/proc/{other.pid}/comm").read(), "the file is open")
        removed_but(web, rf"process {in_host(web, other)} \(sleep\) has it open")


def test_nobody_holds_it(web):
    done = web.ctl("ns", "rm", "web")
    assert "lives on" not in done.stderr and done.stderr == ""


# --- names in /run/netns that are taken ---

ODD = {
    "directory": "mkdir /run/netns/web",
    "file": "echo x >/run/netns/web",
    "fifo": "mkfifo /run/netns/web",
    "link to itself": "ln -s web /run/netns/web",
    "link to nothing": "ln -s /nowhere /run/netns/web",
    "link through a file": "ln -s /etc/passwd/x /run/netns/web",
    "other file system": "touch /run/netns/web; mount --bind /etc/hosts /run/netns/web",
}
DIRECTORY = "ip netns add x; ip netns del x; "
CLEAR = "umount /run/netns/web 2>/dev/null || true; rm -rf /run/netns/web"


@pytest.mark.parametrize("kind", ODD)
def test_name_that_is_taken(netd, kind):
    netd.shell(ODD[kind])
    before = netd.snapshot(without=OWN)
    for command in (("ns", "create", "web"), ("connect", "default", "web")):
        done = netd.ctl(*command, check=False)
        assert done.returncode in (1, 5) and "web" in done.stderr and ("remove it" in done.stderr), done.stderr
    assert_same(before, netd.snapshot(without=OWN))
    netd.ctl("connect", "default", "other")
    assert netd_names(netd) == ["other"]
    netd.restart_daemon()
    assert netd_names(netd) == ["other"]
    netd.shell(CLEAR)
    netd.ctl("connect", "default", "web")


def test_stale_file(netd):
    """An empty file that a crash left is nobody's."""
    netd.shell("touch /run/netns/web /run/netns/db; chmod 0 /run/netns/db")
    netd.ctl("ns", "create", "web")
    netd.ctl("connect", "default", "db")
    assert names(netd) == ["db", "web"] or names(netd) == ["web", "db"]


@pytest.mark.parametrize("kind", [*ODD, "stale file"])
def test_name_that_is_taken_after_a_reboot(netd, kind):
    """By something that was there before netd. The rest comes back at once, this one when the name is free."""
    for name in ("web", "db"):
        netd.ctl("connect", "default", name)
    netd.reboot()
    netd.shell(DIRECTORY + ODD.get(kind, "touch /run/netns/web"))
    netd.start_daemon()
    assert netd_names(netd) == ["db", "web"]
    assert "eth0" in netd.ns("db").run("cat /proc/net/dev").stdout  # ip would open the fifo
    if kind != "stale file":
        assert log_of(netd, "create namespace web: create /run/netns/web .*tries again")
        netd.shell(CLEAR)
    wait_for(lambda: netd.run("ip -n web link show eth0", check=False).returncode == 0, "the namespace is back", RETRY)
    wait_for(lambda: netd.ctl_json("ns", "inspect", "web")[0]["cookie"] not in (None, "0"), "and known")
    netd.restart_daemon()
    assert "repair" not in netd.log()


# --- names of interfaces that are taken ---

def foreign_stays(host, name):
    """A bridge of someone else, with an address of its own, and a way to see that it is as it was."""
    host.shell(f"ip link add {name} type bridge; ip link set {name} address 02:00:00:00:00:77 mtu 1300; ip addr add 172.16.7.1/24 dev {name}")

    def state():
        link, = host.json("ip", "-j", "addr", "show", name)
        ports = [port["ifname"] for port in host.json("ip -j link") if port.get("master") == name]
        return (link["address"], link["mtu"], "UP" in link["flags"], [item["local"] for item in link["addr_info"]], ports,
                host.sysctl(f"net/ipv4/conf/{name}/route_localnet"), host.sysctl(f"net/ipv6/conf/{name}/disable_ipv6"))
    before = state()
    return lambda: state() == before


def test_bridge_name_is_taken(netd):
    same = foreign_stays(netd, "nd-a")
    done = netd.ctl("network", "create", "my-net", "--bridge", "nd-a", check=5)
    assert "nd-a" in done.stderr and same()
    assert netd.ctl("network", "ls", "-q").lines == ["default"]


def next_outer(host, network, name):
    return re.search(r"ip link add name (nv\w+)", host.ctl("connect", network, name, "--dry-run").stdout)[1]


def test_outer_name_is_taken(netd):
    outer = next_outer(netd, "default", "web")
    same = foreign_stays(netd, outer)
    before = netd.snapshot(without=OWN)
    done = netd.ctl("connect", "default", "web", check=1)
    assert f"the host has an interface {outer} that netd did not make" in done.stderr and same()
    assert_same(before, netd.snapshot(without=OWN), "a refused connect changes nothing")
    netd.run("ip", "link", "del", outer)
    netd.ctl("connect", "default", "web")


@pytest.fixture
def built(netd):
    netd.ctl("network", "create", "my-net", "--bridge", "nd-a", "--subnet", "10.77.0.0/24")
    netd.run("ip netns add theirs")
    for name in ("web", "theirs"):
        netd.ctl("connect", "my-net", name)
    netd.outer = {item["namespace"]: item["host_interface"] for item in netd.ctl_json("network", "inspect", "my-net")[0]["endpoints"]}
    netd.stop_daemon()
    netd.before = netd.snapshot(inside=True, without=OWN)
    return netd


def heals(host):
    wait_for(lambda: not host.before.diff(host.snapshot(inside=True, without=OWN)), "all is as before", RETRY, step=0.3)


def test_bridge_name_is_taken_at_start(built):
    """Nothing that is for netd's bridge is put on the other one: neither at the start, nor by what is asked for meanwhile."""
    built.run("ip link del nd-a")
    same = foreign_stays(built, "nd-a")
    built.start_daemon()
    assert log_of(built, "add bridge nd-a: .*the host has an interface nd-a that netd did not make.*tries again") and same()
    assert "nd-a" in built.ctl("connect", "my-net", "more", check=1).stderr and same()
    assert netd_names(built) == ["theirs", "web"]
    assert "10.77.0" not in built.run("ip route").stdout
    built.run("ip link del nd-a")
    heals(built)


def test_network_whose_bridge_is_anothers_is_removed(built):
    built.run("ip link del nd-a")
    same = foreign_stays(built, "nd-a")
    built.start_daemon()
    built.ctl("network", "rm", "-f", "my-net")
    assert same() and built.ctl("network", "ls", "-q").lines == ["default"]
    wait_for(lambda: not [link for link in built.json("ip -j link") if link["ifname"].startswith("nv")], "its endpoints' links are gone")
    assert same()


def test_outer_name_is_taken_at_start(built):
    outer = built.outer["web"]
    built.run("ip", "link", "del", outer)
    same = foreign_stays(built, outer)
    built.start_daemon()
    assert log_of(built, f"the host has an interface {outer} that netd did not make") and same()
    assert "eth0" in built.ns("theirs").run("ip link").stdout
    built.run("ip", "link", "del", outer)
    heals(built)


def test_inner_name_is_taken_at_start(built):
    """In a namespace that has a tenant of its own: it is theirs, and stays."""
    built.shell("ip -n theirs link del eth0; ip -n theirs link add eth0 type bridge; ip -n theirs link set eth0 address 02:00:00:00:00:78 mtu 1300")

    def same():
        link, = built.ns("theirs").json("ip -j addr show eth0")
        return (link["address"], link["mtu"], "UP" in link["flags"], link["addr_info"]) == ("02:00:00:00:00:78", 1300, False, [])
    built.start_daemon()
    assert log_of(built, "namespace theirs has an interface eth0 that netd did not make") and same()
    assert "eth0" in built.ns("web").run("ip link").stdout
    built.ctl("disconnect", "my-net", "theirs")
    assert same()
    built.ctl("connect", "my-net", "theirs")
    assert {link["ifname"] for link in built.ns("theirs").json("ip -j link")} == {"lo", "eth0", "eth1"}
    assert same()


def test_inner_name_is_taken_when_it_is_connected(netd):
    netd.shell("ip netns add theirs; ip -n theirs link add eth0 type bridge")
    assert netd.ctl_json("connect", "default", "theirs")["endpoint"]["interface"] == "eth1"


# --- the directory is removed, or locked ---

def test_directory_is_unmounted(netd):
    """All that was mounted in it goes with it; what is asked for next makes it anew."""
    netd.ctl("connect", "default", "web")
    netd.shell("umount -l /run/netns; rm -rf /run/netns/*")
    wait_for(lambda: netd_names(netd) == [], "the namespace is released")
    netd.ctl("connect", "default", "web")
    assert names(netd) == ["web"] and netd.run("stat -f -c %T /run/netns/web").stdout.strip() == "nsfs"
    netd.run("ip netns add theirs")
    assert netd_names(netd) == ["theirs", "web"]
    netd.restart_daemon()
    assert netd_names(netd) == ["theirs", "web"] and "repair" not in netd.log()


def test_directory_is_removed(netd):
    netd.ctl("connect", "default", "web")
    netd.shell("umount -l /run/netns; rm -r /run/netns")
    wait_for(lambda: netd_names(netd) == [], "the namespace is released")
    assert netd.ctl("ns", "rm", "web", check=3)
    netd.ctl("ns", "create", "web")
    netd.ctl("connect", "default", "web")
    assert names(netd) == ["web"]
    netd.restart_daemon()
    assert netd_names(netd) == ["web"] and "repair" not in netd.log()


def test_directory_is_removed_while_netd_is_down(netd):
    netd.ctl("connect", "default", "web")
    netd.stop_daemon()
    netd.shell("umount -l /run/netns; rm -r /run/netns")
    netd.start_daemon()
    assert netd_names(netd) == []
    netd.ctl("connect", "default", "web")


@contextlib.contextmanager
def locked(host):
    directory = os.open(f"/proc/{host.pid}/root/run/netns", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def test_lock_is_no_obstacle(netd):
    """Anyone who can open the directory can hold it. Like iproute2, netd needs it only to make the directory a mount."""
    with locked(netd):
        netd.ctl("connect", "default", "web")
        netd.ctl("ns", "create", "db")
        assert "still held" not in netd.ctl("ns", "rm", "web").stderr
    assert names(netd) == ["db"]


def test_lock_while_the_directory_is_made(netd):
    """Refused at once, with a word on who has it; others are served meanwhile, however many wait for it."""
    netd.run("umount /run/netns")
    with locked(netd):
        done = netd.ctl("ns", "create", "web", check=1)
        assert "/run/netns" in done.stderr and "has the lock" in done.stderr
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(netd.spawn("/bin/sh", "-c", f'"$0" ns create n{number}; test $? -eq 1', netd_ctl()))
                       for number in range(30)]
            started = time.monotonic()
            netd.ctl("network", "create", "my-net")
            served = time.monotonic() - started
            assert [client.wait(20) for client in clients] == [0] * len(clients)
        assert served < 10, "thirty that wait for the lock in turn would take longer"
    netd.ctl("ns", "create", "web")
    assert names(netd) == ["web"]


def netd_ctl():
    from lib.host import NETD_CTL
    return str(NETD_CTL)
