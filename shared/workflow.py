"""The orchestrators: plan, then export in lanes side by side, then publish.

export_users    1. `plan` splits the export into ranges and shares them out to lanes.
                2. One `export_lane` for each lane runs as a sub-orchestration. Where ranges are by name, `check`
                   then says which to read again because users were renamed meanwhile.
                3. `publish` commits what the executions staged that the lanes' histories name, or writes only the
                   results when something failed or a person cancelled. `notify` then tells the caller's callback,
                   and `clean` removes what only a running export needs.
export_lane     Runs `export` for its ranges, one after the other; of many, some at a time in a lane below it. A range
                that takes long comes back with the state from which its next segment goes on; one whose chain broke
                after its first segment begins again.

Why lanes and no sliding window: the Durable extension awaits what an orchestrator asked for in the order in which it
asked (OutOfProcOrchestrationShim, ProcessAsyncActionsV2). An activity that is added to a window later waits for the
one that was added before, so such a window shrinks to one. Lanes also keep each history, and so each replay, short.

Everything here is replayed from history at each turn: no IO, no clock, no randomness. Only references and counts pass
through it: no users, no tokens, no links.
"""

from collections.abc import Generator
from datetime import timedelta
from typing import Any

Json = dict[str, Any]

EXPORT = "export_users"
LANE = "export_lane"
CANCEL = "Cancel"
"""The external event that ends an export."""
MAX_RESTARTS = 5
LANE_RANGES = 40
"""Ranges of one instance: each turn replays its whole history, so with all of a long lane they cost its square."""

MAX_ROUNDS = 5
"""Readings of the ranges in which users were renamed meanwhile."""
EVENT_PAUSE = timedelta(seconds=15)
ROUND_PAUSE = timedelta(seconds=20)
"""Until Graph's index has seen the renames too."""

_COUNTS = ("requests", "retries", "restarts")


def export_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives for an export. Input: `{"id"}`. Output: `{"status"}`.

    `context`: DurableOrchestrationContext. `retry`: RetryOptions of the activities.
    """
    export_id: str = context.get_input()["id"]
    found: Json = {"id": export_id, "ranges": 0, "expected": None, "found": [], "warnings": [], "parts": []}
    found |= dict.fromkeys(_COUNTS, 0)
    try:
        planned: Json = yield context.call_activity_with_retry("plan", retry, {"id": export_id})
    except Exception as problem:
        planned = {"failed": _failure(problem)}
    lanes, by_name = planned.pop("lanes", []), planned.pop("check", False)
    if planned.pop("stopped", False):
        found["cancelled"] = True
    found |= planned
    context.set_custom_status({"expected": found["expected"], "ranges": found["ranges"]})
    if not found.get("failed") and not found.get("cancelled"):
        yield from _export(context, retry, found, lanes, by_name=by_name)
    try:
        published: Json = yield context.call_activity_with_retry("publish", retry, found)
    except Exception:
        # What runs must see that nobody wants it any more; and without results there must be no file.
        yield context.call_activity_with_retry("clean", retry, {"id": export_id, "unpublish": True})
        raise
    if published["notify"]:
        yield from _notify(context, retry, found)
    yield context.call_activity_with_retry("clean", retry, {"id": export_id})
    return {"status": published["status"]}


def _notify(context: Any, retry: Any, found: Json) -> Generator[Any, Any, None]:
    """Tells the caller. Nobody there is no failure of the export: the results are written again with a warning."""
    try:
        told: Json = yield context.call_activity_with_retry("notify", retry, {"id": found["id"]})
    except Exception as problem:
        told = {"warning": {"code": "CallbackFailed", "reason": _failure(problem)["reason"]}}
    if "warning" in told:
        again = {**found, "warnings": [*found["warnings"], told["warning"]]}
        yield context.call_activity_with_retry("publish", retry, again)


def _export(
    context: Any, retry: Any, found: Json, lanes: list[list[int]], *, by_name: bool
) -> Generator[Any, Any, None]:
    """All ranges; and again those that renames have touched, until there are none."""
    cancel = context.wait_for_external_event(CANCEL)
    for number in range(MAX_ROUNDS):
        yield from _run_lanes(context, cancel, found, lanes, number)
        if not by_name or found.get("failed") or found.get("cancelled"):
            return
        try:
            task = {"id": found["id"], "parts": found["parts"], "round": number}
            checked: Json = yield context.call_activity_with_retry("check", retry, task)
        except Exception as problem:
            checked = {"failed": _failure(problem)}
        _add(found, checked)
        again = checked.get("again", [])
        if cancel.is_completed or "stopped" in checked:
            yield from _stopped(context, cancel, found)
            return
        if not again:
            found |= {"failed": checked["failed"]} if "failed" in checked else {}
            return
        found["parts"] = [part for part in found["parts"] if part[0] not in again]
        found["restarts"] += len(again)
        lanes = [again[lane :: len(lanes)] for lane in range(min(len(lanes), len(again)))]
        if number:
            yield context.create_timer(context.current_utc_datetime + ROUND_PAUSE)
    reason = f"Users were renamed while the export ran, {MAX_ROUNDS} times in the same ranges. Start it again later."
    found["failed"] = {"code": "RenamedMeanwhile", "reason": reason}


def _run_lanes(
    context: Any, cancel: Any, found: Json, lanes: list[list[int]], number: int
) -> Generator[Any, Any, None]:
    """Adds up what the lanes return, until all have ended, one has failed, or a person cancels."""
    running = [
        context.call_sub_orchestrator(LANE, {"id": found["id"], "ranges": ranges}, lane_id(found["id"], number, lane))
        for lane, ranges in enumerate(lanes)
    ]
    while running:
        ended = yield context.task_any([cancel, *running])
        if ended is cancel:
            found["cancelled"] = True
            return
        running.remove(ended)
        done = {"failed": _failure(ended.result)} if isinstance(ended.result, Exception) else ended.result
        _add(found, done)
        found["parts"] += done.get("parts", [])
        if "failed" in done:
            found["failed"] = done["failed"]
            return
        if "stopped" in done:
            yield from _stopped(context, cancel, found)
            return


def _stopped(context: Any, cancel: Any, found: Json) -> Generator[Any, Any, None]:
    """The plan is gone: a person cancels, and the event is here or on its way; or it was lost."""
    if not cancel.is_completed:
        yield context.task_any([cancel, context.create_timer(context.current_utc_datetime + EVENT_PAUSE)])
    if cancel.is_completed:
        found["cancelled"] = True
    else:
        found["failed"] = {"code": "StateLost", "reason": "The plan of the export is gone from the storage."}


def lane_id(export_id: str, number: int, lane: int) -> str:
    """The instance id of a lane: begins with the export's, so that both are found together."""
    return f"{export_id}:{number}-{lane}"


