"""What this tenant, its cloud and the app's permissions allow: asked of one user, or a few, before all are read."""

import re

from shared.errors import GraphError, Transient
from shared.export.messages import Json
from shared.files.columns import AUTHENTICATION, SIGN_IN, Column, select_of
from shared.graph import authentication, batches, odata, pages
from shared.graph.client import Graph, Tally
from shared.graph.pages import Query

Unreadable = dict[str, list[Json]]
"""Source of columns -> what the results say of it: nothing where no column was asked for."""

_FOR_ALL = ({400}, {403})
_UNKNOWN = re.compile(r"property named '([^']+)'")


async def takes_by_default(graph: Graph, caller_filter: str, tally: Tally) -> bool:
    """Whether Graph takes the caller's filter in a default query; False means that it must be an advanced one."""
    if odata.is_advanced(caller_filter):
        return False
    if not caller_filter:
        return True
    try:
        await anext(pages.chain(graph, Query(("id",), caller_filter, top=1), tally))
    except Transient:
        raise
    except GraphError as problem:
        if problem.status != 400:
            raise
        await anext(pages.chain(graph, Query(("id",), caller_filter, advanced=True, top=1), tally))
        return False
    return True


async def unreadable_properties(graph: Graph, columns: list[Column], tally: Tally) -> Unreadable:
    """The properties that can't be selected here: the rest is exported without them.

    Some national clouds lack properties, and an unknown name is a 400 for the whole request. signInActivity needs a
    permission and a licence of its own.
    """
    found: Unreadable = {}
    while True:
        select = select_of(columns, found)
        try:
            await anext(pages.chain(graph, Query(select, top=1), tally))
        except Transient:
            raise
        except GraphError as problem:
            source = _refused(problem, select)
            if not source:
                raise
            headers = [column.header for column in columns if column.source == source]
            entry = {**problem.as_dict(), "column": ", ".join(headers)}
            if problem.status == 400:
                reason = f"Users have no {source} in this cloud, so the cells are empty."
                entry |= {"code": "PropertyMissing", "reason": reason}
            found[source] = [entry] if headers else []
        else:
            return found


def _refused(problem: GraphError, select: tuple[str, ...]) -> str:
    """The property that the problem is about; empty where it is about anything else."""
    if problem.status == 403 and SIGN_IN in select:
        return SIGN_IN
    named = _UNKNOWN.search(problem.reason) if problem.status == 400 else None
    optional = {name.lower(): name for name in select if name not in {"id", "userPrincipalName"}}
    return optional.get(named[1].lower(), "") if named else ""


async def unreadable_methods(graph: Graph, columns: list[Column], tally: Tally) -> Unreadable:
    """When the first users all are refused for the same reason, it holds for all users and is said once.

    403: a permission is missing. 400: this cloud has no authentication methods.
    """
    headers = [column.header for column in columns if column.source == AUTHENTICATION]
    if not headers:
        return {}
    page = await anext(pages.chain(graph, Query(("id",), top=batches.BATCH), tally))
    _, failed = await authentication.add_methods(graph, page.value, tally)
    if not failed or len(failed) < len(page.value) or {problem.status for _, problem in failed} not in _FOR_ALL:
        return {}
    return {AUTHENTICATION: [{**failed[0][1].as_dict(), "column": ", ".join(headers)}]}
