"""The list of exports, from one listing of the container; only of the running ones Durable is asked."""

from collections.abc import AsyncIterator
from typing import Any

from shared import blobs, results
from shared.access import Caller
from shared.blobs import Storage
from shared.operations import Operations
from shared.records import Json
from shared.running import is_running, progress_of, running_status


async def list_exports(
    operations: Operations, caller: Caller, status: str = "", top: int = 50, after: str = ""
) -> Json:
    """`{"value": [...], "continuationToken"?}`: the exports that the caller may see, newest first.

    One listing of the container brings along what the list shows; only of the running ones Durable is asked.
    `status`: only those. `after`: the token that came with the page before, the last id on it.
    """
    found: list[Json] = []
    last_seen = ""
    async for export_id, names in by_export(operations.storage):
        if export_id <= after or "request.json" not in names:
            continue
        entry = {"id": export_id, **_listed(names)}
        if not caller.administrator and entry["requestedBy"]["id"] != caller.id:
            continue
        if "status" not in entry:
            entry |= await _listed_running(operations, export_id, entry["createdDateTime"])
        if status and entry["status"] != status:
            continue
        if len(found) == top:
            return {"value": found, "continuationToken": last_seen}
        found.append(entry)
        last_seen = export_id
    return {"value": found}


async def by_export(storage: Storage) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Every export's id with its blobs' summaries by name."""
    current, names = "", dict[str, Any]()
    async for blob in blobs.listing(storage):
        export_id, _, name = blob.name.partition("/")
        if export_id in {"keys", "running", "work"}:
            break  # They sort behind every id.
        if export_id != current and current:
            yield current, names
            names = {}
        current = export_id
        names[name] = blobs.summary_of(blob)
    if current:
        yield current, names


def _listed(names: dict[str, Any]) -> Json:
    request, ended = names["request.json"] or {}, names.get("results.json") or {}
    shown = {"fileName": request.get("fileName", "")}
    return {"request": shown, **{key: request[key] for key in request if key != "fileName"}, **ended}


async def _listed_running(operations: Operations, export_id: str, created: str) -> Json:
    status = await operations.durable.get_status(export_id)
    if not is_running(status):
        return {"status": results.FAILED}
    progress = await progress_of(operations.storage, export_id, created, status, operations.now())
    return {"status": running_status(status), "progress": progress}
