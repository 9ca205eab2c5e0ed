"""How far a running export is."""

from datetime import datetime, timedelta
from typing import Any

from shared.export.context import progress
from shared.export.messages import Json
from shared.files import results
from shared.storage.blobs import Storage

_RUNNING = frozenset({"Pending", "Running", "ContinuedAsNew", "Suspended"})


def is_running(status: Any) -> bool:
    """Of a DurableOrchestrationStatus, which is false when there is no such instance."""
    return bool(status) and status.runtime_status.value in _RUNNING


def running_status(status: Any) -> str:
    return results.NOT_STARTED if status.runtime_status.value == "Pending" else results.IN_PROGRESS


async def progress_of(storage: Storage, export_id: str, created: str, status: Any, now: datetime) -> Json:
    """How far the ranges are, as their activities have noted; users a second; and when the rest will be there."""
    planned = status.custom_status or {"expected": None, "ranges": 0}
    # While it waits or is planned there is nothing to find, and with many in a queue looking for it takes seconds.
    noted = await progress(storage, export_id) if planned["ranges"] else []
    exported = sum(note["rows"] for note in noted)
    found: Json = {"exported": exported, "expected": planned["expected"], "ranges": planned["ranges"]}
    found["rangesDone"] = sum(note["done"] for note in noted)
    seconds = (now - datetime.fromisoformat(created)).total_seconds()
    if exported and seconds > 0:
        found["usersPerSecond"] = round(exported / seconds, 1)
        if found["expected"] and found["expected"] > exported:
            end = now + timedelta(seconds=(found["expected"] - exported) * seconds / exported)
            found["estimatedEndDateTime"] = end.isoformat(timespec="seconds").replace("+00:00", "Z")
    return found
