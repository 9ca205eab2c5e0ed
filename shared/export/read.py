"""The activity `export`: reads a lane's ranges, one after the other, and stages their rows and errors in blocks.

An activity runs at least once, and an earlier execution may still be running (a zombie). So each execution stages
blocks under an id of its own, and only those that the orchestrator's history names are ever committed.

What can't get better is returned as `{"failed": {code, reason}}`, because an orchestrator sees only the text of an
exception. What may get better (Graph or storage still failing after the edges' own retries) is raised: the
orchestrator asks for the same ranges again later.
"""

import functools
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from shared.errors import ChainBroken, ExportError, Transient
from shared.export import check, clean, selection
from shared.export.context import ODD, PURGED, Edges, Json, Part, Plan, Record, read_plan, read_record
from shared.export.queries import has_sign_ins, range_query
from shared.files import csv_rows, results
from shared.files.columns import AUTHENTICATION, Column, columns_of, select_of
from shared.graph import authentication, pages
from shared.graph.client import Tally
from shared.graph.users import User, is_purged
from shared.ranges import keys
from shared.ranges.keys import SIZE, key_of
from shared.ranges.ranges import Range, from_dict, keeps
from shared.storage import blobs
from shared.storage.blockwriter import BlockWriter, block_bytes
from shared.storage.names import (
    csv_name,
    ids_name,
    part_name,
    plan_name,
    progress_name,
    results_name,
    users_name,
    work_name,
)

MAX_RESTARTS = 5
SEGMENT_SECONDS = 120.0
"""After about so long an activity ends and another goes on, so that none outlives a Functions time-out."""
STILL_WANTED_SECONDS = 3.0


@dataclass(slots=True)
class _Execution:
    """One execution of the activity, and what it has left behind besides blocks."""

    edges: Edges
    record: Record
    made: Plan
    segment: int
    started: float
    looked: float
    tally: Tally = field(default_factory=Tally)
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    written: list[str] = field(default_factory=list)


class _State(msgspec.Struct):
    """Where a chain goes on: in a blob, because a nextLink and ids have no place in Durable's history."""

    link: str = ""
    seen: bytes = b""
    """The keys of those who were read, and of those who are gone."""
    gone: int = 0
    """How many of these are gone from the tenant."""
    rows: list[bytes] = []
    errors: list[bytes] = []
    """What did not fill a block yet: small ones would be too many in a chain of thousands of segments."""
    barren: int = 0
    """Pages in a row that brought nobody new."""
    others: int = 0
    """Who came and belongs to another range."""


class _Unwanted(Exception):
    """The export has ended meanwhile: its plan is gone."""


async def export(edges: Edges, task: Json) -> Json:
    """Reads the ranges of a lane, or goes on with them.

    `{"id", "segment", "ranges": [number], "state"?, "restarts"?}` to `{"parts": [Part], "requests", "retries",
    "restarts", "left"?, "void"?, "failed"?}`. `left` is what the next activity is to be asked for: `ranges`, `state`
    (the blob from which the first of them goes on) and how often that one was begun again. `void`: the range whose
    parts of earlier segments don't count any more. Or `{"cancelled"}`.
    """
    record = await read_record(edges.storage, task["id"])
    made = await read_plan(edges.storage, record.id)
    if made is None:
        # An execution of this activity that was killed may have staged something.
        return await clean.leave(edges, record, [])
    now = edges.clock()
    run = _Execution(edges, record, made, task["segment"], started=now, looked=now)
    try:
        found = await _lane(run, task["ranges"], task.get("state", ""), task.get("restarts", 0))
        await _still_wanted(run)
    except Exception:
        # Also when Graph or the storage failed: nobody runs it again for an export that has ended.
        if await _is_wanted(run):
            raise
        return await clean.leave(edges, record, run.written)
    return found | asdict(run.tally)


