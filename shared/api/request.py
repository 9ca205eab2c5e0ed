"""An export's request: what a caller may ask for. Everything else is refused, with all problems at once."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shared.api import properties
from shared.api.body import decode, fingerprint_of
from shared.api.filename import file_name
from shared.api.problems import BadRequest, Problem
from shared.api.values import callback_url, did_you_mean, flag, pointer
from shared.files import formats
from shared.files.columns import COLUMN_SETS, SIGN_IN, authentication_of
from shared.graph import odata
from shared.graph.scopes import ALL, Scope
from shared.settings import Settings

_KNOWN = (
    *("fileName", "columns", "filter", "users", "scope", "excel"),
    *("format", "compress", "separator", "callbackUrl"),
)
FILTER_SHOWN = 200
"""Characters of a filter in the list: they travel in a blob's metadata, of which there are 8 KiB at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """A valid request."""

    file_name: str
    """Without the ending of the format."""
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
    """Of the body: see `body.fingerprint_of`."""

    def summary(self) -> dict[str, Any]:
        """What a list of exports shows of the request: how many users are selected, or its scope and its filter."""
        if self.old:
            return {"old": self.old, "new": self.new}
        if self.users:
            return {"users": len(self.users)}
        cut = self.filter[:FILTER_SHOWN]
        scope: dict[str, Any] = {} if self.scope == ALL else {"scope": self.scope.shown()}
        return scope | ({"filter": cut if cut == self.filter else f"{cut} …"} if self.filter else {})


def parse(body: bytes, settings: Settings, now: datetime, *, authentication: bool = True) -> ExportRequest:
    """Reads the JSON body of a POST; `{}` means all defaults. Raises BadRequest."""
    return check(decode(body), settings, now, authentication=authentication)


def check(
    given: Mapping[str, Any],
    settings: Settings,
    now: datetime,
    *,
    authentication: bool = True,
    also: tuple[str, ...] = (),
) -> ExportRequest:
    """Reads a decoded body. `also`: known properties that are read elsewhere. Raises BadRequest."""
    problems = unknown(given, (*_KNOWN, *also))
    file, scope = properties.read_format(given, problems), properties.read_scope(given, problems)
    request = ExportRequest(
        file_name=file_name(given, formats.chosen(file.name, compress=file.compress).ending, now, problems),
        columns=properties.read_columns(given, settings, scope, problems),
        filter=properties.read_filter(given, problems),
        users=properties.read_users(given, problems),
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
    if scope != ALL and odata.mentions(request.filter, SIGN_IN):
        detail = f"Microsoft Graph filters on {SIGN_IN} among all users only: leave out the scope, or the filter"
        problems.append(Problem("/filter", detail))
    if problems:
        raise BadRequest(*problems)
    kept = {name: value for name, value in given.items() if name not in {"users", "callbackUrl", *also}}
    request = replace(request, body=kept, fingerprint=fingerprint_of(given))
    return request if authentication else _without_authentication(request, by_default=given.get("columns") is None)


def unknown(given: Mapping[str, Any], known: tuple[str, ...]) -> list[Problem]:
    """A problem for each property that is not one of the known."""
    return [
        Problem(f"/{pointer(name)}", f"unknown property{did_you_mean(name, known)}; known: {', '.join(known)}")
        for name in itertools.islice((name for name in given if name not in known), properties.MAX_PROBLEMS)
    ]


def _without_authentication(request: ExportRequest, *, by_default: bool) -> ExportRequest:
    """The request of a caller who may not have authentication columns.

    Columns that the caller has named are refused; those of the default are left out.
    """
    refused = authentication_of(request.columns)
    if refused and not by_default:
        detail = f"You need a role of EXPORT_AUTHENTICATION_ROLES for {', '.join(refused)}. Or use the set profile."
        raise BadRequest(Problem("/columns", detail), status=403)
    if not refused:
        return request
    note = f"You need a role of EXPORT_AUTHENTICATION_ROLES for {', '.join(refused)}. They were left out (set profile)."
    return replace(request, columns=properties.of_scope(COLUMN_SETS["profile"], request.scope), notes=(note,))
