"""The daemon: options, one per host, rights it names when they are missing, a stop that leaves traffic running, rude clients."""

import json
import os
import signal
import socket
import stat
import threading

import pytest

from lib.host import NETD
from lib.snapshot import assert_same
from lib.wait import wait_for


def fails(host, *args, prefix=(), path=NETD):
    """Runs netd, which must give up by itself; what it said."""
    done = host.run(*prefix, path, *args, check=False, deadline=10)
    assert done.returncode not in (0, 124), done
    return done.stderr


def test_defaults_need_no_configuration(host):
    host.start_daemon()
    assert host.file("/run/netd/netd.sock").is_socket() and (host.state / "netd.db").exists()
    assert stat.S_IMODE(host.file("/run/netd/netd.sock").stat().st_mode) == 0o660
    assert not host.file("/etc/netd").exists()


def test_paths_by_option(host):
    host.start_daemon("--socket", "/run/x.sock", "--state-dir", host.dir / "elsewhere", "--runtime-dir", "/run/y", "--log-level", "debug")
    host.ctl("--socket", "/run/x.sock", "network", "ls")
    assert (host.dir / "elsewhere" / "netd.db").exists() and list(host.state.iterdir()) == []
    assert not host.file("/run/netd").exists()
    host.stop_daemon()
    assert not host.file("/run/x.sock").exists()


def test_unknown_option_or_value(host):
    for args in (["--nonsense"], ["--log-level", "loud"], ["word"], ["--socket"]):
        assert "netd:" in fails(host, *args)


def test_version_and_help(host):
    assert "netd" in host.run(NETD, "--version").stdout
    assert "--state-dir" in host.run(NETD, "--help").stdout


def test_missing_configuration_file_is_an_error_only_if_named(host):
    assert "/no/such/file" in fails(host, "--config", "/no/such/file")


def test_second_daemon_is_refused(netd):
    """Also with its own socket and state: there is one per network namespace of the host."""
    before = netd.snapshot()
    said = fails(netd, "--socket", "/run/x.sock", "--state-dir", netd.dir / "other", "--runtime-dir", "/run/y")
    assert "already" in said
    assert_same(before, netd.snapshot(), "a second daemon changes nothing")
    netd.ctl("network", "ls")


def test_socket_of_a_dead_daemon_is_no_obstacle(netd):
    netd.kill_daemon()
    assert netd.file("/run/netd/netd.sock").exists()
    netd.start_daemon()
    netd.ctl("network", "ls")


# --- missing rights ---

def test_without_sys_admin(host):
    assert "CAP_SYS_ADMIN" in fails(host, prefix=["setpriv", "--bounding-set", "-sys_admin"])


def test_without_net_admin(host):
    assert "CAP_NET_ADMIN" in fails(host, prefix=["setpriv", "--bounding-set", "-net_admin"])


def test_with_read_only_proc_sys(host):
    said = fails(host, prefix=["unshare", "--mount", "--propagation", "unchanged", "sh", "-c",
                               'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec "$0" "$@"'])
    assert "/proc/sys" in said and "ProtectKernelTunables" in said


def test_in_a_mount_namespace_of_its_own(host):
    """What it mounts would reach no one. systemd's hardening options do that."""
    said = fails(host, prefix=["unshare", "--mount", "--propagation", "slave"])
    assert "/run" in said and "mount" in said


def test_unwritable_state_directory(host):
    said = fails(host, "--state-dir", "/proc/nothing")
    assert "/proc/nothing" in said


# --- stop ---

@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT))
def test_clean_stop_leaves_traffic_and_kernel(netd, number):
    out, = netd.neighbours
    netd.ctl("connect", "default", "web")
    netd.ctl("publish", "8080:80", "web")
    netd.ns("web").serve(80)
    with out.stream("tcp", "192.0.2.1", 8080) as stream:
        stream.wait()
        before = netd.snapshot(inside=True, without=["file /run/netd"])
        netd.daemon.signal(number)
        assert netd.daemon.wait() == 0
        netd.daemon = None
        stream.wait(5)
        assert_same(before, netd.snapshot(inside=True, without=["file /run/netd"]), "a stopped netd leaves everything")
        assert stream.error is None
    assert not netd.file("/run/netd/netd.sock").exists()


def test_a_stop_answers_everyone_first(netd):
    """Those whose request is there, and those who have connected, but are not accepted yet."""
    daemon, clients = netd.daemon, [netd.connection() for _ in range(20)]
    assert netd.http("GET", "/v1/version").status == 200
    with netd.paused_daemon():
        clients += [netd.connection() for _ in range(20)]
        for number, client in enumerate(clients):
            client.request("POST", "/v1/namespaces", json.dumps({"name": f"n{number}"}))
        daemon.signal(signal.SIGTERM)
    for client in clients:
        with client.getresponse() as response:
            assert response.status == 201, response.read()
        client.close()
    assert daemon.wait() == 0
    netd.daemon = None
    assert not netd.file("/run/netd/netd.sock").exists()
    netd.start_daemon()
    assert len(netd.ctl("ns", "ls", "-q").lines) == 40


