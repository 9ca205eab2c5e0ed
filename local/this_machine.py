"""Refuses what other machines and other sites' pages send: a caller here is an administrator without a sign-in."""

from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from local.easy_auth import HEADER
from shared.settings.checks import LOOPBACK

_OF_BROWSERS = ("Accept-Language", "Origin", "Referer", "Cookie", "Sec-Fetch-Site", "Sec-Fetch-Mode")


def only_this_machine(public_url: str, own_paths: tuple[str, ...]) -> Any:
    """The middleware. `public_url`: of a gateway in front. `own_paths`: what only programs here may call."""
    public = urlsplit(public_url).netloc

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        own_name = _name_of(request.host) in LOOPBACK or (public and request.host == public)
        if not own_name and not _is_program(request):
            text = f"The Host header {request.host!r} is not this machine's: call localhost, or set EXPORT_PUBLIC_URL."
            return web.Response(status=403, text=text)
        # The real host wants a key for these; here they are simply not for others.
        if request.path.startswith(own_paths) and not _is_own(request):
            return web.Response(status=403)
        return await handler(request)

    return middleware


def _is_program(request: web.Request) -> bool:
    """Whether no browser sends it, and it says who calls.

    A page of a site whose name leads here (DNS rebinding) sends its own name as Host, and could send any
    principal. Over plain http a browser may say nothing of the site, but it always says the languages.
    """
    return HEADER in request.headers and not any(name in request.headers for name in _OF_BROWSERS)


def _is_own(request: web.Request) -> bool:
    """Whether a program on this machine sends it, or a page of this server."""
    site, origin = request.headers.get("Sec-Fetch-Site", "none"), request.headers.get("Origin")
    return (
        request.remote in LOOPBACK
        and _name_of(request.host) in LOOPBACK
        and site in {"none", "same-origin"}
        and origin in {None, f"http://{request.host}"}
    )


def _name_of(host: str) -> str:
    """The name in a Host header; empty when the header is not valid."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
