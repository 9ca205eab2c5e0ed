"""After a run of a saved export has ended: compares it with the run before, and removes runs that are too old to keep.

`clean` writes a mark for each run that has ended. Each minute, and perhaps on several instances at once:
1. If the saved export has `compare`, the comparison with the last completed run before it is started. Its key is made
   of the run's id, so a second instance, or a second attempt after a crash, starts no second comparison.
2. While the comparison runs, the mark stays, and so does the run before.
3. Then the older runs are removed, and after them the mark.
"""

import logging
from dataclasses import replace

from shared.api import comparing, saved, start
from shared.api.access import Caller
from shared.api.operations import Operations
from shared.api.problems import BadRequest, TooManyRunning
from shared.api.progress import is_running
from shared.api.removal import forget
from shared.api.runs import Name, Run, by_saved, needed_of
from shared.api.saved import Saved
from shared.export.context import find_record
from shared.storage import blobs
from shared.storage.names import ENDED, ended_name, saved_name


async def follow_up(on: Operations) -> int:
    """Starts comparisons and removes runs. Returns how many were removed."""
    removed = 0
    async for marker in blobs.names(on.storage, ENDED):
        export_id = marker.removeprefix(ENDED)
        try:
            record = await find_record(on.storage, export_id)
            if record:
                done, count = await _follow_up(on, (record.requested_by["id"], record.saved), export_id)
                removed += count
                if not done:
                    continue
            await blobs.delete(on.storage, ended_name(export_id))
        except Exception:
            # One that can't be removed must not stop the others. It is tried again in a minute.
            logging.exception("The exports before %s could not be compared or removed.", export_id)
    return removed


async def _follow_up(on: Operations, name: Name, export_id: str) -> tuple[bool, int]:
    """Whether everything is done for this run, and how many runs were removed."""
    entries = await saved.stored(on.storage, saved_name(*name))
    saved_export = next((each.saved for each in entries if each.saved.name == name[1]), None)
    if not saved_export or not (saved_export.keep or saved_export.compare):
        return True, 0
    runs = (await by_saved(on)).get(name, [])
    if saved_export.compare and await _is_compared_now(on, saved_export, runs, export_id):
        return False, 0
    others = {name.removeprefix(ENDED) async for name in blobs.names(on.storage, ENDED)} - {export_id}
    return True, await _remove_outrun(on, saved_export, runs, others)


async def _is_compared_now(on: Operations, saved_export: Saved, runs: list[Run], export_id: str) -> bool:
    """Starts the comparison of this run with the run before, if there is one; returns whether it has yet to end."""
    whole = [run.id for run in runs if run.is_whole]
    if export_id not in whole or export_id == whole[-1]:
        return False
    old = whole[whole.index(export_id) + 1]
    for each in (old, export_id):
        if is_running(await on.durable.get_status(each)):
            return True  # It has results, and will end soon.
    owner = Caller(
        saved_export.owner["id"],
        saved_export.owner["name"],
        administrator=False,
        reads_authentication=saved_export.reads_authentication,
    )
    body = {"old": old, "new": export_id, "fileName": f"{saved_export.name}_changes"}
    # No caller's Idempotency-Key has a line break. Without a fingerprint: if the run before is deleted between two
    # attempts, there is no comparison with an older one.
    key = f"compare\n{export_id}"
    try:
        comparison = await start.repeated(on, owner, key, "")
        if not comparison:
            request = replace(await comparing.read(on, body, owner), fingerprint="")
            comparison = await start.start(on, request, owner, key)
    except TooManyRunning:
        return True
    except BadRequest as problem:
        logging.exception("Export %s was not compared: %s", export_id, problem.detail)
        return False
    return is_running(await on.durable.get_status(comparison))


async def _remove_outrun(on: Operations, saved_export: Saved, runs: list[Run], others: set[str]) -> int:
    """`others`: the runs that still have a mark, and so may need the run before them."""
    stay = needed_of(saved_export, runs, others)
    if not saved_export.keep or len(stay) < saved_export.keep:
        return 0
    removed = 0
    for run in runs:
        # Failed and cancelled runs are removed when they are older than the last run that stays.
        if run.id > stay[-1].id and not is_running(await on.durable.get_status(run.id)):
            logging.info("Export %s of the saved export %s is removed: it keeps newer ones.", run.id, saved_export.name)
            await forget(on, run.id, saved_export.owner["id"])
            removed += 1
    return removed
