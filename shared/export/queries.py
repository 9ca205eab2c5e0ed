"""The query that lists a range's users: the caller's filter, the range's own, and what a URL has room for."""

from dataclasses import replace

from shared.export.context import Record
from shared.files.columns import SIGN_IN, columns_of, select_of
from shared.graph import odata, pages
from shared.graph.client import Graph
from shared.graph.pages import Query
from shared.ranges.ranges import Range, question


def range_query(
    connection: Graph, record: Record, part: Range, *, advanced: bool, unreadable: tuple[str, ...] = ()
) -> Query:
    """What is asked for a range. `advanced`: the caller's filter wants that; some ranges do by themselves."""
    select = select_of(column for column in columns_of(record.columns) if column.source not in unreadable)
    # Only `ge` and `le` on createdDateTime are sure to work in a default query together with another filter.
    advanced = advanced or part.kind == "null" or bool(part.prefixes or part.except_prefixes)
    query = Query(select, record.filter, advanced, pages.SIGN_IN_PAGE if SIGN_IN in select else pages.PAGE)
    room = pages.MAX_URL - len(pages.url_of(connection, query)) - len("&$filter=() and ()")
    return replace(query, filter=odata.both(record.filter, question(part, room)))


def fits(connection: Graph, query: Query) -> bool:
    """False when Graph would refuse the URL: those of advanced queries are limited."""
    return not query.advanced or len(pages.url_of(connection, query)) <= pages.MAX_URL
