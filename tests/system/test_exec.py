"""`netd-ctl exec`: in the namespace, with its files and its /sys, with the caller's own rights, and an exit status as of sh."""

import socket
import struct
import threading

import pytest

from lib.host import NETD_CTL
from lib.wait import wait_for

UPSTREAMS = "/run/systemd/resolve/resolv.conf"
OWN_FILE = "/etc/netns/web/resolv.conf"


@pytest.fixture
def web(netd):
    netd.ctl("connect", "default", "web")
    return netd


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["no-such-program"], 127), (["/no/such/program"], 127), (["/etc/passwd"], 126),
    (["/etc"], 126), (["sh", "-c", "kill -9 $$"], 137), (["sh", "-c", "kill -TERM $$"], 143)])
def test_exit_status_is_that_of_sh(web, command, status):
    web.ctl("exec", "web", "--", *command, check=status)


def test_it_runs_in_the_namespace(web):
    inode = web.ctl_json("ns", "inspect", "web")[0]["inode"]
    assert web.ctl("exec", "web", "--", "readlink", "/proc/self/ns/net").stdout.strip() == f"net:[{inode}]"
    assert web.ctl("ns", "exec", "web", "--", "readlink", "/proc/self/ns/net").stdout.strip() == f"net:[{inode}]"


def test_sys_is_that_of_the_namespace(web):
    assert sorted(web.ctl("exec", "web", "--", "ls", "/sys/class/net").stdout.split()) == ["eth0", "lo"]


def test_arguments_environment_and_streams_pass_unchanged(web):
    done = web.ctl("exec", "web", "--", "sh", "-c", 'cat; echo "$1|$WORD"; echo err >&2', "sh", "a b *", stdin="in\n", env={"WORD": "x y"})
    assert done.stdout == "in\na b *|x y\n" and done.stderr == "err\n"


def test_without_a_command_it_is_a_shell(web):
    assert web.ctl("exec", "web", stdin="ls /sys/class/net\nexit 5\n", env={"SHELL": "/bin/sh"}, check=5).stdout.split() == ["eth0", "lo"]


def test_mounts_are_private(web):
    before = web.run("cat /proc/self/mountinfo").stdout
    web.ctl("exec", "web", "--", "mount", "-t", "tmpfs", "x", "/mnt")
    assert web.run("cat /proc/self/mountinfo").stdout == before


def test_files_of_etc_netns_lie_over_etc(web):
    web.write("/etc/netns/web/hosts", "10.9.9.9 here\n")
    web.write("/etc/netns/web/motd", "no such file in /etc\n")
    done = web.ctl("exec", "web", "--", "cat", "/etc/hosts")
    assert done.stdout == "10.9.9.9 here\n"
    assert web.run("cat /etc/hosts").stdout == "127.0.0.1 localhost\n"


def test_unknown_namespace(web):
    assert "nobody" in web.ctl("exec", "nobody", "--", "true", check=3).stderr


def test_namespace_that_netd_did_not_make(web):
    web.run("ip netns add theirs")
    assert web.ctl("exec", "theirs", "--", "ls", "/sys/class/net").stdout.split() == ["lo"]


def test_works_without_a_daemon(web):
    web.stop_daemon()
    assert "eth0" in web.ctl("exec", "web", "--", "ls", "/sys/class/net").stdout


def test_who_lacks_the_right_gets_the_ready_lines(web):
    done = web.run("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", NETD_CTL, "exec", "web", "--", "id", "-u", check=False)
    assert done.returncode == 1, done
    assert "sudo netd-ctl exec web -- id -u" in done.stderr
    assert "systemd-run" in done.stderr and "-p NetworkNamespacePath=/run/netns/web" in done.stderr
    assert done.stdout == ""


# --- names ---

@pytest.fixture
def stub(host, out):
    """The host's resolver is systemd-resolved's loopback address, with a real one behind it."""
    host.write("/etc/resolv.conf", "nameserver 127.0.0.53\nsearch example.org\n")
    host.write(UPSTREAMS, f"nameserver {out.address}\n")
    host.start_daemon()
    host.ctl("connect", "default", "web")
    return host


def answer_names(server, names):
    """A resolver: one A record for each name it knows."""
    while True:
        try:
            query, peer = server.recvfrom(512)
        except OSError:
            return
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        address = names.get(".".join(labels))
        found = address is not None and kind == 1
        flags = 0x8180 if address else 0x8183
        reply = query[:2] + struct.pack("!HHHHH", flags, 1, int(found), 0, 0) + query[12:at + 5]
        if found:
            reply += struct.pack("!HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
        server.sendto(reply, peer)


def test_names_resolve_by_the_real_upstream(stub, out):
    with out.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((out.address, 53))
        threading.Thread(target=answer_names, args=(server, {"www.example.net": "203.0.113.7"}), daemon=True).start()
        assert stub.ctl("exec", "web", "--", "getent", "hosts", "www.example.net").stdout.split() == ["203.0.113.7", "www.example.net"]


def test_file_is_marked_as_netds_and_names_the_upstream(stub, out):
    text = stub.file(OWN_FILE).read_text()
    assert "netd" in text and f"nameserver {out.address}" in text and "127.0.0.53" not in text
    assert stub.ctl("exec", "web", "--", "cat", "/etc/resolv.conf").stdout == text


def test_file_is_kept_current(stub):
    stub.write(UPSTREAMS, "nameserver 192.0.2.3\nnameserver 192.0.2.4\n")
    wait_for(lambda: "nameserver 192.0.2.3\nnameserver 192.0.2.4" in stub.file(OWN_FILE).read_text(), "the new upstreams are there", 8)


def test_file_goes_when_the_host_has_a_real_resolver(stub):
    stub.stop_daemon()
    stub.write("/etc/resolv.conf", "nameserver 192.0.2.2\n")
    stub.start_daemon()
    assert not stub.file(OWN_FILE).exists()


def test_file_goes_with_its_namespace(stub):
    stub.ctl("ns", "rm", "web")
    assert not stub.file("/etc/netns/web").exists()


def test_users_file_is_never_touched(stub):
    stub.write("/etc/netns/mine/resolv.conf", "nameserver 203.0.113.53\n")
    stub.ctl("connect", "default", "mine")
    stub.restart_daemon()
    stub.ctl("ns", "rm", "mine")
    assert stub.file("/etc/netns/mine/resolv.conf").read_text() == "nameserver 203.0.113.53\n"


def test_edited_file_is_the_users_from_then_on(stub):
    stub.write(OWN_FILE, "nameserver 203.0.113.53\n")
    stub.restart_daemon()
    stub.ctl("ns", "rm", "web")
    assert stub.file(OWN_FILE).read_text() == "nameserver 203.0.113.53\n"


def test_no_file_where_the_hosts_resolver_is_real(web):
    assert not web.file("/etc/netns").exists()
