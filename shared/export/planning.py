"""How an export is planned: its ranges, and what the tenant and the permissions allow."""

import asyncio
import itertools
from datetime import UTC, datetime

from shared.export import asking, check, lookups, members, probes, questions, scoped, selection, sizes
from shared.export.context import Edges, Plan, Record, cancel_requested
from shared.export.queries import listed_filter
from shared.files.columns import CREATED, ROLES, SIGN_IN, Column, relations_of, select_of
from shared.graph import odata
from shared.graph.client import Graph
from shared.graph.pages import PAGE
from shared.ranges import splitting
from shared.ranges.counting import Answers, Planning
from shared.ranges.ranges import Range, from_dict

PAGES_BEFORE_NAMES = 5
"""Users that fit on so many pages are not split by name: that would save seconds, and a user who was renamed just
before could be missing."""
ONE_CHAIN = (
    "Graph does not count these users, or does not combine this filter with others. So they could not be split into"
    " ranges, and were read as one chain of pages."
)
RANGES_BY_NAME = (
    "Many users here have no createdDateTime, or the same one. They were split into ranges by userPrincipalName."
    " Graph's index of names is a few minutes old: a user who was renamed just before the export began may be missing."
)
RENAMES_UNCHECKED = (
    "Users were split into ranges by userPrincipalName, and Graph does not say here who was renamed during the export."
    " A user who was renamed meanwhile may be missing."
)


class Cancelled(Exception):
    """A person cancelled during planning."""


async def make(edges: Edges, record: Record) -> Plan:
    """Counts users, and splits them into ranges. Raises Cancelled."""
    columns, left_out = scoped.offered(record)
    page, expands = await _expanded(edges.graph, columns)
    if record.users:
        unreadable = await probes.unreadable_properties(edges.graph, columns)
        ranges = [range_.as_dict() for range_ in selection.slices(record.users)]
        plan = Plan(ranges, advanced=False, unreadable=[], expected=record.users)
    elif record.scope.deleted:
        plan, unreadable = await scoped.deleted(edges.graph, record, columns)
    elif record.scope.of_members:
        plan, unreadable = await _of_members(edges, record, columns, page)
    else:
        plan, unreadable = await _split(edges, record, columns, page)
    if any(check.by_name(from_dict(range_)) for range_ in plan.ranges):
        plan.warnings.append({"code": "RangesByName", "reason": RANGES_BY_NAME})
        if not plan.delta_link:
            plan.warnings.append({"code": "RenamesUnchecked", "reason": RENAMES_UNCHECKED})
    else:
        plan.delta_link = ""
    plan.expands_advanced = expands
    plan.warnings += scoped.warnings(left_out)
    unreadable |= {column.source: [] for column in left_out}
    unreadable |= await probes.unreadable_methods(edges.graph, columns)
    unreadable |= await asking.add_report(edges, record, plan, columns, {*unreadable})
    plan.products, more = await lookups.products(edges.graph, columns, await lookups.license_names(edges, plan))
    plan.roles, others, readable = await lookups.roles(edges.graph, columns)
    plan.unreadable = [*unreadable, *(() if readable else (ROLES,))]
    plan.errors = [*plan.errors, *itertools.chain.from_iterable(unreadable.values()), *more, *others]
    return plan


async def _of_members(edges: Edges, record: Record, columns: list[Column], page: int) -> tuple[Plan, probes.Unreadable]:
    """In one of the two ways that `members` explains."""
    scope = await scoped.look(edges.graph, record)
    if members.are_few(scope.members, scope.total, select_of(columns)):
        unreadable = await probes.unreadable_properties(edges.graph, columns)
        ids = await members.list_ids(edges.graph, record, scope.members)
        plan = Plan([range_.as_dict() for range_ in selection.slices(len(ids))], advanced=False, unreadable=[])
        plan.members = await members.write_list(edges, record.id, ids)
    else:
        plan, unreadable = await _split(edges, record, columns, page)
        plan.sifted, plan.total = True, plan.expected
    plan.expected, plan.errors = scope.members, scope.problems
    return plan, unreadable


async def _expanded(graph: Graph, columns: list[Column]) -> tuple[int, bool]:
    """How many users come on a page, and whether an advanced query takes the relation."""
    if not (related := relations_of(columns)):
        return PAGE, True
    size, expands = await probes.expanded_page(graph, related[0])
    return size or PAGE, expands


async def _split(edges: Edges, record: Record, columns: list[Column], page: int) -> tuple[Plan, probes.Unreadable]:
    filter_ = listed_filter(record)
    advanced = not await probes.takes_by_default(edges.graph, filter_)

    # A range has the same number of pages, however many users Graph sends on one.
    most = max(edges.settings.range_users * page // PAGE, 1)

    def size_of(total: int) -> int:
        # Where each user costs a call there are fewer lanes. Several ranges can be shared out to them more evenly.
        least = page if sizes.is_per_user(record) else sizes.LEAST_USERS * page // PAGE
        return sizes.range_size(total, most, edges.settings.parallel, least, page)

    # Graph combines a filter on signInActivity with no other filter, so it would refuse those of ranges.
    alone = odata.mentions(filter_, SIGN_IN)
    now = int(datetime.now(UTC).timestamp())
    planner = (
        splitting.leave_whole(size_of) if alone else splitting.split(size_of, now, min(most, PAGES_BEFORE_NAMES * page))
    )
    # The link gives the renames from now on. It is asked for at the same time, whether it is needed or not.
    link, (total, ranges), unreadable = await asyncio.gather(
        check.delta_link(edges.graph),
        _drive(edges, planner, record, advanced),
        probes.unreadable_properties(edges.graph, columns),
    )
    if CREATED in unreadable and not alone and total is not None and (not ranges or ranges[0].kind != "all"):
        planner = splitting.split_by_name_only(size_of)
        total, ranges = await _drive(edges, planner, record, advanced)
    plan = Plan([range_.as_dict() for range_ in ranges or ()], advanced, unreadable=[], delta_link=link, expected=total)
    if ranges is None:
        plan.ranges = [Range(kind="all", expected=total).as_dict()]
        plan.warnings = [{"code": "OneChain", "reason": ONE_CHAIN}]
    return plan, unreadable


async def _drive(
    edges: Edges, planner: Planning, record: Record, advanced: bool
) -> tuple[int | None, list[Range] | None]:
    """Runs the planner. Raises Cancelled."""
    answer: Answers | None = None
    while True:
        try:
            level = next(planner) if answer is None else planner.send(answer)
        except StopIteration as end:
            split: tuple[int | None, list[Range] | None] = end.value
            return split
        if await cancel_requested(edges.storage, record.id):
            raise Cancelled
        answer = await questions.answers(edges.graph, record, level, advanced=advanced)
