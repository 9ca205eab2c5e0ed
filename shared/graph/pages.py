"""Chains: the pages of a query to Microsoft Graph, one after the other.

Rules of Graph that are kept here (learn.microsoft.com/graph: paging, aad-advanced-queries):
- the next page is the whole @odata.nextLink; it is followed only to the configured root, because the token goes along
- a page may be empty and still have a nextLink: the link ends a chain, never the length
- headers are not remembered between pages: each page sends them again
- a page token can die at any time: the chain is void then (ChainBroken) and is begun again by the caller
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from shared.errors import ChainBroken, GraphError
from shared.graph.client import Graph, Tally, native, once, retrying
from shared.graph.odata import encoded
from shared.graph.users import User

if TYPE_CHECKING:
    from kiota_abstractions.base_request_configuration import RequestConfiguration

PAGE = 999
SIGN_IN_PAGE = 500
"""Most users on a page when signInActivity is selected or filtered on."""
ADVANCED_SIGN_IN_PAGE = 100
"""... when it is selected in an advanced query: with more than 120, the property came back empty for some users."""
MAX_URL = 2_000
"""Characters of an advanced query's URL; Graph takes 2,048."""
_BROKEN_TOKEN = frozenset({"directory_expiredpagetoken", "directorypagetokennotfoundexception"})


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


_PAGE_DECODER = msgspec.json.Decoder(Page)


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
        del page  # Kept until the next one is there, it would cost each range that is read at the same time 2 MB.


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


async def _get(graph: Graph, url: str, query: Query, tally: Tally) -> Page:
    configuration = _configuration(query.advanced)
    users = graph.client.users.with_url(url)

    async def ask() -> Page:
        return await once(graph, users.get(configuration), tally, _PAGE_DECODER)

    return await retrying(graph, tally, ask)


def _configuration(advanced: bool) -> "RequestConfiguration[Any]":
    from kiota_abstractions.base_request_configuration import RequestConfiguration

    configuration = RequestConfiguration[Any](options=[native()])
    configuration.headers.add("x-ms-throttle-priority", "Low")
    if advanced:
        configuration.headers.add("ConsistencyLevel", "eventual")
    return configuration


def _is_broken_token(problem: GraphError) -> bool:
    return problem.status in {400, 410} and (
        problem.code.lower() in _BROKEN_TOKEN or "page token" in problem.reason.lower()
    )
