"""Asking for counts: what the planners want to know of Graph, and what they make of the answers. No IO here.

`plan` sends each list of questions to Graph's `$count`, 20 to a `$batch`, so one yield is one round trip (a level).
"""

import itertools
from collections.abc import Generator
from dataclasses import replace

from shared.ranges.ranges import Range

Counts = list[int | None]
"""As many users as Graph counted, in the order of the questions; None where it refused to count that."""
Splitting = Generator[list[Range], Counts, list[Range] | None]
"""Yields questions, is sent Counts, returns the ranges, or None when Graph refused a question that is needed."""
Planning = Generator[list[Range], Counts, tuple[int | None, list[Range] | None]]
"""The same, and returns the total beside the ranges: None when Graph refused to count."""

PROBES = 20
"""Questions that fit in one `$batch`."""
MAX_LEVELS = 60


def together(*splittings: Splitting) -> Generator[list[Range], Counts, list[list[Range] | None]]:
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


def ask(parts: list[Range]) -> Splitting:
    """The same parts with what Graph counts in them now, or None when it refuses one of the questions."""
    return with_counts(parts, (yield closed(parts)))


def closed(parts: list[Range]) -> list[Range]:
    """What to ask: a part keeps [low, high) and asks [low, high], so of whole seconds the last one is left out."""
    return [part if part.high is None else replace(part, high=part.high - 1) for part in parts]


def with_counts(parts: list[Range], counts: Counts) -> list[Range] | None:
    if any(count is None for count in counts):
        return None
    return [replace(part, expected=count) for part, count in zip(parts, counts, strict=True)]


def count_of(part: Range) -> int:
    return part.expected or 0
