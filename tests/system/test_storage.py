"""The database's bad days: whatever keeps netd from writing, reading and traffic go on, changes are refused with what to do about
it, and are taken again, without a restart, when the cause is gone."""

import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import sys
import time

import pytest

from lib.host import NETD
from lib.snapshot import assert_same
from lib.wait import wait_for

STATE = "/var/lib/netd"
OWN = ["file /run/netd", f"mount {STATE} "]
REFUSED = "changes are refused until this is over"
ANNOUNCED = "reading and traffic go on"
ACCEPTED = "changes are accepted again"
LOCK = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA locking_mode=EXCLUSIVE")
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def built(netd):
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24")
    netd.ctl("connect", "my-net", "web")
    netd.ctl("publish", "8080:80", "web")
    return netd


def lists(host):
    """Without what traffic counts."""
    return {noun: [{key: value for key, value in item.items() if key not in ("packets", "bytes")} for item in host.ctl_json(*noun.split())]
            for noun in ("network ls", "ns ls", "ports")}


def shot(host):
    return host.snapshot(inside=True, without=OWN)


def contents(host):
    """What the state directory holds. An empty file, as SQLite makes one for a log, holds nothing."""
    return {path.name: path.read_bytes() for path in host.state.iterdir() if path.name == "netd.db" or path.stat().st_size}


def times_woken(host):
    with open(f"/proc/{host.daemon.pid}/status") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M)[1])


def names(host):
    return host.ctl("network", "ls", "-q").lines


def create(host, name):
    return host.http("POST", "/v1/networks", {"name": name})


def times(host):
    """How often it was announced that changes are refused, and that they are accepted again."""
    return host.log().count(ANNOUNCED), host.log().count(ACCEPTED)


def times_before(host):
    """How often both were while a full disk had room for one commit more; nowhere else is there such a time."""
    return getattr(host, "times_before", 0)


def check_refused(host, *sentences):
    """A change is refused for a reason, nothing of it is left, everything can be read."""
    before, said = shot(host), lists(host)
    for _ in range(2):
        answer = create(host, "refused")
        assert (answer.status, answer.body["code"]) == (503, "store"), answer
        for sentence in (REFUSED, *sentences):
            assert sentence in answer.body["detail"]
    assert host.http("GET", "/v1/version").body["refuses_changes"] in answer.body["detail"]
    assert "netd refuses changes: " in host.ctl("version").stdout
    assert times(host) == (times_before(host) + 1, times_before(host)), "announced once"
    assert_same(before, shot(host), "a refused change leaves nothing")
    assert lists(host) == said


def check_accepted(host, name="accepted"):
    """Changes are taken at once, are said to be, and outlive the process."""
    assert create(host, name).status == 201
    assert times(host) == (times_before(host) + 1, times_before(host) + 1)
    assert "refuses_changes" not in host.http("GET", "/v1/version").body
    check_nothing_lost(host)


def check_nothing_lost(host):
    before, said = shot(host), lists(host)
    host.kill_daemon()
    host.start_daemon()
    assert lists(host) == said
    assert_same(before, shot(host), "the database says what the kernel is")
    assert "repair" not in host.log()


@contextlib.contextmanager
def faults(host, *calls):
    """These calls on the database and its log fail meanwhile, in the running daemon."""
    pid, = host.run("pidof", "netd").stdout.split()
    paths = [word for name in ("", "-wal", "-journal") for word in ("-P", f"{STATE}/netd.db{name}")]
    log = host.dir / "faults"
    with log.open("w") as file, \
            host.spawn("strace", "-p", pid, *paths, "-o", "/dev/null", "-e", "trace=" + ",".join(call.split(":")[0] for call in calls),
                       *(word for call in calls for word in ("-e", f"inject={call}")), stderr=file) as strace:
        wait_for(lambda: "attached" in log.read_text(), log.read_text)
        yield
        strace.signal(2)
        strace.wait()


# --- a disk that is full ---

@pytest.fixture
def small(host, out):
    """A state directory with little room, and one of everything on it."""
    host.run(f"mount -t tmpfs -o size=1m small {STATE}")
    host.start_daemon()
    host.ctl("connect", "default", "web")
    host.ctl("publish", "8080:80", "web")
    return host


def fill(host):
    host.run("dd", "if=/dev/zero", f"of={STATE}/filler", "bs=512", "oflag=append", "conv=notrunc", check=False)


