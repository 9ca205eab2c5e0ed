"""What a caller may ask for, and the refusal of everything else, with all problems at once."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shared.api.body import MAX_USERS, decode, fingerprint_of
from shared.api.filename import file_name
from shared.api.problems import BadRequest, Problem
from shared.api.values import callback_url, did_you_mean, flag, one_of, pointer
from shared.files import formats
from shared.files.columns import COLUMN_SETS, COLUMNS, DELETED, SIGN_IN, authentication_of, find_column
from shared.graph import odata
from shared.graph.scopes import ALL, Scope
from shared.graph.users import LONGEST_NAME
from shared.settings import Settings

MAX_COLUMNS = 200
"""Those that all tenants have are half of it."""
MAX_PROBLEMS = 20
"""Problems of one kind in an answer: a body of 8 MiB could have a million."""

_KNOWN = (
    *("fileName", "columns", "filter", "users", "scope", "excel"),
    *("format", "compress", "separator", "callbackUrl"),
)
SCOPES = (
    'must be "all" (as by default), {"deleted": true}, {"group": ID} or {"administrativeUnit": ID}, with an object id'
)
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
FILTER_SHOWN = 200
"""Characters of a filter in the list: they travel in a blob's metadata, of which there are 8 KiB at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A valid request."""

    file_name: str
    """Without the format's ending."""
    columns: tuple[str, ...]
    filter: str = ""
    users: tuple[str, ...] = ()
    """Object ids, userPrincipalNames or mail addresses, each once; empty: all users of the scope."""
    scope: Scope = ALL
    excel: bool = True
    format: str = formats.CSV
    compress: bool = False
    separator: str = ","
    callback_url: str = ""
    notes: tuple[str, ...] = ()
    """Sentences for the caller."""
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """As it was sent, without the list of users and the callback."""
    old: str = ""
    """Of a comparison: the ids of the exports that it compares."""
    new: str = ""
    saved: str = field(default="", compare=False)
    """The name of the saved export that this is a run of."""
    fingerprint: str = field(default="", compare=False)
    """Of the body as JSON: the order of keys, and spaces, don't matter."""

    def asked(self) -> dict[str, Any]:
        """What a list tells requests apart by: how many users are selected, or scope and filter, shortened."""
        if self.old:
            return {"old": self.old, "new": self.new}
        if self.users:
            return {"users": len(self.users)}
        cut = self.filter[:FILTER_SHOWN]
        scope: dict[str, Any] = {} if self.scope == ALL else {"scope": self.scope.shown()}
        return scope | ({"filter": cut if cut == self.filter else f"{cut} …"} if self.filter else {})


def parse(body: bytes, settings: Settings, now: datetime, *, authentication: bool = True) -> ExportRequest:
    """Reads the JSON body of a POST; `{}` asks for everything as it is by default. Raises BadRequest."""
    return check(decode(body), settings, now, authentication=authentication)


def check(
    given: Mapping[str, Any],
    settings: Settings,
    now: datetime,
    *,
    authentication: bool = True,
    also: tuple[str, ...] = (),
) -> ExportRequest:
    """As `parse`, of what was decoded. `also`: properties that another reads."""
    problems = unknown(given, (*_KNOWN, *also))
    file, scope = _format(given, problems), _scope(given, problems)
    wanted = ExportRequest(
        file_name=file_name(given, formats.chosen(file.name, compress=file.compress).ending, now, problems),
        columns=_columns(given, settings, scope, problems),
        filter=_filter(given, problems),
        users=_users(given, problems),
        scope=scope,
        excel=flag(given, "excel", problems, default=True),
        format=file.name,
        compress=file.compress,
        separator=file.separator,
        callback_url=callback_url(given, settings.callback_hosts, problems),
    )
    if given.get("filter") and given.get("users"):
        problems.append(Problem("/filter", "give either users or a filter, not both"))
    if scope != ALL and given.get("users"):
        problems.append(Problem("/users", "give either users or a scope, not both"))
    if scope != ALL and odata.mentions(wanted.filter, SIGN_IN):
        detail = f"Microsoft Graph filters on {SIGN_IN} among all users only: leave out the scope, or the filter"
        problems.append(Problem("/filter", detail))
    if problems:
        raise BadRequest(*problems)
    kept = {name: value for name, value in given.items() if name not in {"users", "callbackUrl", *also}}
    wanted = replace(wanted, body=kept, fingerprint=fingerprint_of(given))
    return wanted if authentication else _without_authentication(wanted, by_default=given.get("columns") is None)


def unknown(given: Mapping[str, Any], known: tuple[str, ...]) -> list[Problem]:
    """A problem for each property that is not one of the known."""
    return [
        Problem(f"/{pointer(name)}", f"unknown property{did_you_mean(name, known)}; known: {', '.join(known)}")
        for name in itertools.islice((name for name in given if name not in known), MAX_PROBLEMS)
    ]


def _without_authentication(wanted: ExportRequest, *, by_default: bool) -> ExportRequest:
    """The request of a caller who may not have authentication columns: refused by name, left out of the default."""
    refused = authentication_of(wanted.columns)
    if refused and not by_default:
        detail = f"You need a role of EXPORT_AUTHENTICATION_ROLES for {', '.join(refused)}. Or use the set profile."
        raise BadRequest(Problem("/columns", detail), status=403)
    if not refused:
        return wanted
    note = f"You need a role of EXPORT_AUTHENTICATION_ROLES for {', '.join(refused)}. They were left out (set profile)."
    return replace(wanted, columns=_of_scope(COLUMN_SETS["profile"], wanted.scope), notes=(note,))


