"""The activity `publish`: makes the files visible, or only the results when the export failed or was cancelled."""

import asyncio
import itertools
import logging
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.export import costs, counts, verdict, words
from shared.export.context import Edges, Record, progress, read_plan, read_record
from shared.export.messages import Failure, Json, Published, PublishTask, Staged, sent
from shared.export.outcome import read_results
from shared.files import formats, results
from shared.files.columns import Column, columns_of
from shared.files.deflate import Segment
from shared.files.xlsx import SHEET_USERS
from shared.storage import blobs, staging
from shared.storage.names import block_name, plan_name, prefix_name, results_name, segments_name

_OWN = prefix_name(0, 0, "publish".ljust(12, "-"))
"""The prefix of its own blocks: what is before, between and after the rows, and before and after the errors."""
_READ_AT_ONCE = 32
"""Small blobs: to read those of 10,000 ranges one after the other would take minutes."""


class Outlived(Exception):
    """Another execution has published, and `clean` has removed the notes. This one (a zombie) must change nothing."""


async def publish(edges: Edges, task: PublishTask, sheet_users: int = SHEET_USERS) -> Published:
    """Makes the files visible, or only the results when there is a failure.

    `sheet_users`: at most so many on a sheet of a workbook. When it runs again it replaces the results, so that a
    warning can be added.
    """
    record = await read_record(edges.storage, task.id)
    task = await costs.with_noted(edges.storage, task)
    task.staged.sort()
    totals = verdict.totals(task.staged)
    file: Json | None = None
    failed = None if task.cancelled else verdict.failure(record, task, totals)
    if not failed and not task.cancelled:
        try:
            columns = columns_of(record.columns)
            file, failed = await publish_file(edges, record, columns, task.staged, totals, sheet_users)
        except Outlived:
            ended = await read_results(edges.storage, record.id, 0)
            return Published(ended["status"] if ended else results.FAILED, notify=False)
    listed = task.staged if verdict.lists_errors(totals) else []
    errors = await words.put_back(edges.storage, record.id, [*task.errors, *([sent(failed)] if failed else [])])
    count = len(errors) + sum(each.errors for each in listed)
    status = verdict.status(failed, count, cancelled=bool(task.cancelled))
    # Without a file this number shows how far the export has come, including unfinished ranges.
    rows_read = 0 if file else sum(note["rows"] for note in await progress(edges.storage, record.id))
    fields = {
        "id": record.id,
        "status": status,
        **verdict.error(errors[-1] if failed else None, cancelled=bool(task.cancelled)),
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        "completedDateTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "counts": {"exported": max(totals.rows, rows_read), "expected": task.expected, "errors": count, **_costs(task)},
        "rate": _rate(totals.rows, task, time.time() - await _began(edges, record)),
        "file": file,
        "warnings": [
            *warnings_of(record),
            *task.warnings,
            *(verdict.warnings(record, task.expected, totals) if file else ()),
        ],
    }
    await publish_results(edges, record, fields, errors, listed)
    # The alerts read this line.
    text = "Export %s ended: %s (%d users, %d errors, %d requests, %d retries)"
    logging.info(text, record.id, status, totals.rows, count, task.requests, task.retries)
    # Delete the plan first: activities that still run then see that the export is over.
    await blobs.delete(edges.storage, plan_name(record.id))
    return Published(status, notify=bool(record.callback_host))


def _costs(task: PublishTask) -> dict[str, int]:
    return {name: getattr(task, name) for name in ("ranges", "requests", "retries", "restarts")}


def _rate(rows: int, task: PublishTask, seconds: float) -> Json:
    """How fast the export was, from the beginning of planning until now."""
    return {
        "usersPerSecond": round(rows / max(seconds, 0.001), 1),
        "requestsPerSecond": round(task.requests / max(seconds, 0.001), 1),
        "throttled": task.throttled or 0,
    }


async def _began(edges: Edges, record: Record) -> float:
    """When planning began. Without a plan, or with one of an older version: the time of the POST."""
    plan = await read_plan(edges.storage, record.id)
    return (plan and plan.began) or datetime.fromisoformat(record.created_date_time).timestamp()


