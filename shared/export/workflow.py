"""The orchestrator: plan, then export in lanes side by side, then publish.

1. `plan` splits the export into ranges and shares them out to lanes.
2. `export` reads a lane's ranges, one after the other, and after about two minutes comes back with what is left. When
   all lanes have, the next round begins. As soon as those ranges are read that renames can touch, `check` says which
   to read again because users were renamed meanwhile.
3. `publish` commits what the executions staged that the history names, or writes only the results when something
   failed or a person cancelled. `notify` then tells the caller's callback, and `clean` removes what only a running
   export needs.

Why lanes in rounds, and no sliding window over ranges: the Durable extension awaits what an orchestrator asked for in
the order in which it asked (OutOfProcOrchestrationShim, ProcessAsyncActionsV2). An activity that is added to a window
later waits for the one that was added before, so such a window shrinks to one. And no sub-orchestrations: a history
of their own for each lane costs more turns than a round costs time.

Everything here is replayed from history at each turn: no IO, no clock, no randomness. Only references and counts pass
through it: no users, no tokens, no links.
"""

from collections import Counter
from collections.abc import Generator
from datetime import timedelta
from typing import Any

Json = dict[str, Any]

EXPORT = "export_users"
CANCEL = "Cancel"
"""The external event that ends an export."""
CHECK = -1
"""In a round, beside the numbers of the lanes."""
ATTEMPTS = 5
PAUSE = timedelta(seconds=15)
"""Behind the edges' own retries, which take minutes: for crashes, time-outs and long disturbances."""

MAX_READINGS = 5
"""Of the ranges in which users were renamed meanwhile."""
READING_PAUSE = timedelta(seconds=20)
"""Until Graph's index has seen the renames too."""

_COUNTS = ("requests", "retries", "restarts")


def export_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives for an export. Input: `{"id"}`. Output: `{"status"}`.

    `context`: DurableOrchestrationContext. `retry`: RetryOptions of the activities before and behind the rounds.
    """
    export_id: str = context.get_input()["id"]
    found: Json = {"id": export_id, "ranges": 0, "expected": None, "found": [], "warnings": [], "parts": []}
    found |= dict.fromkeys(_COUNTS, 0)
    try:
        planned: Json = yield context.call_activity_with_retry("plan", retry, {"id": export_id})
    except Exception as problem:
        planned = {"failed": _failure(problem)}
    lanes, by_name = planned.pop("lanes", []), planned.pop("check", [])
    found |= planned
    context.set_custom_status({"expected": found["expected"], "ranges": found["ranges"]})
    if not _has_ended(found):
        yield from _export(context, found, lanes, by_name)
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


def _export(context: Any, found: Json, lanes: list[list[int]], by_name: list[int]) -> Generator[Any, Any, None]:
    """All ranges; and again those that renames have touched, until there are none."""
    cancel = context.wait_for_external_event(CANCEL)
    for reading in range(MAX_READINGS):
        again: list[int] = yield from _read(context, cancel, found, lanes, by_name, reading)
        if not again or _has_ended(found):
            return
        found["parts"] = [part for part in found["parts"] if part[0] not in again]
        found["restarts"] += len(again)
        lanes = [again[lane :: len(lanes)] for lane in range(min(len(lanes), len(again)))]
        if reading:
            yield context.create_timer(context.current_utc_datetime + READING_PAUSE)
    reason = f"Users were renamed while the export ran, {MAX_READINGS} times in the same ranges. Start it again later."
    found["failed"] = {"code": "RenamedMeanwhile", "reason": reason}


def _read(
    context: Any, cancel: Any, found: Json, lanes: list[list[int]], by_name: list[int], reading: int
) -> Generator[Any, Any, list[int]]:
    """Rounds, until nothing is left, something has failed, or a person cancels; returns the ranges to read again.

    In later rounds the extension waits for an activity to end before it goes on behind a cancel (it does not wait for
    the same event twice): a lane sees within seconds that the plan is gone.
    """
    left: dict[int, Json] = {lane: {"ranges": ranges} for lane, ranges in enumerate(lanes)}
    unchecked, again, touched = bool(by_name), list[int](), set(by_name)
    crashes: Counter[int] = Counter()
    segment = 0
    while left or unchecked:
        running = {
            context.call_activity("export", {"id": found["id"], "segment": segment, **task}): lane
            for lane, task in left.items()
        }
        crashed = checking = False
        while True:
            if unchecked and not checking and all(touched.isdisjoint(task["ranges"]) for task in left.values()):
                parts = [part for part in found["parts"] if part[0] in touched]
                task = {"id": found["id"], "parts": parts, "reading": reading}
                running[context.call_activity("check", task)] = CHECK
                checking = True
            if not running:
                break
            ended = yield context.task_any([cancel, *running])
            if ended is cancel:
                found["cancelled"] = True
                return []
            at, result = running.pop(ended), ended.result
            if isinstance(result, Exception):
                # Durable's own retries would not do: they take numbers that the next steps count on.
                crashed = True
                crashes[at] += 1
                if crashes[at] == ATTEMPTS:
                    found["failed"] = _failure(result) | ({} if at == CHECK else {"range": left[at]["ranges"][0]})
            else:
                crashes[at] = 0
                _add(found, result)
                if at == CHECK:
                    unchecked, again = False, result.get("again", [])
                else:
                    left[at] = result.get("left", {"ranges": []})
            if _has_ended(found):
                return []
        left = {lane: task for lane, task in left.items() if task["ranges"]}
        segment += 1
        if crashed:
            yield context.create_timer(context.current_utc_datetime + PAUSE)
    return again


def _add(found: Json, more: Json) -> None:
    """What was staged, what that cost, and how the export has ended if it has."""
    for name in _COUNTS:
        found[name] += more.get(name, 0)
    found["parts"] = [part for part in found["parts"] if part[0] != more.get("void")] + more.get("parts", [])
    found |= {name: more[name] for name in ("failed", "cancelled") if name in more}


def _has_ended(found: Json) -> bool:
    return "failed" in found or "cancelled" in found


def _failure(problem: Exception) -> Json:
    """An activity that failed although it was run again; Durable passes on only the text."""
    return {"code": "ActivityFailed", "reason": " ".join(str(problem).split())[:500]}
