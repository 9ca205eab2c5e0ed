"""Ranges, the parts of a tenant that lanes read: what each asks Graph for, and which users it keeps.

Why createdDateTime: it is set once and never changes, and `ge`/`le` on it work in a default query. So a user is in
the same range throughout the export, whatever else happens to it.

A range asks for [low, high] and keeps [low, high), by the createdDateTime of each user. So a border belongs to exactly
one range, whether Graph stores fractions of a second or not. A user outside of what was asked for shows that Graph has
ignored the filter.

Users without createdDateTime (created or synced before June 2018), and seconds in which very many were created, are
split by the beginning of the userPrincipalName, with a range for all that remain. So are all users in clouds without
createdDateTime.
"""

import string
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from shared.errors import ChainBroken, ExportError
from shared.graph import odata
from shared.graph.users import User

_SMALL_LETTERS = {ord(letter): letter.lower() for letter in string.ascii_uppercase}

_TIME = len("2020-09-13T12:26:40")
"""Characters of a time of Graph without its Z."""

Kind = Literal["all", "time", "null", "users"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A part of the export. Times are whole seconds since 1970; None is open."""

    kind: Kind
    low: int | None = None
    """First second kept (kind time); index of the first user (kind users)."""
    high: int | None = None
    """The first second that is not kept (kind time); the index after the last user (kind users)."""
    prefixes: tuple[str, ...] = ()
    """Small letters: the userPrincipalName begins with one of these; empty: with anything."""
    except_prefixes: tuple[str, ...] = ()
    """It begins with none of these, which have ranges of their own."""
    expected: int | None = None
    """How many users Graph has counted here: only for the size of the work, because it may be wrong."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, for the plan's blob."""
        return {key: value for key, value in asdict(self).items() if value not in (None, ())}


def from_dict(fields: dict[str, Any]) -> Range:
    """The range of a value of `as_dict`."""
    return msgspec.convert(fields, Range)


def question(range_: Range, room: int = 10**6) -> str:
    """The `$filter` that asks for this range; empty for all users. A superset of what the range keeps.

    room: characters of a URL that the filter may have. As many of `except_prefixes` as fit are left to Graph, in their
    order; `keeps` drops the others' users. They are joined with `and`, because Graph takes 15 clauses with `or`.
    """
    clauses: list[str] = []
    if range_.kind == "null":
        clauses.append("createdDateTime eq null")
    if range_.kind == "time":
        clauses += [f"createdDateTime ge {literal(range_.low)}"] if range_.low is not None else []
        clauses += [f"createdDateTime le {literal(range_.high)}"] if range_.high is not None else []
    if range_.prefixes:
        starts = " or ".join(_starts_with(prefix) for prefix in range_.prefixes)
        clauses.append(f"({starts})" if len(range_.prefixes) > 1 else starts)
    asked = " and ".join(clauses)
    for prefix in range_.except_prefixes:
        longer = f"{asked} and not({_starts_with(prefix)})" if asked else f"not({_starts_with(prefix)})"
        if len(odata.encoded(longer)) > room:
            break
        asked = longer
    return asked


def kept(range_: Range, users: list[User]) -> list[User]:
    """Those of a page's users that belong to this range and to no other. Raises the same as `keeps`."""
    return users if _all_inside(range_, users) else [user for user in users if keeps(range_, user)]


def _all_inside(range_: Range, users: list[User]) -> bool:
    """Whether all surely belong to the range: nearly every page shows it at one look, for a tenth of the CPU."""
    if range_.kind != "time" or range_.prefixes or range_.except_prefixes:
        return False
    times = [user.created_date_time or "" for user in users]
    if {time[_TIME:] for time in times} != {"Z"}:
        return False
    # Times of Graph's usual form, such as 2020-09-13T12:26:40Z, have the same order as texts.
    after_low = range_.low is None or literal(range_.low) <= min(times)
    return after_low and (range_.high is None or max(times) < literal(range_.high))


def keeps(range_: Range, user: User) -> bool:
    """True when the user belongs to this range and to no other.

    Raises ExportError (FilterIgnored) for a user that the range did not ask for by time, and ChainBroken for one that
    it did not ask for by userPrincipalName: that can be a rename at this moment, so the range is read again.
    """
    kept = True
    if range_.kind == "null" and user.created_date_time is not None:
        raise _ignored(range_, user)
    if range_.kind == "time":
        created = _seconds(user)
        if (range_.low is not None and created < range_.low) or (range_.high is not None and created > range_.high):
            raise _ignored(range_, user)
        kept = range_.high is None or created < range_.high
    if not range_.prefixes and not range_.except_prefixes:
        return kept
    name = user.user_principal_name or ""
    # Only Graph knows whether a letter like the Turkish \u0130 counts as an "i". So a user that Graph sends for a
    # beginning belongs there. From other ranges only those are left out that surely have a range of their own.
    small = name.translate(_SMALL_LETTERS)
    if range_.prefixes and not small.startswith(range_.prefixes) and not name.lower().startswith(range_.prefixes):
        raise ChainBroken(
            "FilterIgnored", "Graph sent a user whose userPrincipalName does not begin as the filter asked."
        )
    return kept and not (range_.except_prefixes and small.startswith(range_.except_prefixes))


def literal(seconds: int) -> str:
    """An OData date and time; Graph wants both, and the Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _starts_with(prefix: str) -> str:
    return f"startsWith(userPrincipalName,{odata.quoted(prefix)})"


def _seconds(user: User) -> float:
    if user.created_date_time is None:
        raise ExportError(
            "FilterIgnored", "Graph sent a user without createdDateTime where the filter asked for a time."
        )
    try:
        return datetime.fromisoformat(user.created_date_time).timestamp()
    except ValueError:
        raise ExportError("UnreadableAnswer", "Graph sent a createdDateTime that is no date and time.") from None


def _ignored(range_: Range, user: User) -> ExportError:
    return ExportError(
        "FilterIgnored",
        f"Graph was asked for users with {question(range_, 200)} and sent one created {user.created_date_time}:"
        " it ignored the filter. Nothing is published, because users could be missing or doubled.",
    )
