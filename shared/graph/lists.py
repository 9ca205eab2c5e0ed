"""Lists of other things than users: the registration report, roles, subscriptions."""

import functools
import hashlib
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from shared.errors import ChainBroken, ExportError, GraphError
from shared.graph import odd, pages
from shared.graph.client import Graph

Item = TypeVar("Item", bound=msgspec.Struct)

MOST_PAGES = 100_000
"""A list with more pages has no end."""


@lru_cache(maxsize=16)
def _kind(item: type[msgspec.Struct]) -> Any:
    fields: list[Any] = [
        ("value", list[item]),  # type: ignore[valid-type]
        ("next_link", str | None, None),
        ("error", msgspec.Raw, msgspec.Raw()),
    ]
    return msgspec.defstruct("Listed", fields, rename={"next_link": "@odata.nextLink"}, gc=False)


def decoded(kind: Any, content: bytes) -> Any:
    """An object of this kind, also an odd one. Raises msgspec.DecodeError when it is not one."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return odd.decode(content, kind)[0]


async def read(
    graph: Graph, path: str, item: type[Item], start: str = "", *, advanced: bool = False
) -> AsyncIterator[tuple[list[Item], str | None]]:
    """The pages of the list at this path, each with the link to the next one. `start`: the link to begin with.

    Raises ChainBroken when the pages read so far are void, GraphError when Graph refuses.
    """
    link: str | None = start or f"{graph.root}{path}"
    decode = functools.partial(decoded, _kind(item))
    seen: set[bytes] = set()
    while link:
        pages.check_link(graph, link)
        digest = hashlib.blake2b(link.encode(), digest_size=16).digest()
        if digest in seen:
            raise ChainBroken("RepeatedLink", "Graph sent the same nextLink twice, which would never end.")
        seen.add(digest)
        if len(seen) > MOST_PAGES:
            raise ExportError("EndlessPages", f"Graph sent {MOST_PAGES:,} pages of a list, and a link to one more.")
        try:
            page = await pages.get(graph, link, decode, advanced=advanced)
        except GraphError as problem:
            if (len(seen) > 1 or start) and pages.is_broken_token(problem):
                raise ChainBroken(problem.code, problem.reason, request_id=problem.request_id) from problem
            raise
        yield page.value, page.next_link
        link = page.next_link


async def everything(graph: Graph, path: str, item: type[Item], *, advanced: bool = False) -> list[Item]:
    """All items of a list with a few pages."""
    return [each async for page, _ in read(graph, path, item, advanced=advanced) for each in page]