def test_changes_are_logged_with_their_caller(netd):
    netd.ctl("network", "create", "my-net")
    wait_for(lambda: "my-net" in netd.log(), "the change is in the log")
    line, = [line for line in netd.log().splitlines() if "my-net" in line]
    assert "uid 0" in line or "uid=0" in line


# --- rude clients ---

def raw(host):
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(10)
    made.connect(f"/proc/{host.pid}/root/run/netd/netd.sock")
    return made


def alive(host):
    return host.http("GET", "/v1/version").status == 200


def test_half_a_request(netd):
    whole = b'POST /v1/networks HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n{"name": "my"}'
    for cut in (1, 10, 30, len(whole) - 3):
        client = raw(netd)
        client.send(whole[:cut])
        assert alive(netd)
        client.close()
    assert alive(netd) and netd.ctl("network", "ls", "-q").lines == ["default"]


def test_client_with_a_long_address_of_its_own(netd):
    """An older libevent (before 2.1.12-stable-8+deb12u1) aborts when a client has bound itself to 26 bytes or more."""
    for length in (25, 26, 60, 107):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(10)
            client.bind("\0" + "x" * (length - 1))
            client.connect(f"/proc/{netd.pid}/root/run/netd/netd.sock")
            client.send(b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert alive(netd)


def test_no_http_at_all(netd):
    for junk in (b"\0" * 1000, b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", os.urandom(4096), b"\r\n" * 5000):
        with raw(netd) as client:
            try:
                client.sendall(junk)
                client.shutdown(socket.SHUT_WR)
                client.recv(65536)
            except ConnectionError:
                pass
        assert alive(netd)


def resident(host):
    with open(f"/proc/{host.daemon.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")) * 1024


@pytest.mark.parametrize("head", (b"Content-Length: 10000000", b"Transfer-Encoding: chunked"), ids=("length", "chunked"))
def test_body_of_10_megabytes_takes_no_memory(netd, head):
    before = resident(netd)
    with raw(netd) as client:
        try:
            client.sendall(b"POST /v1/networks HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            chunk = b"x" * 65536
            for _ in range(10_000_000 // len(chunk)):
                client.sendall(b"10000\r\n" + chunk + b"\r\n" if b"chunked" in head else chunk)
            client.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        try:
            client.recv(65536)
        except ConnectionError:
            pass
    assert alive(netd)
    assert resident(netd) - before < 4 << 20


def test_endless_header_is_cut_off(netd):
    with raw(netd) as client:
        with pytest.raises(OSError):
            client.sendall(b"GET /v1/networks HTTP/1.1\r\nX: ")
            for _ in range(1000):
                client.sendall(b"x" * 65536)
    assert alive(netd)


def test_client_that_never_reads(netd):
    with raw(netd) as client:
        client.settimeout(0.5)
        try:
            for _ in range(20000):
                client.sendall(b"GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n")
        except OSError:
            pass
        assert alive(netd)
        netd.ctl("network", "create", "my-net")
    assert resident(netd) < 64 << 20


def test_many_idle_clients_do_not_shut_others_out(netd):
    clients = []
    try:
        for _ in range(100):
            clients.append(raw(netd))
        assert alive(netd)
    finally:
        for client in clients:
            client.close()


def test_many_clients_at_once_leave_a_consistent_state(netd):
    netd.ctl("network", "create", "my-net", "--subnet", "10.77.0.0/24")
    answers = []

    def connect(number):
        answers.append(netd.http("POST", "/v1/endpoints", {"network": "my-net", "namespace": f"n{number}"}))

    threads = [threading.Thread(target=connect, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {201}
    endpoints = netd.ctl_json("network", "inspect", "my-net")[0]["endpoints"]
    assert len(endpoints) == 60
    for field in ("mac", "host_interface", "namespace"):
        assert len({endpoint[field] for endpoint in endpoints}) == 60
    assert len({endpoint["addresses"][0] for endpoint in endpoints}) == 60


def test_pipelined_requests_are_answered_in_order(netd):
    with raw(netd) as client:
        client.sendall(b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while part := client.recv(65536):
            data += part
    assert data.count(b"HTTP/1.1 200") == 2 and data.index(b'"api"') < data.index(b'"networks"')


def test_answers_are_json(netd):
    answer = netd.http("GET", "/v1/networks")
    assert answer.headers["Content-Type"] == "application/json"
    assert json.dumps(answer.body["networks"])
    answer = netd.http("GET", "/v1/version")
    assert answer.body["api"] == 1 and len(answer.body["instance"]) == 32
