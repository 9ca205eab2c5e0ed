"""Many exports at once: do the list and the page stay quick, and does every export get its turn?

One caller sends them all while no worker is there yet, as where an app has been scaled to zero. Then the workers begin,
on a tenant without latency, so that the machine never idles.
"""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import export, truth
from benchmarks.effort import Effort
from benchmarks.figures import number, times
from benchmarks.section import Section, Step, Target
from local import serve
from local.serve import Serving
from shared.export.workflow import EXPORT

POSTS_AT_ONCE = 16
LOOK_SECONDS = 0.5
LOOKS = {"list": "/api/exports", "page": "/api/bulk-operations", "one export": "/api/exports/{id}"}


@dataclass(frozen=True, slots=True)
class Load:
    """What one load did, in seconds."""

    exports: int
    users: int
    posting: float
    """Until the last was taken."""
    spans: list[tuple[float, float]]
    """Start and end of each export, since 1970."""
    looks: dict[str, list[float]]
    """Of each answer, sorted."""

    @property
    def seconds(self) -> float:
        """From the first start to the last end."""
        return max(end for _, end in self.spans) - min(start for start, _ in self.spans)

    @property
    def each(self) -> list[float]:
        """How long each export took, sorted."""
        return sorted(end - start for start, end in self.spans)


def steps(effort: Effort) -> int:
    return 2 * len(effort.loads)


def run(effort: Effort, step: Step) -> Section:
    found = []
    for exports, users in effort.loads:
        with export.serving("--users", str(users), environment={"EXPORT_MAX_RUNNING": "1000"}) as on:
            step(f"{exports:,} exports of {users:,} users at once")
            load = asyncio.run(_load(on, exports, users))
            step("checking each of their files")
            _check(on)
            found.append(load)
    return _section(found)


async def _load(on: Serving, exports: int, users: int) -> Load:
    store = on.data / "durable.db"
    workers = [pid for name, pid in serve.look(on.data).pids.items() if name.startswith("worker")]
    limits = httpx.Limits(max_connections=POSTS_AT_ONCE + 1)
    async with httpx.AsyncClient(base_url=on.url, timeout=120, trust_env=False, limits=limits) as http:
        _send(workers, signal.SIGSTOP)
        first = await _post(http)
        posts = asyncio.create_task(_post_all(http, exports - 1))
        posts.add_done_callback(lambda _: _send(workers, signal.SIGCONT))
        looks = await _look(http, first, lambda: posts.done() and all(end for _, end in _spans(store)))
    spans = [(start, end) for start, end in _spans(store) if end]
    return Load(exports, users, await posts, spans, looks)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


async def _post_all(http: httpx.AsyncClient, exports: int) -> float:
    """Seconds that it took."""
    places, started = asyncio.Semaphore(POSTS_AT_ONCE), time.perf_counter()

    async def post() -> None:
        async with places:
            await _post(http)

    async with asyncio.TaskGroup() as group:
        for _ in range(exports):
            group.create_task(post())
    return time.perf_counter() - started


async def _post(http: httpx.AsyncClient) -> str:
    answer = await http.post("/api/exports", json={"fileName": "users", "columns": "profile"})
    export_id: str = answer.raise_for_status().json()["id"]
    return export_id


async def _look(http: httpx.AsyncClient, export_id: str, over: Callable[[], bool]) -> dict[str, list[float]]:
    """Asks like a person in front of the page, until all is over. Seconds of each answer, sorted."""
    taken: dict[str, list[float]] = {name: [] for name in LOOKS}
    while not over():
        for name, path in LOOKS.items():
            started = time.perf_counter()
            (await http.get(path.format(id=export_id))).raise_for_status()
            taken[name].append(time.perf_counter() - started)
        await asyncio.sleep(LOOK_SECONDS)
    return {name: sorted(seconds) for name, seconds in taken.items()}


def _spans(store: Path) -> list[tuple[float, float | None]]:
    query = (
        "SELECT created, CASE WHEN status IN ('Pending', 'Running') THEN NULL ELSE updated END"
        " FROM instances WHERE name = ? ORDER BY created"
    )
    with closing(sqlite3.connect(store, timeout=30)) as db:
        return db.execute(query, (EXPORT,)).fetchall()


def _check(on: Serving) -> None:
    """Each file has every user once. Raises WrongFileError."""
    ids, after = truth.ids(on.graph), {"top": "200"}
    with httpx.Client(base_url=on.url, timeout=120, trust_env=False) as http:
        while after:
            listed = http.get("/api/exports", params=after).raise_for_status().json()
            for each in listed["value"]:
                results = http.get(f"/api/exports/{each['id']}").raise_for_status().json()
                if results["status"] != "Completed":
                    raise truth.WrongFileError(f"An export's status is {results['status']}: {results['errors'][:3]}")
                export.check(ids, export.download(http, results, on.data))
            token = listed.get("continuationToken")
            after = {"top": "200", "continuationToken": token} if token else {}


def _section(loads: list[Load]) -> Section:
    slow = {name: max(_percentile(load.looks[name], 95) for load in loads) for name in LOOKS}
    starved = max(_percentile(load.each, 100) / _percentile(load.each, 50) for load in loads)
    return Section(
        name="load",
        title="Many exports at once",
        columns=[
            "exports",
            "users of each",
            "until the last was taken",
            "until the last had ended",
            "each: median, 95 of 100, slowest",
            *(f"{name}: median, 95 of 100, slowest" for name in LOOKS),
        ],
        rows=[
            [
                f"{load.exports:,}",
                f"{load.users:,}",
                f"{number(load.posting)} s",
                f"{number(load.seconds)} s",
                _shown(load.each),
                *(_shown(load.looks[name]) for name in LOOKS),
            ]
            for load in loads
        ],
        notes=["Every export Completed, and each file has every user of the tenant exactly once, or this stops."],
        targets=[
            *(
                Target(f"{name} meanwhile, 95 of 100 answers", "within 1 s", f"{number(seconds)} s", seconds <= 1)
                for name, seconds in slow.items()
            ),
            Target("slowest export beside the median one", "at most 2x", times(starved), starved <= 2),
        ],
        data={
            "loads": [
                {
                    "exports": load.exports,
                    "users": load.users,
                    "posting": load.posting,
                    "seconds": load.seconds,
                    "each": [_percentile(load.each, at) for at in (50, 95, 100)],
                    "looks": {
                        name: [_percentile(taken, at) for at in (50, 95, 100)] for name, taken in load.looks.items()
                    },
                }
                for load in loads
            ]
        },
    )


def _percentile(taken: Sequence[float], percent: int) -> float:
    """`taken` is sorted."""
    return taken[max(0, -(-len(taken) * percent // 100) - 1)]


def _shown(taken: Sequence[float]) -> str:
    return ", ".join(f"{number(_percentile(taken, percent))} s" for percent in (50, 95, 100))
