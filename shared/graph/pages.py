"""Chains: the pages of a query to Microsoft Graph, one after the other.

Rules of Graph that are kept here (learn.microsoft.com/graph: paging, aad-advanced-queries):
- the next page is the whole @odata.nextLink; it is followed only to the configured root, because the token is sent too
- a page may be empty and still have a nextLink: the link ends a chain, never the length
- Graph does not remember headers between pages: they are sent with each request
- a page token can expire at any time: the chain is void then (ChainBroken), and the caller starts it again
- nothing says how many pages there are: `Advance` says when a chain can't have an end
"""

import functools
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from shared.errors import ChainBroken, ExportError, GraphError
from shared.graph import odd
from shared.graph.answers import Decoded
from shared.graph.client import Graph, native, once, retrying
from shared.graph.odata import encoded
from shared.graph.users import User, as_spelled, kind_of, odd_user

if TYPE_CHECKING:
    from kiota_abstractions.base_request_configuration import RequestConfiguration

PAGE = 999
USERS = "/users"
SIGN_IN_PAGE = 500
"""The most users on a page when signInActivity is selected or filtered on."""
ADVANCED_SIGN_IN_PAGE = 100
"""The same in an advanced query: with more than 120, the property came back empty for some users."""
MAX_URL = 2_000
"""Characters of an advanced query's URL; Graph takes 2,048."""
BARREN_PAGES = 1000
"""After so many in a row without a new user, a chain has no end. Graph does send empty pages, but far fewer."""
FEW = 10_000
"""A smaller count does not limit a chain, because users are created while it is read."""
MAX_LINK = 32_768
"""Characters of a nextLink; no server takes as many."""
_BROKEN_TOKEN = frozenset({"directory_expiredpagetoken", "directorypagetokennotfoundexception"})


@dataclass(frozen=True, slots=True)
class Query:
    """A query for a collection of users."""

    select: tuple[str, ...]
    filter: str = ""
    advanced: bool = False
    """With ConsistencyLevel and $count, on every page."""
    top: int = PAGE
    path: str = USERS
    expand: str = ""
    """One relation: Graph takes no more in a request."""


class Page(msgspec.Struct, gc=False):
    """One page of a chain."""

    value: list[User]
    next_link: str | None = msgspec.field(name="@odata.nextLink", default=None)
    delta_link: str | None = msgspec.field(name="@odata.deltaLink", default=None)
    count: int | None = msgspec.field(name="@odata.count", default=None)
    """Of an advanced query, on the first page: how many users it has."""
    error: msgspec.Raw = msgspec.Raw()
    """Why Graph could not complete the page: then users are missing on it."""
    link: str = ""
    """Where it was read."""


@dataclass(slots=True)
class Advance:
    """How far a chain has come over all its pages. Counts are None where Graph did not count."""

    counted: int | None
    """Users that it should bring."""
    total: int | None = None
    """All users, also those of other chains."""
    users: int = 0
    others: int = 0
    """Users that came and belong to another chain, because a filter can't exclude all of them."""
    barren: int = 0
    """Pages in a row without a new user."""

    def page(self, users: int, others: int = 0, purged: int = 0) -> None:
        """Notes a page that is not the last one. Raises ExportError when the chain can't have an end.

        `purged`: objects of purged users, which Graph may not count.
        """
        self.users += users
        self.others += others
        self.barren = 0 if users or others or purged else self.barren + 1
        if self.barren >= BARREN_PAGES:
            reason = f"Graph sent {BARREN_PAGES:,} pages in a row without a new user, and a link to another page."
            raise ExportError("EndlessPages", f"{reason} Nothing is published, because this has no end.")
        for came, counted in (self.users, self.counted), (self.others, self.total):
            if counted is not None and came > 2 * max(counted, FEW):
                reason = f"Graph counted {counted:,} users, sent {came:,}, and a link to another page."
                raise ExportError("EndlessPages", f"{reason} Its pages have no end, or it ignored the filter.")


