"""`netd --cleanup`: the host is as before netd was ever there."""

import pytest

from lib.host import NETD
from lib.snapshot import assert_same


@pytest.fixture
def used(host):
    """A host with a foreign bridge and two neighbours, its state before netd, and then a netd that did all sorts of things."""
    host.shell("""ip netns add theirs; ip -n theirs link set lo up
        ip link add foreign type bridge; ip addr add 172.20.0.1/24 dev foreign; ip link set foreign up
        nft add table inet mine; nft 'add chain inet mine through { type filter hook forward priority 0; policy accept; }'""")
    host.neighbour()
    two = host.neighbour("two", "198.51.100")
    host.sysctl(f"net/ipv4/conf/{two.interface}/forwarding", 1)  # the administrator's own
    host.stub_resolver()
    host.before = host.snapshot(inside=True)
    host.start_daemon()
    host.ctl("network", "create", "my-net")
    host.ctl("network", "create", "closed", "--internal")
    for network, name in (("my-net", "web"), ("closed", "web"), ("my-net", "theirs"), ("default", "db")):
        host.ctl("connect", network, name)
    for spec in ("8080:80/tcp", "8080:80/udp"):
        host.ctl("publish", spec, "web")
    return host


def cleanup(host, *args, check=True):
    return host.run(NETD, "--cleanup", *args, check=check)


def test_host_is_as_before(used):
    used.stop_daemon()
    assert used.before.diff(used.snapshot(inside=True)), "netd left something to clean up"
    cleanup(used)
    assert_same(used.before, used.snapshot(inside=True), "after --cleanup the host is as before")
    assert (used.state / "netd.db").exists()


def test_without_a_database(used):
    used.stop_daemon()
    for path in used.state.iterdir():
        path.unlink()
    cleanup(used)
    assert_same(used.before, used.snapshot(inside=True), "after --cleanup without a database the host is as before")


def test_after_a_kill(used):
    used.kill_daemon()
    cleanup(used)
    assert_same(used.before, used.snapshot(inside=True), "after --cleanup the host is as before")


def test_twice_and_on_a_host_without_netd(used):
    used.stop_daemon()
    cleanup(used)
    cleanup(used)
    assert_same(used.before, used.snapshot(inside=True), "a second --cleanup has nothing to do")


def test_refused_while_a_daemon_runs(used):
    before = used.snapshot(inside=True)
    done = cleanup(used, check=False)
    assert done.returncode != 0 and "already" in done.stderr
    assert_same(before, used.snapshot(inside=True), "a refused --cleanup changes nothing")
    used.ctl("network", "ls")


def test_dry_run_lists_and_changes_nothing(used):
    used.stop_daemon()
    before = used.snapshot(inside=True)
    told = cleanup(used, "--dry-run").stdout
    assert_same(before, used.snapshot(inside=True), "--cleanup --dry-run changes nothing")
    for word in ("ip link del", "nft", "inet netd", "web", "forwarding"):
        assert word in told, f"{word} is in:\n{told}"
    assert "ip link del foreign" not in told and "inet mine" not in told


def test_sysctl_that_someone_changed_since_is_left_alone(used):
    """Only what still has netd's value is restored."""
    used.stop_daemon()
    name = "net/ipv4/conf/up-out/forwarding"
    assert used.sysctl(name) == "1"
    used.sysctl(name, 0)
    used.sysctl("net/ipv4/conf/up-two/forwarding", 0)
    cleanup(used)
    assert used.sysctl(name) == "0" and used.sysctl("net/ipv4/conf/up-two/forwarding") == "0"


def test_purge_removes_the_database_too(used):
    used.stop_daemon()
    cleanup(used, "--purge")
    assert list(used.state.iterdir()) == []
    used.start_daemon()
    assert used.ctl("network", "ls", "-q").lines == ["default"]


def test_next_start_brings_back_what_the_database_has(used):
    used.stop_daemon()
    cleanup(used)
    used.start_daemon()
    assert used.ctl("network", "ls", "-q").lines == ["closed", "default", "my-net"]


def test_marks_of_every_instance_are_cleaned(used):
    used.stop_daemon()
    cleanup(used, "--state-dir", used.dir / "other")
    assert_same(used.before, used.snapshot(inside=True), "what another instance made is gone, too")