def warnings_of(record: Record) -> list[Json]:
    """The notes in the answer to the POST, as warnings."""
    return [{"code": "ColumnsLeftOut", "reason": note} for note in record.notes]


async def publish_file(
    edges: Edges,
    record: Record,
    columns: list[Column],
    staged: list[Staged],
    totals: verdict.Totals,
    sheet_users: int = SHEET_USERS,
) -> tuple[Json | None, Failure | None]:
    """Commits the rows and what belongs around them. Removes the file again when not all bytes have arrived.

    Raises Outlived.
    """
    name, file = record.file_blob_name(), record.chosen_format(sheet_users)
    segments = await _segments(edges, record.id, staged) if file.deflated else [Segment(0, 0, 0, 0)] * totals.blocks
    if file.deflated and sum(each.users for each in segments) != totals.rows:
        if await blobs.exists(edges.storage, results_name(record.id)):
            raise Outlived
        reason = "What was noted of the blocks of the file can't be found; nothing was published."
        return None, Failure("FileIncomplete", reason)
    pieces = file.around(columns, segments)
    if failed := verdict.too_many_blocks(len(pieces) + totals.blocks):
        return None, failed
    blocks = iter(block_name(each.prefix, block) for each in staged for block in range(each.blocks))
    ids: list[str] = []
    for number, (data, following) in enumerate(pieces):
        if data:
            ids.append(block_name(_OWN, number))
            await staging.stage(edges.storage, name, ids[-1], data)
        ids += itertools.islice(blocks, following)
    try:
        size = await staging.commit(edges.storage, name, ids, file.content_type)
    except staging.BlockMissing:
        reason = "The storage has lost a block that was staged for the file. Nothing was published."
        return None, Failure("FileIncomplete", reason)
    expected = sum(len(data) for data, _ in pieces) + totals.bytes
    if size != expected:
        await blobs.delete(edges.storage, name)
        reason = f"After the commit the file had {size} bytes instead of {expected}, so it was removed."
        return None, Failure("FileIncomplete", reason)
    shown = record.shown()
    return {
        "name": record.file(),
        "rows": totals.rows,
        "bytes": size,
        "columns": [column.header for column in columns],
        "format": shown["format"],
        "separator": shown["separator"],
        "compressed": shown["compress"],
        "guarded": counts.under(formats.GUARDED, totals.counted),
    }, None


async def _segments(edges: Edges, export_id: str, staged: list[Staged]) -> list[Segment]:
    """What the executions have noted of their blocks, in the order of the blocks; fewer when something was lost."""
    names = [segments_name(export_id, each.prefix) for each in staged if each.blocks]
    segments: list[Segment] = []
    for first in range(0, len(names), _READ_AT_ONCE):
        reads = (blobs.read(edges.storage, name) for name in names[first : first + _READ_AT_ONCE])
        for data in await asyncio.gather(*reads):
            segments += msgspec.msgpack.decode(data, type=list[Segment]) if data else ()
    return segments


async def publish_results(edges: Edges, record: Record, fields: Json, errors: list[Json], staged: list[Staged]) -> None:
    """Commits the results: the fields, the errors for all users, then those of single users."""
    name = results_name(record.id)
    head = results.head(fields) + results.lines(errors)
    await staging.stage(edges.storage, name, block_name(_OWN, 0), head)
    await staging.stage(edges.storage, name, block_name(_OWN, 1), results.TAIL)
    ids = [block_name(_OWN, 0)]
    for each in staged:
        for block in range(each.error_blocks):
            # A comma before each error but the first.
            if errors or len(ids) > 1:
                ids.append(block_name(each.prefix, block, "s"))
            ids.append(block_name(each.prefix, block))
    summary: dict[str, Any] = {key: fields[key] for key in ("status", "completedDateTime", "counts", "file")}
    if fields["file"]:
        shown = {key: value for key, value in fields["file"].items() if key != "guarded"}
        summary["file"] = {**shown, "columns": len(shown["columns"])}
    await staging.commit(edges.storage, name, [*ids, block_name(_OWN, 1)], "application/json", summary)
