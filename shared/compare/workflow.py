"""The orchestrator of a comparison: prepare, split both exports, compare in partitions, publish.

1. `prepare_comparison` finds the two files, and says which columns are compared and in how many partitions.
2. `split` reads an export and shares its users out to the partitions by objectId. One runs for each export. At the same
   time `list_deleted` reads which users were deleted.
3. `compare` compares some of the partitions; a few of these activities run side by side.
4. `publish_comparison` commits what they have staged, or writes only the results when something failed or a person
   cancelled. `notify` and `clean` are the same as for an export.

The activities see within seconds that a person has cancelled, because the plan is gone from the storage. As in
`shared.export.workflow`, everything here is replayed, and only references and counts pass through it.
"""

from collections.abc import Generator
from typing import Any

from shared.compare.messages import (
    Compared,
    CompareTask,
    ComparisonTask,
    Deleted,
    DeletedTask,
    Prepared,
    PrepareTask,
    Split,
    SplitTask,
)
from shared.export import steps
from shared.export.failures import failure
from shared.export.messages import (
    CleanTask,
    Json,
    Unreadable,
    received,
    sent,
)

COMPARE = "compare_exports"
OLD, NEW = "old", "new"

Turns = Generator[Any, Any, None]


def comparison_workflow(context: Any, retry: Any) -> Generator[Any, Any, Json]:
    """The generator that Durable drives for a comparison. Input: `{"id"}`. Output: as of an export.

    It never raises: that would end the comparison without a word to the caller. `retry`: RetryOptions of the
    activities.
    """
    steps.mend(context)
    task = ComparisonTask(steps.export_id(context))
    prepared = Prepared()
    try:
        result = yield context.call_activity_with_retry("prepare_comparison", retry, sent(PrepareTask(task.id)))
        prepared = _prepared(result)
        task.errors, task.warnings = prepared.errors, prepared.warnings
        _end(task, prepared)
    except Exception as problem:
        task.failed = failure("prepare_comparison", problem)
    if prepared.over:
        yield from steps.clean(context, retry, CleanTask(task.id))
        return {"status": "Over"}
    if not task.has_ended:
        # The progress counts each of the two exports that are split as one more partition.
        context.set_custom_status({"expected": prepared.rows, "ranges": (prepared.partitions or 0) + 2})
        yield from _compare(context, retry, task, prepared)
    return (yield from steps.end(context, retry, "publish_comparison", task, task.id, task.warnings))


def _prepared(result: Any) -> Prepared:
    """What `prepare_comparison` has returned. Raises Unreadable when it fits neither a comparison nor its end."""
    prepared = received(result, Prepared)
    if not (prepared.failed or prepared.cancelled or prepared.over) and (
        not prepared.partitions or not 1 <= prepared.lanes <= prepared.partitions
    ):
        raise Unreadable(f"{prepared.partitions} partitions and {prepared.lanes} lanes")
    return prepared


def _compare(context: Any, retry: Any, task: ComparisonTask, prepared: Prepared) -> Turns:
    partitions = range(prepared.partitions or 0)
    try:
        old, new, listed = yield context.task_all(
            [
                context.call_activity_with_retry("split", retry, sent(SplitTask(task.id, OLD))),
                context.call_activity_with_retry("split", retry, sent(SplitTask(task.id, NEW))),
                context.call_activity_with_retry("list_deleted", retry, sent(DeletedTask(task.id))),
            ]
        )
        splits = [received(each, Split) for each in (old, new)]
        deleted = received(listed, Deleted)
    except Exception as problem:
        task.failed = failure("split", problem)
        return
    for each in splits:
        _end(task, each)
    task.split = [each.rows for each in splits]
    task.warnings = [*task.warnings, *deleted.warnings]
    _count(task, deleted)
    if task.has_ended:
        return
    try:
        lanes = [[*partitions[lane :: prepared.lanes]] for lane in range(prepared.lanes)]
        before, after = [each.execution for each in splits]
        tasks = [CompareTask(task.id, lane, before, after, deleted.execution) for lane in lanes]
        results = yield context.task_all(
            [context.call_activity_with_retry("compare", retry, sent(each)) for each in tasks]
        )
        for result in results:
            _add(task, received(result, Compared))
    except Exception as problem:
        task.failed = failure("compare", problem)


def _add(task: ComparisonTask, compared: Compared) -> None:
    _end(task, compared)
    _count(task, compared)
    task.staged = task.staged + compared.staged
    for name in ("old", "new", "added", "removed", "changed", "unchanged", "unknown"):
        setattr(task, name, getattr(task, name) + getattr(compared, name))
    for column, users in compared.by_column.items():
        task.by_column[column] = task.by_column.get(column, 0) + users


def _count(task: ComparisonTask, more: Deleted | Compared) -> None:
    task.requests += more.requests
    task.retries += more.retries


def _end(task: ComparisonTask, more: Prepared | Split | Compared) -> None:
    if more.failed:
        task.failed = more.failed
    if more.cancelled:
        task.cancelled = True
