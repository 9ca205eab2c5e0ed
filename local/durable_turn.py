"""One turn of an orchestration: all its waiting messages at once, through the SDK's own replay.

1. `claim`: an instance with a visible message, that nobody alive owns, becomes this worker's.
2. `run`: history + OrchestratorStarted + the messages' events go to the orchestrator as the JSON that the
   extension sends; the JSON that comes back is replayed as the extension does (durable_replay.py).
3. `commit`: events, new activities and timers, the instance's state, and the removal of the messages are one
   transaction. When the claim is gone (another worker took it over because this one seemed dead), nothing is
   written, and the turn has not happened.
"""

import functools
import importlib
import json
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.durable_functions.models.history import HistoryEventType as EventType

from local import durable_events
from local.durable_replay import OrchestrationError, Replay, Scheduled, replay
from local.durable_store import Event, now, put_message, transaction

Orchestrator = Callable[[str], str]

# The SDK raises with this label and the JSON of its state after the message.
STATE_LABEL = "\n\n$OutOfProcData$:"

# What Azure Storage allows for one timer: the SDK makes a longer one out of several.
SETTINGS = {
    "longRunningTimerIntervalDuration": "3.00:00:00",
    "maximumShortTimerDuration": "6.00:00:00",
    "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
}


@dataclass(frozen=True, slots=True)
class Claim:
    """An instance with what its turn needs. `history` is the stored JSON texts."""

    row: sqlite3.Row
    turn: str
    history: list[str]
    messages: list[sqlite3.Row]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the turn came to: events to append, and how the extension's replay stands."""

    events: list[Event]
    replay: Replay
    known: int
    state: dict[str, Any]


def remember_timestamps() -> None:
    """Let the SDK parse each timestamp once: three quarters of a turn went into parsing the same ones again."""
    module = importlib.import_module("azure.durable_functions.models.history.HistoryEvent")
    module.dt_parse = functools.lru_cache(100_000)(module.dt_parse)  # type: ignore[attr-defined]


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
        found = db.execute(ready, (moment, moment)).fetchone()
        if found is None:
            return None
        turn = uuid.uuid4().hex
        db.execute("UPDATE instances SET owner = ?, turn = ? WHERE id = ?", (worker, turn, found[0]))
        row = db.execute("SELECT * FROM instances WHERE id = ?", (found[0],)).fetchone()
        events = db.execute("SELECT event FROM history WHERE instance = ? ORDER BY number", (found[0],))
        history = [event for (event,) in events]
        messages = db.execute(
            "SELECT id, event FROM messages WHERE instance = ? AND visible <= ? ORDER BY visible, id",
            (found[0], moment),
        ).fetchall()
    return Claim(row, turn, history, messages)


def give_back(db: sqlite3.Connection, claimed: Claim) -> None:
    """The turn could not be run: let it be taken again."""
    db.execute(
        "UPDATE instances SET owner = NULL, turn = NULL WHERE id = ? AND turn = ?",
        (claimed.row["id"], claimed.turn),
    )


def run(claimed: Claim, orchestrator: Orchestrator | None) -> Outcome:
    """Replay the orchestrator with the new events; `None` when the app has none of that name."""
    news = [durable_events.orchestrator_started()]
    received = [json.loads(message["event"]) for message in claimed.messages]
    # The start comes first, whatever was raised before it: the SDK looks for it in second place.
    received.sort(key=lambda event: event["EventType"] != EventType.EXECUTION_STARTED)
    news += received
    state = _ask(claimed, news, orchestrator)
    past = [json.loads(text) for text in claimed.history]
    known = [event for event in past if event["EventType"] in SCHEDULING]
    try:
        outcome = replay(state["actions"][0], past + news)
        _check_determinism(known, outcome.scheduled)
    except OrchestrationError as error:
        outcome, state = Replay(finished=True), {"error": str(error), "actions": [[]]}
    return Outcome(news, outcome, len(known), state)


SCHEDULING = frozenset({EventType.TASK_SCHEDULED, EventType.TIMER_CREATED})


def _check_determinism(known: list[Event], scheduled: list[Scheduled]) -> None:
    """What was scheduled on earlier turns must come out again, or ids would name the wrong tasks."""
    for event in known:
        number = event["EventId"]
        again = scheduled[number] if number < len(scheduled) else None
        if again is None or again.kind != event["EventType"] or _name(again) != event.get("Name"):
            raise OrchestrationError(
                f"Non-Deterministic workflow detected: a previous execution scheduled"
                f" {EventType(event['EventType']).name} '{event.get('Name')}' with sequence ID {number},"
                f" the current one has {again and again.kind.name} '{again and _name(again)}' there."
            )


def _name(item: Scheduled) -> str | None:
    return None if item.kind == EventType.TIMER_CREATED else item.action["functionName"]


def _ask(claimed: Claim, news: list[Event], orchestrator: Orchestrator | None) -> dict[str, Any]:
    """The orchestrator's state after these events, `error` and all."""
    if orchestrator is None:
        message = f"The function '{claimed.row['name']}' doesn't exist, is disabled, or is not an orchestrator"
        return {"error": message, "actions": [[]]}
    try:
        state: dict[str, Any] = json.loads(orchestrator(context_json(claimed, news)))
    except Exception as error:
        message, label, text = str(error).rpartition(STATE_LABEL)
        if not label:
            return {"error": message or text, "actions": [[]]}
        state = json.loads(text)
        state.setdefault("error", message)
    return state


def context_json(claimed: Claim, news: list[Event]) -> str:
    """The text that the extension sends to the orchestration trigger. Stored events are joined as they are."""
    fresh = [json.dumps(event | {"IsPlayed": False}) for event in news]
    rest = {
        "input": json.loads(claimed.row["input"]),
        "instanceId": claimed.row["id"],
        "isReplaying": bool(claimed.history),
        "parentInstanceId": None,
        "sourceInstanceId": None,
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 3,
        **SETTINGS,
    }
    return '{"history":[' + ",".join(claimed.history + fresh) + "]," + json.dumps(rest)[1:]


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

    Activities that it has asked for still run, as in Azure: their messages lie in a queue of their own.
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