async def _lane(run: _Execution, ranges: list[int], state: str, restarts: int) -> Json:
    """Range by range, until none is left or the time is over."""
    parts: list[Part] = []
    found: Json = {"parts": parts}
    while ranges:
        try:
            part, next_state = await _range(run, ranges[0], state)
        except Transient:
            raise
        except ChainBroken as problem:
            if restarts >= MAX_RESTARTS:
                reason = f"{problem.reason} The range was begun again {MAX_RESTARTS} times."
                return found | {"failed": {**problem.as_dict(), "reason": reason, "range": ranges[0]}}
            if state:
                found["void"] = ranges[0]
            state, restarts = "", restarts + 1
            run.tally.restarts += 1
        except ExportError as problem:
            return found | {"failed": {**problem.as_dict(), "range": ranges[0]}}
        else:
            parts.append(part)
            state = next_state
            if not state:
                ranges, restarts = ranges[1:], 0
        if state or run.edges.clock() - run.started > SEGMENT_SECONDS:
            break
    if ranges:
        found["left"] = {"ranges": ranges, "restarts": restarts} | ({"state": state} if state else {})
    return found


async def _range(run: _Execution, number: int, saved: str) -> tuple[Part, str]:
    """Reads a range: what was staged of it, and the state from which it goes on ("": it was read to its end)."""
    storage, record, part = run.edges.storage, run.record, from_dict(run.made.ranges[number])
    name = part_name(number, run.segment, run.id)
    columns = columns_of(record.columns)
    per_user = any(column.source == AUTHENTICATION for column in columns) and AUTHENTICATION not in run.made.unreadable
    sign_ins = part.kind != "users" and has_sign_ins(record, select_of(columns, run.made.unreadable))

    state = await _state(run, saved)
    rows, errors = _writers(run, name, state)
    left = await selection.left_to_others(storage, record.id, number) if part.kind == "users" else b""
    seen = set(keys.split(left + state.seen))
    # Whom others may have too: `check` compares them.
    listed: bytearray | None = bytearray() if check.by_name(part) or part.kind == "users" else None
    gone, read = state.gone, len(state.seen) // SIZE - state.gone
    link: str | None = None
    advance = pages.Advance(part.expected, run.made.expected, read, state.others, state.barren)
    count, odd = 0, Counter[str]()
    async for page, failures, here, behind in _pages(run, part, state.link):
        page, purged = _without_purged(page, seen) if sign_ins else (page, 0)  # noqa: PLW2901 - nobody else keeps it
        gone += purged
        users, failed, link = [user for user in page if keeps(part, user)], failures, behind
        others = len(page) - len(users)
        if per_user:
            users, errors_of_users, some_left = await _add_methods(run, part, users, seen, columns)
            failed, link = [*failures, *errors_of_users], here if some_left else behind
        fresh = [user for user in users if keys.fresh(seen, key_of(user.id))]
        if listed is not None:
            listed += b"".join(key_of(user.id) for user in fresh)
        rows.add(csv_rows.rows(fresh, columns, record.excel))
        errors.add(*map(msgspec.json.encode, failed))
        count += len(fresh)
        odd.update(_odd(fresh, columns))
        if link and link == behind:
            advance.page(len(fresh), others, purged)
        del page, users, fresh  # All ranges of a process may be staging a block at the same time.
        await rows.stage_full()
        await errors.stage_full()
        looked = run.looked
        if link and not await _goes_on(run):
            break
        if run.looked > looked:
            await _note(run, number, read + count, done=False)
    if not link:
        await rows.stage()
        await errors.stage()
    counted = odd + Counter({PURGED: gone - state.gone})
    staged: Part = [number, run.segment, run.id, rows.blocks, errors.blocks, count, rows.size, errors.entries, counted]
    if listed is not None:
        await _write(run, ids_name(record.id, part_name(*staged[:3])), bytes(listed))
    await _note(run, number, read + count, done=not link)
    if not link:
        return staged, ""
    goes_on = _State(link, b"".join(seen), gone, rows.pieces, errors.pieces, advance.barren, advance.others)
    await _write(run, work_name(record.id, f"chain-{name}"), msgspec.msgpack.encode(goes_on))
    return staged, f"chain-{name}"


