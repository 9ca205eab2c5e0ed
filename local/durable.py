"""The engine as a client sees it: start an orchestration, look at it, send it an event, and purge it.

Each function is one transaction on the store (durable_store.py). In worker processes, instances are handed out for
their turns by durable_claims.py, and activities by durable_tasks.py. Names and statuses are those of the Durable
extension's HTTP API, which durable_http.py serves on top of this module.
"""

import json
import sqlite3
import uuid
from typing import Any

from local.durable_events import event_raised, execution_started
from local.durable_store import RUNNING, now, put_message, timestamp, transaction


class InstanceExistsError(Exception):
    """An instance with this id is still running."""


def start(db: sqlite3.Connection, name: str, input_json: str, instance: str) -> None:
    """Start an orchestration; an ended one with the same id is replaced.

    `input_json` is the request's body as the extension keeps it: a JSON text inside a JSON string.
    """
    with transaction(db):
        if (status_now := _status(db, instance)) in RUNNING:
            raise InstanceExistsError(f"An Orchestration instance with the status {status_now} already exists.")
        _remove(db, instance)
        execution, moment = uuid.uuid4().hex, now()
        db.execute(
            "INSERT INTO instances (id, execution, name, input, status, created, updated)"
            " VALUES (?, ?, ?, ?, 'Pending', ?, ?)",
            (instance, execution, name, input_json, moment, moment),
        )
        put_message(db, instance, execution_started(instance, execution, name, input_json))


def status(db: sqlite3.Connection, instance: str) -> dict[str, Any] | None:
    """The instance as the extension describes it, None when there is none. Times have whole seconds."""
    row = db.execute("SELECT * FROM instances WHERE id = ?", (instance,)).fetchone()
    if row is None:
        return None
    return {
        "name": row["name"],
        "instanceId": row["id"],
        "runtimeStatus": row["status"],
        "input": None,
        "customStatus": json.loads(row["custom_status"]) if row["custom_status"] else None,
        "output": json.loads(row["output"]) if row["output"] else None,
        "createdTime": timestamp(row["created"])[:19] + "Z",
        "lastUpdatedTime": timestamp(row["updated"])[:19] + "Z",
    }


def raise_event(db: sqlite3.Connection, instance: str, name: str, value_json: str) -> str | None:
    """Leave an event for a running instance; its orchestrator gets it when it waits for one of that name.

    Returns the status of the instance, None when there is none.
    """
    with transaction(db):
        status_now = _status(db, instance)
        if status_now in RUNNING:
            put_message(db, instance, event_raised(name, value_json))
        return status_now


def purge(db: sqlite3.Connection, instance: str) -> str | None:
    """Remove an ended instance; returns the status that it had, None when there is none."""
    with transaction(db):
        status_now = _status(db, instance)
        if status_now not in RUNNING:
            _remove(db, instance)
        return status_now


def _status(db: sqlite3.Connection, instance: str) -> str | None:
    row = db.execute("SELECT status FROM instances WHERE id = ?", (instance,)).fetchone()
    return row["status"] if row else None


def _remove(db: sqlite3.Connection, instance: str) -> None:
    db.execute("DELETE FROM instances WHERE id = ?", (instance,))
    for table in ("history", "messages", "tasks"):
        db.execute(f"DELETE FROM {table} WHERE instance = ?", (instance,))  # noqa: S608 (names from above)