def fill_until_refused(host):
    """A log has room in itself, and what it had is free once it is closed: it is over only when netd has tried that in vain."""
    def refused():
        fill(host)
        return create(host, f"n{len(names(host))}").status == 503

    def is_full():
        _, host.times_before = times(host)
        return refused() and refused() and times(host)[1] == host.times_before

    wait_for(is_full, "a full disk is noticed", 30)


def test_full_disk(small, out):
    small.ns("web").serve(80)
    with out.stream("tcp", "192.0.2.1", 8080) as stream:
        stream.wait()
        fill_until_refused(small)
        check_refused(small, "make room on its file system", "No space left on device")
        small.run(f"rm {STATE}/filler")
        check_accepted(small)
        stream.wait(5)
        assert stream.error is None


def test_full_disk_is_noticed_to_be_over_without_a_change(small):
    fill_until_refused(small)
    small.run(f"rm {STATE}/filler")
    wait_for(lambda: "refuses_changes" not in small.http("GET", "/v1/version").body, "netd asks again by itself", 40)
    assert times(small) == (times_before(small) + 1, times_before(small) + 1)


def test_start_on_a_full_disk(small):
    fill_until_refused(small)
    before, said = shot(small), lists(small)
    outer = small.ctl_json("network", "inspect", "default")[0]["endpoints"][0]["host_interface"]
    small.kill_daemon()
    fill(small)
    small.run("ip", "link", "del", outer)
    small.start_daemon()
    assert lists(small) == said
    assert_same(before, shot(small), "a start on a full disk repairs")
    fill_until_refused(small)
    check_refused(small, "make room")
    small.run(f"rm {STATE}/filler")
    check_accepted(small)


def test_while_refused_what_needs_no_commit_goes_on(small):
    """An interface that comes is closed to strangers; a resolver that changes is followed."""
    fill_until_refused(small)
    small.run("ip link add later type bridge")
    wait_for(lambda: small.sysctl("net/ipv4/conf/later/forwarding") == "1", "the new interface forwards")
    wait_for(lambda: '"later"' in small.run("nft list table inet netd").stdout, "and stands among those that netd switched on")
    small.stub_resolver()
    wait_for(small.file("/etc/netns/web/resolv.conf").exists, "the namespace got a resolver of its own")
    assert create(small, "refused").status == 503


def test_namespace_that_goes_meanwhile_is_released_afterwards(small):
    fill_until_refused(small)
    small.run("ip netns del web")
    assert create(small, "refused").status == 503
    small.run(f"rm {STATE}/filler")
    check_accepted(small)
    assert small.ctl_json("ns", "ls") == []


# --- a disk that fails ---

@pytest.mark.parametrize("error,advice", (("EIO", "kernel's log"), ("EROFS", "writable"), ("ENOSPC", "make room"), ("EDQUOT", "make room")))
def test_failing_writes(built, out, error, advice):
    built.ns("web").serve(80)
    with out.stream("tcp", "192.0.2.1", 8080) as stream:
        stream.wait()
        with faults(built, f"pwrite64:error={error}"):
            check_refused(built, advice)
        check_accepted(built)
        stream.wait(5)
        assert stream.error is None


def test_failing_syncs(built):
    with faults(built, "fsync,fdatasync:error=EIO"):
        check_refused(built, "kernel's log")
    check_accepted(built)


@pytest.mark.parametrize("landed", (True, False))
def test_commit_of_which_nothing_is_known(built, landed):
    """It fails, and so does reading back. What the disk has got of it is found later, and is true then."""
    before = shot(built)
    calls = "fsync,fdatasync" if landed else "fsync,fdatasync,pwrite64"
    with faults(built, f"{calls}:error=EIO", "openat:error=EIO"):
        answers = [built.http("POST", "/v1/endpoints", {"network": "my-net", "namespace": "new"}) for _ in range(2)]
        assert [answer.status for answer in answers] == [503, 503]
        assert "unknown" in answers[0].body["detail"]
        assert_same(before, shot(built), "a change that is refused is taken back")
    wait_for(lambda: ACCEPTED in built.log(), "netd asks again by itself", 40)
    assert ("new" in built.ctl("ns", "ls", "-q").lines) == landed
    if landed:
        assert "10.77.0.3/24" in built.run("ip -n new addr show eth0").stdout
    check_accepted(built)


