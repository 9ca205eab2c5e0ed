"""The list of exports, from one listing of the container; only of the running ones Durable is asked."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from shared.api.access import Caller
from shared.api.operations import Operations
from shared.api.progress import ends_of, is_running, listed, running_status
from shared.export.context import EXPORT
from shared.export.messages import Json
from shared.files import results
from shared.files.formats import CSV
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import CANCELLED, ORDINARY, RUN, is_id, order

AT_ONCE = 64
"""Running exports that Durable is asked for side by side: one after the other, fifty would take seconds."""
_SHOWN = {"fileName": "", "format": CSV, "compress": False}
"""Of the request, and what it is where nothing is noted."""
LISTED_AT_ONCE = 250
"""Blobs, of which an export has three: the SDK takes half a second of CPU for 5,000, and most lists need few."""


async def list_exports(
    operations: Operations, caller: Caller, status: str = "", top: int = 50, after: str = ""
) -> Json:
    """`{"value": [...], "continuationToken"?}`: the exports that the caller may see, newest first.

    One listing of the container brings along what the list shows; only of the running ones Durable is asked.
    `status`: only those. `after`: the token that came with the page before, the last id on it.
    """
    shown: list[Json] = []
    async for entries in _visible(operations.storage, caller, after, min(AT_ONCE, top + 1)):
        for entry in await asyncio.gather(*(_with_status(operations, entry) for entry in entries)):
            if status and entry["status"] != status:
                continue
            if len(shown) == top:
                return {"value": shown, "continuationToken": shown[-1]["id"]}
            shown.append(entry)
    return {"value": shown}


async def _visible(storage: Storage, caller: Caller, after: str, at_once: int) -> AsyncIterator[list[Json]]:
    """What the listing tells of the exports that the caller may see, `at_once` at a time."""
    entries: list[Json] = []
    async for export_id, names in by_export(storage):
        if (after and order(export_id) <= order(after)) or "request.json" not in names:
            continue
        entry = {"id": export_id, "type": EXPORT, **_shown(names)}
        if not caller.administrator and entry["requestedBy"]["id"] != caller.id:
            continue
        entries.append(entry)
        if len(entries) == at_once:
            yield entries
            entries = []
    yield entries


async def by_export(storage: Storage) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Every export's id with its blobs' summaries by name, newest first."""
    sources = [exports(storage, ORDINARY), exports(storage, RUN)]
    heads = [(export, source) for source in sources if (export := await anext(source, None))]
    while heads:
        heads.sort(key=lambda head: order(head[0][0]), reverse=True)
        export, source = heads.pop()
        yield export
        if following := await anext(source, None):
            heads.append((following, source))


async def exports(storage: Storage, kind: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """As `by_export`; only ids that begin with `kind`."""
    current, names = "", dict[str, Any]()
    async for blob in blobs.listing(storage, kind, at_once=LISTED_AT_ONCE):
        export_id, _, name = blob.name.partition("/")
        if not is_id(export_id):
            continue  # A file that someone has put into the container, say.
        if export_id != current and current:
            yield current, names
            names = {}
        current = export_id
        names[name] = blobs.summary_of(blob)
    if current:
        yield current, names


def _shown(names: dict[str, Any]) -> Json:
    request, ended = names["request.json"] or {}, names.get("results.json") or {}
    # An older version has written no format: all of its exports are CSV.
    shown = _SHOWN | {key: request.pop(key) for key in (*_SHOWN, "saved") if key in request}
    shown |= request.pop("asked", {})
    mark = {"cancelRequested": True} if CANCELLED in names and not ended else {}
    return {"request": shown, **request, **mark, **ended}


async def _with_status(operations: Operations, entry: Json) -> Json:
    """The entry; of one without results as Durable knows it."""
    if "status" in entry:
        return entry
    export_id = entry["id"]
    status = await operations.durable.get_status(export_id)
    if is_running(status):
        running = await listed(operations.storage, export_id, entry["createdDateTime"], status, operations.now())
        return entry | {"status": running_status(status)} | running
    # Most likely it has ended since the container was listed.
    ends = await ends_of(operations.storage, export_id)
    entry.pop("cancelRequested", None)
    return entry | {"status": results.FAILED} | (ends[0] if ends else {})
