"""A bounded sample of the faults at the daemon's start. tests/fault/sweep tries all of them."""

import pytest

from fault.starts import START, StartTrial
from fault.trial import all_points, some


@pytest.mark.parametrize("name", START)
def test_a_start_that_fails_is_made_good_by_the_next(name, tell_points):
    trial = StartTrial(name)
    try:
        trial.run(some(all_points(trial, every=False), 24))
    finally:
        trial.close()
    assert not trial.failed, "\n\n".join(f"{attempt}: {point}: {why}" for attempt, point, why in trial.failed)
