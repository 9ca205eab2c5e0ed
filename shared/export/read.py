"""The activity `export`: reads a lane's ranges, one after the other, and stages their rows and errors in blocks.

An activity runs at least once, and an earlier execution may still be running (a zombie). So each execution stages
blocks under an id of its own, and only those that the orchestrator's history names are ever committed.

A permanent failure is returned as `{"failed": {code, reason}}`, because an orchestrator sees only the text of an
exception. A failure that may pass (Graph or storage still failing after their own retries) is raised: the orchestrator
asks for the same ranges again later.
"""

import functools
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared.errors import ChainBroken, ExportError, Transient
from shared.export import check, clean, enrichment, members, registration, selection
from shared.export.context import Edges, Plan, Record, read_plan, read_record
from shared.export.enrichment import Enricher
from shared.export.members import Members
from shared.export.messages import (
    ATTRIBUTED,
    LEFT,
    ODD,
    PURGED,
    UNREGISTERED,
    Exported,
    ExportTask,
    Failure,
    Json,
    Remaining,
    Staged,
)
from shared.export.queries import has_sign_ins, range_query
from shared.export.registration import Report
from shared.export.selection import Step
from shared.files import deflate, results
from shared.files.columns import ATTRIBUTES, REGISTRATION, Column, columns_of, relations_of, select_of
from shared.files.deflate import Segment
from shared.files.formats import Format
from shared.graph import pages, relations
from shared.graph.pages import Query
from shared.graph.users import User, is_purged
from shared.ranges import keys
from shared.ranges.keys import SIZE, key_of
from shared.ranges.ranges import Range, from_dict, keeps
from shared.storage import blobs
from shared.storage.blockwriter import BlockWriter, block_bytes
from shared.storage.names import (
    ids_name,
    members_name,
    part_name,
    plan_name,
    progress_name,
    results_name,
    segments_name,
    users_name,
    work_name,
)

MAX_RESTARTS = 5
SEGMENT_SECONDS = 120.0
"""After about so long an activity ends and another goes on, so that none outlives a Functions time-out."""
STILL_WANTED_SECONDS = 3.0


@dataclass(slots=True)
class _Execution:
    """One execution of the activity, and the blobs that it has written."""

    edges: Edges
    record: Record
    plan: Plan
    segment: int
    started: float
    looked: float
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    written: list[str] = field(default_factory=list)


class _State(msgspec.Struct):
    """Where a chain continues. It is kept in a blob, because nextLinks and ids must not be in Durable's history."""

    link: str = ""
    seen: bytes = b""
    """The keys of those who were read, and of those who are gone."""
    gone: int = 0
    """How many of these are gone from the tenant."""
    rows: list[bytes] = []
    about: list[Segment] = []
    """What is known of these rows, where they are deflated."""
    errors: list[bytes] = []
    """Not enough for a block yet: a chain of thousands of segments would have too many small blocks."""
    barren: int = 0
    """Pages in a row that brought nobody new."""
    others: int = 0
    """Users that came and belong to another range."""
    passed: int = 0
    """How many of those who were read are no members, and are not in the file."""


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A range while one execution reads it."""

    number: int
    range: Range
    columns: list[Column]
    format: Format
    query: Query
    """What lists it; of selected users only the properties and the relation count."""
    enrichers: list[Enricher]
    """What is added to its users."""
    noted: tuple[tuple[str, Callable[[User], bool]], ...]
    """What is counted of its users for warnings."""
    sign_ins: bool
    """Graph may send objects of purged users."""
    state: _State
    """Where it began."""
    rows: BlockWriter
    errors: BlockWriter
    seen: set[bytes]
    listed: bytearray | None
    """The keys of users that another range may have too: `check` compares them."""
    members: Members | None
    """Only these are kept of the range's users."""
    passed: int
    """How many of the range's users are no members."""
    before: int
    """Users of earlier executions."""
    advance: pages.Advance
    users: int = 0
    counted: Counter[str] = field(default_factory=Counter)


