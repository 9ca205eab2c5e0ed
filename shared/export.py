"""The activity `export`: reads one range, or goes on with it, and stages its rows and errors in blocks.

An activity runs at least once, and an earlier execution may still be running (a zombie). So each execution stages
blocks under an id of its own, and only those that the orchestrator's history names are ever committed.

What can't get better is returned as `{"failed": {code, reason}}`, because an orchestrator sees only the text of an
exception. What may get better (Graph or storage still failing after the edges' own retries) is raised: Durable runs
the activity again later.
"""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from shared import authentication, batches, blobs, csvblocks, graph, renames, results, selection
from shared.blobs import Storage
from shared.columns import AUTHENTICATION, columns_of, select_of
from shared.errors import ChainBroken, ExportError, Transient
from shared.queries import range_query
from shared.ranges import Range, from_dict, keeps
from shared.records import (
    Edges,
    Json,
    Plan,
    Record,
    block_name,
    cancelled_name,
    csv_name,
    ids_name,
    part_name,
    progress_name,
    read_plan,
    read_record,
    results_name,
    users_name,
    work_name,
)
from shared.transport import Tally
from shared.users import User

MAX_RESTARTS = 5
SEGMENT_SECONDS = 120.0
"""After about so long an activity ends and another goes on, so that none outlives a Functions time-out."""
STILL_WANTED_SECONDS = 3.0
USER_BYTES = 2_000
"""More than a user takes in a file with all columns, so that blocks are large enough. About 270 is usual."""
PER_USER_STEP = batches.BATCH * batches.BATCHES_AT_ONCE
"""Users whose authentication methods are read before the clock is looked at."""


