"""Finding even ranges: a generator that yields what it wants counted, is sent the counts, and returns the ranges.

No IO here: `plan` sends each list of questions at once, counts 20 to a `$batch`, so one yield is one round trip (a
level). The counts only size the ranges; whatever they say, even nonsense, the ranges cover everything:
the first is open below, the last open above, neighbours share their border, and users without createdDateTime have
ranges of their own.

1. Cut time into slices and count each; cut again what is crowded, level by level, until each slice holds at most
   `size` users or is one second wide, and they can be merged into ranges that are about equally large.
2. Split what is still crowded (one second, or the users without createdDateTime) by the first characters of the
   userPrincipalName, deeper where a beginning is crowded. What has no range of its own stays in one that excludes
   the others, so that a name of unforeseen characters is somewhere too.

The first round trip asks for all that most tenants need. An evenly grown tenant of 200,000 users needs no other.
"""

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from shared.ranges.by_name import first_letters, split_by_name
from shared.ranges.by_name import forms as forms_by_name
from shared.ranges.counting import MAX_LEVELS, PROBES, Planning, Splitting, closed, count_of, together, with_counts
from shared.ranges.merging import FIRST_SECOND, groups, largest, merge, seconds_of
from shared.ranges.ranges import Range
from shared.ranges.sampling import cut, samples_of

GRAINS = 6
"""Slices that fill a range, where it pays to cut again: with finer ones counting would cost more."""
WORTH_A_LEVEL = 2 * 999
"""Users that the largest range may have too many: a level costs a round trip, and so does each page of these."""
LEVELS_FOR_GRAINS = 4
WAVE = 8 * PROBES
"""Questions about the crowded slices of the first level."""

_DAY = 86_400


def split(size_of: Callable[[int], int], now: int, names_above: int = 0) -> Planning:
    """How many users Graph counted in all, and ranges of about `size_of(total)` users. `now`: seconds since 1970.

    `names_above`: fewer users than that are not split by name, even where that makes their range the largest.
    """
    null, slices = Range(kind="null"), _first_slices(now)
    letters, forms = first_letters(null), forms_by_name(null)
    questions = [Range(kind="all"), null, *slices, *letters, *forms]
    total, *counts = yield closed(questions)
    if not isinstance(total, int):
        return None, None
    size = size_of(total)
    if total <= size:
        return total, [Range(kind="all", expected=total)]
    counted = with_counts([null, *slices], counts[: 1 + len(slices)])
    named = with_counts(letters + forms, counts[1 + len(slices) :])
    known = {range_.prefixes[0]: count_of(range_) for range_ in named[: len(letters)]} if named else None
    return total, (yield from _split(counted, known, total, size, max(size, names_above)))


def split_by_name_only(size_of: Callable[[int], int]) -> Planning:
    """The same where users have no createdDateTime: by their userPrincipalName alone."""
    everyone = Range(kind="all")
    letters, forms = first_letters(everyone), forms_by_name(everyone)
    total, *counts = yield [everyone, *letters, *forms]
    if not isinstance(total, int):
        return None, None
    size, named = size_of(total), with_counts(letters + forms, counts)
    everyone = replace(everyone, expected=total)
    if total <= size:
        return total, [everyone]
    if not named:
        return total, None
    known = {range_.prefixes[0]: count_of(range_) for range_ in named[: len(letters)]}
    return total, (yield from split_by_name(everyone, size, known))


def leave_whole(size_of: Callable[[int], int]) -> Planning:
    """The same where Graph takes no filter of ours beside the caller's: one range, or None where that is large."""
    (total,) = yield [Range(kind="all")]
    if not isinstance(total, int):
        return None, None
    if total > size_of(total):
        return total, None
    return total, [Range(kind="all", expected=total)]


def _split(
    counted: list[Range] | None, known: dict[str, int] | None, total: int, size: int, names_above: int
) -> Splitting:
    """The ranges, from the counts of those without createdDateTime, of the first slices, and of the first letters."""
    if not counted or _too_many(counted, total, size):
        return None
    null = counted[0]
    by_names = known is not None and count_of(null) > names_above
    names_of_null = split_by_name(null, size, known) if by_names else _nothing()
    slices, by_name = yield from together(_finer(counted[1:], size), names_of_null)
    if not slices:
        return None
    ranges = merge(slices, size)
    # Time can no longer split them. Two seconds are a burst with its lowered border.
    bursts = [range_ for range_ in ranges if seconds_of(range_) <= 2 and count_of(range_) > names_above]
    names = dict(zip(bursts, (yield from together(*(split_by_name(range_, size) for range_ in bursts))), strict=True))
    return [*(piece for range_ in ranges for piece in names.get(range_) or [range_]), *(by_name or [null])]


