"""Removes the runs of a saved export for which its `keep` has no place, after the next one has ended."""

import logging

from shared.api import saved
from shared.api.operations import Operations
from shared.api.progress import is_running
from shared.api.removal import forget
from shared.api.runs import Name, by_saved
from shared.export.context import find_record
from shared.storage import blobs
from shared.storage.names import ENDED, ended_name, saved_name


async def remove_outrun(on: Operations) -> int:
    """After a run has ended: removes the ones that `keep` has no place for. Returns how many that were."""
    removed = 0
    async for marker in blobs.names(on.storage, ENDED):
        export_id = marker.removeprefix(ENDED)
        try:
            record = await find_record(on.storage, export_id)
            if record:
                removed += await _remove_outrun(on, (record.requested_by["id"], record.saved))
            await blobs.delete(on.storage, ended_name(export_id))
        except Exception:
            # One that can't be removed must not keep all others. It is tried again in a minute.
            logging.exception("The exports before %s could not be removed.", export_id)
    return removed


async def _remove_outrun(on: Operations, name: Name) -> int:
    found = [each for each in await saved.stored(on.storage, saved_name(*name)) if each.saved.name == name[1]]
    if not found or not found[0].saved.keep:
        return 0
    runs = (await by_saved(on)).get(name, [])
    whole = [export_id for export_id, is_whole in runs if is_whole][: found[0].saved.keep]
    if len(whole) < found[0].saved.keep:
        return 0
    removed = 0
    for export_id, _ in runs:
        # What failed or was cancelled goes with what is older than the last that stays.
        if export_id > whole[-1] and not is_running(await on.durable.get_status(export_id)):
            logging.info("Export %s of the saved export %s is removed: it keeps newer ones.", export_id, name[1])
            await forget(on, export_id, name[0])
            removed += 1
    return removed
