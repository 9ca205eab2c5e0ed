"""The rounds of an export: an activity for each lane side by side, again and again until all ranges are read.

Why lanes in rounds, and no sliding window over ranges: the Durable extension awaits what an orchestrator asked for in
the order in which it asked (OutOfProcOrchestrationShim, ProcessAsyncActionsV2). An activity that is added to a window
later waits for the one that was added before, so such a window shrinks to one. And no sub-orchestrations: a history
of their own for each lane costs more turns than a round costs time.
"""

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from shared.export.failures import failure
from shared.export.messages import (
    Checked,
    CheckTask,
    Exported,
    ExportTask,
    Failure,
    Planned,
    PublishTask,
    Remaining,
    Reported,
    Staged,
    Unreadable,
    received,
    sent,
)

CANCEL = "Cancel"
"""The external event that ends an export."""
CHECK = -1
"""In a round, beside the numbers of the lanes."""
ATTEMPTS = 5
PAUSE = timedelta(seconds=15)
"""After the edges' own retries, which take minutes: for crashes, time-outs and long disturbances."""
MAX_PASSES = 5
"""Passes over the ranges in which users were renamed during the export."""
PASS_PAUSE = timedelta(seconds=20)
"""Until Graph's index has seen the renames too."""

Turns = Generator[Any, Any, None]


@dataclass(slots=True)
class _Rest:
    """What a pass over the ranges has still to do, round by round."""

    lanes: dict[int, Remaining]
    touched: frozenset[int]
    """The ranges that renames can touch."""
    number: int
    """Of the pass."""
    unchecked: bool
    segment: int = 0
    """The number of the round."""
    again: list[int] = field(default_factory=list)
    """The ranges that the next pass reads."""
    crashes: Counter[int] = field(default_factory=Counter)
    """In a row, of each lane and of `check`."""

    @property
    def check_is_due(self) -> bool:
        """As soon as no lane still has a range that renames can touch."""
        return self.unchecked and all(self.touched.isdisjoint(lane.ranges) for lane in self.lanes.values())


def read(context: Any, export: PublishTask, planned: Planned) -> Turns:
    """All ranges; and again those that renames have touched, until there are none."""
    cancel = context.wait_for_external_event(CANCEL)
    lanes, touched = planned.lanes, frozenset(planned.check)
    for number in range(MAX_PASSES):
        rest = _Rest(dict(enumerate(map(Remaining, lanes))), touched, number, unchecked=bool(touched))
        yield from _rounds(context, cancel, export, rest)
        again = rest.again
        if not again or export.has_ended:
            return
        export.staged = [staged for staged in export.staged if staged.range not in again]
        export.restarts += len(again)
        lanes = [again[lane :: len(lanes)] for lane in range(min(len(lanes), len(again)))]
        if number:
            yield context.create_timer(context.current_utc_datetime + PASS_PAUSE)
    reason = f"Users were renamed while the export ran, {MAX_PASSES} times in the same ranges. Start it again later."
    export.failed = Failure("RenamedMeanwhile", reason)


def _rounds(context: Any, cancel: Any, export: PublishTask, rest: _Rest) -> Turns:
    """Rounds, until nothing remains, something has failed, or a person cancels."""
    while rest.lanes or rest.unchecked:
        crashed = yield from _round(context, cancel, export, rest)
        if export.has_ended:
            return
        rest.lanes = {number: lane for number, lane in rest.lanes.items() if lane.ranges}
        rest.segment += 1
        if crashed:
            yield context.create_timer(context.current_utc_datetime + PAUSE)


def _round(context: Any, cancel: Any, export: PublishTask, rest: _Rest) -> Generator[Any, Any, bool]:
    """An activity for each lane, and `check` as soon as it is due; whether one has crashed.

    In later rounds the extension waits for an activity to end before it goes on after a cancel (it does not wait for
    the same event twice): a lane sees within seconds that the plan is gone.
    """
    running = {
        context.call_activity("export", sent(_task(export.id, rest.segment, lane))): number
        for number, lane in rest.lanes.items()
    }
    crashed = checking = False
    while True:
        if rest.check_is_due and not checking:
            staged = [each for each in export.staged if each.range in rest.touched]
            running[context.call_activity("check", sent(CheckTask(export.id, staged, rest.number)))] = CHECK
            checking = True
        if not running:
            return crashed
        ended = yield context.task_any([cancel, *running])
        if ended is cancel:
            export.cancelled = True
            return crashed
        crashed |= _take(export, rest, running.pop(ended), ended.result)
        if export.has_ended:
            return crashed


def _task(export_id: str, segment: int, lane: Remaining) -> ExportTask:
    return ExportTask(export_id, segment, lane.ranges, lane.restarts, lane.state)


def _take(export: PublishTask, rest: _Rest, number: int, result: Any) -> bool:
    """Takes what a lane or `check` has returned; whether it has crashed.

    Durable's own retries would not do: they take numbers that the next steps count on.
    """
    step, first = ("check", None) if number == CHECK else ("export", rest.lanes[number].ranges[0])
    if isinstance(result, Exception):
        rest.crashes[number] += 1
        if rest.crashes[number] == ATTEMPTS:
            export.failed = failure(step, result, first)
        return True
    rest.crashes[number] = 0
    try:
        if number == CHECK:
            _take_check(export, rest, received(result, Checked))
        else:
            rest.lanes[number] = _take_lane(export, rest.lanes[number].ranges, received(result, Exported))
    except Unreadable as problem:
        export.failed = failure(step, problem, first)
    return False


def _take_check(export: PublishTask, rest: _Rest, checked: Checked) -> None:
    if not {*checked.again} <= {staged.range for staged in export.staged}:
        raise Unreadable("ranges to read again that were not read")
    rest.unchecked, rest.again = False, list(dict.fromkeys(checked.again))
    count(export, checked)


def _take_lane(export: PublishTask, asked: list[int], lane: Exported) -> Remaining:
    """Adds what a lane has staged, and gives what remains of it. Raises Unreadable when a range is lost or twice."""
    staged, remaining = [each.range for each in lane.staged], lane.remaining.ranges if lane.remaining else []
    if len({*staged}) < len(staged) or len({*remaining}) < len(remaining):
        raise Unreadable("a range twice")
    if not {*staged, *remaining, *([] if lane.void is None else [lane.void])} <= {*asked}:
        raise Unreadable("a range that was not asked for")
    still: list[Staged] = [each for each in export.staged if each.range != lane.void]
    missing = {*asked} - {*remaining, *staged} - {each.range for each in still}
    if missing and not (lane.failed or lane.cancelled):
        raise Unreadable("nothing of a range that was asked for")
    export.staged = still + lane.staged
    count(export, lane)
    return lane.remaining or Remaining([])


def count(export: PublishTask, more: Planned | Reported | Exported | Checked) -> None:
    """What that has cost, and how the export has ended if it has."""
    export.requests += more.requests
    export.retries += more.retries
    if more.throttled:
        export.throttled = (export.throttled or 0) + more.throttled
    if isinstance(more, Exported):
        export.restarts += more.restarts
    if more.failed:
        export.failed = more.failed
    if more.cancelled:
        export.cancelled = True
