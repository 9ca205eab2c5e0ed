"""The activity `publish`: makes the files visible, or only the results when the export failed or was cancelled."""

import logging
from collections import Counter
from datetime import UTC, datetime

from shared.export.context import ODD, PURGED, Edges, Json, Part, Record, counted, progress, read_record
from shared.files import csv_rows, results
from shared.files.columns import columns_of
from shared.storage import blobs
from shared.storage.names import block_name, csv_name, part_name, plan_name, results_name

PLAUSIBLE = 0.8
"""When one of what was counted and what came is less than this share of the other, that is no lag of the index."""
PLAUSIBLE_USERS = 10
"""... but of so few users nothing can be said."""
_OWN = part_name(0, 0, "publish".ljust(12, "-"))
"""Its own blocks: the header, and what stands before and behind the errors."""


async def publish(edges: Edges, task: Json) -> Json:
    """Makes the files visible, or only the results when there is a failure.

    `{"id", "parts", "expected", "requests", "retries", "restarts", "ranges", "warnings", "found": [error], "failed"?,
    "cancelled"?}` to `{"status", "notify"}`. Run again it replaces the results, as by ones with a warning more.
    """
    record = await read_record(edges.storage, task["id"])
    parts: list[Part] = sorted(task["parts"])
    rows, size = (sum(part[at] for part in parts) for at in (5, 6))
    purged = counted(parts)[PURGED]
    failed: Json | None = task.get("failed")
    if not failed and not task.get("cancelled"):
        failed = _too_many_blocks(parts) or _implausible(record, task["expected"], rows, purged)
    listed = parts if _error_blocks(parts) <= blobs.MAX_BLOCKS else []
    errors = sum(part[7] for part in listed)
    file: Json | None = None
    if not failed and not task.get("cancelled"):
        file, failed = await _publish_csv(edges, record, parts, rows, size)
    found = [*task["found"], *([failed] if failed else [])]
    errors += len(found)
    if task.get("cancelled"):
        status = results.CANCELLED
    elif failed:
        status = results.FAILED
    else:
        status = results.COMPLETED_WITH_ERRORS if errors else results.COMPLETED
    # Without a file it only says how far the export came: also what was read of ranges that did not end.
    noted = 0 if file else sum(note["rows"] for note in await progress(edges.storage, record.id))
    fields = {
        "id": record.id,
        "status": status,
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        "completedDateTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "counts": {
            "exported": max(rows, noted),
            "expected": task["expected"],
            "errors": errors,
            "ranges": task["ranges"],
            "requests": task["requests"],
            "retries": task["retries"],
            "restarts": task["restarts"],
        },
        "file": file,
        "warnings": [
            *_told(record),
            *task["warnings"],
            *(_remarks(record, task["expected"], rows, counted(parts)) if file else ()),
        ],
    }
    await _publish_results(edges, record, fields, found, listed)
    # The alerts read this line.
    logging.info(
        "Export %s ended: %s (%d users, %d errors, %d requests, %d retries)",
        record.id,
        status,
        rows,
        errors,
        task["requests"],
        task["retries"],
    )
    # The plan goes first: activities that still run see that nobody wants them any more.
    await blobs.delete(edges.storage, plan_name(record.id))
    return {"status": status, "notify": bool(record.callback_host)}


def _told(record: Record) -> list[Json]:
    """What the answer to the POST has said, as warnings."""
    return [{"code": "ColumnsLeftOut", "reason": note} for note in record.notes]


async def _publish_csv(
    edges: Edges, record: Record, parts: list[Part], rows: int, staged: int
) -> tuple[Json | None, Json | None]:
    """Commits header and rows, and looks whether all bytes arrived; what is wrong is removed again."""
    name = csv_name(record.id, record.file_name)
    header = csv_rows.header(columns_of(record.columns), record.excel)
    await blobs.stage(edges.storage, name, block_name(_OWN, 0), header)
    ids = [block_name(_OWN, 0)]
    ids += [block_name(part_name(*part[:3]), block) for part in parts for block in range(part[3])]
    try:
        size = await blobs.commit(edges.storage, name, ids, "text/csv; charset=utf-8")
    except blobs.BlockMissing:
        reason = "The storage does not have all the blocks that were staged for the file; nothing was published."
        return None, {"code": "FileIncomplete", "reason": reason}
    if size != len(header) + staged:
        await blobs.delete(edges.storage, name)
        reason = f"The file had {size} bytes after the commit instead of {len(header) + staged}; it was removed."
        return None, {"code": "FileIncomplete", "reason": reason}
    return {
        "name": f"{record.file_name}.csv",
        "rows": rows,
        "bytes": size,
        "columns": record.columns,
    }, None


