"""The orchestrator: plan, then export in lanes side by side, then publish.

1. `plan` splits the export into ranges and shares them out to lanes. Where columns want it, `report` then reads the
   tenant's registration report, which the lanes look users up in.
2. `export` reads a lane's ranges, one after the other, and after about two minutes comes back with what remains. When
   all lanes have, the next round begins. As soon as those ranges are read that renames can touch, `check` says which
   to read again because users were renamed meanwhile.
3. `publish` commits what the executions staged that the history names, or writes only the results when something
   failed or a person cancelled. `notify` then tells the caller's callback, and `clean` removes what only a running
   export needs.

Everything here is replayed from history at each turn: no IO, no clock, no randomness. Only references and counts pass
through it: no users, no tokens, no links.
"""

from collections.abc import Generator
from typing import Any

from shared.export import rounds, steps
from shared.export.failures import failure
from shared.export.messages import (
    CleanTask,
    Failure,
    Json,
    Planned,
    PlanTask,
    PublishTask,
    Reported,
    ReportTask,
    Unreadable,
    received,
    sent,
)

EXPORT = "export_users"
MAX_REPORT_SEGMENTS = 1_000
"""Of two minutes each."""


def export_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives for an export. Input: `{"id"}`.

    Output: `{"status"}` ("Over" when a late start found it ended already), with `failed` beside it when not even
    results could be written. It never raises: that would end the export without a word to the caller.
    `context`: DurableOrchestrationContext. `retry`: RetryOptions of the activities before and after the rounds.
    """
    steps.mend(context)
    export = PublishTask(steps.export_id(context))
    planned = Planned()
    try:
        result = yield context.call_activity_with_retry("plan", retry, sent(PlanTask(export.id)))
        planned = _planned(result)
        _add_plan(export, planned)
    except Exception as problem:
        export.failed = failure("plan", problem)
    if planned.over:
        yield from steps.clean(context, retry, CleanTask(export.id))
        return {"status": "Over"}
    context.set_custom_status({"expected": export.expected, "ranges": export.ranges})
    if planned.report and not export.has_ended:
        yield from _report(context, retry, export)
    if not export.has_ended:
        yield from rounds.read(context, export, planned)
    return (yield from steps.end(context, retry, "publish", export, export.id, export.warnings))


def _report(context: Any, retry: Any, export: PublishTask) -> Generator[Any, Any, None]:
    """The registration report, read on until it ends. Without it columns are empty, which is no failure."""
    state = ""
    for _ in range(MAX_REPORT_SEGMENTS):
        try:
            result = yield context.call_activity_with_retry("report", retry, sent(ReportTask(export.id, state)))
            reported = received(result, Reported)
        except Exception as problem:
            export.errors = [*export.errors, sent(failure("report", problem))]
            return
        export.errors = [*export.errors, *reported.errors]
        rounds.count(export, reported)
        state = reported.state
        if not state or export.has_ended:
            return
    reason = f"The registration report had no end after {MAX_REPORT_SEGMENTS} segments; its columns are empty."
    export.errors = [*export.errors, sent(Failure("EndlessPages", reason))]


def _planned(result: Any) -> Planned:
    """Raises Unreadable when the lanes don't have each range once: users would be missing."""
    planned = received(result, Planned)
    numbers = [number for lane in planned.lanes for number in lane]
    if planned.failed or planned.cancelled or planned.over:
        return planned
    if not len(numbers) == len({*numbers}) == planned.ranges or not all(planned.lanes):
        raise Unreadable(f"{planned.ranges} ranges, and lanes of {len({*numbers})}")
    if not {*planned.check} <= {*numbers}:
        raise Unreadable("ranges to check that are in no lane")
    return planned


def _add_plan(export: PublishTask, planned: Planned) -> None:
    export.ranges, export.expected = planned.ranges or 0, planned.expected
    export.errors, export.warnings = planned.errors, planned.warnings
    rounds.count(export, planned)
