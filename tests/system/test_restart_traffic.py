"""Stop, start, upgrade, crash: what runs through netd's networks goes on as if there were no netd. Of numbered datagrams, a thousand a
second on every path, not one is missing, and no connection breaks.

NETD_LONG=1: thirty seconds and more of them on every path, with restarts all the time.
"""

import contextlib
import os
import shutil

import pytest

from lib.host import NETD
from lib.snapshot import assert_same
from lib.traffic import Datagrams
from lib.wait import wait_for

BETWEEN = 150  # datagrams of each path from one thing that happens to the next
LONG = 30_000 if os.environ.get("NETD_LONG") else 0
OWN = ["file /run/netd"]
FORMS = {
    "plain": {"own_tables": False},
    "claimed": {},  # tables that belong to no one while netd is stopped
    "kept": {"keep": True},  # by a service manager that keeps their owner
}


@pytest.fixture(params=FORMS)
def built(request, host, out):
    """Two namespaces of one network, one of another, each with a server."""
    host.form = FORMS[request.param]
    host.start_daemon(**host.form)
    host.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24", "--bridge", "nd-a")
    host.ctl("network", "create", "other", "--subnet", "10.78.0.0/24", "--bridge", "nd-b")
    for network, name, address in (("my-net", "web", "10.77.0.2"), ("my-net", "db", "10.77.0.3"), ("my-net", "idle", "10.77.0.4"),
                                   ("other", "far", "10.78.0.2")):
        host.ctl("connect", network, name, "--ip", address)
    for spec in ("8080:80/tcp", *(f"{port}:{port}/udp" for port in range(5000, 5003))):
        host.ctl("publish", spec, "web")
    for place in (host.ns("web"), host.ns("db"), out):
        place.serve(80)
    return host


@contextlib.contextmanager
def traffic(host, out):
    """Numbered datagrams and a connection on every path."""
    web, db, far = (host.ns(name) for name in ("web", "db", "far"))
    paths = {  # who sends, to which address, who receives, the port of the datagrams, that of the connection
        "from outside": (out, "192.0.2.1", web, 5000, 8080),
        "from the host by 127.0.0.1": (host, "127.0.0.1", web, 5001, 8080),
        "from another network": (far, "192.0.2.1", web, 5002, 8080),
        "to the outside": (web, "192.0.2.2", out, 5003, 80),
        "between namespaces": (web, "10.77.0.3", db, 5004, 80),
    }
    with contextlib.ExitStack() as stack:
        flows = {}
        for name, (source, address, to, port, tcp) in paths.items():
            flows[name] = (stack.enter_context(source.stream("tcp", address, tcp, timeout=30.0)),
                           stack.enter_context(Datagrams(source, address, port, to, port)))
        yield flows
        missing = {name: datagrams.missing() for name, (_, datagrams) in flows.items()}
        assert missing == {name: [] for name in flows}
        assert {name: stream.error for name, (stream, _) in flows.items()} == {name: None for name in flows}


def go_on(flows, count=BETWEEN):
    for stream, datagrams in flows.values():
        datagrams.wait(count)
        stream.wait(deadline=60.0)


def upgrade(host):
    """Another file, as a package puts it in the place of the one that runs."""
    copy = host.dir / "netd-new"
    copy.unlink(missing_ok=True)
    shutil.copy(NETD, copy)
    host.restart_daemon(program=copy, **host.form)


def again(host, ending):
    getattr(host, ending)()
    host.start_daemon(**host.form)


STEPS = {
    "restart": lambda host: again(host, "stop_daemon"),
    "kill": lambda host: again(host, "kill_daemon"),
    "upgrade": upgrade,
}


def test_no_datagram_is_missing_and_no_connection_breaks(built, out):
    before = built.snapshot(inside=True, without=OWN)
    rounds = 0
    with traffic(built, out) as flows:
        go_on(flows)
        while rounds < 2 or min(datagrams.sent for _, datagrams in flows.values()) < LONG:
            rounds += 1
            for step in STEPS.values():
                step(built)
                go_on(flows)
            built.stop_daemon()  # and some time without a netd
            go_on(flows)
            built.start_daemon(**built.form)
    assert_same(before, built.snapshot(inside=True, without=OWN), "nothing changed")


def test_repair_at_the_start_disturbs_no_one_else(built, out):
    """One endpoint is broken while netd is down, others are in use."""
    outer = {item["namespace"]: item["host_interface"] for item in built.ctl_json("network", "inspect", "my-net")[0]["endpoints"]}
    before = built.snapshot(inside=True, without=OWN)
    harms = [f"ip link del {outer['idle']}", "ip -n idle link set eth0 down; ip -n idle addr flush dev eth0",
             f"ip link set {outer['idle']} nomaster", "sysctl -qw net.ipv4.conf.nd-b.route_localnet=0; ip -n idle link set lo down"]
    with traffic(built, out) as flows:
        for harm, ending in zip(harms, ("stop_daemon", "kill_daemon") * 2):
            getattr(built, ending)()
            built.shell(harm)
            built.start_daemon(**built.form)
            assert "repair:" in built.log(), harm
            go_on(flows)
    wait_for(lambda: not before.diff(built.snapshot(inside=True, without=OWN)), "all is as it was")


def test_connections_that_begin_meanwhile_are_served(built, out):
    """The kernel holds alone: those who come while there is no netd find the ports, too."""
    with traffic(built, out) as flows:
        for ending in ("stop_daemon", "kill_daemon"):
            getattr(built, ending)()
            for source, address in ((out, "192.0.2.1"), (built, "127.0.0.1"), (built.ns("far"), "192.0.2.1")):
                assert source.ask("tcp", address, 8080, timeout=20.0).tag == "web"
            go_on(flows)
            built.start_daemon(**built.form)
