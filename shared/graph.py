"""The edge to Microsoft Graph: chains of pages, counts and batches, through msgraph-sdk.

The SDK builds the requests, signs them (azure-identity) and carries them; its answers are taken as they came
(NativeResponseHandler) and decoded with msgspec, because the SDK's models cost seconds of CPU for one page of 999
users. Its own retry is left out: it knows only 429, 503 and 504, three times. The one retry policy is here.

Rules of Graph that this module keeps (learn.microsoft.com/graph: paging, throttling, json-batching,
aad-advanced-queries):
- the next page is the whole @odata.nextLink; it is followed only to the configured root, because the token goes along
- a page may be empty and still have a nextLink: the link ends a chain, never the length
- headers are not remembered between pages: each page sends them again
- a page token can die at any time: the chain is void then (ChainBroken) and is begun again by the caller
"""

import asyncio
import base64
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
import tenacity

from shared.errors import ChainBroken, GraphError, Transient
from shared.filters import encoded
from shared.users import User

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.credentials_async import AsyncTokenCredential
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_http.middleware.options import ResponseHandlerOption
    from msgraph import GraphServiceClient

PAGE = 999
SIGN_IN_PAGE = 500
"""Most users on a page when signInActivity is selected."""
BATCH = 20
BATCHES_AT_ONCE = 4
MAX_URL = 2_000
"""Characters of an advanced query's URL; Graph takes 2,048."""
TIMEOUT = httpx.Timeout(100, connect=15)
MAX_WAIT = 300.0
"""Seconds that one Retry-After is honoured for at most."""

RENEWAL_SECONDS = 5.0
MAX_ATTEMPTS = 100
MAX_ITEM_FAILURES = 3
"""5xx of one item of a batch: the others wait while it is asked again."""
MAX_UNAUTHORIZED = 3
"""A new token helps at once, or not at all."""

Found = TypeVar("Found")
_BROKEN_TOKEN = frozenset({"directory_expiredpagetoken", "directorypagetokennotfoundexception"})


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long one request is tried again, and how the time between is spent (seconds)."""

    attempts: int = 8
    """Failures; waiting because Graph said so (429) is bounded by the time alone."""
    seconds: float = 900.0
    longest_pause: float = 60.0
    sleep: Callable[[float], Awaitable[None]] | None = None
    """None: asyncio's."""


@dataclass(slots=True)
class Tally:
    """What was done, for the results file."""

    requests: int = 0
    retries: int = 0
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Graph:
    """A connection to one Graph root, kept by a worker process for all its activities."""

    root: str
    """Such as https://graph.microsoft.com/v1.0."""
    client: "GraphServiceClient"
    transport: httpx.AsyncHTTPTransport
    credential: "RenewableCredential"
    retries: Retries


@dataclass(frozen=True, slots=True)
class Query:
    """A question to a collection of users."""

    select: tuple[str, ...]
    filter: str = ""
    advanced: bool = False
    """With ConsistencyLevel and $count, on every page."""
    top: int = PAGE
    path: str = "/users"


class Page(msgspec.Struct, gc=False):
    """One page of a chain."""

    value: list[User]
    next_link: str | None = msgspec.field(name="@odata.nextLink", default=None)
    delta_link: str | None = msgspec.field(name="@odata.deltaLink", default=None)
    link: str = ""
    """Where it was read."""


