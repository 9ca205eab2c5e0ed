"""A range while one execution reads it: its beginning, and its end or the state for the execution that goes on."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from shared.errors import ChainBroken
from shared.export import check, counts, enrichment, members, registration, selection
from shared.export.enrichment import Enricher
from shared.export.execution import Execution, write
from shared.export.members import Members
from shared.export.messages import Staged
from shared.export.queries import has_sign_ins, lane_query
from shared.files import results
from shared.files.columns import Column, columns_of, select_of
from shared.files.deflate import Segment
from shared.files.formats import Format
from shared.graph import pages
from shared.graph.pages import Query
from shared.graph.users import User
from shared.ranges import keys
from shared.ranges.keys import SIZE
from shared.ranges.ranges import Range, from_dict
from shared.storage import blobs
from shared.storage.blockwriter import BlockWriter, block_bytes
from shared.storage.names import ids_name, prefix_name, progress_name, results_name, segments_name, work_name


class State(msgspec.Struct):
    """Where a chain goes on. It is kept in a blob, because nextLinks and ids must not be in Durable's history."""

    link: str = ""
    seen: bytes = b""
    """The keys of all users that came, and of purged users."""
    purged: int = msgspec.field(name="gone", default=0)
    """How many of these are purged users."""
    rows: list[bytes] = []
    about: list[Segment] = []
    """What is known of these rows, where they are deflated."""
    errors: list[bytes] = []
    """Not enough for a block yet: a chain of thousands of segments would have too many small blocks."""
    barren: int = 0
    """Pages in a row without a new user."""
    others: int = 0
    """Users that came and belong to another range."""
    passed: int = 0
    """Users that came and are not members, so they are not in the file."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """A range while one execution reads it."""

    number: int
    range: Range
    columns: list[Column]
    format: Format
    query: Query
    """What lists its users."""
    enrichers: list[Enricher]
    """They add what does not come with the list."""
    counters: dict[str, Callable[[User], bool]]
    """For warnings: under which name which users are counted."""
    sign_ins: bool
    """Whether Graph may send objects of purged users."""
    state: State
    """Where this execution began."""
    rows: BlockWriter
    errors: BlockWriter
    seen: set[bytes]
    listed: bytearray | None
    """The keys of its users, where another range may have them too: `check` compares them."""
    members: Members | None
    """Only these users of the range are kept."""
    passed: int
    """How many users of the range are not members."""
    before: int
    """Users that earlier executions have read."""
    advance: pages.Advance
    users: int = 0
    counted: Counter[str] = field(default_factory=Counter)


async def begin(run: Execution, number: int, saved: str) -> Reading:
    """`saved`: the name of an earlier execution's state; empty: there is none. Raises ChainBroken when it is lost."""
    record, range_ = run.record, from_dict(run.plan.ranges[number])
    state = await _read_state(run, saved)
    columns, file = columns_of(record.columns), record.chosen_format()
    query = lane_query(run.edges.graph, record, run.plan, range_)
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
        counters=counts.counters(columns, has_report=report is not None),
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
    """For rows and for errors, with those that earlier executions have not staged."""
    storage, record, enough = run.edges.storage, run.record, block_bytes(run.plan.expected)
    rows = BlockWriter(storage, record.file_blob_name(), name, enough, most_users=file.block_users)
    errors = BlockWriter(storage, results_name(record.id), name, enough, results.SEPARATOR)
    rows.add(*state.rows)
    rows.about += state.about
    errors.add(*state.errors)
    return rows, errors


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
        purged=reading.state.purged + reading.counted[counts.PURGED],
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
    """Notes how far the range is, for the progress that callers see."""
    rows = reading.before + reading.users
    await write(run, progress_name(run.record.id, reading.number), b"", {"rows": rows, "done": done})
