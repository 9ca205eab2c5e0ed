"""Single values of a request: each function reads one property, and notes what is wrong with it."""

import difflib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from shared.api.problems import Problem
from shared.settings import host_matches

MAX_URL = 2_048
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z0-9-]+")
"""A plain host name: other readers of a URL take a backslash or a percent sign for the end of the host."""


def one_of(given: Mapping[str, Any], name: str, known: tuple[str, ...], problems: list[Problem]) -> str:
    """One of the known values; the first of them is the default."""
    value = given.get(name)
    if value is None:
        return known[0]
    if not isinstance(value, str) or value not in known:
        meant = did_you_mean(value, known) if isinstance(value, str) else ""
        problems.append(Problem(f"/{name}", f"must be one of {' '.join(known)}{meant}"))
        return known[0]
    return value


def flag(given: Mapping[str, Any], name: str, problems: list[Problem], *, default: bool) -> bool:
    value = given.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        problems.append(Problem(f"/{name}", "must be true or false"))
        return default
    return value


def callback_url(given: Mapping[str, Any], allowed_hosts: tuple[str, ...], problems: list[Problem]) -> str:
    """The callback: only https, and only hosts of the setting. Otherwise callers could make the app call anything."""
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
    elif not any(host_matches(host, pattern) for pattern in allowed_hosts):
        problems.append(
            Problem(
                "/callbackUrl",
                f"the host {host} is not allowed. EXPORT_CALLBACK_HOSTS allows {', '.join(allowed_hosts)}",
            )
        )
    return url


def pointer(name: str) -> str:
    return name[:80].replace("~", "~0").replace("/", "~1")


def did_you_mean(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name[:80].lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""
