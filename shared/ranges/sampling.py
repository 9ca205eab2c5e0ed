"""Sampling: when the users of a crowded slice were created, from the creation times of some of them. No IO here.

Counting finds a script's few minutes within half a month by a round trip for each digit of the time. The creation times
of some hundred users show them at once, whatever they look like, and are asked for beside the first of these counts.

Whose times: all with a few letters as the first of their userPrincipalName, each letter's on a page of its own. A
page with a link to more says nothing, as Graph may have sent the oldest first; but for one of the whole slice which
comes in no order of time. Names say nothing where all begin alike: then counting goes on as before.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from shared.ranges.counting import Sample, Times, closed, count_of
from shared.ranges.ranges import Range

LETTERS = ("", *"bfhkvwz")
"""No letter, and some that few names begin with: of a few thousand users each is good for some dozens, or hundreds."""
MOST_USERS = 60_000
MOST_SLICES = 3
ENOUGH = 12
"""Times for each piece: the ranges that are made of six are then about as even as counted ones."""


def samples_of(crowded: list[Range]) -> list[Sample]:
    """What to ask of crowded slices: of a few, and not of those where no letter's users fit on a page."""
    asked = closed([range_ for range_ in crowded if count_of(range_) <= MOST_USERS][:MOST_SLICES])
    return [Sample(replace(range_, prefixes=(letter,) if letter else ())) for range_ in asked for letter in LETTERS]


def usable(times: Times, *, whole: bool) -> Times | None:
    """What a page says. `whole`: it has no link to more."""
    ordered = sorted(times)
    return times if whole or times not in (ordered, ordered[::-1]) else None


def cut(range_: Range, times: Sequence[int], grain: int) -> list[Range]:
    """The range in pieces of about `grain` users by the sample; as it is where that has too few of its users.

    A second that alone has more becomes a piece by itself.
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
