"""Is every user of the tenant in a CSV exactly once?"""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx


class WrongFileError(Exception):
    """The project's own file is not right: nothing that was measured counts then."""


@dataclass(frozen=True, slots=True)
class Match:
    """A CSV beside the tenant's own list: numbers of users."""

    users: int
    missing: int
    doubled: int
    strange: int

    @property
    def exact(self) -> bool:
        return not (self.missing or self.doubled or self.strange)


def ids(tenant: str) -> set[str]:
    """The object ids of everyone in the tenant."""
    return set(httpx.get(f"{tenant}/_tenant/ids", timeout=120, trust_env=False).raise_for_status().text.split())


def compare(wanted: set[str], file: Path, column: str = "id") -> Match:
    """`column`: where the object ids are."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        at = next(reader).index(column)
        found = Counter(row[at] for row in reader)
    doubled = sum(count > 1 for count in found.values())
    return Match(len(wanted), len(wanted - found.keys()), doubled, len(found.keys() - wanted))
