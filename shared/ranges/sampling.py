"""Sampling: when the users of a crowded slice were created, from the creation times of some of them. No IO here.

A script may have created all users of half a month within a few minutes. Counting needs a round trip for each digit of
that time. The creation times of some hundred users show it at once; they are asked for at the same time as the first
counts.

The sample: the users whose userPrincipalName begins with certain letters, a page for each letter. A page with a link to
more can't be used, because Graph may have sent the oldest users first; only if the times on it have no order, it can.
Where all names begin alike there is no sample, and only counting is left.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from shared.ranges.counting import Sample, Times, closed, count_of
from shared.ranges.ranges import Range

LETTERS = ("", *"bfhkvwz")
"""No letter, and some rare ones: of a few thousand users, some dozens or hundreds have a name that begins with one."""
MOST_USERS = 60_000
MOST_SLICES = 3
ENOUGH = 12
"""So many times for each piece. Then ranges of six pieces are about as even as counted ones."""


def samples_of(crowded: list[Range]) -> list[Sample]:
    """The samples of a few crowded slices, without those that are too large for a page."""
    ranges = closed([range_ for range_ in crowded if count_of(range_) <= MOST_USERS][:MOST_SLICES])
    return [Sample(replace(range_, prefixes=(letter,) if letter else ())) for range_ in ranges for letter in LETTERS]


def usable(times: Times, *, whole: bool) -> Times | None:
    """The times of a page if they can be used, else None. `whole`: the page has no link to more."""
    ordered = sorted(times)
    return times if whole or times not in (ordered, ordered[::-1]) else None


def cut(range_: Range, times: Sequence[int], grain: int) -> list[Range]:
    """Cuts the range into pieces of about `grain` users by the sample, if the sample is large enough.

    A second that has more users becomes a piece by itself.
    """
    low, high = range_.low, range_.high
    inside = [each for each in times if (low is None or low <= each) and (high is None or each < high)]
    pieces = count_of(range_) / max(grain, 1)
    if pieces <= 1 or len(inside) < ENOUGH * pieces:
        return [range_]
    step, users = len(inside) / pieces, 0
    cuts: list[int] = []
    shares: list[int] = []
    for second, many in sorted(Counter(inside).items()):
        if users + many > step and (users or many > step) and second != low and second not in cuts[-1:]:
            cuts.append(second)
            shares.append(users)
            users = 0
        users += many
        if users >= step and (high is None or second + 1 < high):
            cuts.append(second + 1)
            shares.append(users)
            users = 0
    shares.append(users)
    return [
        replace(range_, low=low, high=high, expected=round(count_of(range_) * share / len(inside)))
        for (low, high), share in zip(itertools.pairwise([low, *cuts, high]), shares, strict=True)
    ]