def _nothing() -> Splitting:
    """Where Graph refuses filters by name, or they are not worth it."""
    yield from ()
    return None


def _first_slices(now: int) -> list[Range]:
    """All time in slices, finer where most users of today were created."""
    year = datetime.fromtimestamp(now, UTC).year
    months = [(each, month, 1) for each in range(year - 14, year - 7) for month in (1, 4, 7, 10)]
    months += [(each, month, 1) for each in range(year - 7, year - 3) for month in range(1, 13)]
    months += [(each, month, day) for each in range(year - 3, year + 1) for month in range(1, 13) for day in (1, 16)]
    cuts = [int(datetime(*day, tzinfo=UTC).timestamp()) for day in [(1970, 1, 1), (2000, 1, 1), *months]]
    return _between(Range(kind="time"), [*(cut for cut in cuts if cut < now), now + _DAY])


def _finer(slices: list[Range], size: int) -> Splitting:
    """The same time in slices that can be merged evenly; none has more than `size` users, or it is one second wide."""
    for level in range(MAX_LEVELS):
        coarse = dict.fromkeys(
            range_ for range_ in slices if count_of(range_) > max(size // GRAINS, 1) and seconds_of(range_) > 1
        )
        crowded = any(count_of(range_) > size + size // GRAINS for range_ in coarse)
        uneven = level < LEVELS_FOR_GRAINS and largest(groups(slices, size), size) > size + WORTH_A_LEVEL
        if not crowded and not (coarse and uneven):
            break
        # Once, and finely: a sample tells all or nothing, and a level costs more than some batches beside others.
        far = [range_ for range_ in coarse if level == 0 and count_of(range_) > size + size // GRAINS]
        shares = [
            max(_pieces(range_, size), WAVE / len(far)) if range_ in far else _pieces(range_, size) for range_ in coarse
        ]
        # At least as fine as one $batch allows: it costs a single round trip however full it is.
        finer = max(1.0, PROBES / sum(shares))
        pieces = [piece for range_, many in zip(coarse, shares, strict=True) for piece in _cut(range_, many * finer)]
        samples = samples_of(far)
        answers = yield [*closed(pieces), *samples]
        counted = with_counts(pieces, answers[: len(pieces)])
        if not counted or _too_many(counted, sum(map(count_of, coarse)), size):
            return None
        times = [time for answer in answers[len(pieces) :] if isinstance(answer, list) for time in answer]
        slices = sorted(
            [range_ for range_ in slices if range_ not in coarse]
            + [piece for range_ in counted for piece in cut(range_, times, size // GRAINS)],
            key=lambda range_: FIRST_SECOND if range_.low is None else range_.low,
        )
    return slices


def _pieces(range_: Range, size: int) -> float:
    """In how many pieces a crowded slice is cut: few while it is far too large, as then its users are often in one."""
    ranges = count_of(range_) / size
    return min(2 * ranges, PROBES) if ranges > 4 else 1.25 * GRAINS * ranges


def _too_many(pieces: list[Range], whole: int, size: int) -> bool:
    """Pieces that hold far more than the whole show that Graph ignores the filter; cutting on would never end."""
    return sum(map(count_of, pieces)) > 2 * whole + size


def _cut(range_: Range, pieces: float) -> list[Range]:
    """A slice of time in about so many pieces, equally long, that share their borders."""
    low, seconds = FIRST_SECOND if range_.low is None else range_.low, seconds_of(range_)
    pieces = min(math.ceil(pieces), seconds)
    return _between(range_, sorted({low + seconds * at // pieces for at in range(1, pieces)} - {low}))


def _between(range_: Range, cuts: list[int]) -> list[Range]:
    borders = [range_.low, *cuts, range_.high]
    return [replace(range_, low=low, high=high) for low, high in itertools.pairwise(borders)]


def share(ranges: list[Range], lanes: int) -> list[list[int]]:
    """The numbers of the ranges, shared out to at most so many lanes that take about equally long."""
    heap = [(0, lane) for lane in range(min(lanes, len(ranges)))]
    numbers = [list[int]() for _ in heap]
    # The longest first, each to the lane that has the least: so none begins a long one when the others end.
    for number in sorted(range(len(ranges)), key=lambda number: -count_of(ranges[number])):
        users, lane = heapq.heappop(heap)
        numbers[lane].append(number)
        # A range without users still costs a request.
        heapq.heappush(heap, (users + count_of(ranges[number]) + 1, lane))
    return numbers