class _Unwanted(Exception):
    """The export has ended: its plan no longer exists."""


async def export(edges: Edges, task: ExportTask) -> Exported:
    """Reads the ranges of a lane, or goes on with them."""
    record = await read_record(edges.storage, task.id)
    plan = await read_plan(edges.storage, record.id)
    if plan is None:
        # An execution of this activity that was killed may have staged something.
        return await _leave(edges, record, [])
    now = edges.clock()
    run = _Execution(edges, record, plan, task.segment, started=now, looked=now)
    try:
        done = await _lane(run, Remaining(task.ranges, task.restarts, task.state))
        await _still_wanted(run)
    except Exception:
        # Also when Graph or the storage failed: for an export that has ended, nothing runs this again.
        if await _is_wanted(run):
            raise
        return await _leave(edges, record, run.written)
    return done


async def _leave(edges: Edges, record: Record, written: list[str]) -> Exported:
    end = await clean.leave(edges, record, written)
    return Exported(failed=end.failed, cancelled=end.cancelled)


async def _lane(run: _Execution, rest: Remaining) -> Exported:
    """Range by range, until none remains or the time is over."""
    done = Exported(parts=[])
    while rest.ranges:
        number = rest.ranges[0]
        try:
            staged, rest.state = await _range(run, number, rest.state)
        except Transient:
            raise
        except ChainBroken as problem:
            if rest.restarts >= MAX_RESTARTS:
                reason = f"{problem.reason} The range was started again {MAX_RESTARTS} times."
                done.failed = Failure(problem.code, reason, problem.request_id, number)
                return done
            if rest.state:
                done.void = number
            rest.state, rest.restarts = "", rest.restarts + 1
            run.edges.graph.tally.restarts += 1
        except ExportError as problem:
            done.failed = Failure(problem.code, problem.reason, problem.request_id, number)
            return done
        else:
            done.parts.append(staged)
            if not rest.state:
                rest = Remaining(rest.ranges[1:])
        if rest.state or run.edges.clock() - run.started > SEGMENT_SECONDS:
            break
    done.left = rest if rest.ranges else None
    return done


async def _range(run: _Execution, number: int, saved: str) -> tuple[Staged, str]:
    """Reads a range. Returns what it staged, and the state from which to continue ("": the range is complete)."""
    reading = await _begin(run, number, saved)
    link: str | None = None
    async for step in _steps(run, reading):
        link = await _add(run, reading, step)
        await reading.rows.stage_full()
        await reading.errors.stage_full()
        looked = run.looked
        if link and not await _goes_on(run):
            break
        if run.looked > looked:
            await _note(run, reading, done=False)
    return await _end(run, reading, link)


async def _begin(run: _Execution, number: int, saved: str) -> _Reading:
    record, found = run.record, from_dict(run.plan.ranges[number])
    state = await _state(run, saved)
    columns, file = columns_of(record.columns), record.chosen_format()
    query = _query(run, found)
    expanded = query.expand.partition("(")[0]
    report = await registration.load(run.edges, record.id) if run.plan.report else None
    left = await selection.left_to_others(run.edges.storage, record.id, number) if found.kind == "users" else b""
    rows, errors = _writers(run, part_name(number, run.segment, run.id), state, file)
    came = len(state.seen) // SIZE - state.gone
    return _Reading(
        number=number,
        range=found,
        columns=columns,
        format=file,
        query=query,
        enrichers=enrichment.enrichers(
            run.edges.graph,
            record,
            run.plan,
            columns,
            report,
            expanded=expanded,
            doubtful=bool(expanded) and query.advanced,
        ),
        noted=_noted(columns, report),
        sign_ins=found.kind != "users" and has_sign_ins(record, select_of(columns, run.plan.unreadable)),
        state=state,
        rows=rows,
        errors=errors,
        seen=set(keys.split(left + state.seen)),
        listed=bytearray() if check.by_name(found) or found.kind == "users" or run.plan.sifted else None,
        members=await members.load(run.edges, record.id) if run.plan.sifted else None,
        passed=state.passed,
        before=came - state.passed,
        advance=pages.Advance(found.expected, run.plan.total or run.plan.expected, came, state.others, state.barren),
    )


