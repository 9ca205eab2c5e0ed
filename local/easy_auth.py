"""Stands in for App Service Authentication (Easy Auth): a request without a principal is the local administrator's.

The app itself knows no local administrator. Only this server adds one, and it does not start in Azure.
"""

import base64
import json
from collections.abc import Mapping

from aiohttp import web

from local.identity import is_loopback
from shared.settings import AZURE, DEFAULT_ROLES

HEADER = "X-MS-CLIENT-PRINCIPAL"
ON = {"WEBSITE_AUTH_ENABLED": "True"}
"""How Easy Auth says that it is on."""
IN_AZURE = "{} says that this is Azure, where everyone who calls would be the administrator. If it is not, unset it."
OTHERS_SET = "CONTAINER_NAME"
"""Other container platforms set it too. Beside a Graph on this machine, which has nobody's data, it says nothing."""


def says_azure(environment: Mapping[str, str], graph: str | None) -> str:
    """The variable that says that this is Azure; empty when none does. `graph`: None for the simulated tenant."""
    simulated = graph is None or is_loopback(graph)
    return next((name for name in AZURE if environment.get(name) and not (simulated and name == OTHERS_SET)), "")


def local_administrator(environment: Mapping[str, str]) -> str:
    """The header of a person with all roles that the app's settings name, of the tenant that they name."""
    named = (environment.get("EXPORT_ALLOWED_ROLES", ""), environment.get("EXPORT_AUTHENTICATION_ROLES", ""))
    roles = [*DEFAULT_ROLES, *(role.strip() for text in named for role in text.split(",") if role.strip())]
    tenant = environment.get("EXPORT_TENANT_ID") or environment.get("WEBSITE_AUTH_AAD_ALLOWED_TENANTS", "")
    claims = [("oid", "local"), ("preferred_username", "local administrator"), ("tid", tenant)]
    claims += [("wids", role) for role in roles]
    principal = {"auth_typ": "aad", "claims": [{"typ": kind, "val": value} for kind, value in claims]}
    return base64.b64encode(json.dumps(principal).encode()).decode()


def signed_in(request: web.Request, administrator: str) -> web.Request:
    """The request as the app gets it."""
    if HEADER in request.headers:
        return request
    headers = request.headers.copy()
    headers[HEADER] = administrator
    return request.clone(headers=headers)
