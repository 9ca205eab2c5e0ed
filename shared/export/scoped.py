"""What the plan and a preview find out about a scope before its users are read, and which columns Graph has for it."""

import asyncio
from dataclasses import dataclass

from shared.errors import GraphError, Transient
from shared.export import probes
from shared.export.context import Plan, Record
from shared.export.messages import Json
from shared.files.columns import BESIDES, Column, columns_of
from shared.graph import batches, scopes
from shared.graph.client import Graph
from shared.ranges.ranges import Range

NOT_OF_DELETED = (
    "Graph has nothing of this for deleted users, so the cells are empty: {}. These columns show what belongs to a user"
    " who can sign in."
)


@dataclass(frozen=True, slots=True)
class Membership:
    """What Graph says of the members of a group or unit."""

    members: int | None
    """Those that match the caller's filter, by Graph's count."""
    total: int | None
    """Users of the tenant."""
    problems: list[Json]
    """Why some may be missing: entries of the results' `errors`."""


async def look(graph: Graph, record: Record) -> Membership:
    """Raises GraphError for a filter that Graph refuses, else ExportError where the members can't be seen."""
    problems = await scopes.check(graph, record.scope)
    try:
        members, [total] = await asyncio.gather(
            scopes.count(graph, record.scope, record.filter), batches.counts(graph, [""])
        )
    except Transient:
        raise
    except GraphError as problem:
        raise scopes.refused(record.scope, problem) from None
    return Membership(members, total, [problem.as_dict() for problem in problems])


def offered(record: Record) -> tuple[list[Column], list[Column]]:
    """The columns that Graph has for the scope, and the others: a deleted user has no manager, for example."""
    columns = columns_of(record.columns)
    left_out = [each for each in columns if record.scope.deleted and each.source in BESIDES]
    return [each for each in columns if each not in left_out], left_out


def warnings(left_out: list[Column]) -> list[Json]:
    """The warning about columns that Graph does not have for the scope."""
    headers = ", ".join(column.header for column in left_out)
    return [{"code": "NotOfDeletedUsers", "reason": NOT_OF_DELETED.format(headers)}] if left_out else []


async def deleted(graph: Graph, record: Record, columns: list[Column]) -> tuple[Plan, probes.Unreadable]:
    """The plan for deleted users: one chain, because no document says that they can be split by createdDateTime."""
    path = record.scope.path
    advanced = not await probes.takes_by_default(graph, record.filter, path)
    expected = await deleted_count(graph, record)
    unreadable = await probes.unreadable_properties(graph, columns, path)
    range_ = Range(kind="all", expected=expected)
    return Plan([range_.as_dict()], advanced, unreadable=[], expected=expected), unreadable


async def deleted_count(graph: Graph, record: Record) -> int | None:
    """How many deleted users match; None where Graph does not count."""
    try:
        return await scopes.count(graph, record.scope, record.filter)
    except Transient:
        raise
    except GraphError as problem:
        if problem.status != 400:
            raise
        return None