def test_removal_of_which_nothing_is_known(built):
    with faults(built, "fsync,fdatasync:error=EIO", "openat:error=EIO"):
        assert built.http("DELETE", "/v1/namespaces/web?force=true").status == 503
        assert built.ctl("ns", "ls", "-q").lines == ["web"]
        assert built.file("/run/netns/web").exists()
    wait_for(lambda: ACCEPTED in built.log(), "netd asks again by itself", 40)
    assert built.ctl("ns", "ls", "-q").lines == []
    wait_for(lambda: not built.file("/run/netns/web").exists(), "the namespace is gone")
    check_accepted(built)


# --- a read-only file system ---

def read_only(host, on):
    if on:
        host.shell(f"mount --bind {STATE} {STATE}; mount -o remount,bind,ro {STATE}")
    else:
        host.run(f"mount -o remount,bind,rw {STATE}")


@pytest.mark.parametrize("ending", ("stop_daemon", "kill_daemon"))
def test_start_with_a_read_only_state_directory(built, out, ending):
    """After a kill, what was committed last stands in the log only."""
    built.ns("web").serve(80)
    with out.stream("tcp", "192.0.2.1", 8080) as stream:
        stream.wait()
        said, before = lists(built), shot(built)
        getattr(built, ending)()
        assert (built.state / "netd.db-wal").exists() == (ending == "kill_daemon")
        files = contents(built)
        read_only(built, True)
        built.run("nft delete table bridge netd")
        built.start_daemon()
        assert lists(built) == said
        assert_same(before, shot(built), "a start that cannot write repairs")
        check_refused(built, "make its file system writable")
        assert not list(built.file("/run/netd").glob("copy.db*")), "the copy has no name"
        assert contents(built) == files
        read_only(built, False)
        check_accepted(built)
        stream.wait(5)
        assert stream.error is None


def test_what_a_read_only_start_condemns_waits_in_peace(built):
    """The dead namespace's link is deleted; the tombstone cannot be buried, and is not tried again and again."""
    built.ctl("connect", "my-net", "other")
    built.stop_daemon()
    built.run("ip netns del other")
    read_only(built, True)
    built.start_daemon()
    assert built.ctl("ns", "ls", "-q").lines == ["web"]
    wait_for(lambda: len(built.json("ip", "-j", "link", "show", "type", "veth")) == 2, "only web's link and the neighbour's are left")
    before = times_woken(built)
    time.sleep(1)
    assert times_woken(built) - before < 20
    read_only(built, False)
    check_accepted(built)
    assert built.ctl("ns", "ls", "-q").lines == ["web"]


def test_reboot_with_a_read_only_state_directory(built):
    """The new boot's namespaces are known in memory only, until they can be written."""
    before = shot(built)
    built.ctl("network", "create", "gone")
    built.reboot()
    read_only(built, True)
    built.start_daemon()
    check_refused(built)
    cookies = built.run("stat -c %i /run/netns/web").stdout
    built.kill_daemon()
    built.start_daemon()
    assert built.run("stat -c %i /run/netns/web").stdout == cookies, "the same start again finds its own namespaces"
    assert "repair" not in built.log()
    read_only(built, False)
    wait_for(lambda: ACCEPTED in built.log(), "netd asks again by itself", 40)
    assert built.run("stat -c %i /run/netns/web").stdout == cookies
    built.ctl("network", "rm", "gone")
    check_nothing_lost(built)
    wait_for(lambda: before.keys() == shot(built).keys(), lambda: before.diff(shot(built)))


def test_first_start_without_a_place_for_a_database(host):
    def refused():
        done = host.run(NETD, check=False, deadline=10)
        assert done.returncode == 1
        assert "cannot start without a database" in done.stderr and done.stderr.count("\n") == 1
        return done.stderr

    read_only(host, True)
    assert "Read-only file system" in refused()
    read_only(host, False)
    host.run(f"mount -t tmpfs -o size=16k small {STATE}")
    assert "make room" in refused()
    host.run(f"mount -o remount,size=1m {STATE}")
    host.start_daemon()
    assert names(host) == ["default"]


# --- files that go under it ---

def test_database_moved_away_and_back(built):
    built.run(f"mv {STATE}/netd.db {STATE}/elsewhere")
    check_refused(built, "was removed while netd runs")
    built.run(f"mv {STATE}/elsewhere {STATE}/netd.db")
    check_accepted(built)


def test_removed_database_is_put_back_with_the_command_that_netd_says(built):
    built.ctl("network", "create", "last")
    built.run(f"rm {STATE}/netd.db")
    check_refused(built, "lost when netd stops")
    command = re.search(r"cp /proc/\S+ \S+", create(built, "refused").body["detail"])[0]
    built.run(*command.split())
    check_accepted(built)
    assert "last" in names(built)


