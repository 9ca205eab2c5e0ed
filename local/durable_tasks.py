"""Activities, handed out at least once.

A worker claims rows of `tasks` and owns them while its heartbeat is fresh. When it dies, the rows are free
again and another worker runs the activity once more. The first completion deletes the row and leaves the
message; a zombie that completes later finds no row, and nothing happens.
"""

import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from local.durable_events import task_completed, task_failed
from local.durable_store import RUNNING, Event, now, put_message, transaction

# A task that has waited this long goes to any worker that has room: it was in the share of a busy worker.
PATIENCE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Task:
    """An activity to run: `input` is the JSON text that the orchestrator passed."""

    row: int
    instance: str
    name: str
    input: str | None


def claim(db: sqlite3.Connection, worker: str, running: int, room: int) -> list[Task]:
    """Take up to `room` waiting activities, but no more than the worker's fair share of all there are.

    Without the share, the worker that looks first takes everything, and the others idle.
    """
    moment = now()
    waiting = (
        "SELECT t.id FROM tasks t LEFT JOIN workers w ON w.id = t.owner"
        " WHERE (t.owner IS NULL OR w.id IS NULL OR w.alive_until < ?)"
    )
    if room <= 0 or db.execute(waiting + " LIMIT 1", (moment,)).fetchone() is None:
        return []
    with transaction(db):
        alive = db.execute("SELECT count(*) FROM workers WHERE alive_until >= ?", (moment,)).fetchone()[0]
        total = db.execute("SELECT count(*) FROM tasks").fetchone()[0]
        share = max(0, math.ceil(total / max(1, alive)) - running)
        rows = db.execute(
            f"UPDATE tasks SET owner = ? WHERE id IN (SELECT id FROM ({waiting} ORDER BY t.id LIMIT ?)"  # noqa: S608
            f" UNION SELECT id FROM ({waiting} AND t.created < ? ORDER BY t.id LIMIT ?)"
            ") RETURNING id, instance, name, input",
            (worker, moment, min(share, room), moment, moment - PATIENCE_SECONDS, room),
        ).fetchall()
    return [Task(*row) for row in sorted(rows, key=lambda row: int(row["id"]))]


def complete(db: sqlite3.Connection, task: Task, result: str) -> bool:
    """The activity returned `result` (JSON text). False when someone else had completed it."""
    return _finish(db, task, lambda number: task_completed(number, result))


def fail(db: sqlite3.Connection, task: Task, error: BaseException, trace: str) -> bool:
    """The activity raised. The orchestrator sees a reason and details, as from the extension."""
    return _finish(db, task, lambda number: task_failed(number, task.name, error, trace))


def _finish(db: sqlite3.Connection, task: Task, event: Callable[[int], Event]) -> bool:
    with transaction(db):
        row = db.execute("DELETE FROM tasks WHERE id = ? RETURNING instance, execution, task", (task.row,)).fetchone()
        if row is None:
            return False
        statement = "SELECT status FROM instances WHERE id = ? AND execution = ?"
        waiting = db.execute(statement, (row["instance"], row["execution"])).fetchone()
        if waiting and waiting["status"] in RUNNING:
            put_message(db, row["instance"], event(row["task"]))
    return True
