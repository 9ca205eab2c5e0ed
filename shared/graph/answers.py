"""Judges an answer of Graph, to a request or to an item of a `$batch`: good, an error that passes, or one that stays.

Graph documents errors as `{"error": {"code": text, "message": text}}` with a status. In practice gateways answer with
other statuses and with HTML pages, `error` comes with status 200 (also after the users of a page that Graph could not
complete), `code` is null or a number, and `error` is a text.
https://learn.microsoft.com/graph/errors, https://learn.microsoft.com/graph/throttling
"""

import base64
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

import msgspec

from shared.errors import GraphError, Transient
from shared.graph import odd

THROTTLED = frozenset({429, 509})
"""509: documented as throttling of bandwidth."""
PASSING = THROTTLED | {408, 409, 423, 500, 502, 503, 504, *range(520, 531)}
"""For a read, 409 and 423 pass too; 520 to 530 come from gateways."""
MANY = 2 * 1024 * 1024
"""Bytes. The values of a larger answer are counted before it is decoded."""
MOST_VALUES = {b"{": 200_000, b",": 2_000_000}
"""A page of 999 users has a tenth of these. A decoded object takes up to 500 bytes, anything else up to 60."""
_NOTHING = frozenset({b"", b"null"})


class Body(Protocol):
    """A decoded answer. `error`: Graph may send one with a good status, too."""

    error: msgspec.Raw


class _OnlyError(msgspec.Struct):
    error: msgspec.Raw = msgspec.Raw()


Decoded = TypeVar("Decoded", bound=Body)


def read(status: int, headers: Mapping[str, Any], content: bytes, decode: Callable[[bytes], Decoded]) -> Decoded:
    """The decoded answer. Raises GraphError, or Transient when asking again may help.

    `decode` raises msgspec.DecodeError when the content is not JSON, msgspec.ValidationError when its type is wrong.
    """
    if error := error_of(status, headers, content):
        raise error
    request_id = header(headers, "request-id")
    if len(content) > MANY and any(content.count(sign) > most for sign, most in MOST_VALUES.items()):
        reason = (
            f"Graph's answer of {len(content):,} bytes has more values than a page of users can have. It was not read."
        )
        raise GraphError(status, "AnswerTooLarge", reason, request_id=request_id)
    try:
        answer = decode(content)
    except (msgspec.ValidationError, RecursionError) as problem:
        if error := error_inside(status, headers, content):
            raise error from None
        reason = f"Graph's answer does not have the documented form: {problem}"
        raise GraphError(status, "UnreadableAnswer", reason, request_id=request_id) from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        reason = f"Graph's answer is cut off or not JSON: {problem}"
        raise Transient(status, "TruncatedAnswer", reason, request_id=request_id) from problem
    if bytes(answer.error) not in _NOTHING and (error := error_inside(status, headers, content)):
        raise error
    return answer


def error_of(status: int, headers: Mapping[str, Any], content: bytes) -> GraphError | None:
    """The error, when the status or an HTML page shows that this is one: Transient when asking again may help."""
    request_id = header(headers, "request-id")
    if _is_html(headers, content):
        reason = (
            f"An HTML page with status {status} came instead of an answer of Graph: a gateway in between has a problem."
        )
        return Transient(status, f"HTTP{status}", reason, request_id=request_id, retry_after=retry_after(headers))
    if 200 <= status < 300:
        return None
    code, reason = _words(status, content)
    if status in PASSING or status == 401:
        return Transient(status, code, reason, request_id=request_id, retry_after=retry_after(headers))
    return GraphError(status, code, reason, request_id=request_id)


def error_inside(status: int, headers: Mapping[str, Any], content: bytes) -> Transient | None:
    """The error in an answer with a good status; such errors are expected to pass."""
    if b'"error"' not in content:
        return None
    try:
        error = odd.decode(content, _OnlyError)[0].error
    except (msgspec.DecodeError, RecursionError):
        return None
    if bytes(error) in _NOTHING:
        return None
    code, reason = _words(status, b'{"error":' + bytes(error) + b"}")
    request_id = header(headers, "request-id")
    return Transient(status, code, reason, request_id=request_id, retry_after=retry_after(headers))


def _is_html(headers: Mapping[str, Any], content: bytes) -> bool:
    start = content[:100].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return start == b"<" or ("html" in header(headers, "content-type").lower() and start != b"{")


def plain_body(body: bytes) -> bytes:
    """The body of an item of a batch: if it is not JSON, it comes as a text, usually in base64."""
    try:
        text = msgspec.json.decode(body, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body
    try:
        return base64.b64decode(text, validate=True).decode().encode()
    except ValueError:
        return text.encode()


def retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds. Graph sends whole numbers, fractions, dates (RFC 9110), or several of these: then the longest counts."""
    now = _date(header(headers, "date").partition(",")[2]) or datetime.now(UTC)
    waits: list[float] = []
    for value in header(headers, "retry-after").split(","):
        try:
            waits.append(float(value))
        except ValueError:
            if date := _date(value):  # Without its weekday, which is before the comma.
                waits.append(max((date - now).total_seconds(), 0.0))
    return max((each for each in waits if 0 <= each < math.inf), default=None)


def header(headers: Mapping[str, Any], name: str) -> str:
    value = next((value for key, value in headers.items() if key.lower() == name), "")
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _words(status: int, content: bytes) -> tuple[str, str]:
    """Code and reason from an error's body in any form; from the status where the body has none."""
    try:
        body = json.loads(content.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        body = content.decode("utf-8-sig", "replace")
    error = body.get("error", body.get("odata.error", body)) if isinstance(body, dict) else body
    code, message = "", error
    if isinstance(error, dict):
        code, message = _text(error.get("code")), error.get("message")
        if isinstance(message, dict):  # OData 3: {"lang", "value"}
            message = message.get("value", message)
    elif isinstance(body, dict) and (more := body.get("error_description") or body.get("message")):
        code, message = _text(error), more  # OAuth's form
    reason = " ".join(_text(message).split())[:500]
    return code[:100] or f"HTTP{status}", reason or f"Graph answered with status {status}."


def _text(value: Any) -> str:
    """A text, with U+FFFD for halves of characters; the JSON of anything else; empty for null."""
    return "" if value is None else odd.clean(value) if isinstance(value, str) else json.dumps(value)
