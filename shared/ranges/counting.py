"""Asking: what the planners want to know of Graph, and what they make of the answers. No IO here.

`plan` sends each list of questions at once, the counts 20 to a `$batch`, so one yield is one round trip (a level).
"""

import itertools
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from shared.ranges.ranges import Range

Times = list[int]
"""Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A question: when some users of this range were created."""

    range: Range


Question = Range | Sample
"""Of a range: how many users it has."""
Answers = list[int | Times | None]
"""In the order of the questions; None where Graph refused that, and where a sample says nothing."""
Splitting = Generator[Sequence[Question], Answers, list[Range] | None]
"""Yields questions, is sent answers, returns the ranges, or None when Graph refused a question that is needed."""
Planning = Generator[Sequence[Question], Answers, tuple[int | None, list[Range] | None]]
"""The same, and returns the total beside the ranges: None when Graph refused to count."""

PROBES = 20
"""Questions that fit in one `$batch`."""
MAX_LEVELS = 60


def together(*splittings: Splitting) -> Generator[Sequence[Question], Answers, list[list[Range] | None]]:
    """What each returns, in their order. What they want counted goes into the same round trips."""
    splits: list[list[Range] | None] = [None] * len(splittings)
    answers: dict[int, Answers | None] = dict.fromkeys(range(len(splittings)))
    while True:
        asked: dict[int, Sequence[Question]] = {}
        for at, answer in answers.items():
            try:
                asked[at] = next(splittings[at]) if answer is None else splittings[at].send(answer)
            except StopIteration as end:
                splits[at] = end.value
        if not asked:
            return splits
        counts = iter((yield list(itertools.chain.from_iterable(asked.values()))))
        answers = {at: list(itertools.islice(counts, len(ranges))) for at, ranges in asked.items()}


def ask(ranges: list[Range]) -> Splitting:
    """The same ranges with what Graph counts in them now, or None when it refuses one of the questions."""
    return with_counts(ranges, (yield closed(ranges)))


def closed(ranges: list[Range]) -> list[Range]:
    """What to ask: a range keeps [low, high) and asks [low, high], so of whole seconds the last one is left out."""
    return [range_ if range_.high is None else replace(range_, high=range_.high - 1) for range_ in ranges]


def with_counts(ranges: list[Range], answers: Answers) -> list[Range] | None:
    counts = [answer for answer in answers if isinstance(answer, int)]
    if len(counts) < len(answers):
        return None
    return [replace(range_, expected=count) for range_, count in zip(ranges, counts, strict=True)]


def count_of(range_: Range) -> int:
    return range_.expected or 0
