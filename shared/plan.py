"""The activity `plan`: counts, splits the export into ranges, finds out what tenant and permissions allow."""

import math
from datetime import UTC, datetime

import msgspec

from shared import authentication, batches, blobs, filters, graph, renames, selection, splitting
from shared.columns import AUTHENTICATION, SIGN_IN, Column, columns_of
from shared.errors import ExportError, GraphError, Transient
from shared.graph import Query
from shared.queries import fits, range_query
from shared.ranges import Range, from_dict
from shared.records import Edges, Json, Plan, Record, cancelled_name, read_record, work_name
from shared.settings import Settings
from shared.transport import Tally

PER_USER_LANES = 8
"""With 4 batches of 20 in each at the same time."""
RENAMES_UNCHECKED = (
    "Users without createdDateTime were read in parts by their userPrincipalName, and Graph does not tell here who"
    " was renamed meanwhile: someone renamed during the export may be missing."
)


class _Cancelled(Exception):
    """A person cancels while the export is planned."""


async def plan(edges: Edges, task: Json) -> Json:
    """`{"id"}` to `{"ranges", "lanes", "check", "expected", "found", "warnings", "requests", "retries"}` or
    `{"failed"}`, or `{"stopped"}` when it was cancelled meanwhile.

    `found`: errors that hold for all users. `check`: whether renames are to be looked for when all is read.
    """
    tally = Tally()
    record = await read_record(edges.storage, task["id"])
    try:
        made, expected, warnings = await _split(edges, record, tally)
        ranges = [from_dict(part) for part in made.ranges]
        if any(renames.by_name(part) for part in ranges):
            made.delta_link = await renames.delta_link(edges.graph, tally)
            if not made.delta_link:
                warnings.append({"code": "RenamesUnchecked", "reason": RENAMES_UNCHECKED})
        columns = columns_of(record.columns)
        errors = [
            error for probe in (_probe_sign_in, _probe_authentication) for error in await probe(edges, columns, tally)
        ]
    except Transient:
        raise
    except ExportError as problem:
        return {"failed": problem.as_dict()}
    except _Cancelled:
        return {"stopped": True}
    made.unreadable = [source for source, _ in errors]
    await blobs.write(edges.storage, work_name(record.id, "plan.json"), msgspec.json.encode(made))
    return {
        "ranges": len(made.ranges),
        "lanes": splitting.share(ranges, lanes_of(record, edges.settings)),
        "check": bool(made.delta_link),
        "expected": expected,
        "found": [error for _, error in errors],
        "warnings": warnings,
        "requests": tally.requests,
        "retries": tally.retries,
    }


async def _split(edges: Edges, record: Record, tally: Tally) -> tuple[Plan, int | None, list[Json]]:
    if record.users:
        parts = selection.slices(record.users)
        return Plan([part.as_dict() for part in parts], False, []), record.users, []
    advanced = filters.is_advanced(record.filter) or not await _takes(edges, record.filter, tally)
    total = (await batches.counts(edges.graph, [record.filter], tally))[0]
    ranges: list[Range] | None = None
    if total is not None:
        size = range_size(total, edges.settings.range_users, lanes_of(record, edges.settings))
        planner = splitting.split(total, size, int(datetime.now(UTC).timestamp()))
        ranges = await _drive(edges, planner, record, advanced, tally)
    warnings = []
    if ranges is None:
        reason = (
            "Graph does not count these users or does not filter them by createdDateTime: read as one chain of pages."
        )
        warnings.append({"code": "OneChain", "reason": reason})
        ranges = [Range(kind="all", expected=total)]
    return Plan([part.as_dict() for part in ranges], advanced, []), total, warnings


def range_size(total: int, most: int, lanes: int) -> int:
    """Users per range: at most as set, but fewer in a small tenant, so that all lanes have something to read."""
    return min(most, max(math.ceil(total / lanes), 2 * graph.PAGE))


def lanes_of(record: Record, settings: Settings) -> int:
    """How many ranges are read side by side. Few when each user costs a call: Graph allows few of those."""
    per_user = any(column.source == AUTHENTICATION for column in columns_of(record.columns))
    return min(settings.parallel, PER_USER_LANES) if per_user else settings.parallel


async def _drive(
    edges: Edges, planner: splitting.Splitting, record: Record, advanced: bool, tally: Tally
) -> list[Range] | None:
    """Runs the planner: what it wants counted is asked of Graph, just as the range itself will be asked."""
    answer: splitting.Counts | None = None
    while True:
        try:
            questions = next(planner) if answer is None else planner.send(answer)
        except StopIteration as end:
            found: list[Range] | None = end.value
            return found
        if await blobs.read(edges.storage, cancelled_name(record.id)) is not None:
            raise _Cancelled
        asked = [range_query(edges.graph, record, part, advanced=advanced) for part in questions]
        possible = [query.filter for query in asked if fits(edges.graph, query)]
        counted = iter(await batches.counts(edges.graph, possible, tally))
        answer = [next(counted) if fits(edges.graph, query) else None for query in asked]


async def _takes(edges: Edges, caller_filter: str, tally: Tally) -> bool:
    """Whether Graph takes the caller's filter in a default query; False means that it must be an advanced one."""
    if not caller_filter:
        return True
    try:
        await anext(graph.chain(edges.graph, Query(("id",), caller_filter, top=1), tally))
    except Transient:
        raise
    except GraphError as problem:
        if problem.status != 400:
            raise
        await anext(graph.chain(edges.graph, Query(("id",), caller_filter, advanced=True, top=1), tally))
        return False
    return True


async def _probe_sign_in(edges: Edges, columns: list[Column], tally: Tally) -> list[tuple[str, Json]]:
    """signInActivity needs a permission and a licence of its own: without them the rest is exported."""
    headers = [column.header for column in columns if column.source == SIGN_IN]
    if not headers:
        return []
    try:
        await anext(graph.chain(edges.graph, Query(("id", SIGN_IN), top=1), tally))
    except Transient:
        raise
    except GraphError as problem:
        if problem.status != 403:
            raise
        return [(SIGN_IN, {**problem.as_dict(), "column": ", ".join(headers)})]
    return []


async def _probe_authentication(edges: Edges, columns: list[Column], tally: Tally) -> list[tuple[str, Json]]:
    """When the first users all are refused for the same reason, a permission is missing: said once, not per user."""
    headers = [column.header for column in columns if column.source == AUTHENTICATION]
    if not headers:
        return []
    page = await anext(graph.chain(edges.graph, Query(("id",), top=batches.BATCH), tally))
    failed = await authentication.add_methods(edges.graph, page.value, tally)
    if not failed or len(failed) < len(page.value) or {problem.status for _, problem in failed} != {403}:
        return []
    return [(AUTHENTICATION, {**failed[0][1].as_dict(), "column": ", ".join(headers)})]
