"""The orchestrator: plan, then export in a sliding window, then publish.

1. `plan` splits the export into ranges.
2. `export` runs for each range, at most `parallel` at a time: the next starts as soon as any ends. A range that takes
   long comes back with the state from which its next segment goes on; one whose chain broke after the first segment
   begins again.
3. `publish` commits what the executions staged that this history names, or writes only the results when something
   failed or a person cancelled.

Everything here is replayed from history at each turn: no IO, no clock, no randomness. Only references and counts pass
through it: no users, no tokens, no links. After many ranges the orchestration continues as new, because each turn
replays all of the history.
"""

from collections.abc import Generator
from typing import Any

Json = dict[str, Any]

CANCEL = "Cancel"
"""The external event that ends an export."""
MAX_RESTARTS = 5
GENERATION = 250
"""Activities after which the history is begun anew."""

_COUNTS = ("rows", "bytes", "errors", "requests", "retries", "restarts")


def export_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives. `context`: DurableOrchestrationContext. `retry`: RetryOptions.

    Input: `{"id"}`, and the progress so far when it continues as new. Output: `{"status"}`.
    """
    progress: Json = context.get_input()
    if "waiting" not in progress:
        progress = yield from _plan(context, retry, progress["id"])
    cancel = context.wait_for_external_event(CANCEL)
    running: dict[Any, Json] = {}
    started = 0
    while not progress.get("failed") and (progress["waiting"] or running):
        while progress["waiting"] and len(running) < progress["parallel"] and started < GENERATION:
            task = progress["waiting"].pop(0)
            running[context.call_activity_with_retry("export", retry, {"id": progress["id"], **task})] = task
            started += 1
        if not running:
            context.continue_as_new(progress)
            return {}
        _show(context, progress)
        ended = yield context.task_any([cancel, *running])
        if ended is cancel:
            progress["cancelled"] = True
            break
        _take(progress, running.pop(ended), ended.result)
    _show(context, progress)
    published: Json = yield context.call_activity_with_retry("publish", retry, _to_publish(progress))
    return published


def _plan(context: Any, retry: Any, export_id: str) -> Generator[Any, Any, Json]:
    """What is known and to be done at the start."""
    progress: Json = {"id": export_id, "waiting": [], "parts": [], "rangesDone": 0, "ranges": 0, "expected": None}
    progress |= {"found": [], "warnings": [], **dict.fromkeys(_COUNTS, 0)}
    try:
        planned: Json = yield context.call_activity_with_retry("plan", retry, {"id": export_id})
    except Exception as problem:
        planned = {"failed": _failure(problem)}
    if "failed" in planned:
        return progress | planned
    # One number instead of a list of ranges: the plan itself lies in a blob.
    waiting = [{"range": number, "segment": 0} for number in range(planned["ranges"])]
    return progress | planned | {"waiting": waiting, "found": planned["errors"], "errors": 0}


def _take(progress: Json, task: Json, result: Json | Exception) -> None:
    """Adds the outcome of one `export`."""
    if isinstance(result, Exception):
        progress["failed"] = _failure(result) | {"range": task["range"]}
        return
    if "failed" in result:
        progress["failed"] = result["failed"]
        return
    if "restart" in result:
        _restart(progress, task, result["restart"])
        return
    if "stopped" in result:
        progress["failed"] = {"code": "PlanLost", "reason": "The plan of the export was removed while it ran."}
        return
    for name in _COUNTS:
        progress[name] += result[name]
    progress["parts"].append([*result["part"], *(result[name] for name in ("rows", "bytes", "errors"))])
    if "state" in result:
        progress["waiting"].insert(0, {**task, "segment": task["segment"] + 1, "state": result["state"]})
    else:
        progress["rangesDone"] += 1


def _restart(progress: Json, task: Json, problem: Json) -> None:
    """A chain broke after its first segment: what its segments staged does not count, and it begins again."""
    again = task.get("again", 0) + 1
    if again > MAX_RESTARTS:
        reason = f"{problem['reason']} The range was begun again {MAX_RESTARTS} times."
        progress["failed"] = {**problem, "reason": reason, "range": task["range"]}
        return
    void = [part for part in progress["parts"] if part[0] == task["range"]]
    progress["parts"] = [part for part in progress["parts"] if part[0] != task["range"]]
    for part in void:
        for name, value in zip(("rows", "bytes", "errors"), part[5:], strict=True):
            progress[name] -= value
    progress["restarts"] += 1
    progress["waiting"].insert(0, {"range": task["range"], "segment": 0, "again": again})


def _to_publish(progress: Json) -> Json:
    left_out = {"waiting", "parallel", "rangesDone"}
    parts = [part[:5] for part in progress["parts"]]
    return {name: value for name, value in progress.items() if name not in left_out} | {"parts": parts}


def _show(context: Any, progress: Json) -> None:
    shown = {"exported": progress["rows"]} | {name: progress[name] for name in ("expected", "ranges", "rangesDone")}
    context.set_custom_status(shown)


def _failure(problem: Exception) -> Json:
    """An activity that failed although it was run again; Durable passes on only the text."""
    return {"code": "ActivityFailed", "reason": " ".join(str(problem).split())[:500]}
