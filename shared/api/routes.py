"""The handlers of exports, comparisons and saved exports. (`documents` has the others.)"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.api import anew, comparing, listing, operations, removal, saved, start
from shared.api.access import Caller
from shared.api.body import decode, fingerprint_of
from shared.api.exchange import AWAY, HEADERS, Incoming, Outgoing, api_url, as_json, sent_body
from shared.api.operations import Operations
from shared.api.problems import BadRequest, Problem, ProblemError
from shared.api.request import ExportRequest
from shared.errors import GraphError, Transient
from shared.export.context import Record, find_record
from shared.export.messages import Json
from shared.files.results import FAILED, IN_PROGRESS, NOT_STARTED, STATUSES
from shared.settings import Settings
from shared.storage.names import is_id

MAX_TOP = 200
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


async def start_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """POST /exports"""
    return await _start(incoming, caller, on, anew.read)


async def start_comparison(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """POST /comparisons"""
    return await _start(incoming, caller, on, comparing.read)


ReadBody = Callable[[Operations, Mapping[str, Any], Caller], Awaitable[ExportRequest]]


async def _start(incoming: Incoming, caller: Caller, on: Operations, read: ReadBody) -> Outgoing:
    """Starts the request of the body, and answers with the address of its state."""
    key = incoming.headers.get("idempotency-key")
    # An empty key is refused too: its caller relies on a key, and would start a second export.
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise BadRequest(Problem("", "Idempotency-Key must be 1 to 255 visible ASCII characters."))
    given = decode(sent_body(incoming))
    export_id = await start.repeated(on, caller, key, fingerprint_of(given)) if key else ""
    notes: Sequence[str] = ()
    if not export_id:
        request = await read(on, given, caller)
        export_id, notes = await start.start(on, request, caller, key or ""), request.notes
    elif record := await find_record(on.storage, export_id):
        notes = record.notes
    status_url = f"{_exports_url(incoming, on.settings)}/{export_id}"
    body = {"id": export_id, "status": "NotStarted", "statusUrl": status_url}
    return as_json(202, body | ({"notes": notes} if notes else {}), _polling(status_url))


Preview = Callable[[Record, Sequence[str]], Awaitable[Json]]
"""`preview.preview`, with Graph and the settings."""


async def preview_export(incoming: Incoming, caller: Caller, on: Operations, preview: Preview) -> Outgoing:
    """POST /exports/preview"""
    request = await anew.read(on, decode(sent_body(incoming)), caller)
    try:
        return as_json(200, await preview(start.record_of(request, caller, "", on.now()), request.users))
    except (Transient, TimeoutError) as problem:
        logging.warning("Microsoft Graph did not answer a caller: %s", type(problem).__name__)
        detail = AWAY.format("Microsoft Graph", "its state")
        raise ProblemError(503, "Microsoft Graph can't be reached", detail) from None
    except GraphError as problem:
        pointer = "/filter" if request.filter else ""
        raise BadRequest(Problem(pointer, problem.reason)) from None


async def list_exports(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """GET /exports"""
    status, top = incoming.query.get("status", ""), incoming.query.get("top") or "50"
    after = incoming.query.get("continuationtoken", "")
    problems = []
    if status and status not in STATUSES:
        problems.append(Problem("/status", f"must be one of {', '.join(STATUSES)}"))
    if not (top.isascii() and top.isdigit() and len(top) < 5 and 1 <= int(top) <= MAX_TOP):
        problems.append(Problem("/top", f"must be a whole number from 1 to {MAX_TOP}"))
    if after and not is_id(after):
        problems.append(Problem("/continuationToken", "must be the continuationToken of the previous page"))
    if problems:
        raise BadRequest(*problems)
    return as_json(200, await listing.list_exports(on, caller, status, int(top), after))


async def show_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """GET /exports/{id}"""
    return _export(incoming, on.settings, await operations.show(on, _export_id(incoming), caller))


async def cancel_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """POST /exports/{id}/cancel"""
    answer = _export(incoming, on.settings, await operations.cancel(on, _export_id(incoming), caller))
    # The call itself has worked, also when the export has failed.
    return replace(answer, status=200) if answer.status == 500 else answer


async def delete_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """DELETE /exports/{id}"""
    await removal.delete(on, _export_id(incoming), caller)
    return Outgoing(204, b"", dict(HEADERS))


async def list_saved_exports(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """GET /saved-exports"""
    return as_json(200, await saved.list_all(on, caller))


async def show_saved_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """GET /saved-exports/{name}"""
    return as_json(200, await saved.get(on, *_saved_name(incoming), caller))


async def save_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """PUT /saved-exports/{name}"""
    body, is_new = await saved.put(on, incoming.route.get("name", ""), sent_body(incoming), caller)
    return as_json(201 if is_new else 200, body)


async def delete_saved_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """DELETE /saved-exports/{name}"""
    await saved.delete(on, *_saved_name(incoming), caller)
    return Outgoing(204, b"", dict(HEADERS))


def _saved_name(incoming: Incoming) -> tuple[str, str]:
    """The name of a saved export, and its owner; empty: the caller."""
    return incoming.route.get("name", ""), incoming.query.get("owner", "")


def _export_id(incoming: Incoming) -> str:
    """The id in the path; empty when it is not an id: other texts never become part of a blob's name."""
    export_id = incoming.route.get("id", "").lower()
    return export_id if is_id(export_id) else ""


def _exports_url(incoming: Incoming, settings: Settings) -> str:
    """The absolute address of /exports: Logic Apps want an absolute Location."""
    return f"{api_url(incoming, settings.public_url, '/exports|/comparisons')}/exports"


def _polling(location: str) -> dict[str, str]:
    return {"Location": location, "Retry-After": str(operations.RETRY_AFTER)}


def _export(incoming: Incoming, settings: Settings, body: Mapping[str, Any]) -> Outgoing:
    """An export in any state. A failed one is a 500, so that a client that polls it fails too."""
    if body["status"] in {NOT_STARTED, IN_PROGRESS}:
        return as_json(202, body, _polling(f"{_exports_url(incoming, settings)}/{body['id']}"))
    return as_json(500 if body["status"] == FAILED else 200, body)
