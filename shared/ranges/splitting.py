"""Splits an export into even ranges: a generator that yields questions, is sent their counts, and returns the ranges.

No IO here: `plan` sends each list of questions at once, counts 20 to a `$batch`, so one yield is one round trip (a
level). The counts only decide how large ranges are. Whatever they are, the ranges cover everything: the first has no
lower border, the last no upper one, neighbours share their border, and users without createdDateTime have ranges of
their own.

1. Cut time into slices and count each. Cut crowded slices again, level by level, until each has at most `size` users or
   is one second long, and they can be merged into ranges that are about equally large.
2. Split what is still crowded (one second, or the users without createdDateTime) by the first characters of the
   userPrincipalName, and by more characters where a beginning is crowded. All other users are in one range that
   excludes these beginnings, so that names with unexpected characters are in a range too.

The first round trip has all questions that most tenants need: one of 200,000 users that has grown evenly, or one of
100,000 where a script has created a seventh of them within an hour.
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
from shared.ranges.sampling import cut, cut_first, first_samples, samples_of

GRAINS = 6
"""Slices in a range, where it is worth cutting again: with smaller ones counting would cost more."""
WORTH_A_LEVEL = 2 * 999
"""So many users more than `size` may be in the largest range: a level costs a round trip, as each page does."""
LEVELS_FOR_GRAINS = 4
WAVE = 8 * PROBES
"""At least so many questions about the crowded slices of the first level."""

_DAY = 86_400


def split(size_of: Callable[[int], int], now: int, names_above: int = 0) -> Planning:
    """Graph's count of all users, and ranges of about `size_of(total)` users. `now`: seconds since 1970.

    `names_above`: fewer users are not split by name, even when their range is the largest then.
    """
    null, slices = Range(kind="null"), _first_slices(now)
    letters, forms = first_letters(null), forms_by_name(null)
    counts = closed([Range(kind="all"), null, *slices, *letters, *forms])
    total, *answers = yield [*counts, *first_samples(slices)]
    if not isinstance(total, int):
        return None, None
    size = size_of(total)
    if total <= size:
        return total, [Range(kind="all", expected=total)]
    names, samples = 1 + len(slices), 1 + len(slices) + len(letters) + len(forms)
    counted = with_counts([null, *slices], answers[:names])
    if counted:
        counted[1:] = cut_first(counted[1:], answers[samples:], size, _crowded(size))
    named = with_counts(letters + forms, answers[names:samples])
    known = {range_.prefixes[0]: count_of(range_) for range_ in named[: len(letters)]} if named else None
    return total, (yield from _split(counted, known, total, size, max(size, names_above)))


def split_by_name_only(size_of: Callable[[int], int]) -> Planning:
    """The same where users have no createdDateTime: only by their userPrincipalName."""
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
    """The same where Graph combines no other filter with the caller's: one range, or None where that is large."""
    (total,) = yield [Range(kind="all")]
    if not isinstance(total, int):
        return None, None
    if total > size_of(total):
        return total, None
    return total, [Range(kind="all", expected=total)]


def _split(
    counted: list[Range] | None, known: dict[str, int] | None, total: int, size: int, names_above: int
) -> Splitting:
    """The ranges. `counted`: the users without createdDateTime, then the first slices. `known`: by first letter."""
    if not counted or _too_many(counted, total, size):
        return None
    null = counted[0]
    by_names = known is not None and count_of(null) > names_above
    names_of_null = split_by_name(null, size, known) if by_names else _nothing()
    slices, by_name = yield from together(_finer(counted[1:], size), names_of_null)
    if not slices:
        return None
    ranges = merge(slices, size)
    # Time can no longer split these. A burst with its lowered border has two seconds.
    bursts = [range_ for range_ in ranges if seconds_of(range_) <= 2 and count_of(range_) > names_above]
    names = dict(zip(bursts, (yield from together(*(split_by_name(range_, size) for range_ in bursts))), strict=True))
    return [*(piece for range_ in ranges for piece in names.get(range_) or [range_]), *(by_name or [null])]


def _nothing() -> Splitting:
    """In place of splitting by name, where Graph refuses that or it is not worth it."""
    yield from ()
    return None


