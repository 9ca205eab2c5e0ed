"""What the activities return, as far as the orchestrator works with it.

An exception in an orchestrator ends the export for good, without results. So what an activity has returned (also one of
another version) is looked at before it is used; what does not fit makes the export fail with a reason.
"""

import re
from typing import Any, TypeVar

import msgspec

from shared.errors import ChainBroken, ExportError, GraphError, Transient

Json = dict[str, Any]
Kind = TypeVar("Kind", bound=msgspec.Struct)

MAX_REASON = 500
_OWN = "|".join(kind.__name__ for kind in (ExportError, GraphError, Transient, ChainBroken))


class Part(msgspec.Struct, array_like=True):
    """[range, segment, execution, blocks, error blocks, rows, bytes, errors, counted]"""

    range: int
    segment: int
    execution: str
    blocks: int
    error_blocks: int
    rows: int
    bytes: int
    errors: int
    counted: dict[str, int] = {}


class Failure(msgspec.Struct):
    """Why the export fails."""

    code: str
    reason: str


class Planned(msgspec.Struct):
    """Of `plan`. Without `ranges` it must say why there are none. `over`: the export has ended before this run."""

    lanes: list[list[int]] = []
    ranges: int | None = None
    expected: int | None = None
    check: list[int] = []
    found: list[Json] = []
    warnings: list[Json] = []
    requests: int = 0
    retries: int = 0
    failed: Failure | None = None
    cancelled: bool = False
    over: bool = False


class Left(msgspec.Struct):
    """What a lane did not come to."""

    ranges: list[int]
    restarts: int = 0
    state: str = ""


class Read(msgspec.Struct):
    """Of `export`."""

    parts: list[Part] = []
    left: Left | None = None
    void: int | None = None
    requests: int = 0
    retries: int = 0
    restarts: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class Checked(msgspec.Struct):
    """Of `check`."""

    again: list[int] = []
    requests: int = 0
    retries: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class Published(msgspec.Struct):
    """Of `publish`."""

    status: str
    notify: bool


class Told(msgspec.Struct):
    """Of `notify`."""

    warning: Failure | None = None


class Unreadable(ValueError):
    """An activity has returned what does not fit."""


def read(result: Any, kind: type[Kind]) -> Kind:
    """The result as this kind. Raises Unreadable."""
    try:
        return msgspec.convert(result, kind)
    except msgspec.ValidationError as problem:
        raise Unreadable(str(problem)) from None


def failure(step: str, problem: Exception) -> Json:
    """Why the export fails after `step` has raised each time, or returned what does not fit: one sentence."""
    if isinstance(problem, Unreadable):
        reason = f"The step {step} returned what this version of the app can't read: {problem}"
    else:
        reason = f"The step {step} failed each time it was tried: {_said(step, str(problem))}"
    reason = reason[:MAX_REASON].rstrip()
    return {"code": "ActivityFailed", "reason": reason if reason.endswith((".", "!", "?")) else f"{reason}."}


def _said(step: str, text: str) -> str:
    """What the exception itself said, of the text that Durable makes of it.

    The SDK puts the failure's details after " \\n ": a .NET exception as JSON, with stack traces. The log has those.
    """
    said = text.partition(" \n ")[0].strip()
    said = said.removeprefix(f"Activity function '{step}' failed:").strip()
    said = re.sub(r"\AResult: Failure\s+Exception: ", "", said)
    said = re.split(r'\s*(?:\n\s*(?:Stack:|File ")|Traceback \(most recent|\{"\$type")', said)[0]
    said = re.sub(rf"\A(?:{_OWN}): ", "", said)
    # What stands in a query may be a signature.
    said = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", said)
    return " ".join(said.split()) or "it gave no reason"
