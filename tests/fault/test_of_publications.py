"""Faults in operations of publications."""

from fault.bounded import sample_of
from fault.operations import PUBLICATIONS

test_a_fault_leaves_what_was_before_or_what_comes_after = sample_of(PUBLICATIONS)
