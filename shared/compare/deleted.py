"""The activity `list_deleted`, and why a user is in the older export only.

The tenant lists deleted users for 30 days: a user in this list was deleted. For each of the others Graph is asked: a
user that exists is only not in the newer export, any other was deleted permanently. Where the app may not read the
list, or Graph does not answer, the reason is unknown: a comparison never fails because of it.
https://learn.microsoft.com/graph/api/directory-deleteditems-list
"""

import logging
import secrets
from collections.abc import Collection
from urllib.parse import quote

import msgspec

from shared.compare.context import read_plan
from shared.compare.messages import Deleted, DeletedTask
from shared.errors import ExportError
from shared.export.context import Edges, cancel_requested
from shared.export.messages import Json
from shared.files.comparison import DELETED, NOT_IN_EXPORT
from shared.graph import batches, lists
from shared.graph.client import Graph, Tally
from shared.ranges import keys
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import work_name

_PATH = "/directory/deletedItems/microsoft.graph.user?$select=id&$top=999"
MOST_ASKED = 100_000
"""Users of a comparison that Graph is asked for one by one: 5,000 requests."""


class _Object(msgspec.Struct):
    id: str = ""


async def list_deleted(edges: Edges, task: DeletedTask) -> Deleted:
    """Puts the deleted users' keys into a blob of the comparison's work."""
    if await read_plan(edges.storage, task.id) is None:
        return Deleted()
    tally, listed = edges.graph.tally, bytearray()
    try:
        async for page, _ in lists.read(edges.graph, _PATH, _Object):
            listed += b"".join(keys.key_of(each.id.lower()) for each in page)
    except ExportError as problem:
        # Without Graph's own text, which may name users: this result is kept in Durable's history.
        logging.warning("Comparison %s could not list the deleted users: %s", task.id, problem.code)
        request = f" (request-id {problem.request_id})" if problem.request_id else ""
        reason = (
            f"The deleted users could not be listed ({problem.code}{request}), so why users were removed is unknown."
            " The app needs User.Read.All."
        )
        return Deleted(warnings=[{"code": "RemovedUnknown", "reason": reason}], **_costs(tally))
    execution = secrets.token_hex(6)
    await blobs.write(edges.storage, _list_name(task.id, execution), bytes(listed))
    if await cancel_requested(edges.storage, task.id) or await read_plan(edges.storage, task.id) is None:
        await blobs.delete(edges.storage, _list_name(task.id, execution))
    return Deleted(execution, **_costs(tally))


async def read_list(storage: Storage, comparison_id: str, execution: str) -> frozenset[bytes] | None:
    """The keys of the deleted users; None when they could not be listed."""
    listed = await blobs.read(storage, _list_name(comparison_id, execution)) if execution else None
    return None if listed is None else frozenset(keys.split(listed))


async def reasons(
    graph: Graph, removed: Collection[bytes], deleted: frozenset[bytes], most_asked: int
) -> dict[bytes, str]:
    """Why users are in the older export only, by their key in `comparison`; without a key: unknown."""
    why = {key: DELETED for key in removed if keys.key_of(key.decode()) in deleted}
    unlisted = [key for key in removed if key not in why][:most_asked]
    urls = [f"/users/{quote(key.decode(), safe='')}?$select=id" for key in unlisted]
    try:
        answers = await batches.batch(graph, urls)
    except ExportError as problem:
        logging.warning("Users of a comparison could not be asked for: %s", problem.code)
        return why
    for key, answer in zip(unlisted, answers, strict=True):
        if answer.status in {200, 404}:
            why[key] = NOT_IN_EXPORT if answer.status == 200 else DELETED
    return why


def _costs(tally: Tally) -> Json:
    return {"requests": tally.requests, "retries": tally.retries}


def _list_name(comparison_id: str, execution: str) -> str:
    return work_name(comparison_id, f"deleted-{execution}")
