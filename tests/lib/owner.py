"""Who owns the tables of a host, asked of the kernel itself: nft has no word for all of it."""

import functools
import socket
import struct
import subprocess
import sys
from typing import NamedTuple

NETLINK_NETFILTER = 12
GETTABLE = 10 << 8 | 1
DUMP = 0x301
NEWTABLE = 10 << 8
BATCH_BEGIN, BATCH_END = 0x10, 0x11
CREATE = 0x405  # and an answer
OWNER, PERSIST = 2, 4
FAMILIES = {1: "inet", 7: "bridge"}


class Ownership(NamedTuple):
    flags: int
    port: int | None  # the owner's


def attributes(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


def messages(netlink):
    while True:
        data = netlink.recv(65536)
        while data:
            size, kind = struct.unpack_from("=IH", data)
            if kind in (2, 3):  # an error, or the end of the dump
                return
            yield data[16:size]
            data = data[(size + 3) & ~3:]


def read(netlink):
    found = {}
    netlink.settimeout(10)
    netlink.send(struct.pack("=IHHII4x", 20, GETTABLE, DUMP, 1, 0))
    for message in messages(netlink):
        fields = attributes(message[4:])
        name = f'{FAMILIES.get(message[0])} {fields[1].rstrip(bytes(1)).decode()}'
        port = struct.unpack(">I", fields[7])[0] if 7 in fields else None
        found[name] = Ownership(struct.unpack(">I", fields[2])[0], port)
    return found


def message(kind, flags, family=0, subsystem=0, attributes=b""):
    return struct.pack("=IHHII", 20 + len(attributes), kind, flags, 1, 0) + struct.pack("=BB", family, 0) + struct.pack(">H", subsystem) + attributes


def claim(netlink):
    """Makes a table that outlives its owner: 0, or a negative errno."""
    table = struct.pack("=HH4sHH", 8, 1, b"try", 8, 2) + struct.pack(">I", OWNER | PERSIST)
    netlink.settimeout(10)
    netlink.send(message(BATCH_BEGIN, 1, subsystem=10) + message(NEWTABLE, CREATE, 1, attributes=table) + message(BATCH_END, 1, subsystem=10))
    return struct.unpack_from("=i", netlink.recv(65536), 16)[0]


def main():
    """On a machine of its own, or in a namespace, where this file is all there is."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        if sys.argv[1:] == ["claim"]:
            sys.exit(claim(netlink) != 0)
        print({name: tuple(ownership) for name, ownership in read(netlink).items() if name.endswith(" netd")})


@functools.cache
def has_kernel():
    """Whether the kernel has tables that outlive their owner (Linux 6.9)."""
    return subprocess.run(["unshare", "--user", "--map-root-user", "--net", sys.executable, "-ISB", __file__, "claim"], check=False).returncode == 0


def tables(host):
    """{"inet netd": Ownership} of every table of the families that netd uses."""
    with host.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        return read(netlink)


def of_netd(host):
    """The one ownership of both of netd's tables."""
    both = tables(host)
    assert both["inet netd"] == both["bridge netd"], both
    return both["inet netd"]


if __name__ == "__main__":
    main()
