"""The operations that a person sees: show, cancel. (`start` starts them, `listing` lists, `removal` deletes.)

Where the state comes from: Durable says whether an export runs. Its results.json says how it has ended. Its
request.json is the request, and says whose it is. Nothing else is stored.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.api.access import Caller
from shared.api.durable import DurableClient
from shared.api.problems import ProblemError
from shared.api.progress import is_running, running_of, running_status
from shared.export.context import Record, find_record
from shared.export.messages import Json
from shared.export.outcome import Receiver, read_results, with_links
from shared.export.rounds import CANCEL
from shared.files import results
from shared.page.advice import advice_for
from shared.settings import Settings
from shared.storage import blobs, erasing
from shared.storage.connection import Storage
from shared.storage.names import RUN, cancelled_name, deleted_name, plan_name, work_name

RETRY_AFTER = 5
"""Seconds between two polls."""


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


def new_id(now: datetime, *, of_saved: bool = False) -> str:
    """A UUID that sorts newest first (`names.order`). `of_saved`: for a run of a saved export."""
    descending = (1 << 48) - 1 - int(now.timestamp() * 1000)
    # RFC 9562, version 8: 48 bits of our own, then version, variant and random bits.
    digits = f"{descending:012x}8{secrets.token_hex(2)[:3]}{secrets.choice('89ab')}{secrets.token_hex(8)[:15]}"
    digits = RUN + digits[1:] if of_saved else digits
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def find(operations: Operations, export_id: str, caller: Caller) -> Record:
    """The request of an export that this caller may see. Raises ProblemError: there is none, or it was deleted.

    An administrator sees all exports, anyone else their own. For another's export the answer is the same as for one
    that never existed.
    """
    record = await find_record(operations.storage, export_id) if export_id else None
    if record and (caller.administrator or record.requested_by["id"] == caller.id):
        return record
    owner = await blobs.read(operations.storage, deleted_name(export_id)) if export_id and not record else None
    if owner is not None and (caller.administrator or owner.decode() == caller.id):
        raise ProblemError(410, "Deleted", f"Export {export_id} was deleted.")
    raise ProblemError(404, "Not found", "There is no such export, or it is not yours.")


async def show(operations: Operations, export_id: str, caller: Caller) -> Json:
    """The state of an export: its progress while it runs, then its results with links. Raises ProblemError."""
    record = await find(operations, export_id, caller)
    status = await operations.durable.get_status(export_id)
    if is_running(status):
        return await _running(operations, record, status)
    end = await read_results(operations.storage, export_id) or _lost(record, status)
    receiver = Receiver(caller.id, caller.reads_authentication)
    body = await with_links(operations.storage, operations.settings, record, end, operations.now(), receiver)
    return body | {"advice": advice_for([*body["errors"], *body["warnings"]])}


async def _running(operations: Operations, record: Record, status: Any) -> Json:
    return {
        "id": record.id,
        "type": record.type,
        "status": running_status(status),
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        **await running_of(operations.storage, record.id, record.created_date_time, status, operations.now()),
    }


def _lost(record: Record, status: Any) -> Json:
    """The results of an orchestration that ended without any: they could not be written, or someone terminated it."""
    output = status.output if status else None
    error = output.get("failed") if isinstance(output, dict) else None
    if not error:
        how = str(status.runtime_status.value) if status else "unknown to Durable"
        reason = f"The orchestration ended ({how}) without results. The app's log says why. Start the export again."
        error = {"code": "NoResults", "reason": reason}
    return {
        "id": record.id,
        "type": record.type,
        "status": results.FAILED,
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        "errors": [error],
        "error": {"code": error["code"], "message": error["reason"]},
        "warnings": [],
        "file": None,
    }


async def cancel(operations: Operations, export_id: str, caller: Caller) -> Json:
    """Asks a running export to end. It stays InProgress, with `cancelRequested`, until it has written its results.

    For an ended export the answer is its results: Logic Apps' HTTP Webhook unsubscribes after success, too. Raises
    ProblemError.
    """
    record = await find(operations, export_id, caller)
    status = await operations.durable.get_status(export_id)
    if not is_running(status):
        return await show(operations, export_id, caller)
    # Activities stop when they see this blob and that the plan is gone. The orchestrator may be waiting for one.
    logging.info("Export %s is cancelled by %s.", export_id, caller.id)
    await blobs.write(operations.storage, cancelled_name(export_id), b"")
    try:
        await operations.durable.raise_event(export_id, CANCEL, True)
    except Exception:
        # It has just ended, and Durable takes no events then.
        now = await operations.durable.get_status(export_id)
        if is_running(now):
            raise
        await blobs.delete(operations.storage, cancelled_name(export_id))
        await erasing.delete_all(operations.storage, work_name(export_id, ""))
        return await show(operations, export_id, caller)
    await blobs.delete(operations.storage, plan_name(export_id))
    return await _running(operations, record, status)
