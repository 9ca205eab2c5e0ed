"""What an older version has begun, this one ends: recorded histories replay, from every point.

A failure here says that an orchestrator asks for other things, or in another order, than it did. Exports that run
while this is deployed would fail. docs/reliability.md, "Versions", tells what to do instead.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.durable_functions.models.history import HistoryEventType as EventType

from local.durable_turn import SCHEDULING, Claim, Outcome, run
from tests.durable_host import orchestrator

FILES = sorted((Path(__file__).parent / "histories").glob("*.json"))
RECORDED = [(file.stem, instance) for file in FILES for instance in json.loads(file.read_text())]
INSTANCES = [pytest.param(instance, id=name) for name, instance in RECORDED]
Event = dict[str, Any]


def turns(history: list[Event]) -> Iterator[tuple[list[Event], list[Event], list[Event]]]:
    """For each turn: what was before, what had come, and what was scheduled in it."""
    begins = [at for at, event in enumerate(history) if event["EventType"] == EventType.ORCHESTRATOR_STARTED]
    for begin, end in zip(begins, [*begins[1:], len(history)], strict=True):
        turn = history[begin + 1 : end - 1]
        yield (
            history[:begin],
            [event for event in turn if event["EventType"] not in SCHEDULING],
            [event for event in turn if event["EventType"] in SCHEDULING],
        )


def replayed(instance: dict[str, Any], past: list[Event], come: list[Event]) -> Outcome:
    row: Any = {"id": instance["id"], "name": instance["name"], "parent": "", "input": instance["history"][1]["Input"]}
    messages: Any = [{"event": json.dumps(event)} for event in come]
    return run(Claim(row, "", list(map(json.dumps, past)), messages), orchestrator(instance["name"]))


def asked(event: Event) -> tuple[int, str | None, str | None]:
    return event["EventType"], event.get("Name"), event.get("InstanceId")


def test_every_way_that_exports_and_comparisons_can_go_is_recorded() -> None:
    names = {event.get("Name") for _, each in RECORDED for event in each["history"]}
    assert {"plan", "export", "check", "publish", "notify", "clean", "Cancel"} <= names
    assert {"prepare_comparison", "split", "list_deleted", "compare", "publish_comparison"} <= names
    kinds = {event["EventType"] for _, each in RECORDED for event in each["history"]}
    assert {EventType.TIMER_FIRED, EventType.TASK_FAILED, EventType.EVENT_RAISED} <= kinds


@pytest.mark.parametrize("instance", INSTANCES)
def test_from_every_point_of_a_recorded_history_the_same_is_asked_for(instance: dict[str, Any]) -> None:
    known: list[Event] = []
    for past, come, scheduled in turns(instance["history"]):
        known += scheduled
        outcome = replayed(instance, past, come)
        assert "error" not in outcome.state
        found = [
            (int(each.kind), each.action.get("functionName"), each.action.get("instanceId"))
            for each in outcome.replay.scheduled
        ]
        assert found == [asked(event) for event in known]
    assert outcome.replay.passed
    assert outcome.state["isDone"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_history_holds_numbers_and_ids_and_no_user(file: Path) -> None:
    text = file.read_text()
    assert "@" not in text
    assert "http" not in text
    assert "sig=" not in text
