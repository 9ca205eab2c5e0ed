"""Stands in for the managed identity of App Service: GET /msi/token gives a new token that no real Graph takes.

With IDENTITY_ENDPOINT and IDENTITY_HEADER set, the product's unchanged DefaultAzureCredential asks here, as
it does in Azure. As there, the token says in `roles` which application permissions it carries: those that the
deployment grants. It is signed by nobody. Only used when Graph is plain http on loopback: a real one never sees these.
"""

import base64
import json
import secrets
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import web

from local import permissions

PATH = "/msi/token"
ROLES = "LOCAL_TOKEN_ROLES"
API_VERSION = "2019-08-01"
LIFETIME_SECONDS = 3600


def environment(base: str, header: str, roles: Collection[str] = ()) -> dict[str, str]:
    """What a process needs to be given tokens; the last one keeps other sign-ins from being tried first.

    `roles` are for the process that serves the endpoint: what its tokens carry.
    """
    return {
        "IDENTITY_ENDPOINT": base + PATH,
        "IDENTITY_HEADER": header,
        ROLES: ",".join(sorted(roles)),
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }


def is_loopback(url: str) -> bool:
    """Plain http to this machine: no real Graph, so no real sign-in."""
    address = urlsplit(url)
    return address.scheme == "http" and address.hostname in {"127.0.0.1", "localhost", "::1"}


def token_with(roles: Collection[str], resource: str = "", lifetime: int = LIFETIME_SECONDS) -> str:
    """A token that carries these application permissions."""
    claims = {"aud": resource, "exp": int(time.time()) + lifetime, "jti": secrets.token_hex(8), "roles": sorted(roles)}
    sections = (json.dumps(section).encode() for section in ({"typ": "JWT", "alg": "none"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(section).decode().rstrip("=") for section in sections), ""])


def route(header: str, roles: Collection[str] = ()) -> web.RouteDef:
    """The endpoint; without the right header it answers 401, as App Service does. The tokens carry `roles`; when it
    names none, all that the deployment can grant.
    """
    carried = roles or permissions.deployed_whole()

    async def token(request: web.Request) -> web.Response:
        given = request.headers.get("X-IDENTITY-HEADER", "")
        if not header or not secrets.compare_digest(given, header):
            return web.json_response({"message": "The X-IDENTITY-HEADER header is wrong."}, status=401)
        resource = request.query.get("resource", "")
        if request.query.get("api-version") != API_VERSION or not resource:
            return web.json_response({"message": "resource and api-version are needed."}, status=400)
        return web.json_response(
            {
                "access_token": token_with(carried, resource),
                "expires_on": str(int(time.time()) + LIFETIME_SECONDS),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    return web.get(PATH, token)