def test_removed_log_is_made_anew(built):
    built.run(f"rm {STATE}/netd.db-wal")
    assert create(built, "accepted").status == 201
    check_nothing_lost(built)


def test_log_of_another_database(built):
    built.run(f"cp {STATE}/netd.db-wal {STATE}/other")
    built.run(f"mv {STATE}/other {STATE}/netd.db-wal")
    check_refused(built, f"remove {STATE}/netd.db-wal")
    built.run(f"rm {STATE}/netd.db-wal")
    check_accepted(built)


def test_older_database_in_its_place(built):
    built.stop_daemon()
    shutil.copy(built.state / "netd.db", built.state / "old")
    built.start_daemon()
    built.ctl("network", "create", "last")
    built.run(f"mv {STATE}/netd.db {STATE}/new")
    built.run(f"mv {STATE}/old {STATE}/netd.db")
    old = (built.state / "netd.db").read_bytes()
    check_refused(built, "changed by someone else", "put back what was there, or restart netd")
    assert (built.state / "netd.db").read_bytes() == old
    built.run(f"mv {STATE}/new {STATE}/netd.db")
    check_accepted(built)
    assert "last" in names(built)


def test_state_directory_unmounted(built):
    """An empty directory in its place is no fresh start."""
    built.run(f"mount -t tmpfs other {STATE}")
    check_refused(built, "was removed while netd runs")
    assert list(built.file(STATE).iterdir()) == []
    built.run(f"umount {STATE}")
    check_accepted(built)


# --- a database that another process has locked ---

@contextlib.contextmanager
def locked(host):
    with host.spawn(sys.executable, "-ISB", "-c", LOCK, f"{STATE}/netd.db", stdin=-1, stdout=-1, text=True) as locker:
        assert locker.popen.stdout.readline() == "locked\n"
        yield locker


def test_start_with_a_locked_database_names_who_holds_it(built):
    built.stop_daemon()
    with locked(built) as locker:
        pid, = re.findall(r"^NSpid:.*\t(\d+)$", open(f"/proc/{locker.pid}/status").read(), re.M)
        done = built.run(NETD, check=False, deadline=20)
        assert done.returncode == 1
        assert f"locked by process {pid} (python3" in done.stderr
    built.start_daemon()
    check_nothing_lost(built)


def test_start_waits_for_a_lock_that_is_held_for_a_moment(built):
    built.stop_daemon()
    with locked(built) as locker:
        built.launch()

        def has_opened():
            fds = pathlib.Path(f"/proc/{built.daemon.pid}/fd")
            try:
                return any(str(fd.readlink()).endswith("/netd.db") for fd in fds.iterdir())
            except FileNotFoundError:  # one was closed meanwhile
                return False

        wait_for(has_opened, "netd has opened the database")
        locker.popen.stdin.close()
        locker.wait()
    wait_for(built.file("/run/netd/netd.sock").exists, built.log)
    assert names(built) == ["default", "my-net"]


def test_locked_while_it_could_not_be_read(built):
    """The one time in which a running daemon does not hold the lock itself."""
    with faults(built, "fsync,fdatasync,pwrite64:error=EIO", "openat:error=EIO"):
        assert create(built, "refused").status == 503
        locker = contextlib.ExitStack()
        locker.enter_context(locked(built))
    with locker:
        check_refused(built, "is locked by process")
    check_accepted(built)


# --- what must not be opened ---

def damage(path):
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(os.urandom(4096))


def newer(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("spoil,sentence", ((damage, "restore it from a backup"), (newer, "install the newer netd"),
                                            (lambda path: path.write_bytes(b""), "restore it from a backup")))
def test_start_with_what_is_no_database_of_this_netd(built, out, spoil, sentence):
    """Neither the files nor the kernel are touched, and traffic goes on."""
    built.ns("web").serve(80)
    with out.stream("tcp", "192.0.2.1", 8080) as stream:
        stream.wait()
        built.stop_daemon()
        spoil(built.state / "netd.db")
        before, files = shot(built), contents(built)
        done = built.run(NETD, check=False, deadline=10)
        assert done.returncode == 1 and sentence in done.stderr and "left as it is" in done.stderr
        assert contents(built) == files
        assert_same(before, shot(built))
        stream.wait(5)
        assert stream.error is None
