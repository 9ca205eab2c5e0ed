"""Requests from other sites' pages: they must not use the cookie of a signed-in administrator.

A browser says where a request comes from: in Sec-Fetch-Site, or in Origin if it is old. A program (curl, a Logic App)
sends neither, has no cookie, and may send its JSON with any content type. GET is always allowed: it changes nothing,
and other sites can't read the answer. So links to the page in a mail work, and so does the return from the sign-in.
https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from shared.api.problems import Refused

_SAFE = frozenset({"GET", "HEAD"})
_OWN = frozenset({"same-origin", "none"})
"""`none`: the person has started it, for example with a bookmark."""
_PORTS = {"http": 80, "https": 443}
_Origin = tuple[str, str, int | None]


def refuse_others(method: str, url: str, headers: Mapping[str, str], body: bytes, public_url: str) -> None:
    """Raises Refused (403, 415) if another site may have sent the request. `url`: of the request, absolute."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if method in _SAFE or (site is None and origin is None):
        return
    own = site in _OWN if site is not None else _origin(str(origin)) in _own_origins(url, public_url)
    if not own:
        raise Refused(
            403,
            "Sent by another site",
            "This request comes from a page of another web site, and was refused. If the app is behind a gateway, set"
            " EXPORT_PUBLIC_URL to the gateway's address.",
        )
    # A form can send JSON as text/plain without the browser asking first; never as this.
    if body and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "Not sent as JSON", "Send the body with Content-Type: application/json.")


def _own_origins(url: str, public_url: str) -> set[_Origin | None]:
    """The origins of the app's own pages. After Azure's front end the app may see http where the page has https."""
    target = urlsplit(url)
    return {_origin(f"{target.scheme}://{target.netloc}"), _origin(f"https://{target.netloc}"), _origin(public_url)} - {
        None
    }


def _origin(text: str) -> _Origin | None:
    """Scheme, host and port; None for `null` and for any other text that is not an origin."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