def _scope(given: Mapping[str, Any], problems: list[Problem]) -> Scope:
    value = given.get("scope")
    if value is None or value == "all":
        return ALL
    if not isinstance(value, dict) or len(value) != 1 or not {*value} <= {"deleted", "group", "administrativeUnit"}:
        problems.append(Problem("/scope", SCOPES))
        return ALL
    [(name, of)] = value.items()
    if name == "deleted":
        if of is not True:
            problems.append(Problem("/scope/deleted", f"must be true; {SCOPES}"))
            return ALL
        return Scope(deleted=True)
    if not isinstance(of, str) or not GUID.fullmatch(of):
        problems.append(Problem(f"/scope/{name}", "must be an object id, such as 02bd9fd6-8f93-4758-87c3-1fb73740a315"))
        return ALL
    key = of.lower()
    return Scope(group=key) if name == "group" else Scope(administrative_unit=key)


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    compress: bool
    separator: str


def _format(given: Mapping[str, Any], problems: list[Problem]) -> _File:
    name = one_of(given, "format", formats.FORMATS, problems)
    compress = flag(given, "compress", problems, default=False)
    separator = one_of(given, "separator", formats.SEPARATORS, problems)
    if name == formats.XLSX and compress:
        problems.append(Problem("/compress", "an xlsx file is compressed by itself: leave it out"))
        compress = False
    problems += [
        Problem(f"/{only}", f"is for csv only, and the format is {name}: leave it out")
        for only in ("separator", "excel")
        if name != formats.CSV and given.get(only) is not None
    ]
    return _File(name, compress, separator)


def _of_scope(names: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
    """The names of a set; of deleted users it also tells when they were deleted."""
    return (*names, DELETED) if scope.deleted and DELETED not in names else names


def _columns(given: Mapping[str, Any], settings: Settings, scope: Scope, problems: list[Problem]) -> tuple[str, ...]:
    wanted = given.get("columns", settings.default_columns)
    if wanted is None:
        wanted = settings.default_columns
    # OpenAPI 2.0 has no choice of types: there a set is a list of its name.
    if isinstance(wanted, list) and len(wanted) == 1 and isinstance(wanted[0], str) and wanted[0] in COLUMN_SETS:
        [wanted] = wanted
    if isinstance(wanted, str):
        if wanted not in COLUMN_SETS:
            detail = f"unknown set {wanted[:80]!r}{did_you_mean(wanted, COLUMN_SETS)}; known: {', '.join(COLUMN_SETS)}"
            problems.append(Problem("/columns", detail))
            return ()
        return _of_scope(COLUMN_SETS[wanted], scope)
    if not isinstance(wanted, list) or not wanted:
        problems.append(Problem("/columns", "must be the name of a set or a list of column names"))
        return ()
    if len(wanted) > MAX_COLUMNS:
        problems.append(Problem("/columns", f"has {len(wanted)} names; at most {MAX_COLUMNS} are possible"))
        return ()
    for at, name in enumerate(wanted):
        if not isinstance(name, str):
            problems.append(Problem(f"/columns/{at}", "must be the name of a column"))
        elif find_column(name) is None:
            problems.append(Problem(f"/columns/{at}", f"unknown column {name[:80]!r}{did_you_mean(name, COLUMNS)}"))
        elif name.lower() in (each.lower() for each in wanted[:at] if isinstance(each, str)):
            problems.append(Problem(f"/columns/{at}", f"{name} is listed twice"))
    return tuple(name for name in wanted if isinstance(name, str))


def _filter(given: Mapping[str, Any], problems: list[Problem]) -> str:
    text = given.get("filter")
    if text is None:
        return ""
    if not isinstance(text, str) or not text.strip():
        problems.append(Problem("/filter", "must be an OData filter; leave it out to get all users"))
        return ""
    try:
        odata.check(text.strip())
    except odata.FilterError as problem:
        problems.append(Problem("/filter", str(problem)))
        return ""
    return odata.one_line(text)


def _users(given: Mapping[str, Any], problems: list[Problem]) -> tuple[str, ...]:
    """Takes any texts: one that can't be a user becomes an error in the results, and the others are exported."""
    users = given.get("users")
    if users is None:
        return ()
    if not isinstance(users, list) or not users:
        problems.append(
            Problem("/users", "must be a list of object ids, userPrincipalNames or mail addresses, and not empty")
        )
        return ()
    if len(users) > MAX_USERS:
        problems.append(Problem("/users", f"must have at most {MAX_USERS} users, but has {len(users)}"))
        return ()
    each_once: dict[str, str] = {}
    told = len(problems) + MAX_PROBLEMS
    for at, user in enumerate(users):
        if len(problems) >= told:
            break
        if not isinstance(user, str) or not user.strip():
            problems.append(Problem(f"/users/{at}", "must be an object id, a userPrincipalName or a mail address"))
        else:
            name = user.strip()[: LONGEST_NAME + 1]  # One more than Graph is asked for is enough to say so.
            each_once.setdefault(name.lower(), name)
    return tuple(each_once.values())
