"""The query that lists a range's users: the caller's filter, the range's own, and what a URL has room for."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from shared.export.context import Record
from shared.files.columns import SIGN_IN, columns_of, select_of
from shared.graph import odata, pages, relations
from shared.graph.client import Graph
from shared.graph.pages import Query
from shared.ranges.ranges import Range, question


def range_query(
    graph: Graph,
    record: Record,
    range_: Range,
    *,
    advanced: bool,
    unreadable: Collection[str] = (),
    related: Sequence[str] = (),
    expands_advanced: bool = True,
) -> Query:
    """What is asked for a range. `advanced`: the caller's filter wants that; some ranges do by themselves.

    `related`: the relation to expand, which an advanced query may not take.
    """
    select = select_of(columns_of(record.columns), unreadable)
    # Only `ge` and `le` on createdDateTime are sure to work in a default query together with another filter.
    advanced = advanced or range_.kind == "null" or bool(range_.prefixes or range_.except_prefixes)
    expand = relations.EXPANDS[related[0]] if related and (expands_advanced or not advanced) else ""
    path = record.scope.path if record.scope.deleted else pages.USERS
    filter_ = listed_filter(record)
    query = Query(select, filter_, advanced, _top(record, select, advanced=advanced), path, expand=expand)
    room = pages.MAX_URL - len(pages.url_of(graph, query)) - len("&$filter=() and ()")
    return replace(query, filter=odata.both(filter_, question(range_, room)))


def listed_filter(record: Record) -> str:
    """The caller's filter, where the ranges are asked with it: members were listed with it already."""
    return "" if record.scope.of_members else record.filter


def has_sign_ins(record: Record, select: Collection[str]) -> bool:
    """Whether signInActivity is selected or filtered on: such lists bring objects of users that are gone."""
    return SIGN_IN in select or odata.mentions(record.filter, SIGN_IN)


def _top(record: Record, select: Collection[str], *, advanced: bool) -> int:
    if advanced and SIGN_IN in select:
        return pages.ADVANCED_SIGN_IN_PAGE
    return pages.SIGN_IN_PAGE if has_sign_ins(record, select) else pages.PAGE


def fits(graph: Graph, query: Query) -> bool:
    """False when Graph would refuse the URL: those of advanced queries are limited."""
    return not query.advanced or len(pages.url_of(graph, query)) <= pages.MAX_URL
