"""Runs inside a private host: prints all of the network's state as one JSON object, unchanged.

Words on the command line name what is wanted beside the host itself: `inside` looks into every namespace of /run/netns, too.
`serve` goes on and on: each line of the input is such a list of words, and is answered by a line.
"""

import ctypes
import errno
import json
import os
import socket
import stat
import struct
import subprocess
import sys

DIRECTORIES = ["/run/netns", "/etc/netns", "/run/netd"]
LISTS = {"links": "link show", "addresses": "addr show", "routes": "route show table all", "neighbours": "neigh show"}
RTM_GETRULE, NFT_MSG_GETTABLE = 34, 10 << 8 | 1
NLM_F_DUMP_REQUEST = 0x301
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def output(*command, stdin=None):
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


def dump(bus, kind, family):
    """The messages of one netlink dump, raw, from behind their headers."""
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, bus) as asked:
        asked.send(struct.pack("=IHHIIB11x", 28, kind, NLM_F_DUMP_REQUEST, 1, 0, family))
        while True:
            data = asked.recv(65536)
            while data:
                length, answer = struct.unpack_from("=IH", data)
                if answer in (2, 3):  # an error, the end
                    return found
                found.append(data[16:length].hex())
                data = data[(length + 3) & ~3:]


def tables():
    """nft is asked only where there is a table: in most namespaces there is none."""
    if not dump(12, NFT_MSG_GETTABLE, 0):
        return ""
    return output("nft", "-s", "list", "ruleset")  # its JSON of a table with one flag is broken in 1.0.6


def sysctls():
    values = {}
    for directory, _, names in os.walk("/proc/sys/net"):
        for name in names:
            path = os.path.join(directory, name)
            try:
                file = os.open(path, os.O_RDONLY)
            except OSError:
                continue  # write-only
            try:
                values[path[len("/proc/sys/"):]] = os.read(file, 65536).decode().strip()
            except OSError:
                pass  # not for this namespace
            os.close(file)
    return values


def random_macs():
    """Interfaces whose address the kernel drew."""
    found = []
    for name in os.listdir("/sys/class/net"):
        try:
            with open(f"/sys/class/net/{name}/addr_assign_type") as file:
                if file.read().strip() == "1":
                    found.append(name)
        except OSError:
            pass
    return found


def network():
    lines = output("ip", "-d", "-j", "-batch", "-", stdin="\n".join(LISTS.values())).splitlines()
    lists = {name: json.loads(line) for name, line in zip(LISTS, lines, strict=True)}
    return {**lists, "rules": dump(0, RTM_GETRULE, socket.AF_INET) + dump(0, RTM_GETRULE, socket.AF_INET6),
            "nft": tables(), "sysctls": sysctls()}


def enter(path):
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(file, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns", path)
    finally:
        os.close(file)


def inside(path):
    """The network of one namespace; this process is in it meanwhile."""
    try:
        enter(path)
    except OSError as error:
        return {"broken": error.strerror}
    try:
        return network()
    finally:
        enter(f"/proc/self/fd/{HOME}")


def files():
    found = {}
    for top in DIRECTORIES:
        for directory, names, others in os.walk(top):
            for path in [directory] + [os.path.join(directory, name) for name in names + others]:
                try:
                    info = os.lstat(path)
                    entry = {"type": stat.filemode(info.st_mode)}
                    if stat.S_ISLNK(info.st_mode):
                        entry["target"] = os.readlink(path)
                    elif stat.S_ISREG(info.st_mode) and not path.startswith("/run/netns/"):
                        with open(path, errors="replace") as file:
                            entry["content"] = file.read(65536)
                except FileNotFoundError:
                    continue  # it went meanwhile
                except OSError as error:
                    if error.errno != errno.EINVAL:  # a namespace that is mounted there
                        raise
                found[path] = entry
    return found


def state(words):
    with open("/proc/self/mountinfo") as file:
        mounts = file.read()
    found = {"": network(), "mounts": mounts, "files": files(), "random": random_macs()}
    if "inside" in words and os.path.isdir("/run/netns"):
        for name in sorted(os.listdir("/run/netns")):
            found["ns " + name] = inside(f"/run/netns/{name}")
    return found


HOME = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
if sys.argv[1:] == ["serve"]:
    for line in sys.stdin:
        print(json.dumps(state(line.split())), flush=True)
else:
    print(json.dumps(state(sys.argv[1:])))
