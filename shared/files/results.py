"""The results file: status, counts, and the reason of every error.

    {"id", "status", "error"?, "request", "requestedBy", "createdDateTime", "completedDateTime",
     "counts": {"exported", "expected", "errors", "ranges", "requests", "retries", "restarts"},
     "rate": {"usersPerSecond", "requestsPerSecond", "throttled"},
     "file": {"name", "rows", "bytes", "columns"} or null, "warnings": [{"code", "reason"}],
     "errors": [{"code", "reason", "user"?, "userPrincipalName"?, "column"?, "range"?, "requestId"?}]}

It can have a million errors, so it is made of blocks like the CSV: a head, then the errors that the ranges have staged,
one on each line. `errors` comes last, so that the head and the first errors can be read without the rest.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

SEPARATOR = b",\n"
TAIL = b"\n]}\n"
_NO_ENTRIES = (b"", b"]}")
_BEFORE_ERRORS = b',\n"errors":[\n'
HEAD_BYTES = 512 * 1024
"""Enough for the head and the first errors: both have bounds."""

Entry = dict[str, Any]

NOT_STARTED, IN_PROGRESS = "NotStarted", "InProgress"
COMPLETED, COMPLETED_WITH_ERRORS = "Completed", "CompletedWithErrors"
FAILED, CANCELLED = "Failed", "Cancelled"
STATUSES = (NOT_STARTED, IN_PROGRESS, COMPLETED, COMPLETED_WITH_ERRORS, FAILED, CANCELLED)


def head(fields: Entry) -> bytes:
    """Everything before the errors."""
    return msgspec.json.encode(fields).removesuffix(b"}") + _BEFORE_ERRORS


def lines(errors: Iterable[Entry]) -> bytes:
    """Errors in the form of the file, one on each line."""
    return SEPARATOR.join(msgspec.json.encode(error) for error in errors)


def first_errors(start: bytes, most: int) -> Entry:
    """The results with at most `most` errors, from the first HEAD_BYTES of the file (or all of a shorter one)."""
    before, mark, rest = start.partition(_BEFORE_ERRORS)
    if not mark:
        raise ValueError("This is no results file.")
    results: Entry = msgspec.json.decode(before + b"}")
    entries = rest.removesuffix(TAIL).split(b"\n")
    if not rest.endswith(TAIL):
        entries.pop()  # It may be cut off.
    results["errors"] = [msgspec.json.decode(entry.removesuffix(b",")) for entry in entries[:most] if entry]
    return results


def more_errors(data: bytes, *, begun: bool) -> tuple[list[Entry], bytes, bool]:
    """The errors in a piece of the file, the bytes that belong to the next piece, and whether the errors have begun.

    `data`: the bytes that remain of the piece before, and this piece.
    """
    if not begun:
        _, mark, rest = data.partition(_BEFORE_ERRORS)
        if not mark:
            return [], data, False
        data = rest
    *whole, ahead = data.split(b"\n")
    return [msgspec.json.decode(entry.removesuffix(b",")) for entry in whole if entry not in _NO_ENTRIES], ahead, True
