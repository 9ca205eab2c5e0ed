"""The activity `publish_comparison`: makes the file of a comparison visible, or only its results when it has failed."""

import logging
from datetime import UTC, datetime

from shared.compare.compare import columns_of
from shared.compare.context import Plan, read_plan
from shared.compare.messages import ComparisonTask
from shared.export import verdict
from shared.export.context import Edges, cancel_requested, read_record
from shared.export.messages import Failure, Json, Published, sent
from shared.export.outcome import read_results
from shared.export.publish import Outlived, publish_file, publish_results, warnings_of
from shared.export.verdict import Totals
from shared.files import results
from shared.storage import blobs
from shared.storage.names import plan_name

COUNTS = ("added", "removed", "changed", "unchanged", "requests", "retries")


async def publish(edges: Edges, task: ComparisonTask) -> Published:
    """Makes the files visible. When it runs again it replaces the results, so that a warning can be added."""
    record = await read_record(edges.storage, task.id)
    plan = await read_plan(edges.storage, record.id)
    before = await read_results(edges.storage, record.id)
    if plan is None and before is None and await cancel_requested(edges.storage, record.id):
        # A person has cancelled after the last partition was compared.
        task.cancelled = True
    task.staged.sort()
    totals = verdict.totals(task.staged)
    file: Json | None = None
    failed = None if task.cancelled else task.failed or _failure(plan, task, totals, before)
    if not failed and not task.cancelled:
        if plan is None:  # It was published, and a warning is added.
            file = before and before["file"]
        else:
            try:
                file, failed = await publish_file(edges, record, columns_of(plan.compared), task.staged, totals)
            except Outlived:
                return Published(before["status"] if before else results.FAILED, notify=False)
    listed = task.staged if verdict.lists_errors(totals) and file else []
    errors = [*task.errors, *([sent(failed)] if failed else [])]
    count = len(errors) + sum(each.errors for each in listed)
    status = verdict.status(failed, count, cancelled=bool(task.cancelled))
    fields: Json = {
        "id": record.id,
        "type": record.type,
        "status": status,
        **verdict.error(errors[-1] if failed else None, cancelled=bool(task.cancelled)),
        "request": record.shown(),
        "requestedBy": record.requested_by,
        "createdDateTime": record.created_date_time,
        "completedDateTime": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "counts": {**{name: getattr(task, name) for name in COUNTS}, "errors": count},
        "changedColumns": _by_column(task),
        "columns": before["columns"] if before and plan is None else _columns(plan),
        "file": file,
        "warnings": [
            *warnings_of(record),
            *task.warnings,
            *_unknown(task),
            *(verdict.cut(totals.counted) if file else ()),
        ],
    }
    await publish_results(edges, record, fields, errors, listed)
    text = "Comparison %s ended: %s (%d added, %d removed, %d changed, %d errors)"
    logging.info(text, record.id, status, task.added, task.removed, task.changed, count)
    # Delete the plan first: activities that still run then see that the comparison is over.
    await blobs.delete(edges.storage, plan_name(record.id))
    return Published(status, notify=bool(record.callback_host))


def _failure(plan: Plan | None, task: ComparisonTask, totals: Totals, before: Json | None) -> Failure | None:
    """Why there can be no file: each user of both exports must have been compared once."""
    if plan is None:
        if before and before["file"]:
            return None
        last = before["errors"][-1] if before and before["errors"] else {}
        reason = last.get("reason", "The plan of the comparison is missing in the storage.")
        return Failure(last.get("code", "StateLost"), reason)
    there = task.changed + task.unchanged
    whole = (
        [plan.old.rows, plan.new.rows] == task.split == [task.old, task.new]
        and task.old == there + task.removed
        and task.new == there + task.added
        and totals.rows == task.added + task.removed + task.changed
        and [each.range for each in task.staged] == list(range(plan.partitions))
    )
    if whole:
        return verdict.too_many_blocks(1 + totals.blocks)
    reason = (
        f"The exports have {plan.old.rows} and {plan.new.rows} users, and {task.old} and {task.new} were compared."
        " Nothing is published, because users would be missing. Start the comparison again."
    )
    return Failure("ComparisonIncomplete", reason)


def _by_column(task: ComparisonTask) -> dict[str, int]:
    """How many users have changed in each column, most first."""
    return dict(sorted(task.by_column.items(), key=lambda item: (-item[1], item[0])))


def _columns(plan: Plan | None) -> Json:
    if plan is None:
        return {"compared": [], "notRead": [], "onlyOld": [], "onlyNew": []}
    return {
        "compared": plan.compared,
        "notRead": plan.unreadable,
        "onlyOld": plan.only_old,
        "onlyNew": plan.only_new,
    }


def _unknown(task: ComparisonTask) -> list[Json]:
    if not task.unknown:
        return []
    reason = f"Of {task.unknown} of the {task.removed} removed users nobody could tell why (removedBecause unknown)."
    return [{"code": "ReasonsUnknown", "reason": reason}]
