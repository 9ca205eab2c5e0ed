"""The activity `plan`: counts users, splits the export into ranges, finds what the tenant and permissions allow."""

import asyncio
import itertools
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from shared.errors import ExportError, Transient
from shared.export import check, lookups, members, probes, questions, scoped, selection
from shared.export.context import Edges, Plan, Record, ended, failure_of, find_record, read_plan, read_record
from shared.export.messages import Planned, PlanTask
from shared.export.queries import listed_filter
from shared.files.columns import (
    AUTHENTICATION,
    CREATED,
    REGISTRATION,
    ROLES,
    SIGN_IN,
    Column,
    columns_of,
    relations_of,
    select_of,
)
from shared.files.product_names import read_csv
from shared.graph import batches, odata
from shared.graph.client import Graph
from shared.graph.pages import PAGE
from shared.ranges import splitting
from shared.ranges.counting import Answers, Planning
from shared.ranges.ranges import Range, from_dict
from shared.settings import Settings
from shared.storage import blobs
from shared.storage.blobs import Storage
from shared.storage.names import cancelled_name, deleted_name, place_name, plan_name, record_name, results_name

LEAST_USERS = 1_800
"""Two pages, where the range became a little larger than it should be. One that is smaller is read sooner, but finding
it takes more round trips than that saves: unless each user costs a call, beside which pages are nothing."""
PAGES_BEFORE_NAMES = 5
"""Fewer users than on so many pages are not split by name: that would save seconds, and a user who was renamed just
before could be missing."""
MAX_RANGES = 10_000
"""Each leaves a block of its own, or more, and a blob has 50,000 at most."""
PER_USER_LANES = 8
"""With 4 batches of 20 in each at the same time."""
ONE_CHAIN = (
    "Graph does not count these users, or does not combine this filter with others. So they could not be split into"
    " ranges, and were read as one chain of pages."
)
RANGES_BY_NAME = (
    "Many users here have no createdDateTime, or the same one. They were split into ranges by userPrincipalName."
    " Graph's index of names is a few minutes old: a user who was renamed just before the export began may be missing."
)
METHODS_BY_REPORT = (
    "Authentication methods were asked for only of users who have registered a phone or an e-mail by the tenant's"
    " registration report, and of those whom it does not know. It is up to a day old: what was registered since may be"
    " missing. EXPORT_AUTHENTICATION_ASK=all asks for everyone."
)
ASKED_LESS = 0.3
"""The share of users for whom the report saves a call, at least."""
APP = Path(__file__).parents[2]
"""The folder that is deployed."""
RENAMES_UNCHECKED = (
    "Users were split into ranges by userPrincipalName, and Graph does not say here who was renamed during the export."
    " A user who was renamed meanwhile may be missing."
)


class _Cancelled(Exception):
    """A person cancelled during planning."""


async def plan(edges: Edges, task: PlanTask) -> Planned:
    """Splits the export into ranges, and shares them out to lanes."""
    began = time.time()
    if await _is_over(edges.storage, task.id):
        return Planned(over=True)
    record = await read_record(edges.storage, task.id)
    try:
        made = await read_plan(edges.storage, record.id) or await _make(edges, record)
    except Transient:
        raise
    except ExportError as problem:
        return Planned(failed=failure_of(problem))
    except _Cancelled:
        return Planned(cancelled=True)
    made.began = made.began or began
    name = plan_name(record.id)
    if not await blobs.write_once(edges.storage, name, msgspec.json.encode(made)):
        # An earlier execution was first, and lanes may be reading by its plan: a second one would have other borders.
        first = await read_plan(edges.storage, record.id)
        if first is None:
            return await _ended(edges, record)
        made = first
    elif await blobs.read(edges.storage, results_name(record.id), most=1) is not None:
        # This execution has outlived the export (a zombie): everything was removed already, and nobody comes again.
        await blobs.delete(edges.storage, name)
        return await _ended(edges, record)
    ranges = [from_dict(part) for part in made.ranges]
    lanes = splitting.share(ranges, lanes_of(record, edges.settings))
    touched: list[int] = []
    if made.sifted or (record.users and len(ranges) > 1):
        touched = list(range(len(ranges)))
    elif made.delta_link:
        touched = [at for at, part in enumerate(ranges) if check.by_name(part)]
    return Planned(
        ranges=len(ranges),
        lanes=[sorted(lane, key=lambda at: at not in touched) for lane in lanes],
        check=touched,
        expected=made.expected,
        found=made.found,
        warnings=made.warnings,
        report=made.report or made.sifted,
    )


