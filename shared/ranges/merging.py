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
    counts = [count_of(range_) for range_ in slices if not is_burst(range_, size)]
    # With many ranges, rather one less: one more would be read alone, when all others have ended.
    places = math.ceil(sum(counts) / size) if sum(counts) < 8 * size else sum(counts) // size
    bursts = len(slices) - len(counts)

    def enough(most: int) -> bool:
        return len(_filled(slices, most, size)) - bursts <= places

    sizes = range(max(counts, default=0), sum(counts))
    return _filled(slices, sizes.start + bisect.bisect_left(sizes, True, key=enough), size)


def _filled(slices: list[Range], most: int, size: int) -> list[list[Range]]:
    """Groups of neighbours with at most so many users together; each burst alone."""
    groups: list[list[Range]] = []
    room = -1
    for range_ in slices:
        alone = is_burst(range_, size)
        if alone or room < count_of(range_):
            groups.append([])
            room = most
        groups[-1].append(range_)
        room = -1 if alone else room - count_of(range_)
    return groups


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
