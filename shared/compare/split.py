"""The activity `split`: reads one of the two exports, and shares its users out to the partitions by objectId.

The file is read once, from its beginning to its end, and only as it was when the comparison was planned (ETag). Each
partition is a blob of the comparison's work, made of blocks of lines (`shared.files.comparison`). A second blob for
each partition has the users whose cells the export could not read.
"""

import operator
import secrets
from collections.abc import AsyncIterator, Callable

from shared.compare.context import OLD, Execution, Plan, Side, read_plan
from shared.compare.messages import Split, SplitTask
from shared.compare.partitions import empty_partitions, errors_of
from shared.errors import ExportError
from shared.export.context import COMPARISON, Edges, failure_of, how_ended, read_record
from shared.export.messages import Json
from shared.files import archive, comparison, formats, reading, results, workbook_rows
from shared.files.columns import columns_of
from shared.files.comparison import ID, NAME, NoKey
from shared.files.reading import Broken, Reader, Row, Rows
from shared.storage import pieces
from shared.storage.connection import Storage
from shared.storage.pieces import BlobChanged


async def split(edges: Edges, task: SplitTask) -> Split:
    """Shares the users of an export out to the partitions."""
    record = await read_record(edges.storage, task.id)
    plan = await read_plan(edges.storage, record.id)
    if plan is None:
        end = await how_ended(edges.storage, record.id, COMPARISON)
        return Split(failed=end.failed, cancelled=end.cancelled)
    run, execution = Execution(edges, record, edges.clock()), secrets.token_hex(6)
    side, number = plan.side(task.export), 0 if task.export == OLD else 1
    try:
        rows = await _split_rows(run, plan, side, execution, number)
        if side.errors:
            await _split_errors(run, plan, side, execution)
        await run.note(number, side.rows // 2, done=True)
        await run.check_wanted()
    except ExportError as problem:
        return Split(failed=failure_of(problem))
    except Exception:
        # Also when the storage failed: for a comparison that has ended, nothing runs this again.
        if await run.is_wanted():
            raise
        end = await run.leave()
        return Split(failed=end.failed, cancelled=end.cancelled)
    return Split(execution, rows)


async def _split_rows(run: Execution, plan: Plan, side: Side, execution: str, number: int) -> int:
    rows, partitions, pick = 0, empty_partitions(run, plan.partitions, execution), _picker(plan, side)
    try:
        async for batch in _rows(run.edges.storage, side):
            rows += len(batch)
            partitions.add(comparison.lines([pick(row) for row in batch]))
            await partitions.stage_full()
            if await run.note_is_due():
                await run.note(number, rows // 2, done=False)
        await partitions.commit()
    except BlobChanged:
        reason = f"The file of export {side.id} was changed or deleted while it was compared. Nothing was published."
        raise ExportError("FileChanged", reason) from None
    except Broken as problem:
        raise ExportError("FileUnreadable", f"The file of export {side.id} can't be read: {problem}.") from None
    except NoKey:
        reason = f"In the file of export {side.id} a user has no objectId, or one that can be none."
        raise ExportError("FileUnreadable", reason) from None
    if rows != side.rows:
        reason = f"The file of export {side.id} has {rows} users, and {side.rows} were published."
        raise ExportError("FileChanged", f"{reason} Nothing is compared, because users would be missing.")
    return rows


async def _rows(storage: Storage, side: Side) -> AsyncIterator[Rows]:
    """The users of an export as rows of its columns, many at a time."""
    if side.format == formats.XLSX:
        async for batch in _workbook_rows(storage, side):
            yield batch
        return
    if side.format == formats.JSONL:
        reader = reading.jsonl_reader(side.columns, side.compress)
    else:
        reader = reading.csv_reader(side.columns, side.separator, side.excel, side.compress)
    async for batch in _read(storage, side, reader, 0, side.file.size):
        yield batch


async def _workbook_rows(storage: Storage, side: Side) -> AsyncIterator[Rows]:
    size = side.file.size
    tail = await pieces.read(storage, side.file, max(0, size - archive.TAIL), size)
    for start, length in archive.sheets(tail, size):
        header = await pieces.read(storage, side.file, start, start + archive.LOCAL_HEADER)
        begin = start + archive.content_after(header)
        async for batch in _read(storage, side, reading.sheet_reader(side.columns), begin, begin + length):
            yield batch


async def _read(storage: Storage, side: Side, reader: Reader, start: int, end: int) -> AsyncIterator[Rows]:
    async for piece, last in pieces.pieces(storage, side.file, start, end):
        for batch in reader(piece, last):
            if batch:
                yield batch


def _picker(plan: Plan, side: Side) -> Callable[[Row], Row]:
    """Takes objectId, userPrincipalName (empty where the export has none) and the compared cells out of a row."""
    names = [ID, NAME, *plan.compared]
    # Where the export has no names, an empty cell is put after its last column.
    places = {name: at for at, name in enumerate(dict.fromkeys([*side.columns, NAME]))}
    take: Callable[[Row], Row] = operator.itemgetter(*(places[name] for name in names))
    if NAME not in side.columns:
        take = _with_empty_name(take)
    if not plan.as_workbook or side.format == formats.XLSX:
        return take
    kinds = [column.kind for column in columns_of(names)]
    return lambda row: [workbook_rows.as_kept(cell, kind) for cell, kind in zip(take(row), kinds, strict=True)]


def _with_empty_name(take: Callable[[Row], Row]) -> Callable[[Row], Row]:
    return lambda row: take([*row, ""])


async def _split_errors(run: Execution, plan: Plan, side: Side, execution: str) -> None:
    """Whose cells of compared columns could not be read: lines of objectId, userPrincipalName and these columns."""
    partitions = empty_partitions(run, plan.partitions, errors_of(execution))
    compared = {*plan.compared}
    ahead, begun, read = b"", False, 0
    try:
        async for piece, _ in pieces.pieces(run.edges.storage, side.results, 0, side.results.size):
            entries, ahead, begun = results.more_errors(ahead + piece, begun=begun)
            read += len(entries)
            named = [
                (entry["user"], entry.get("userPrincipalName", ""), *names)
                for entry in entries
                if "user" in entry and (names := [name for name in _columns(entry) if name in compared])
            ]
            partitions.add(comparison.lines(named))
            await partitions.stage_full()
            await run.note_is_due()
        if read != side.errors:
            raise Broken("it does not have the errors that it counts")
        await partitions.commit()
    except BlobChanged:
        reason = f"The results of export {side.id} were changed or deleted while it was compared."
        raise ExportError("FileChanged", f"{reason} Nothing was published.") from None
    except (ValueError, TypeError):
        raise ExportError("FileUnreadable", f"The results of export {side.id} can't be read.") from None


def _columns(entry: Json) -> list[str]:
    return [name for name in str(entry.get("column", "")).split(", ") if name]
