"""Faults in operations of namespaces."""

from fault.bounded import sample_of
from fault.operations import NAMESPACES

test_a_fault_leaves_what_was_before_or_what_comes_after = sample_of(NAMESPACES)
