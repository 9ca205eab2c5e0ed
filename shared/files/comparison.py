"""What has changed between two exports: their rows, joined by objectId; pure.

Each user who is in one export only, or whose cells differ, is one row of the comparison. Cells are texts without the
guard against formulas. To compare two large exports in little memory, share the rows of both out by `part_of`: the
parts have nothing to do with each other, and only the old rows of one part are held.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
DELETED, NOT_IN_EXPORT, UNKNOWN = "deleted", "notInExport", "unknown"
"""Why a user is in the old export only: gone from the tenant; still there, but not asked for; nobody can tell."""
ID, NAME = "objectId", "userPrincipalName"
BETWEEN = "; "
Row = Mapping[str, str]
"""Cells by column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of two exports, in the order of the newer."""

    compared: tuple[str, ...]
    """In both and read in both; without objectId."""
    unreadable: tuple[str, ...]
    """In both, and not read in one of them: everyone would have changed."""
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]


@dataclass(slots=True)
class Counts:
    """What was found so far."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    by_column: dict[str, int] = field(default_factory=dict)
    """How many users have changed in it."""


def columns_of(old: Sequence[str], new: Sequence[str], unreadable: Iterable[str]) -> Columns:
    """Which columns can be compared. `unreadable`: those that one of the exports has an error for as a whole."""
    left_out = set(unreadable)
    both = [name for name in new if name in old and name != ID]
    return Columns(
        compared=tuple(name for name in both if name not in left_out),
        unreadable=tuple(name for name in both if name in left_out),
        only_old=tuple(name for name in old if name not in new),
        only_new=tuple(name for name in new if name not in old),
    )


def header(columns: Columns) -> list[str]:
    """The names of the comparison's columns."""
    pairs = [name for column in _after_name(columns) for name in (column, _old(column))]
    name_before = [_old(NAME)] if NAME in columns.compared else []
    return ["change", "removedBecause", ID, NAME, *name_before, "changedColumns", *pairs]


def part_of(object_id: str, parts: int) -> int:
    """Of so many parts, the one that this user belongs to: the same in both exports."""
    return int.from_bytes(blake2b(object_id.lower().encode(), digest_size=8).digest()) % parts


def compare(
    old: Iterable[Row],
    new: Iterable[Row],
    columns: Columns,
    counts: Counts,
    *,
    errors: Mapping[str, frozenset[str]] | None = None,
    reasons: Mapping[str, str] | None = None,
) -> Iterator[list[str]]:
    """The rows of the comparison, as `header` has them; `counts` is added to.

    `errors`: by objectId in small letters, the columns of a user that one of the exports could not read: they are left
    out. `reasons`: by objectId in small letters, why users are in the old export only.
    """
    before = {row[ID].lower(): row for row in old}
    failed = errors or {}
    for row in new:
        user = row[ID].lower()
        there = before.pop(user, None)
        if there is None:
            counts.added += 1
            yield _row(ADDED, "", columns.compared, None, row, ())
            continue
        compared = [name for name in columns.compared if name not in failed.get(user, ())]
        differing = [name for name in compared if there[name] != row[name]]
        if differing:
            counts.changed += 1
            for name in differing:
                counts.by_column[name] = counts.by_column.get(name, 0) + 1
            yield _row(CHANGED, "", columns.compared, there, row, differing, compared)
    for user, row in before.items():
        counts.removed += 1
        yield _row(REMOVED, (reasons or {}).get(user, UNKNOWN), columns.compared, row, None, ())


def _row(
    change: str,
    because: str,
    columns: Sequence[str],
    old: Row | None,
    new: Row | None,
    differing: Sequence[str],
    readable: Sequence[str] | None = None,
) -> list[str]:
    def cells(name: str) -> list[str]:
        if readable is not None and name not in readable:
            return ["", ""]
        return [new[name] if new else "", old[name] if old else ""]

    is_there = new or old or {}
    names = [is_there.get(NAME, (old or {}).get(NAME, ""))]
    if NAME in columns:
        names.append(cells(NAME)[1])
    pairs = [cell for name in columns if name != NAME for cell in cells(name)]
    return [change, because, is_there[ID], *names, BETWEEN.join(differing), *pairs]


def _after_name(columns: Columns) -> tuple[str, ...]:
    return tuple(name for name in columns.compared if name != NAME)


def _old(column: str) -> str:
    return f"{column} (old)"
