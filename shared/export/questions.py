"""Asks Graph the planner's questions, with the same queries as the ranges will have."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.errors import ExportError
from shared.export.context import Record
from shared.export.queries import fits, range_query
from shared.graph import batches, pages
from shared.graph.client import Graph
from shared.graph.users import User
from shared.ranges.counting import Answers, Question, Sample, Times
from shared.ranges.ranges import Range
from shared.ranges.sampling import usable

SAMPLE_SECONDS = 10.0
"""A sample is asked for once, and not waited for any longer: it only saves time."""


async def answers(graph: Graph, record: Record, questions: Sequence[Question], *, advanced: bool) -> Answers:
    """The answers in the order of the questions. `advanced`: the caller's filter needs an advanced query."""

    def query(range_: Range) -> pages.Query:
        return range_query(graph, record, range_, advanced=advanced)

    counted = [query(each) for each in questions if isinstance(each, Range)]
    sampled = [query(each.range) for each in questions if isinstance(each, Sample)]
    counts, samples = await asyncio.gather(
        _counts(graph, counted), asyncio.gather(*(_times(graph, each) for each in sampled))
    )
    count, times = iter(counts), iter(samples)
    return [next(count) if isinstance(each, Range) else next(times) for each in questions]


async def _counts(graph: Graph, queries: list[pages.Query]) -> list[int | None]:
    possible = [fits(graph, query) for query in queries]
    filters = [query.filter for query, fit in zip(queries, possible, strict=True) if fit]
    counted = iter(await batches.counts(graph, filters))
    return [next(counted) if fit else None for fit in possible]


async def _times(graph: Graph, query: pages.Query) -> Times | None:
    """One page of creation times; None without one: counts then give the same, with more requests."""
    hurried = replace(graph, retries=replace(graph.retries, attempts=1, seconds=0.0))
    try:
        async with asyncio.timeout(SAMPLE_SECONDS):
            page = await anext(pages.chain(hurried, replace(query, select=("id", "createdDateTime"), top=pages.PAGE)))
        return usable([_seconds(user) for user in page.value], whole=page.next_link is None)
    except (ExportError, TimeoutError, ValueError):
        return None


def _seconds(user: User) -> int:
    return int(datetime.fromisoformat(user.created_date_time or "").timestamp())
