"""The project itself: whole exports through the HTTP API of a running `python -m local serve`."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from azure.durable_functions.models.history import HistoryEventType as EventType

from benchmarks import truth
from benchmarks.processes import usages
from local import serve
from local.durable_store import seconds
from local.serve import Serving

POLL_SECONDS = 0.1
"""Each poll takes CPU from what is measured. Callers ask every 5 s or more seldom."""
POLL_SHARE = 0.02
"""Of the time that an export has taken, where that is more."""
PARALLEL = 40
"""Ranges side by side."""
OURS = ("host", "worker")
"""What runs the project's own code; the others stand in for Azure."""


@dataclass(frozen=True, slots=True)
class Exported:
    """One export: seconds from the POST to the downloaded file; what it cost each process (CPU seconds meanwhile, peak
    memory since its start); `blocks` are the sizes of the file's blocks in bytes.
    """

    id: str
    users: int
    seconds: float
    cpu: dict[str, float]
    rss: dict[str, int]
    counts: dict[str, int]
    blocks: list[int]
    events: int
    turns: int
    planning: float
    """Seconds from the start of the activity `plan` to its end; part of `seconds`."""

    @property
    def own_cpu(self) -> float:
        return sum(cpu for name, cpu in self.cpu.items() if name.startswith(OURS))

    @property
    def own_rss(self) -> int:
        """Of the largest process."""
        return max(rss for name, rss in self.rss.items() if name.startswith(OURS))


@contextmanager
def serving(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[Serving]:
    """A `serve` in a folder that is removed, with its default workers, and PARALLEL ranges side by side."""
    # Nothing is killed here, and Azurite need not write its index for each block.
    settings = {"EXPORT_PARALLEL": str(PARALLEL), "AZURITE_FORGETFUL": "1"} | (environment or {})
    with (
        TemporaryDirectory(prefix="benchmark-serve-", ignore_cleanup_errors=True) as folder,
        serve.launch(Path(folder), *arguments, environment=settings) as on,
    ):
        yield on


def export(
    on: Serving,
    ids: set[str],
    columns: str = "profile",
    beside: dict[str, int] | None = None,
    pause: float = POLL_SECONDS,
    request: dict[str, Any] | None = None,
) -> Exported:
    """One export, checked: WrongFileError unless each of these ids is in the file exactly once.

    `beside`: processes that are no part of `on` and whose cost is shown too, by name. `pause`: seconds between two
    polls, at least; `seconds` is as exact as that. `request`: what else the body has, such as a format.
    """
    pids = serve.look(on.data).pids | (beside or {})
    before = usages(pids)
    with httpx.Client(timeout=120, trust_env=False) as http:
        started = time.perf_counter()
        results = _run(http, on.url, {"fileName": "users", "columns": columns, **(request or {})}, pause)
        file = download(http, results, on.data)
        elapsed = time.perf_counter() - started
        used = usages(pids)
        listed = http.get(f"{results['download']['file']}&comp=blocklist&blocklisttype=committed").raise_for_status()
    check(ids, file)
    events, turns, planning = _history(on.data / "durable.db", results["id"])
    return Exported(
        id=results["id"],
        users=results["counts"]["exported"],
        seconds=elapsed,
        cpu={name: used[name].cpu - before[name].cpu for name in used},
        rss={name: each.rss for name, each in used.items()},
        counts=results["counts"],
        blocks=[int(size) for size in re.findall(r"<Size>(\d+)</Size>", listed.text)],
        events=events,
        turns=turns,
        planning=planning,
    )


def _run(http: httpx.Client, url: str, body: dict[str, Any], pause: float) -> dict[str, Any]:
    started = time.perf_counter()
    location = http.post(f"{url}/api/exports", json=body).raise_for_status().headers["Location"]
    while (answer := http.get(location)).status_code == 202:
        time.sleep(max(pause, POLL_SHARE * (time.perf_counter() - started)))
    results: dict[str, Any] = answer.raise_for_status().json()
    if results["status"] != "Completed":
        raise truth.WrongFileError(f"The export's status is {results['status']}: {results['errors'][:3]}")
    return results


def download(http: httpx.Client, results: dict[str, Any], folder: Path) -> Path:
    """The file of an export that has ended."""
    file = folder / str(results["file"]["name"])
    with http.stream("GET", results["download"]["file"]) as answer, file.open("wb") as out:
        answer.raise_for_status()
        for part in answer.iter_bytes(2**20):
            out.write(part)
    return file


def check(ids: set[str], file: Path) -> None:
    """Removes the file when each of these ids is in it exactly once. Raises WrongFileError otherwise."""
    found = truth.compare(ids, file, "objectId")
    if not found.exact:
        raise truth.WrongFileError(f"The export's file does not match the tenant: {found}")
    file.unlink()


def _history(store: Path, export_id: str) -> tuple[int, int, float]:
    """Events and turns of all instances of an export, and the seconds that its first activity took."""
    query = "SELECT count(*), sum(json_extract(event, '$.EventType') = ?) FROM history WHERE instance LIKE ? || '%'"
    first = "SELECT event FROM history WHERE instance = ? AND json_extract(event, '$.EventType') = ? ORDER BY number"
    with closing(sqlite3.connect(store, timeout=30)) as db:
        events, turns = db.execute(query, (int(EventType.ORCHESTRATOR_COMPLETED), export_id)).fetchone()
        began, ended = (
            seconds(json.loads(db.execute(first, (export_id, int(kind))).fetchone()[0])["Timestamp"])
            for kind in (EventType.TASK_SCHEDULED, EventType.TASK_COMPLETED)
        )
    return events, turns, ended - began
