"""What the unit tests share."""

from hypothesis import settings

# Slow machines are no failures, and everyone waits for these tests.
settings.register_profile("unit", deadline=None, max_examples=60)
settings.load_profile("unit")
