"""Whose host this is: another database, an older one, two daemons. A start is refused or takes over; what is alive is never cleaned up."""

import contextlib
import re
import shutil
import sqlite3
import subprocess

import pytest

from lib.host import NETD
from lib.snapshot import assert_same, wait_same
from lib.wait import wait_for

OWN = ["file /run/netd"]
RACES = 25


@pytest.fixture
def used(netd):
    """A host whose resolver is a loopback address, so that namespaces get files of their own."""
    netd.stop_daemon()
    netd.stub_resolver()
    netd.start_daemon()
    build(netd)
    return netd


def build(host):
    host.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--bridge", "nd-a")
    host.ctl("connect", "my-net", "web", "--ip", "10.77.0.2")
    host.ctl("connect", "my-net", "db", "--ip", "10.77.0.3")
    host.ctl("publish", "8080:80", "web")
    host.ctl("publish", "8080:80/udp", "web")


def look(host):
    return host.snapshot(inside=True, without=OWN)


def another(host):
    """Stops the daemon; a copy of its state directory as another instance, and which that is."""
    host.stop_daemon()
    theirs, other = save(host, "theirs"), "0123456789abcdef" * 2
    change_instance(theirs / "netd.db", other)
    return theirs, other


def refused(host, *args, prefix=()):
    """What a start says that is refused and changes nothing."""
    before = look(host)
    done = host.run(*prefix, NETD, *args, check=False, deadline=20)
    assert done.returncode == 1, done
    assert_same(before, look(host), "a refused start changes nothing")
    return done.stderr


def save(host, name):
    """A copy of the state directory, with a daemon stopped."""
    copy = host.dir / name
    shutil.copytree(host.state, copy)
    return copy


def restore(host, copy):
    for path in host.state.iterdir():
        path.unlink()
    for path in copy.iterdir():
        shutil.copy(path, host.state / path.name)


def instance(host):
    alias, = [link["ifalias"] for link in host.json("ip -j link show type bridge") if link["ifname"] == "netd0"]
    return alias.split(":")[1]


def marks(host):
    """Every instance that anything of this host bears the mark of."""
    found = set(re.findall(r"netd:([0-9a-f]{32})", host.run("ip link").stdout))
    found |= set(re.findall(r"netd:([0-9a-f]{32})", host.run("nft list ruleset").stdout))
    found |= set(re.findall(r"# netd: ([0-9a-f]{32})", host.shell("cat /etc/netns/*/resolv.conf 2>/dev/null || true").stdout))
    return found | set(re.findall(r"^([0-9a-f]{32}) ", host.shell("cat /run/netd/namespaces/* 2>/dev/null || true").stdout, re.M))


# --- another database ---

@pytest.mark.parametrize("kind", ("second", "empty", "unmounted"))
def test_another_database_is_refused(used, kind):
    """And says what helps. An unmounted /var is an empty directory."""
    used.stop_daemon()
    args = []
    if kind == "second":
        args = ["--state-dir", used.dir / "second"]
    elif kind == "empty":
        for path in used.state.iterdir():
            path.unlink()
    else:
        used.run("umount /var/lib/netd")
    said = refused(used, *args)
    assert instance(used) in said and "--take-over" in said and "--cleanup" in said
    assert "a new one" in said


def test_refused_start_leaves_traffic_and_the_right_database_starts(used):
    out, = used.neighbours
    used.ns("web").serve(80)
    with out.stream("tcp", "192.0.2.1", 8080) as stream:
        stream.wait()
        used.stop_daemon()
        before = look(used)
        refused(used, "--state-dir", used.dir / "second")
        stream.wait(5)
        used.start_daemon()
        stream.wait(5)
        assert_same(before, look(used))
    assert "repair" not in used.log()