class _ErrorBody(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Error(msgspec.Struct):
    error: _ErrorBody


class Answer(msgspec.Struct):
    """One answer of a batch, with its own status. `body` is what was asked for, or Graph's error."""

    id: str
    status: int
    headers: dict[str, Any] = {}
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Answers(msgspec.Struct):
    responses: list[Answer]


_PAGE_DECODER = msgspec.json.Decoder(Page)
_ANSWERS_DECODER = msgspec.json.Decoder(_Answers)


class RenewableCredential:
    """A credential that can be made anew: azure-identity keeps a token until it ends, also one that Graph refuses."""

    def __init__(self, make: Callable[[], "AsyncTokenCredential"]) -> None:
        self._make = make
        self._made: list[AsyncTokenCredential] = []
        self._renewed = 0.0

    async def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        if not self._made:
            self._made.append(self._make())
        return await self._made[-1].get_token(*scopes, **options)

    def renew(self) -> None:
        """Another token from now on. Many chains see the same 401 at once: one renewal serves them all."""
        now = time.monotonic()
        if now - self._renewed > RENEWAL_SECONDS:
            self._renewed = now
            self._made.append(self._make())

    async def close(self) -> None:
        for credential in self._made:
            await credential.close()


def connect(
    endpoint: str,
    make_credential: Callable[[], "AsyncTokenCredential"],
    retries: Retries,
    timeout: httpx.Timeout = TIMEOUT,
) -> Graph:
    """Opens nothing yet: connections and tokens are made when they are needed. `endpoint`: https://graph.microsoft.com."""
    from kiota_abstractions.authentication import BaseBearerTokenAuthenticationProvider
    from kiota_authentication_azure.azure_identity_access_token_provider import AzureIdentityAccessTokenProvider
    from kiota_http.middleware import ParametersNameDecodingHandler, UserAgentHandler
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph_core import GraphClientFactory

    root = f"{endpoint}/v1.0"
    credential = RenewableCredential(make_credential)
    tokens = AzureIdentityAccessTokenProvider(
        credential,  # type: ignore[arg-type]  # has what is called of it: get_token
        options=None,
        scopes=[f"{endpoint}/.default"],
        allowed_hosts=[urlsplit(endpoint).hostname or ""],
    )
    transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=None, max_keepalive_connections=100))
    http = httpx.AsyncClient(timeout=timeout, transport=transport)
    http = GraphClientFactory.create_with_custom_middleware(
        [ParametersNameDecodingHandler(), UserAgentHandler()], client=http
    )
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(tokens), http)
    adapter.base_url = root
    return Graph(root, GraphServiceClient(request_adapter=adapter), transport, credential, retries)


async def close(graph: Graph) -> None:
    """Gives back connections and credentials."""
    await graph.transport.aclose()  # The SDK's own transport around it would not pass this on.
    await graph.credential.close()


async def chain(graph: Graph, query: Query, tally: Tally, start: str = "") -> AsyncIterator[Page]:
    """The pages of a query, one after the other. `start`: the nextLink to go on from.

    Raises ChainBroken when what was read so far is void, GraphError when Graph refuses.
    """
    link: str | None = start or url_of(graph, query)
    seen: set[str] = set()
    while link:
        check_link(graph, link)
        if link in seen:
            raise ChainBroken("RepeatedLink", "Graph sent the same nextLink twice, which would never end.")
        seen.add(link)
        try:
            page = await _get(graph, link, query, tally)
        except GraphError as problem:
            if (len(seen) > 1 or start) and _is_broken_token(problem):
                raise ChainBroken(problem.code, problem.reason, request_id=problem.request_id) from problem
            raise
        page.link = link
        yield page
        link = page.next_link


def url_of(graph: Graph, query: Query) -> str:
    """The URL of a query's first page, with nothing encoded that need not be: advanced queries' URLs are limited."""
    url = f"{graph.root}{query.path}?$top={query.top}&$select={','.join(query.select)}"
    if query.advanced:
        url += "&$count=true"
    return f"{url}&$filter={encoded(query.filter)}" if query.filter else url


def check_link(graph: Graph, link: str) -> None:
    """Refuses a link to anywhere but the root: the bearer token would be sent along."""
    asked, root = urlsplit(link), urlsplit(graph.root)
    if (asked.scheme, asked.netloc) != (root.scheme, root.netloc):
        raise GraphError(
            0,
            "ForeignLink",
            f"Graph sent a nextLink to another host ({asked.hostname}); it was not followed, no token was sent.",
        )


async def counts(graph: Graph, filters: list[str], tally: Tally) -> list[int | None]:
    """How many users match each filter (advanced: the index, which may lag); None where Graph answers 400 or 404."""
    urls = [f"/users/$count{f'?$filter={encoded(each)}' if each else ''}" for each in filters]
    answers = await batch(graph, urls, tally, headers={"ConsistencyLevel": "eventual"})
    return [_count_of(answer) for answer in answers]


