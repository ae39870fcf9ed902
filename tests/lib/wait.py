"""Conditions are waited for with a deadline, never slept for."""

import os
import time

# Deadlines are those of a usual machine. Sanitizers, and an emulated machine, need so many times as long: all that waits multiplies by it.
PATIENCE = int(os.environ.get("NETD_PATIENCE", "1"))


def wait_for(condition, what, deadline=5.0, step=0.01):
    """The first true value of condition(); fails with `what` when the deadline is over."""
    deadline *= PATIENCE
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline:g} s still not: {what() if callable(what) else what}")
        time.sleep(step)
