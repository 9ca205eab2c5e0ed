"""What has changed between two exports: their rows, joined by objectId; pure.

Each user who is in one export only, or whose cells differ, is one row of the comparison. Cells are texts without the
guard against formulas. A user is a line of JSON, `[objectId, userPrincipalName, cells of the compared columns]`. A user
with two equal lines has not changed, and most lines are not even decoded.

To compare two large exports in little memory, share the lines of both out by `partition_of`. Each partition is compared
by itself, so only its lines are in memory.
"""

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
DELETED, NOT_IN_EXPORT, UNKNOWN = "deleted", "notInExport", "unknown"
"""Why a user is in the old export only: deleted; still in the tenant, but not in the new export; unknown."""
ID, NAME = "objectId", "userPrincipalName"
BETWEEN = "; "
Row = Sequence[str]
"""objectId, userPrincipalName, and a cell for each of the compared columns."""
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(list[str])
_BEGIN, _END = b'["', b'"'


class NoKey(ValueError):
    """An objectId that is empty, or can't be one."""


class Twice(ValueError):
    """A user is in an export twice."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of two exports, in the order of the newer."""

    compared: tuple[str, ...]
    """In both and read in both; without objectId."""
    unreadable: tuple[str, ...]
    """In both, but one of them could not read it: every user would have changed."""
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]


@dataclass(slots=True)
class Counts:
    """How many users of each kind so far."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    by_column: dict[str, int] = field(default_factory=dict)
    """How many users have changed in it."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The lines of two exports, put together."""

    there: list[tuple[bytes | None, bytes]]
    """Old line (None: there is none) and new line, where they differ, in the order of the newer export."""
    removed: dict[bytes, bytes]
    """Key -> old line."""
    same: int


def columns_of(old: Sequence[str], new: Sequence[str], unreadable: Iterable[str]) -> Columns:
    """Which columns can be compared. `unreadable`: columns that one of the exports could not read at all."""
    left_out = set(unreadable)
    both = [name for name in new if name in old and name != ID]
    return Columns(
        compared=tuple(name for name in both if name not in left_out),
        unreadable=tuple(name for name in both if name in left_out),
        only_old=tuple(name for name in old if name not in new),
        only_new=tuple(name for name in new if name not in old),
    )


def header(compared: Sequence[str]) -> list[str]:
    """The names of the comparison's columns."""
    pairs = [name for column in compared if column != NAME for name in (column, _old(column))]
    name_before = [_old(NAME)] if NAME in compared else []
    return ["change", "removedBecause", ID, NAME, *name_before, "changedColumns", *pairs]


def lines(rows: Sequence[Row]) -> list[bytes]:
    """A line for each of these."""
    return _ENCODER.encode_lines(rows).split(b"\n")[:-1]


def key_of(line: bytes) -> bytes:
    """The key of a user: the objectId in small letters. Raises NoKey."""
    end = line.index(_END, len(_BEGIN))
    key = line[len(_BEGIN) : end].lower()
    if not key or b"\\" in key:
        raise NoKey
    return key


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, of so many, that this user belongs to: the same in both exports."""
    return zlib.crc32(key) % partitions


def join(old: Iterable[bytes], new: Iterable[bytes]) -> Joined:
    """Puts the lines of two exports together. Raises Twice, NoKey."""
    before: dict[bytes, bytes] = {}
    for line in old:
        if before.setdefault(key_of(line), line) is not line:
            raise Twice("old")
    seen: set[bytes] = set()
    there: list[tuple[bytes | None, bytes]] = []
    same = 0
    for line in new:
        key = key_of(line)
        known = len(seen)
        seen.add(key)
        if len(seen) == known:
            raise Twice("new")
        earlier = before.pop(key, None)
        if earlier == line:
            same += 1
        else:
            there.append((earlier, line))
    return Joined(there, before, same)


def rows(
    joined: Joined,
    compared: Sequence[str],
    counts: Counts,
    *,
    errors: Mapping[bytes, Collection[str]] | None = None,
    reasons: Mapping[bytes, str] | None = None,
) -> Iterator[list[str]]:
    """The rows of the comparison, with the columns of `header`. Adds to `counts`.

    `errors`: by key the columns of a user that one of the exports could not read; these cells are left out. `reasons`:
    by key why a user is in the old export only.
    """
    failed = errors or {}
    counts.unchanged += joined.same
    for old, new in joined.there:
        now = _DECODER.decode(new)
        if old is None:
            counts.added += 1
            yield _row(ADDED, "", compared, None, now, (), failed.get(key_of(new), ()))
            continue
        before, left_out = _DECODER.decode(old), failed.get(key_of(new), ())
        differing = [
            name
            for name, was, is_now in zip(compared, before[2:], now[2:], strict=True)
            if was != is_now and name not in left_out
        ]
        if not differing:
            counts.unchanged += 1
            continue
        counts.changed += 1
        for name in differing:
            counts.by_column[name] = counts.by_column.get(name, 0) + 1
        yield _row(CHANGED, "", compared, before, now, differing, left_out)
    for key, old in joined.removed.items():
        counts.removed += 1
        because = (reasons or {}).get(key, UNKNOWN)
        yield _row(REMOVED, because, compared, _DECODER.decode(old), None, (), failed.get(key, ()))


def _row(
    change: str,
    because: str,
    compared: Sequence[str],
    old: Row | None,
    new: Row | None,
    differing: Sequence[str],
    left_out: Collection[str],
) -> list[str]:
    user = new or old or ()
    # Shown also when only one of the exports has it.
    name = user[1] or (old[1] if old and NAME not in compared else "")
    pairs: list[str] = []
    name_before: list[str] = []
    for at, column in enumerate(compared, 2):
        cells = ["", ""] if column in left_out else [new[at] if new else "", old[at] if old else ""]
        if column == NAME:
            name_before = cells[1:]
        else:
            pairs += cells
    return [change, because, user[0], name, *name_before, BETWEEN.join(differing), *pairs]


def _old(column: str) -> str:
    return f"{column} (old)"
