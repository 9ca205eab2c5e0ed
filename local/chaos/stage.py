"""What a round is played on: one `serve`, its processes, and the engine's store as it is at the moment."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from azure.durable_functions.models.history import HistoryEventType as EventType

from local import serve
from local.chaos.kinds import ENDED, PLANNING, POSTING, PUBLISHING, READING, Round
from local.durable_store import RUNNING, connect
from local.serve import Serving

LEASE_SECONDS = 1.5
"""Shorter than by default: a dead worker's work is free sooner, and a round takes less time."""
LOOK_SECONDS = 0.005
WORKERS = 2


class StageError(Exception):
    """Something that was waited for did not come."""


@dataclass(slots=True)
class Stage:
    """The running `serve`; `killed` counts processes that a kill -9 has hit."""

    data: Path
    round: Round
    serving: Serving
    stack: ExitStack
    db: sqlite3.Connection
    killed: int = 0
    stopped: list[int] = field(default_factory=list)


@contextmanager
def built(data: Path, played: Round) -> Iterator[Stage]:
    """A `serve` for the round, ended at the end. It dies with the thread that built it."""
    with ExitStack() as stack:
        serving = stack.enter_context(_launch(data, played))
        stage = Stage(data, played, serving, stack, connect(data / "durable.db"))
        stack.callback(stage.db.close)
        yield stage


def _launch(data: Path, played: Round) -> contextlib.AbstractContextManager[Serving]:
    arguments = ["--users", str(played.users), "--seed", str(played.seed), "--shape", played.shape]
    arguments += ["--latency-ms", str(played.latency_ms), "--workers", str(WORKERS), "--lease", str(LEASE_SECONDS)]
    environment = {"EXPORT_RANGE_USERS": str(played.range_users), "EXPORT_PARALLEL": str(played.parallel)}
    return serve.launch(data, *arguments, environment=environment)


def wait(until: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise StageError(f"{what}: not within {seconds:.0f} seconds")
        time.sleep(LOOK_SECONDS)


def phase(stage: Stage) -> int:
    """How far the first export is, from the engine's own tables."""
    row = stage.db.execute(
        "SELECT id, status FROM instances WHERE name = 'export_users' ORDER BY created LIMIT 1"
    ).fetchone()
    if row is None:
        return POSTING
    if row["status"] not in RUNNING:
        return ENDED
    waiting = {name for (name,) in stage.db.execute("SELECT name FROM tasks WHERE instance = ?", (row["id"],))}
    if waiting & {"publish", "notify", "clean"}:
        return PUBLISHING
    planned = stage.db.execute(
        "SELECT 1 FROM history WHERE instance = ? AND json_extract(event, '$.EventType') = ? LIMIT 1",
        (row["id"], int(EventType.TASK_COMPLETED)),
    ).fetchone()
    return READING if planned else PLANNING


def exports(stage: Stage) -> list[str]:
    """The ids of all exports that the engine knows, oldest first."""
    return [
        row["id"] for row in stage.db.execute("SELECT id FROM instances WHERE name = 'export_users' ORDER BY created")
    ]


def kill(stage: Stage, what: str, pick: int) -> None:
    """kill -9. `serve` starts again what it has lost; a `serve` that was hit itself is started again here."""
    pids = dict(stage.serving.pids) | serve.look(stage.data).pids
    workers = sorted(name for name in pids if name.startswith("worker"))
    match what:
        case "worker":
            names = [workers[pick % len(workers)]]
        case "workers":
            names = workers
        case "everything":
            # `serve` first: it would start again what it sees dying.
            names = ["serve", *(name for name in pids if name != "serve")]
        case one:
            names = [one]
    for name in names:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pids[name], signal.SIGKILL)
            stage.killed += 1
    if "serve" in names:
        # Until someone asks how it ended it has a process id, and its tenant believes that it lives.
        os.waitpid(pids["serve"], 0)
        stage.serving = stage.stack.enter_context(_launch(stage.data, stage.round))


def stop_worker(stage: Stage, pick: int) -> int | None:
    """SIGSTOP for a worker that has work of the export; returns once others have it. None when nobody has any."""
    owners = sorted({_pid(owner) for (owner,) in stage.db.execute("SELECT owner FROM tasks WHERE owner IS NOT NULL")})
    if not owners:
        return None
    pid = owners[pick % len(owners)]
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return None
    stage.stopped.append(pid)

    def has_nothing() -> bool:
        left = stage.db.execute("SELECT 1 FROM tasks WHERE owner LIKE ? LIMIT 1", (f"{pid}-%",)).fetchone()
        return left is None

    wait(has_nothing, 60, "the work of a stopped worker goes to another")
    return pid


def _pid(owner: str) -> int:
    return int(owner.partition("-")[0])


def go_on(stage: Stage, pid: int) -> None:
    """SIGCONT: the zombie takes up what it was doing."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    stage.stopped.remove(pid)


def instances(stage: Stage, export_id: str) -> dict[str, str]:
    """The export's orchestration, with the engine's status."""
    rows = stage.db.execute("SELECT id, status FROM instances WHERE substr(id, 1, ?) = ?", (len(export_id), export_id))
    return {row["id"]: row["status"] for row in rows}


def open_work(stage: Stage, export_id: str) -> int:
    """Activities and messages of the export that the engine still holds."""
    return sum(
        int(
            stage.db.execute(
                f"SELECT count(*) FROM {table} WHERE substr(instance, 1, ?) = ?",  # noqa: S608 (names from here)
                (len(export_id), export_id),
            ).fetchone()[0]
        )
        for table in ("tasks", "messages")
    )
