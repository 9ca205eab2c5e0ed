"""The activities by name, between Durable's JSON and the bodies' records."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from shared.export import check, clean, notify, plan, publish, read
from shared.export.context import Edges
from shared.export.messages import (
    CheckTask,
    CleanTask,
    ExportTask,
    NotifyTask,
    PlanTask,
    PublishTask,
    received,
    sent,
)

Body = Callable[[Edges, Any], Awaitable[Any]]

_BODIES: dict[str, tuple[Body, Any]] = {
    "plan": (plan.plan, PlanTask),
    "export": (read.export, ExportTask),
    "check": (check.check, CheckTask),
    "publish": (publish.publish, PublishTask),
    "notify": (partial(notify.notify, post=notify.post_json), NotifyTask),
    "clean": (clean.clean, CleanTask),
}


async def run(edges: Edges, name: str, task: Any) -> Any:
    """Runs an activity: JSON in, JSON out."""
    body, kind = _BODIES[name]
    return sent(await body(edges, received(task, kind)))
