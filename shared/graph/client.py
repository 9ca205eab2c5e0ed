"""One request to Microsoft Graph: signed, sent, judged, and sent again when that may help.

msgraph-sdk builds the requests and signs them (azure-identity). Their answers are taken as bytes
(NativeResponseHandler) and decoded with msgspec, because the SDK's models take seconds of CPU for one page of 999
users. The SDK's own retries are off: they know only 429, 503 and 504, three times. The only retry policy is here.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import httpx
import tenacity

from shared.errors import GraphError, PartOfBatch, Transient
from shared.graph import answers
from shared.graph.answers import THROTTLED, Decoded
from shared.graph.credential import RenewableCredential
from shared.graph.pace import Pace
from shared.graph.wire import ACCEPT, AiohttpTransport

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from kiota_http.middleware.options import ResponseHandlerOption
    from msgraph import GraphServiceClient

TIMEOUT = aiohttp.ClientTimeout(total=None, connect=15, sock_read=100)
MAX_WAIT = 300.0
"""Seconds to wait at most for one Retry-After."""
MAX_ATTEMPTS = 100
MAX_UNAUTHORIZED = 3
"""So many 401 of one request: a new token helps at once, or not at all."""

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long one request is tried again. Times are in seconds."""

    attempts: int = 8
    """Failures. Throttled requests (429, 509) do not count here; only the time limits them."""
    seconds: float = 900.0
    longest_pause: float = 60.0
    sleep: Callable[[float], Awaitable[None]] | None = None
    """None: asyncio's."""


@dataclass(slots=True)
class Tally:
    """What is counted of requests, for the results."""

    requests: int = 0
    retries: int = 0
    restarts: int = 0
    throttled: int = 0
    """Requests, and items of batches, that Graph refused because there were too many."""


@dataclass(frozen=True, slots=True)
class Graph:
    """A connection to one Graph root, kept by a worker process for all its activities."""

    root: str
    """Such as https://graph.microsoft.com/v1.0."""
    client: "GraphServiceClient"
    transport: AiohttpTransport
    credential: RenewableCredential
    retries: Retries
    pace: Pace = field(default_factory=Pace)
    methods_pace: Pace = field(default_factory=Pace)
    """Authentication methods have limits of their own: see `for_methods`."""
    tally: Tally = field(default_factory=Tally)
    """What is counted of this session."""


def connect(
    endpoint: str,
    make_credential: Callable[[], "AsyncTokenCredential"],
    retries: Retries,
    timeout: aiohttp.ClientTimeout = TIMEOUT,
) -> Graph:
    """Opens nothing yet; connections and tokens are made when they are needed. `endpoint`: https://graph.microsoft.com."""
    from kiota_abstractions.authentication import BaseBearerTokenAuthenticationProvider
    from kiota_authentication_azure.azure_identity_access_token_provider import AzureIdentityAccessTokenProvider
    from kiota_http.middleware import UserAgentHandler
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
    transport = AiohttpTransport(timeout)
    http = httpx.AsyncClient(transport=transport, headers=ACCEPT)
    http = GraphClientFactory.create_with_custom_middleware([UserAgentHandler()], client=http)
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(tokens), http)
    adapter.base_url = root
    pace, methods_pace = (Pace(sleep=retries.sleep or asyncio.sleep) for _ in range(2))
    return Graph(root, GraphServiceClient(request_adapter=adapter), transport, credential, retries, pace, methods_pace)


def session(graph: Graph) -> Graph:
    """The same connection with a tally of its own, for example for one execution of an activity."""
    return replace(graph, tally=Tally())


def for_methods(graph: Graph) -> Graph:
    """The same session at the pace of authentication methods: their limits must not slow down the pages of users."""
    return replace(graph, pace=graph.methods_pace)


async def close(graph: Graph) -> None:
    """Closes connections and credentials."""
    await graph.transport.aclose()  # The SDK's transport around it would not close it.
    await graph.credential.close()


def native() -> "ResponseHandlerOption":
    from kiota_abstractions.native_response_handler import NativeResponseHandler
    from kiota_http.middleware.options import ResponseHandlerOption

    return ResponseHandlerOption(NativeResponseHandler())


async def once(
    graph: Graph, send: "Callable[[], Coroutine[Any, Any, Any]]", decode: Callable[[bytes], Decoded]
) -> Decoded:
    """One request, sent once, as soon as it is its turn. Raises GraphError, or Transient when asking again may help."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    graph.tally.requests += 1
    try:
        async with graph.pace.turn():
            response: httpx.Response = await send()
    except (aiohttp.ClientError, TimeoutError, httpx.RequestError) as problem:
        raise Transient(
            0, "ConnectionBroken", f"The connection to Graph broke ({type(problem).__name__})."
        ) from problem
    except ClientAuthenticationError as problem:
        raise GraphError(401, "NoToken", f"No token for Graph could be had: {problem.message[:300]}") from problem
    except AzureError as problem:
        raise Transient(0, "NoToken", f"No token for Graph could be had ({type(problem).__name__}).") from problem
    # In httpx a response and its stream refer to each other: the body would stay in memory until a garbage collection.
    del response.stream
    try:
        answer = answers.read(response.status_code, response.headers, response.content, decode)
    except Transient as problem:
        if problem.status == 401:
            graph.credential.renew()
        if problem.status in THROTTLED:
            graph.tally.throttled += 1
            graph.pace.throttled(problem.retry_after)
        raise
    graph.pace.answered()
    return answer


async def retrying(graph: Graph, ask: Callable[[], Awaitable[Done]]) -> Done:
    """Asks until it works, or until the limits of `Retries` are reached: then the last Transient is raised."""
    policy = graph.retries
    failures: Counter[int] = Counter()

    def again(problem: BaseException) -> bool:
        if not isinstance(problem, Transient):
            return False
        if isinstance(problem, PartOfBatch):
            # What is sent now is another request. With the failures before it, twenty requests in one would fail
            # far more often than one.
            failures.clear()
            return True
        failures[problem.status] += 1
        tries = sum(count for status, count in failures.items() if status not in THROTTLED)
        return tries < policy.attempts and failures[401] <= MAX_UNAUTHORIZED

    def pause(state: tenacity.RetryCallState) -> float:
        problem = state.outcome.exception() if state.outcome else None
        if isinstance(problem, Transient) and problem.retry_after is not None:
            # A little later than Graph asks for, and not all chains at the same moment.
            return min(problem.retry_after, MAX_WAIT) + random.uniform(0, 0.3)  # noqa: S311
        longest = min(policy.longest_pause, 0.5 * 2**state.attempt_number)
        return random.uniform(longest / 2, longest)  # noqa: S311

    def count(_: tenacity.RetryCallState) -> None:
        graph.tally.retries += 1

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(again),
        stop=tenacity.stop_any(tenacity.stop_after_attempt(MAX_ATTEMPTS), tenacity.stop_after_delay(policy.seconds)),
        wait=pause,
        sleep=policy.sleep or asyncio.sleep,
        before_sleep=count,
        reraise=True,
    )
    return await retrying(ask)
