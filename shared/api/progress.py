"""How far a running export is, and whether a person has cancelled it."""

from datetime import datetime, timedelta
from typing import Any

from shared.export.context import progress
from shared.export.messages import Json
from shared.files import results
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import cancelled_name, results_name

_RUNNING = frozenset({"Pending", "Running", "ContinuedAsNew", "Suspended"})


def is_running(status: Any) -> bool:
    """Of a DurableOrchestrationStatus, which is false when there is no such instance."""
    return bool(status) and status.runtime_status.value in _RUNNING


def running_status(status: Any) -> str:
    return results.NOT_STARTED if status.runtime_status.value == "Pending" else results.IN_PROGRESS


async def running_of(storage: Storage, export_id: str, created: str, status: Any, now: datetime) -> Json:
    """`{"progress"}` of a running export, and `{"cancelRequested": True}` when a person has cancelled it."""
    planned = _planned(status)
    notes = await progress(storage, export_id) if planned["ranges"] else []
    # After the notes: `clean` removes them shortly before the orchestration ends, and the results are there by then.
    there = {blob.name: blob async for blob in blobs.listing(storage, f"{export_id}/")}
    results_blob = there.get(results_name(export_id))
    ends = [blobs.summary_of(results_blob)] if results_blob else []
    cancelled = cancelled_name(export_id) in there or any(end["status"] == results.CANCELLED for end in ends)
    shown = {"progress": _progress(planned, notes, ends, created, now)}
    return shown | ({"cancelRequested": True} if cancelled else {})


async def listed(storage: Storage, export_id: str, created: str, status: Any, now: datetime) -> Json:
    """`{"progress"}` for a list, with as few requests as possible: fifty may be running."""
    planned = _planned(status)
    notes = await progress(storage, export_id) if planned["ranges"] else []
    ends = [] if notes or not planned["ranges"] else await ends_of(storage, export_id)
    return {"progress": _progress(planned, notes, ends, created, now)}


def _planned(status: Any) -> Json:
    """While an export waits or is planned it has no ranges, and so no notes that could be looked for."""
    planned: Json = status.custom_status or {"expected": None, "ranges": 0}
    return planned


async def ends_of(storage: Storage, export_id: str) -> list[Json]:
    """The summary of the results, in a list; none while there are no results."""
    return [blobs.summary_of(blob) async for blob in blobs.listing(storage, results_name(export_id))]


def _progress(planned: Json, notes: list[Json], ends: list[Json], created: str, now: datetime) -> Json:
    """How far the ranges are, as their activities have noted; users a second; and when the rest will be there."""
    exported, done = sum(note["rows"] for note in notes), sum(note["done"] for note in notes)
    for end in ends:
        # A comparison counts no exported users: all have been read when it has a file.
        read = (planned["expected"] if end["file"] else exported) or 0
        exported, done = end["counts"].get("exported", read), planned["ranges"] if end["file"] else done
    shown: Json = {"exported": exported, "expected": planned["expected"], "ranges": planned["ranges"]}
    shown["rangesDone"] = done
    seconds = (now - datetime.fromisoformat(created)).total_seconds()
    if exported and seconds > 0:
        shown["usersPerSecond"] = round(exported / seconds, 1)
        if shown["expected"] and shown["expected"] > exported:
            expected_end = now + timedelta(seconds=(shown["expected"] - exported) * seconds / exported)
            shown["estimatedEndDateTime"] = expected_end.isoformat(timespec="seconds").replace("+00:00", "Z")
    return shown
