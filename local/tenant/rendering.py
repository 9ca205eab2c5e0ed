"""Users as JSON: a row is the template of the user's persona, filled with what is the person's own."""

import json
import os
from collections.abc import Iterable

from local.tenant.cultures import CULTURES
from local.tenant.directory import Directory, User, timestamp, user_id
from local.tenant.metadata import EXTENSIONS, PROPERTIES
from local.tenant.sign_in_methods import PASSWORD_ALONE

CACHED_ROWS = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // 1_000
"""Rendered once, in a quarter of this machine's memory; those beyond take six times the CPU in each export."""
_MONTH_DAYS = tuple(f"{m:02d}-{d:02d}" for m in range(1, 11) for d in range(1, 29))


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
    rendered = []
    edited = directory.edited
    for position in positions:
        if position in edited:
            user = edited[position] or {}
            own = {name: None if name in hidden else user[name] for name in select if _is_shown(name, user[name])}
            rendered.append(json.dumps(own, ensure_ascii=False, separators=(",", ":")).encode())
            continue
        row = cached.get(position)
        if row is None:
            row = (_format(directory, position, formats, select, hidden) % facts(directory, position)).encode()
            if keep and directory._cached < CACHED_ROWS:
                directory._cached += 1
                cached[position] = row
        rendered.append(row)
    return rendered


def _is_shown(name: str, value: object) -> bool:
    """A directory extension without a value is left out, as Graph does; other properties come as null."""
    return value is not None or name not in EXTENSIONS


def _formats(directory: Directory, select: tuple[str, ...], hidden: frozenset[str]) -> list[str | None]:
    known = directory._formats
    if (select, hidden) not in known:
        if len(known) >= 64:
            known.pop(next(iter(known)))
        known[select, hidden] = [None] * len(directory.kinds)
    return known[select, hidden]


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
    template = methods_template(directory, position)
    return template % facts(directory, position) if position < len(directory) else template


def methods_template(directory: Directory, position: int) -> str:
    """The same with the person left out: many users share one."""
    if position >= len(directory):
        return "[]"
    if (directory.bits[position] >> 11) % 1000 >= directory.registered * 1000:
        return PASSWORD_ALONE
    return directory.kinds[directory.bits[position] & 2047].methods
