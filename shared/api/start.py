"""Starting an export: a POST is taken once, however often and by how many at once it is sent.

With an Idempotency-Key, the first POST writes the export's id under the key (`keys`), and later POSTs use the same id.
When several of them write at the same moment, nothing is mixed: each writes a list of users and a callback of its own,
and the POST whose request.json comes first decides which of these count.

An id runs once. Durable refuses an id that runs. But it would start an ended one again, for a POST that looked before
the start and starts only after the end. So `plan` looks too, and stops.
"""

import logging
import secrets
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from shared.api import keys, limit
from shared.api.access import Caller
from shared.api.keys import Key
from shared.api.operations import Operations, new_id
from shared.api.problems import TooManyRunning
from shared.api.request import ExportRequest
from shared.compare.workflow import COMPARE
from shared.export.context import COMPARISON, Record, find_record
from shared.export.messages import Json
from shared.export.workflow import EXPORT
from shared.storage import blobs, erasing
from shared.storage.names import callback_name, deleted_name, key_name, place_name, record_name, users_name, work_name


async def start(operations: Operations, request: ExportRequest, caller: Caller, idempotency_key: str = "") -> str:
    """Starts an export and returns its id. The same caller's same key again gives the first one's id.

    Raises TooManyRunning, KeyReused.
    """
    if not idempotency_key:
        export_id = _new_id(operations, request)
        await limit.take_place(operations, caller.id, export_id)
    else:
        export_id, running = await _take(operations, request, caller, key_name(caller.id, idempotency_key))
        if running:
            return export_id
    await _write(operations, request, caller, export_id)
    if idempotency_key and await _was_deleted(operations, export_id):
        # It was deleted since this POST has looked: the request must not bring the export back.
        await blobs.delete(operations.storage, place_name(caller.id, export_id))
        await erasing.delete_all(operations.storage, work_name(export_id, ""))
        await blobs.delete(operations.storage, record_name(export_id))
        return export_id
    try:
        await operations.durable.start_new(COMPARE if request.old else EXPORT, export_id, {"id": export_id})
    except Exception:
        # Durable refuses an id that runs: another POST with the same key was first.
        if not idempotency_key or not await operations.durable.get_status(export_id):
            raise
    logging.info("Export %s was started by %s.", export_id, caller.id)
    return export_id


async def repeated(operations: Operations, caller: Caller, idempotency_key: str, fingerprint: str) -> str:
    """The id of the export that this key of the caller's has started; empty when it has started none yet.

    It counts even when the same request would now be refused, because what it names may be gone. Raises KeyReused.
    """
    key = await keys.find(operations.storage, key_name(caller.id, idempotency_key), fingerprint)
    return key.export_id if key and await _was_started(operations, key.export_id) else ""


def _new_id(operations: Operations, request: ExportRequest) -> str:
    return new_id(operations.now(), of_saved=bool(request.saved))


async def _take(operations: Operations, request: ExportRequest, caller: Caller, name: str) -> tuple[str, bool]:
    """The id of the key's export, and whether it was started before. If not, it now counts as running."""
    storage = operations.storage
    while True:
        key, first = await keys.take(storage, name, Key(_new_id(operations, request), request.fingerprint))
        # The first POST may have been interrupted between taking the key and starting: then this one starts it.
        if not first and await _was_started(operations, key.export_id):
            return key.export_id, True
        try:
            await limit.take_place(operations, caller.id, key.export_id)
        except TooManyRunning:
            if first:
                await keys.give_back(storage, name, key)
            raise
        if first or await keys.keep(storage, name, key):
            return key.export_id, False
        # The first POST was refused meanwhile, so this one takes the key itself.
        await blobs.delete(storage, place_name(caller.id, key.export_id))


async def _was_started(operations: Operations, export_id: str) -> bool:
    """Whether it was started, also when it was deleted since: a key never brings it back."""
    if await find_record(operations.storage, export_id):
        return bool(await operations.durable.get_status(export_id))
    return await _was_deleted(operations, export_id)


async def _was_deleted(operations: Operations, export_id: str) -> bool:
    return await blobs.exists(operations.storage, deleted_name(export_id))


async def _write(operations: Operations, request: ExportRequest, caller: Caller, export_id: str) -> None:
    """Writes what the export will need. The request comes last, because only with it the other blobs count."""
    record = record_of(request, caller, export_id, operations.now())
    if request.callback_url:
        await blobs.write(operations.storage, callback_name(record.id, record.attempt), request.callback_url.encode())
    if request.users:
        await blobs.write(operations.storage, users_name(record.id, record.attempt), msgspec.json.encode(request.users))
    summary: Json = {"fileName": record.file_name, "createdDateTime": record.created_date_time}
    summary |= {"format": record.format, "compress": record.compress}
    summary |= {"requestedBy": record.requested_by, "asked": request.summary()}
    summary |= {"saved": record.saved} if record.saved else {}
    summary |= {"type": record.type} if record.type == COMPARISON else {}
    await blobs.write_once(operations.storage, record_name(export_id), msgspec.json.encode(record), summary)


def record_of(request: ExportRequest, caller: Caller, export_id: str, now: datetime) -> Record:
    """The record of the request."""
    return Record(
        id=export_id,
        created_date_time=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
        requested_by={"id": caller.id, "name": caller.name},
        file_name=request.file_name,
        columns=list(request.columns),
        filter=request.filter,
        users=len(request.users),
        scope=request.scope,
        excel=request.excel,
        format=request.format,
        compress=request.compress,
        separator=request.separator,
        callback_host=urlsplit(request.callback_url).hostname or "",
        attempt=secrets.token_hex(6),
        notes=list(request.notes),
        body=dict(request.body),
        saved=request.saved,
        old=request.old,
        new=request.new,
    )
