"""What an export would give, within seconds: how many users, the first rows, what it costs, and what is not permitted.

Nothing is stored. A request that Graph refuses (400) raises. A missing permission is an entry of `problems`, as in the
results of the export.
"""

import asyncio
import csv
import functools
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from shared.errors import ExportError, GraphError, Transient
from shared.export import lookups, members, probes, scoped, selection
from shared.export.context import Plan, Record
from shared.export.enrichment import enrichers
from shared.export.estimate import UNKNOWN, Users, estimate
from shared.export.messages import Json
from shared.export.queries import fits, has_sign_ins, range_query
from shared.files import csv_rows, formats
from shared.files.columns import REGISTRATION, ROLES, Column, columns_of, relations_of, select_of
from shared.graph import batches, pages, relations
from shared.graph.client import Graph, Retries
from shared.graph.pages import Query
from shared.graph.users import User, is_purged
from shared.ranges.ranges import Range
from shared.settings import Settings

SECONDS = 8.0
"""After which there must be an answer."""
RETRIES = Retries(attempts=2, seconds=4.0, longest_pause=2.0)
"""Of one request, while a caller waits."""
ROWS = 5
_SAMPLE = 20
"""So many users are asked for, because some may be objects of purged users."""
REPORT_NOT_READ = "The registration report takes minutes to read, so a preview leaves these cells empty."


async def preview(graph: Graph, settings: Settings, record: Record, users: Sequence[str]) -> Json:
    """`{count, columns, rows, estimate: {requests, seconds, perUserCalls}, problems: [{code, reason, ...}]}`.

    `users`: those that the request selects. Raises GraphError when Graph refuses the request (400), and Transient or
    TimeoutError when Graph does not answer in time.
    """
    async with asyncio.timeout(SECONDS):
        try:
            return await _preview(graph, settings, record, users)
        except Transient:
            raise
        except ExportError as problem:
            if isinstance(problem, GraphError) and problem.status == 400:
                raise
            return _body(record, None, [], dict(UNKNOWN), [problem.as_dict()])


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Graph shows of the users that a request asks for: how many they are, and the first of them."""

    counted: Users
    users: list[User]
    query: Query
    problems: Sequence[Json] = ()


async def _preview(graph: Graph, settings: Settings, record: Record, users: Sequence[str]) -> Json:
    columns, left_out = scoped.offered(record)
    path = record.scope.path if record.scope.deleted else pages.USERS
    unreadable = await probes.unreadable_properties(graph, columns, path)
    related = relations_of(columns, unreadable)[:1]
    page, expands = await probes.expanded_page(graph, related[0]) if related else (None, True)
    one_by_one = Query(select_of(columns, unreadable), expand=relations.EXPANDS[related[0]] if related else "")
    if users:
        selected, failed = await _selected(graph, users, one_by_one)
        seen = _Seen(Users(len(users), batches.BATCH, len(users)), selected, one_by_one, failed)
    elif record.scope.of_members:
        seen = await _members(graph, record, one_by_one, page)
    else:
        seen = await _listed(graph, record, unreadable, related, page, expands=expands)
    unreadable |= {column.source: [] for column in left_out}
    unreadable |= await probes.unreadable_methods(graph, columns)
    unreadable |= await _unread_report(graph, columns)
    problems = [*scoped.warnings(left_out), *seen.problems, *itertools.chain.from_iterable(unreadable.values())]
    problems += await _enrich(graph, record, columns, seen.query, unreadable, seen.users)
    costs = estimate(settings, record, seen.counted)
    return _body(record, seen.counted.count, _rows(record, seen.users), costs, problems)


async def _listed(
    graph: Graph,
    record: Record,
    unreadable: probes.Unreadable,
    related: Sequence[str],
    page: int | None,
    *,
    expands: bool,
) -> _Seen:
    """The tenant's users, or its deleted ones. `page`: so many users come on one with the relation."""
    path = record.scope.path if record.scope.deleted else pages.USERS
    advanced = not await probes.takes_by_default(graph, record.filter, path)
    query = range_query(
        graph,
        record,
        Range(kind="all"),
        advanced=advanced,
        unreadable=unreadable,
        related=related,
        expands_advanced=expands,
    )
    counting = scoped.deleted_count if record.scope.deleted else functools.partial(_count, query=query)
    count, users = await asyncio.gather(
        counting(graph, record), _first(graph, query, purged=has_sign_ins(record, query.select))
    )
    return _Seen(Users(count, min(query.top, page or pages.PAGE), count), users, query)


