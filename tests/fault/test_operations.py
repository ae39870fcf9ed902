"""A bounded sample of the fault suite: every operation, each of its calls in one way. tests/fault/sweep tries all of it."""

import pytest

from fault.operations import OPERATIONS
from fault.trial import Trial, sample


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_fault_leaves_what_was_before_or_what_comes_after(operation, tell_points):
    trial = Trial(operation, retry=10)
    try:
        trial.run(sample(trial))
    finally:
        trial.close()
    assert not trial.failed, "\n\n".join(f"{attempt}: {point}: {why}" for attempt, point, why in trial.failed)
