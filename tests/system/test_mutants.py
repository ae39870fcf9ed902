"""The tests of the guards can be trusted: with any one rule taken out of the live tables, the test named for it fails."""

import subprocess
from pathlib import Path

MUTANTS = Path(__file__).parent.parent / "mutants"


def test_every_rule_is_missed_by_a_named_test():
    done = subprocess.run([MUTANTS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout
