"""The orchestrator: plan, then export in lanes side by side, then publish.

1. `plan` splits the export into ranges and shares them out to lanes.
2. `export` reads a lane's ranges, one after the other, and after about two minutes comes back with what is left. When
   all lanes have, the next round begins. Where ranges are by name, `check` then says which to read again because
   users were renamed meanwhile.
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
LANE_ATTEMPTS = 5
LANE_PAUSE = timedelta(seconds=15)
"""Behind the edges' own retries, which take minutes: for crashes, time-outs and long disturbances."""

MAX_READINGS = 5
"""Of the ranges in which users were renamed meanwhile."""
READING_PAUSE = timedelta(seconds=20)
"""Until Graph's index has seen the renames too."""

_COUNTS = ("requests", "retries", "restarts")


def export_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives for an export. Input: `{"id"}`. Output: `{"status"}`.

    `context`: DurableOrchestrationContext. `retry`: RetryOptions of the activities but `export`.
    """
    export_id: str = context.get_input()["id"]
    found: Json = {"id": export_id, "ranges": 0, "expected": None, "found": [], "warnings": [], "parts": []}
    found |= dict.fromkeys(_COUNTS, 0)
    try:
        planned: Json = yield context.call_activity_with_retry("plan", retry, {"id": export_id})
    except Exception as problem:
        planned = {"failed": _failure(problem)}
    lanes, by_name = planned.pop("lanes", []), planned.pop("check", False)
    found |= planned
    context.set_custom_status({"expected": found["expected"], "ranges": found["ranges"]})
    if not _has_ended(found):
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
    for reading in range(MAX_READINGS):
        yield from _read(context, cancel, found, lanes)
        if not by_name or _has_ended(found):
            return
        try:
            task = {"id": found["id"], "parts": found["parts"], "reading": reading}
            checked: Json = yield context.call_activity_with_retry("check", retry, task)
        except Exception as problem:
            checked = {"failed": _failure(problem)}
        _add(found, checked)
        again = checked.get("again", [])
        if cancel.is_completed:
            found["cancelled"] = True
        if not again or _has_ended(found):
            return
        found["parts"] = [part for part in found["parts"] if part[0] not in again]
        found["restarts"] += len(again)
        lanes = [again[lane :: len(lanes)] for lane in range(min(len(lanes), len(again)))]
        if reading:
            yield context.create_timer(context.current_utc_datetime + READING_PAUSE)
    reason = f"Users were renamed while the export ran, {MAX_READINGS} times in the same ranges. Start it again later."
    found["failed"] = {"code": "RenamedMeanwhile", "reason": reason}


def _read(context: Any, cancel: Any, found: Json, lanes: list[list[int]]) -> Generator[Any, Any, None]:
    """Rounds of the lanes, until none has anything left, one has failed, or a person cancels.

    In later rounds the extension waits for a lane to end before it goes on behind a cancel (it does not wait for the
    same event twice): a lane sees within seconds that the plan is gone.
    """
    left: dict[int, Json] = {lane: {"ranges": ranges} for lane, ranges in enumerate(lanes)}
    crashes: Counter[int] = Counter()
    segment = 0
    while left:
        running = {
            context.call_activity("export", {"id": found["id"], "segment": segment, **task}): lane
            for lane, task in left.items()
        }
        crashed = False
        while running:
            ended = yield context.task_any([cancel, *running])
            if ended is cancel:
                found["cancelled"] = True
                return
            lane = running.pop(ended)
            if isinstance(ended.result, Exception):
                # Durable's own retries would not do: they take numbers that the next steps count on.
                crashed = True
                crashes[lane] += 1
                if crashes[lane] == LANE_ATTEMPTS:
                    found["failed"] = {"range": left[lane]["ranges"][0], **_failure(ended.result)}
            else:
                crashes[lane] = 0
                _add_lane(found, ended.result)
                left[lane] = ended.result.get("left", {})
            if _has_ended(found):
                return
        left = {lane: task for lane, task in left.items() if task}
        segment += 1
        if crashed:
            yield context.create_timer(context.current_utc_datetime + LANE_PAUSE)


def _add_lane(found: Json, done: Json) -> None:
    _add(found, done)
    if "void" in done:
        found["parts"] = [part for part in found["parts"] if part[0] != done["void"]]
    found["parts"] += done.get("parts", [])


def _add(found: Json, more: Json) -> None:
    """Counts, and how it has ended if it has."""
    for name in _COUNTS:
        found[name] += more.get(name, 0)
    found |= {name: more[name] for name in ("failed", "cancelled") if name in more}


def _has_ended(found: Json) -> bool:
    return "failed" in found or "cancelled" in found


def _failure(problem: Exception) -> Json:
    """An activity that failed although it was run again; Durable passes on only the text."""
    return {"code": "ActivityFailed", "reason": " ".join(str(problem).split())[:500]}
