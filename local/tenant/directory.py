"""The users themselves: a few bytes each, sorted so that the export's queries are runs, and rendered to JSON when a
page shows them.

Positions `0 .. nulls` are the users without createdDateTime, sorted by UPN; the rest is sorted by creation time. A
user is a UPN, a creation time in milliseconds and 64 random bits, which choose persona, names and digits (`facts`).
What changes while running lies in `edited`, over the rows that were made at the start: those never move, so that a
chain of pages stays whole while users come and go.
"""

import json
import os
import random
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from local.tenant.cultures import CULTURES
from local.tenant.metadata import EXTENSIONS, PROPERTIES, is_list
from local.tenant.people import PASSWORD_ALONE, Persona, personas

User = dict[str, Any]
Shape = tuple[tuple[str, ...], frozenset[str]]  # of a row: what is selected, and what of it is hidden
SHAPES = {"normal": 0.08, "burst": 0.08, "onehour": 0.02, "oneday": 0.0, "null90": 0.9, "b2c": 0.0}
"""The share without createdDateTime."""
BURST = 50_000
ONE_HOUR = 0.14
"""The share created within one hour, of the shape of that name: a script, or a first synchronization."""
CACHED_ROWS = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // 1_000
"""Rendered once, in a quarter of this machine's memory; those beyond take six times the CPU in each export."""

_MASK = (1 << 48) - 1
_ODD = 0x5DEECE66D
_INVERSE = pow(_ODD, -1, 1 << 48)
_DAYS: dict[int, str] = {}
_MONTH_DAYS = tuple(f"{m:02d}-{d:02d}" for m in range(1, 11) for d in range(1, 29))


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


def make_directory(
    users: int, seed: int, shape: str = "normal", fractions: bool = False, salt: int = 0, undated: bool = False
) -> Directory:
    """Makes `users` people, the same for the same arguments.

    `fractions` keeps hidden milliseconds behind each creation time: Graph shows whole seconds and no document says
    what it stores, so a client whose ranges end at "the next one's start - 1 s" must lose users here.
    `undated`: nobody has a creation time.
    """
    rng = random.Random(f"{seed} {shape} {salt}")
    nulls = users if undated else round(users * SHAPES[shape])
    kinds = personas(seed, b2c=shape == "b2c")
    created = array("q", bytes(8 * nulls))
    created.extend(sorted(_creation_times(rng, users - nulls, users, shape, fractions)))
    bits = array("Q", rng.randbytes(8 * users))
    upns = list(_upns(bits, kinds))
    if nulls:
        ordered = sorted(zip(upns[:nulls], bits[:nulls], strict=True), key=lambda pair: pair[0].lower())
        upns[:nulls] = [upn for upn, _ in ordered]
        bits[:nulls] = array("Q", [own for _, own in ordered])
    return Directory(seed + salt, nulls, kinds, created, bits, upns)


