"""Finding even ranges: a generator that yields what it wants counted, is sent the counts, and returns the ranges.

No IO here: `plan` sends each list of questions to Graph's `$count`, 20 to a `$batch`, so one yield is one
round trip (a level). The counts only size the ranges; whatever they say, even nonsense, the ranges cover everything:
the first is open below, the last open above, neighbours share their border, and users without createdDateTime have
ranges of their own.

1. Cut time into slices and count each; cut again what is crowded, level by level, until each slice holds at most
   `size` users or is one second wide, and they can be merged into ranges that are about equally large.
2. Split what is still crowded (one second, or the users without createdDateTime) by the first characters of the
   userPrincipalName, deeper where a beginning is crowded. What has no range of its own stays in one that excludes
   the others, so that a name of unforeseen characters is somewhere too.

The first round trip asks at once for all that most tenants need; of up to 200,000 users it is mostly the only one.
"""

import bisect
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
"""Slices that fill a range, where it pays to cut again: with finer ones counting would cost more."""
WORTH_A_LEVEL = 2 * 999
"""Users that the largest range may have too many: a level costs a round trip, and so does each page of these."""
LEVELS_FOR_GRAINS = 4

_DAY = 86_400
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


def split(size_of: Callable[[int], int], now: int) -> Planning:
    """How many users Graph counted in all, and ranges of about `size_of(total)` users. `now`: seconds since 1970."""
    null, slices = Range(kind="null"), _first_slices(now)
    letters = [replace(null, prefixes=(letter,)) for letter in LETTERS]
    # Whether Graph takes what the ranges by name will ask, each as long as it can become.
    forms = [
        replace(null, prefixes=tuple(LETTERS[:MAX_OR])),
        replace(null, except_prefixes=tuple(LETTERS)),
        replace(null, prefixes=(LETTERS[0],), except_prefixes=tuple(LETTERS[0] + letter for letter in LETTERS_AFTER)),
    ]
    questions = [Range(kind="all"), null, *slices, *letters, *forms]
    total, *counts = yield _closed(questions)
    if total is None:
        return None, None
    size = size_of(total)
    if total <= size:
        return total, [Range(kind="all", expected=total)]
    counted = _with_counts([null, *slices], counts[: 1 + len(slices)])
    named = _with_counts(letters + forms, counts[1 + len(slices) :])
    known = {part.prefixes[0]: _count(part) for part in named[: len(letters)]} if named else None
    return total, (yield from _split(counted, known, total, size))


def _split(counted: list[Range] | None, known: dict[str, int] | None, total: int, size: int) -> Splitting:
    """The ranges, from the counts of those without createdDateTime, of the first slices, and of the first letters."""
    if not counted or _too_many(counted, total, size):
        return None
    null = counted[0]
    names_of_null = _by_name(null, size, known) if known is not None else _nothing()
    slices, by_name = yield from _together(_finer(counted[1:], size), names_of_null)
    if not slices:
        return None
    ranges = _merged(slices, size)
    # Time does not split them any more; two seconds are a burst with its lowered border.
    bursts = [part for part in ranges if _seconds(part) <= 2]
    names = dict(zip(bursts, (yield from _together(*(_by_name(part, size) for part in bursts))), strict=True))
    return [*(piece for part in ranges for piece in names.get(part) or [part]), *(by_name or [null])]


def _nothing() -> Splitting:
    """Where Graph refuses filters by name."""
    yield from ()
    return None


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
    year = datetime.fromtimestamp(now, UTC).year
    months = [(each, month, 1) for each in range(year - 14, year - 7) for month in (1, 4, 7, 10)]
    months += [(each, month, 1) for each in range(year - 7, year - 3) for month in range(1, 13)]
    months += [(each, month, day) for each in range(year - 3, year + 1) for month in range(1, 13) for day in (1, 16)]
    cuts = [int(datetime(*day, tzinfo=UTC).timestamp()) for day in [(1970, 1, 1), (2000, 1, 1), *months]]
    return _between(Range(kind="time"), [*(cut for cut in cuts if cut < now), now + _DAY])


def _finer(slices: list[Range], size: int) -> Splitting:
    """The same time in slices that can be merged evenly; none has more than `size` users, or it is one second wide."""
    for level in range(MAX_LEVELS):
        coarse = dict.fromkeys(part for part in slices if _count(part) > max(size // GRAINS, 1) and _seconds(part) > 1)
        crowded = any(_count(part) > size + size // GRAINS for part in coarse)
        uneven = level < LEVELS_FOR_GRAINS and _largest(_groups(slices, size), size) > size + WORTH_A_LEVEL
        if not crowded and not (coarse and uneven):
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
    merged = [functools.reduce(_joined, group) for group in _groups(slices, size)]
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


def _groups(slices: list[Range], size: int) -> list[list[Range]]:
    """Neighbours that become one range: as many ranges as their users fill, the largest as small as it can be then."""
    counts = [_count(part) for part in slices if not _is_burst(part, size)]
    # From some ranges on rather one less, each a little larger: one more would be read when all others have ended.
    places = math.ceil(sum(counts) / size) if sum(counts) < 8 * size else sum(counts) // size
    bursts = len(slices) - len(counts)

    def enough(most: int) -> bool:
        return len(_filled(slices, most, size)) - bursts <= places

    sizes = range(max(counts, default=0), sum(counts))
    return _filled(slices, sizes.start + bisect.bisect_left(sizes, True, key=enough), size)


def _filled(slices: list[Range], most: int, size: int) -> list[list[Range]]:
    """Neighbours with at most so many users together; bursts alone."""
    groups: list[list[Range]] = []
    room = -1
    for part in slices:
        alone = _is_burst(part, size)
        if alone or room < _count(part):
            groups.append([])
            room = most
        groups[-1].append(part)
        room = -1 if alone else room - _count(part)
    return groups


def _largest(groups: list[list[Range]], size: int) -> int:
    return max((sum(map(_count, group)) for group in groups if not _is_burst(group[0], size)), default=0)


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


def _by_name(base: Range, size: int, known: dict[str, int] | None = None) -> Splitting:
    """A range split by the beginning of the userPrincipalName; None where it is not crowded, or Graph refuses that.

    `known`: how many users each first letter has, where that and the forms of filters were asked already.
    """
    if _count(base) <= size:
        return None
    beginnings = [_Beginning("", _count(base), dict(known or {}))]
    for _ in range(MAX_LEVELS):
        if any(sum(each.counts.values()) > 2 * each.count + size for each in beginnings):
            return None  # Graph ignores the filter: asking on would never end.
        open_ = [each for each in beginnings if each.rest > size and each.unasked()]
        if not open_:
            found = {text: (count, each) for each in beginnings for text, count in each.counts.items()}
            begun = {each.text for each in beginnings}
            deeper = [
                _Beginning(text, count)
                for text, (count, _) in found.items()
                if count > size and text not in begun and len(text) < MAX_DEPTH
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
    split = {each.text for each in beginnings}
    owns = {each.text: each.own(size) for each in beginnings}
    leftovers = [
        replace(
            base,
            prefixes=(each.text,) if each.text else (),
            except_prefixes=tuple(owns[each.text]),
            expected=max(each.count - sum(each.counts[text] for text in owns[each.text]), 0),
        )
        for each in beginnings
    ]
    own = [(text, each.counts[text]) for each in beginnings for text in owns[each.text] if text not in split]
    parts = [*_packed(base, own, size), *leftovers]
    # Counted only to see whether Graph takes these filters at all.
    return parts if known is not None else (yield from _counted(parts))


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