async def _add(run: _Execution, reading: _Reading, step: Step) -> str | None:
    """Adds the users of a page that are kept; returns where it goes on (None: nowhere)."""
    # Nobody else keeps the users: all ranges of a process may be staging a block at the same time.
    users, step.users = step.users, []
    users, purged = _without_purged(users, reading.seen) if reading.sign_ins else (users, 0)
    kept, failed, link = [user for user in users if keeps(reading.range, user)], step.errors, step.next
    others = len(users) - len(kept)
    kept, passed = _members_of(reading, kept)
    if reading.enrichers:
        kept, errors, some_left = await _enrich(run, reading, kept)
        failed, link = [*failed, *errors], step.here if some_left else step.next
    fresh = [user for user in kept if keys.fresh(reading.seen, key_of(user.id))]
    if reading.listed is not None:
        reading.listed += b"".join(key_of(user.id) for user in fresh)
    _add_rows(reading, fresh)
    reading.errors.add(*map(msgspec.json.encode, failed))
    reading.users += len(fresh)
    reading.counted.update(_odd(fresh, reading.columns))
    for name, holds in reading.noted:
        reading.counted[name] += sum(map(holds, fresh))
    reading.counted[PURGED] += purged
    reading.counted[LEFT] += step.gone
    reading.passed += passed
    if link and link == step.next:
        reading.advance.page(len(fresh) + passed, others, purged)
    return link


def _members_of(reading: _Reading, users: list[User]) -> tuple[list[User], int]:
    """Those of the range's users who are members, and how many others were not seen before."""
    if reading.members is None:
        return users, 0
    place = reading.members.place
    kept = [user for user in users if place(key_of(user.id)) is not None]
    there = {user.id for user in kept}
    passed = sum(keys.fresh(reading.seen, key_of(user.id)) for user in users if user.id not in there)
    return kept, passed


def _add_rows(reading: _Reading, users: list[User]) -> None:
    if not users:
        return
    data, counted = reading.format.rows(users, reading.columns)
    reading.counted.update(counted)
    if reading.format.deflated:
        reading.rows.add_segment(*deflate.segment(data, len(users)))
    else:
        reading.rows.add(data)


async def _end(run: _Execution, reading: _Reading, link: str | None) -> tuple[Staged, str]:
    """Stages what remains, or keeps it for the execution that goes on."""
    rows, errors, name = reading.rows, reading.errors, reading.rows.part
    if not link:
        await rows.stage()
        await errors.stage()
    staged = Staged(
        range=reading.number,
        segment=run.segment,
        execution=run.id,
        blocks=rows.blocks,
        error_blocks=errors.blocks,
        rows=reading.users,
        bytes=rows.size,
        errors=errors.entries,
        counted=dict(+reading.counted),
    )
    if reading.listed is not None:
        await _write(run, ids_name(run.record.id, name), bytes(reading.listed))
    if rows.segments:
        await _write(run, segments_name(run.record.id, name), msgspec.msgpack.encode(rows.segments))
    await _note(run, reading, done=not link)
    if not link:
        return staged, ""
    gone, advance = reading.state.gone + reading.counted[PURGED], reading.advance
    goes_on = _State(
        link=link,
        seen=b"".join(reading.seen),
        gone=gone,
        rows=rows.pieces,
        about=rows.about,
        errors=errors.pieces,
        barren=advance.barren,
        others=advance.others,
        passed=reading.passed,
    )
    await _write(run, work_name(run.record.id, f"chain-{name}"), msgspec.msgpack.encode(goes_on))
    return staged, f"chain-{name}"


