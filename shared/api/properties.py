"""The properties of an export's request: each is read by itself, and what is wrong with it is noted. (See `values`.)"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.api.body import MAX_USERS
from shared.api.problems import Problem
from shared.api.values import did_you_mean, flag, one_of
from shared.files import formats
from shared.files.columns import COLUMN_SETS, COLUMNS, DELETED, find_column
from shared.graph import odata
from shared.graph.scopes import ALL, Scope
from shared.graph.users import LONGEST_NAME
from shared.settings import Settings

MAX_COLUMNS = 200
"""Those that all tenants have are half of it."""
MAX_PROBLEMS = 20
"""Problems of one kind in an answer: a body of 8 MiB could have a million."""
SCOPES = (
    'must be "all" (as by default), {"deleted": true}, {"group": ID} or {"administrativeUnit": ID}, with an object id'
)
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def read_scope(given: Mapping[str, Any], problems: list[Problem]) -> Scope:
    """Whose users are exported; by default the tenant's."""
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
class File:
    """What the request says of its file. `name`: of the format."""

    name: str
    compress: bool
    separator: str


def read_format(given: Mapping[str, Any], problems: list[Problem]) -> File:
    """The format, and what belongs to it."""
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
    return File(name, compress, separator)


def of_scope(names: tuple[str, ...], scope: Scope) -> tuple[str, ...]:
    """The columns of a set. For deleted users it also has the time of the deletion."""
    return (*names, DELETED) if scope.deleted and DELETED not in names else names


def read_columns(
    given: Mapping[str, Any], settings: Settings, scope: Scope, problems: list[Problem]
) -> tuple[str, ...]:
    """The headers, of a set or as they are listed."""
    names = given.get("columns", settings.default_columns)
    if names is None:
        names = settings.default_columns
    # OpenAPI 2.0 has no choice of types: there a set is a list of its name.
    if isinstance(names, list) and len(names) == 1 and isinstance(names[0], str) and names[0] in COLUMN_SETS:
        [names] = names
    if isinstance(names, str):
        if names not in COLUMN_SETS:
            detail = f"unknown set {names[:80]!r}{did_you_mean(names, COLUMN_SETS)}; known: {', '.join(COLUMN_SETS)}"
            problems.append(Problem("/columns", detail))
            return ()
        return of_scope(COLUMN_SETS[names], scope)
    if not isinstance(names, list) or not names:
        problems.append(Problem("/columns", "must be the name of a set or a list of column names"))
        return ()
    if len(names) > MAX_COLUMNS:
        problems.append(Problem("/columns", f"has {len(names)} names; at most {MAX_COLUMNS} are possible"))
        return ()
    for at, name in enumerate(names):
        if not isinstance(name, str):
            problems.append(Problem(f"/columns/{at}", "must be the name of a column"))
        elif find_column(name) is None:
            problems.append(Problem(f"/columns/{at}", f"unknown column {name[:80]!r}{did_you_mean(name, COLUMNS)}"))
        elif name.lower() in (each.lower() for each in names[:at] if isinstance(each, str)):
            problems.append(Problem(f"/columns/{at}", f"{name} is listed twice"))
    return tuple(name for name in names if isinstance(name, str))


def read_filter(given: Mapping[str, Any], problems: list[Problem]) -> str:
    """The OData filter on one line; empty: there is none."""
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


def read_users(given: Mapping[str, Any], problems: list[Problem]) -> tuple[str, ...]:
    """The selected users, each once. Any texts: one that is no user becomes an error in the results."""
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
    most = len(problems) + MAX_PROBLEMS
    for at, user in enumerate(users):
        if len(problems) >= most:
            break
        if not isinstance(user, str) or not user.strip():
            problems.append(Problem(f"/users/{at}", "must be an object id, a userPrincipalName or a mail address"))
        else:
            name = user.strip()[: LONGEST_NAME + 1]  # One character too many is enough to refuse it later.
            each_once.setdefault(name.lower(), name)
    return tuple(each_once.values())
