"""Batches: up to 20 GETs in one request, each with an answer and a status of its own. Counts are sent in batches too.

https://learn.microsoft.com/graph/json-batching
"""

import asyncio
import base64
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from shared.errors import GraphError, PartOfBatch, Transient
from shared.graph import answers, odd
from shared.graph.answers import THROTTLED
from shared.graph.client import Graph, native, once, retrying
from shared.graph.odata import encoded

GoOn = Callable[[], Awaitable[bool]]
"""Says whether there is time for more, and whether anyone still wants it."""

BATCH = 20
BATCHES_AT_ONCE = 4
COUNTS_AT_ONCE = 32
"""Batches of counts side by side: only one activity counts, and the export waits for each round trip."""
MAX_ITEM_FAILURES = 3
"""How often one item of a batch may fail with 5xx: the others wait meanwhile, and then it is an error of that user."""


class Answer(msgspec.Struct):
    """One answer of a batch, with a status of its own. `body`: the result, or Graph's error."""

    id: str = ""
    status: int = 0
    headers: dict[str, Any] | None = None
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Answers(msgspec.Struct):
    responses: list[Answer]
    error: msgspec.Raw = msgspec.Raw()


_DECODER = msgspec.json.Decoder(_Answers)


async def counts(graph: Graph, filters: list[str]) -> list[int | None]:
    """How many users match each filter; None where Graph does not count. Counts come from an index, which may lag."""
    urls = [f"/users/$count{f'?$filter={encoded(each)}' if each else ''}" for each in filters]
    headers = {"ConsistencyLevel": "eventual"}
    # A count without an answer fails the plan, so each is asked for as often as any request.
    replies = await batch(graph, urls, headers, COUNTS_AT_ONCE, graph.retries.attempts)
    return [_count_of(answer) for answer in replies]


def _count_of(answer: Answer) -> int | None:
    if error := _error_of(answer):
        if error.status in {400, 404} and not isinstance(error, Transient):
            return None
        raise error
    try:
        text = str(msgspec.json.decode(answer.body, type=int | str)).strip("\ufeff ")
        # The count is text/plain. In JSON some roots send a number, some a text, and some its base64.
        return int(text if text.isdigit() else base64.b64decode(text).decode("utf-8-sig"))
    except ValueError:
        return None  # A count only sizes the work, so an unreadable one is treated as refused.


async def batch(
    graph: Graph,
    urls: list[str],
    headers: dict[str, str] | None = None,
    at_once: int = BATCHES_AT_ONCE,
    item_failures: int = MAX_ITEM_FAILURES,
    go_on: GoOn | None = None,
) -> list[Answer]:
    """GETs of these relative URLs, 20 to a request, `at_once` requests side by side, answers in the order of the URLs.

    Each answer's own 429 or 5xx (so often) is asked again after its own Retry-After, within the same bounds as any
    request; what then still fails is returned with its status, for the caller to judge. Once `go_on` says no, no more
    requests are sent, and the last URLs have no answers; the first requests are sent in any case.
    """
    places = asyncio.Semaphore(at_once)

    async def one(start: int) -> list[Answer] | None:
        async with places:
            if go_on and start >= at_once * BATCH and not await go_on():
                return None
            return await _one_batch(graph, urls[start : start + BATCH], headers or {}, item_failures)

    try:
        async with asyncio.TaskGroup() as group:
            batches = [group.create_task(one(start)) for start in range(0, len(urls), BATCH)]
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from None
    answered = itertools.takewhile(lambda group: group is not None, (each.result() for each in batches))
    return [answer for group in answered for answer in group or ()]


async def _one_batch(graph: Graph, urls: list[str], headers: dict[str, str], item_failures: int) -> list[Answer]:
    done: dict[int, Answer] = {}
    passing: dict[int, Transient] = {}
    failures: Counter[int] = Counter()

    def judge(at: int) -> None:
        """A throttled item is asked for again as long as any request; an item with another failure, a few times."""
        passing.pop(at, None)
        error = _error_of(done[at])
        if isinstance(error, Transient):
            if error.status in THROTTLED:
                graph.tally.throttled += 1
                graph.pace.throttled(error.retry_after)
            else:
                failures[at] += 1
            if failures[at] < item_failures:
                passing[at] = error

    async def ask() -> None:
        pending = [at for at in range(len(urls)) if at not in done or at in passing]
        requests = [{"id": str(at), "method": "GET", "url": urls[at], "headers": headers} for at in pending]
        body = msgspec.json.encode({"requests": requests})
        reply = await once(graph, lambda: _post(graph, "/$batch", body), _answers_of)
        answered = {each.id: each for each in reply.responses}
        for at in pending:
            if str(at) not in answered:
                raise Transient(200, "UnreadableAnswer", "Graph left a request of a batch without an answer.")
            done[at] = answered[str(at)]
            judge(at)
        if passing:
            if any(error.status == 401 for error in passing.values()):
                graph.credential.renew()
            pause = max(error.retry_after or 0 for error in passing.values()) or None
            raise PartOfBatch(retry_after=pause)

    try:
        await retrying(graph, ask)
    except Transient:
        if len(done) < len(urls):
            raise
    return [done[at] for at in range(len(urls))]


def raise_for(answer: Answer) -> None:
    """Raises GraphError when this answer of a batch is an error; Transient when asking again may help."""
    if error := _error_of(answer):
        raise error


def _error_of(answer: Answer) -> GraphError | None:
    headers, body = answer.headers or {}, bytes(answer.body)
    error = answers.error_of(answer.status, headers, answers.plain_body(body))
    return error or answers.error_inside(answer.status, headers, body)


def _answers_of(content: bytes) -> _Answers:
    try:
        return _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return odd.decode(content, _Answers)[0]


def _post(graph: Graph, path: str, body: bytes) -> "Coroutine[Any, Any, Any]":
    from kiota_abstractions.method import Method
    from kiota_abstractions.request_information import RequestInformation

    request = RequestInformation(Method.POST, "{+baseurl}" + path, {})
    request.set_stream_content(body, "application/json")
    request.headers.add("x-ms-throttle-priority", "Low")
    request.add_request_options([native()])
    return graph.client.request_adapter.send_primitive_async(request, "bytes", {})
