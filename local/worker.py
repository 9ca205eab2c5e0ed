"""A worker process: runs activities and orchestrators' turns for as long as it lives.

One asyncio loop looks for work, and runs up to `concurrency` activities. Turns are run in a thread of their own, one
at a time. A further thread renews the worker's lease, so that a loop kept busy by an activity loses nothing; a process
that dies loses all within `lease` seconds.

Looking for work is cheap: SQLite's `data_version` says whether any other connection has written since the
last look, and only then (or every 50 ms, for timers and lost leases) are the tables asked.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sqlite3
import threading
import time
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from local import durable_claims, durable_tasks, durable_turn, host_functions
from local.durable_store import connect, heartbeat, release
from local.host_functions import App

log = logging.getLogger("local.worker")

DEFAULT_CONCURRENCY = 16

BUSY_LOOK_SECONDS = 0.003
IDLE_LOOK_SECONDS = 0.02
FULL_LOOK_SECONDS = 0.05
BUSY_FOR_SECONDS = 0.5


@dataclass(slots=True)
class Worker:
    """What the loop works with; `dirty` asks for a look at the tables without waiting."""

    id: str
    app: App
    store: Path
    db: sqlite3.Connection
    concurrency: int
    turns: ThreadPoolExecutor
    running: set[asyncio.Task[None]] = field(default_factory=set)
    turn: asyncio.Task[None] | None = None
    dirty: bool = True


async def work(app: App, store: Path, concurrency: int, lease: float) -> None:
    """Work until cancelled."""
    name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    db = connect(store)
    heartbeat(db, name, lease)
    print("worker ready", flush=True)
    stopped = threading.Event()
    threading.Thread(target=_keep_alive, args=(store, name, lease, stopped), daemon=True).start()
    with ThreadPoolExecutor(1, "turn") as turns:
        worker = Worker(name, app, store, db, concurrency, turns)
        try:
            await _look_for_work(worker)
        finally:
            stopped.set()
            release(db, name)
            # A turn that still runs was given back, and another worker may have it already.
            turns.shutdown(wait=False, cancel_futures=True)


def _keep_alive(store: Path, name: str, lease: float, stopped: threading.Event) -> None:
    db = connect(store)
    while not stopped.wait(lease / 4):
        try:
            heartbeat(db, name, lease)
        except sqlite3.OperationalError:
            log.exception("The lease of worker %s could not be renewed; trying again.", name)


async def _look_for_work(worker: Worker) -> None:
    version, last_full, last_found = -1, 0.0, 0.0
    while True:
        moment = time.monotonic()
        current = worker.db.execute("PRAGMA data_version").fetchone()[0]
        if worker.dirty or current != version or moment - last_full > FULL_LOOK_SECONDS:
            version, last_full, worker.dirty = current, moment, False
            if _take(worker):
                last_found = moment
        busy = worker.dirty or moment - last_found < BUSY_FOR_SECONDS
        await asyncio.sleep(BUSY_LOOK_SECONDS if busy else IDLE_LOOK_SECONDS)


def _take(worker: Worker) -> bool:
    """Claim what there is and start it; True when there was something."""
    anything = False
    if worker.turn is None and (claimed := durable_claims.claim(worker.db, worker.id)) is not None:
        anything = True
        worker.turn = asyncio.create_task(_run_turn(worker, claimed))
    room = worker.concurrency - len(worker.running)
    for each in durable_tasks.claim(worker.db, worker.id, len(worker.running), room):
        anything = True
        task = asyncio.create_task(_run_activity(worker, each))
        worker.running.add(task)
        task.add_done_callback(worker.running.discard)
    return anything


async def _run_turn(worker: Worker, claimed: durable_turn.Claim) -> None:
    try:
        await asyncio.get_running_loop().run_in_executor(worker.turns, _turn, worker, claimed)
    except Exception:
        log.exception("A turn of %s was not run; it will be again.", claimed.row["id"])
        await asyncio.sleep(1)
        durable_claims.give_back(worker.db, claimed)
    finally:
        worker.turn, worker.dirty = None, True


def _turn(worker: Worker, claimed: durable_turn.Claim) -> None:
    function = worker.app.orchestrators.get(claimed.row["name"])
    outcome = durable_turn.run(claimed, function.call if function else None)
    with contextlib.closing(connect(worker.store)) as db:
        durable_claims.commit(db, claimed, outcome)
    if error := outcome.state.get("error"):
        log.error("Orchestrator %s of %s failed: %s", claimed.row["name"], claimed.row["id"], error)


async def _run_activity(worker: Worker, task: durable_tasks.Task) -> None:
    try:
        function = worker.app.activities.get(task.name)
        if function is None:
            raise LookupError(f"the function '{task.name}' doesn't exist, or is not an activity")  # noqa: TRY301
        result = await host_functions.call_activity(function, task.input)
    except Exception as error:
        log.exception("Activity %s of %s failed.", task.name, task.instance)
        durable_tasks.fail(worker.db, task, error, traceback.format_exc())
    else:
        durable_tasks.complete(worker.db, task, result)
    worker.dirty = True


async def run(arguments: argparse.Namespace) -> None:
    """The process: `python -m local worker`. SIGTERM gives the work back and ends it."""
    app = host_functions.load(arguments.app)
    durable_turn.remember_timestamps()
    concurrency = arguments.concurrency or app.setting(
        "extensions", "durableTask", "maxConcurrentActivityFunctions", default=DEFAULT_CONCURRENCY
    )
    task = asyncio.create_task(work(app, Path(arguments.data) / "durable.db", concurrency, arguments.lease))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
