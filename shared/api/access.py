"""Who may export: the principal that App Service Authentication (Easy Auth) passes on, and its roles.

Easy Auth is the outer gate. It checks the token and writes X-MS-CLIENT-PRINCIPAL, and it drops that header when a
caller sends it. So the header only counts while Easy Auth is on. When in doubt, the caller is refused. The app knows no
local administrator: `python -m local serve` takes the place of Easy Auth and adds its header.
https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from shared.api.problems import Refused
from shared.api.roles import named
from shared.settings import Settings

HEADER = "x-ms-client-principal"
MAX_HEADER = 64 * 1024
MAX_NAME = 256
"""Characters of a name that is shown; it travels in a blob's metadata."""

_OID = ("oid", "http://schemas.microsoft.com/identity/claims/objectidentifier")
_TENANT = ("tid", "http://schemas.microsoft.com/identity/claims/tenantid")
_NAME = (
    "preferred_username",
    "upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    "name",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "appid",
    "azp",
)
_ROLES = (
    "roles",
    "wids",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
    "http://schemas.microsoft.com/ws/2008/06/identity/claims/wids",
)
_DIRECTORY_ROLE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A role template id: the others are app roles, whose holders see only their own exports."""
_OVERAGE = ("_claim_names", "hasgroups", "groups:src1", "http://schemas.microsoft.com/claims/groups.link")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: object id, and a name to show. Administrators see all exports, others only their own."""

    id: str
    name: str
    administrator: bool
    reads_authentication: bool = field(default=False, compare=False)
    """May have authentication columns (EXPORT_AUTHENTICATION_ROLES)."""


def caller_of(headers: Mapping[str, str], settings: Settings) -> Caller:
    """The caller who may export. Raises Refused. `headers` finds names whatever their case."""
    header = headers.get(HEADER) or ""
    if not settings.easy_auth:
        raise Refused(
            503,
            "App Service Authentication is off",
            "Turn on Authentication (Easy Auth) for this app and require it. Without it, anyone could export users."
            " On your own machine, start the app with `python -m local serve`.",
        )
    if settings.azure and not settings.tenant:
        raise Refused(
            503,
            "The app's tenant is not known",
            "Set EXPORT_TENANT_ID to the id of the tenant whose people may call this app."
            " WEBSITE_AUTH_AAD_ALLOWED_TENANTS also works if it names exactly one tenant.",
        )
    if not header:
        raise Refused(401, "Not signed in", "Sign in with your work account, or send a bearer token for this app.")
    claims = _claims(header)
    tenants = {value.lower() for kind in _TENANT for value in claims.get(kind, ())}
    if settings.tenant and tenants != {settings.tenant}:
        raise Refused(403, "Another organization", "Sign in with an account of the organization that this app is for.")
    held = {value for kind in _ROLES for value in claims.get(kind, ())}
    roles = held & settings.allowed_roles
    caller = Caller(
        _first(claims, _OID),
        _first(claims, _NAME)[:MAX_NAME],
        administrator=any(map(_DIRECTORY_ROLE.fullmatch, roles)),
        reads_authentication=not held.isdisjoint(settings.authentication_roles),
    )
    if not caller.id:
        raise Refused(401, "Not signed in", "The sign-in has no object id (claim oid).")
    if not roles:
        raise _forbidden(caller, claims, settings)
    return caller


def _forbidden(caller: Caller, claims: dict[str, list[str]], settings: Settings) -> Refused:
    detail = (
        f"{caller.name or caller.id} has no role that may export users. One of these roles is needed:"
        f" {named(settings.allowed_roles)}. Ask an administrator for one, then sign in again."
    )
    if any(kind in claims for kind in _OVERAGE) and not any(claims.get(kind) for kind in _ROLES):
        detail += (
            " The token has too many groups to list (overage), so directory roles may be missing from it: set the app"
            " registration's groupMembershipClaims to DirectoryRole, or assign the app role Exports.Run."
        )
    return Refused(403, "A role is missing", detail)


class _Claim(msgspec.Struct):
    typ: str
    val: str


class _Principal(msgspec.Struct):
    claims: list[_Claim]
    auth_typ: Literal["aad"]
    """Microsoft Entra has signed the caller in. Easy Auth may have other providers too."""


def _claims(header: str) -> dict[str, list[str]]:
    """Base64 JSON `{auth_typ, claims: [{typ, val}]}` to values by type. Raises Refused (401) for anything else."""
    claims: dict[str, list[str]] = {}
    try:
        # Twice the 32 KiB that App Service takes in all headers.
        text = base64.b64decode(header[:MAX_HEADER], validate=True)
        for claim in msgspec.json.decode(text, type=_Principal).claims:
            claims.setdefault(claim.typ, []).append(claim.val)
    except (ValueError, RecursionError):  # Also what base64 and msgspec raise.
        raise Refused(401, "Not signed in", f"The header {HEADER} can't be read.") from None
    return claims


def _first(claims: dict[str, list[str]], kinds: tuple[str, ...]) -> str:
    return next((claims[kind][0] for kind in kinds if claims.get(kind)), "")
