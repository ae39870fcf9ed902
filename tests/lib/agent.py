"""The first process of a private host: it furnishes the host, and hands out sockets made inside its namespaces.

It runs as root of a new user, mount, pid and network namespace (see host.py). When the test's end of the channel
closes, it ends, and the kernel ends everything that was started in the host with it. Sockets stay for ever in the
network namespace they were made in, so a test can use them from outside like any other socket.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys

CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_MOVE, MS_SHARED = 1, 32, 4096, 8192, 1 << 20
MS_LOCKED = 2 | 4 | 8  # nosuid, nodev, noexec: they stay as they are
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
ETC = ["alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "passwd", "group", "protocols", "services", "iproute2", "host.conf",
       "gai.conf", "localtime"]

libc = ctypes.CDLL(None, use_errno=True)


def check(status, what):
    if status != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def enter(fd):
    check(libc.setns(fd, CLONE_NEWNET), "setns")


def mount(source, target, kind=None, flags=0, options=None):
    words = [word and word.encode() for word in (source, target, kind, options)]
    check(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f"mount {target}")


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def furnish(directory):
    """Everything but the host's own directory becomes read-only, so that no test can write to this machine."""
    mount(directory, directory, flags=MS_BIND)
    mount(None, "/", flags=MS_REMOUNT | MS_BIND | MS_RDONLY | os.statvfs("/").f_flag & MS_LOCKED)
    mount("lib", "/var/lib", "tmpfs", options="mode=755")
    os.mkdir("/var/lib/netd")
    mount(f"{directory}/state", "/var/lib/netd", flags=MS_BIND)
    mount("run", "/run", "tmpfs", options="mode=755")
    mount(None, "/run", flags=MS_SHARED)
    os.mkdir("/run/outside")
    etc = f"{directory}/etc"  # filled before it covers what it is filled from
    os.mkdir(etc)
    mount("etc", etc, "tmpfs", options="mode=755")
    subprocess.run(["cp", "-rP", "--preserve=mode", "-t", etc, *(f"/etc/{name}" for name in ETC if os.path.lexists(f"/etc/{name}"))], check=True)
    write(f"{etc}/nsswitch.conf", "hosts: files dns\n")
    write(f"{etc}/hosts", "127.0.0.1 localhost\n")
    write(f"{etc}/resolv.conf", "nameserver 192.0.2.2\n")
    mount(etc, "/etc", flags=MS_MOVE)
    os.rmdir(etc)
    mount("sys", "/sys", "sysfs")
    mount(f"{directory}/boot_id", "/proc/sys/kernel/random/boot_id", flags=MS_BIND)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))


def make_namespace(path, home):
    """A network namespace that stays as long as it is mounted there."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
    check(libc.unshare(CLONE_NEWNET), "unshare")
    try:
        mount("/proc/thread-self/ns/net", path, flags=MS_BIND)
    finally:
        enter(home)


class Inside:
    """For the time of a `with`, this process is in another network namespace."""

    def __init__(self, path, home):
        self.path, self.home = path, home

    def __enter__(self):
        if self.path:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                enter(fd)
            finally:
                os.close(fd)

    def __exit__(self, *_):
        if self.path:
            enter(self.home)


def answer(channel, request, home):
    with Inside(request.get("net"), home):
        if request["op"] == "socket":
            made = socket.socket(request["family"], request["type"], request["protocol"])
            socket.send_fds(channel, [b"{}"], [made.fileno()])
            made.close()
            return
        if request["op"] == "namespace":
            make_namespace(request["path"], home)
            channel.send(b"{}")
            return
        path = "/proc/sys/" + request["name"]
        if "value" in request:
            with open(path, "w") as file:
                file.write(str(request["value"]))
            channel.send(b"{}")
        else:
            with open(path) as file:
                channel.send(json.dumps({"value": file.read().strip()}).encode())


def main():
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(channel.fileno(), False)
    try:
        furnish(sys.argv[2])
    except (OSError, subprocess.CalledProcessError) as error:
        channel.send(json.dumps({"error": str(error)}).encode())
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as init: orphans leave no zombies
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    channel.send(json.dumps({"home": home}).encode())
    while request := channel.recv(65536):
        try:
            answer(channel, json.loads(request), home)
        except OSError as error:
            channel.send(json.dumps({"error": str(error), "errno": error.errno}).encode())


main()
