"""The planners' questions to Graph, and what they do with the answers. No IO here.

`plan` sends each list of questions at once, counts 20 to a `$batch`, so one yield is one round trip (a level).
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
"""A Range asks how many users it has."""
Answers = list[int | Times | None]
"""In the order of the questions; None where Graph has refused, and for a sample that can't be used."""
Splitting = Generator[Sequence[Question], Answers, list[Range] | None]
"""Yields questions, is sent answers, returns the ranges, or None when Graph refused a question that is needed."""
Planning = Generator[Sequence[Question], Answers, tuple[int | None, list[Range] | None]]
"""The same, and returns the total beside the ranges: None when Graph refused to count."""

PROBES = 20
"""Questions that fit in one `$batch`."""
MAX_LEVELS = 60


def together(*splittings: Splitting) -> Generator[Sequence[Question], Answers, list[list[Range] | None]]:
    """The results of all, in their order. They share their round trips."""
    splits: list[list[Range] | None] = [None] * len(splittings)
    answers: dict[int, Answers | None] = dict.fromkeys(range(len(splittings)))
    while True:
        questions: dict[int, Sequence[Question]] = {}
        for at, answer in answers.items():
            try:
                questions[at] = next(splittings[at]) if answer is None else splittings[at].send(answer)
            except StopIteration as end:
                splits[at] = end.value
        if not questions:
            return splits
        counts = iter((yield list(itertools.chain.from_iterable(questions.values()))))
        answers = {at: list(itertools.islice(counts, len(ranges))) for at, ranges in questions.items()}


def ask(ranges: list[Range]) -> Splitting:
    """The same ranges with Graph's counts, or None when it refuses one of the questions."""
    return with_counts(ranges, (yield closed(ranges)))


def closed(ranges: list[Range]) -> list[Range]:
    """The ranges for counting. A range keeps [low, high) and asks for [low, high], so the last second is left out."""
    return [range_ if range_.high is None else replace(range_, high=range_.high - 1) for range_ in ranges]


def with_counts(ranges: list[Range], answers: Answers) -> list[Range] | None:
    counts = [answer for answer in answers if isinstance(answer, int)]
    if len(counts) < len(answers):
        return None
    return [replace(range_, expected=count) for range_, count in zip(ranges, counts, strict=True)]


def count_of(range_: Range) -> int:
    return range_.expected or 0
