"""What an export has cost: requests to Graph, requests that were sent again, and requests that Graph has throttled.

An activity that raises returns nothing, although it has sent requests. So it notes them in a blob of the export's work,
and `publish` adds them to those that other activities have returned.
"""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import asdict
from typing import TypeVar

import msgspec

from shared.export.messages import PublishTask
from shared.graph.client import Tally
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import results_name, work_name

NOTE_SECONDS = 10.0
Answer = TypeVar("Answer", bound=msgspec.Struct)


def added(answer: Answer, tally: Tally) -> Answer:
    """An activity's answer with what it has cost."""
    cost = {name: count for name, count in asdict(tally).items() if name in answer.__struct_fields__}
    return msgspec.structs.replace(answer, **cost)


async def note(storage: Storage, export_id: str, tally: Tally) -> None:
    """Notes the cost of an execution that raises, unless the storage fails too, which may be why it raises."""
    if not tally.requests:
        return
    with suppress(Exception):
        async with asyncio.timeout(NOTE_SECONDS):
            # An execution that outlives the export (a zombie) writes nothing, because nobody would remove it.
            if not await blobs.exists(storage, results_name(export_id)):
                await blobs.write(storage, work_name(export_id, f"cost-{secrets.token_hex(6)}"), b"", asdict(tally))


async def with_noted(storage: Storage, task: PublishTask) -> PublishTask:
    """The task, with the costs that were noted added to its own."""
    notes = [blobs.summary_of(blob) async for blob in blobs.listing(storage, work_name(task.id, "cost-"))]
    if not notes:
        return task
    names = ("requests", "retries", "restarts", "throttled")
    return msgspec.structs.replace(
        task, **{name: (getattr(task, name) or 0) + sum(each[name] for each in notes) for name in names}
    )
