"""The JSON object in a body, and how large it may be."""

import hashlib
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from typing import Any

import msgspec

from shared.api.problems import BadRequest, Problem

MAX_BODY = 8 * 1024 * 1024
MAX_USERS = 100_000
MAX_VALUES = MAX_USERS + 1_000
"""Commas and opening brackets of a body: as Python objects, 8 MiB of empty lists would take 200 MB."""
_HALF_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def decode(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises BadRequest.

    An empty body is refused: a body that was lost on the way must not export all users.
    """
    if len(body) > MAX_BODY:
        raise BadRequest(Problem("", f"The body has {len(body)} bytes. It may have at most {MAX_BODY}."))
    body = body.removeprefix(BOM_UTF8)
    if not body.strip():
        raise BadRequest(Problem("", "The request has no body: send {} to export all users."))
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise BadRequest(Problem("", f"The body has too many values. It may name at most {MAX_USERS} users."))
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(Problem("", _why_unreadable(body, problem))) from None
    if not isinstance(given, dict):
        raise BadRequest(Problem("", "The body must be a JSON object."))
    return given


def _why_unreadable(body: bytes, problem: Exception) -> str:
    """The decoder calls half of a surrogate pair "truncated", which would mislead a person."""
    if half := _HALF_PAIR.search(body):
        return f"The body has {half.group().decode()}, half of a character; leave it out or send the other half too."
    return f"The body is not JSON: {problem}."


def fingerprint_of(given: Mapping[str, Any]) -> str:
    """A hash of the JSON; the order of keys, and spaces, do not matter."""
    return hashlib.sha256(msgspec.json.encode(given, order="sorted")).hexdigest()
