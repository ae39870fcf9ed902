"""Tries one operation at many points, and holds each outcome against what was before and what a run without a fault leaves.

    fails        the k-th call fails. An error answer: all is as before, and the same daemon can do it then. A success: all is
                 as without the fault, at once or as soon as the tombstones are worked off.
    memory       the k-th allocation fails: the same, but the answer may be missing.
    kills        the daemon dies at the k-th call. The next start gives what was before, or what comes after; that only where it
                 was acknowledged or stands in the database.
    undo fails   the k-th call fails, and from there on every call to the kernel, until the answer is there. The daemon goes on,
                 and puts things right by itself.
"""

import collections
import zlib

from fault.control import FAIL, KERNEL, KILL_AFTER, MEMORY, STORE, CALLS, Point, failures, kills
from fault.rig import DEADLINE, HURRY, Died, Rig
from lib.wait import wait_for

PLACES = KERNEL | STORE
UNDO_FAILED = "everything is looked at again"
COMMITTED = ("networks", "subnets", "namespaces", "endpoints", "links", "link_addresses", "endpoint_addresses", "publications", "leases", "moved", "settings")
COLUMNS = ["calls", "fails", "memory", "kills", "undo fails", "tolerated"]


class Count:
    """How many points were tried, by operation."""

    def __init__(self):
        self.lines = {}

    def add(self, operation, column, number=1):
        self.lines.setdefault(operation, collections.Counter())[column] += number

    def table(self):
        width = max([len("operation"), *map(len, self.lines)])
        total = sum(self.lines.values(), collections.Counter())
        yield f"{'operation':{width}}  " + "  ".join(f"{column:>10}" for column in COLUMNS)
        for name, line in [*self.lines.items(), ("all", total)]:
            yield f"{name:{width}}  " + "  ".join(f"{line[column]:>10}" for column in COLUMNS)


COUNT = Count()


class Trying:
    """What trials of an operation and of a start have in common: `name`, `calls`, `memory`, `renew()` and an attempt for each kind."""

    def __init__(self, name):
        self.name, self.failed, self.rig = name, [], None

    def close(self):
        if self.rig:
            self.rig.close()

    def count(self, column, number=1):
        COUNT.add(self.name, column, number)

    def forget(self, point):
        self.fail(point, MEMORY, "memory")

    def undo(self, point):
        self.fail(point, PLACES, "undo fails")

    def run(self, points):
        """Tries them all. What goes wrong is kept, and the next point gets a new host."""
        for attempt, point in points:
            try:
                getattr(self, attempt)(point)
            except Exception as error:  # whatever it is, it is told with its point
                self.failed.append((attempt, point, f"{type(error).__name__}: {error}"))
                self.renew()


