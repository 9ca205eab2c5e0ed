"""What the Durable extension makes of the actions that an orchestrator has returned."""

from typing import Any

import pytest
from azure.durable_functions.models.history import HistoryEventType as EventType

from local.durable_replay import OrchestrationError, replay

BEGIN = [
    {"EventType": EventType.ORCHESTRATOR_STARTED, "Timestamp": "2026-01-01T00:00:00.000000Z"},
    {"EventType": EventType.EXECUTION_STARTED},
]


def activity(name: str = "a") -> dict[str, Any]:
    return {"actionType": 0, "functionName": name, "input": "null"}


def with_retry(attempts: int) -> dict[str, Any]:
    options = {"firstRetryIntervalInMilliseconds": 1000, "maxNumberOfAttempts": attempts}
    return activity("r") | {"actionType": 1, "retryOptions": options}


def any_of(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"actionType": 11, "compoundActions": list(actions)}


def all_of(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"actionType": 12, "compoundActions": list(actions)}


def done(number: int) -> dict[str, Any]:
    return {"EventType": EventType.TASK_COMPLETED, "TaskScheduledId": number}


def failed(number: int) -> dict[str, Any]:
    return {"EventType": EventType.TASK_FAILED, "TaskScheduledId": number}


def fired(number: int) -> dict[str, Any]:
    return {"EventType": EventType.TIMER_FIRED, "TimerId": number}


def kinds(actions: list[dict[str, Any]], *events: dict[str, Any]) -> list[EventType]:
    return [each.kind for each in replay(actions, [*BEGIN, *events]).scheduled]


def test_an_action_is_not_looked_at_before_the_one_ahead_of_it_has_ended() -> None:
    actions = [any_of(activity(), activity()), any_of(activity()), any_of(activity())]

    assert len(replay(actions, BEGIN).scheduled) == 2
    assert len(replay(actions, [*BEGIN, done(0)]).scheduled) == 3
    # The window of two has shrunk to one: the fourth waits for the third, whatever becomes of the second.
    assert len(replay(actions, [*BEGIN, done(0), done(1)]).scheduled) == 3
    assert len(replay(actions, [*BEGIN, done(0), done(1), done(2)]).scheduled) == 4


def test_everything_in_one_task_all_is_scheduled_at_once_and_ends_with_the_last() -> None:
    actions = [all_of(*(activity() for _ in range(3)))]

    assert len(replay(actions, BEGIN).scheduled) == 3
    assert not replay(actions, [*BEGIN, done(0), failed(2)]).finished
    assert replay(actions, [*BEGIN, done(0), failed(2), done(1)]).finished


def test_a_failed_attempt_is_followed_by_a_timer_even_when_it_was_the_last() -> None:
    task, timer = EventType.TASK_SCHEDULED, EventType.TIMER_CREATED
    actions = [with_retry(2), activity()]

    assert kinds(actions, failed(0)) == [task, timer]
    assert kinds(actions, failed(0), fired(1)) == [task, timer, task]
    assert kinds(actions, failed(0), fired(1), failed(2)) == [task, timer, task, timer]
    assert kinds(actions, failed(0), fired(1), failed(2), fired(3)) == [task, timer, task, timer, task]
    assert kinds(actions, failed(0), fired(1), done(2)) == [task, timer, task, task]


def test_a_retry_takes_the_id_of_an_action_that_is_not_reached_yet() -> None:
    """The SDK has given id 3 to the last activity by then: its result would be the timer's. Hence no windows."""
    actions = [any_of(activity(), with_retry(2)), any_of(activity()), any_of(activity())]

    scheduled = replay(actions, [*BEGIN, done(0), failed(1)]).scheduled
    assert [each.kind for each in scheduled[2:]] == [EventType.TASK_SCHEDULED, EventType.TIMER_CREATED]


def test_a_retry_fires_its_interval_after_the_turn_in_which_the_attempt_failed() -> None:
    scheduled = replay([with_retry(2)], [*BEGIN, failed(0)]).scheduled

    assert scheduled[1].fire_at == 1767225601.0


def test_a_cancelled_timer_keeps_its_id_and_holds_nothing_up() -> None:
    timer = {"actionType": 5, "fireAt": "2030-01-01T00:00:00.000000Z", "isCanceled": True}

    assert kinds([timer, activity()]) == [EventType.TIMER_CREATED, EventType.TASK_SCHEDULED]


def test_an_event_counts_whether_it_comes_before_or_after_the_wait() -> None:
    wait = {"actionType": 6, "externalEventName": "go"}
    event = {"EventType": EventType.EVENT_RAISED, "Name": "go"}

    assert replay([wait], [*BEGIN, event]).finished
    assert replay([activity(), wait], [*BEGIN, event, done(0)]).finished
    assert not replay([wait, wait], [*BEGIN, event]).finished


def test_what_the_host_cannot_do_fails_the_orchestration() -> None:
    with pytest.raises(OrchestrationError, match="CALL_ENTITY is not supported"):
        replay([{"actionType": 7}], BEGIN)
    with pytest.raises(OrchestrationError, match="contains no tasks"):
        replay([any_of()], BEGIN)
