"""What the fault suite has found, each by itself, where another way to it would take more than a few lines."""

import errno

from fault.control import FAIL, Point
from fault.operations import BY_NAME
from fault.trial import Trial, try_points


def test_a_removed_namespace_is_not_made_again_while_its_release_fails():
    """The undo of the release looked at everything, and made the namespace again, without ever giving it back."""
    def before_the_commit(trial):
        store = next(call.number for call in trial.calls if call.name == "vfs_write")
        return [("fail", Point(call, FAIL, errno.ENOMEM)) for call in trial.calls[:store] if call.name in ("ioctl", "recvfrom", "recvmsg")]

    try_points(Trial(BY_NAME["release of a removed namespace"]), before_the_commit)
