"""HTTP without Azure Functions: a request record in, a response record out.

Errors are application/problem+json (RFC 9457); each problem of a request with its JSON pointer.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from shared.api import sites
from shared.api.access import Caller, caller_of
from shared.api.durable import DurableFailure
from shared.api.operations import Operations
from shared.api.problems import BadRequest, Problem, ProblemError
from shared.settings import Settings, SettingsError
from shared.storage import connection

RETRY_AFTER = 15
"""Seconds after which the caller may try again."""
AWAY = (
    "{} does not answer, or refuses this app. Try again in a moment (repeat a POST with its Idempotency-Key). If that"
    " does not help, check {} and the app's log. Running exports wait, and continue by themselves."
)
# Answers have links, which are secrets, and states, which change.
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Incoming:
    """An HTTP request. `url`: absolute, as the caller sees it. Names of headers and of values are in small letters."""

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
ReadSettings = Callable[[], Settings]
Handler = Callable[[Incoming, Caller, Operations], Awaitable[Outgoing]]
HandlerWithoutStorage = Callable[[Incoming, Caller], Awaitable[Outgoing]]


async def answer(handler: Handler, incoming: Incoming, read_settings: ReadSettings, connect: Connect) -> Outgoing:
    """Runs the handler for a caller who may; everything that is wrong becomes a problem."""

    async def run(incoming: Incoming, caller: Caller) -> Outgoing:
        return await handler(incoming, caller, connect())

    return await answer_without_storage(run, incoming, read_settings)


async def answer_without_storage(
    handler: HandlerWithoutStorage, incoming: Incoming, read_settings: ReadSettings
) -> Outgoing:
    """The same for a handler that needs no storage: connecting takes a new instance a third of a second."""
    try:
        settings = read_settings()
        sites.refuse_others(incoming.method, incoming.url, incoming.headers, incoming.body, settings.public_url)
        return await handler(incoming, caller_of(incoming.headers, settings))
    except ProblemError as problem:
        return as_problem(problem)
    except SettingsError as problem:
        return as_problem(ProblemError(503, "The app is not set up", str(problem)))
    except DurableFailure as problem:
        # Its text may hold a stack trace with paths of the host.
        logging.warning("Durable Functions did not answer a caller: %s", str(problem).partition("\n")[0][:200])
        detail = AWAY.format("Durable Functions", "its storage")
        return as_problem(ProblemError(503, "Durable Functions can't be reached", detail))
    except Exception as problem:
        if not connection.is_away(problem):
            raise
        code = getattr(problem, "error_code", None) or type(problem).__name__
        logging.warning("The storage did not answer a caller: %s", code)
        detail = AWAY.format("Blob Storage", f"the storage account ({code})")
        return as_problem(ProblemError(503, "The storage can't be reached", detail))


def sent_body(incoming: Incoming) -> bytes:
    """The body of a request that must have one. Raises BadRequest for a body that the Functions host has lost.

    The host passes a body on only with a Content-Length above 0. Without the filter in its body, a request would export
    all users.
    """
    if not incoming.body and "transfer-encoding" in incoming.headers:
        detail = "The body was sent in chunks and did not arrive. Send it with a Content-Length."
        raise BadRequest(Problem("", detail), status=411)
    encoding = incoming.headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise BadRequest(Problem("", "The body is compressed (Content-Encoding). Send it uncompressed."))
    return incoming.body


def api_url(incoming: Incoming, public_url: str, route: str) -> str:
    """The absolute address without the route (a pattern), such as https://app.azurewebsites.net/api.

    With a gateway, only EXPORT_PUBLIC_URL has the right address: a caller could write anything into X-Forwarded-Host.
    """
    parts = urlsplit(incoming.url)
    # The routes of Azure Functions are case-insensitive.
    prefix = re.split(route, unquote(parts.path), maxsplit=1, flags=re.IGNORECASE)[0]
    return f"{public_url or f'{parts.scheme}://{parts.netloc}'}{prefix}"


def as_json(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Outgoing:
    sent = {**HEADERS, "Content-Type": "application/json", **(headers or {})}
    return Outgoing(status, msgspec.json.encode(body), sent)


def as_problem(problem: ProblemError) -> Outgoing:
    body: dict[str, Any] = {"type": "about:blank", "title": problem.title, "status": problem.status}
    body["detail"] = problem.detail
    if problem.problems:
        body["errors"] = [{"pointer": each.pointer, "detail": each.detail} for each in problem.problems]
    sent = {**HEADERS, "Content-Type": "application/problem+json", **problem.headers}
    if problem.status == 503:
        sent["Retry-After"] = str(RETRY_AFTER)
    return Outgoing(problem.status, msgspec.json.encode(body), sent)
