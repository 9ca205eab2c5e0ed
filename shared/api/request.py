"""What a caller may ask for, and the refusal of everything else, with all problems at once."""

import difflib
import hashlib
import itertools
import re
import unicodedata
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared.api.problems import BadRequest, Problem
from shared.files import formats
from shared.files.columns import COLUMN_SETS, COLUMNS, DELETED, SIGN_IN, authentication_of, find_column
from shared.graph import odata
from shared.graph.scopes import ALL, Scope
from shared.graph.users import LONGEST_NAME
from shared.settings import Settings, host_matches

MAX_BODY = 8 * 1024 * 1024
MAX_USERS = 100_000
MAX_FILE_NAME = 255
"""Bytes with the ending: the limit of names on Linux and macOS, where a letter takes up to four."""
MAX_VALUES = MAX_USERS + 1_000
"""Of a body, and so many brackets: as Python objects, 8 MiB of empty lists would take 200 MB."""
MAX_URL = 2_048
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
_HALF_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z0-9-]+")
"""A plain host name: other readers of a URL take a backslash or a percent sign for the end of the host."""


_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
"""Devices of Windows, whatever ending follows (Naming Files, Paths, and Namespaces)."""


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
    saved: str = field(default="", compare=False)
    """The name of the saved export that this is a run of."""
    fingerprint: str = field(default="", compare=False)
    """Of the body as JSON: the order of keys, and spaces, don't matter."""


def parse(body: bytes, settings: Settings, now: datetime, *, authentication: bool = True) -> ExportRequest:
    """Reads the JSON body of a POST; `{}` asks for everything as it is by default. Raises BadRequest."""
    return check(decode(body), settings, now, authentication=authentication)


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises BadRequest.

    No body at all is refused: one that was lost on the way must not become all users.
    """
    if len(body) > MAX_BODY:
        raise BadRequest(Problem("", f"The body has {len(body)} bytes. It may have at most {MAX_BODY}."))
    body = body.removeprefix(BOM_UTF8)
    if not body.strip():
        raise BadRequest(Problem("", "The request has no body: send {} to export all users."))
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise BadRequest(Problem("", f"The body has too many values. It may name at most {MAX_USERS} users."))
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(Problem("", _why_unreadable(body, problem))) from None
    if not isinstance(given, dict):
        raise BadRequest(Problem("", "The body must be a JSON object."))
    return given


def check(
    given: Mapping[str, Any],
    settings: Settings,
    now: datetime,
    *,
    authentication: bool = True,
    also: tuple[str, ...] = (),
) -> ExportRequest:
    """As `parse`, of what was decoded. `also`: properties that another reads."""
    problems: list[Problem] = []
    known = (*_KNOWN, *also)
    problems += [
        Problem(f"/{_pointer(name)}", f"unknown property{_meant(name, known)}; known: {', '.join(known)}")
        for name in itertools.islice((name for name in given if name not in known), MAX_PROBLEMS)
    ]
    file, scope = _format(given, problems), _scope(given, problems)
    wanted = ExportRequest(
        file_name=_file_name(given, formats.chosen(file.name, compress=file.compress).ending, now, problems),
        columns=_columns(given, settings, scope, problems),
        filter=_filter(given, problems),
        users=_users(given, problems),
        scope=scope,
        excel=_flag(given, "excel", problems, default=True),
        format=file.name,
        compress=file.compress,
        separator=file.separator,
        callback_url=_callback_url(given, settings, problems),
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


def _why_unreadable(body: bytes, problem: Exception) -> str:
    """The decoder calls half of a surrogate pair "truncated", which sends a person to look in the wrong place."""
    if half := _HALF_PAIR.search(body):
        return f"The body has {half.group().decode()}, half of a character; leave it out or send the other half too."
    return f"The body is not JSON: {problem}."


def fingerprint_of(given: Mapping[str, Any]) -> str:
    """The same for the same JSON: the order of keys, and spaces, don't matter."""
    return hashlib.sha256(msgspec.json.encode(given, order="sorted")).hexdigest()


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
    name = _one_of(given, "format", formats.FORMATS, problems)
    compress = _flag(given, "compress", problems, default=False)
    separator = _one_of(given, "separator", formats.SEPARATORS, problems)
    if name == formats.XLSX and compress:
        problems.append(Problem("/compress", "an xlsx file is compressed by itself: leave it out"))
        compress = False
    problems += [
        Problem(f"/{only}", f"is for csv only, and the format is {name}: leave it out")
        for only in ("separator", "excel")
        if name != formats.CSV and given.get(only) is not None
    ]
    return _File(name, compress, separator)


