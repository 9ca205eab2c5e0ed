"""The operations that a person sees: start, show, list, cancel, delete.

Where the truth is: an export runs as long as Durable says so; when it has ended, its results.json says how. Its
request.json says who asked for what. There is no other store.
"""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from shared import blobs, results
from shared.access import Caller
from shared.blobs import Storage
from shared.records import (
    Json,
    Record,
    cancelled_name,
    csv_name,
    find_record,
    progress,
    record_name,
    results_name,
    work_name,
)
from shared.request import ExportRequest
from shared.settings import Settings
from shared.workflow import CANCEL, EXPORT

ERRORS_SHOWN = 100
RETRY_AFTER = 5
"""Seconds between two polls."""
PURGE_ROUNDS = 40
PURGE_PAUSE = 0.25
"""Seconds until a terminated lane is looked at again."""
_RUNNING = frozenset({"Pending", "Running", "ContinuedAsNew", "Suspended"})


class DurableClient(Protocol):
    """What is called of DurableOrchestrationClient."""

    async def start_new(self, orchestration_function_name: str, instance_id: str, client_input: Any) -> str: ...

    async def get_status(self, instance_id: str) -> Any: ...

    async def get_status_by(self, *, instance_id_prefix: str) -> list[Any]: ...

    async def raise_event(self, instance_id: str, event_name: str, event_data: Any) -> None: ...

    async def terminate(self, instance_id: str, reason: str) -> Any: ...

    async def purge_instance_history(self, instance_id: str) -> Any: ...


def utc_now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Operations:
    """What the operations work with; `now` gives the time in UTC."""

    storage: Storage
    durable: DurableClient
    settings: Settings
    now: Callable[[], datetime] = utc_now


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer: the HTTP status and the body."""

    status: int
    body: Json


def new_id(now: datetime) -> str:
    """A UUID that sorts newest first, so that a plain listing of the container is the list of operations."""
    left = (1 << 48) - 1 - int(now.timestamp() * 1000)
    # RFC 9562, version 8: 48 bits of ours, then version and variant, then chance.
    digits = f"{left:012x}8{secrets.token_hex(2)[:3]}{secrets.choice('89ab')}{secrets.token_hex(8)[:15]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def start(operations: Operations, request: ExportRequest, caller: Caller, idempotency_key: str = "") -> str:
    """Starts an export and returns its id. The same caller's same key again gives the first one's id."""
    now = operations.now()
    export_id = new_id(now)
    if idempotency_key:
        digest = hashlib.sha256(f"{caller.id}\n{idempotency_key}".encode()).hexdigest()
        if not await blobs.write_once(operations.storage, f"keys/{digest}", export_id.encode()):
            export_id = (await blobs.read(operations.storage, f"keys/{digest}") or export_id.encode()).decode()
            # The first POST may have ended between taking the key and starting: then this one starts it.
            if await _was_started(operations, export_id):
                return export_id
    record = Record(
        id=export_id,
        created_date_time=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        requested_by={"id": caller.id, "name": caller.name},
        file_name=request.file_name,
        columns=list(request.columns),
        filter=request.filter,
        users=len(request.users),
        excel=request.excel,
        callback_host=urlsplit(request.callback_url).hostname or "",
    )
    if request.callback_url:
        await blobs.write(operations.storage, work_name(export_id, "callback"), request.callback_url.encode())
    if request.users:
        await blobs.write(operations.storage, work_name(export_id, "users.json"), msgspec.json.encode(request.users))
    summary: Json = {"fileName": record.file_name, "createdDateTime": record.created_date_time}
    summary |= {"requestedBy": record.requested_by}
    await blobs.write(operations.storage, record_name(export_id), msgspec.json.encode(record), summary)
    try:
        await operations.durable.start_new(EXPORT, export_id, {"id": export_id})
    except Exception:
        # Durable refuses what runs already: a POST with the same key at the same moment was first.
        if not idempotency_key or not await operations.durable.get_status(export_id):
            raise
    logging.info("Export %s was started by %s.", export_id, caller.id)
    return export_id


async def _was_started(operations: Operations, export_id: str) -> bool:
    """Also one that was deleted since: a key never brings it back."""
    if await find_record(operations.storage, export_id):
        return bool(await operations.durable.get_status(export_id))
    return await blobs.read(operations.storage, f"{export_id}/deleted") is not None


async def _find(operations: Operations, export_id: str, caller: Caller) -> Record | Shown:
    """The request of an export that this caller may see; or the answer that there is none, or none any more.

    An administrator sees all exports, anyone else their own: another's is not found, like one that never was.
    """
    record = await find_record(operations.storage, export_id) if export_id else None
    if record and (caller.administrator or record.requested_by["id"] == caller.id):
        return record
    owner = await blobs.read(operations.storage, f"{export_id}/deleted") if export_id and not record else None
    if owner is not None and (caller.administrator or owner.decode() == caller.id):
        return Shown(410, {"title": "Deleted", "detail": f"Export {export_id} was deleted."})
    return Shown(404, {"title": "Not found", "detail": "There is no such export, or it is not yours."})


async def show(operations: Operations, export_id: str, caller: Caller) -> Shown:
    """The state of an export: 202 while it runs, then 200 or (failed) 500 with the results; 404 or 410."""
    record = await _find(operations, export_id, caller)
    if isinstance(record, Shown):
        return record
    status = await operations.durable.get_status(export_id)
    if status and status.runtime_status.value in _RUNNING:
        return Shown(202, await _running(operations, record, status))
    found = await read_results(operations.storage, export_id, ERRORS_SHOWN)
    if found is None:
        found = _lost(record, str(status.runtime_status.value) if status else "unknown to Durable")
    body = await ended(operations.storage, operations.settings, record, found, operations.now())
    return Shown(500 if found["status"] == results.FAILED else 200, body)


async def list_exports(
    operations: Operations, caller: Caller, status: str = "", top: int = 50, after: str = ""
) -> Json:
    """`{"value": [...], "continuationToken"?}`: the exports that the caller may see, newest first.

    One listing of the container brings along what the list shows; only of the running ones Durable is asked.
    `status`: only those. `after`: the token that came with the page before, the last id on it.
    """
    found: list[Json] = []
    last_seen = ""
    async for export_id, names in _by_export(operations.storage):
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


async def _by_export(storage: Storage) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Every export's id with its blobs' summaries by name."""
    current, names = "", dict[str, Any]()
    async for blob in blobs.listing(storage):
        export_id, _, name = blob.name.partition("/")
        if export_id in {"keys", "work"}:
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
    if status and status.runtime_status.value in _RUNNING:
        return {"status": _running_status(status), "progress": await _progress(operations, export_id, created, status)}
    return {"status": results.FAILED}


