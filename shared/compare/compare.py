"""The activity `compare`: compares some of the partitions, one after the other, and stages their rows."""

import itertools
import operator
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared.compare import deleted
from shared.compare.context import Execution, Plan, read_plan
from shared.compare.messages import Compared, CompareTask
from shared.compare.partitions import errors_of, partition_name
from shared.errors import ExportError
from shared.export.context import COMPARISON, Edges, failure_of, how_ended, read_record
from shared.export.messages import Json, Staged
from shared.files import comparison, deflate, results
from shared.files.column import Column
from shared.files.comparison import Counts, Twice
from shared.storage import blobs
from shared.storage.blockwriter import BlockWriter, block_bytes
from shared.storage.names import prefix_name, results_name, segments_name

ROWS = 1_000
"""Rows that are formatted at a time."""
FIRST_PARTITION = 2
"""The number under which the first partition notes how far it is: before it come the two exports that are split."""


@dataclass(slots=True)
class _Lane:
    run: Execution
    plan: Plan
    task: CompareTask
    columns: list[Column]
    deleted: frozenset[bytes] | None
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    counts: Counts = field(default_factory=Counts)
    done: Compared = field(default_factory=Compared)


def columns_of(compared: list[str]) -> list[Column]:
    """The columns of a comparison's file, for the formats; a row is what `comparison.rows` gives."""
    columns = []
    for at, header in enumerate(comparison.header(compared)):
        take: Any = operator.itemgetter(at)
        columns.append(Column(header, "", take, take))
    return columns


async def compare(edges: Edges, task: CompareTask) -> Compared:
    """Compares these partitions."""
    record = await read_record(edges.storage, task.id)
    plan = await read_plan(edges.storage, record.id)
    if plan is None:
        end = await how_ended(edges.storage, record.id, COMPARISON)
        return Compared(failed=end.failed, cancelled=end.cancelled)
    run = Execution(edges, record, edges.clock())
    listed = await deleted.read_list(edges.storage, record.id, task.deleted)
    lane = _Lane(run, plan, task, columns_of(plan.compared), listed)
    try:
        for partition in task.partitions:
            await _partition(lane, partition)
            await run.note_is_due()
        await run.check_wanted()
    except ExportError as problem:
        return Compared(failed=failure_of(problem))
    except Exception:
        # Also when the storage failed: for a comparison that has ended, nothing runs this again.
        if await run.is_wanted():
            raise
        end = await run.leave()
        return Compared(failed=end.failed, cancelled=end.cancelled)
    counts, tally = lane.counts, edges.graph.tally
    return msgspec.structs.replace(
        lane.done,
        added=counts.added,
        removed=counts.removed,
        changed=counts.changed,
        unchanged=counts.unchanged,
        by_column=counts.by_column,
        requests=tally.requests,
        retries=tally.retries,
    )


async def _partition(lane: _Lane, partition: int) -> None:
    old, new = [await _lines(lane, execution, partition) for execution in (lane.task.old, lane.task.new)]
    try:
        joined = comparison.join(old, new)
    except Twice as problem:
        side = lane.plan.side(str(problem))
        reason = f"In the file of export {side.id} a user is twice. Nothing is published."
        raise ExportError("UserTwice", reason) from None
    read = len(old), len(new)
    lane.done.old += read[0]
    lane.done.new += read[1]
    del old, new  # The lines that are equal are no longer needed.
    failed, entries = await _failed_cells(lane, partition)
    reasons: dict[bytes, str] = {}
    if joined.removed and lane.deleted is not None:
        most = max(deleted.MOST_ASKED // lane.plan.partitions, 1)
        reasons = await deleted.reasons(lane.run.edges.graph, joined.removed, lane.deleted, most)
    lane.done.unknown += len(joined.removed) - len(reasons)
    rows = comparison.rows(joined, lane.plan.compared, lane.counts, errors=failed, reasons=reasons)
    lane.done.staged.append(await _stage(lane, partition, rows, entries))
    await lane.run.note(FIRST_PARTITION + partition, sum(read) // 2, done=True)


async def _lines(lane: _Lane, execution: str, partition: int) -> list[bytes]:
    """The lines of a partition; none when the export has no user in it. (A lost blob shows in the sum of all.)"""
    data = await blobs.read(lane.run.edges.storage, partition_name(lane.run.record.id, execution, partition))
    return data.split(b"\n")[:-1] if data else []


async def _failed_cells(lane: _Lane, partition: int) -> tuple[dict[bytes, set[str]], list[Json]]:
    """For each user's key the columns that are left out, and the entries for the results."""
    failed: dict[bytes, set[str]] = {}
    names: dict[bytes, tuple[str, str]] = {}
    for side, execution in ((lane.plan.old, lane.task.old), (lane.plan.new, lane.task.new)):
        if not side.errors:
            continue
        for line in await _lines(lane, errors_of(execution), partition):
            user, name, *columns = msgspec.json.decode(line, type=list[str])
            key = comparison.key_of(line)
            failed.setdefault(key, set()).update(columns)
            names[key] = user, name
    entries = [_entry(*names[key], [name for name in lane.plan.compared if name in failed[key]]) for key in failed]
    return failed, entries


def _entry(user: str, name: str, columns: list[str]) -> Json:
    names = ", ".join(columns)
    reason = f"One of the exports could not read {names} of this user, so it is not compared."
    entry = {"code": "CellNotRead", "reason": reason, "user": user, "column": names}
    return {**entry, "userPrincipalName": name} if name else entry


async def _stage(lane: _Lane, partition: int, rows: Iterator[list[str]], entries: list[Json]) -> Staged:
    storage, record = lane.run.edges.storage, lane.run.record
    file, name = record.chosen_format(), prefix_name(partition, 0, lane.id)
    enough = block_bytes(lane.plan.old.rows + lane.plan.new.rows)
    writer = BlockWriter(storage, record.file_blob_name(), name, enough, most_users=file.block_users)
    errors = BlockWriter(storage, results_name(record.id), name, enough, results.SEPARATOR)
    staged, counted = 0, Counter[str]()
    while batch := list(itertools.islice(rows, ROWS)):
        formatted: Any = batch  # For the formats a row is like a user: the columns take their cells out of it.
        data, more = file.rows(formatted, lane.columns)
        counted.update(more)
        staged += len(batch)
        if file.deflated:
            writer.add_segment(*deflate.segment(data, len(batch)))
        else:
            writer.add(data)
        await writer.stage_full()
        await lane.run.note_is_due()
    await writer.stage()
    for first in range(0, len(entries), ROWS):
        errors.add(*map(msgspec.json.encode, entries[first : first + ROWS]))
        await errors.stage_full()
    await errors.stage()
    if writer.segments:
        segments = segments_name(record.id, name)
        lane.run.written.append(segments)
        await blobs.write(storage, segments, msgspec.msgpack.encode(writer.segments))
    return Staged(
        range=partition,
        segment=0,
        execution=lane.id,
        blocks=writer.blocks,
        error_blocks=errors.blocks,
        rows=staged,
        bytes=writer.size,
        errors=errors.entries,
        counted=dict(+counted),
    )
