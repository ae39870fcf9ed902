"""What the running daemon takes of its machine: memory, descriptors, threads."""

import os
import re
from collections import Counter
from pathlib import Path

from lib.host import NETD

# Sanitizers multiply memory, and keep what was freed.
SANITIZED = b"__asan_init" in NETD.read_bytes()


def _proc(host, name):
    return Path(f"/proc/{host.daemon.pid}/{name}")


def memory(host, field="Pss"):
    """In kB, as smaps_rollup has it: Pss, Pss_Anon, Anonymous, ..."""
    return int(re.search(rf"^{field}: +(\d+) kB", _proc(host, "smaps_rollup").read_text(), re.M)[1])


def descriptors(host):
    """How many of each sort, sockets by their protocol: {"socket UNIX-STREAM": 2, "anon_inode:[eventfd]": 1, ...}. What is not named is 0."""
    found = Counter()
    for entry in _proc(host, "fd").iterdir():
        try:
            sort = re.sub(r":\[\d+\]$", "", os.readlink(entry))
            if sort == "socket":
                sort += " " + os.getxattr(entry, "system.sockprotoname").rstrip(b"\0").decode()
        except FileNotFoundError:
            continue
        found[sort] += 1
    return found


def threads(host):
    return len(list(_proc(host, "task").iterdir()))


def mappings(host):
    return len(_proc(host, "maps").read_text().splitlines())
