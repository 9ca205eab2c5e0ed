"""The activity `prepare_comparison`: what of the two exports can be compared, and in how many partitions."""

import time

import msgspec

from shared.compare.context import NEW, OLD, Plan, Side, read_plan
from shared.compare.messages import Prepared, PrepareTask
from shared.errors import ExportError
from shared.export.context import (
    COMPARISON,
    Edges,
    Record,
    cancel_requested,
    failure_of,
    find_record,
    how_ended,
    read_record,
)
from shared.export.messages import Json
from shared.export.outcome import read_results
from shared.export.plan import is_over
from shared.files import comparison, formats
from shared.files.columns import ATTRIBUTES, REGISTRATION, columns_of
from shared.storage import blobs, pieces
from shared.storage.connection import Storage
from shared.storage.names import plan_name, results_name
from shared.storage.pieces import BlobChanged

PARTITION_ROWS = 20_000
"""Users of the larger export in a partition: each activity holds one partition of both exports in memory."""
PARTITION_BYTES = 24 * 1024 * 1024
MAX_PARTITIONS = 1_000
INFLATED = 10
"""The content of a compressed file is about so many times as large."""
MAX_LANES = 8
"""Activities that compare side by side: each holds a partition."""
ERRORS_READ = 1_000
"""Errors for all users come first in the results; there are never so many."""


async def prepare(edges: Edges, task: PrepareTask, partition_rows: int = PARTITION_ROWS) -> Prepared:
    """Finds the files, and decides which columns are compared. `partition_rows`: about so many users in a partition."""
    if await is_over(edges.storage, task.id):
        return Prepared(over=True)
    record = await read_record(edges.storage, task.id)
    try:
        plan = await read_plan(edges.storage, record.id) or await _make(edges.storage, record, partition_rows)
    except ExportError as problem:
        return Prepared(failed=failure_of(problem))
    name = plan_name(record.id)
    if not await blobs.write_once(edges.storage, name, msgspec.json.encode(plan)):
        # An earlier execution was first, and others may be working by its plan.
        first = await read_plan(edges.storage, record.id)
        if first is None:
            return await _without_plan(edges.storage, record.id)
        plan = first
    elif await blobs.exists(edges.storage, results_name(record.id)):
        # This execution has outlived the comparison (a zombie).
        await blobs.delete(edges.storage, name)
        return await _without_plan(edges.storage, record.id)
    if await cancel_requested(edges.storage, record.id):
        return Prepared(cancelled=True)
    return Prepared(
        partitions=plan.partitions,
        lanes=min(MAX_LANES, edges.settings.parallel, plan.partitions),
        rows=plan.old.rows + plan.new.rows,
        warnings=_warnings(plan),
        errors=_left_out(plan),
    )


async def _without_plan(storage: Storage, comparison_id: str) -> Prepared:
    end = await how_ended(storage, comparison_id, COMPARISON)
    return Prepared(failed=end.failed, cancelled=end.cancelled)


async def _make(storage: Storage, record: Record, partition_rows: int) -> Plan:
    (old, not_in_old), (new, not_in_new) = [await _side(storage, each) for each in (record.old, record.new)]
    columns = comparison.columns_of(old.columns, new.columns, not_in_old | not_in_new)
    return Plan(
        old=old,
        new=new,
        partitions=min(MAX_PARTITIONS, max(_partitions(old, partition_rows), _partitions(new, partition_rows))),
        compared=list(columns.compared),
        unreadable=list(columns.unreadable),
        only_old=list(columns.only_old),
        only_new=list(columns.only_new),
        as_workbook=formats.XLSX in {old.format, new.format},
        began=time.time(),
    )


def _partitions(side: Side, partition_rows: int) -> int:
    deflated = side.compress or side.format == formats.XLSX
    plain = side.file.size * (INFLATED if deflated else 1)
    return 1 + max(side.rows // partition_rows, plain // PARTITION_BYTES)


async def _side(storage: Storage, export_id: str) -> tuple[Side, set[str]]:
    """An export, and the columns that it could not read. Raises ExportError when it is gone, or not as published."""
    record = await find_record(storage, export_id)
    published = await read_results(storage, export_id, ERRORS_READ)
    if record is None or published is None or not published.get("file"):
        raise ExportError("ExportGone", f"The export {export_id} or its file is gone: it was deleted, or is too old.")
    try:
        file = await pieces.pin(storage, record.file_blob_name())
        results = await pieces.pin(storage, results_name(export_id))
    except BlobChanged:
        raise ExportError("ExportGone", f"The file of export {export_id} is gone.") from None
    size = published["file"]["bytes"]
    if file.size != size:
        reason = f"The file of export {export_id} has {file.size} bytes, and {size} were published."
        raise ExportError("FileChanged", reason)
    side = Side(
        id=export_id,
        file=file,
        results=results,
        rows=published["file"]["rows"],
        columns=published["file"]["columns"],
        errors=published["counts"]["errors"],
        format=record.format,
        compress=record.compress,
        separator=record.separator,
        excel=record.excel,
    )
    return side, _unreadable(published, side.columns)


def _unreadable(published: Json, columns: list[str]) -> set[str]:
    """The columns that the export could not read as a whole, or perhaps not."""
    names: set[str] = set()
    for entry in published["errors"]:
        if "user" in entry:
            continue
        if "column" in entry:
            names.update(entry["column"].split(", "))
        else:
            # When an export has a file, only an error of the registration report does not name its columns.
            names.update(_of_source(columns, REGISTRATION))
    if any(entry["code"] == "AttributesEmpty" for entry in published["warnings"]):
        # Graph does not say whether nobody has a value, or the app may not read them.
        names.update(_of_source(columns, ATTRIBUTES))
    return names


def _of_source(columns: list[str], source: str) -> list[str]:
    return [column.header for column in columns_of(columns) if column.source == source]


def _left_out(plan: Plan) -> list[Json]:
    if not plan.unreadable:
        return []
    names = ", ".join(plan.unreadable)
    reason = f"One of the exports could not read {names}, or perhaps not. They are not compared: see its results."
    return [{"code": "ColumnNotRead", "reason": reason, "column": names}]


def _warnings(plan: Plan) -> list[Json]:
    warnings: list[Json] = []
    for export, names in ((OLD, plan.only_old), (NEW, plan.only_new)):
        if names:
            which = "older" if export == OLD else "newer"
            reason = f"Only the {which} export has {', '.join(names)}. What only one of them has is not compared."
            warnings.append({"code": "ColumnsDiffer", "reason": reason})
    if plan.as_workbook and plan.old.format != plan.new.format:
        reason = "One of the exports is a workbook. The cells of both are compared as a workbook keeps them."
        warnings.append({"code": "ComparedAsWorkbook", "reason": f"{reason} See docs/operating.md, Comparisons."})
    return warnings
