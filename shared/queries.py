"""The query that lists a range's users: the caller's filter, the range's own, and what a URL has room for."""

from dataclasses import replace

from shared import filters, graph
from shared.columns import SIGN_IN, columns_of, select_of
from shared.graph import Query
from shared.ranges import Range, question
from shared.records import Record
from shared.transport import Graph


def range_query(
    connection: Graph, record: Record, part: Range, *, advanced: bool, unreadable: tuple[str, ...] = ()
) -> Query:
    """What is asked for a range. `advanced`: the caller's filter wants that; some ranges do by themselves."""
    select = select_of(column for column in columns_of(record.columns) if column.source not in unreadable)
    # Only `ge` and `le` on createdDateTime are sure to work in a default query together with another filter.
    advanced = advanced or part.kind == "null" or bool(part.prefixes or part.except_prefixes)
    query = Query(select, record.filter, advanced, graph.SIGN_IN_PAGE if SIGN_IN in select else graph.PAGE)
    room = graph.MAX_URL - len(graph.url_of(connection, query)) - len("&$filter=() and ()")
    return replace(query, filter=filters.both(record.filter, question(part, room)))


def fits(connection: Graph, query: Query) -> bool:
    """False when Graph would refuse the URL: those of advanced queries are limited."""
    return not query.advanced or len(graph.url_of(connection, query)) <= graph.MAX_URL
