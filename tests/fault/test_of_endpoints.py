"""Faults in operations of endpoints."""

from fault.bounded import sample_of
from fault.operations import ENDPOINTS

test_a_fault_leaves_what_was_before_or_what_comes_after = sample_of(ENDPOINTS)
