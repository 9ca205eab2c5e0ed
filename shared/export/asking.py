"""Whether the registration report is read: for its own columns, or to know whose authentication methods to ask for."""

from shared.export import probes
from shared.export.context import Edges, Plan, Record
from shared.files.columns import AUTHENTICATION, REGISTRATION, Column
from shared.graph import batches
from shared.graph.client import Graph
from shared.graph.pages import PAGE
from shared.settings import Settings

METHODS_BY_REPORT = (
    "Authentication methods were asked for only of users who have registered a phone or an e-mail by the tenant's"
    " registration report, and of those whom it does not know. It is up to a day old: what was registered since may be"
    " missing. EXPORT_AUTHENTICATION_ASK=all asks for everyone."
)
ASKED_LESS = 0.3
"""The report saves a call for at least this share of the users."""


async def add_report(
    edges: Edges, record: Record, plan: Plan, columns: list[Column], unreadable: set[str]
) -> probes.Unreadable:
    """Decides whether the registration report is read. Returns the errors when its columns can't be read."""
    sources = {column.source for column in columns} - unreadable
    shown, helps = REGISTRATION in sources, may_help(edges.settings, record, sources)
    if helps and (record.filter or record.scope.of_members):
        helps = await _is_worth_it(edges.graph, plan.expected)
    if not shown and not helps:
        return {}
    refused = await probes.unreadable_report(edges.graph, columns)
    plan.report = not refused
    if helps and plan.report:
        plan.warnings.append({"code": "MethodsByReport", "reason": METHODS_BY_REPORT})
    return refused if shown else {}


def may_help(settings: Settings, record: Record, sources: set[str]) -> bool:
    """Whether the report may say whom to ask. To ask for selected users costs less than to read it."""
    return AUTHENTICATION in sources and settings.authentication_ask == "registered" and not record.users


async def _is_worth_it(graph: Graph, expected: int | None) -> bool:
    """Whether reading the whole report costs less than asking for each user that matches a filter."""
    if expected is None:
        return False
    [total] = await batches.counts(graph, [""])
    return total is not None and total < expected * PAGE * ASKED_LESS
