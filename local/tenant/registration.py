"""`GET /reports/authenticationMethods/userRegistrationDetails`: who has registered what to prove who they are.

Enabled users only; needs a P1 licence. Its filters, pages and limits are its own: see "List userRegistrationDetails".
"""

import json
from functools import lru_cache
from typing import Any

from local.tenant import odata, query
from local.tenant.calls import Answer, Asked, json_answer, link_to
from local.tenant.directory import Directory, living, user_id
from local.tenant.errors import bad_request, unsupported
from local.tenant.match import predicate
from local.tenant.odata_parser import parse
from local.tenant.rendering import methods_template, values
from local.tenant.tenant import Tenant

_MOST = 999
_FLAGS = (
    "isAdmin",
    "isMfaCapable",
    "isMfaRegistered",
    "isPasswordlessCapable",
    "isSsprCapable",
    "isSsprEnabled",
    "isSsprRegistered",
    "isSystemPreferredAuthenticationMethodEnabled",
)
_FILTERS = dict.fromkeys(_FLAGS, ("eq",)) | {"userPrincipalName": ("eq", "startswith"), "methodsRegistered": ("any",)}
_SHOWN = ("accountEnabled", "userPrincipalName", "displayName", "userType")
_NAMES = {"mobile": "mobilePhone", "alternateMobile": "alternateMobilePhone", "office": "officePhone"}
Json = dict[str, Any]


def report(tenant: Tenant, asked: Asked) -> Answer:
    tenant.check_premium()
    asked.allow("$top", "$filter", "$skiptoken", "$select", "$count", "$orderby")
    top = query.parse_top(asked.params.get("$top"), _MOST, usual=_MOST)
    text = asked.params.get("$filter")
    tree = None if text is None else parse(text)
    if tree is not None:
        _check(tree)
    matches = (lambda user, created: True) if tree is None else predicate(tree)
    start = _start(asked)
    value: list[Json] = []
    following: int | None = None
    for at in living(tenant.directory, start):
        row = _details(tenant.directory, at)
        if row is None or not matches(row, None):
            continue
        if len(value) == top:
            following = at
            break
        value.append(row)
    head = asked.context("reports/authenticationMethods/userRegistrationDetails")
    if following is not None:
        head["@odata.nextLink"] = link_to(asked, asked.params | {"$skiptoken": f"u{following}"})
    return json_answer(head | {"value": value}, slow=True)


def _start(asked: Asked) -> int:
    token = asked.params.get("$skiptoken", "u0")
    if not token[1:].isdigit():
        raise bad_request("The page token is not valid.")
    return int(token[1:])


def _check(tree: odata.Node) -> None:
    for node in odata.walk(tree):
        if isinstance(node, odata.And | odata.Or | odata.Not):
            continue
        operator = "any" if isinstance(node, odata.Any_) else "in" if isinstance(node, odata.In) else node.op
        if operator not in _FILTERS.get(node.name, ()):
            raise unsupported(f"The filter on '{node.name}' is not supported for this report.")


def _details(directory: Directory, at: int) -> Json | None:
    """None for a user who is disabled."""
    user = values(directory, at, _SHOWN)
    if not user["accountEnabled"]:
        return None
    registered = list(_registered(methods_template(directory, at)))
    strong = [name for name in registered if name != "email"]
    preferred = {"mobilePhone": "sms", "microsoftAuthenticatorPush": "push", "officePhone": "voiceOffice"}
    flags = (at < 3, bool(strong), bool(strong), False, bool(registered), True, bool(registered), True)
    return {
        "id": user_id(directory, at),
        "userPrincipalName": user["userPrincipalName"],
        "userDisplayName": user["displayName"],
        "userType": "guest" if user["userType"] == "Guest" else "member",
        **dict(zip(_FLAGS, flags, strict=True)),
        "methodsRegistered": registered,
        "systemPreferredAuthenticationMethods": [preferred[strong[0]]] if strong and strong[0] in preferred else [],
        "userPreferredMethodForSecondaryAuthentication": preferred.get(strong[0], "none") if strong else "none",
        "lastUpdatedDateTime": "2026-09-01T02:00:00Z",
    }


@lru_cache(maxsize=8192)
def _registered(methods: str) -> tuple[str, ...]:
    """The names that the report has for these methods."""
    registered = []
    for method in json.loads(methods):
        kind = method["@odata.type"].rpartition(".")[2]
        if kind == "phoneAuthenticationMethod":
            registered.append(_NAMES[method["phoneType"]])
        elif kind == "emailAuthenticationMethod":
            registered.append("email")
        elif kind == "microsoftAuthenticatorAuthenticationMethod":
            registered += ["microsoftAuthenticatorPush", "softwareOneTimePasscode"]
    return tuple(registered)
