"""A bounded sample of the faults at the daemon's start. tests/fault/sweep tries all of them."""

import pytest

from fault.starts import START, StartTrial
from fault.trial import try_points


@pytest.mark.parametrize("name", START)
def test_a_start_that_fails_is_made_good_by_the_next(name, tell_points):
    try_points(StartTrial(name))
