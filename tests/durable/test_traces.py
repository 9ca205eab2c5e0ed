"""What Microsoft's own Durable extension (3.19.0) sent to the orchestrators, turn by turn.

traces/*.jsonl: an export or a comparison a file, a turn a line, with the context that the extension sent and the
orchestrator's answer. `Details`, which hold stack traces, were cut. `pytest tests/durable/test_extension.py
--record-traces FOLDER` records new ones, and TRACES names another folder to replay.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from azure.durable_functions.models.history import HistoryEventType as EventType

from local import durable, durable_claims, durable_tasks, durable_turn
from local.durable_replay import replay
from local.durable_store import connect, seconds
from local.durable_turn import SCHEDULING, STATE_LABEL
from tests.durable_host import orchestrator

Json = dict[str, Any]
FOLDER = Path(os.environ.get("TRACES") or Path(__file__).parent / "traces")
FILES = sorted(FOLDER.glob("*.jsonl"))
TRACES = [pytest.param([json.loads(line) for line in file.read_text().splitlines()], id=file.stem) for file in FILES]
WORDS = frozenset({"reason", "requestId"})
"""What is said to people may change."""


def answer(turn: Json) -> Json:
    """The recorded answer; of an exception the state that the SDK puts behind it."""
    found: Json = turn["answer"]
    if "raised" in found:
        found, _ = json.JSONDecoder().raw_decode(found["raised"].partition(STATE_LABEL)[2])
    return found


def without_words(value: Any) -> Any:
    """A later version may leave out a count of 0, or add what is empty to the array of a staged range."""
    if isinstance(value, dict):
        return {key: without_words(value[key]) for key in value if key not in WORDS and value[key] != 0}
    if isinstance(value, list):
        return [without_words(each) for each in value if each != {}]
    return value


def actions(found: Json) -> Any:
    """Their inputs are JSON texts."""

    def read(action: Json) -> Json:
        inner = {"compoundActions": [read(each) for each in action.get("compoundActions", [])]}
        return {**action, **inner, "input": without_words(json.loads(action.get("input") or "null"))}

    return [read(action) for action in found["actions"][0]]


def news(context: Json) -> list[Json]:
    """The events that came for this turn."""
    begins = [at for at, event in enumerate(context["history"]) if event["EventType"] == EventType.ORCHESTRATOR_STARTED]
    return list(context["history"][begins[-1] + 1 :])


@pytest.mark.parametrize("trace", TRACES)
def test_the_orchestrator_asks_for_what_it_asked_for(trace: list[Json]) -> None:
    for turn in trace:
        found = json.loads(orchestrator(turn["context"]["history"][1]["Name"])(json.dumps(turn["context"])))
        recorded = answer(turn)
        assert actions(found) == actions(recorded)
        assert found.get("customStatus") == recorded.get("customStatus")
        if "raised" not in turn["answer"]:
            assert (found["isDone"], found.get("output")) == (recorded["isDone"], recorded.get("output"))


@pytest.mark.parametrize("trace", TRACES)
def test_the_local_replay_schedules_what_the_extension_scheduled(trace: list[Json]) -> None:
    for turn, later in pairwise(trace):
        history = turn["context"]["history"]
        scheduled = [each for each in later["context"]["history"] if each["EventType"] in SCHEDULING]
        found = replay(answer(turn)["actions"][0], history).scheduled
        assert [(each.kind, each.id, each.action.get("functionName")) for each in found] == [
            (event["EventType"], event["EventId"], event.get("Name")) for event in scheduled
        ]
        for each, event in zip(found, scheduled, strict=True):
            if each.kind == EventType.TIMER_CREATED:
                assert each.fire_at == pytest.approx(seconds(event["FireAt"]), abs=0.001)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    found = connect(tmp_path / "durable.db")
    yield found
    found.close()


@pytest.mark.parametrize("trace", TRACES)
def test_the_local_engine_sends_the_fields_types_and_order_of_the_extension(
    db: sqlite3.Connection, trace: list[Json]
) -> None:
    first = trace[0]["context"]
    started = first["history"][1]
    durable.start(db, started["Name"], started["Input"], first["instanceId"])
    for turn in trace:
        for event in news(turn["context"]):
            deliver(db, first["instanceId"], event)
        claimed = durable_claims.claim(db, "worker")
        assert claimed is not None
        sent: list[str] = []

        def call(context: str, turn: Json = turn, sent: list[str] = sent) -> str:
            sent.append(context)
            return json.dumps(answer(turn))

        durable_claims.commit(db, claimed, durable_turn.run(claimed, call))
        (text,) = sent
        assert shape(json.loads(text)) == shape(turn["context"])


def deliver(db: sqlite3.Connection, instance: str, event: Json) -> None:
    """Lets happen in the local engine what made this event."""
    number = event.get("TaskScheduledId")
    match event["EventType"]:
        case EventType.TASK_COMPLETED:
            durable_tasks.complete(db, task(db, number), event["Result"])
        case EventType.TASK_FAILED:
            kind, _, said = event["Reason"].partition("failed:")[2].strip().partition(": ")
            error = type(kind, (Exception,), {})(said)
            durable_tasks.fail(db, task(db, number), error, "Traceback (most recent call last): ...")
        case EventType.TIMER_FIRED:
            fired = f"json_extract(event, '$.TimerId') = {int(event['TimerId'])}"
            db.execute(f"UPDATE messages SET visible = 0 WHERE {fired}")  # noqa: S608 - an integer
        case EventType.EVENT_RAISED:
            durable.raise_event(db, instance, event["Name"], event["Input"])


def task(db: sqlite3.Connection, number: int | None) -> durable_tasks.Task:
    row = db.execute("SELECT id, instance, name, input FROM tasks WHERE task = ?", (number,)).fetchone()
    return durable_tasks.Task(*row)


TIMES = frozenset({"Timestamp", "FireAt"})
CHANCE = frozenset({"ExecutionId", "Details"})


def shape(value: Any, name: str = "") -> Any:
    """Names in their order, and values; of times, and of what is left to chance, the type."""
    if isinstance(value, dict):
        return [(key, shape(value[key], key)) for key in value]
    if isinstance(value, list):
        return [shape(each) for each in value]
    if name in TIMES:
        return "time" if value.endswith("Z") and len(value) <= len("2026-01-01T00:00:00.0000000Z") else value
    return type(value) if name in CHANCE else value
