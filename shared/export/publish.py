"""The activity `publish`: makes the files visible, or only the results when the export failed or was cancelled."""

import logging
import time
from datetime import UTC, datetime
from typing import Any

from shared.export import verdict, words
from shared.export.context import Edges, Record, progress, read_plan, read_record
from shared.export.messages import Failure, Json, Published, PublishTask, Staged, sent
from shared.files import csv_rows, results
from shared.files.columns import columns_of
from shared.storage import blobs
from shared.storage.names import block_name, csv_name, part_name, plan_name, results_name

_OWN = part_name(0, 0, "publish".ljust(12, "-"))
"""The prefix of its own blocks: the header, and the beginning and end of the results."""


async def publish(edges: Edges, task: PublishTask) -> Published:
    """Makes the files visible, or only the results when there is a failure.

    When it runs again, it replaces the results: so a warning can be added.
    """
    record = await read_record(edges.storage, task.id)
    task.parts.sort()
    staged = verdict.totals(task)
    file: Json | None = None
    failed = None if task.cancelled else verdict.failure(record, task, staged)
    if not failed and not task.cancelled:
        file, failed = await _publish_csv(edges, record, task.parts, staged)
    listed = task.parts if verdict.lists_errors(staged) else []
    found = await words.put_back(edges.storage, record.id, [*task.found, *([sent(failed)] if failed else [])])
    errors = len(found) + sum(each.errors for each in listed)
    status = verdict.status(failed, errors, cancelled=bool(task.cancelled))
    # Without a file this number only shows how far the export came, unfinished ranges included.
    noted = 0 if file else sum(note["rows"] for note in await progress(edges.storage, record.id))
    fields = {
        "id": record.id,
        "status": status,
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        "completedDateTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "counts": {"exported": max(staged.rows, noted), "expected": task.expected, "errors": errors, **_costs(task)},
        "rate": _rate(staged.rows, task, time.time() - await _began(edges, record)),
        "file": file,
        "warnings": [
            *_told(record),
            *task.warnings,
            *(verdict.warnings(record, task.expected, staged) if file else ()),
        ],
    }
    await _publish_results(edges, record, fields, found, listed)
    # The alerts read this line.
    text = "Export %s ended: %s (%d users, %d errors, %d requests, %d retries)"
    logging.info(text, record.id, status, staged.rows, errors, task.requests, task.retries)
    # Delete the plan first: activities that still run then see that the export is over.
    await blobs.delete(edges.storage, plan_name(record.id))
    return Published(status, notify=bool(record.callback_host))


def _costs(task: PublishTask) -> dict[str, int]:
    return {name: getattr(task, name) for name in ("ranges", "requests", "retries", "restarts")}


def _rate(rows: int, task: PublishTask, seconds: float) -> Json:
    """How quickly it went, from the beginning of planning until now."""
    return {
        "usersPerSecond": round(rows / max(seconds, 0.001), 1),
        "requestsPerSecond": round(task.requests / max(seconds, 0.001), 1),
        "throttled": task.throttled or 0,
    }


async def _began(edges: Edges, record: Record) -> float:
    """When planning began; the POST where there is no plan, or one that an older version made."""
    plan = await read_plan(edges.storage, record.id)
    return (plan and plan.began) or datetime.fromisoformat(record.created_date_time).timestamp()


def _told(record: Record) -> list[Json]:
    """What the answer to the POST has said, as warnings."""
    return [{"code": "ColumnsLeftOut", "reason": note} for note in record.notes]


async def _publish_csv(
    edges: Edges, record: Record, parts: list[Staged], staged: verdict.Totals
) -> tuple[Json | None, Failure | None]:
    """Commits header and rows, and checks that all bytes arrived; otherwise it removes the file."""
    name = csv_name(record.id, record.file_name)
    header = csv_rows.header(columns_of(record.columns), record.excel)
    await blobs.stage(edges.storage, name, block_name(_OWN, 0), header)
    ids = [block_name(_OWN, 0)]
    ids += [block_name(each.prefix, block) for each in parts for block in range(each.blocks)]
    try:
        size = await blobs.commit(edges.storage, name, ids, "text/csv; charset=utf-8")
    except blobs.BlockMissing:
        reason = "The storage has lost a block that was staged for the file. Nothing was published."
        return None, Failure("FileIncomplete", reason)
    expected = len(header) + staged.bytes
    if size != expected:
        await blobs.delete(edges.storage, name)
        reason = f"After the commit the file had {size} bytes instead of {expected}, so it was removed."
        return None, Failure("FileIncomplete", reason)
    return {"name": f"{record.file_name}.csv", "rows": staged.rows, "bytes": size, "columns": record.columns}, None


async def _publish_results(edges: Edges, record: Record, fields: Json, found: list[Json], parts: list[Staged]) -> None:
    name = results_name(record.id)
    head = results.head(fields) + results.lines(found)
    await blobs.stage(edges.storage, name, block_name(_OWN, 0), head)
    await blobs.stage(edges.storage, name, block_name(_OWN, 1), results.TAIL)
    ids = [block_name(_OWN, 0)]
    for each in parts:
        for block in range(each.error_blocks):
            # Between two errors there is a comma, before the first none.
            if found or len(ids) > 1:
                ids.append(block_name(each.prefix, block, "s"))
            ids.append(block_name(each.prefix, block))
    summary: dict[str, Any] = {key: fields[key] for key in ("status", "completedDateTime", "counts", "file")}
    summary["file"] = summary["file"] and {**summary["file"], "columns": len(record.columns)}
    await blobs.commit(edges.storage, name, [*ids, block_name(_OWN, 1)], "application/json", summary)
