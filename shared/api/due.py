"""The timer's work: starts the saved exports that are due, each planned time once.

Each minute, and perhaps on several instances at once:
1. The planned time is the first of the schedule after the noted one (`Saved.after`). So when several times were missed
   because the app was down, they start one export.
2. The export is started with a key of its owner's, made of the name and the planned time. So a second instance, or a
   second attempt after a crash, starts no second export. No caller can send such an Idempotency-Key.
3. Only then it is noted that all times until now are over.
"""

import logging
from dataclasses import replace
from datetime import datetime

import msgspec

from shared.api import request, saved, start
from shared.api.access import Caller
from shared.api.operations import Operations
from shared.api.problems import BadRequest, TooManyRunning
from shared.api.saved import Run, Saved, stamp

MAX_PROBLEM = 500
"""Characters: it travels in a blob's metadata."""


async def start_due(on: Operations) -> int:
    """Starts what is due; returns how many exports that were."""
    started = 0
    for entry in await saved.stored(on.storage):
        try:
            if _due(entry.saved, on.now()):
                started += await _start(on, entry.blob)
        except Exception:
            # One that can't be started must not stop the others. It is tried again in a minute.
            logging.exception("Saved export %s of %s could not be started.", entry.saved.name, entry.owner_id)
    return started


def _due(saved_export: Saved, now: datetime) -> datetime | None:
    planned = saved_export.next_time()
    return planned if planned and planned <= now else None


async def _start(on: Operations, blob: str) -> bool:
    opened = await saved.open_blob(on.storage, blob)
    planned = opened and _due(opened.saved, on.now())
    if not opened or not planned:
        return False  # It was deleted, or started, since it was listed.
    before, now = opened.saved, on.now().isoformat()
    owner = Caller(before.owner["id"], before.owner["name"], administrator=False)
    try:
        checked = request.check(opened.request, on.settings, on.now(), authentication=before.reads_authentication)
        # Without a fingerprint: someone may save another request between two attempts.
        checked = replace(checked, saved=before.name, fingerprint="")
        run = Run(await start.start(on, checked, owner, f"{before.name}\n{stamp(planned)}"), stamp(planned))
        updated = msgspec.structs.replace(before, after=now, last_run=run, problem="")
    except TooManyRunning as problem:
        updated = msgspec.structs.replace(before, problem=problem.detail)
    except BadRequest as problem:
        # The settings have changed since it was saved: its owner must save it again.
        updated = msgspec.structs.replace(before, after=now, problem=problem.detail[:MAX_PROBLEM])
    if updated != before:
        await saved.note(on.storage, blob, updated, opened.etag)
    if updated.problem and updated.problem != before.problem:
        logging.error("Saved export %s of %s was not started: %s", updated.name, owner.id, updated.problem)
    return not updated.problem
