"""Starts of the daemon: with nothing to do, with much to repair, after a reboot, and the very first one."""

from fault.rig import DEADLINE, Rig
from fault.trial import PLACES, MEMORY, Trying
from lib.host import NETD
from lib.wait import wait_for

BREAK = """
nft delete table inet netd
nft delete table bridge netd
ip link del nd-b
ip -n web addr flush dev eth0
ip -n web link set lo down
ip link set nd-a down
echo 0 >/proc/sys/net/ipv4/conf/nd-a/forwarding
"""


def nothing(rig):
    """All is as it should be."""


def damage(rig):
    rig.host.shell(BREAK)


def reboot(rig):
    rig.host.reboot()


def erase(rig):
    """No netd was ever here."""
    rig.host.run(NETD, "--cleanup", "--purge")
    for path in rig.host.state.iterdir():
        path.unlink()


START = {"start, nothing to do": nothing, "start, much to repair": damage, "start after a reboot": reboot, "first start": erase}


class StartTrial(Trying):
    """What `fault.trial` does to a request, done to a start."""

    def __init__(self, name):
        super().__init__(name)
        self.spoil = START[name]
        self.renew()
        self.calls, self.memory = self.learn()
        self.count("calls", len(self.calls))

    def renew(self):
        if self.rig:
            self.rig.close()
        self.rig = Rig(base=self.spoil is not erase)
        if self.spoil is reboot:
            self.rig.must("DELETE", "/v1/networks/a/endpoints/web")  # so that there is a namespace without an endpoint, too
            self.rig.settle()
        if self.spoil is erase:
            self.rig.start()
        self.learn()
        self.end = self.rig.settled()[True]

    def learn(self):
        self.ready()
        return self.rig.counted(self.rig.start, PLACES, MEMORY)

    def ready(self):
        """The daemon is to be started."""
        self.rig.kill()
        self.spoil(self.rig)

    def attempt(self, point, groups):
        """Whether it started."""
        self.ready()
        self.rig.control.arm(point, groups)
        try:
            self.rig.start()
            return True
        except AssertionError as error:
            assert "netd ended with" in str(error), error
            return False
        finally:
            self.rig.control.disarm()

    def fail(self, point, groups=PLACES, column="fails"):
        started = self.attempt(point, groups)
        assert self.rig.control.hits or started, self.rig.log()
        self.count(column, self.rig.control.hits > 0)
        if started:
            self.count("tolerated", self.rig.control.hits > 0)
        else:
            assert self.rig.log().strip(), "netd ended without a word"
            self.rig.start()
        self.rig.wait_state(self.end, "started" if started else "refused to start, and started again", alike=True)

    def kill(self, point):
        if self.attempt(point, PLACES):
            wait_for(lambda: not self.rig.control.hits or not self.rig.host.daemon.running(), "netd has died", DEADLINE)
        if self.rig.control.hits:
            self.count("kills")
        self.rig.kill()
        self.rig.start()
        self.rig.wait_state(self.end, "killed while it started, and started again", alike=True)