@lru_cache(maxsize=16)
def _decoder(kind: type[User]) -> msgspec.json.Decoder[Page]:
    if kind is User:
        return msgspec.json.Decoder(Page)
    return msgspec.json.Decoder(msgspec.defstruct("Page", [("value", list[kind])], bases=(Page,), gc=False))  # type: ignore[valid-type]


def page_of(content: bytes, kind: type[User] = User) -> Page:
    """A page, also one with odd users. Raises msgspec.DecodeError when it is not one."""
    kind = as_spelled(kind, content)
    try:
        return _decoder(kind).decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = odd.parse(content)
    users = body.get("value") if isinstance(body, dict) else None
    if not isinstance(users, list):
        raise msgspec.ValidationError("Expected an object with a list `value`")
    page, _ = odd.convert({**body, "value": []}, Page)
    page.value = [odd_user(each, kind) for each in users]
    return page


async def chain(graph: Graph, query: Query, start: str = "") -> AsyncIterator[Page]:
    """The pages of a query, one after the other. `start`: the nextLink to begin with.

    Raises ChainBroken when the pages read so far are void, GraphError when Graph refuses.
    """
    link: str | None = start or url_of(graph, query)
    decode = functools.partial(page_of, kind=kind_of(query.select))
    seen: set[bytes] = set()  # Digests: a link can have any length.
    while link:
        check_link(graph, link)
        digest = hashlib.blake2b(link.encode(), digest_size=16).digest()
        if digest in seen:
            raise ChainBroken("RepeatedLink", "Graph sent the same nextLink twice, which would never end.")
        seen.add(digest)
        try:
            page = await get(graph, link, decode, advanced=query.advanced)
        except GraphError as problem:
            if (len(seen) > 1 or start) and is_broken_token(problem):
                raise ChainBroken(problem.code, problem.reason, request_id=problem.request_id) from problem
            raise
        page.link = link
        yield page
        link = page.next_link
        del page  # Or each range that is being read would keep 2 MB until its next page comes.


def url_of(graph: Graph, query: Query) -> str:
    """The URL of a query's first page, with as little encoding as possible: URLs of advanced queries have a limit."""
    url = f"{graph.root}{query.path}?$top={query.top}&$select={','.join(query.select)}"
    if query.expand:
        url += f"&$expand={query.expand}"
    if query.advanced:
        url += "&$count=true"
    return f"{url}&$filter={encoded(query.filter)}" if query.filter else url


def check_link(graph: Graph, link: str) -> None:
    """Refuses a link with another scheme, host or port than the root's: the bearer token would be sent there."""
    where = _origin(link)
    if where is None or where != _origin(graph.root):
        shown = f"{where[0]}://{where[1]}:{where[2]}" if where else "what is no URL"
        reason = f"Graph sent a nextLink to another host ({shown}); it was not followed, and no token was sent."
        raise GraphError(0, "ForeignLink", reason)


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None when the text is not a plain URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    # Libraries read other URLs differently.
    plain = "@" not in parts.netloc and all("!" <= each <= "~" for each in parts.netloc) and min(url) >= " "
    return (parts.scheme, parts.hostname, port) if parts.hostname and plain and len(url) <= MAX_LINK else None


async def get(graph: Graph, url: str, decode: Callable[[bytes], Decoded], *, advanced: bool = False) -> Decoded:
    """One page, asked for until it comes or the limits of the retries are reached."""
    configuration = _configuration(advanced)
    # The SDK's way to any URL; its answer is taken as it came.
    request = graph.client.users.with_url(url)

    async def ask() -> Decoded:
        return await once(graph, lambda: request.get(configuration), decode)

    return await retrying(graph, ask)


def _configuration(advanced: bool) -> "RequestConfiguration[Any]":
    from kiota_abstractions.base_request_configuration import RequestConfiguration

    configuration = RequestConfiguration[Any](options=[native()])
    configuration.headers.add("x-ms-throttle-priority", "Low")
    if advanced:
        configuration.headers.add("ConsistencyLevel", "eventual")
    return configuration


def is_broken_token(problem: GraphError) -> bool:
    """Whether the page token has expired: then the pages read so far are void."""
    return problem.status in {400, 410} and (
        problem.code.lower() in _BROKEN_TOKEN or "page token" in problem.reason.lower()
    )
