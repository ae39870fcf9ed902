"""The second form, independent of the seam: strace puts an errno into system calls of the real daemon, as it is released, those of
SQLite and of the other libraries among them."""

import errno
import signal
from pathlib import Path

import pytest

from fault.control import FAIL, KERNEL, Call, Point
from fault.operations import BY_NAME
from fault.rig import Rig
from fault.trial import Trial, try_points
from lib.host import NETD
from lib.wait import wait_for

# which of them fails, counted in each thread from when strace came
SYSCALLS = {"sendto": ("ENOBUFS", (1, 4, 6)), "recvmsg": ("ENOMEM", (2, 5)), "openat": ("EMFILE", (1, 3)), "socket": ("ENFILE", (1, 2)),
            "setns": ("ENOMEM", (1,)), "fdatasync": ("EIO", (1,)), "pwrite64": ("ENOSPC", (1, 3)), "ioctl": ("EACCES", (1, 2))}
NAMES = ["network create", "connect, creating the namespace", "publish tcp", "ns rm -f", "disconnect"]


class Traced(Trial):
    def make_rig(self):
        return Rig(netd=NETD)

    def attempt(self, point, groups):
        host, output = self.rig.host, self.rig.host.dir / "strace"
        self.prepare()
        status = Path(f"/proc/{host.daemon.pid}/status")
        inner = status.read_text().split("NSpid:")[1].split("\n")[0].split()[-1]
        inject = f"inject={point.call.name}:error={errno.errorcode[point.errnum]}:when={point.call.number}"
        with host.spawn("strace", "-f", "-qq", "-o", output, "-e", f"trace={point.call.name}", "-e", inject, "-p", inner) as strace:
            wait_for(lambda: "TracerPid:\t0\n" not in status.read_text(), "strace has the daemon")
            answer = self.perform()
            strace.signal(signal.SIGTERM)
            strace.wait()
        self.rig.control.set("hits", output.read_text().count("(INJECTED)"))
        return answer


def points(_):
    """strace counts the calls of each thread by itself, so the way back may meet the fault again: then it is gone later."""
    for name, (error, numbers) in SYSCALLS.items():
        for number in numbers:
            yield "fail", Point(Call(number, name, 0, -1, 0, 0), FAIL, getattr(errno, error), lasting=KERNEL)


@pytest.mark.parametrize("name", NAMES)
def test_the_released_daemon_holds_against_strace(name, tell_points):
    try_points(Traced(BY_NAME[name]._replace(name=f"{name} (strace)"), retry=3), points)
