"""The HTTP API, without Azure Functions: a request record in, a response record out.

Errors are application/problem+json (RFC 9457); each problem of a request with its JSON pointer.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from shared import page
from shared.api import (
    anew,
    comparing,
    listing,
    operations,
    removal,
    saved,
    sites,
    start,
    swagger,
)
from shared.api.access import Caller, caller_of
from shared.api.body import decode, fingerprint_of
from shared.api.durable import DurableFailure
from shared.api.operations import Operations
from shared.api.problems import BadRequest, Problem, ProblemError
from shared.api.request import ExportRequest
from shared.errors import GraphError, Transient
from shared.export.context import Record, find_record
from shared.export.messages import Json
from shared.files.columns import COLUMN_SETS, COLUMNS
from shared.files.results import FAILED, IN_PROGRESS, NOT_STARTED, STATUSES
from shared.settings import Settings, SettingsError
from shared.storage import connection
from shared.storage.names import is_id

MAX_TOP = 200
RETRY_AFTER = 15
"""Seconds until the caller may try again."""
AWAY = (
    "{} does not answer, or refuses this app. Try again in a moment (repeat a POST with its Idempotency-Key). If that"
    " does not help, check {} and the app's log. Running exports wait, and continue by themselves."
)
_IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_CONTRACT = Path(__file__).parent / "openapi.json"
# Answers hold links that are secrets, and states that change.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Incoming:
    """An HTTP request. `url` is absolute, as the caller sees it; names of headers and query values in small letters."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    route: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str]


Connect = Callable[[], Operations]
Read = Callable[[], Settings]
Body = Callable[[Incoming, Caller, Operations], Awaitable[Outgoing]]
BodyAlone = Callable[[Incoming, Caller], Awaitable[Outgoing]]


async def answer(body: Body, incoming: Incoming, read_settings: Read, connect: Connect) -> Outgoing:
    """Runs one of the operations below for a caller who may; everything that is wrong becomes a problem."""

    async def run(incoming: Incoming, caller: Caller) -> Outgoing:
        return await body(incoming, caller, connect())

    return await answer_alone(run, incoming, read_settings)


async def answer_alone(body: BodyAlone, incoming: Incoming, read_settings: Read) -> Outgoing:
    """The same for what needs no storage: to connect takes a third of a second of a new instance."""
    try:
        settings = read_settings()
        sites.refuse_others(incoming.method, incoming.url, incoming.headers, incoming.body, settings.public_url)
        return await body(incoming, caller_of(incoming.headers, settings))
    except ProblemError as problem:
        return _problem(problem)
    except SettingsError as problem:
        return _problem(ProblemError(503, "The app is not set up", str(problem)))
    except DurableFailure as problem:
        # Its text may hold a stack trace with paths of the host.
        logging.warning("Durable Functions did not answer a caller: %s", str(problem).partition("\n")[0][:200])
        detail = AWAY.format("Durable Functions", "its storage")
        return _problem(ProblemError(503, "Durable Functions can't be reached", detail))
    except Exception as problem:
        if not connection.is_away(problem):
            raise
        code = getattr(problem, "error_code", None) or type(problem).__name__
        logging.warning("The storage did not answer a caller: %s", code)
        detail = AWAY.format("Blob Storage", f"the storage account ({code})")
        return _problem(ProblemError(503, "The storage can't be reached", detail))


async def start_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """POST /exports"""
    return await _start(incoming, caller, on, anew.read)


