"""How large ranges are, and how many are read side by side; pure."""

import math

from shared.export.context import Record
from shared.files.columns import AUTHENTICATION, columns_of
from shared.graph.pages import PAGE
from shared.settings import Settings

LEAST_USERS = 1_800
"""Two pages, where the range became a little larger than it should be. One that is smaller is read sooner, but finding
it takes more round trips than that saves: unless each user costs a call, beside which pages are nothing."""
UNEVEN = 1.1
"""The largest range has about so many times the users that it should have."""
MAX_RANGES = 10_000
"""Each leaves a block of its own, or more, and a blob has 50,000 at most."""
PER_USER_LANES = 8
"""With 4 batches of 20 in each at the same time."""


def range_size(total: int, most: int, parallel: int, least: int = LEAST_USERS, page: int = PAGE) -> int:
    """Users per range: at most `most`, and so that `parallel` ranges, or a multiple of these, hold all users.

    With other numbers, a few ranges would be read last, alone. Larger than `most` only below MAX_RANGES ranges.
    """
    rounds = max(math.ceil(total / (most * parallel)), 1)
    even = math.ceil(total / (rounds * parallel))
    # As many pages, but full ones: where fewer ranges do for that, fewer requests are sent.
    full = int(math.ceil(even * UNEVEN / page) * page / UNEVEN)
    return max(min(most, max(even, full, least)), math.ceil(total / MAX_RANGES))


def lanes_of(record: Record, settings: Settings) -> int:
    """How many ranges are read side by side. Few when each user costs a call: Graph allows few of those."""
    return min(settings.parallel, PER_USER_LANES) if is_per_user(record) else settings.parallel


def is_per_user(record: Record) -> bool:
    """Whether each user costs a call."""
    return any(column.source == AUTHENTICATION for column in columns_of(record.columns))