def block_bytes(expected: int | None) -> int:
    """How large a block of an export of so many users is: larger from 13 million on, as a blob takes 50,000."""
    return max(blobs.BLOCK_BYTES, (expected or 0) * USER_BYTES * 2 // blobs.MAX_BLOCKS)


@dataclass(slots=True)
class BlockWriter:
    """Collects bytes and stages a block whenever there is enough for one."""

    storage: Storage
    name: str
    part: str
    enough: int
    separator: bytes = b""
    blocks: int = 0
    size: int = 0
    entries: int = 0
    """How many were added of those that are staged."""
    pieces: list[bytes] = field(default_factory=list)
    """What is not staged yet."""
    _waiting: int = 0

    async def add(self, *data: bytes) -> None:
        self.pieces += filter(None, data)
        self._waiting += sum(map(len, data))
        if self._waiting >= self.enough:
            await self.flush()

    async def flush(self) -> None:
        if not self.pieces:
            return
        data = self.separator.join(self.pieces)
        if self.separator:
            await blobs.stage(self.storage, self.name, block_name(self.part, self.blocks, "s"), self.separator)
        await blobs.stage(self.storage, self.name, block_name(self.part, self.blocks), data)
        self.blocks += 1
        self.size += len(data)
        self.entries += len(self.pieces)
        self.pieces.clear()
        self._waiting = 0


class _State(msgspec.Struct):
    """Where a chain goes on: in a blob, because a nextLink and ids have no place in Durable's history."""

    link: str
    seen: list[bytes]
    rows: list[bytes] = []
    errors: list[bytes] = []
    """What did not fill a block yet: small ones would be too many in a chain of thousands of segments."""


async def export(edges: Edges, task: Json) -> Json:
    """Exports one range, or goes on with it.

    `{"id", "range", "segment", "state"?}` to `{"part": [range, segment, execution, blocks, error blocks, rows, bytes,
    errors], "requests", "retries", "restarts", "state"?}`, where `state` names the blob from which the next
    segment goes on; or `{"failed"}`; `{"restart"}` when all segments so far are void; `{"stopped"}` when the export has
    ended meanwhile.
    """
    tally = Tally()
    record = await read_record(edges.storage, task["id"])
    made = await read_plan(edges.storage, record.id)
    if made is None:
        return {"stopped": True}
    part = from_dict(made.ranges[task["range"]])
    while True:
        try:
            return await _if_wanted(edges, record, task, await _export_once(edges, record, made, part, task, tally))
        except Transient:
            raise
        except ChainBroken as problem:
            if task["segment"]:
                return {"restart": problem.as_dict()}
            if tally.restarts >= MAX_RESTARTS:
                reason = f"{problem.reason} The range was begun again {MAX_RESTARTS} times."
                return {"failed": {**problem.as_dict(), "reason": reason, "range": task["range"]}}
            tally.restarts += 1
        except ExportError as problem:
            return {"failed": {**problem.as_dict(), "range": task["range"]}}


async def _export_once(edges: Edges, record: Record, made: Plan, part: Range, task: Json, tally: Tally) -> Json:
    execution = secrets.token_hex(6)
    name = part_name(task["range"], task["segment"], execution)
    enough = block_bytes(made.expected)
    rows = BlockWriter(edges.storage, csv_name(record), name, enough)
    errors = BlockWriter(edges.storage, results_name(record.id), name, enough, results.SEPARATOR)
    count = 0
    columns = columns_of(record.columns)
    per_user = [column.header for column in columns if column.source == AUTHENTICATION]
    if AUTHENTICATION in made.unreadable:
        per_user = []

    state = await _state(edges, record, task)
    left = await selection.left_to_others(edges.storage, record.id, task["range"]) if part.kind == "users" else set()
    seen = left.union(state.seen)
    await rows.add(*state.rows)
    await errors.add(*state.errors)
    started = looked = edges.clock()
    link: str | None = None
    async for users, failures, link in _steps(edges, record, made, part, state.link, tally, bool(per_user)):
        fresh = [user for user in users if keeps(part, user) and _first_time(user, seen)]
        if per_user:
            failed = await authentication.add_methods(edges.graph, fresh, tally)
            failures += [authentication.error_entry(user, problem, per_user) for user, problem in failed]
        await errors.add(*map(msgspec.json.encode, failures))
        await rows.add(csvblocks.rows(fresh, columns, record.excel))
        count += len(fresh)
        del users, fresh  # As in `graph.chain`.
        now = edges.clock()
        # In the middle of a page it begins at that page again: without anyone new it would never end.
        if link and (count or link != state.link) and now - started > SEGMENT_SECONDS:
            break
        if now - looked > STILL_WANTED_SECONDS:
            looked = now
            if await read_plan(edges.storage, record.id) is None:
                return {"stopped": True}
            await _note(edges, task, len(seen), done=False)
    if not link:
        await rows.flush()
        await errors.flush()
    result: Json = {
        "part": [
            task["range"],
            task["segment"],
            execution,
            rows.blocks,
            errors.blocks,
            count,
            rows.size,
            errors.entries,
        ],
        "requests": tally.requests,
        "retries": tally.retries,
        "restarts": tally.restarts,
    }
    if renames.by_name(part) or part.kind == "users":
        ids = msgspec.msgpack.encode(list(seen.difference(state.seen, left)))
        await blobs.write(edges.storage, ids_name(record.id, result["part"]), ids)
    await _note(edges, task, len(seen), done=not link)
    if link:
        result["state"] = f"chain-{name}"
        saved = msgspec.msgpack.encode(_State(link, list(seen), rows.pieces, errors.pieces))
        await blobs.write(edges.storage, work_name(record.id, result["state"]), saved)
    return result


async def _if_wanted(edges: Edges, record: Record, task: Json, result: Json) -> Json:
    """The result, or `stopped` when the export has ended: then it takes away what it has written.

    It looks after it has written: an execution that outlives its export (a zombie) comes behind `clean`, and what it
    leaves there, nobody removes. While a person cancels, its note still counts, and `clean` is to come.
    """
    if await read_plan(edges.storage, record.id) is not None:
        return result
    names = []
    if await blobs.read(edges.storage, cancelled_name(record.id)) is None:
        names.append(progress_name(record.id, task["range"]))
    if "part" in result:
        names.append(ids_name(record.id, result["part"]))
    if "state" in result:
        names.append(work_name(record.id, result["state"]))
    for name in names:
        await blobs.delete(edges.storage, name)
    return {"stopped": True}


async def _note(edges: Edges, task: Json, users: int, *, done: bool) -> None:
    """Notes how far the range is, for whoever watches."""
    await blobs.write(edges.storage, progress_name(task["id"], task["range"]), b"", {"rows": users, "done": done})


async def _steps(
    edges: Edges, record: Record, made: Plan, part: Range, start: str, tally: Tally, per_user: bool
) -> AsyncIterator[tuple[list[User], list[Json], str | None]]:
    """Users, the errors of those that can't be read, and where it goes on behind them (None: nowhere).

    With `per_user` in small steps: throttled, a whole page would take too long for one activity. In the middle of a
    page it goes on at that same page, and those who were seen are left out.
    """
    if part.kind == "users":
        select = select_of(column for column in columns_of(record.columns) if column.source not in made.unreadable)
        listed = await blobs.read(edges.storage, users_name(record))
        async for read in selection.read(edges.graph, listed or b"[]", part, select, tally, start):
            yield read
        return
    query = range_query(edges.graph, record, part, advanced=made.advanced, unreadable=tuple(made.unreadable))
    step = PER_USER_STEP if per_user else graph.PAGE
    async for page in graph.chain(edges.graph, query, tally, start):
        for first in range(0, max(len(page.value), 1), step):
            last = first + step >= len(page.value)
            yield page.value[first : first + step], [], page.next_link if last else page.link
        del page  # As in `graph.chain`.


async def _state(edges: Edges, record: Record, task: Json) -> _State:
    if not task.get("state"):
        return _State("", [])
    saved = await blobs.read(edges.storage, work_name(record.id, task["state"]))
    if saved is None:
        raise ChainBroken("StateLost", "What the chain has read so far can't be found.")
    return msgspec.msgpack.decode(saved, type=_State)


def _first_time(user: User, seen: set[bytes]) -> bool:
    """False for a user that this range has already: Graph sometimes sends one on two pages."""
    key = renames.key_of(user.id)
    if key in seen:
        return False
    seen.add(key)
    return True
