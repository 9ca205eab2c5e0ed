"""Removing exports: one by a person, old ones by a timer."""

import logging
from datetime import datetime, timedelta

from shared.api import runs
from shared.api.access import Caller
from shared.api.listing import by_export
from shared.api.operations import Operations, find, new_id
from shared.api.problems import ProblemError
from shared.api.progress import is_running
from shared.export.context import find_record
from shared.storage import blobs, erasing
from shared.storage.names import KEYS, RUNNING, WORK, deleted_name, order, place_name, record_name, work_name


async def delete(operations: Operations, export_id: str, caller: Caller) -> None:
    """Removes an ended export's files and history, and remembers for a while that it existed. Raises ProblemError."""
    record = await find(operations, export_id, caller)
    if is_running(await operations.durable.get_status(export_id)):
        raise ProblemError(409, "Still running", f"Export {export_id} is still running. Cancel it first.")
    logging.info("Export %s is deleted by %s.", export_id, caller.id)
    await forget(operations, export_id, record.requested_by["id"])


async def forget(operations: Operations, export_id: str, owner_id: str) -> None:
    """Removes an ended export, and remembers for EXPORT_RETENTION_DAYS that it existed."""
    summary = {"deletedDateTime": operations.now().isoformat()}
    await blobs.write(operations.storage, deleted_name(export_id), owner_id.encode(), summary)
    await _remove(operations, export_id, keep=("deleted",))


async def _remove(operations: Operations, export_id: str, keep: tuple[str, ...] = ()) -> None:
    """An export's history and blobs."""
    await operations.durable.purge_instance_history(export_id)
    if record := await find_record(operations.storage, export_id):
        # `clean` has removed it, unless the orchestration never came so far.
        await blobs.delete(operations.storage, place_name(record.requested_by["id"], export_id))
    await erasing.delete_all(operations.storage, work_name(export_id, ""))
    # The request goes last: as long as it exists, an interrupted removal can be repeated.
    listed = blobs.listing(operations.storage, f"{export_id}/", uncommitted=True)
    names = {blob.name.partition("/")[2] async for blob in listed} - {*keep, "request.json"}
    for name in names:
        await erasing.erase(operations.storage, f"{export_id}/{name}")
    await blobs.delete(operations.storage, record_name(export_id))


async def remove_old(operations: Operations) -> int:
    """Removes exports that are older than EXPORT_RETENTION_DAYS and do not run; returns how many.

    Runs that a saved export still needs stay. Deletions are remembered for the same number of days.
    """
    oldest = operations.now() - timedelta(days=operations.settings.retention_days)
    newest_old_id = new_id(oldest)
    needed = await runs.needed(operations)
    ids, remembered = list[str](), set[str]()
    async for export_id, names in by_export(operations.storage):
        ids.append(export_id)
        deleted = (names.get("deleted") or {}).get("deletedDateTime")
        if deleted and datetime.fromisoformat(deleted) > oldest:
            remembered.add(export_id)
    # Also blobs of a POST that was interrupted, or of an activity that outlived its export.
    ids += [name.split("/")[1] async for name in blobs.names(operations.storage, "work/")]
    removed = 0
    for export_id in dict.fromkeys(ids):
        if order(export_id) < order(newest_old_id) or export_id in needed or export_id in remembered:
            continue
        status = await operations.durable.get_status(export_id)
        if is_running(status):
            continue
        try:
            await _remove(operations, export_id)
            removed += 1
        except Exception:
            # One that can't be removed must not stop the others.
            logging.exception("Export %s is older than the retention and could not be removed.", export_id)
    for prefix in (KEYS, RUNNING):
        async for blob in blobs.listing(operations.storage, prefix):
            # An export may run longer than the retention. Its place says that it still needs its staged blocks.
            running = prefix == RUNNING and is_running(await operations.durable.get_status(blob.name.split("/")[-1]))
            if blob.creation_time < oldest and not running:
                await blobs.delete(operations.storage, blob.name)
    await _discard_left_over(operations)
    return removed


async def _discard_left_over(operations: Operations) -> None:
    """Discards blocks that were staged for exports that have ended, however new: killed activities leave some."""
    committed = {name async for name in blobs.names(operations.storage, "")}
    async for blob in blobs.listing(operations.storage, uncommitted=True):
        running = blob.name in committed or is_running(
            await operations.durable.get_status(blob.name.removeprefix(WORK).split("/")[0])
        )
        if not running:
            await erasing.discard_uncommitted(operations.storage, blob.name)
