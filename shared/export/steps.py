"""The first and the last steps that the orchestrations of exports and comparisons have in common."""

from collections.abc import Generator
from contextlib import suppress
from typing import Any

import msgspec

from shared.export.failures import failure
from shared.export.messages import CleanTask, Failure, Json, Notified, NotifyTask, Published, received, sent


def export_id(context: Any) -> str:
    """The export's id is also the instance's."""
    try:
        return str(context.get_input()["id"])
    except Exception:
        return str(context.instance_id)


def mend(context: Any) -> None:
    """Results and events that are not JSON become null: the SDK would raise before this code sees them."""
    for event in context.histories:
        for name in ("Result", "Input"):
            text = getattr(event, name, None)
            if text is not None and not _is_json(text):
                setattr(event, name, "null")


def _is_json(text: Any) -> bool:
    """Durable's decoder turns JSON with `__class__` into an object, or raises."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, TypeError):
        return False
    return "__class__" not in text


def end(
    context: Any, retry: Any, publish: str, task: msgspec.Struct, export_id: str, warnings: list[Json]
) -> Generator[Any, Any, Json]:
    """Publishes by the activity of this name, and returns the orchestration's output. `warnings`: those of the task."""
    try:
        result = yield context.call_activity_with_retry(publish, retry, sent(task))
        published = received(result, Published)
    except Exception as problem:
        # Running activities must see that the export is over. And a file without results must not exist.
        yield from clean(context, retry, CleanTask(export_id, unpublish=True))
        return {"status": "Failed", "failed": sent(failure(publish, problem))}
    if published.notify and (warning := (yield from _notify(context, retry, export_id))):
        again = msgspec.structs.replace(task, warnings=[*warnings, sent(warning)])
        # When that fails the first results stay, which are true but for the warning.
        with suppress(Exception):
            yield context.call_activity_with_retry(publish, retry, sent(again))
    yield from clean(context, retry, CleanTask(export_id))
    return {"status": published.status}


def clean(context: Any, retry: Any, task: CleanTask) -> Generator[Any, Any, None]:
    """When this fails, the blobs are removed with the export, or at the end of the retention."""
    with suppress(Exception):
        yield context.call_activity_with_retry("clean", retry, sent(task))


def _notify(context: Any, retry: Any, export_id: str) -> Generator[Any, Any, Failure | None]:
    """Calls the callback. When that fails, the export does not: the results are written again, with this warning."""
    try:
        result = yield context.call_activity_with_retry("notify", retry, sent(NotifyTask(export_id)))
        return received(result, Notified).warning
    except Exception as problem:
        return Failure("CallbackFailed", failure("notify", problem).reason)
