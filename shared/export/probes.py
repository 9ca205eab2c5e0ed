"""What this tenant, its cloud and the app's permissions allow: tried with one user, or a few, before all are read."""

import re

from shared.errors import GraphError, Transient
from shared.export.lookups import refusal
from shared.export.messages import Json
from shared.files.columns import AUTHENTICATION, REGISTRATION, SIGN_IN, Column, select_of
from shared.graph import authentication, batches, lists, odata, pages, registration, relations
from shared.graph.client import Graph
from shared.graph.pages import Query
from shared.graph.registration import Details

Unreadable = dict[str, list[Json]]
"""By source of columns the errors for the results; none where the export has no column of the source."""

_FOR_ALL = ({400}, {403})
_UNKNOWN = re.compile(r"property named '([^']+)'")


async def takes_by_default(graph: Graph, caller_filter: str, path: str = pages.USERS) -> bool:
    """Whether Graph takes the caller's filter in a default query; False: an advanced one is needed."""
    if odata.is_advanced(caller_filter):
        return False
    if not caller_filter:
        return True
    try:
        await anext(pages.chain(graph, Query(("id",), caller_filter, top=1, path=path)))
    except Transient:
        raise
    except GraphError as problem:
        if problem.status != 400:
            raise
        await anext(pages.chain(graph, Query(("id",), caller_filter, advanced=True, top=1, path=path)))
        return False
    return True


async def unreadable_properties(graph: Graph, columns: list[Column], path: str = pages.USERS) -> Unreadable:
    """The properties that can't be selected here: users are exported without them.

    Some national clouds lack properties, and Graph refuses a request with an unknown name (400). signInActivity needs a
    permission and a licence of its own.
    """
    unreadable: Unreadable = {}
    while True:
        select = select_of(columns, unreadable)
        try:
            await anext(pages.chain(graph, Query(select, top=1, path=path)))
        except Transient:
            raise
        except GraphError as problem:
            source = _refused(problem, select)
            if not source:
                raise
            headers = [column.header for column in columns if column.source == source]
            entry = refusal(problem, columns, source)
            if problem.status == 400:
                where = "in this tenant" if source.startswith("extension_") else "in this cloud"
                reason = f"Users have no {source} {where}, so the cells are empty."
                entry |= {"code": "PropertyMissing", "reason": reason}
            unreadable[source] = [entry] if headers else []
        else:
            return unreadable


def _refused(problem: GraphError, select: tuple[str, ...]) -> str:
    """The property that the problem is about; empty: it is about something else."""
    if problem.status == 403 and SIGN_IN in select:
        return SIGN_IN
    named = _UNKNOWN.search(problem.reason) if problem.status == 400 else None
    optional = {name.lower(): name for name in select if name not in {"id", "userPrincipalName"}}
    return optional.get(named[1].lower(), "") if named else ""


async def unreadable_methods(graph: Graph, columns: list[Column]) -> Unreadable:
    """When Graph refuses all of the first users for the same reason, this is one error for all users.

    403: a permission is missing. 400: this cloud has no authentication methods.
    """
    headers = [column.header for column in columns if column.source == AUTHENTICATION]
    if not headers:
        return {}
    page = await anext(pages.chain(graph, Query(("id",), top=batches.BATCH)))
    _, failed = await authentication.add_methods(graph, page.value)
    if not failed or len(failed) < len(page.value) or {problem.status for _, problem in failed} not in _FOR_ALL:
        return {}
    return {AUTHENTICATION: [refusal(failed[0][1], columns, AUTHENTICATION)]}


async def unreadable_report(graph: Graph, columns: list[Column]) -> Unreadable:
    """The errors when the registration report can't be read; empty: it can."""
    try:
        await anext(lists.read(graph, f"{registration.PATH}?$top=1", Details))
    except Transient:
        raise
    except GraphError as problem:
        return {REGISTRATION: [refusal(problem, columns, REGISTRATION)]}
    return {}


async def expanded_page(graph: Graph, relation: str) -> tuple[int | None, bool]:
    """How many users Graph sends on a page with the relation (None: all fit on one), and whether an advanced query may
    have it: the documentation says no, but clients do it."""
    expand = relations.EXPANDS[relation]
    page = await anext(pages.chain(graph, Query(("id",), expand=expand)))
    size = len(page.value) if page.next_link else None
    try:
        await anext(pages.chain(graph, Query(("id",), advanced=True, top=1, expand=expand)))
    except Transient:
        raise
    except GraphError as problem:
        if problem.status != 400:
            raise
        return size, False
    return size, True
