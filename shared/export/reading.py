"""A range while one execution reads it: how it begins, and how it ends or is kept for the execution that goes on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from shared.errors import ChainBroken
from shared.export import check, enrichment, members, registration, selection
from shared.export.enrichment import Enricher
from shared.export.execution import Execution, write
from shared.export.members import Members
from shared.export.messages import ATTRIBUTED, PURGED, UNREGISTERED, Staged
from shared.export.queries import has_sign_ins, range_query
from shared.export.registration import Report
from shared.files import results
from shared.files.columns import ATTRIBUTES, REGISTRATION, Column, columns_of, relations_of, select_of
from shared.files.deflate import Segment
from shared.files.formats import Format
from shared.graph import pages, relations
from shared.graph.pages import Query
from shared.graph.users import User
from shared.ranges import keys
from shared.ranges.keys import SIZE
from shared.ranges.ranges import Range, from_dict
from shared.storage import blobs
from shared.storage.blockwriter import BlockWriter, block_bytes
from shared.storage.names import ids_name, prefix_name, progress_name, results_name, segments_name, work_name


class State(msgspec.Struct):
    """Where a chain continues. It is kept in a blob, because nextLinks and ids must not be in Durable's history."""

    link: str = ""
    seen: bytes = b""
    """The keys of those who were read, and of those who are gone."""
    purged: int = msgspec.field(name="gone", default=0)
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
class Reading:
    """A range while one execution reads it."""

    number: int
    range: Range
    columns: list[Column]
    format: Format
    query: Query
    """What lists it; of selected users only the properties and the relation count."""
    enrichers: list[Enricher]
    """What is added to its users."""
    counters: tuple[tuple[str, Callable[[User], bool]], ...]
    """For warnings: under which name users are counted, and which."""
    sign_ins: bool
    """Graph may send objects of purged users."""
    state: State
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


async def begin(run: Execution, number: int, saved: str) -> Reading:
    """`saved`: the name of the state of an earlier execution; empty: none. Raises ChainBroken when that is missing."""
    record, range_ = run.record, from_dict(run.plan.ranges[number])
    state = await _read_state(run, saved)
    columns, file = columns_of(record.columns), record.chosen_format()
    query = _query(run, range_)
    expanded = query.expand.partition("(")[0]
    report = await registration.load(run.edges, record.id) if run.plan.report else None
    selected = range_.kind == "users"
    elsewhere = await selection.read_elsewhere(run.edges.storage, record.id, number) if selected else b""
    rows, errors = _writers(run, prefix_name(number, run.segment, run.id), state, file)
    came = len(state.seen) // SIZE - state.purged
    return Reading(
        number=number,
        range=range_,
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
        counters=_counters(columns, report),
        sign_ins=not selected and has_sign_ins(record, select_of(columns, run.plan.unreadable)),
        state=state,
        rows=rows,
        errors=errors,
        seen=set(keys.split(elsewhere + state.seen)),
        listed=bytearray() if check.by_name(range_) or selected or run.plan.sifted else None,
        members=await members.load(run.edges, record.id) if run.plan.sifted else None,
        passed=state.passed,
        before=came - state.passed,
        advance=pages.Advance(range_.expected, run.plan.total or run.plan.expected, came, state.others, state.barren),
    )


async def _read_state(run: Execution, saved: str) -> State:
    if not saved:
        return State()
    data = await blobs.read(run.edges.storage, work_name(run.record.id, saved))
    if data is None:
        raise ChainBroken("StateLost", "The state of a chain of pages is missing in the storage.")
    return msgspec.msgpack.decode(data, type=State)


def _writers(run: Execution, name: str, state: State, file: Format) -> tuple[BlockWriter, BlockWriter]:
    """For rows and for errors, with those that did not fill a block yet."""
    storage, record, enough = run.edges.storage, run.record, block_bytes(run.plan.expected)
    rows = BlockWriter(storage, record.file_blob_name(), name, enough, most_users=file.block_users)
    errors = BlockWriter(storage, results_name(record.id), name, enough, results.SEPARATOR)
    rows.add(*state.rows)
    rows.about += state.about
    errors.add(*state.errors)
    return rows, errors


def _query(run: Execution, range_: Range) -> Query:
    """What lists the range, with one of the relations that its columns want, where Graph takes that."""
    record, plan = run.record, run.plan
    related = relations_of(columns_of(record.columns), plan.unreadable)[:1]
    if range_.kind == "users":
        select = select_of(columns_of(record.columns), plan.unreadable)
        return Query(select, expand=relations.EXPANDS[related[0]] if related else "")
    return range_query(
        run.edges.graph,
        record,
        range_,
        advanced=plan.advanced,
        unreadable=plan.unreadable,
        related=related,
        expands_advanced=plan.expands_advanced,
    )


def _counters(columns: list[Column], report: Report | None) -> tuple[tuple[str, Callable[[User], bool]], ...]:
    sources = {column.source for column in columns}
    counters: list[tuple[str, Callable[[User], bool]]] = []
    if report is not None and REGISTRATION in sources:
        counters.append((UNREGISTERED, lambda user: user.registration is None))
    if ATTRIBUTES in sources:
        counters.append((ATTRIBUTED, lambda user: bool(user.custom_security_attributes)))
    return tuple(counters)


async def end(run: Execution, reading: Reading, link: str | None) -> tuple[Staged, str]:
    """Stages what remains, or keeps it for the execution that goes on."""
    rows, errors, name = reading.rows, reading.errors, reading.rows.prefix
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
        await write(run, ids_name(run.record.id, name), bytes(reading.listed))
    if rows.segments:
        await write(run, segments_name(run.record.id, name), msgspec.msgpack.encode(rows.segments))
    await note(run, reading, done=not link)
    if not link:
        return staged, ""
    advance = reading.advance
    state = State(
        link=link,
        seen=b"".join(reading.seen),
        purged=reading.state.purged + reading.counted[PURGED],
        rows=rows.pieces,
        about=rows.about,
        errors=errors.pieces,
        barren=advance.barren,
        others=advance.others,
        passed=reading.passed,
    )
    await write(run, work_name(run.record.id, f"chain-{name}"), msgspec.msgpack.encode(state))
    return staged, f"chain-{name}"


async def note(run: Execution, reading: Reading, *, done: bool) -> None:
    """Notes how far the range is, for those who watch."""
    rows = reading.before + reading.users
    await write(run, progress_name(run.record.id, reading.number), b"", {"rows": rows, "done": done})
