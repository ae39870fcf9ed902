"""The stream of events with the two real programs: what happens is told as it happens, until either end ends."""

import contextlib
import json
import signal

import pytest

from lib.host import BUILD, NETD_CTL
from lib.wait import wait_for


class Listener:
    """netd-ctl events, and what it has printed."""

    def __init__(self, host, *args):
        self.out = host.dir / f"events-{len(host.processes)}"
        self.err = host.dir / f"errors-{len(host.processes)}"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = host.spawn(NETD_CTL, "events", *args, stdout=out, stderr=err)

    def lines(self):
        return self.out.read_text().splitlines()

    def has(self, *words):
        return any(all(word in line for word in words) for line in self.lines())

    def wait(self, *words):
        wait_for(lambda: self.has(*words), f"the event {words}", 10)


@contextlib.contextmanager
def listening(host, *args):
    """It listens when its stream is there: then a first change is heard."""
    listener = Listener(host, *args)
    number = iter(range(1000))

    def heard():
        host.ctl("ns", "create", f"first-{next(number)}")
        return listener.has("first-")

    wait_for(heard, "the stream has begun", 10)
    with listener.process:
        yield listener


def test_every_change_is_told_with_its_caller(netd):
    with listening(netd, "--json") as listener:
        netd.ctl("network", "create", "my-net")
        netd.ctl("connect", "my-net", "web")
        netd.ctl("publish", "8080:80")
        netd.ctl("unpublish", "8080")
        netd.ctl("ns", "rm", "-f", "web")
        netd.ctl("network", "rm", "my-net")
        listener.wait("network rm my-net")
        events = [json.loads(line) for line in listener.lines() if "first-" not in line]
    assert [(event["network"], event["namespace"]) for event in events] == [
        ("my-net", None), ("my-net", "web"), ("my-net", "web"), ("my-net", "web"), (None, "web"), ("my-net", None)]
    assert all(event["kind"] == "change" and event["cause"]["uid"] == 0 and event["cause"]["pid"] > 0 for event in events)
    assert "0.0.0.0:8080/tcp -> web" in events[2]["text"] and "endpoint web on my-net" in events[4]["text"]


def test_what_changes_nothing_is_no_event(netd):
    netd.ctl("network", "create", "my-net")
    with listening(netd) as listener:
        netd.ctl("network", "create", "my-net", check=5)
        netd.ctl("network", "create", "my-net", "--exist-ok")
        netd.ctl("network", "rm", "my-net", "--dry-run")
        netd.ctl("ns", "create", "last")
        listener.wait("last")
        assert not listener.has("my-net")


def test_a_namespace_that_someone_removes_is_released(netd):
    netd.ctl("connect", "default", "web")
    with listening(netd) as listener:
        netd.run("ip netns del web")
        listener.wait("released", "namespace web is gone")


def test_recent_events_end(netd):
    netd.ctl("network", "create", "my-net")
    start, change = netd.ctl("events", "--recent").lines
    assert " start " in start and "networks: 1" in start
    assert " change " in change and "network create my-net (uid 0, pid " in change
    assert [json.loads(line)["kind"] for line in netd.ctl("events", "--recent", "--json").lines] == ["start", "change"]


def test_interrupt_ends_it_in_silence(netd):
    with listening(netd) as listener:
        listener.process.signal(signal.SIGINT)
        assert listener.process.wait() in (-signal.SIGINT, 128 + signal.SIGINT)
        assert listener.err.read_text() == ""
    assert netd.http("GET", "/v1/version").status == 200


@pytest.mark.parametrize("how", ("stop_daemon", "kill_daemon"))
def test_the_end_of_the_daemon_is_a_sentence(netd, how):
    with listening(netd) as listener:
        getattr(netd, how)()
        assert listener.process.wait() == 4
        assert "has ended" in listener.err.read_text() and "journalctl -u netd" in listener.err.read_text()


def test_without_a_daemon(host):
    assert "systemctl start netd" in host.ctl("events", check=4).stderr


def test_neighbouring_versions_work_together_and_say_which_is_older(host):
    later_ctl, later = BUILD / "tests/netd-ctl-later", BUILD / "tests/netd-later"
    host.start_daemon()
    done = host.run(later_ctl, "version")
    assert "netd-ctl 99.0.0\nnetd 0." in done.stdout and "systemctl restart netd" in done.stderr
    assert json.loads(host.run(later_ctl, "version", "--json").stdout)["older"] == "daemon"
    host.run(later_ctl, "network", "create", "my-net")
    host.stop_daemon()
    daemon = host.spawn(later)
    wait_for(lambda: host.ctl("network", "ls", check=False).returncode == 0, "the later netd answers", 10)
    assert "my-net" in host.ctl("network", "ls").stdout
    done = host.ctl("version")
    assert "\nnetd 99.0.0 " in done.stdout and "is older than netd 99.0.0" in done.stderr
    assert host.ctl_json("version")["older"] == "client"
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
