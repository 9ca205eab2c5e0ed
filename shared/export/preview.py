"""What an export would give, in seconds: how many users, the first rows, what it costs, and what is not permitted.

Nothing is stored. What Graph refuses of the request itself (400) is raised; that something is not permitted is an
entry of `problems`, as the results of the export would have it.
"""

import asyncio
import csv
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from shared.errors import ExportError, GraphError, Transient
from shared.export import probes, selection
from shared.export.context import Record
from shared.export.messages import Json
from shared.export.plan import lanes_of
from shared.export.queries import fits, has_sign_ins, range_query
from shared.files import csv_rows, formats
from shared.files.columns import AUTHENTICATION, Column, columns_of, select_of
from shared.graph import authentication, batches, pages
from shared.graph.client import Graph, Retries, Tally
from shared.graph.pages import Query
from shared.graph.users import User, is_purged
from shared.ranges.ranges import Range
from shared.settings import Settings

SECONDS = 8.0
"""Until an answer must be there."""
RETRIES = Retries(attempts=2, seconds=4.0, longest_pause=2.0)
"""Of one request, while a caller waits."""
ROWS = 5
_SAMPLE = 20
"""Users that are asked for: some may be what is left of users that are gone."""
_PLANNING_REQUESTS, _PLANNING_SECONDS = 20, 10
_PAGE_SECONDS = 1.5
_SIGN_IN_SECONDS = 6
"""Graph takes 10 requests a minute with signInActivity."""
_PER_USER_SECONDS = 2
"""Graph documents 5 calls in 10 seconds for authentication methods; in practice it takes more."""


async def preview(graph: Graph, settings: Settings, record: Record, users: Sequence[str]) -> Json:
    """`{count, columns, rows, estimate: {requests, seconds, perUserCalls}, problems: [{code, reason, ...}]}`.

    `users`: those that the request selects. Raises GraphError for what Graph does not take (400), and Transient or
    TimeoutError when it does not answer in time.
    """
    async with asyncio.timeout(SECONDS):
        try:
            return await _preview(graph, settings, record, users)
        except Transient:
            raise
        except ExportError as problem:
            if isinstance(problem, GraphError) and problem.status == 400:
                raise
            return _body(record, None, [], _estimate(settings, record, None, pages.PAGE), [problem.as_dict()])


async def _preview(graph: Graph, settings: Settings, record: Record, users: Sequence[str]) -> Json:
    tally, columns = Tally(), columns_of(record.columns)
    unreadable, problems = {}, list[Json]()
    if users:
        unreadable = await probes.unreadable_properties(graph, columns, tally)
        count: int | None = len(users)
        found, problems, page = await _selected(graph, users, select_of(columns, unreadable), tally)
    else:
        advanced = not await probes.takes_by_default(graph, record.filter, tally)
        unreadable = await probes.unreadable_properties(graph, columns, tally)
        query = range_query(graph, record, Range(kind="all"), advanced=advanced, unreadable=unreadable)
        page = query.top
        count, found = await asyncio.gather(
            _count(graph, query, tally), _first(graph, query, tally, purged=has_sign_ins(record, query.select))
        )
    if any(column.source == AUTHENTICATION for column in columns):
        headers = [column.header for column in columns if column.source == AUTHENTICATION]
        unreadable |= await probes.unreadable_methods(graph, columns, tally)
        if AUTHENTICATION not in unreadable:
            _, failed = await authentication.add_methods(graph, found, tally)
            problems += [authentication.error_entry(user, problem, headers) for user, problem in failed]
    problems += itertools.chain.from_iterable(unreadable.values())
    return _body(record, count, _rows(record, found, columns), _estimate(settings, record, count, page), problems)


def _body(record: Record, count: int | None, rows: list[list[Any]], estimate: Json, problems: list[Json]) -> Json:
    notes = [{"code": "ColumnsLeftOut", "reason": note} for note in record.notes]
    body = {"count": count, "columns": record.columns, "rows": rows, "estimate": estimate}
    return body | {"problems": notes + [_with_permission(each) for each in problems]}


def _with_permission(entry: Json) -> Json:
    """The entry with the permission that its columns need."""
    named = [column for column in str(entry.get("column", "")).split(", ") if column]
    needed = {column.permission for column in columns_of(named) if column.permission}
    return entry | ({"permission": ", ".join(sorted(needed))} if needed else {})


async def _count(graph: Graph, query: Query, tally: Tally) -> int | None:
    return (await batches.counts(graph, [query.filter], tally))[0] if fits(graph, query) else None


async def _first(graph: Graph, query: Query, tally: Tally, *, purged: bool) -> list[User]:
    page = await anext(pages.chain(graph, replace(query, top=min(query.top, _SAMPLE)), tally))
    return [user for user in page.value if not (purged and is_purged(user))][:ROWS]


async def _selected(
    graph: Graph, users: Sequence[str], select: tuple[str, ...], tally: Tally
) -> tuple[list[User], list[Json], int]:
    some = msgspec.json.encode(users[:ROWS])
    part = Range(kind="users", low=0, high=min(ROWS, len(users)), expected=None)
    steps = [step async for step in selection.read(graph, some, part, select, tally)]
    return [user for step in steps for user in step.users], [e for step in steps for e in step.errors], batches.BATCH


def _rows(record: Record, users: list[User], columns: Sequence[Column]) -> list[list[Any]]:
    """The cells as they will be: of a CSV with the guard, of the other formats in their types."""
    if record.format == formats.CSV:
        data, _ = csv_rows.rows(users, columns, record.excel, record.separator)
        return [*csv.reader(io.StringIO(data.decode(), newline=""), delimiter=record.separator)]
    typed = record.format == formats.JSONL
    read = [column.value if typed or column.kind != "text" else column.cell for column in columns]
    return [[value(user) for value in read] for user in users]


def _estimate(settings: Settings, record: Record, count: int | None, page: int) -> Json:
    """What the export takes, roughly; nulls where Graph does not count."""
    if count is None:
        return {"requests": None, "seconds": None, "perUserCalls": None}
    columns = columns_of(record.columns)
    each = count if any(column.source == AUTHENTICATION for column in columns) else 0
    requests = math.ceil(count / page)
    together = min(lanes_of(record, settings), max(requests, 1))
    slow = has_sign_ins(record, select_of(columns))
    reading = requests * _SIGN_IN_SECONDS if slow else requests / together * _PAGE_SECONDS
    seconds = max(reading, each * _PER_USER_SECONDS) + _PLANNING_SECONDS
    return {
        "requests": _PLANNING_REQUESTS + requests + math.ceil(each / batches.BATCH),
        "seconds": math.ceil(seconds),
        "perUserCalls": each,
    }