def _creation_times(rng: random.Random, count: int, users: int, shape: str, fractions: bool) -> list[int]:
    start, end = 1_325_376_000, 1_793_000_000  # 2012 .. autumn of 2026
    if shape == "oneday":
        start, end = 1_709_596_800, 1_709_596_800 + 86_399
    bursts: list[int] = []
    if shape == "burst":
        bursts = [1_693_548_000] * min(BURST, users // 2, count)
    elif shape == "onehour":
        bursts = [1_631_179_380 + int(3600 * rng.random()) for _ in range(round(users * ONE_HOUR))]
    elif shape != "oneday":
        while len(bursts) < count // 5 and count >= 20:
            second = int(start + (end - start) * rng.random() ** 0.6)
            bursts += [second] * min(rng.randint(1000, 5000), max(2, count // 12), count - len(bursts))
    power = 0.6  # a tenant grows: more people came lately
    seconds = bursts + [int(start + (end - start) * rng.random() ** power) for _ in range(count - len(bursts))]
    if not fractions:
        return [second * 1000 for second in seconds]
    return [second * 1000 + int(rng.random() * 1000) for second in seconds]


def _upns(bits: Iterable[int], kinds: Sequence[Persona]) -> Iterator[str]:
    """A unique UPN each: the second anna.jansen is anna.jansen2, as an administrator would do."""
    taken: dict[str, int] = {}
    made: dict[tuple[str, int, int, int], str] = {}
    names = [(culture.given, culture.surnames) for culture in CULTURES]
    for number, own in enumerate(bits):
        kind = kinds[own & 2047]
        if kind.alias == "{n}":
            yield f"20{number:08d}{kind.suffix}"
            continue
        if kind.alias == "{u}":
            yield f"{_scrambled(number):08x}-0b2c-4000-8000-{own & _MASK:012x}{kind.suffix}"
            continue
        given, surnames = names[kind.culture]
        first, last = (own >> 11 & 4095) ** 2 // 4096 % len(given), (own >> 23 & 4095) % len(surnames)
        key = (kind.alias, kind.culture, first, last)
        alias = made.get(key)
        if alias is None:
            g, s = given[first][1], surnames[last][1].lower()
            # {n} within an odd alias only needs a digit in front: the counter makes it unique
            alias = made[key] = kind.alias.format(
                g=g, s=s, g1=g[0], G=g.capitalize(), S=s.capitalize(), n=f"9{first}{s}"
            )
        base = alias.lower()
        seen = taken[base] = taken.get(base, 0) + 1
        yield f"{alias}{kind.suffix}" if seen == 1 else f"{alias}{seen}{kind.suffix}"


def _scrambled(position: int, salt: int = 0) -> int:
    mixed = ((position + 1) * _ODD + salt) & _MASK
    return mixed ^ (mixed >> 24)


def user_id(directory: Directory, position: int) -> str:
    mixed = _scrambled(position, directory.seed * 7919)
    return (
        f"{mixed & 0xFFFFFFFF:08x}-{mixed >> 32:04x}-4{position & 0xFFF:03x}-a{directory.seed & 0xFFF:03x}-{mixed:012x}"
    )


def find(directory: Directory, name: str) -> int | None:
    """The position of a user by id or UPN, whatever the case; None when unknown or deleted."""
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
    position = ((salted * _INVERSE) & _MASK) - 1
    known = 0 <= position < len(directory) and user_id(directory, position) == wanted
    return position if known else None


def timestamp(seconds: int) -> str:
    day, rest = divmod(seconds, 86_400)
    date = _DAYS.get(day)
    if date is None:
        date = _DAYS[day] = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")
    return f"{date}{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"


def facts(directory: Directory, position: int) -> dict[str, object]:
    """What is a person's own: the values for the templates of the persona."""
    own = directory.bits[position]
    kind = directory.kinds[own & 2047]
    culture = CULTURES[kind.culture]
    given = culture.given[(own >> 11 & 4095) ** 2 // 4096 % len(culture.given)]
    surname = culture.surnames[(own >> 23 & 4095) % len(culture.surnames)][0]
    upn = directory.upns[position]
    number = own >> 35
    deleted_at = directory.deleted_at
    return {
        "id": user_id(directory, position),
        "upn": upn,
        "alias": upn[: -len(kind.suffix)],
        "given": given[0],
        "surname": surname,
        "sam": f"{given[1]}{position}",
        "created": "null" if position < directory.nulls else f'"{timestamp(directory.created[position] // 1000)}"',
        "deleted": "null" if deleted_at is None else f'"{timestamp(deleted_at - number % 2_500_000)}"',
        "number": 100_000 + position,
        "d3": 100 + number % 900,
        "d4": 1000 + number % 9000,
        "md": _MONTH_DAYS[number % 280],
        "immutable": f"{number:022d}",
    }


def rows(
    directory: Directory,
    positions: Iterable[int],
    select: tuple[str, ...],
    keep: bool = True,
    hidden: frozenset[str] = frozenset(),
) -> list[bytes]:
    """The users at these positions as JSON objects of the selected properties; `keep` remembers them for the next
    time. `hidden` are null: what the caller may not read.
    """
    formats = _formats(directory, select, hidden)
    cached = directory._rows.setdefault((select, hidden), {})
    found = []
    edited = directory.edited
    for position in positions:
        if position in edited:
            user = edited[position] or {}
            own = {name: None if name in hidden else user[name] for name in select if _is_shown(name, user[name])}
            found.append(json.dumps(own, ensure_ascii=False, separators=(",", ":")).encode())
            continue
        row = cached.get(position)
        if row is None:
            row = (_format(directory, position, formats, select, hidden) % facts(directory, position)).encode()
            if keep and directory._cached < CACHED_ROWS:
                directory._cached += 1
                cached[position] = row
        found.append(row)
    return found


def _is_shown(name: str, value: object) -> bool:
    """A directory extension without a value is left out, as Graph does; other properties come as null."""
    return value is not None or name not in EXTENSIONS


def _formats(directory: Directory, select: tuple[str, ...], hidden: frozenset[str]) -> list[str | None]:
    return directory._formats.setdefault((select, hidden), [None] * len(directory.kinds))


def _format(
    directory: Directory, position: int, formats: list[str | None], select: tuple[str, ...], hidden: frozenset[str]
) -> str:
    """The row of this user's persona, with the person left out."""
    kind = directory.bits[position] & 2047
    template = formats[kind]
    if template is None:
        texts = directory.kinds[kind].texts
        shown = {name: "null" if name in hidden else texts[name] for name in select}
        kept = (f'"{name}":{text}' for name, text in shown.items() if _is_shown(name, None if text == "null" else text))
        template = formats[kind] = "{" + ",".join(kept) + "}"
    return template


def values(directory: Directory, position: int, names: tuple[str, ...] = tuple(PROPERTIES)) -> User:
    """One user as of now, as a dict; an edited one as edited."""
    edited = directory.edited.get(position)
    if edited is not None:
        return {name: edited[name] for name in names}
    return base_values(directory, position, names)


def base_values(directory: Directory, position: int, names: tuple[str, ...] = tuple(PROPERTIES)) -> User:
    """One user as made at the start; what a row leaves out is None."""
    template = _format(directory, position, _formats(directory, names, frozenset()), names, frozenset())
    user: User = json.loads(template % facts(directory, position))
    return dict.fromkeys(names) | user


def methods_text(directory: Directory, position: int) -> str:
    """The JSON array of a user's authentication methods."""
    if position >= len(directory):
        return "[]"
    if (directory.bits[position] >> 11) % 1000 >= directory.registered * 1000:
        return PASSWORD_ALONE
    return directory.kinds[directory.bits[position] & 2047].methods % facts(directory, position)


def exists(directory: Directory, position: int) -> bool:
    """Whether there is a user at this position now."""
    return directory.edited.get(position, position < len(directory)) not in (None, False)


def living(directory: Directory) -> Iterator[int]:
    """The positions of all users there are now."""
    edited = directory.edited
    yield from (at for at in range(len(directory)) if edited.get(at, edited) is not None)
    yield from (at for at, user in edited.items() if at >= len(directory) and user is not None)


def put(directory: Directory, user: User, position: int | None = None) -> int:
    """Adds a user (properties that are missing become null), or replaces the one at `position`."""
    at = position if position is not None else max([len(directory) - 1, *directory.edited]) + 1
    empty: User = {name: [] if is_list(name) else None for name in PROPERTIES}
    made = {"id": user_id(directory, at), "createdDateTime": timestamp(int(time.time())), "accountEnabled": True}
    directory.edited[at] = empty | made | user
    return at
