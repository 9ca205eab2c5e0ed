"""One turn of an orchestration: all its waiting messages at once, through the SDK's own replay. No IO.

History, OrchestratorStarted and the messages' events go to the orchestrator as the JSON that the extension sends. The
JSON that comes back is replayed as the extension does (durable_replay.py).
"""

import functools
import importlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.durable_functions.models.history import HistoryEventType as EventType

from local import durable_events
from local.durable_replay import OrchestrationError, Replay, Scheduled, replay
from local.durable_store import Event

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
    """The result of a turn: the events to append, how far the replay is, and the orchestrator's state.

    `known`: the number of actions that earlier turns have scheduled.
    """

    events: list[Event]
    replay: Replay
    known: int
    state: dict[str, Any]


def remember_timestamps() -> None:
    """Let the SDK parse each timestamp once: three quarters of a turn went into parsing the same ones again."""
    module = importlib.import_module("azure.durable_functions.models.history.HistoryEvent")
    module.dt_parse = functools.lru_cache(100_000)(module.dt_parse)  # type: ignore[attr-defined]


def run(claimed: Claim, orchestrator: Orchestrator | None) -> Outcome:
    """Replay the orchestrator with the new events; `None` when the app has none of that name."""
    news = [durable_events.orchestrator_started()]
    received = [json.loads(message["event"]) for message in claimed.messages]
    # The start comes first, also when an event was raised before it: the SDK looks for it in second place.
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
