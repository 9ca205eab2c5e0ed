"""What a part gives: a table, its targets, and the bare numbers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Step = Callable[[str], None]
"""Told what is measured next."""


@dataclass(frozen=True, slots=True)
class Target:
    """A goal, and what was found; not reached is said as plainly as reached."""

    what: str
    goal: str
    found: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One part's results. `data` goes to JSON and the charts as it is."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    measured: str = ""
    """When, in UTC."""
