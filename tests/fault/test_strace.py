"""The second form, independent of the seam: strace puts an errno into system calls of the real daemon, as it is released, SQLite's
and the libraries' own calls included."""

import pytest

from fault.rig import Died, Rig
from fault.operations import BY_NAME
from lib.host import NETD

# of each system call the first few, which strace counts from the start of the daemon's threads on
SYSCALLS = {"sendto": "ENOBUFS", "recvmsg": "ENOMEM", "openat": "EMFILE", "socket": "ENFILE", "setns": "ENOMEM", "fdatasync": "EIO",
            "pwrite64": "ENOSPC", "ioctl": "ENOMEM"}
NAMES = ["network create", "connect, creating the namespace", "publish tcp", "ns rm -f", "disconnect"]
WHEN = (1, 2, 5)


@pytest.fixture(scope="module")
def rig():
    made = Rig()
    made.host.netd = NETD
    yield made
    made.close()


def traced(rig, syscall, errnum, when):
    """strace on the running daemon; it counts from here."""
    strace = rig.host.spawn("strace", "-f", "-qq", "-o", rig.host.dir / "strace", "-e", f"trace={syscall}",
                            "-e", f"inject={syscall}:error={errnum}:when={when}", "-p", pid_in(rig))
    return strace


def pid_in(rig):
    """The daemon's number inside of its host."""
    status = rig.host.run("pidof", "netd").stdout
    return status.split()[0]
