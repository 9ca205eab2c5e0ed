"""The activities of a comparison by name, between Durable's JSON and the bodies' records.

What they return has no text of Graph's errors, which may name users: `deleted` leaves it out.
"""

from dataclasses import replace
from typing import Any

from shared.compare import compare, deleted, prepare, publish, split
from shared.compare.messages import CompareTask, ComparisonTask, DeletedTask, PrepareTask, SplitTask
from shared.export import activities
from shared.export.activities import Body
from shared.export.context import Edges
from shared.export.messages import received, sent
from shared.graph.client import session

_BODIES: dict[str, tuple[Body, Any]] = {
    "prepare_comparison": (prepare.prepare, PrepareTask),
    "split": (split.split, SplitTask),
    "list_deleted": (deleted.list_deleted, DeletedTask),
    "compare": (compare.compare, CompareTask),
    "publish_comparison": (publish.publish, ComparisonTask),
}


async def run(edges: Edges, name: str, task: Any) -> Any:
    """Runs an activity of a comparison, or one that an export has too: JSON in, JSON out."""
    if name not in _BODIES:
        return await activities.run(edges, name, task)
    body, kind = _BODIES[name]
    # The results count the requests of each execution.
    edges = replace(edges, graph=session(edges.graph))
    return sent(await body(edges, received(task, kind)))
