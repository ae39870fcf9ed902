"""`netd --sandbox -- CMD`: a private host with a running daemon for one command, of which nothing stays."""

import os
import subprocess

import pytest

from lib.host import NETD
from lib.snapshot import assert_same
from lib.wait import wait_for


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["no-such-program"], 127), (["/etc/passwd"], 126), (["sh", "-c", "kill -9 $$"], 137)])
def test_status_is_that_of_the_command(host, command, status):
    assert host.run(NETD, "--sandbox", "--", *command, check=False).returncode == status


def test_daemon_runs_and_netd_ctl_finds_it(host):
    done = host.run(NETD, "--sandbox", "--", "sh", "-ec", 'test -S "$NETD_SOCKET"; netd-ctl network ls -q', env={"PATH": path()})
    assert done.stdout == "default\n"


def test_whole_job_in_it(host):
    done = host.run(NETD, "--sandbox", "--", "sh", "-ec", """netd-ctl network create my-net; netd-ctl connect my-net web
        netd-ctl publish 8080:80; netd-ctl exec web -- ls /sys/class/net""", env={"PATH": path()})
    assert "0.0.0.0:8080/tcp -> web (my-net" in done.stdout and "eth0" in done.stdout


def path():
    return f"{NETD.parent.parent / 'cli'}:{os.environ['PATH']}"


def programs(host):
    """What runs there. One may end between the listing and the look at it, which is no failure."""
    return host.run("sh", "-c", "cat /proc/[0-9]*/comm", check=False).stdout.split("\n")


def test_nothing_stays(host):
    before = host.snapshot(inside=True)
    host.run(NETD, "--sandbox", "--", "sh", "-c", "netd-ctl connect default web; sleep 600 & exit 0", env={"PATH": path()})
    assert_same(before, host.snapshot(inside=True), "a sandbox leaves nothing")
    assert "sleep" not in programs(host)
    assert list(host.state.iterdir()) == []


def test_works_beside_a_running_daemon(netd):
    netd.ctl("network", "create", "my-net")
    assert netd.run(NETD, "--sandbox", "--", "netd-ctl", "network", "ls", "-q", env={"PATH": path()}).stdout == "default\n"


def test_input_and_output_pass(host):
    done = host.run(NETD, "--sandbox", "--", "cat", stdin="some words\n")
    assert done.stdout == "some words\n"


def test_without_a_command(host):
    done = host.run(NETD, "--sandbox", check=False, stdin="")
    assert done.returncode != 0 and "netd --sandbox -- " in done.stderr


def test_killed_from_outside_leaves_nothing(host):
    with host.spawn(NETD, "--sandbox", "--", "sh", "-c", "echo ready; sleep 600", stdout=subprocess.PIPE) as sandbox:
        assert sandbox.popen.stdout.readline() == b"ready\n"
    wait_for(lambda: "sleep" not in programs(host), "the command is gone")


def test_a_name_that_nobody_knows_is_not_waited_for(host):
    """The machine's resolver is not to be reached from in there."""
    done = host.run(NETD, "--sandbox", "--", "sh", "-c", "test ! -e /etc/resolv.conf; timeout 3 getent hosts nowhere.example", check=False)
    assert done.returncode == 2
