"""The control file of netd-faulty (seam.h), and the table of what may fail (calls.h)."""

import collections
import errno
import mmap
import re
import struct
from pathlib import Path
from typing import NamedTuple

HEADER = struct.Struct("=2I24s10I")
CALL = struct.Struct("=24s4I")
CALLS_MAX = 16384
FIELDS = ["counted", "count", "name", "site", "at", "met", "action", "errnum", "message", "lasting", "hits", "hurry", "seen"]
OFFSETS = {name: 4 * place + (20 if place > 2 else 0) for place, name in enumerate(FIELDS)}
KERNEL, STORE, MEMORY = 1, 2, 4
FAIL, KILL_BEFORE, KILL_AFTER, REFUSE, LOSE, SHORT = range(1, 7)
ACTIONS = {FAIL: "fails", KILL_BEFORE: "kills before", KILL_AFTER: "kills after", REFUSE: "refuses", LOSE: "loses", SHORT: "is short"}
PROTOCOLS = {"NETLINK_ROUTE": 0, "NETLINK_SOCK_DIAG": 4, "NETLINK_NETFILTER": 12}


def read_table():
    """The errnos of each call, and of what the kernel answers to messages of each netlink protocol."""
    text = (Path(__file__).with_name("calls.h")).read_text()
    rows = re.findall(r'^(CALL|HOOK|MESSAGE)\((\w+),.*?"([A-Z0-9 ]+)", "(.+)"\)$', text, re.M)
    numbers = {name: [getattr(errno, word) for word in words.split()] for _, name, words, _ in rows}
    calls = {name: numbers[name] for kind, name, _, _ in rows if kind != "MESSAGE"}
    return calls, {PROTOCOLS[name]: numbers[name] for kind, name, _, _ in rows if kind == "MESSAGE"}


CALLS, MESSAGES = read_table()


class Call(NamedTuple):
    number: int
    name: str
    group: int
    protocol: int  # -1: not netlink
    messages: int
    site: int
    nth: int = 0  # among those of this name from this site, by which it is met again


class Point(NamedTuple):
    """One fault: what happens to the call of this number."""
    call: Call
    action: int
    errnum: int = 0
    message: int = 0
    lasting: int = 0

    def __str__(self):
        what = f"call {self.call.number}, {self.call.name} (site {self.call.site:#x}, {self.call.nth}), {ACTIONS[self.action]}"
        if self.action == REFUSE:
            what += f" message {self.message} of {self.call.messages}"
        if self.errnum:
            what += f" with {errno.errorcode[self.errnum]}"
        return what + (", and so do all later ones" if self.lasting else "")


class Control:
    def __init__(self, path):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(HEADER.size + CALL.size * CALLS_MAX)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def get(self, name):
        return struct.unpack_from("=I", self.map, OFFSETS[name])[0]

    def set(self, name, value):
        struct.pack_into("=I", self.map, OFFSETS[name], value)

    def count(self, groups):
        """From here on calls of these groups are counted, and nothing fails."""
        self.disarm()
        self.set("count", 0)
        self.set("hits", 0)
        self.set("counted", groups)

    def arm(self, point, groups):
        self.disarm()
        struct.pack_into("24s", self.map, OFFSETS["name"], point.call.name.encode())
        for name, value in (("count", 0), ("hits", 0), ("met", 0), ("action", point.action), ("errnum", point.errnum),
                            ("message", point.message), ("lasting", point.lasting), ("site", point.call.site), ("at", point.call.nth)):
            self.set(name, value)
        self.set("counted", groups)

    def disarm(self):
        """What is counted so far stays to be read."""
        self.set("counted", 0)
        self.set("at", 0)
        self.set("lasting", 0)

    @property
    def hits(self):
        return self.get("hits")

    def calls(self, groups):
        """What was counted of these groups, numbered among themselves."""
        found, made = [], collections.Counter()
        assert self.get("count") <= CALLS_MAX, "more calls than there is room for"
        for i in range(self.get("count")):
            name, group, protocol, messages, site = CALL.unpack_from(self.map, HEADER.size + i * CALL.size)
            if group & groups:
                made[name, site] += 1
                found.append(Call(len(found) + 1, name.rstrip(b"\0").decode(), group, protocol - 1, messages, site, made[name, site]))
        return found


def failures(call, every):
    """The points at which this call fails: with every errno, or with the first one only."""
    def some(errnos):
        return errnos if every else errnos[:1]

    for errnum in some(CALLS[call.name]):
        yield Point(call, FAIL, errnum)
    if call.name == "sendto" and call.protocol >= 0:
        # in a batch of nf_tables the last message may also be good, and the batch as a whole refused
        whole = [0] if call.protocol == PROTOCOLS["NETLINK_NETFILTER"] and call.messages > 1 else []
        for message in whole + list(range(1, call.messages + 1)):
            for errnum in some(MESSAGES[call.protocol]):
                yield Point(call, REFUSE, errnum, message)
    if call.name.startswith("recv") and call.messages:
        yield Point(call, LOSE, errno.ENOBUFS)
    if call.name == "write":
        yield Point(call, SHORT)


def kills(call):
    yield Point(call, KILL_BEFORE)
    yield Point(call, KILL_AFTER)
