"""What the fault suite has found, each by itself, where another way to it would take more than a few lines."""

import errno
import re
import time

import pytest

from fault.control import FAIL, KERNEL, KILL_BEFORE, MEMORY, REFUSE, SHORT, Point, failures
from fault.operations import BY_NAME
from fault.trial import PLACES, UNDO_FAILED, Trial, lapses, try_points, ways
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


def test_an_interface_that_could_not_be_moved_has_what_it_had():
    """It stayed in the namespace, or on the host, down and without its routes; and one that is not up there was a success."""
    def on_the_way(trial):
        names = [call.name for call in trial.calls]
        way = [call for call in trial.calls[names.index("mount"):names.index("vfs_write")] if call.name in ("sendto", "recvmsg", "setns")]
        return [which for call in way for which in [*(("fail", point) for point in failures(call, every=False)), ("kill", Point(call, KILL_BEFORE))]]

    try_points(Trial(BY_NAME["ns move-in"]), on_the_way)


def test_what_is_kept_of_an_interface_goes_with_it():
    """A record that could not be written, nor be taken away, left its directory, and no one looked; so did a kill or a fault at the last step."""
    def of_the_record(trial):
        names = [call.name for call in trial.calls]
        keeping = trial.calls[names.index("mkdir"):names.index("mount")]
        return [which for call in keeping if call.name in ("mkdir", "fopen64") for which in ways(call, every=False)]

    def of_the_end(trial):
        return [which for call in trial.calls if call.name == "rmdir" for which in ways(call, every=False)]

    try_points(Trial(BY_NAME["ns move-in"]), of_the_record)
    try_points(Trial(BY_NAME["ns move-out"]), of_the_end)


def test_what_an_interface_has_is_read_whole_or_it_stays():
    """A switch that could not be read was left out of what it had."""
    def of_the_reading(trial):
        keeping = [call.name for call in trial.calls].index("mkdir")
        return [("fail", Point(call, FAIL, errno.ENOMEM)) for call in trial.calls[:keeping] if call.name in ("open64", "openat64", "read", "pread64")]

    try_points(Trial(BY_NAME["ns move-in"]), of_the_reading)


def test_what_an_interface_had_is_given_back_whole():
    """A switch of which nothing was written, and an address that was said to be there, were taken for given back."""
    def of_the_return(trial):
        for call in trial.calls:
            if call.name == "write":
                yield "fail", Point(call, SHORT)
            elif call.name == "sendto" and call.protocol == 0 and call.messages == 1:
                yield "fail", Point(call, REFUSE, errno.EEXIST, 1)

    try_points(Trial(BY_NAME["ns rm -f, with an interface of the host"]), of_the_return)


def test_a_switch_that_cannot_be_read_is_no_one_elses():
    """The look at the host after an interface came back took it for one that the administrator lets forward, and its guard away."""
    def of_the_look(trial):
        return [("fail", Point(call, FAIL, errno.ENOMEM)) for call in trial.calls[-60:] if call.name in ("read", "open64", "fopen64")]

    try_points(Trial(BY_NAME["ns move-out"]), of_the_look)


def test_a_request_for_which_there_is_no_memory_is_not_another_one():
    """jansson left out the byte for which a string had no room: a sysctl of 600 became one of 60, and netd did that."""
    try_points(Trial(BY_NAME["ns set"]), lambda trial: [which for which in lapses(trial)[:40] if which[1].call.name == "malloc"])


def test_a_port_that_could_not_be_asked_for_is_not_passed_over():
    """Of a range the next one was taken, though nobody had the first."""
    try_points(Trial(BY_NAME["publish several"]), lambda trial: [("fail", Point(call, FAIL, errno.ENFILE)) for call in trial.calls if call.name == "socket"])


def test_namespaces_that_cannot_be_looked_at_are_not_passed_over():
    """`ns prune` removed the others, and said nothing."""
    try_points(Trial(BY_NAME["ns prune"]), lambda trial: [("fail", Point(call, FAIL, errno.ENOMEM)) for call in trial.calls if call.name == "stat64"])


def test_a_journal_that_cannot_be_written_leaves_no_half_of_it():
    def of_the_journal(trial):
        commit = [call.name for call in trial.calls].index("vfs_write")
        writing = [call for call in trial.calls[:commit] if call.name in ("fdopen", "rename")]
        return [which for call in writing for which in ways(call, every=False)]

    try_points(Trial(BY_NAME["ns set"]), of_the_journal)


def test_an_answer_that_there_is_no_memory_for_is_not_the_reason_to_wait_for_another():
    """netd stood still for ten seconds: the one answer that came was not taken for the last one."""
    trial = Trial(BY_NAME["connect"])
    try:
        for call in [call for call in trial.memory if call.name == "realloc"][:4]:
            start = time.monotonic()
            trial.prepare()
            trial.rig.control.arm(Point(call, FAIL, errno.ENOMEM), MEMORY)
            answer = trial.perform()
            assert trial.rig.control.hits and time.monotonic() - start < 9, (call, answer)
            trial.rig.control.disarm()
            (trial.go_back if answer.status < 300 else trial.rig.settle)()
    finally:
        trial.close()