async def _publish_results(edges: Edges, record: Record, fields: Json, found: list[Json], parts: list[Part]) -> None:
    name = results_name(record.id)
    head = results.head(fields) + results.lines(found)
    await blobs.stage(edges.storage, name, block_name(_OWN, 0), head)
    await blobs.stage(edges.storage, name, block_name(_OWN, 1), results.TAIL)
    ids = [block_name(_OWN, 0)]
    for part in parts:
        for block in range(part[4]):
            # Between two errors stands a comma, before the first none.
            if found or len(ids) > 1:
                ids.append(block_name(part_name(*part[:3]), block, "s"))
            ids.append(block_name(part_name(*part[:3]), block))
    summary = {key: fields[key] for key in ("status", "completedDateTime", "counts", "file")}
    summary["file"] = summary["file"] and {**summary["file"], "columns": len(record.columns)}
    await blobs.commit(edges.storage, name, [*ids, block_name(_OWN, 1)], "application/json", summary)


def _too_many_blocks(parts: list[Part]) -> Json | None:
    """Why no blob can be made of these blocks; None when one can. Ranges and blocks are so large that this is far."""
    needed = max(1 + sum(part[3] for part in parts), _error_blocks(parts))
    if needed <= blobs.MAX_BLOCKS:
        return None
    reason = f"The files need {needed} blocks, and Azure takes {blobs.MAX_BLOCKS}. Export in parts, with a filter each."
    return {"code": "TooManyBlocks", "reason": reason}


def _error_blocks(parts: list[Part]) -> int:
    """Of the results file: beginning, end, and each block of errors with its separator."""
    return 2 + 2 * int(sum(part[4] for part in parts))


def _implausible(record: Record, expected: int | None, rows: int, purged: int) -> Json | None:
    """Why the rows can't be what was asked for, judged by Graph's count; None when they can.

    Whether Graph counts objects of purged users is in no document: either may be.
    """
    if record.users or expected is None or abs(expected - rows) <= PLAUSIBLE_USERS:
        return None
    if rows + purged < expected * PLAUSIBLE:
        reason = (
            f"Graph counted {expected} users and sent {rows}: too few for a lag of its index. Nothing is published,"
            " because users would be missing. Start the export again; if it stays so, look whether the filter is right."
        )
        return {"code": "TooFewUsers", "reason": reason}
    if record.filter and expected < rows * PLAUSIBLE:
        reason = (
            f"Graph counted {expected} users for the filter and sent {rows}: it may have ignored the filter. Nothing is"
            " published, because these users may not be meant. Start the export again, or write the filter differently."
        )
        return {"code": "FilterIgnored", "reason": reason}
    return None


def _remarks(record: Record, expected: int | None, rows: int, counts: Counter[str]) -> list[Json]:
    """Warnings about a file that is published."""
    found, purged = _odd(counts), counts[PURGED]
    if purged:
        reason = (
            f"Graph also sent {purged} objects that have nothing but an id and sign-ins: what is left of users that are"
            " gone from the tenant. They are not in the file."
        )
        found.append({"code": "PurgedUsers", "reason": reason})
    if record.users:
        return found
    if expected is None:
        came = "1 user came" if rows == 1 else f"{rows} users came"
        reason = f"{came}; this Graph gives no count to check that against."
        found.append({"code": "CompletenessUnchecked", "reason": reason})
    elif expected not in {rows, rows + purged}:
        reason = (
            f"Graph counted {expected} users before and sent {rows}. Its count lags behind changes of the tenant;"
            " the file has every user that Graph sent, once."
        )
        found.append({"code": "CountDiffers", "reason": reason})
    return found


def _odd(counts: Counter[str]) -> list[Json]:
    """A warning that names the properties that came in another form than documented, and counts their users."""
    odd = {name.removeprefix(ODD): users for name, users in sorted(counts.items()) if name.startswith(ODD)}
    if not odd:
        return []
    shown = ", ".join(f"{name} of {users} user{'s' * (users != 1)}" for name, users in odd.items())
    reason = (
        f"Graph sent values in another form than Microsoft documents: {shown}. The users are in the file, with what"
        " could be read of these values."
    )
    return [{"code": "OddValues", "reason": reason}]
