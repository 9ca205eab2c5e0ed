"""What runs the orchestrations, as a round sees it: the local engine's store, or Microsoft's extension over HTTP."""

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx
from azure.durable_functions.models.history import HistoryEventType as EventType

from local.chaos.kinds import ENDED, PLANNING, POSTING, PUBLISHING, READING
from local.durable_store import RUNNING
from local.extension import NotReadyError, written_binding

EXPORT, COMPARISON = "export_users", "compare_exports"
LAST_STEPS = frozenset({"publish", "publish_comparison", "notify", "clean"})
ANSWER_SECONDS = 120.0
LOOK_SECONDS = 0.1


class Engine(Protocol):
    """`watched`: the orchestration whose first instance is struck. `look_seconds`: how often the engine may be asked.
    `end_seconds`: how long an export may take that is hit again and again.
    """

    watched: str
    look_seconds: float
    end_seconds: float

    def phase(self) -> int:
        """How far the first of the watched is."""

    def ids(self, name: str) -> list[str]:
        """The ids of all exports or of all comparisons, oldest first."""

    def instances(self, export_id: str) -> dict[str, str]:
        """The export's orchestration, with the engine's status."""

    def open_work(self, export_id: str) -> int:
        """Activities and messages of the export that the engine still holds."""


@dataclass(slots=True)
class Local:
    """SQLite. Durable's own retries take up to four pauses of 15 s for an activity, and there are a few in a row."""

    db: sqlite3.Connection
    watched: str = EXPORT
    look_seconds: float = 0.005
    end_seconds: float = 300.0

    def phase(self) -> int:
        row = self.db.execute(
            "SELECT id, status FROM instances WHERE name = ? ORDER BY created LIMIT 1", (self.watched,)
        ).fetchone()
        if row is None:
            return POSTING
        if row["status"] not in RUNNING:
            return ENDED
        waiting = {name for (name,) in self.db.execute("SELECT name FROM tasks WHERE instance = ?", (row["id"],))}
        if waiting & LAST_STEPS:
            return PUBLISHING
        planned = self.db.execute(
            "SELECT 1 FROM history WHERE instance = ? AND json_extract(event, '$.EventType') = ? LIMIT 1",
            (row["id"], int(EventType.TASK_COMPLETED)),
        ).fetchone()
        return READING if planned else PLANNING

    def ids(self, name: str) -> list[str]:
        rows = self.db.execute("SELECT id FROM instances WHERE name = ? ORDER BY created", (name,))
        return [row["id"] for row in rows]

    def instances(self, export_id: str) -> dict[str, str]:
        rows = self.db.execute(
            "SELECT id, status FROM instances WHERE substr(id, 1, ?) = ?", (len(export_id), export_id)
        )
        return {row["id"]: row["status"] for row in rows}

    def open_work(self, export_id: str) -> int:
        return sum(
            int(self.db.execute(f"SELECT count(*) FROM {table} WHERE instance = ?", (export_id,)).fetchone()[0])  # noqa: S608 (names from here)
            for table in ("tasks", "messages")
        )


@dataclass(slots=True)
class Extension:
    """Over HTTP, as the SDK's client asks. What a dead host has taken is invisible for a minute, each time."""

    data: Path
    watched: str = EXPORT
    look_seconds: float = LOOK_SECONDS
    end_seconds: float = 900.0
    last: int = POSTING

    def phase(self) -> int:
        """While nobody answers: as it was."""
        try:
            instances = self._ask("instances/", top="100")
            named = _named(instances, self.watched)
            self.last = self._phase_of(named[0]) if named else POSTING
        except (httpx.HTTPError, NotReadyError):
            time.sleep(LOOK_SECONDS)
        return self.last

    def _phase_of(self, instance: dict[str, Any]) -> int:
        if instance["runtimeStatus"] not in RUNNING:
            return ENDED
        events = self._ask(f"instances/{instance['instanceId']}", showHistory="true").get("historyEvents") or []
        names = {event.get("Name") or event.get("FunctionName") for event in events}
        if names & LAST_STEPS:
            return PUBLISHING
        return READING if instance["customStatus"] else PLANNING

    def ids(self, name: str) -> list[str]:
        return [each["instanceId"] for each in _named(self._ask_patiently(), name)]

    def instances(self, export_id: str) -> dict[str, str]:
        known = self._ask_patiently()
        return {each["instanceId"]: each["runtimeStatus"] for each in known if each["instanceId"].startswith(export_id)}

    def open_work(self, export_id: str) -> int:
        """All messages of the hub, from Azurite's own index, which does not say whose they are."""
        try:
            index = json.loads((self.data / "azurite/__azurite_db_queue__.json").read_text())
        except ValueError:
            return 1  # It is just being written.
        return sum(len(collection["data"]) for collection in index["collections"] if "MESSAGES" in collection["name"])

    def _ask_patiently(self) -> Any:
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return self._ask("instances/", top="100")
            except (httpx.HTTPError, NotReadyError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_SECONDS)

    def _ask(self, path: str, **query: str) -> Any:
        base = json.loads(written_binding(self.data))["rpcBaseUrl"]
        answer = httpx.get(base + path, params=query, timeout=30, trust_env=False)
        if answer.status_code not in {200, 202}:
            raise httpx.HTTPError(f"{answer.status_code}")
        return answer.json()


def _named(instances: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    # Of those of one second the newest id comes first.
    ended = sorted(instances, key=lambda each: each["instanceId"], reverse=True)
    return sorted((each for each in ended if each["name"] == name), key=lambda each: each["createdTime"])
