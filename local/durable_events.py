"""The events of an orchestration's history, as Microsoft's extension writes them: fields, types and order.

Recorded from it turn by turn: tests/durable/traces. Inputs of activities are not kept. `IsPlayed` is false for what
comes new, and true later on for what the orchestrator has waited for; it stays false for what was scheduled.
"""

import json
from typing import Any

from azure.durable_functions.models.history import HistoryEventType as EventType

from local.durable_store import Event, now, timestamp

PLAYED = frozenset(
    {
        EventType.EXECUTION_STARTED,
        EventType.TASK_COMPLETED,
        EventType.TASK_FAILED,
        EventType.TIMER_FIRED,
        EventType.EVENT_RAISED,
    }
)


def _event(kind: EventType, fields: dict[str, Any] | None = None, number: int = -1, at: float | None = None) -> Event:
    moment = timestamp(now() if at is None else at)
    return {"EventType": int(kind)} | (fields or {}) | {"EventId": number, "IsPlayed": False, "Timestamp": moment}


def played(event: Event) -> Event:
    """The event as later turns send it."""
    return event | {"IsPlayed": event["EventType"] in PLAYED}


def orchestrator_started() -> Event:
    return _event(EventType.ORCHESTRATOR_STARTED)


def orchestrator_completed() -> Event:
    return _event(EventType.ORCHESTRATOR_COMPLETED)


def execution_started(instance: str, execution: str, name: str, input_json: str) -> Event:
    fields = {
        "ParentInstance": None,
        "Name": name,
        "Version": None,
        "Input": input_json,
        "Tags": None,
        "Correlation": None,
        "ParentTraceContext": None,
        "ScheduledStartTime": None,
        "Generation": 0,
        "GenerateNewTrace": False,
    }
    who = {"OrchestrationInstance": {"InstanceId": instance, "ExecutionId": execution}}
    return who | _event(EventType.EXECUTION_STARTED, fields)


def task_scheduled(number: int, name: str) -> Event:
    fields = {"Name": name, "Version": "", "Input": None, "ParentTraceContext": None, "Tags": None}
    return _event(EventType.TASK_SCHEDULED, fields, number)


def task_completed(number: int, result: str) -> Event:
    return _event(EventType.TASK_COMPLETED, {"TaskScheduledId": number, "Result": result})


def task_failed(number: int, name: str, error: BaseException, trace: str) -> Event:
    """The SDK gives an orchestrator the reason and the details as one text, stack trace and all."""
    said = f" {type(error).__name__}: {error}"
    details: dict[str, Any] = {
        "$type": "System.Exception, System.Private.CoreLib",
        "ClassName": "System.Exception",
        "Message": said,
    }
    details |= {"Data": None, "InnerException": None, "HelpURL": None, "StackTraceString": trace}
    fields = {
        "TaskScheduledId": number,
        "Reason": f"Activity function '{name}' failed: {said}",
        "Details": json.dumps(details),
        "FailureDetails": None,
    }
    return _event(EventType.TASK_FAILED, fields)


def timer_created(number: int, fire_at: float) -> Event:
    return _event(EventType.TIMER_CREATED, {"FireAt": timestamp(fire_at)}, number)


def timer_fired(number: int, fire_at: float) -> Event:
    return _event(EventType.TIMER_FIRED, {"TimerId": number, "FireAt": timestamp(fire_at)})


def event_raised(name: str, value_json: str) -> Event:
    return _event(EventType.EVENT_RAISED, {"Name": name, "Input": value_json, "ParentTraceContext": None})