async def _ended(edges: Edges, record: Record) -> Planned:
    end = await ended(edges.storage, record.id)
    return Planned(failed=end.failed, cancelled=end.cancelled)


async def _is_over(storage: Storage, export_id: str) -> bool:
    """Whether the export has ended, and perhaps was deleted; then what the late POST has written goes."""
    if await blobs.exists(storage, results_name(export_id)):
        return True
    if not await blobs.exists(storage, deleted_name(export_id)):
        return False
    if record := await find_record(storage, export_id):
        await blobs.delete(storage, place_name(record.requested_by["id"], export_id))
        await blobs.delete(storage, record_name(export_id))
    return True


async def _make(edges: Edges, record: Record) -> Plan:
    columns, left_out = scoped.offered(record)
    page, expands = await _expanded(edges.graph, columns)
    if record.users:
        unreadable = await probes.unreadable_properties(edges.graph, columns)
        parts = [part.as_dict() for part in selection.slices(record.users)]
        made = Plan(parts, advanced=False, unreadable=[], expected=record.users)
    elif record.scope.deleted:
        made, unreadable = await scoped.deleted(edges.graph, record, columns)
    elif record.scope.of_members:
        made, unreadable = await _of_members(edges, record, columns, page)
    else:
        made, unreadable = await _split(edges, record, columns, page)
    if any(check.by_name(from_dict(part)) for part in made.ranges):
        made.warnings.append({"code": "RangesByName", "reason": RANGES_BY_NAME})
        if not made.delta_link:
            made.warnings.append({"code": "RenamesUnchecked", "reason": RENAMES_UNCHECKED})
    else:
        made.delta_link = ""
    made.expands_advanced = expands
    made.warnings += scoped.warnings(left_out)
    unreadable |= {column.source: [] for column in left_out}
    unreadable |= await probes.unreadable_methods(edges.graph, columns)
    unreadable |= await _add_report(edges, record, made, columns, {*unreadable})
    made.products, more = await lookups.products(edges.graph, columns, await _license_names(edges, made))
    made.roles, others, readable = await lookups.roles(edges.graph, columns)
    made.unreadable = [*unreadable, *(() if readable else (ROLES,))]
    made.found = [*made.found, *itertools.chain.from_iterable(unreadable.values()), *more, *others]
    return made


async def _of_members(edges: Edges, record: Record, columns: list[Column], page: int) -> tuple[Plan, probes.Unreadable]:
    """By one of the two roads: see `members`."""
    found = await scoped.look(edges.graph, record)
    if members.are_few(found.members, found.total, select_of(columns)):
        unreadable = await probes.unreadable_properties(edges.graph, columns)
        ids = await members.list_ids(edges.graph, record, found.members)
        made = Plan([part.as_dict() for part in selection.slices(len(ids))], advanced=False, unreadable=[])
        made.members = await members.write_list(edges, record.id, ids)
    else:
        made, unreadable = await _split(edges, record, columns, page)
        made.sifted, made.total = True, made.expected
    made.expected, made.found = found.members, found.problems
    return made, unreadable


async def _expanded(graph: Graph, columns: list[Column]) -> tuple[int, bool]:
    """How many users come on a page, and whether an advanced query takes the relation."""
    if not (related := relations_of(columns)):
        return PAGE, True
    size, expands = await probes.expanded_page(graph, related[0])
    return size or PAGE, expands


async def _add_report(
    edges: Edges, record: Record, made: Plan, columns: list[Column], unreadable: set[str]
) -> probes.Unreadable:
    """Decides whether the registration report is read; what the results say when it can't be read but should."""
    sources = {column.source for column in columns} - unreadable
    wanted = REGISTRATION in sources
    helps = AUTHENTICATION in sources and edges.settings.authentication_ask == "registered" and not record.users
    if helps and (record.filter or record.scope.of_members):
        helps = await _is_worth_it(edges.graph, made.expected)
    if not wanted and not helps:
        return {}
    found = await probes.unreadable_report(edges.graph, columns)
    made.report = not found
    if helps and made.report:
        made.warnings.append({"code": "MethodsByReport", "reason": METHODS_BY_REPORT})
    return found if wanted else {}


