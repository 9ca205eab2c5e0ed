"""After a run of a saved export has ended: compares it with the one before, and removes those that `keep` has no place
for.

`clean` leaves a mark of each run that has ended. Each minute, and on however many instances at once:
1. Where the saved export wants it (`compare`), the comparison with the last completed run before is started, with a key
   made of the run's id: whoever comes second, or comes again because the first was killed, gets the same one.
2. As long as it runs the mark stays, and so does the run that it compares with.
3. The older runs are removed, then the mark.
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
    """Compares and removes what is to be. Returns how many runs were removed."""
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
            # One that can't be removed must not keep all others. It is tried again in a minute.
            logging.exception("The exports before %s could not be compared or removed.", export_id)
    return removed


async def _follow_up(on: Operations, name: Name, export_id: str) -> tuple[bool, int]:
    """Whether all was done after this run has ended, and how many runs were removed."""
    entries = await saved.stored(on.storage, saved_name(*name))
    saved_export = next((each.saved for each in entries if each.saved.name == name[1]), None)
    if not saved_export or not (saved_export.keep or saved_export.compare):
        return True, 0
    runs = (await by_saved(on)).get(name, [])
    if saved_export.compare and await _is_compared_now(on, saved_export, runs, export_id):
        return False, 0
    others = {name.removeprefix(ENDED) async for name in blobs.names(on.storage, ENDED)} - {export_id}
    return True, await _remove_outrun(on, saved_export, runs, others)


async def _is_compared_now(on: Operations, wanted: Saved, runs: list[Run], export_id: str) -> bool:
    """Starts the comparison of this run with the one before, if there is one; whether it is still to end."""
    whole = [run.id for run in runs if run.is_whole]
    if export_id not in whole or export_id == whole[-1]:
        return False
    old = whole[whole.index(export_id) + 1]
    for each in (old, export_id):
        if is_running(await on.durable.get_status(each)):
            return True  # It has its results, and is about to end.
    owner = Caller(
        wanted.owner["id"], wanted.owner["name"], administrator=False, reads_authentication=wanted.reads_authentication
    )
    body = {"old": old, "new": export_id, "fileName": f"{wanted.name}_changes"}
    # No caller's Idempotency-Key has a line break. Without a fingerprint: the run before may be deleted between two
    # attempts, and then the next one before it is not compared instead.
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


async def _remove_outrun(on: Operations, wanted: Saved, runs: list[Run], others: set[str]) -> int:
    """`others`: the runs whose marks are still there: they may need the one before."""
    stay = needed_of(wanted, runs, others)
    if not wanted.keep or len(stay) < wanted.keep:
        return 0
    removed = 0
    for run in runs:
        # What failed or was cancelled goes with what is older than the last that stays.
        if run.id > stay[-1].id and not is_running(await on.durable.get_status(run.id)):
            logging.info("Export %s of the saved export %s is removed: it keeps newer ones.", run.id, wanted.name)
            await forget(on, run.id, wanted.owner["id"])
            removed += 1
    return removed
