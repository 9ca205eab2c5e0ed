"""The engine as a client sees it: start, look at, stop, and remove orchestrations.

Each function is one transaction on the store (durable_store.py). Turns are run by durable_turn.py and
activities are handed out by durable_tasks.py, both in worker processes. Names and statuses are those of the
Durable extension's HTTP API, which durable_http.py serves on top of this module.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable
from typing import Any

from local.durable_events import event_raised, execution_started
from local.durable_store import RUNNING, Event, now, put_message, timestamp, transaction


class InstanceExistsError(Exception):
    """An instance with this id is still running."""


def start(
    db: sqlite3.Connection, name: str, input_json: str | None, instance: str = "", version: str | None = None
) -> str:
    """Start an orchestration and return its id; an ended one with the same id is replaced.

    `input_json` is the request's body as the extension keeps it. The SDK's client sends a JSON text inside
    a JSON string, and that is what `status` shows, as in Azure.
    """
    instance = instance or uuid.uuid4().hex
    with transaction(db):
        create(db, name, input_json, instance, version=version)
    return instance


def create(
    db: sqlite3.Connection, name: str, input_json: str | None, instance: str, *, version: str | None = None
) -> None:
    """The part of `start` inside a transaction."""
    row = db.execute("SELECT status FROM instances WHERE id = ?", (instance,)).fetchone()
    if row and row["status"] in RUNNING:
        raise InstanceExistsError(f"An Orchestration instance with the status {row['status']} already exists.")
    remove(db, instance)
    moment = now()
    execution = uuid.uuid4().hex
    db.execute(
        "INSERT INTO instances (id, execution, name, version, input, status, created, updated)"
        " VALUES (?, ?, ?, ?, ?, 'Pending', ?, ?)",
        (instance, execution, name, version, input_json, moment, moment),
    )
    put_message(db, instance, execution, execution_started(instance, execution, name, input_json, version))


def status(db: sqlite3.Connection, instance: str) -> dict[str, Any] | None:
    """The instance as the extension describes it, None when there is none."""
    row = db.execute("SELECT * FROM instances WHERE id = ?", (instance,)).fetchone()
    return describe(row) if row else None


def describe(row: sqlite3.Row) -> dict[str, Any]:
    """Times have whole seconds, as in the extension's answers."""
    return {
        "name": row["name"],
        "instanceId": row["id"],
        "runtimeStatus": row["status"],
        "input": json.loads(row["input"]) if row["input"] else None,
        "customStatus": json.loads(row["custom_status"]) if row["custom_status"] else None,
        "output": json.loads(row["output"]) if row["output"] else None,
        "createdTime": timestamp(row["created"])[:19] + "Z",
        "lastUpdatedTime": timestamp(row["updated"])[:19] + "Z",
    }


def history(db: sqlite3.Connection, instance: str) -> list[Event]:
    rows = db.execute("SELECT event FROM history WHERE instance = ? ORDER BY number", (instance,))
    return [json.loads(event) for (event,) in rows]


def find(
    db: sqlite3.Connection,
    *,
    statuses: Iterable[str] = (),
    created_from: float | None = None,
    created_to: float | None = None,
    prefix: str = "",
    after: str = "",
    top: int = -1,
) -> list[dict[str, Any]]:
    """Instances that match every given condition, by id; `after` is the last id of the page before."""
    wanted = list(statuses)
    sql = "SELECT * FROM instances WHERE id > ? AND substr(id, 1, ?) = ? AND created >= ? AND created <= ?"
    if wanted:
        sql += f" AND status IN ({','.join('?' * len(wanted))})"
    low, high = created_from or 0.0, now() if created_to is None else created_to
    rows = db.execute(sql + " ORDER BY id LIMIT ?", (after, len(prefix), prefix, low, high, *wanted, top)).fetchall()
    return [describe(row) for row in rows]


def terminate(db: sqlite3.Connection, instance: str, reason: str) -> None:
    """End a running instance now; a turn under way finds its claim gone and is dropped."""
    with transaction(db):
        row = db.execute("SELECT * FROM instances WHERE id = ?", (instance,)).fetchone()
        if row and row["status"] in RUNNING:
            end(db, row, "Terminated", json.dumps(reason))


def end(db: sqlite3.Connection, row: sqlite3.Row, state: str, output: str | None) -> None:
    """An instance's last step: its result, and nothing that waits for it.

    Activities that it has asked for still run, as in Azure: their messages lie in a queue of their own.
    """
    db.execute(
        "UPDATE instances SET status = ?, output = ?, updated = ?, owner = NULL, turn = NULL WHERE id = ?",
        (state, output, now(), row["id"]),
    )
    db.execute("DELETE FROM messages WHERE instance = ?", (row["id"],))


def raise_event(db: sqlite3.Connection, instance: str, name: str, value_json: str | None) -> None:
    """Leave an event; the orchestrator gets it when it waits for one of that name, before or after."""
    with transaction(db):
        put_message(db, instance, None, event_raised(name, value_json))


def purge(db: sqlite3.Connection, instance: str) -> int:
    """Remove an ended instance; how many there were (0 or 1)."""
    with transaction(db):
        row = db.execute("SELECT status FROM instances WHERE id = ?", (instance,)).fetchone()
        if row is None or row["status"] in RUNNING:
            return 0
        remove(db, instance)
        return 1


def remove(db: sqlite3.Connection, instance: str) -> None:
    for table, column in (
        ("instances", "id"),
        ("history", "instance"),
        ("messages", "instance"),
        ("tasks", "instance"),
    ):
        db.execute(f"DELETE FROM {table} WHERE {column} = ?", (instance,))  # noqa: S608 (names from above)
