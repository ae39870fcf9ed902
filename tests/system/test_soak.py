"""A sample of tests/soak: random operations, kills and drift, and in the end nothing differs and nothing is left."""

import random

from lib.soak import soak


def test_sample():
    """With another seed each time; a failure prints it."""
    soak(30, random.SystemRandom().randrange(1 << 32))
