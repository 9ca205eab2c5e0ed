"""The query that lists a range's users: the caller's filter and the range's, as far as a URL has room."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from shared.export.context import Plan, Record
from shared.files.columns import SIGN_IN, columns_of, relations_of, select_of
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
    """The query for a range. `advanced`: the caller's filter needs an advanced query; some ranges need one anyway.

    `related`: the relation to expand. `expands_advanced`: Graph takes it in an advanced query.
    """
    select = select_of(columns_of(record.columns), unreadable)
    # In a default query with another filter, Graph surely takes only `ge` and `le` on createdDateTime.
    advanced = advanced or range_.kind == "null" or bool(range_.prefixes or range_.except_prefixes)
    expand = relations.EXPANDS[related[0]] if related and (expands_advanced or not advanced) else ""
    path = record.scope.path if record.scope.deleted else pages.USERS
    filter_ = listed_filter(record)
    query = Query(select, filter_, advanced, _top(record, select, advanced=advanced), path, expand=expand)
    room = pages.MAX_URL - len(pages.url_of(graph, query)) - len("&$filter=() and ()")
    return replace(query, filter=odata.both(filter_, question(range_, room)))


def lane_query(graph: Graph, record: Record, plan: Plan, range_: Range) -> Query:
    """The query for a range of the plan, with one of the relations that the columns need.

    Of selected users only its properties and its relation are used.
    """
    columns = columns_of(record.columns)
    related = relations_of(columns, plan.unreadable)[:1]
    if range_.kind == "users":
        expand = relations.EXPANDS[related[0]] if related else ""
        return Query(select_of(columns, plan.unreadable), expand=expand)
    return range_query(
        graph,
        record,
        range_,
        advanced=plan.advanced,
        unreadable=plan.unreadable,
        related=related,
        expands_advanced=plan.expands_advanced,
    )


def listed_filter(record: Record) -> str:
    """The caller's filter; empty for members, who were already listed with it."""
    return "" if record.scope.of_members else record.filter


def has_sign_ins(record: Record, select: Collection[str]) -> bool:
    """Whether signInActivity is selected or filtered on: such lists bring objects of purged users."""
    return SIGN_IN in select or odata.mentions(record.filter, SIGN_IN)


def _top(record: Record, select: Collection[str], *, advanced: bool) -> int:
    if advanced and SIGN_IN in select:
        return pages.ADVANCED_SIGN_IN_PAGE
    return pages.SIGN_IN_PAGE if has_sign_ins(record, select) else pages.PAGE


def fits(graph: Graph, query: Query) -> bool:
    """Whether Graph takes the URL: those of advanced queries have a limit."""
    return not query.advanced or len(pages.url_of(graph, query)) <= pages.MAX_URL
