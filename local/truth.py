"""Is each user in a file exactly once?"""

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Differences:
    """Object ids: of users that are missing, of those that are there more than once, and of others than the wanted."""

    missing: Set[str]
    doubled: Set[str]
    strange: Set[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.doubled or self.strange)


def differences(wanted: Set[str], ids: Iterable[str]) -> Differences:
    """Compares the ids of a file, in any order, with those of the users who should be in it."""
    times = Counter(ids)
    doubled = {each for each, count in times.items() if count > 1}
    return Differences(wanted - times.keys(), doubled, times.keys() - wanted)