def _count_of(answer: Answer) -> int | None:
    if answer.status in {400, 404}:
        return None
    raise_for(answer)
    try:
        found = msgspec.json.decode(answer.body, type=int | str)
        # JSON has no place for text/plain: some roots send the number, some its text, some that in base64.
        return int(found) if str(found).isdigit() else int(base64.b64decode(str(found)))
    except ValueError:
        reason = "Graph answered a count with something that is no number."
        raise GraphError(answer.status, "UnreadableAnswer", reason) from None


async def batch(graph: Graph, urls: list[str], tally: Tally, headers: dict[str, str] | None = None) -> list[Answer]:
    """GETs of these relative URLs, 20 to a request, answers in the order of the URLs.

    Each answer's own 429 or 5xx is asked again after its own Retry-After, within the same bounds as any request;
    what then still fails is returned with its status, for the caller to judge.
    """
    places = asyncio.Semaphore(BATCHES_AT_ONCE)

    async def one(start: int) -> list[Answer]:
        async with places:
            return await _one_batch(graph, urls[start : start + BATCH], tally, headers or {})

    try:
        async with asyncio.TaskGroup() as group:
            batches = [group.create_task(one(start)) for start in range(0, len(urls), BATCH)]
    except ExceptionGroup as problems:
        raise problems.exceptions[0] from None
    return [answer for each in batches for answer in each.result()]


async def _one_batch(graph: Graph, urls: list[str], tally: Tally, headers: dict[str, str]) -> list[Answer]:
    done: dict[int, Answer] = {}
    failures: Counter[int] = Counter()

    def again(at: int) -> bool:
        """A throttled item is asked as long as any request; one that only fails is soon taken for what it is."""
        status = done[at].status
        return status == 429 or (_is_transient(status) and failures[at] < MAX_ITEM_FAILURES)

    async def ask() -> None:
        left = [at for at in range(len(urls)) if at not in done or again(at)]
        requests = [{"id": str(at), "method": "GET", "url": urls[at], "headers": headers} for at in left]
        body = msgspec.json.encode({"requests": requests})
        found = await _once(graph, _post(graph, "/$batch", body), tally, _ANSWERS_DECODER)
        answered = {each.id: each for each in found.responses}
        for at in left:
            if str(at) not in answered:
                raise Transient(200, "UnreadableAnswer", "Graph left a request of a batch without an answer.")
            done[at] = answered[str(at)]
            failures[at] += done[at].status >= 500
        throttled = [done[at] for at in left if again(at)]
        if throttled:
            pause = max((_retry_after(each.headers) or 0 for each in throttled), default=0) or None
            raise Transient(
                throttled[0].status, "Throttled", "Graph asked to send a part of a batch again.", retry_after=pause
            )

    try:
        await _retrying(graph, tally, ask)
    except Transient:
        if len(done) < len(urls):
            raise
    return [done[at] for at in range(len(urls))]


def raise_for(answer: Answer) -> None:
    """Raises GraphError when this answer of a batch is one."""
    if answer.status >= 400:
        code, reason = _error_of(answer.status, bytes(answer.body))
        raise GraphError(answer.status, code, reason, request_id=_header(answer.headers, "request-id"))


async def _get(graph: Graph, url: str, query: Query, tally: Tally) -> Page:
    configuration = _configuration(query.advanced)
    users = graph.client.users.with_url(url)

    async def ask() -> Page:
        return await _once(graph, users.get(configuration), tally, _PAGE_DECODER)

    return await _retrying(graph, tally, ask)


def _configuration(advanced: bool) -> "RequestConfiguration[Any]":
    from kiota_abstractions.base_request_configuration import RequestConfiguration

    configuration = RequestConfiguration[Any](options=[_native()])
    configuration.headers.add("x-ms-throttle-priority", "Low")
    if advanced:
        configuration.headers.add("ConsistencyLevel", "eventual")
    return configuration


def _post(graph: Graph, path: str, body: bytes) -> "Coroutine[Any, Any, Any]":
    from kiota_abstractions.method import Method
    from kiota_abstractions.request_information import RequestInformation

    request = RequestInformation(Method.POST, "{+baseurl}" + path, {})
    request.set_stream_content(body, "application/json")
    request.headers.add("x-ms-throttle-priority", "Low")
    request.add_request_options([_native()])
    return graph.client.request_adapter.send_primitive_async(request, "bytes", {})


