"""The users themselves: a few bytes each, sorted so that the export's queries are runs.

Positions `0 .. nulls` are the users without createdDateTime, sorted by UPN; the rest is sorted by creation time. A
user is a UPN, a creation time in milliseconds and 64 random bits, which choose persona, names and digits
(rendering.facts).
Later changes are in `edited`. The rows that were made at the start never move, so that a chain of pages stays whole
while users come and go.
"""

import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.tenant.metadata import PROPERTIES, is_list
from local.tenant.people import Persona

User = dict[str, Any]
Shape = tuple[tuple[str, ...], frozenset[str]]  # of a row: what is selected, and what of it is hidden
MASK = (1 << 48) - 1
_ODD = 0x5DEECE66D
_INVERSE = pow(_ODD, -1, 1 << 48)
_DAYS: dict[int, str] = {}


@dataclass(slots=True)
class Directory:
    """All users of one tenant (or of its bin of deleted users)."""

    seed: int
    nulls: int
    kinds: Sequence[Persona]
    created: "array[int]"  # milliseconds since 1970; meaningless below `nulls`
    bits: "array[int]"
    upns: list[str]
    registered: float = 1.0  # the share who may have registered more than a password
    deleted_at: int | None = None  # of a bin: its users were deleted in the 30 days before
    edited: dict[int, User | None] = field(default_factory=dict)  # None: deleted since
    cache: dict[Any, Any] = field(default_factory=dict)  # what listing.py remembers about filters
    _formats: dict[Shape, list[str | None]] = field(default_factory=dict)
    _rows: dict[Shape, dict[int, bytes]] = field(default_factory=dict)
    _cached: int = 0
    _by_upn: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.upns)


def scrambled(position: int, salt: int = 0) -> int:
    mixed = ((position + 1) * _ODD + salt) & MASK
    return mixed ^ (mixed >> 24)


def user_id(directory: Directory, position: int) -> str:
    mixed = scrambled(position, directory.seed * 7919)
    return (
        f"{mixed & 0xFFFFFFFF:08x}-{mixed >> 32:04x}-4{position & 0xFFF:03x}-a{directory.seed & 0xFFF:03x}-{mixed:012x}"
    )


def find(directory: Directory, name: str) -> int | None:
    """The position of a user by id or UPN, in any case; None when unknown or deleted."""
    wanted = name.lower()
    position = _find_base(directory, wanted)
    if position is not None and position not in directory.edited:
        return position
    for at, user in directory.edited.items():  # a few, and the newest word on them
        if user is not None and wanted in (user["id"].lower(), user["userPrincipalName"].lower()):
            return at
    return None


def _find_base(directory: Directory, wanted: str) -> int | None:
    if "@" in wanted:
        if not directory._by_upn:  # only when first asked: a million entries take half a second
            directory._by_upn = {upn.lower(): at for at, upn in enumerate(directory.upns)}
        return directory._by_upn.get(wanted)
    try:
        mixed = int(wanted[24:], 16)
    except ValueError:
        return None
    salted = (mixed ^ (mixed >> 24)) - directory.seed * 7919
    position = ((salted * _INVERSE) & MASK) - 1
    known = 0 <= position < len(directory) and user_id(directory, position) == wanted
    return position if known else None


def timestamp(seconds: int) -> str:
    day, rest = divmod(seconds, 86_400)
    date = _DAYS.get(day)
    if date is None:
        date = _DAYS[day] = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")
    return f"{date}{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"


def exists(directory: Directory, position: int) -> bool:
    """Whether there is a user at this position now."""
    return directory.edited.get(position, position < len(directory)) not in (None, False)


def living(directory: Directory, start: int = 0) -> Iterator[int]:
    """The positions of all users there are now, from this one on."""
    edited = directory.edited
    yield from (at for at in range(start, len(directory)) if edited.get(at, edited) is not None)
    yield from (at for at, user in edited.items() if at >= max(start, len(directory)) and user is not None)


def put(directory: Directory, user: User, position: int | None = None) -> int:
    """Adds a user (properties that are missing become null), or replaces the one at `position`."""
    at = position if position is not None else max([len(directory) - 1, *directory.edited]) + 1
    empty: User = {name: [] if is_list(name) else None for name in PROPERTIES}
    made = {"id": user_id(directory, at), "createdDateTime": timestamp(int(time.time())), "accountEnabled": True}
    directory.edited[at] = empty | made | user
    return at