async def start_comparison(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """POST /comparisons"""
    return await _start(incoming, caller, on, comparing.read)


ReadBody = Callable[[Operations, Mapping[str, Any], Caller], Awaitable[ExportRequest]]


async def _start(incoming: Incoming, caller: Caller, on: Operations, read: ReadBody) -> Outgoing:
    """Starts what the body asks for, and says where its state is."""
    key = incoming.headers.get("idempotency-key")
    # An empty key is refused too: its caller believes in a key, and would start a second export.
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise BadRequest(Problem("", "Idempotency-Key must be 1 to 255 visible ASCII characters."))
    given = decode(_sent_body(incoming))
    export_id = await start.repeated(on, caller, key, fingerprint_of(given)) if key else ""
    notes: Sequence[str] = ()
    if not export_id:
        wanted = await read(on, given, caller)
        export_id, notes = await start.start(on, wanted, caller, key or ""), wanted.notes
    elif record := await find_record(on.storage, export_id):
        notes = record.notes
    status_url = f"{_exports_url(incoming, on.settings)}/{export_id}"
    body = {"id": export_id, "status": "NotStarted", "statusUrl": status_url}
    return _json(202, body | ({"notes": notes} if notes else {}), _polling(status_url))


Preview = Callable[[Record, Sequence[str]], Awaitable[Json]]
"""Asks Graph what a request would give; `preview.preview` with its edges."""


async def preview_export(incoming: Incoming, caller: Caller, on: Operations, preview: Preview) -> Outgoing:
    """POST /exports/preview"""
    wanted = await anew.read(on, decode(_sent_body(incoming)), caller)
    try:
        return _json(200, await preview(start.record_of(wanted, caller, "", on.now()), wanted.users))
    except (Transient, TimeoutError) as problem:
        logging.warning("Microsoft Graph did not answer a caller: %s", type(problem).__name__)
        detail = AWAY.format("Microsoft Graph", "its state")
        raise ProblemError(503, "Microsoft Graph can't be reached", detail) from None
    except GraphError as problem:
        pointer = "/filter" if wanted.filter else ""
        raise BadRequest(Problem(pointer, problem.reason)) from None


def _sent_body(incoming: Incoming) -> bytes:
    """The body of a request that must have one. Raises BadRequest for one that the Functions host has lost.

    It passes a body on only with a Content-Length above 0: without its filter a request would mean all users.
    """
    if not incoming.body and "transfer-encoding" in incoming.headers:
        detail = "The body was sent in chunks and did not arrive. Send it with a Content-Length."
        raise BadRequest(Problem("", detail), status=411)
    encoding = incoming.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise BadRequest(Problem("", "The body is compressed (Content-Encoding). Send it uncompressed."))
    return incoming.body


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
    return _json(200, await listing.list_exports(on, caller, status, int(top), after))


async def show_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """GET /exports/{id}"""
    return _export(incoming, on.settings, await operations.show(on, _export_id(incoming), caller))


async def cancel_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """POST /exports/{id}/cancel"""
    answer = _export(incoming, on.settings, await operations.cancel(on, _export_id(incoming), caller))
    # Nothing is wrong with this call when the export has failed.
    return replace(answer, status=200) if answer.status == 500 else answer


async def delete_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """DELETE /exports/{id}"""
    await removal.delete(on, _export_id(incoming), caller)
    return Outgoing(204, b"", dict(_HEADERS))


async def list_saved_exports(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """GET /saved-exports"""
    return _json(200, await saved.list_all(on, caller))


async def show_saved_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """GET /saved-exports/{name}"""
    return _json(200, await saved.get(on, *_saved_name(incoming), caller))


async def save_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """PUT /saved-exports/{name}"""
    body, is_new = await saved.put(on, incoming.route.get("name", ""), _sent_body(incoming), caller)
    return _json(201 if is_new else 200, body)


async def delete_saved_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    """DELETE /saved-exports/{name}"""
    await saved.delete(on, *_saved_name(incoming), caller)
    return Outgoing(204, b"", dict(_HEADERS))


def _saved_name(incoming: Incoming) -> tuple[str, str]:
    """The name of a saved export, and its owner when the caller means another's."""
    return incoming.route.get("name", ""), incoming.query.get("owner", "")


async def list_columns(incoming: Incoming, caller: Caller) -> Outgoing:
    """GET /columns: what a request may name, what it needs, and what it costs."""
    told = ("header", "source", "group", "description", "cost", "permission")
    columns = [{name: getattr(column, name) for name in told} for column in COLUMNS.values()]
    return _json(200, {"sets": COLUMN_SETS, "columns": columns})


def contract() -> Outgoing:
    """GET /openapi.json: it has no data, so every caller that the outer gate lets in may have it."""
    return Outgoing(200, _CONTRACT.read_bytes(), {**_HEADERS, "Content-Type": "application/json"})


def swagger_of_contract(incoming: Incoming, read_settings: Read) -> Outgoing:
    """GET /swagger.json: the contract as OpenAPI 2.0, which names the address and where to sign in."""
    try:
        settings = read_settings()
        public_url, tenant = settings.public_url, settings.tenant
    except SettingsError:
        public_url, tenant = "", ""
    address = _api_url(incoming, public_url, "/swagger.json")
    return _json(200, swagger.swagger(msgspec.json.decode(_CONTRACT.read_bytes()), address, tenant))


def page_file(name: str) -> Outgoing:
    """GET /bulk-operations and its files: no data, so every caller that the outer gate lets in may have them."""
    file = page.read(name)
    return Outgoing(200, *file) if file else _problem(ProblemError(404, "Not found", "The page has no such file."))


def _export_id(incoming: Incoming) -> str:
    """The id in the path. Anything else than an id has no export: it never becomes part of a blob's name."""
    export_id = incoming.route.get("id", "").lower()
    return export_id if is_id(export_id) else ""


def _exports_url(incoming: Incoming, settings: Settings) -> str:
    """The absolute address of /exports: Logic Apps want an absolute Location."""
    return f"{_api_url(incoming, settings.public_url, '/exports|/comparisons')}/exports"


def _api_url(incoming: Incoming, public_url: str, route: str) -> str:
    """The absolute address of what is before the route (a pattern), such as https://app.azurewebsites.net/api.

    Behind a gateway only EXPORT_PUBLIC_URL says what it is: a caller could write anything into X-Forwarded-Host.
    """
    parts = urlsplit(incoming.url)
    # Azure Functions finds a route whatever the case of its letters.
    prefix = re.split(route, unquote(parts.path), maxsplit=1, flags=re.IGNORECASE)[0]
    return f"{public_url or f'{parts.scheme}://{parts.netloc}'}{prefix}"


def _polling(location: str) -> dict[str, str]:
    return {"Location": location, "Retry-After": str(operations.RETRY_AFTER)}


def _export(incoming: Incoming, settings: Settings, body: Mapping[str, Any]) -> Outgoing:
    """An export in any state. A failed one is a 500, so that what polls it fails too."""
    if body["status"] in {NOT_STARTED, IN_PROGRESS}:
        return _json(202, body, _polling(f"{_exports_url(incoming, settings)}/{body['id']}"))
    return _json(500 if body["status"] == FAILED else 200, body)


def _json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Outgoing:
    sent = {**_HEADERS, "Content-Type": "application/json", **(headers or {})}
    return Outgoing(status, msgspec.json.encode(body), sent)


def _problem(problem: ProblemError) -> Outgoing:
    body: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status}
    body["detail"] = problem.detail
    if problem.problems:
        body["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in problem.problems]
    sent = {**_HEADERS, "Content-Type": "application/problem+json", **problem.headers}
    if problem.status == 503:
        sent["Retry-After"] = str(RETRY_AFTER)
    return Outgoing(problem.status, msgspec.json.encode(body), sent)