def _one_of(given: Mapping[str, Any], name: str, known: tuple[str, ...], problems: list[Problem]) -> str:
    """One of the known values; the first of them is the default."""
    value = given.get(name)
    if value is None:
        return known[0]
    if not isinstance(value, str) or value not in known:
        meant = _meant(value, known) if isinstance(value, str) else ""
        problems.append(Problem(f"/{name}", f"must be one of {' '.join(known)}{meant}"))
        return known[0]
    return value


def _file_name(given: Mapping[str, Any], ending: str, now: datetime, problems: list[Problem]) -> str:
    """A name that is safe in a blob's path, a header and a file system; the portal's own by default."""
    name = given.get("fileName")
    if name is None:
        return f"exportUsers_{now:%Y-%m-%d}"
    if not isinstance(name, str) or not name.strip():
        problems.append(Problem("/fileName", "must be a text, and not empty"))
        return ""
    # First, and alone: looking at eight million letters takes seconds.
    if len(name) > MAX_FILE_NAME * 2 or len(f"{_stem(name, ending)}{ending}".encode(errors="replace")) > MAX_FILE_NAME:
        detail = f"must have at most {MAX_FILE_NAME} bytes (UTF-8, with {ending} at the end)"
        problems.append(Problem("/fileName", detail))
        return ""
    name = _stem(name, ending)
    # Cc: CR and LF split headers. Cf: marks that turn the reading direction disguise a file's ending.
    bad = {
        letter
        for letter in name
        if letter in '\\/:*?"<>|#%' or unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }
    if bad:
        problems.append(Problem("/fileName", f"must not have these characters: {' '.join(sorted(map(repr, bad)))}"))
    if _RESERVED.fullmatch(name.partition(".")[0].rstrip()):
        problems.append(Problem("/fileName", "must not be the name of a Windows device, with any ending"))
    if not name.strip(". ") or name != name.strip(". "):
        problems.append(Problem("/fileName", "must not begin or end with a dot or a space"))
    return name


def _stem(name: str, ending: str) -> str:
    """The name without the format's ending; when it is compressed, also without that of the format alone."""
    stem = unicodedata.normalize("NFC", name.strip())
    for each in (ending, ending.removesuffix(".gz")):
        if stem.lower().endswith(each):
            return stem[: -len(each)]
    return stem


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
            detail = f"unknown set {wanted[:80]!r}{_meant(wanted, COLUMN_SETS)}; known: {', '.join(COLUMN_SETS)}"
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
            problems.append(Problem(f"/columns/{at}", f"unknown column {name[:80]!r}{_meant(name, COLUMNS)}"))
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


def _flag(given: Mapping[str, Any], name: str, problems: list[Problem], *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        problems.append(Problem(f"/{name}", "must be true or false"))
        return default
    return value


def _callback_url(given: Mapping[str, Any], settings: Settings, problems: list[Problem]) -> str:
    """Only https and only the hosts of the setting: the app must not be made to call what a caller can't reach."""
    url = given.get("callbackUrl")
    if url is None:
        return ""
    if not isinstance(url, str) or len(url) > MAX_URL:
        problems.append(Problem("/callbackUrl", f"must be an https address of at most {MAX_URL} characters"))
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        allowed = parts.scheme == "https" and parts.port in {None, 443} and "@" not in parts.netloc
        allowed = allowed and bool(_HOST.fullmatch(host))
    except ValueError:
        host, allowed = "", False
    if not allowed or any(ord(letter) < 33 for letter in url):
        problems.append(Problem("/callbackUrl", "must be an https address without user name and port"))
    elif not any(host_matches(host, pattern) for pattern in settings.callback_hosts):
        problems.append(
            Problem(
                "/callbackUrl",
                f"the host {host} is not allowed. EXPORT_CALLBACK_HOSTS allows {', '.join(settings.callback_hosts)}",
            )
        )
    return url


def _pointer(name: str) -> str:
    return name[:80].replace("~", "~0").replace("/", "~1")


def _meant(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name[:80].lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""