async def _members(graph: Graph, record: Record, query: Query, page: int | None) -> _Seen:
    """The members of a group or unit."""
    scope = await scoped.look(graph, record)
    first = await _first(graph, members.query_of(record), purged=False)
    ids = [user.id for user in first]
    users, failed = await _selected(graph, ids, query, chosen=False) if ids else ([], [])
    count, problems = scope.members, [*scope.problems, *failed]
    if members.are_few(count, scope.total, query.select):
        return _Seen(Users(count, batches.BATCH, count, count or 0), users, query, problems)
    tenant = range_query(graph, record, Range(kind="all"), advanced=False)
    counted = Users(count, min(tenant.top, page or pages.PAGE), scope.total, count or 0)
    return _Seen(counted, users, query, problems)


async def _unread_report(graph: Graph, columns: list[Column]) -> probes.Unreadable:
    """The registration report takes minutes, so a preview only asks whether it may be read."""
    headers = [column.header for column in columns if column.source == REGISTRATION]
    if not headers:
        return {}
    entry = {"code": "NotInPreview", "reason": REPORT_NOT_READ, "column": ", ".join(headers)}
    return await probes.unreadable_report(graph, columns) or {REGISTRATION: [entry]}


async def _enrich(
    graph: Graph,
    record: Record,
    columns: list[Column],
    query: Query,
    unreadable: probes.Unreadable,
    users: list[User],
) -> list[Json]:
    """Adds what does not come with the list of users, as the export does; returns the errors."""
    expanded = query.expand.partition("(")[0]
    products, problems = await lookups.products(graph, columns, None)
    roles, more, readable = await lookups.roles(graph, columns)
    missing = [*unreadable, *(() if readable else (ROLES,))]
    plan = Plan([], query.advanced, missing, products=products, roles=roles)
    doubtful = bool(expanded) and query.advanced
    problems += more
    for enrich in enrichers(graph, record, plan, columns, None, expanded=expanded, doubtful=doubtful):
        _, failed = await enrich(users, None)
        problems += failed
    return problems


def _body(record: Record, count: int | None, rows: list[list[Any]], estimate: Json, problems: list[Json]) -> Json:
    notes = [{"code": "ColumnsLeftOut", "reason": note} for note in record.notes]
    body = {"count": count, "columns": record.columns, "rows": rows, "estimate": estimate}
    return body | {"problems": notes + [_with_permission(each) for each in problems]}


def _with_permission(entry: Json) -> Json:
    """The entry with the permission that its columns need, where it may be missing."""
    if entry["code"] in {"NotInPreview", "PropertyMissing"}:
        return entry
    named = [column for column in str(entry.get("column", "")).split(", ") if column]
    needed = {column.permission for column in columns_of(named) if column.permission}
    return entry | ({"permission": ", ".join(sorted(needed))} if needed else {})


async def _count(graph: Graph, _: Record, query: Query) -> int | None:
    return (await batches.counts(graph, [query.filter]))[0] if fits(graph, query) else None


async def _first(graph: Graph, query: Query, *, purged: bool) -> list[User]:
    page = await anext(pages.chain(graph, replace(query, top=min(query.top, _SAMPLE))))
    return [user for user in page.value if not (purged and is_purged(user))][:ROWS]


async def _selected(
    graph: Graph, users: Sequence[str], query: Query, *, chosen: bool = True
) -> tuple[list[User], list[Json]]:
    listed = msgspec.json.encode(users[:ROWS])
    range_ = Range(kind="users", low=0, high=min(ROWS, len(users)), expected=None)
    steps = [step async for step in selection.read(graph, listed, range_, query, chosen=chosen)]
    return [user for step in steps for user in step.users], [e for step in steps for e in step.errors]


def _rows(record: Record, users: list[User]) -> list[list[Any]]:
    """The cells as in the file: of a CSV with the guard, of the other formats in their types."""
    columns = columns_of(record.columns)
    if record.format == formats.CSV:
        data, _ = csv_rows.rows(users, columns, record.excel, record.separator)
        return [*csv.reader(io.StringIO(data.decode(), newline=""), delimiter=record.separator)]
    typed = record.format == formats.JSONL
    read = [column.value if typed or column.kind != "text" else column.cell for column in columns]
    return [[value(user) for value in read] for user in users]
