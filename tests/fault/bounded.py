"""The bounded sample that ./run-tests tries of each operation, each call in one way. tests/fault/sweep tries all of it."""

import pytest

from fault.trial import Trial, try_points


def sample_of(operations):
    """A test; they are spread over files, which run beside each other."""
    @pytest.mark.parametrize("operation", operations, ids=str)
    def test(operation, tell_points):
        try_points(Trial(operation, retry=10))
    return test
