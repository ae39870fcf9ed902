"""A host with many flows: those of a port that goes are ended on a thread, and the answer comes when they have ended."""

import contextlib
import socket
import shutil
import sqlite3

import pytest

from lib.daemon import threads
from lib.wait import PATIENCE, wait_for

MANY = 20_000
PORTS = range(9000, 9020)


def count(host, *words):
    return len(host.run("conntrack", "-L", *words).lines)


def publish(host, port):
    assert host.http("POST", "/v1/publications", {"host_port": port, "port": 80, "namespace": "web", "protocol": "udp"}).status == 201


def ask(connection, method, path):
    connection.request(method, path)
    return connection


def answered(connection):
    response = connection.getresponse()
    response.read()
    return response.status


@pytest.fixture
def busy(netd):
    """A namespace with a server, a flow through each of its published ports, and thousands of other flows."""
    netd.ctl("connect", "default", "web")
    netd.ns("web").serve(80)
    for name in ("udp_timeout", "udp_timeout_stream"):
        netd.sysctl(f"net/netfilter/nf_conntrack_{name}", 600)
    with netd.socket(socket.AF_INET, socket.SOCK_DGRAM) as filler:
        for port in range(20000, 20000 + MANY):
            with contextlib.suppress(ConnectionRefusedError):
                filler.sendto(b"x", ("127.0.0.1", port))
            with contextlib.suppress(ConnectionRefusedError):
                filler.sendto(b"x", ("127.0.0.1", port))
    wait_for(lambda: int(netd.sysctl("net/netfilter/nf_conntrack_count")) >= MANY, "the table is full enough")
    out, = netd.neighbours
    for port in PORTS:
        publish(netd, port)
        assert out.ask("udp", "192.0.2.1", port)
    assert count(netd, "--orig-src", "192.0.2.2") == len(PORTS)
    return netd


def test_the_flows_have_ended_when_unpublish_is_answered(busy):
    for number, port in enumerate(PORTS):
        busy.ctl("unpublish", f"{port}/udp")
        assert count(busy, "--orig-src", "192.0.2.2") == len(PORTS) - 1 - number
    assert int(busy.sysctl("net/netfilter/nf_conntrack_count")) >= MANY, "flows of others go on"


def test_the_flows_have_ended_when_disconnect_is_answered(busy):
    busy.ctl("disconnect", "default", "web")
    assert count(busy, "--orig-src", "192.0.2.2") == 0


def test_many_that_wait_go_together(busy):
    connections = [busy.connection(60) for _ in PORTS]
    for connection, port in zip(connections, PORTS):
        ask(connection, "DELETE", f"/v1/publications?host_port={port}")
    for connection in connections:
        assert answered(connection) == 200
        connection.close()
    assert count(busy, "--orig-src", "192.0.2.2") == 0
    wait_for(lambda: threads(busy) == 1, "the thread has ended")


def test_others_are_answered_meanwhile(busy):
    first, second = busy.connection(60), busy.connection(60)

    def unanswered():
        first.sock.setblocking(False)
        try:
            return not first.sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            first.sock.settimeout(60 * PATIENCE)

    def overtaken():
        """Whether a question that came while the thread was there has its answer first. One may be too late for that."""
        publish(busy, 9100)
        ask(first, "DELETE", "/v1/publications?host_port=9100")
        while threads(busy) == 1 and unanswered():
            pass
        assert answered(ask(second, "GET", "/v1/version")) == 200
        before = unanswered()
        assert answered(first) == 200
        return before

    wait_for(overtaken, "one was overtaken", 30)


def tombstones(host):
    """From a copy: netd has the database locked."""
    copy = host.dir / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for path in host.state.glob("netd.db*"):
        shutil.copyfile(path, copy / path.name)
    with contextlib.closing(sqlite3.connect(copy / "netd.db")) as database:
        return database.execute("SELECT count(*) FROM tombstones").fetchone()[0]


def test_a_stop_in_the_middle_leaves_nothing(busy):
    connections = [busy.connection(60) for _ in PORTS]
    with busy.paused_daemon():
        for connection, port in zip(connections, PORTS):
            ask(connection, "DELETE", f"/v1/publications?host_port={port}")
    assert answered(connections[0]) == 200
    busy.stop_daemon()
    for connection in connections:
        connection.close()
    busy.start_daemon()
    wait_for(lambda: count(busy, "--orig-src", "192.0.2.2") == len(busy.http("GET", "/v1/publications").body["publications"]),
             "no flow is left of a port that is gone")
    wait_for(lambda: tombstones(busy) == 0, "what is gone is forgotten", 10)
