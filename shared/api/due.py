"""The timer's work: starts the saved exports that are due, each planned time once.

Each minute, and on however many instances at once:
1. The time that is due is the first of the schedule after what is noted (`Saved.after`): so several that were missed,
   because the app was down, start one.
2. The export is started with a key of its owner's, made of the name and that planned time: whoever comes second, or
   comes again because the first was killed, works for the same export. No caller's Idempotency-Key is like it.
3. Only then it is noted that everything until now is over.
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
            # One that can't be started must not keep all others. It is tried again in a minute.
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
        wanted = request.check(opened.request, on.settings, on.now(), authentication=before.reads_authentication)
        # Without a fingerprint: the request may be saved anew between two attempts.
        wanted = replace(wanted, saved=before.name, fingerprint="")
        run = Run(await start.start(on, wanted, owner, f"{before.name}\n{stamp(planned)}"), stamp(planned))
        noted = msgspec.structs.replace(before, after=now, last_run=run, problem="")
    except TooManyRunning as problem:
        noted = msgspec.structs.replace(before, problem=problem.detail)
    except BadRequest as problem:
        # The settings have changed since: only saving it anew helps.
        noted = msgspec.structs.replace(before, after=now, problem=problem.detail[:MAX_PROBLEM])
    if noted != before:
        await saved.note(on.storage, blob, noted, opened.etag)
    if noted.problem and noted.problem != before.problem:
        logging.error("Saved export %s of %s was not started: %s", noted.name, owner.id, noted.problem)
    return not noted.problem