def test_take_over_by_an_empty_database_removes_all(used):
    first = instance(used)
    used.stop_daemon()
    used.run("ip netns add theirs")
    used.start_daemon("--state-dir", used.dir / "second", "--take-over")
    assert f"takes over from instance {first}" in used.log()
    assert "take-over: remove namespace web" in used.log() and "take-over: remove bridge nd-a" in used.log()
    assert "netns: theirs" not in used.log()
    assert [item["name"] for item in used.ctl_json("ns", "ls")] == ["theirs"]
    assert used.run("ls /run/netns").stdout.split() == ["theirs"]
    links = [link["ifname"] for link in used.json("ip -j link")]
    assert "nd-a" not in links and not [name for name in links if name.startswith("nv")]
    assert marks(used) == {instance(used)} and instance(used) != first
    used.restart_daemon("--state-dir", used.dir / "second")
    assert "repair" not in used.log()
    build(used)


def test_take_over_adopts_what_matches(used):
    """The mark changes and nothing else: running connections of matching objects go on."""
    out, = used.neighbours
    theirs, other = another(used)
    first = instance(used)
    before = unmarked(look(used), first)
    cookies = used.shell("stat -L -c %i /run/netns/web /run/netns/db").stdout
    used.ns("web").serve(80)
    used.ns("db").serve(80)
    with out.stream("tcp", "192.0.2.1", 8080) as published, out.stream("udp", "192.0.2.1", 8080) as datagrams, \
            used.ns("db").stream("tcp", "10.77.0.2", 80) as inside:
        streams = (published, datagrams, inside)
        for stream in streams:
            stream.wait()
        used.start_daemon("--state-dir", theirs, "--take-over")
        for stream in streams:
            stream.wait(5)
            assert stream.error is None
        for protocol in ("tcp", "udp"):
            assert out.ask(protocol, "192.0.2.1", 8080).peer == out.address
    assert marks(used) == {other}
    assert_same(before, unmarked(look(used), other), "only the marks changed")
    assert used.shell("stat -L -c %i /run/netns/web /run/netns/db").stdout == cookies
    assert {item["name"]: item["origin"] for item in used.ctl_json("ns", "ls")} == {"web": "created", "db": "created"}
    assert f"takes over from instance {first}" in used.log()
    assert "remove" not in used.log()
    used.restart_daemon("--state-dir", theirs)
    assert "repair" not in used.log() and "take-over" not in used.log()
    used.ctl("ns", "rm", "web")
    used.ctl("network", "rm", "-f", "my-net")
    used.stop_daemon()
    assert "--take-over" in refused(used)


def change_instance(database, name):
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update meta set instance = ?", [name])


def unmarked(shot, name):
    """The snapshot with the instance's id taken out."""
    return type(shot)({key.replace(name, "ID"): strip(value, name) for key, value in shot.items()})