async def read_results(storage: Storage, export_id: str, errors: int) -> Json | None:
    """The results of an ended export with at most so many of its errors; None when there are none."""
    start_of_file = await blobs.read(storage, results_name(export_id), most=results.HEAD_BYTES)
    return results.first_errors(start_of_file, errors) if start_of_file else None


async def _running(operations: Operations, record: Record, status: Any) -> Json:
    return {
        "id": record.id,
        "status": _running_status(status),
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        "progress": await _progress(operations, record.id, record.created_date_time, status),
    }


def _running_status(status: Any) -> str:
    return results.NOT_STARTED if status.runtime_status.value == "Pending" else results.IN_PROGRESS


async def _progress(operations: Operations, export_id: str, created: str, status: Any) -> Json:
    """How far the ranges are, as their activities have noted; users a second; and when the rest will be there."""
    noted = await progress(operations.storage, export_id)
    exported = sum(note["rows"] for note in noted)
    planned = status.custom_status or {"expected": None, "ranges": 0}
    found: Json = {"exported": exported, "expected": planned["expected"], "ranges": planned["ranges"]}
    found["rangesDone"] = sum(note["done"] for note in noted)
    now = operations.now()
    seconds = (now - datetime.fromisoformat(created)).total_seconds()
    if exported and seconds > 0:
        found["usersPerSecond"] = round(exported / seconds, 1)
        if found["expected"] and found["expected"] > exported:
            end = now + timedelta(seconds=(found["expected"] - exported) * seconds / exported)
            found["estimatedEndDateTime"] = end.isoformat(timespec="seconds").replace("+00:00", "Z")
    return found


def _lost(record: Record, runtime_status: str) -> Json:
    """An orchestration that ended without writing results: storage refused even that, or someone terminated it."""
    reason = f"The orchestration ended ({runtime_status}) without results; the app's log says why. Start it again."
    return {
        "id": record.id,
        "status": results.FAILED,
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        "errors": [{"code": "NoResults", "reason": reason}],
        "warnings": [],
        "file": None,
    }


async def ended(storage: Storage, settings: Settings, record: Record, found: Json, now: datetime) -> Json:
    """The results with links to the files, made for this answer and stored nowhere."""
    expires = now + timedelta(minutes=settings.sas_minutes)
    links: Json = {"expiresOn": expires.isoformat(timespec="seconds").replace("+00:00", "Z")}
    if found.get("completedDateTime"):
        name = f"{record.file_name}.results.json"
        links["results"] = await blobs.link(storage, results_name(record.id), name, now, expires)
    if found.get("file"):
        links["csv"] = await blobs.link(storage, csv_name(record), found["file"]["name"], now, expires)
    return {**found, "download": links}


