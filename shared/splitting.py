"""Finding even ranges: a generator that yields what it wants counted, is sent the counts, and returns the ranges.

No IO here: `plan` sends each list of questions to Graph's `$count`, 20 to a `$batch`, so one yield is one
round trip (a level). The counts only size the ranges; whatever they say, even nonsense, the ranges cover everything:
the first is open below, the last open above, neighbours share their border, and users without createdDateTime have
ranges of their own.

1. Cut time into slices and count each; cut again what is crowded, level by level, until each slice holds at most
   `size` users or is one second wide. Merge small neighbours.
2. Split what is still crowded (one second, or the users without createdDateTime) by the first characters of the
   userPrincipalName, deeper where a beginning is crowded. What has no range of its own stays in one that excludes
   the others, so that a name of unforeseen characters is somewhere too.
"""

import functools
import heapq
import itertools
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.ranges import Range

Counts = list[int | None]
"""As many users as Graph counted, in the order of the questions; None where it refused to count that."""
Splitting = Generator[list[Range], Counts, list[Range] | None]
"""Yields questions, is sent Counts, returns the ranges, or None when Graph refused a question that is needed."""
Planning = Generator[list[Range], Counts, tuple[int | None, list[Range] | None]]
"""The same, and returns the total beside the ranges: None when Graph refused to count."""

LETTERS = "asmjcedrlbtknphgiofvwyzuqx0123456789.-_'!#^~@"
"""What a userPrincipalName is made of, ignoring case (learn.microsoft.com: user resource); the frequent ones first."""
LETTERS_AFTER = "aeionrlshmtducgkybpvfjwzxq.0123456789-_'!#^~@"
"""The same, first what follows most often inside a name."""
DIGITS_FIRST = "0123456789@.-_" + LETTERS_AFTER[:26] + "'!#^~"
"""The same, behind a digit: names made by a script are numbered."""
PROBES = 20
"""Questions that fit in one `$batch`."""
MAX_OR = 12
"""Beginnings in one range: Graph takes 15 clauses with `or`, and the caller's filter may have some as well."""
MAX_DEPTH = 60
MAX_LEVELS = 60
GRAINS = 6
"""Slices that fill a range: with coarser ones the ranges would be uneven, with finer ones counting would cost more."""
LEVELS_FOR_GRAINS = 2
USERS_FOR_A_LEVEL = 8_000
"""One more level for each so many users of a range: it costs a round trip, and saves pages where ranges have many."""

_DAY = 86_400
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


def split(size_of: Callable[[int], int], now: int) -> Planning:
    """How many users Graph counted in all, and ranges of about `size_of(total)` users. `now`: seconds since 1970."""
    # The total and the first slices in one round trip: a small tenant does not need the slices, any other saves one.
    questions = [Range(kind="all"), Range(kind="null"), *_first_slices(now)]
    total, *counts = yield _closed(questions)
    if total is None:
        return None, None
    size = size_of(total)
    if total <= size:
        return total, [Range(kind="all", expected=total)]
    return total, (yield from _split(_with_counts(questions[1:], counts), total, size))


def _split(counted: list[Range] | None, total: int, size: int) -> Splitting:
    """The ranges, from the counts of those without createdDateTime and of the first slices."""
    if not counted or _too_many(counted, total, size):
        return None
    null = counted[0]
    slices, by_name = yield from _together(_finer(counted[1:], size), _by_name(null, size))
    if not slices:
        return None
    ranges = _merged(slices, size)
    # Time does not split them any more; two seconds are a burst with its lowered border.
    bursts = [part for part in ranges if _seconds(part) <= 2]
    names = dict(zip(bursts, (yield from _together(*(_by_name(part, size) for part in bursts))), strict=True))
    return [*(piece for part in ranges for piece in names.get(part) or [part]), *(by_name or [null])]


def _together(*splittings: Splitting) -> Generator[list[Range], Counts, list[list[Range] | None]]:
    """What each returns, in their order. What they want counted goes into the same round trips."""
    found: list[list[Range] | None] = [None] * len(splittings)
    answers: dict[int, Counts | None] = dict.fromkeys(range(len(splittings)))
    while True:
        asked: dict[int, list[Range]] = {}
        for at, answer in answers.items():
            try:
                asked[at] = next(splittings[at]) if answer is None else splittings[at].send(answer)
            except StopIteration as end:
                found[at] = end.value
        if not asked:
            return found
        counts = iter((yield list(itertools.chain.from_iterable(asked.values()))))
        answers = {at: list(itertools.islice(counts, len(parts))) for at, parts in asked.items()}


