"""Sampling: when the users of a crowded slice were created, from the creation times of some of them. No IO here.

A script may have created all users of half a month within a few minutes. Counting needs a round trip for each digit of
that time. The creation times of some hundred users show it at once.

Beside the first counts, a page is read of each group of slices. Mostly it has enough users of a crowded slice, and no
other round trip is needed.
Of a slice that is still crowded, those users are read whose userPrincipalName begins with certain letters, a page for
each letter. Where all names begin alike these are no sample, and only counting is left.

A page with a link to more can't be used, because Graph may have sent the oldest users first; only if the times on it
have no order, it can.
"""

import bisect
import itertools
import math
from collections import Counter
from dataclasses import replace

from shared.ranges.counting import Answers, Sample, Times, closed, count_of
from shared.ranges.merging import FIRST_SECOND
from shared.ranges.ranges import Range

GROUP = 24
"""Slices that share a page, such as two years of months. Every export pays for these pages, needed or not."""
FINE = 24
"""Pieces of a range: they cost no counting here, and finer ones are merged more evenly."""
MARGIN = 1.5
"""Standard deviations. Without them half of the ranges that a sample has cut would be larger than they should be."""
FAIR = 4
"""Standard deviations. A page with more or fewer users of a slice than its count allows is no random sample."""
LETTERS = ("", *"bfhkvwz")
"""No letter, and some rare ones: of a few thousand users, some dozens or hundreds have a name that begins with one."""
MOST_USERS = 60_000
MOST_SLICES = 3
ENOUGH = 72
"""So many times for each range. Then ranges are about as even as counted ones."""


def first_samples(slices: list[Range]) -> list[Sample]:
    """The sample of each group of slices."""
    return [Sample(each) for each in closed([replace(each[0], high=each[-1].high) for each in _groups(slices)])]


def cut_first(slices: list[Range], answers: Answers, size: int, crowded: int) -> list[Range]:
    """Cuts the slices finely, for ranges of `size` users, where the first samples allow that.

    `crowded`: a slice of more users than that becomes ranges of its own.
    """
    finer: list[Range] = []
    for group, answer in zip(_groups(slices), answers, strict=True):
        users, times = sum(map(count_of, group)), sorted(answer if isinstance(answer, list) else [])
        for range_ in group:
            fair = _is_fair(len(_inside(range_, times)), len(times), range_, users)
            margin = MARGIN if count_of(range_) > crowded else 0
            finer += cut(range_, times, size, FINE, margin) if fair else [range_]
    return finer


def _groups(slices: list[Range]) -> list[list[Range]]:
    return [slices[at : at + GROUP] for at in range(0, len(slices), GROUP)]


def _is_fair(inside: int, times: int, range_: Range, users: int) -> bool:
    """Whether so many of the times are in the range as its share of the users says."""
    share = times * count_of(range_) / max(users, 1)
    return abs(inside - share) <= FAIR * math.sqrt(share)


def _inside(range_: Range, times: Times) -> Times:
    """Those of the ordered times that the range has."""
    first = 0 if range_.low is None else bisect.bisect_left(times, range_.low)
    return times[first : len(times) if range_.high is None else bisect.bisect_left(times, range_.high)]


def samples_of(crowded: list[Range]) -> list[Sample]:
    """The samples of a few crowded slices, without those that are too large for a page."""
    ranges = closed([range_ for range_ in crowded if count_of(range_) <= MOST_USERS][:MOST_SLICES])
    return [Sample(replace(range_, prefixes=(letter,) if letter else ())) for range_ in ranges for letter in LETTERS]


def usable(times: Times, *, whole: bool) -> Times | None:
    """The times of a page if they can be used, else None. `whole`: the page has no link to more."""
    ordered = sorted(times)
    return times if whole or times not in (ordered, ordered[::-1]) else None


def cut(range_: Range, times: Times, size: int, pieces: int, margin: float = 0) -> list[Range]:
    """Cuts the range by ordered times into so many pieces for each `size` users, if there are enough times.

    A second that has more users becomes a piece, with the second below it. `margin`: standard deviations of a range to
    add to the counts.
    """
    low, high, inside = range_.low, range_.high, _inside(range_, times)
    ranges = count_of(range_) / max(size, 1)
    if ranges * pieces <= 1 or len(inside) < ENOUGH * ranges:
        return [range_]
    step, users, per_time = len(inside) / (ranges * pieces), 0, count_of(range_) / len(inside)
    borders: list[int] = [FIRST_SECOND if low is None else low]
    shares: list[int] = []
    for second, many in sorted(Counter(inside).items()):
        # A range asks for the second at its upper border too, and drops its users. So the border below a second with
        # many users is a second lower. Where these get a range of their own, `merge` lowers it.
        border = second if many * per_time > size else second - 1
        if users + many > step and (users or many > step) and border > borders[-1]:
            borders.append(border)
            shares.append(users)
            users = 0
        users += many
        if users >= step and (high is None or second + 1 < high):
            borders.append(second + 1)
            shares.append(users)
            users = 0
    shares.append(users)
    per_time *= 1 + margin / math.sqrt(len(inside) / ranges)
    return [
        replace(range_, low=low, high=high, expected=round(per_time * share))
        for (low, high), share in zip(itertools.pairwise([low, *borders[1:], high]), shares, strict=True)
    ]
