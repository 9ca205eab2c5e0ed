"""Stands in for the managed identity of App Service: GET /msi/token gives a new, meaningless token.

With IDENTITY_ENDPOINT and IDENTITY_HEADER set, the product's unchanged DefaultAzureCredential asks here, as
it does in Azure. Only used when Graph is plain http on loopback: the simulated tenant takes any token, and
a real one never sees these.
"""

import secrets
import time
from urllib.parse import urlsplit

from aiohttp import web

PATH = "/msi/token"
API_VERSION = "2019-08-01"
LIFETIME_SECONDS = 3600


def environment(base: str, header: str) -> dict[str, str]:
    """What a process needs to be given tokens; the last one keeps other sign-ins from being tried first."""
    return {
        "IDENTITY_ENDPOINT": base + PATH,
        "IDENTITY_HEADER": header,
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
    }


def is_loopback(url: str) -> bool:
    """Plain http to this machine: no real Graph, so no real sign-in."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}


def route(header: str) -> web.RouteDef:
    """The endpoint; without the right header it answers 401, as App Service does."""

    async def token(request: web.Request) -> web.Response:
        given = request.headers.get("X-IDENTITY-HEADER", "")
        if not header or not secrets.compare_digest(given, header):
            return web.json_response({"message": "The X-IDENTITY-HEADER header is wrong."}, status=401)
        if request.query.get("api-version") != API_VERSION or not request.query.get("resource"):
            return web.json_response({"message": "resource and api-version are needed."}, status=400)
        return web.json_response(
            {
                "access_token": secrets.token_urlsafe(48),
                "expires_on": str(int(time.time()) + LIFETIME_SECONDS),
                "resource": request.query["resource"],
                "token_type": "Bearer",
            }
        )

    return web.get(PATH, token)