async def _is_worth_it(graph: Graph, expected: int | None) -> bool:
    """Whether to read the whole report costs less than to ask for each of the users of a filter."""
    if expected is None:
        return False
    [total] = await batches.counts(graph, [""])
    return total is not None and total < expected * PAGE * ASKED_LESS


async def _license_names(edges: Edges, made: Plan) -> bytes | None:
    """Microsoft's CSV of product names, where a setting says where it is: a file of the app, or a blob."""
    name = edges.settings.license_names
    if not name:
        return None
    file = APP / name
    found = file.read_bytes() if file.is_file() else await blobs.read(edges.storage, name)
    try:
        read_csv(found or b"")
    except ValueError as problem:
        reason = f"EXPORT_LICENSE_NAMES {name!r}: {problem}. Products have the names that the app itself knows."
        made.warnings.append({"code": "LicenseNamesUnreadable", "reason": reason})
        return None
    return found


async def _split(edges: Edges, record: Record, columns: list[Column], page: int) -> tuple[Plan, probes.Unreadable]:
    asked = listed_filter(record)
    advanced = not await probes.takes_by_default(edges.graph, asked)

    # Ranges of as many pages, whatever Graph sends on one.
    most = max(edges.settings.range_users * page // PAGE, 1)

    def size_of(total: int) -> int:
        # Not by lanes, which are fewer where each user costs a call: they share several ranges more evenly than one.
        least = page if _is_per_user(record) else LEAST_USERS * page // PAGE
        return range_size(total, most, edges.settings.parallel, least)

    # With a filter on signInActivity Graph takes none on another property, so ours would all be refused.
    alone = odata.mentions(asked, SIGN_IN)
    now = int(datetime.now(UTC).timestamp())
    planner = (
        splitting.leave_whole(size_of) if alone else splitting.split(size_of, now, min(most, PAGES_BEFORE_NAMES * page))
    )
    # The link counts from now on. Asked for before it is known whether it is needed, it costs no time.
    link, (total, ranges), unreadable = await asyncio.gather(
        check.delta_link(edges.graph),
        _drive(edges, planner, record, advanced),
        probes.unreadable_properties(edges.graph, columns),
    )
    if CREATED in unreadable and not alone and total is not None and (not ranges or ranges[0].kind != "all"):
        planner = splitting.split_by_name_only(size_of)
        total, ranges = await _drive(edges, planner, record, advanced)
    made = Plan([part.as_dict() for part in ranges or ()], advanced, unreadable=[], delta_link=link, expected=total)
    if ranges is None:
        made.ranges = [Range(kind="all", expected=total).as_dict()]
        made.warnings = [{"code": "OneChain", "reason": ONE_CHAIN}]
    return made, unreadable


def range_size(total: int, most: int, parallel: int, least: int = LEAST_USERS) -> int:
    """Users per range: at most `most`, and so that `parallel` ranges, or a multiple of these, hold all users.

    With other numbers, a few ranges would be read last, alone. Larger than `most` only below MAX_RANGES ranges.
    """
    rounds = max(math.ceil(total / (most * parallel)), 1)
    even = math.ceil(total / (rounds * parallel))
    return max(min(most, max(even, least)), math.ceil(total / MAX_RANGES))


def lanes_of(record: Record, settings: Settings) -> int:
    """How many ranges are read side by side. Few when each user costs a call: Graph allows few of those."""
    return min(settings.parallel, PER_USER_LANES) if _is_per_user(record) else settings.parallel


def _is_per_user(record: Record) -> bool:
    return any(column.source == AUTHENTICATION for column in columns_of(record.columns))


async def _drive(
    edges: Edges, planner: Planning, record: Record, advanced: bool
) -> tuple[int | None, list[Range] | None]:
    """Runs the planner."""
    answer: Answers | None = None
    while True:
        try:
            asked = next(planner) if answer is None else planner.send(answer)
        except StopIteration as end:
            found: tuple[int | None, list[Range] | None] = end.value
            return found
        if await blobs.read(edges.storage, cancelled_name(record.id)) is not None:
            raise _Cancelled
        answer = await questions.answers(edges.graph, record, asked, advanced=advanced)
