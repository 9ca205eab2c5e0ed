"""A page token carries its whole query and a position, so that the tenant keeps no state for a chain of pages.

A link whose other parameters were changed, or a token cut out of it, is refused.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

from local.tenant.errors import bad_request

_BEGIN = "RFNwdAIAAQ"


def make(fields: Mapping[str, Any], others: Mapping[str, str]) -> str:
    """The token of these fields, for a link with these other parameters."""
    body = json.dumps([fields, _mark(others)], separators=(",", ":")).encode()
    packed = zlib.compress(zlib.crc32(body).to_bytes(4, "big") + body)
    return _BEGIN + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read(params: Mapping[str, str]) -> dict[str, Any]:
    """The fields of the token of these parameters; raises GraphError 400 when it is not valid."""
    text = params["$skiptoken"].removeprefix(_BEGIN)
    others = {name: value for name, value in params.items() if name != "$skiptoken"}
    try:
        raw = zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        fields, mark = json.loads(raw[4:])
    except (ValueError, zlib.error, binascii.Error):
        raise bad_request("The page token is not valid.") from None
    if zlib.crc32(raw[4:]).to_bytes(4, "big") != raw[:4] or mark != _mark(others):
        raise bad_request("The page token is not valid.")
    found: dict[str, Any] = fields
    return found


def _mark(others: Mapping[str, str]) -> int:
    return zlib.crc32(json.dumps(sorted(others.items())).encode())
