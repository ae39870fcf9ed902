"""What the fault suite has found, each by itself, where another way to it would take more than a few lines."""

import errno
import re

import pytest

from fault.control import FAIL, KERNEL, Point
from fault.operations import BY_NAME
from fault.trial import PLACES, UNDO_FAILED, Trial, try_points
from lib.wait import wait_for

RELEASE = BY_NAME["release of a removed namespace"]


@pytest.fixture
def release():
    trial = Trial(RELEASE)
    yield trial
    trial.close()


def test_a_removed_namespace_is_not_made_again_while_its_release_fails():
    """The undo of the release looked at everything, and made the namespace again, without ever giving it back."""
    def before_the_commit(trial):
        store = next(call.number for call in trial.calls if call.name == "vfs_write")
        return [("fail", Point(call, FAIL, errno.ENOMEM)) for call in trial.calls[:store] if call.name in ("ioctl", "recvfrom", "recvmsg")]

    try_points(Trial(RELEASE), before_the_commit)


def test_what_a_repair_releases_is_worked_off(release):
    """The release failed, and so did its undo; the repair released the namespace, and left its tombstones to the next change."""
    commit = next(call.number for call in release.calls if call.name == "vfs_write")
    answer = [call for call in release.calls[:commit] if call.name == "recvfrom"][-1]
    release.prepare()
    log = len(release.rig.log())
    release.rig.control.arm(Point(answer, FAIL, errno.ENOBUFS, lasting=KERNEL), PLACES)
    release.perform()
    wait_for(lambda: re.search(f"{UNDO_FAILED}|tried again", release.rig.log()[log:]), "the release has failed", 20, step=0.001)
    release.rig.control.disarm()
    release.reach_end("released by the repair")
