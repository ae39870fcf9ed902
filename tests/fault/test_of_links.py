"""Faults in operations of links."""

from fault.bounded import sample_of
from fault.operations import LINKS

test_a_fault_leaves_what_was_before_or_what_comes_after = sample_of(LINKS)
