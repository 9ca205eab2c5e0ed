"""Merges neighbouring slices of time into ranges that are about equally large."""

import bisect
import functools
import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime

from shared.ranges.counting import count_of
from shared.ranges.ranges import Range

FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


def merge(slices: list[Range], size: int) -> list[Range]:
    """Merges neighbours into ranges that are about equally large. A second with more than `size` users stays alone."""
    merged = [functools.reduce(_joined, group) for group in groups(slices, size)]
    if len(merged) == 1:
        # One range for all time would have no filter, so it would also bring users without createdDateTime.
        middle = len(slices) // 2
        merged = [functools.reduce(_joined, slices[:middle]), functools.reduce(_joined, slices[middle:])]
    for at, (below, range_) in enumerate(itertools.pairwise(merged)):
        if is_burst(range_, size) and seconds_of(below) > 2 and range_.low is not None:
            # The range below asks for users up to and including its border, so it would read the whole burst and drop
            # it. One second lower, it does not.
            merged[at : at + 2] = [replace(below, high=range_.low - 1), replace(range_, low=range_.low - 1)]
    return merged


def groups(slices: list[Range], size: int) -> list[list[Range]]:
    """Neighbours that become one range. As few ranges as possible, and the largest is as small as possible."""
    users = [None if is_burst(range_, size) else count_of(range_) for range_ in slices]
    counts = [count for count in users if count is not None]
    # With many ranges, rather one less: one more would be read alone, when all others have ended.
    places = math.ceil(sum(counts) / size) if sum(counts) < 8 * size else sum(counts) // size
    places += len(users) - len(counts)
    sizes = range(max(counts, default=0), sum(counts))
    most = bisect.bisect_left(sizes, True, key=lambda most: len(_starts(users, most)) <= places)
    starts = _starts(users, sizes.start + most)
    return [slices[start:end] for start, end in itertools.pairwise([*starts, len(slices)])]


def _starts(users: list[int | None], most: int) -> list[int]:
    """Where each group begins, if it has at most so many users. None: a burst, which is alone."""
    starts: list[int] = []
    room = -1
    for at, count in enumerate(users):
        if count is None or room < count:
            starts.append(at)
            room = most
        room = -1 if count is None else room - count
    return starts


def largest(groups: list[list[Range]], size: int) -> int:
    return max((sum(map(count_of, group)) for group in groups if not is_burst(group[0], size)), default=0)


def _joined(below: Range, above: Range) -> Range:
    return replace(below, high=above.high, expected=count_of(below) + count_of(above))


def is_burst(range_: Range, size: int) -> bool:
    """More users in one second than a range should have: only their names can split them."""
    return seconds_of(range_) == 1 and count_of(range_) > size


def seconds_of(range_: Range) -> int:
    low = FIRST_SECOND if range_.low is None else range_.low
    return (_LAST_SECOND if range_.high is None else range_.high) - low
