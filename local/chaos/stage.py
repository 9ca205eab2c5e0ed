"""What a round is played on: one `serve`, its processes, and the engine as it is at the moment."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from local import serve
from local.chaos import engines
from local.chaos.changes import Changes
from local.chaos.engines import COMPARISON, EXPORT, Engine
from local.chaos.kinds import COMPARING, ENDED, Round
from local.durable_store import connect
from local.serve import Serving

LEASE_SECONDS = 1.5
"""Shorter than by default: a dead worker's work is free sooner, and a round takes less time."""
LOOK_SECONDS = 0.005
WORKERS = 2
STOPPED_SECONDS = 75.0
"""After a minute without news of a host its messages are visible to the other."""


class StageError(Exception):
    """Something that was waited for did not come."""


@dataclass(slots=True)
class Pair:
    """Two exports and what a comparison of them must say. `users`: the ids of the newer one's users."""

    old: str
    new: str
    changes: Changes
    users: list[str]


@dataclass(slots=True)
class Stage:
    """The running `serve`; `killed` counts processes that a kill -9 has hit."""

    data: Path
    round: Round
    serving: Serving
    stack: ExitStack
    engine: Engine
    killed: int = 0
    stopped: list[int] = field(default_factory=list)
    pair: Pair | None = None


@contextmanager
def built(data: Path, played: Round) -> Iterator[Stage]:
    """A `serve` for the round, ended at the end. It dies with the thread that built it."""
    with ExitStack() as stack:
        serving = stack.enter_context(_launch(data, played))
        yield Stage(data, played, serving, stack, _engine(data, played, stack))


def _engine(data: Path, played: Round, stack: ExitStack) -> Engine:
    watched = COMPARISON if played.kind in COMPARING else EXPORT
    if played.durable_host:
        return engines.Extension(data, watched)
    return engines.Local(stack.enter_context(contextlib.closing(connect(data / "durable.db"))), watched)


def _launch(data: Path, played: Round) -> contextlib.AbstractContextManager[Serving]:
    arguments = ["--users", str(played.users), "--seed", str(played.seed), "--shape", played.shape]
    arguments += ["--latency-ms", str(played.latency_ms), "--workers", str(WORKERS), "--lease", str(LEASE_SECONDS)]
    if played.kind in COMPARING:
        arguments += ["--app", "local.chaos.small_partitions:app"]
    if played.durable_host:
        arguments += ["--durable-host", played.durable_host, "--durable-hosts", "2" if two_hosts() else "1"]
    environment = {"EXPORT_RANGE_USERS": str(played.range_users), "EXPORT_PARALLEL": str(played.parallel)}
    return serve.launch(data, *arguments, environment=environment)


def wait(until: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            raise StageError(f"{what}: not within {seconds:.0f} seconds")
        time.sleep(LOOK_SECONDS)


def two_hosts() -> bool:
    """A second host of the extension needs a host name of its own."""
    return not subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False).returncode


def kill(stage: Stage, what: str, pick: int) -> None:
    """kill -9. `serve` starts again what it has lost; a `serve` that was hit itself is started again here."""
    pids = dict(stage.serving.pids) | serve.look(stage.data).pids
    workers = sorted(name for name in pids if name.startswith("worker"))
    hosts = sorted(name for name in pids if name.startswith("durable-host"))
    match what:
        case "worker":
            names = [workers[pick % len(workers)]]
        case "workers":
            names = workers
        case "engine":
            names = [hosts[pick % len(hosts)]]
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
        # Until it has ended it holds the lock of the folder.
        os.waitpid(pids["serve"], 0)
        stage.serving = stage.stack.enter_context(_launch(stage.data, stage.round))


def stop(stage: Stage, pick: int) -> int | None:
    """SIGSTOP for a process that has work of the export; returns once others have it. None when nobody has any."""
    if isinstance(stage.engine, engines.Local):
        return _stop_worker(stage, stage.engine, pick)
    hosts = sorted(name for name in serve.look(stage.data).pids if name.startswith("durable-host"))
    if len(hosts) < 2 or (pid := _stopped(stage, serve.look(stage.data).pids[hosts[pick % len(hosts)]])) is None:
        return None
    deadline = time.monotonic() + STOPPED_SECONDS
    while stage.engine.phase() != ENDED and time.monotonic() < deadline:
        time.sleep(stage.engine.look_seconds)
    return pid


def _stopped(stage: Stage, pid: int) -> int | None:
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return None
    stage.stopped.append(pid)
    return pid


def _stop_worker(stage: Stage, engine: engines.Local, pick: int) -> int | None:
    owners = sorted(
        {
            int(owner.partition("-")[0])
            for (owner,) in engine.db.execute("SELECT owner FROM tasks WHERE owner IS NOT NULL")
        }
    )
    if not owners or (pid := _stopped(stage, owners[pick % len(owners)])) is None:
        return None

    def has_nothing() -> bool:
        left = engine.db.execute("SELECT 1 FROM tasks WHERE owner LIKE ? LIMIT 1", (f"{pid}-%",)).fetchone()
        return left is None

    wait(has_nothing, 60, "the work of a stopped worker goes to another")
    return pid


def go_on(stage: Stage, pid: int) -> None:
    """SIGCONT: the zombie takes up what it was doing."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
    stage.stopped.remove(pid)
