"""The activities by name, between Durable's JSON and the bodies' records."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from shared.errors import ExportError
from shared.export import check, clean, costs, notify, plan, publish, read, registration, words
from shared.export.context import Edges
from shared.export.messages import (
    CheckTask,
    CleanTask,
    ExportTask,
    NotifyTask,
    PlanTask,
    PublishTask,
    ReportTask,
    received,
    sent,
)
from shared.graph.client import session

Body = Callable[[Edges, Any], Awaitable[Any]]

_BODIES: dict[str, tuple[Body, Any]] = {
    "plan": (plan.plan, PlanTask),
    "report": (registration.report, ReportTask),
    "export": (read.export, ExportTask),
    "check": (check.check, CheckTask),
    "publish": (publish.publish, PublishTask),
    "notify": (partial(notify.notify, post=notify.post_json), NotifyTask),
    "clean": (clean.clean, CleanTask),
}

_ASK_GRAPH = frozenset({"plan", "report", "export", "check"})


async def run(edges: Edges, name: str, task: Any) -> Any:
    """Runs an activity: JSON in, JSON out. What it returns or raises has no text of Graph's errors."""
    body, kind = _BODIES[name]
    message = received(task, kind)
    if name not in _ASK_GRAPH:
        return sent(await body(edges, message))
    # The results count the requests of each execution.
    edges = replace(edges, graph=session(edges.graph))
    tally = edges.graph.tally
    try:
        return await words.put_away(edges.storage, message.id, sent(costs.added(await body(edges, message), tally)))
    except Exception as problem:
        await costs.note(edges.storage, message.id, tally)
        if not isinstance(problem, ExportError):
            raise
        failed = problem
    # After the handler: raised inside it, this exception would show the original one too.
    raise await words.put_away_of(edges.storage, message.id, failed)