def _writers(run: _Execution, name: str, state: _State) -> tuple[BlockWriter, BlockWriter]:
    """For rows and for errors, with those that did not fill a block yet."""
    storage, record, enough = run.edges.storage, run.record, block_bytes(run.made.expected)
    rows = BlockWriter(storage, csv_name(record.id, record.file_name), name, enough)
    errors = BlockWriter(storage, results_name(record.id), name, enough, results.SEPARATOR)
    rows.add(*state.rows)
    errors.add(*state.errors)
    return rows, errors


async def _pages(
    run: _Execution, part: Range, start: str
) -> AsyncIterator[tuple[list[User], list[Json], str, str | None]]:
    """Users, the errors of those that can't be read, where they were read, and where it goes on behind them (None:
    nowhere).
    """
    edges, record, made = run.edges, run.record, run.made
    if part.kind == "users":
        select = select_of(columns_of(record.columns), made.unreadable)
        listed = await blobs.read(edges.storage, users_name(record.id, record.attempt))
        async for read in selection.read(edges.graph, listed or b"[]", part, select, run.tally, start):
            yield read
        return
    query = range_query(edges.graph, record, part, advanced=made.advanced, unreadable=made.unreadable)
    async for page in pages.chain(edges.graph, query, run.tally, start):
        yield _taken(page), [], page.link, page.next_link


def _without_purged(page: list[User], seen: set[bytes]) -> tuple[list[User], int]:
    """The page without what is left of users that are gone, and how many these are that were not seen before."""
    purged = sum(keys.fresh(seen, key_of(user.id)) for user in page if is_purged(user))
    return [user for user in page if not is_purged(user)], purged


def _odd(users: list[User], columns: list[Column]) -> list[str]:
    """What to count: the columns' properties that were odd, once for each user."""
    sources = {column.source for column in columns}
    return [ODD + name for user in users for name in user.odd if name in sources]


def _taken(page: pages.Page) -> list[User]:
    """The page's users, which it has no more: nobody else keeps them while a block is staged."""
    users, page.value = page.value, []
    return users


async def _add_methods(
    run: _Execution, part: Range, users: list[User], seen: set[bytes], columns: list[Column]
) -> tuple[list[User], list[Json], bool]:
    """Those of the users whose methods were asked for before the time was over, the errors, and whether some are left.

    Throttled, a whole page would take too long for one activity. It is read again then, and those who were seen are
    left out. Selected users come in small steps, which are asked for to their end.
    """
    new = list({user.id: user for user in users if key_of(user.id) not in seen}.values())
    go_on = None if part.kind == "users" else functools.partial(_goes_on, run)
    done, failed = await authentication.add_methods(run.edges.graph, new, run.tally, go_on)
    headers = [column.header for column in columns if column.source == AUTHENTICATION]
    errors = [authentication.error_entry(user, problem, headers) for user, problem in failed]
    return new[:done], errors, done < len(new)


async def _state(run: _Execution, saved: str) -> _State:
    if not saved:
        return _State()
    found = await blobs.read(run.edges.storage, work_name(run.record.id, saved))
    if found is None:
        raise ChainBroken("StateLost", "What the chain has read so far can't be found.")
    return msgspec.msgpack.decode(found, type=_State)


async def _goes_on(run: _Execution) -> bool:
    """Whether there is time for more. Raises _Unwanted when the export has ended."""
    now = run.edges.clock()
    if now - run.started > SEGMENT_SECONDS:
        return False
    if now - run.looked > STILL_WANTED_SECONDS:
        run.looked = now
        await _still_wanted(run)
    return True


async def _still_wanted(run: _Execution) -> None:
    """Raises _Unwanted when the export has ended."""
    if not await _is_wanted(run):
        raise _Unwanted


async def _is_wanted(run: _Execution) -> bool:
    """The plan is there as long as the export goes on."""
    return await blobs.exists(run.edges.storage, plan_name(run.record.id))


async def _note(run: _Execution, number: int, users: int, *, done: bool) -> None:
    """Notes how far the range is, for whoever watches."""
    await _write(run, progress_name(run.record.id, number), b"", {"rows": users, "done": done})


async def _write(run: _Execution, name: str, data: bytes, summary: Any = None) -> None:
    run.written.append(name)
    await blobs.write(run.edges.storage, name, data, summary)
