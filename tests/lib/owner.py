"""Who owns the tables of a host, asked of the kernel itself: nft has no word for all of it."""

import socket
import struct
from typing import NamedTuple

NETLINK_NETFILTER = 12
GETTABLE = 10 << 8 | 1
DUMP = 0x301
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


def main():
    """On a machine of its own, where this file is all there is."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        print({name: tuple(ownership) for name, ownership in read(netlink).items() if name.endswith(" netd")})


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
