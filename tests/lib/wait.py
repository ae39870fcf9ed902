"""Conditions are waited for with a deadline, never slept for."""

import time


def wait_for(condition, what, deadline=5.0, step=0.01):
    """The first true value of condition(); fails with `what` when the deadline is over."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline:g} s still not: {what() if callable(what) else what}")
        time.sleep(step)