def _writers(run: _Execution, name: str, state: _State, file: Format) -> tuple[BlockWriter, BlockWriter]:
    """For rows and for errors, with those that did not fill a block yet."""
    storage, record, enough = run.edges.storage, run.record, block_bytes(run.plan.expected)
    rows = BlockWriter(storage, record.file_blob(), name, enough, most_users=file.block_users)
    errors = BlockWriter(storage, results_name(record.id), name, enough, results.SEPARATOR)
    rows.add(*state.rows)
    rows.about += state.about
    errors.add(*state.errors)
    return rows, errors


def _query(run: _Execution, part: Range) -> Query:
    """What lists the range, with one of the relations that its columns want, where Graph takes that."""
    record, plan = run.record, run.plan
    related = relations_of(columns_of(record.columns), plan.unreadable)[:1]
    if part.kind == "users":
        select = select_of(columns_of(record.columns), plan.unreadable)
        return Query(select, expand=relations.EXPANDS[related[0]] if related else "")
    return range_query(
        run.edges.graph,
        record,
        part,
        advanced=plan.advanced,
        unreadable=plan.unreadable,
        related=related,
        expands_advanced=plan.expands_advanced,
    )


async def _steps(run: _Execution, reading: _Reading) -> AsyncIterator[Step]:
    """The users of a range, page by page or step by step."""
    edges, record, start, query = run.edges, run.record, reading.state.link, reading.query
    if reading.range.kind == "users":
        chosen, plan = not run.plan.members, run.plan
        name = users_name(record.id, record.attempt) if chosen else members_name(record.id, plan.members)
        listed = await blobs.read(edges.storage, name)
        if listed is None and not chosen:
            raise ExportError("StateLost", "The list of the members can't be found.")
        part = reading.range
        async for step in selection.read(edges.graph, listed or b"[]", part, query, start, chosen=chosen):
            yield step
        return
    async for page in pages.chain(edges.graph, query, start):
        yield Step(_taken(page), [], page.link, page.next_link)


def _noted(columns: list[Column], report: Report | None) -> tuple[tuple[str, Callable[[User], bool]], ...]:
    sources = {column.source for column in columns}
    noted: list[tuple[str, Callable[[User], bool]]] = []
    if report is not None and REGISTRATION in sources:
        noted.append((UNREGISTERED, lambda user: user.registration is None))
    if ATTRIBUTES in sources:
        noted.append((ATTRIBUTED, lambda user: bool(user.custom_security_attributes)))
    return tuple(noted)


def _without_purged(page: list[User], seen: set[bytes]) -> tuple[list[User], int]:
    """The page without objects of purged users, and how many of these were not seen before."""
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


async def _enrich(run: _Execution, reading: _Reading, users: list[User]) -> tuple[list[User], list[Json], bool]:
    """Those of the users who were enriched before the time was over, the errors, and whether some are left.

    Throttled, a whole page would take too long for one activity. It is read again then, and those who were seen are
    left out. Selected users come in small steps, which are asked for to their end.
    """
    new = list({user.id: user for user in users if key_of(user.id) not in reading.seen}.values())
    go_on = None if reading.range.kind == "users" else functools.partial(_goes_on, run)
    rest, errors = new, list[Json]()
    for enrich in reading.enrichers:
        done, failed = await enrich(rest, go_on)
        rest, errors = rest[:done], [*errors, *failed]
    return rest, errors, len(rest) < len(new)


async def _state(run: _Execution, saved: str) -> _State:
    if not saved:
        return _State()
    found = await blobs.read(run.edges.storage, work_name(run.record.id, saved))
    if found is None:
        raise ChainBroken("StateLost", "The state of a chain of pages is missing in the storage.")
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


async def _note(run: _Execution, reading: _Reading, *, done: bool) -> None:
    """Notes how far the range is, for those who watch."""
    rows = reading.before + reading.users
    await _write(run, progress_name(run.record.id, reading.number), b"", {"rows": rows, "done": done})


async def _write(run: _Execution, name: str, data: bytes, summary: Any = None) -> None:
    run.written.append(name)
    await blobs.write(run.edges.storage, name, data, summary)