def strip(value, name):
    if isinstance(value, str):
        return value.replace(name, "ID")
    if isinstance(value, dict):
        return {key: strip(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [strip(inner, name) for inner in value]
    return value


def test_take_over_changes_what_differs(used):
    """Another address, another network behind the same name, an endpoint less."""
    theirs, other = another(used)
    used.start_daemon()
    used.ctl("network", "create", "late", "--subnet", "10.78.0.0/24")
    used.ctl("disconnect", "my-net", "db")
    used.ctl("connect", "late", "db")  # eth0, which the other wants on my-net
    used.ctl("disconnect", "my-net", "web")
    used.ctl("connect", "my-net", "web", "--ip", "10.77.0.9")
    used.ctl("unpublish", "8080/udp")
    used.ctl("publish", "9090:80", "web")
    used.ctl("ns", "create", "extra")
    used.run("ip addr add 10.99.0.1/24 dev nd-a")  # who made it, no one can tell
    used.stop_daemon()
    used.start_daemon("--state-dir", theirs, "--take-over")
    assert "10.99.0.1" not in used.run("ip addr").stdout
    assert "not done" not in used.log() and "tries again" not in used.log()
    assert marks(used) == {other}
    assert used.run("ls /run/netns").stdout.split() == ["db", "web"]
    for name, address in (("web", "10.77.0.2"), ("db", "10.77.0.3")):
        place = used.ns(name)
        assert [item["ifname"] for item in place.json("ip -j link")] == ["lo", "eth0"]
        eth0, = place.json("ip -4 -j addr show eth0")
        assert [item["local"] for item in eth0["addr_info"]] == [address]
        assert [item["gateway"] for item in place.json("ip -j route show default")] == ["10.77.0.1"]
    assert sorted((port["protocol"], port["host_port"]) for port in used.ctl_json("ports")) == [("tcp", 8080), ("udp", 8080)]
    before = look(used)
    used.restart_daemon("--state-dir", theirs)
    assert "repair" not in used.log()
    assert_same(before, look(used))


def test_take_over_that_is_killed_is_asked_for_again(used):
    """At any call: the next start refuses, or there is nothing of the other instance left; with the option it ends the same way."""
    theirs, other = another(used)
    used.start_daemon()
    used.ctl("ns", "create", "extra")
    used.ctl("network", "create", "extra")
    used.ctl("connect", "extra", "extra")
    used.stop_daemon()
    killed = 0
    for call, number in (("sendto", 5), ("sendto", 15), ("sendto", 25), ("sendto", 35), ("sendto", 45), ("rename", 1), ("renameat2", 1), ("umount2", 1),
                         ("fdatasync", 1)):
        killed += used.start_killed(f"{call}:signal=SIGKILL:when={number}", "--state-dir", theirs, "--take-over")
        if marks(used) - {other}:
            refused(used, "--state-dir", theirs)
    used.start_daemon("--state-dir", theirs, "--take-over")
    assert killed >= 4, killed
    wait_for(lambda: marks(used) == {other}, "nothing bears another mark")
    assert used.run("ls /run/netns").stdout.split() == ["db", "web"]
    assert {item["name"]: item["origin"] for item in used.ctl_json("ns", "ls")} == {"web": "created", "db": "created"}
    used.restart_daemon("--state-dir", theirs)
    assert "repair" not in used.log()


def test_take_over_of_ones_own_is_a_start_like_any(used):
    before = look(used)
    used.restart_daemon("--take-over")
    assert_same(before, look(used))
    assert "nothing to take over" in used.log()
    assert "take-over: change" not in used.log() and "take-over: make" not in used.log()


def test_take_over_goes_with_a_start_only(host):
    for args in (["--cleanup", "--take-over"], ["--take-over", "--sandbox", "--", "true"]):
        done = host.run(NETD, *args, check=False)
        assert done.returncode == 2 and "--take-over" in done.stderr
    assert "--take-over" in host.run(NETD, "--help").stdout
    host.write("/etc/netd/netd.conf", "take-over = yes\n")
    assert host.run(NETD, check=False).returncode == 2


# --- an older database ---

def older(host):
    """A host on which more was done since the database was saved that is now put back."""
    host.stop_daemon()
    host.saved = look(host)
    copy = save(host, "copy")
    host.start_daemon()
    host.ctl("network", "create", "later")
    host.ctl("connect", "later", "new")
    host.ctl("publish", "7070:80", "new")
    host.ctl("ns", "rm", "db")
    host.stop_daemon()
    newer = save(host, "newer")
    restore(host, copy)
    return newer


def test_older_database_is_refused(used):
    """The host has seen a later change: what the database does not know is alive."""
    out, = used.neighbours
    newer = older(used)
    used.ns("new").serve(80)
    with out.stream("tcp", "192.0.2.1", 7070) as stream:
        stream.wait()
        said = refused(used)
        assert "older" in said and "--take-over" in said and "--cleanup" in said
        stream.wait(5)
        restore(used, newer)
        used.start_daemon()
        stream.wait(5)
        assert "repair" not in used.log()


def test_older_database_takes_over_when_it_is_told_to(used):
    """Also what is missing by now is made again: the administrator says that it is to be there."""
    older(used)
    used.start_daemon("--take-over")
    assert "takes over from change" in used.log() and "take-over: remove namespace new" in used.log()
    wait_same(used.saved, lambda: look(used), "the host is what the restored database says")
    assert {item["name"]: item["origin"] for item in used.ctl_json("ns", "ls")} == {"web": "created", "db": "created"}
    used.restart_daemon()
    assert "repair" not in used.log()
    wait_same(used.saved, lambda: look(used), "and so it stays")


def test_database_from_before_the_boot_is_the_right_one(used):
    """Nothing of the host is newer than it."""
    older(used)
    used.reboot()
    used.start_daemon()
    assert "web" in {item["name"] for item in used.ctl_json("ns", "ls")}


def test_killed_daemon_is_never_taken_for_an_older_one(used):
    """Killed right after the commit, and so before its record."""
    for number in (1, 2, 3):
        used.stop_daemon()
        used.start_daemon(env={"ASAN_OPTIONS": "detect_leaks=0"}, deadline=30, prefix=[
            "strace", "-f", "-P", "/run/netd/generation", "-o", "/dev/null", "-e", f"inject=write:signal=SIGKILL:when={number + 2}"])
        made = [used.ctl("ns", "create", f"n{number}-{name}", check=False).returncode for name in range(6)]
        assert 4 in made, "it was killed in one of them"
        used.kill_daemon()
        used.start_daemon()
        assert "remove" not in used.log()


def test_cleaned_host_takes_any_database(used):
    older(used)
    used.run(NETD, "--cleanup")
    assert not used.file("/run/netd/generation").exists()
    used.start_daemon()


# --- two daemons ---

def test_two_daemons_started_at_once(host):
    """One runs and the other says why it does not, whoever is faster; a loser leaves no trace."""
    host.neighbour()
    for number in range(RACES):
        both = [host.spawn(NETD, "--state-dir", host.dir / f"state-{name}", "--socket", f"/run/{name}.sock", stderr=subprocess.PIPE, text=True)
                for name in ("a", "b")]
        wait_for(lambda: sum(not one.running() for one in both) == 1, "one of them gave up")
        loser, = [one for one in both if not one.running()]
        winner, = [one for one in both if one.running()]
        said = loser.popen.stderr.read()
        name = "ab"[both.index(winner)]
        assert loser.popen.returncode == 1 and "already" in said, said
        wait_for(lambda: host.ctl("--socket", f"/run/{name}.sock", "network", "ls", check=False).returncode == 0, "the other one runs")
        winner.signal(15)
        assert winner.wait() == 0
        for one in both:
            one.end()
        # the next round is won by whoever wins it: the state directory is only the first one's
        host.run(NETD, "--cleanup", "--state-dir", host.dir / f"state-{name}", "--purge")
        assert not (host.dir / f"state-{'ba'['ab'.index(name)]}").exists(), "a loser makes no database"


@pytest.mark.parametrize("args", (("--runtime-dir", "/run/other", "--socket", "/run/other.sock"), ("--state-dir", "/run/other", "--socket", "/run/other.sock")),
                         ids=("the database's lock", "the runtime directory's lock"))
def test_daemon_in_another_network_namespace(used, args):
    """The lock of the host is one of each network namespace. The state directory is not, nor is what is mounted on /run/netns."""
    before = look(used)
    for more in ((), ("--take-over",)):
        said = refused(used, *args, *more, prefix=["unshare", "--net"])
        assert "is locked by" in said or "already" in said
    assert_same(before, look(used))
    used.ctl("ns", "create", "more")


def test_cleanup_from_another_network_namespace(used):
    before = look(used)
    done = used.run("unshare", "--net", NETD, "--cleanup", check=False)
    assert done.returncode == 1 and "already" in done.stderr
    assert_same(before, look(used))
