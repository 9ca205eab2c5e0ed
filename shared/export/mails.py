"""Selected users by mail address, where no user has the caller's text as its userPrincipalName.

A guest's userPrincipalName is `ann_contoso.com#EXT#@...`, but people know ann@contoso.com. Unlike a userPrincipalName,
a mail address may belong to several users. Then none of them is taken.
"""

import msgspec

from shared.errors import ExportError, GraphError
from shared.graph import batches, lists, odata
from shared.graph.batches import Answer
from shared.graph.client import Graph

SEVERAL = "More than one user has this mail address, so none was taken. Give the object id or the userPrincipalName."
IGNORED = "Graph sent a user with another mail address, so it may have ignored the filter, and none was taken."


class _Owner(msgspec.Struct):
    id: str
    mail: str | None = None


class _Owners(msgspec.Struct, rename={"next_link": "@odata.nextLink"}):
    value: list[_Owner]
    next_link: str | None = None


async def ids_of(graph: Graph, texts: dict[int, str]) -> tuple[dict[int, str], dict[int, ExportError]]:
    """The id of the user with each mail address, and errors. An address that nobody has is in neither."""
    urls = [
        f"/users?$filter={odata.encoded(f'mail eq {odata.quoted(each)}')}&$select=id,mail" for each in texts.values()
    ]
    ids: dict[int, str] = {}
    failed: dict[int, ExportError] = {}
    for (at, text), answer in zip(texts.items(), await batches.batch(graph, urls), strict=True):
        try:
            if owner := _only(await _owners(graph, answer), text):
                ids[at] = owner
        except ExportError as problem:
            failed[at] = problem
    return ids, failed


async def _owners(graph: Graph, answer: Answer) -> list[_Owner]:
    batches.raise_for(answer)
    try:
        page = msgspec.json.decode(answer.body, type=_Owners)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        reason = f"Graph's answer has an unknown form: {problem}"
        raise GraphError(answer.status, "UnreadableAnswer", reason) from problem
    if page.next_link:  # A page may be empty and not the last one.
        following = lists.read(graph, "", _Owner, page.next_link)
        page.value += [each async for more, _ in following for each in more]
    return page.value


def _only(owners: list[_Owner], text: str) -> str | None:
    if any((each.mail or "").lower() != text.lower() for each in owners):
        raise ExportError("FilterIgnored", IGNORED)
    ids = {each.id for each in owners}
    if len(ids) > 1:
        raise ExportError("SeveralUsers", SEVERAL)
    return next(iter(ids), None)
