"""A bounded sample of the fault suite: networks and namespaces, each call in one way. tests/fault/sweep tries all of it."""

import pytest

from fault.operations import OPERATIONS
from fault.trial import Trial, try_points


@pytest.mark.parametrize("operation", [operation for operation in OPERATIONS if operation.name.startswith(("network", "ns"))], ids=str)
def test_a_fault_leaves_what_was_before_or_what_comes_after(operation, tell_points):
    try_points(Trial(operation, retry=10))
