"""The activity `clean`: removes what only a running export needs, and staged blocks that are in no file.

The list of selected users stays with the files, so that the same request can be sent again.

Staged rows can be committed and read for a week. So the last activity of an export discards all that its files do not
have. An execution that outlives its export (a zombie) does the same with what it has staged.
"""

import logging

from shared.export.context import Edges, Ended, Record, find_record, how_ended
from shared.export.messages import Cleaned, CleanTask
from shared.storage import blobs, erasing
from shared.storage.names import (
    cancelled_name,
    ended_name,
    kept_users_name,
    place_name,
    progress_name,
    results_name,
    users_name,
    work_name,
)


async def clean(edges: Edges, task: CleanTask) -> Cleaned:
    """Removes what a running export needed; with `unpublish` the files too."""
    record = await find_record(edges.storage, task.id)
    if task.unpublish:
        # The alerts read this line, which `publish` could not write.
        logging.error("Export %s ended: Failed (0 users, 1 errors, 0 requests, 0 retries)", task.id)
    if record:
        # First, because then executions that end later discard what they have staged: see `leave`.
        await blobs.delete(edges.storage, place_name(record.requested_by["id"], record.id))
        for name in _files(record):
            await (erasing.erase if task.unpublish else erasing.discard_uncommitted)(edges.storage, name)
        if record.users and (users := await blobs.read(edges.storage, users_name(record.id, record.attempt))):
            await blobs.write(edges.storage, kept_users_name(record.id), users)
        if record.saved:
            await blobs.write(edges.storage, ended_name(record.id), b"")
    # First what lets the notes of a cancelled export count: who sees that it is gone takes away its own.
    await blobs.delete(edges.storage, cancelled_name(task.id))
    await erasing.delete_all(edges.storage, work_name(task.id, ""))
    return Cleaned()


async def leave(edges: Edges, record: Record, written: list[str]) -> Ended:
    """Removes what this execution has written and staged; returns how the export has ended.

    While a person cancels, its notes still count: `clean` removes them later.
    """
    end = await how_ended(edges.storage, record.id, record.type)
    for name in written:
        if not end.cancelled or not name.startswith(progress_name(record.id)):
            await blobs.delete(edges.storage, name)
    # Until `clean` has run, `publish` may need the blocks.
    if not await blobs.exists(edges.storage, place_name(record.requested_by["id"], record.id)):
        for name in _files(record):
            await erasing.discard_uncommitted(edges.storage, name)
    return end


def _files(record: Record) -> tuple[str, str]:
    return record.file_blob_name(), results_name(record.id)