def _native() -> "ResponseHandlerOption":
    from kiota_abstractions.native_response_handler import NativeResponseHandler
    from kiota_http.middleware.options import ResponseHandlerOption

    return ResponseHandlerOption(NativeResponseHandler())


async def _once(
    graph: Graph, sending: "Coroutine[Any, Any, Any]", tally: Tally, decoder: "msgspec.json.Decoder[Found]"
) -> Found:
    """One request, sent once. Raises GraphError, or Transient when asking again may help."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    tally.requests += 1
    try:
        response: httpx.Response = await sending
    except httpx.TransportError as problem:
        raise Transient(
            0, "ConnectionBroken", f"The connection to Graph broke ({type(problem).__name__})."
        ) from problem
    except ClientAuthenticationError as problem:
        raise GraphError(401, "NoToken", f"No token for Graph could be had: {problem.message[:300]}") from problem
    except AzureError as problem:
        raise Transient(0, "NoToken", f"No token for Graph could be had ({type(problem).__name__}).") from problem
    request_id = response.headers.get("request-id", "")
    if response.status_code >= 300:
        code, reason = _error_of(response.status_code, response.content)
        if response.status_code == 401:
            graph.credential.renew()
        if _is_transient(response.status_code) or response.status_code == 401:
            pause = _retry_after(response.headers)
            raise Transient(response.status_code, code, reason, request_id=request_id, retry_after=pause)
        raise GraphError(response.status_code, code, reason, request_id=request_id)
    try:
        return decoder.decode(response.content)
    except msgspec.ValidationError as problem:
        raise GraphError(
            200, "UnreadableAnswer", f"Graph's answer has another form than documented: {problem}"
        ) from problem
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Transient(200, "TruncatedAnswer", f"Graph's answer is cut off or no JSON: {problem}") from problem


async def _retrying(graph: Graph, tally: Tally, ask: Callable[[], Awaitable[Found]]) -> Found:
    """Asks until it works or the bounds are reached; then the last Transient is raised."""
    policy = graph.retries
    failures: Counter[int] = Counter()

    def again(problem: BaseException) -> bool:
        if not isinstance(problem, Transient):
            return False
        failures[problem.status] += 1
        tries = failures.total() - failures[429]
        return tries < policy.attempts and failures[401] <= MAX_UNAUTHORIZED

    def pause(state: tenacity.RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, Transient) and problem.retry_after is not None:
            # A little later than asked, and not all chains at the same moment.
            return min(problem.retry_after, MAX_WAIT) + random.uniform(0, 0.3)  # noqa: S311
        longest = min(policy.longest_pause, 0.5 * 2**state.attempt_number)
        return random.uniform(longest / 2, longest)  # noqa: S311

    def count(_: tenacity.RetryCallState) -> None:
        tally.retries += 1

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(again),
        stop=tenacity.stop_any(tenacity.stop_after_attempt(policy.attempts), tenacity.stop_after_delay(policy.seconds)),
        wait=pause,
        sleep=policy.sleep or asyncio.sleep,
        before_sleep=count,
        reraise=True,
    )
    return await retrying(ask)


def _is_transient(status: int) -> bool:
    return status in {408, 429, 500, 502, 503, 504}


def _is_broken_token(problem: GraphError) -> bool:
    return problem.status in {400, 410} and (
        problem.code.lower() in _BROKEN_TOKEN or "page token" in problem.reason.lower()
    )


def _retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds; Graph sends whole seconds, and not always."""
    text = _header(headers, "retry-after")
    try:
        return max(float(text), 0.0) if text else None
    except ValueError:
        return None


def _header(headers: Mapping[str, Any], name: str) -> str:
    return next((str(value) for key, value in headers.items() if key.lower() == name), "")


def _error_of(status: int, content: bytes) -> tuple[str, str]:
    """Code and reason of Graph's error body; of the status where there is none."""
    try:
        error = msgspec.json.decode(content, type=_Error).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = _ErrorBody()
    return error.code or f"HTTP{status}", error.message[:500] or f"Graph answered with status {status}."