def lane_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives for a lane.

    Input: `{"id", "ranges": [number]}`. Output: `{"parts", "requests", "retries", "restarts", "failed"?}`.
    """
    task: Json = context.get_input()
    ranges: list[int] = task["ranges"]
    found: Json = {"parts": [], **dict.fromkeys(_COUNTS, 0)}
    if len(ranges) > LANE_RANGES:
        steps = {at: _part_of_lane(context, task, at) for at in range(0, len(ranges), LANE_RANGES)}
    else:
        steps = {
            at: _export_range(context, retry, {"id": task["id"], "range": ranges[at]}) for at in range(len(ranges))
        }
    for at, step in steps.items():
        done = yield from step
        _add(found, done)
        found["parts"] += done.get("parts", [])
        if "failed" in done:
            return found | {"failed": {"range": ranges[at], **done["failed"]}}
        if "stopped" in done:
            return found | {"stopped": True}
    return found


def _part_of_lane(context: Any, task: Json, at: int) -> Generator[Any, Any, Json]:
    """Some of the ranges of a lane that has many, as a lane of their own."""
    some = task["ranges"][at : at + LANE_RANGES]
    try:
        done: Json = yield context.call_sub_orchestrator(LANE, {**task, "ranges": some}, f"{context.instance_id}-{at}")
    except Exception as problem:
        done = {"failed": _failure(problem)}
    return done


def _export_range(context: Any, retry: Any, task: Json) -> Generator[Any, Any, Json]:
    """All segments of one range, from the first again when the chain breaks."""
    restarts = 0
    found: Json = dict.fromkeys(_COUNTS, 0)
    while True:
        found |= {"parts": [], "restarts": restarts}
        segment: Json = {"segment": 0}
        while segment:
            try:
                result: Json = yield context.call_activity_with_retry("export", retry, task | segment)
            except Exception as problem:
                return found | {"failed": _failure(problem)}
            if "failed" in result or "stopped" in result:
                return found | result
            if "restart" in result:
                break
            _add(found, result)
            found["parts"].append(result["part"])
            if "state" not in result:
                return found
            segment = {"segment": segment["segment"] + 1, "state": result["state"]}
        restarts += 1
        if restarts > MAX_RESTARTS:
            reason = f"{result['restart']['reason']} The range was begun again {MAX_RESTARTS} times."
            return found | {"failed": {**result["restart"], "reason": reason}}


def _add(found: Json, more: Json) -> None:
    for name in _COUNTS:
        found[name] += more.get(name, 0)


def _failure(problem: Exception) -> Json:
    """An activity that failed although it was run again; Durable passes on only the text."""
    return {"code": "ActivityFailed", "reason": " ".join(str(problem).split())[:500]}
