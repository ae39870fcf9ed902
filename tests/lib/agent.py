"""The first process of a private host: it furnishes the host, and hands out sockets made inside its namespaces.

It runs as root of a new user, mount, pid and network namespace (see host.py). When the test's end of the channel
closes, it ends, and the kernel ends everything that was started in the host with it. Sockets stay for ever in the
network namespace they were made in, so a test can use them from outside like any other socket.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys

CLONE_NEWNET = 0x40000000

# Everything but the host's own directory becomes read-only, so that no test can write to this machine.
FURNISH = r"""
set -e
mount --bind "$DIR" "$DIR"
mount -o remount,bind,ro /
etc=$(mktemp -d -p "$DIR")
for name in alternatives ld.so.cache ld.so.conf ld.so.conf.d passwd group protocols services iproute2 host.conf gai.conf localtime; do
	[ ! -e /etc/$name ] || cp -rP --preserve=mode /etc/$name "$etc/"
done
mount -t tmpfs -o mode=755 etc /etc
cp -rP --preserve=mode "$etc"/. /etc/
rm -rf "$etc"
printf 'hosts: files dns\n' >/etc/nsswitch.conf
printf '127.0.0.1 localhost\n' >/etc/hosts
printf 'nameserver 192.0.2.2\n' >/etc/resolv.conf
mount -t tmpfs -o mode=755 run /run
mount --make-shared /run
mount -t tmpfs -o mode=755 lib /var/lib
mkdir /var/lib/netd
mount --bind "$DIR/state" /var/lib/netd
mount -t sysfs sys /sys
mount --bind "$DIR/boot_id" /proc/sys/kernel/random/boot_id
mkdir /run/outside
ip link set lo up
"""

libc = ctypes.CDLL(None, use_errno=True)


def enter(fd):
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


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
    done = subprocess.run(["sh", "-c", FURNISH], env={**os.environ, "DIR": sys.argv[2]}, text=True, capture_output=True)
    if done.returncode != 0:
        channel.send(json.dumps({"error": done.stderr}).encode())
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