def _counted(parts: list[Range]) -> Splitting:
    """The same parts with what Graph counts in them now, or None when it refuses one of the questions."""
    return _with_counts(parts, (yield _closed(parts)))


def _closed(parts: list[Range]) -> list[Range]:
    """What to ask: a part keeps [low, high) and asks [low, high], so of whole seconds the last one is left out."""
    return [part if part.high is None else replace(part, high=part.high - 1) for part in parts]


def _with_counts(parts: list[Range], counts: Counts) -> list[Range] | None:
    if any(count is None for count in counts):
        return None
    return [replace(part, expected=count) for part, count in zip(parts, counts, strict=True)]


def _first_slices(now: int) -> list[Range]:
    """All time in slices, finer where most users of today were created."""
    this_year = datetime.fromtimestamp(now, UTC).year
    days = [datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 2000, *range(this_year - 15, this_year - 7))]
    days += [
        datetime(year, month, 1, tzinfo=UTC) for year in range(this_year - 7, this_year + 1) for month in (1, 4, 7, 10)
    ]
    cuts = [int(day.timestamp()) for day in days if day.timestamp() < now]
    return _between(Range(kind="time"), [*cuts, now + _DAY])


def _finer(slices: list[Range], size: int) -> Splitting:
    """The same time in slices small beside `size`; none has more than `size` users, or it is one second wide."""
    levels = LEVELS_FOR_GRAINS + size // USERS_FOR_A_LEVEL
    for level in range(MAX_LEVELS):
        # Small slices fill ranges evenly, but they alone are not worth many round trips.
        coarse = dict.fromkeys(part for part in slices if _count(part) > max(size // GRAINS, 1) and _seconds(part) > 1)
        if not coarse or (level >= levels and max(map(_count, coarse)) <= size):
            break
        wanted = [_pieces(part, size) for part in coarse]
        # At least as fine as one $batch allows: it costs a single round trip however full it is.
        finer = max(1.0, PROBES / sum(wanted))
        pieces = [piece for part, many in zip(coarse, wanted, strict=True) for piece in _cut(part, many * finer)]
        counted = yield from _counted(pieces)
        if not counted or _too_many(counted, sum(map(_count, coarse)), size):
            return None
        slices = sorted(
            [part for part in slices if part not in coarse] + counted,
            key=lambda part: _FIRST_SECOND if part.low is None else part.low,
        )
    return slices


def _pieces(part: Range, size: int) -> float:
    """In how many pieces a crowded slice is cut: few while it is far too large, as then its users are often in one."""
    ranges = _count(part) / size
    return min(2 * ranges, PROBES) if ranges > 4 else 1.25 * GRAINS * ranges


def _too_many(pieces: list[Range], whole: int, size: int) -> bool:
    """Pieces that hold far more than the whole show that Graph ignores the filter; cutting on would never end."""
    return sum(map(_count, pieces)) > 2 * whole + size


def _cut(part: Range, pieces: float) -> list[Range]:
    """A slice of time in about so many pieces, equally long, that share their borders."""
    low, seconds = _FIRST_SECOND if part.low is None else part.low, _seconds(part)
    pieces = min(math.ceil(pieces), seconds)
    return _between(part, sorted({low + seconds * at // pieces for at in range(1, pieces)} - {low}))


def _between(part: Range, cuts: list[int]) -> list[Range]:
    borders = [part.low, *cuts, part.high]
    return [replace(part, low=low, high=high) for low, high in itertools.pairwise(borders)]


def _merged(slices: list[Range], size: int) -> list[Range]:
    """Neighbours in one, so that the ranges are about equally large; a second with more than `size` stays alone."""
    left = sum(_count(part) for part in slices if not _is_burst(part, size))
    # From some ranges on rather one less, each a little larger: one more would be read when all others have ended.
    places = math.ceil(left / size) if left < 8 * size else left // size
    merged: list[Range] = []
    may_join = False
    for part in slices:
        most = min(left / max(places, 1), size * 1.15)
        if may_join and not _is_burst(part, size) and _count(merged[-1]) + _count(part) / 2 <= most:
            merged[-1] = _joined(merged[-1], part)
            continue
        if may_join:
            left, places = left - _count(merged[-1]), places - 1
        merged.append(part)
        may_join = not _is_burst(part, size)
    if len(merged) == 1:
        # One range for all time has no border, and would ask for the users without createdDateTime as well.
        middle = len(slices) // 2
        merged = [functools.reduce(_joined, slices[:middle]), functools.reduce(_joined, slices[middle:])]
    for at, (below, part) in enumerate(itertools.pairwise(merged)):
        if _is_burst(part, size) and _seconds(below) > 2 and part.low is not None:
            # Its neighbour below asks up to and including the border. One second lower, it does not read the whole
            # burst only to drop it.
            merged[at : at + 2] = [replace(below, high=part.low - 1), replace(part, low=part.low - 1)]
    return merged


def _joined(below: Range, above: Range) -> Range:
    return replace(below, high=above.high, expected=_count(below) + _count(above))


def _is_burst(part: Range, size: int) -> bool:
    """More users than a range should have, and nothing left to cut but their names."""
    return _seconds(part) == 1 and _count(part) > size


@dataclass(slots=True)
class _Beginning:
    """A crowded beginning of userPrincipalNames, and how many users its continuations have as far as counted."""

    text: str
    count: int
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def rest(self) -> int:
        return self.count - sum(self.counts.values())

    def unasked(self) -> list[str]:
        """The next continuations to count: as many as fit in one `$batch`."""
        letters = LETTERS if not self.text else DIGITS_FIRST if self.text[-1].isdigit() else LETTERS_AFTER
        return [self.text + letter for letter in letters if self.text + letter not in self.counts][:PROBES]

    def own(self, size: int) -> list[str]:
        """The continuations that get ranges of their own, the largest first: all but what fits beside the rest."""
        left, rest = sorted((text for text in self.counts), key=lambda text: self.counts[text]), max(self.rest, 0)
        while left and rest + self.counts[left[0]] <= size:
            rest += self.counts[left.pop(0)]
        return left[::-1]


def _by_name(base: Range, size: int) -> Splitting:
    """A range split by the beginning of the userPrincipalName; None where it is not crowded, or Graph refuses that."""
    if _count(base) <= size:
        return None
    beginnings = [_Beginning("", _count(base))]
    for _ in range(MAX_LEVELS):
        open_ = [each for each in beginnings if each.rest > size and each.unasked()]
        if not open_:
            found = {text: (count, each) for each in beginnings for text, count in each.counts.items()}
            known = {each.text for each in beginnings}
            deeper = [
                _Beginning(text, count)
                for text, (count, _) in found.items()
                if count > size and text not in known and len(text) < MAX_DEPTH
            ]
            if not deeper:
                break
            beginnings += deeper
            continue
        asked = [(each, text) for each in open_ for text in each.unasked()]
        counted = yield from _counted([replace(base, prefixes=(text,)) for _, text in asked])
        if not counted:
            return None
        for (each, text), part in zip(asked, counted, strict=True):
            each.counts[text] = _count(part)
        if any(sum(each.counts.values()) > 2 * each.count + size for each in open_):
            return None  # Graph ignores the filter: asking on would never end.
    split = {each.text for each in beginnings}
    leftovers = [
        replace(base, prefixes=(each.text,) if each.text else (), except_prefixes=tuple(each.own(size)))
        for each in beginnings
    ]
    own = [(text, each.counts[text]) for each in beginnings for text in each.own(size) if text not in split]
    # Counted to size them, and to see whether Graph takes these filters at all.
    return (yield from _counted([*_packed(base, own, size), *leftovers]))


def _packed(base: Range, own: list[tuple[str, int]], size: int) -> list[Range]:
    """Ranges for these beginnings, several small ones in one."""
    packs: list[tuple[list[str], int]] = []
    for text, count in sorted(own):
        if packs and packs[-1][1] + count <= size and len(packs[-1][0]) < MAX_OR:
            packs[-1] = ([*packs[-1][0], text], packs[-1][1] + count)
        else:
            packs.append(([text], count))
    return [replace(base, prefixes=tuple(texts), expected=count) for texts, count in packs]


def _count(part: Range) -> int:
    return part.expected or 0


def _seconds(part: Range) -> int:
    low = _FIRST_SECOND if part.low is None else part.low
    return (_LAST_SECOND if part.high is None else part.high) - low


def share(ranges: list[Range], lanes: int) -> list[list[int]]:
    """The numbers of the ranges, shared out to at most so many lanes that take about equally long."""
    heap = [(0, lane) for lane in range(min(lanes, len(ranges)))]
    numbers = [list[int]() for _ in heap]
    # The longest first, each to the lane that has the least: so none begins a long one when the others end.
    for number in sorted(range(len(ranges)), key=lambda number: -_count(ranges[number])):
        users, lane = heapq.heappop(heap)
        numbers[lane].append(number)
        # A range without users still costs a request.
        heapq.heappush(heap, (users + _count(ranges[number]) + 1, lane))
    return numbers