def _first_slices(now: int) -> list[Range]:
    """All time in slices, shorter ones where most users of today were created."""
    year = datetime.fromtimestamp(now, UTC).year
    months = [(each, month, 1) for each in range(year - 14, year - 7) for month in (1, 4, 7, 10)]
    months += [(each, month, 1) for each in range(year - 7, year - 3) for month in range(1, 13)]
    months += [(each, month, day) for each in range(year - 3, year + 1) for month in range(1, 13) for day in (1, 16)]
    cuts = [int(datetime(*day, tzinfo=UTC).timestamp()) for day in [(1970, 1, 1), (2000, 1, 1), *months]]
    return _between(Range(kind="time"), [*(cut for cut in cuts if cut < now), now + _DAY])


def _finer(slices: list[Range], size: int) -> Splitting:
    """The same time in slices that can be merged evenly. Each has at most `size` users, or is one second long."""
    for level in range(MAX_LEVELS):
        coarse = dict.fromkeys(
            range_ for range_ in slices if count_of(range_) > max(size // GRAINS, 1) and seconds_of(range_) > 1
        )
        crowded = any(count_of(range_) > _crowded(size) for range_ in coarse)
        uneven = level < LEVELS_FOR_GRAINS and largest(groups(slices, size), size) > size + WORTH_A_LEVEL
        if not crowded and not (coarse and uneven):
            break
        # Only once, and into many pieces: another level would cost more than some more batches in this one.
        far = [range_ for range_ in coarse if level == 0 and count_of(range_) > _crowded(size)]
        shares = [
            max(_pieces(range_, size), WAVE / len(far)) if range_ in far else _pieces(range_, size) for range_ in coarse
        ]
        # As many pieces as one $batch can count: it costs one round trip, however full it is.
        finer = max(1.0, PROBES / sum(shares))
        pieces = [piece for range_, many in zip(coarse, shares, strict=True) for piece in _cut(range_, many * finer)]
        samples = samples_of(far)
        answers = yield [*closed(pieces), *samples]
        counted = with_counts(pieces, answers[: len(pieces)])
        if not counted or _too_many(counted, sum(map(count_of, coarse)), size):
            return None
        times = sorted(time for answer in answers[len(pieces) :] if isinstance(answer, list) for time in answer)
        slices = sorted(
            [range_ for range_ in slices if range_ not in coarse]
            + [piece for range_ in counted for piece in cut(range_, times, size, GRAINS)],
            key=lambda range_: FIRST_SECOND if range_.low is None else range_.low,
        )
    return slices


def _crowded(size: int) -> int:
    """A slice of more users can't be in a range with others."""
    return size + size // GRAINS


def _pieces(range_: Range, size: int) -> float:
    """Into how many pieces a crowded slice is cut: few while it is far too large, because one often has all users."""
    ranges = count_of(range_) / size
    return min(2 * ranges, PROBES) if ranges > 4 else 1.25 * GRAINS * ranges


def _too_many(pieces: list[Range], whole: int, size: int) -> bool:
    """Whether pieces have far more users than the whole: then Graph ignores the filter, and cutting would never end."""
    return sum(map(count_of, pieces)) > 2 * whole + size


def _cut(range_: Range, pieces: float) -> list[Range]:
    """A slice of time in about so many equally long pieces that share their borders."""
    low, seconds = FIRST_SECOND if range_.low is None else range_.low, seconds_of(range_)
    pieces = min(math.ceil(pieces), seconds)
    return _between(range_, sorted({low + seconds * at // pieces for at in range(1, pieces)} - {low}))


def _between(range_: Range, cuts: list[int]) -> list[Range]:
    borders = [range_.low, *cuts, range_.high]
    return [replace(range_, low=low, high=high) for low, high in itertools.pairwise(borders)]


def share(ranges: list[Range], lanes: int) -> list[list[int]]:
    """For each of at most so many lanes the numbers of its ranges; all lanes take about equally long."""
    heap = [(0, lane) for lane in range(min(lanes, len(ranges)))]
    numbers = [list[int]() for _ in heap]
    # The longest first, each to the lane with the fewest users. So no lane begins a long range when the others end.
    for number in sorted(range(len(ranges)), key=lambda number: -count_of(ranges[number])):
        users, lane = heapq.heappop(heap)
        numbers[lane].append(number)
        # A range without users still costs a request.
        heapq.heappush(heap, (users + count_of(ranges[number]) + 1, lane))
    return numbers