class Trial(Trying):
    """One operation. `retry`: how many refusals there are until the operation is done without a fault once more."""

    def __init__(self, operation, retry=4):
        super().__init__(operation.name)
        self.operation, self.retry, self.refused = operation, retry, 0
        self.renew()
        self.calls, self.memory = self.learn()
        self.count("calls", len(self.calls))

    def make_rig(self):
        return Rig(ground=self.operation.ground)

    def renew(self):
        """A new host: the one before is not to be trusted any more."""
        if self.rig:
            self.rig.close()
        self.rig = self.make_rig()
        self.now = self.rig.settled()  # None: it is not known
        self.base = self.now[True]
        self.before = None  # what is there when the operation begins, while it still is
        self.beginning = self.end = None  # both alike
        self.learn()

    def committed(self):
        rows = self.rig.rows()
        return {table: rows.get(table) for table in COMMITTED}

    # --- without a fault ---

    def wait_store(self):
        """A failed commit may leave a store that refuses changes; it comes back by itself."""
        wait_for(lambda: "refuses_changes" not in self.rig.must("GET", "/v1/version").body,
                 lambda: f"changes are accepted again\n{self.rig.log()[-1000:]}", DEADLINE)

    def prepare(self):
        self.wait_store()
        if self.before is None:
            for request in self.operation.before:
                self.rig.must(*request)
            self.before = self.begun()[False]
            self.before_rows = self.committed()
            request = self.operation.request
            self.request = request(self.rig) if callable(request) else request

    def begun(self):
        """Both states from which the operation begins. Once the one that is alike is known, nothing need be looked at twice."""
        if not self.operation.before:
            return self.now
        self.rig.settle()
        both = self.rig.wait_state(self.beginning, "ready to begin", alike=True) if self.beginning else self.rig.settled()
        self.beginning = both[True]
        return both

    def perform(self):
        """The answer; None where there is none to be had."""
        if not self.operation.by_hand:
            return self.rig.request(*self.request)
        self.operation.by_hand(self.rig)
        return None

    def is_over(self):
        """Whether the final steps are done, and what was done by hand was followed."""
        rows = self.rig.rows()
        followed = not self.operation.by_hand or all(row["name"] != "x" for row in rows["namespaces"])
        return followed and not rows.get("tombstones")

    def perform_whole(self):
        answer = self.perform()
        assert answer is None or answer.status < 300, f"without a fault: {answer.status} {answer.body}\n{self.rig.log()[-2000:]}"
        wait_for(self.is_over, "the final steps are done", DEADLINE)

    def learn(self):
        """The calls of a run without a fault, those that allocate apart, and where it ends."""
        self.prepare()
        found = self.rig.counted(self.perform_whole, PLACES, MEMORY)
        if self.end is None:
            self.end = self.rig.settled()[True]
        self.go_back()
        return found

    def go_back(self):
        """From the end of the operation to the base. Where the next begins with requests, what it begins from is looked at after these."""
        wait_for(self.is_over, "the final steps are done", DEADLINE)
        self.wait_store()
        for request in self.operation.back:
            self.rig.must(*request)
        self.before = None
        self.rig.settle()
        if not self.operation.before:
            self.now = self.rig.wait_state(self.base, "the way back leads to where it began", alike=True)

    # --- with one ---

    def attempt(self, point, groups):
        """The answer with this fault; None where there was none."""
        control = self.rig.control
        self.prepare()
        control.arm(point, groups)
        try:
            answer = self.perform()
            self.check_held(answer)
        except Died:
            answer = None
        if not point.lasting or self.operation.by_hand:
            wait_for(lambda: control.hits or not self.rig.host.daemon.running() or self.is_over(), "the operation is over", DEADLINE)
        control.disarm()
        return answer

    def check_held(self, answer):
        """What a removal could not finish is said in its answer."""
        gone = self.operation.gone
        if answer and answer.status < 300 and gone and self.rig.host.file(gone).exists():
            assert any("still held" in warning for warning in answer.body["warnings"]), f"{gone} is still there: {answer.body}"

    def reach_end(self, what):
        self.rig.wait_state(self.end, what, alike=True)
        self.go_back()

    def stay(self, what):
        self.rig.wait_state(self.before, what)
        self.refused += 1
        if self.refused % self.retry == 0:
            self.wait_store()
            self.perform_whole()
            self.reach_end("after a refusal, the same operation leads to its end")

    def fail(self, point, groups=PLACES, column="fails"):
        log = len(self.rig.log())
        answer = self.attempt(point, groups)
        assert self.rig.host.daemon.running(), f"netd ended\n{self.rig.log()[-2000:]}"
        if self.rig.control.hits:
            self.count(column)
        if answer is None and not self.operation.by_hand:
            assert groups == MEMORY, "there was no answer"
            changed = self.committed() != self.before_rows
        else:
            changed = answer is None or answer.status < 300
        if changed:
            self.count("tolerated", self.rig.control.hits > 0)
            self.reach_end(f"done, so all is as without the fault ({answer and answer.body})")
            return
        assert answer is None or answer.body.get("detail"), f"an error without a sentence: {answer}"
        self.stay(f"refused, so all is as before ({answer and answer.body.get('detail')})")
        assert point.lasting or groups == MEMORY or UNDO_FAILED not in self.rig.log()[log:], self.rig.log()[log:]

    def kill(self, point):
        answer = self.attempt(point, PLACES)
        if not self.rig.control.hits:
            self.reach_end("nothing happened, so it is done")
            return
        self.count("kills")
        self.rig.has_died()
        changed = self.committed() != self.before_rows or self.operation.by_hand
        self.rig.start()
        if changed or (answer and answer.status < 300):
            self.rig.settle()
            self.reach_end("committed before netd was killed, so it is done after the next start")
        else:
            self.rig.wait_state(self.before, "killed before it was committed, so all is as before")


def ways(call, every):
    """All that may happen to this call: the attempt and its point. `every`: with every errno."""
    yield from (("fail", point) for point in failures(call, every))
    yield from (("kill", point) for point in kills(call))
    yield "undo", Point(call, FAIL, CALLS[call.name][0], lasting=KERNEL)


def all_points(trial):
    """Every point, with every errno. A death after a call is the death before the next one."""
    for call in trial.calls:
        yield from (way for way in ways(call, True) if way[1].action != KILL_AFTER or call is trial.calls[-1])
    yield from lapses(trial)


def lapses(trial):
    """Each allocation that fails."""
    return [("forget", Point(call, FAIL, CALLS[call.name][0])) for call in trial.memory]


def sample(trial):
    """Every fourth kind of call once, each thing that may happen once. Which call has what happen to it changes from operation to
    operation, so that all kinds have their turn; from run to run only as far as the kernel's announcements come at other moments."""
    turn = zlib.crc32(trial.name.encode())
    kinds, points = collections.defaultdict(list), {}

    def choose(call, which):
        points.setdefault(call.number, which)

    for call in trial.calls:
        kinds[call.name, call.protocol].append(call)
    for i, calls in enumerate(kinds.values()):
        if (turn + i) % 4:
            continue
        possible = list(ways(calls[turn % len(calls)], False))
        choose(possible[0][1].call, possible[(turn + i) % len(possible)])
    for call in trial.calls[turn % len(trial.calls):] + trial.calls:
        tried = {happening(which) for which in points.values()}
        for which in ways(call, False):
            if happening(which) not in tried:
                choose(call, which)
    memory = lapses(trial)
    return [points[number] for number in sorted(points)] + memory[turn % max(1, len(memory)):][:1]


def happening(which):
    attempt, point = which
    return attempt, point.action


def sooner(trial, which):
    """The same at a call that comes half as late; None where there is none."""
    attempt, point = which
    calls = trial.memory if attempt == "forget" else trial.calls
    if attempt == "fail" or point.call.number == 1:
        return None
    call = calls[point.call.number // 2 - 1]
    return attempt, point._replace(call=call, errnum=point.errnum and CALLS[call.name][0])


def try_points(trial, choose=sample):
    """Fails with all that went wrong. A run may be over before the call at which netd was to die: then it dies sooner in the next."""
    try:
        for which in choose(trial):
            while which:
                trial.run([which])
                which = not trial.rig.control.hits and not trial.failed and sooner(trial, which)
    finally:
        trial.close()
    assert not trial.failed, "\n\n".join(f"{attempt}: {point}: {why}" for attempt, point, why in trial.failed)
