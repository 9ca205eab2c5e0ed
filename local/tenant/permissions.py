"""Which application permission a request needs, and what its token carries: the table in data/permissions.json.

A token whose `roles` claim names permissions has these, as one of Microsoft Entra has. Any other bearer token has those
that the tenant is set to give, by default all.
"""

import base64
import binascii
import json
from collections.abc import Collection
from functools import lru_cache

from local.tenant.errors import GraphError
from local.tenant.metadata import DATA

_TABLE = json.loads((DATA / "permissions.json").read_text())
_PATHS: dict[str, list[str]] = _TABLE["paths"]
_PROPERTIES: dict[str, list[str]] = _TABLE["properties"]
_REFUSALS: dict[str, tuple[str, str]] = _TABLE["refusals"]
HIDDEN_MEMBERS = "Member.Read.Hidden"
EVERY = frozenset((HIDDEN_MEMBERS, *(name for names in (*_PATHS.values(), *_PROPERTIES.values()) for name in names)))
"""All permissions that open anything here."""
_WORDS = {"authentication": "UserAuth", "signin": "AuditLog."}
ATTRIBUTES = "customSecurityAttributes"
"""They are null, without an error, for those who may not see them."""


def carried(token: str, otherwise: Collection[str]) -> Collection[str]:
    """The permissions of a bearer token."""
    try:
        payload = token.split(".")[1]
        roles = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["roles"]
    except (IndexError, ValueError, binascii.Error, KeyError, TypeError):
        return otherwise
    return frozenset(map(str, roles))


@lru_cache(maxsize=64)  # asked in each request
def without(names: tuple[str, ...]) -> frozenset[str]:
    """All permissions but these, each by its name or by what it is for: "authentication", "signin"."""
    denied = tuple(_WORDS.get(name, name) for name in names)
    return frozenset(name for name in EVERY if not denied or not name.startswith(denied))


def check_path(path: str, roles: Collection[str]) -> None:
    """Raises the 403 of Graph unless one of the permissions opens this path, such as `/users/{id}`."""
    if not any(name in roles for name in _PATHS[path]):
        begun = max((key for key in _REFUSALS if path.startswith(key)), key=len)
        raise _refusal(begun, _PATHS[path])


def check_properties(selected: Collection[str], filtered: Collection[str], roles: Collection[str]) -> None:
    """Raises the 403 of Graph for a property that wants one more permission. That a filter on custom security
    attributes is refused too is in no document.
    """
    for name in (*selected, *filtered):
        if not may_see(name, roles) and (name != ATTRIBUTES or name in filtered):
            raise _refusal(name if name in _REFUSALS else "", _PROPERTIES[name])


def insufficient() -> GraphError:
    """The 403 that most of Graph answers with."""
    return _refusal("", [])


def may_see(name: str, roles: Collection[str]) -> bool:
    return name not in _PROPERTIES or any(role in roles for role in _PROPERTIES[name])


def _refusal(key: str, names: list[str]) -> GraphError:
    code, message = _REFUSALS[key]
    return GraphError(403, code, message.format(names=", ".join(names[:1])))
