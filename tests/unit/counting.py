"""A tenant that counts, for the tests of splitting: what Graph's `$count` would answer, and what a range would get.

`matches` is written from the documentation of `Range` alone: the question is closed on both ends.
"""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.graph.users import User
from shared.ranges.counting import Planning, Times
from shared.ranges.ranges import Range
from shared.ranges.sampling import usable

Counter = Callable[[Range], int | None]
Sampler = Callable[[Range], Times | None]
NOW = int(datetime(2026, 6, 15, 12, tzinfo=UTC).timestamp())
HIGHEST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Person:
    """A user as a range sees it: seconds since 1970 (None: null) and the userPrincipalName."""

    created: float | None
    name: str
    id: str = "0"

    def user(self) -> User:
        created = None
        if self.created is not None:
            moment = datetime.fromtimestamp(int(self.created // 1), UTC)
            fraction = f"{self.created % 1:.6f}"[1:] if self.created % 1 else ""
            created = f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + fraction + "Z"
        return User(id=self.id, created_date_time=created, user_principal_name=self.name)


def matches(part: Range, person: Person) -> bool:
    """Whether Graph would send this person to this range."""
    if part.kind == "null" and person.created is not None:
        return False
    if part.kind == "time":
        if person.created is None:
            return False
        if part.low is not None and person.created < part.low:
            return False
        if part.high is not None and person.created > part.high:
            return False
    name = person.name.lower()
    if part.prefixes and not any(name.startswith(prefix) for prefix in part.prefixes):
        return False
    return not any(name.startswith(prefix) for prefix in part.except_prefixes)


@dataclass(slots=True)
class Drive:
    """What splitting asked for: round trips, counts, batches of 20 of these, and pages of samples."""

    total: int | None = None
    ranges: list[Range] | None = None
    levels: int = 0
    probes: int = 0
    batches: int = 0
    pages: int = 0


def drive(planning: Planning, count: Counter, sample: Sampler = lambda _: None) -> Drive:
    """Runs a planning to its end, or fails when it asks for more than anyone could want."""
    done = Drive()
    try:
        questions = next(planning)
        while True:
            done.levels += 1
            parts = [question for question in questions if isinstance(question, Range)]
            done.probes += len(parts)
            done.batches += -(-len(parts) // 20)
            done.pages += len(questions) - len(parts)
            assert done.levels < 500, "too many round trips"
            assert done.probes < 200_000, "too many questions"
            questions = planning.send(
                [count(each) if isinstance(each, Range) else sample(each.range) for each in questions]
            )
    except StopIteration as end:
        done.total, done.ranges = end.value
    return done


@dataclass(slots=True)
class Tenant:
    """A big tenant in sorted arrays, so that each count is a few bisections."""

    people: Sequence[tuple[int, str]]
    """createdDateTime and userPrincipalName in small letters, sorted."""
    nulls: Sequence[str] = ()
    """userPrincipalNames of those without createdDateTime, sorted."""
    _times: list[int] = field(default_factory=list)
    _names: dict[tuple[int, int], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._times = [created for created, _ in self.people]

    @property
    def total(self) -> int:
        return len(self.people) + len(self.nulls)

    def asked(self, part: Range) -> int:
        """How many Graph counts for the question of this range: closed."""
        last = len(self._times) if part.high is None else bisect_right(self._times, part.high)
        return self._count(part, last)

    def kept(self, part: Range) -> int:
        """How many the range keeps: half-open."""
        last = len(self._times) if part.high is None else bisect_left(self._times, part.high)
        return self._count(part, last)

    def sampled(self, part: Range) -> Times | None:
        """What a page of creation times says of this part, where Graph sends the oldest first."""
        times = self._created(part)
        return usable(times[:999], whole=len(times) <= 999)

    def scrambled(self, part: Range) -> Times | None:
        """The same, where Graph sends users in no order."""
        times = self._created(part)
        return usable(random.Random(len(times)).sample(times, min(len(times), 999)), whole=len(times) <= 999)

    def _created(self, part: Range) -> Times:
        first = 0 if part.low is None else bisect_left(self._times, part.low)
        last = len(self._times) if part.high is None else bisect_right(self._times, part.high)
        return [created for created, name in self.people[first:last] if name.startswith(part.prefixes or "")]

    def _count(self, part: Range, last: int) -> int:
        if part.kind == "all":
            return self.total
        first = 0 if part.low is None else bisect_left(self._times, part.low)
        if part.kind == "time" and not part.prefixes and not part.except_prefixes:
            return max(last - first, 0)
        names = self.nulls if part.kind == "null" else self._sorted_names(first, last)
        begins = sum(_beginning(names, prefix) for prefix in part.prefixes) if part.prefixes else len(names)
        return begins - sum(_beginning(names, prefix) for prefix in part.except_prefixes)

    def _sorted_names(self, first: int, last: int) -> list[str]:
        if (first, last) not in self._names:
            self._names[first, last] = sorted(name for _, name in self.people[first:last])
        return self._names[first, last]


def _beginning(names: Sequence[str], prefix: str) -> int:
    return bisect_left(names, prefix + HIGHEST) - bisect_left(names, prefix)
