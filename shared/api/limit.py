"""How many exports one caller may have running: EXPORT_MAX_RUNNING.

Each running export of a caller has an empty blob, its place: `running/{hash of the caller}/{id}`. A POST first takes
its place and then counts all of them, so two POSTs at the same moment see each other. For the last free place both may
be refused, but never both be accepted. The place is removed when the export ends. A place may have lost its export (a
POST was interrupted, or an orchestration was terminated): this is checked before a POST is refused.

Durable is not asked, because its query by status reads every instance that ever existed, and the SDK returns only the
first page of the answer.
"""

from datetime import timedelta

from shared.api.operations import Operations
from shared.api.problems import TooManyRunning
from shared.api.progress import is_running
from shared.storage import blobs
from shared.storage.names import place_name

STARTING = timedelta(minutes=10)
"""So long, a place without an orchestration belongs to a POST that is still starting. Clocks may differ by minutes."""


async def take_place(operations: Operations, caller_id: str, export_id: str) -> None:
    """Counts this export as running. Raises TooManyRunning when the caller has too many.

    If the place exists already, the same POST was sent before, and is not refused.
    """
    storage, limit = operations.storage, operations.settings.max_running
    if not await blobs.write_once(storage, place_name(caller_id, export_id), b""):
        return
    if await _taken(operations, caller_id) > limit:
        await blobs.delete(storage, place_name(caller_id, export_id))
        raise TooManyRunning(limit)


async def _taken(operations: Operations, caller_id: str) -> int:
    taken = len([name async for name in blobs.names(operations.storage, place_name(caller_id))])
    if taken <= operations.settings.max_running:
        return taken
    taken = 0
    async for place in blobs.listing(operations.storage, place_name(caller_id)):
        status = await operations.durable.get_status(place.name.rpartition("/")[2])
        starting = not status and operations.now() - place.creation_time < STARTING
        if starting or is_running(status):
            taken += 1
        else:
            await blobs.delete(operations.storage, place.name)
    return taken
