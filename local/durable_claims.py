"""Hands out instances for a turn, each to one worker at a time, and writes the result of the turn.

1. `claim`: an instance with a visible message, that nobody alive owns, becomes this worker's.
2. The turn is run (durable_turn.py).
3. `commit`: events, new activities and timers, the instance's state, and the removal of the messages are one
   transaction. When the claim is gone (another worker took it over because this one seemed dead), nothing is
   written, and the turn has not happened.
"""

import json
import sqlite3
import uuid
from typing import Any

from azure.durable_functions.models.history import HistoryEventType as EventType

from local import durable_events
from local.durable_replay import Scheduled
from local.durable_store import Event, now, put_message, transaction
from local.durable_turn import Claim, Outcome


def claim(db: sqlite3.Connection, worker: str) -> Claim | None:
    """Take the instance that has waited longest, if any."""
    moment = now()
    ready = (
        "SELECT m.instance FROM messages m JOIN instances i ON i.id = m.instance"
        " LEFT JOIN workers w ON w.id = i.owner"
        " WHERE m.visible <= ? AND i.status IN ('Pending', 'Running')"
        " AND (i.owner IS NULL OR w.id IS NULL OR w.alive_until < ?) ORDER BY m.visible LIMIT 1"
    )
    if db.execute(ready, (moment, moment)).fetchone() is None:
        return None
    with transaction(db):
        waiting = db.execute(ready, (moment, moment)).fetchone()
        if waiting is None:
            return None
        turn = uuid.uuid4().hex
        db.execute("UPDATE instances SET owner = ?, turn = ? WHERE id = ?", (worker, turn, waiting[0]))
        row = db.execute("SELECT * FROM instances WHERE id = ?", (waiting[0],)).fetchone()
        events = db.execute("SELECT event FROM history WHERE instance = ? ORDER BY number", (waiting[0],))
        history = [event for (event,) in events]
        messages = db.execute(
            "SELECT id, event FROM messages WHERE instance = ? AND visible <= ? ORDER BY visible, id",
            (waiting[0], moment),
        ).fetchall()
    return Claim(row, turn, history, messages)


def give_back(db: sqlite3.Connection, claimed: Claim) -> None:
    """The turn could not be run: let it be taken again."""
    db.execute(
        "UPDATE instances SET owner = NULL, turn = NULL WHERE id = ? AND turn = ?",
        (claimed.row["id"], claimed.turn),
    )


def commit(db: sqlite3.Connection, claimed: Claim, outcome: Outcome) -> bool:
    """Write the turn. False when the claim was gone, and the turn did not happen."""
    instance = claimed.row["id"]
    with transaction(db):
        row = db.execute("SELECT * FROM instances WHERE id = ? AND turn = ?", (instance, claimed.turn)).fetchone()
        if row is None:
            return False
        db.executemany("DELETE FROM messages WHERE id = ?", [(each["id"],) for each in claimed.messages])
        fresh = outcome.replay.scheduled[outcome.known :]
        events = outcome.events + [_scheduling_event(each) for each in fresh]
        _append_history(db, instance, len(claimed.history), events)
        custom = outcome.state.get("customStatus")
        db.execute(
            "UPDATE instances SET owner = NULL, turn = NULL, updated = ?,"
            " status = CASE WHEN status = 'Pending' THEN 'Running' ELSE status END,"
            " custom_status = coalesce(?, custom_status) WHERE id = ?",
            (now(), None if custom is None else json.dumps(custom), instance),
        )
        _settle(db, row, outcome, fresh)
    return True


def _settle(db: sqlite3.Connection, row: sqlite3.Row, outcome: Outcome, fresh: list[Scheduled]) -> None:
    """End the instance, or schedule what it asks for."""
    state = outcome.state
    if outcome.replay.finished and state.get("error"):
        _end(db, row, "Failed", f"Orchestrator function '{row['name']}' failed: {state['error']}")
    elif outcome.replay.finished and state.get("isDone"):
        _end(db, row, "Completed", state.get("output"))
    else:
        for each in fresh:
            _schedule(db, row, each)


def _end(db: sqlite3.Connection, row: sqlite3.Row, status: str, output: Any) -> None:
    """An instance's last step: its result, and nothing that waits for it.

    Activities that it has asked for still run, as in Azure: they have a queue of their own there.
    """
    text = None if output is None else json.dumps(output)
    db.execute("UPDATE instances SET status = ?, output = ? WHERE id = ?", (status, text, row["id"]))
    db.execute("DELETE FROM messages WHERE instance = ?", (row["id"],))


def _append_history(db: sqlite3.Connection, instance: str, number: int, events: list[Event]) -> None:
    """Stored as played: that is how every later turn sends them."""
    db.executemany(
        "INSERT INTO history (instance, number, event) VALUES (?, ?, ?)",
        [
            (instance, number + place, json.dumps(durable_events.played(event)))
            for place, event in enumerate([*events, durable_events.orchestrator_completed()])
        ],
    )


def _scheduling_event(item: Scheduled) -> Event:
    if item.kind == EventType.TIMER_CREATED:
        return durable_events.timer_created(item.id, item.fire_at)
    return durable_events.task_scheduled(item.id, item.action["functionName"])


def _schedule(db: sqlite3.Connection, row: sqlite3.Row, item: Scheduled) -> None:
    if item.kind == EventType.TIMER_CREATED:
        fired = durable_events.timer_fired(item.id, item.fire_at)
        put_message(db, row["id"], fired, item.fire_at)
        return
    values = (row["id"], row["execution"], item.id, item.action["functionName"], item.action.get("input"), now())
    db.execute("INSERT INTO tasks (instance, execution, task, name, input, created) VALUES (?, ?, ?, ?, ?, ?)", values)
