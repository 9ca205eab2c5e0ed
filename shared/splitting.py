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

import heapq
import itertools
import math
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.ranges import Range

Counts = list[int | None]
"""As many users as Graph counted, in the order of the questions; None where it refused to count that."""
Splitting = Generator[list[Range], Counts, list[Range] | None]
"""Yields questions, is sent Counts, returns the ranges, or None when Graph refused a question that is needed."""

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

_DAY = 86_400
_FIRST_SECOND = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
_LAST_SECOND = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())


def split(total: int, size: int, now: int) -> Splitting:
    """Ranges of about `size` users for a tenant in which Graph counted `total`. `now`: seconds since 1970."""
    if total <= size:
        return [Range(kind="all", expected=total)]
    counted = yield from _counted([Range(kind="null")])
    slices = counted and (yield from _slices(size, now))
    if not counted or not slices:
        return None
    ranges: list[Range] = []
    for part in [*_merged(slices, size), *counted]:
        whole_seconds = part.kind == "null" or _seconds(part) <= 2
        by_name = (yield from _by_name(part, size)) if _count(part) > size and whole_seconds else None
        ranges += by_name or [part]
    return ranges


def _counted(parts: list[Range]) -> Splitting:
    """The same parts with what Graph counts in them now, or None when it refuses one of the questions."""
    # A part keeps [low, high) and asks [low, high]: for a count of whole seconds the last one is left out.
    counts = yield [part if part.high is None else replace(part, high=part.high - 1) for part in parts]
    if any(count is None for count in counts):
        return None
    return [replace(part, expected=count) for part, count in zip(parts, counts, strict=True)]


def _slices(size: int, now: int) -> Splitting:
    """Slices that together cover all time, each of at most `size` users or one second wide."""
    this_year = datetime.fromtimestamp(now, UTC).year
    years = [datetime(year, 1, 1, tzinfo=UTC) for year in (1970, 2000, *range(this_year - 15, this_year + 1))]
    cuts = [int(year.timestamp()) for year in years if year.timestamp() < now] + [now + _DAY]
    slices = yield from _counted(_cut(Range(kind="time"), cuts))
    for _ in range(MAX_LEVELS):
        crowded = [part for part in slices or () if _count(part) > size and _seconds(part) > 1]
        if not slices or not crowded:
            break
        # Twice as fine as needed, because users are not spread evenly; and at least as fine as one $batch allows,
        # which costs a single round trip however full it is.
        finer = max(2.0, PROBES / sum(_count(part) / size for part in crowded))
        pieces = [piece for part in crowded for piece in _cut(part, _moments(part, _count(part) / size * finer))]
        counted = yield from _counted(pieces)
        if not counted:
            return None
        slices = sorted(
            [part for part in slices if part not in crowded] + counted,
            key=lambda part: _FIRST_SECOND if part.low is None else part.low,
        )
    return slices


def _cut(part: Range, cuts: Iterable[int]) -> list[Range]:
    """A slice of time in pieces that share these borders."""
    borders = [part.low, *cuts, part.high]
    return [replace(part, low=low, high=high) for low, high in itertools.pairwise(borders)]


def _moments(part: Range, pieces: float) -> list[int]:
    """Whole seconds that cut the slice into about so many equal pieces."""
    low, seconds = _FIRST_SECOND if part.low is None else part.low, _seconds(part)
    pieces = min(math.ceil(pieces), seconds)
    return sorted({low + seconds * at // pieces for at in range(1, pieces)} - {low})


def _merged(slices: list[Range], size: int) -> list[Range]:
    """Small neighbours in one, as long as that holds at most `size`."""
    merged = slices[:1]
    for part in slices[1:]:
        last = merged[-1]
        whole = last.low is None and part.high is None  # All time without a border would ask for all users.
        if _count(last) + _count(part) <= size and not whole:
            merged[-1] = replace(last, high=part.high, expected=_count(last) + _count(part))
        elif _seconds(part) == 1 and _count(part) > size and _seconds(last) > 1 and last.high is not None:
            # A burst: its neighbour below asks up to and including the border. One second lower, it does not read
            # the whole burst only to drop it.
            merged[-1] = replace(last, high=last.high - 1)
            merged.append(replace(part, low=last.high - 1))
        else:
            merged.append(part)
    return merged


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
    """A crowded range split by the beginning of the userPrincipalName, or None when Graph refuses that."""
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
    split = {each.text for each in beginnings}
    leftovers = [
        replace(base, prefixes=(each.text,) if each.text else (), except_prefixes=tuple(each.own(size)))
        for each in beginnings
    ]
    # Also shows whether Graph takes these filters at all.
    counted = yield from _counted(leftovers)
    if not counted:
        return None
    own = [(text, each.counts[text]) for each in beginnings for text in each.own(size) if text not in split]
    return _packed(base, own, size) + counted


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