async def cancel(operations: Operations, export_id: str, caller: Caller) -> Shown:
    """Asks a running export to end: 202; it writes its results as Cancelled within seconds. An ended one: 409."""
    record = await _find(operations, export_id, caller)
    if isinstance(record, Shown):
        return record
    status = await operations.durable.get_status(export_id)
    if not status or status.runtime_status.value not in _RUNNING:
        return _ended_already(export_id)
    # What is being planned or read stops when it sees these; the orchestrator may wait for just that.
    logging.info("Export %s is cancelled by %s.", export_id, caller.id)
    await blobs.write(operations.storage, cancelled_name(export_id), b"")
    try:
        await operations.durable.raise_event(export_id, CANCEL, True)
    except Exception:
        # It ended at this moment; Durable takes no events then.
        now = await operations.durable.get_status(export_id)
        if now and now.runtime_status.value in _RUNNING:
            raise
        await blobs.delete_all(operations.storage, work_name(export_id, ""))
        return _ended_already(export_id)
    await blobs.delete(operations.storage, work_name(export_id, "plan.json"))
    return Shown(202, await _running(operations, record, status))


def _ended_already(export_id: str) -> Shown:
    return Shown(409, {"title": "Ended already", "detail": f"Export {export_id} has ended; it can't be cancelled."})


async def delete(operations: Operations, export_id: str, caller: Caller) -> Shown:
    """Removes an ended export's files and history, and remembers for a while that it was there: 204."""
    record = await _find(operations, export_id, caller)
    if isinstance(record, Shown):
        return record
    status = await operations.durable.get_status(export_id)
    if status and status.runtime_status.value in _RUNNING:
        detail = f"Export {export_id} is running; cancel it first."
        return Shown(409, {"title": "Still running", "detail": detail})
    if not await _purge_lanes(operations, export_id):
        detail = f"Parts of export {export_id} have not come to their end yet; try again in a minute."
        return Shown(409, {"title": "Still running", "detail": detail})
    logging.info("Export %s is deleted by %s.", export_id, caller.id)
    await blobs.write(operations.storage, f"{export_id}/deleted", record.requested_by["id"].encode())
    await _remove(operations, export_id, keep=("deleted",))
    return Shown(204, {})


async def _remove(operations: Operations, export_id: str, keep: tuple[str, ...] = ()) -> None:
    """An export's blobs and history."""
    await blobs.delete_all(operations.storage, work_name(export_id, ""))
    # The request goes last: while it is there, an interrupted removal can be begun again.
    names = [blob.name.partition("/")[2] async for blob in blobs.listing(operations.storage, f"{export_id}/")]
    for name in sorted(set(names) - set(keep), key="request.json".__eq__):
        await blobs.delete(operations.storage, f"{export_id}/{name}")
    await operations.durable.purge_instance_history(export_id)


async def _purge_lanes(operations: Operations, export_id: str) -> bool:
    """Removes the lanes' history; False when one does not end.

    A lane outlives a cancelled or failed export until its activity sees that nobody wants it, and Durable purges
    nothing that runs.
    """
    for _ in range(PURGE_ROUNDS):
        lanes = await operations.durable.get_status_by(instance_id_prefix=f"{export_id}:")
        if not lanes:
            return True
        for lane in lanes:
            if lane.runtime_status.value in _RUNNING:
                await operations.durable.terminate(lane.instance_id, "The export is being removed.")
            else:
                await operations.durable.purge_instance_history(lane.instance_id)
        if any(lane.runtime_status.value in _RUNNING for lane in lanes):
            await asyncio.sleep(PURGE_PAUSE)
    return False


async def remove_old(operations: Operations) -> int:
    """Removes what is older than EXPORT_RETENTION_DAYS and does not run; returns how many exports that were."""
    oldest = operations.now() - timedelta(days=operations.settings.retention_days)
    newest_old_id = new_id(oldest)
    ids = [export_id async for export_id, _ in _by_export(operations.storage)]
    # Also what was left by a POST that died on the way, or by an activity that outlived its export.
    ids += [blob.name.split("/")[1] async for blob in blobs.listing(operations.storage, "work/")]
    removed = 0
    for export_id in dict.fromkeys(ids):
        if export_id < newest_old_id:
            continue
        status = await operations.durable.get_status(export_id)
        if status and status.runtime_status.value in _RUNNING:
            continue
        try:
            if await _purge_lanes(operations, export_id):
                await _remove(operations, export_id)
                removed += 1
        except Exception:
            # One that can't be removed must not keep all others.
            logging.exception("Export %s is older than the retention and could not be removed.", export_id)
    async for blob in blobs.listing(operations.storage, "keys/"):
        if blob.creation_time < oldest:
            await blobs.delete(operations.storage, blob.name)
    return removed
