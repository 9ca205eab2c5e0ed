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
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec

from shared.export.returned import Checked, Json, Planned, Published, Read, Told, Unreadable, failure, read

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
_PLANNED = ("ranges", "expected", "found", "warnings", "requests", "retries", "failed", "cancelled")


def export_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives for an export. Input: `{"id"}`.

    Output: `{"status"}` ("Over" when a late start found it ended already), with `failed` beside it when not even
    results could be written. It never raises: that would end the export without a word to the caller.
    `context`: DurableOrchestrationContext. `retry`: RetryOptions of the activities before and behind the rounds.
    """
    _mend(context)
    export_id = _id(context)
    found: Json = {"id": export_id, "ranges": 0, "expected": None, "found": [], "warnings": [], "parts": []}
    found |= dict.fromkeys(_COUNTS, 0)
    lanes, by_name, over = list[list[int]](), list[int](), False
    try:
        result = yield context.call_activity_with_retry("plan", retry, {"id": export_id})
        planned = _planned(result)
        found |= {name: result[name] for name in _PLANNED if result.get(name) is not None}
        lanes, by_name, over = planned.lanes, planned.check, planned.over
    except Exception as problem:
        found["failed"] = failure("plan", problem)
    if over:
        yield from _clean(context, retry, {"id": export_id})
        return {"status": "Over"}
    context.set_custom_status({"expected": found["expected"], "ranges": found["ranges"]})
    if not _has_ended(found):
        yield from _export(context, found, lanes, by_name)
    try:
        result = yield context.call_activity_with_retry("publish", retry, found)
        published = read(result, Published)
    except Exception as problem:
        # What runs must see that nobody wants it any more; and without results there must be no file.
        yield from _clean(context, retry, {"id": export_id, "unpublish": True})
        return {"status": "Failed", "failed": failure("publish", problem)}
    if published.notify:
        yield from _notify(context, retry, found)
    yield from _clean(context, retry, {"id": export_id})
    return {"status": published.status}


def _id(context: Any) -> str:
    """The export's id is also the instance's."""
    try:
        return str(context.get_input()["id"])
    except Exception:
        return str(context.instance_id)


def _mend(context: Any) -> None:
    """Results and events that are no JSON become null: the SDK would raise before anybody could look at them."""
    for event in context.histories:
        for name in ("Result", "Input"):
            text = getattr(event, name, None)
            if text is not None and not _is_json(text):
                setattr(event, name, "null")


def _is_json(text: Any) -> bool:
    """Durable's decoder makes an object of what has `__class__`, or raises."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, TypeError):
        return False
    return "__class__" not in text


def _planned(result: Any) -> Planned:
    """Raises Unreadable when the lanes don't have each range once: users would be missing."""
    planned = read(result, Planned)
    numbers = [number for lane in planned.lanes for number in lane]
    if planned.failed or planned.cancelled or planned.over:
        return planned
    if not len(numbers) == len({*numbers}) == planned.ranges or not all(planned.lanes):
        raise Unreadable(f"{planned.ranges} ranges, and lanes of {len({*numbers})}")
    if not {*planned.check} <= {*numbers}:
        raise Unreadable("ranges to check that are in no lane")
    return planned


def _clean(context: Any, retry: Any, task: Json) -> Generator[Any, Any, None]:
    """What could not be removed is removed with the export, or when it is older than the retention."""
    with suppress(Exception):
        yield context.call_activity_with_retry("clean", retry, task)


def _notify(context: Any, retry: Any, found: Json) -> Generator[Any, Any, None]:
    """Tells the caller. Nobody there is no failure of the export: the results are written again with a warning."""
    try:
        result = yield context.call_activity_with_retry("notify", retry, {"id": found["id"]})
        warning = result.get("warning") if read(result, Told).warning else None
    except Exception as problem:
        warning = {"code": "CallbackFailed", "reason": failure("notify", problem)["reason"]}
    if warning:
        again = {**found, "warnings": [*found["warnings"], warning]}
        # When that fails the first results stay, which are true but for the warning.
        with suppress(Exception):
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
            # Durable's own retries would not do: they take numbers that the next steps count on.
            crashes[at] = crashes[at] + 1 if isinstance(result, Exception) else 0
            if crashes[at]:
                crashed = True
                if crashes[at] == ATTEMPTS:
                    found["failed"] = _failed(at, result, left)
            elif at == CHECK:
                unchecked, again = False, _checked(found, result, lanes)
            else:
                left[at] = _add(found, result, left[at]["ranges"])
            if _has_ended(found):
                return []
        left = {lane: task for lane, task in left.items() if task["ranges"]}
        segment += 1
        if crashed:
            yield context.create_timer(context.current_utc_datetime + PAUSE)
    return again


def _failed(at: int, problem: Exception, left: dict[int, Json]) -> Json:
    if at == CHECK:
        return failure("check", problem)
    return failure("export", problem) | {"range": left[at]["ranges"][0]}


def _checked(found: Json, result: Any, lanes: list[list[int]]) -> list[int]:
    """The ranges to read again."""
    try:
        again = _again(read(result, Checked), lanes)
    except Unreadable as problem:
        found["failed"] = failure("check", problem)
        return []
    _count(found, result)
    return again


def _again(checked: Checked, lanes: list[list[int]]) -> list[int]:
    if not {*checked.again} <= {number for lane in lanes for number in lane}:
        raise Unreadable("ranges to read again that were not read")
    return list(dict.fromkeys(checked.again))


def _add(found: Json, result: Any, asked: list[int]) -> Json:
    """Adds what a lane has staged, and gives what it has left."""
    try:
        parts = _parts(found["parts"], read(result, Read), asked)
    except Unreadable as problem:
        found["failed"] = failure("export", problem) | {"range": asked[0]}
        return {"ranges": []}
    found["parts"] = parts + result.get("parts", [])
    _count(found, result)
    return result.get("left") or {"ranges": []}


def _parts(parts: list[list[Any]], lane: Read, asked: list[int]) -> list[list[Any]]:
    """Those of earlier rounds that still count. Raises Unreadable when a range would be lost, or be there twice."""
    staged, remaining = [part.range for part in lane.parts], lane.left.ranges if lane.left else []
    if len({*staged}) < len(staged) or len({*remaining}) < len(remaining):
        raise Unreadable("a range twice")
    if not {*staged, *remaining, *([] if lane.void is None else [lane.void])} <= {*asked}:
        raise Unreadable("a range that was not asked for")
    counted = [part for part in parts if part[0] != lane.void]
    missing = {*asked} - {*remaining, *staged} - {part[0] for part in counted}
    if missing and not (lane.failed or lane.cancelled):
        raise Unreadable("nothing of a range that was asked for")
    return counted


def _count(found: Json, more: Json) -> None:
    """What that has cost, and how the export has ended if it has."""
    for name in _COUNTS:
        found[name] += more.get(name, 0)
    found |= {name: more[name] for name in ("failed", "cancelled") if more.get(name)}


def _has_ended(found: Json) -> bool:
    return "failed" in found or "cancelled" in found
