"""The messages between the orchestrator and its activities: a record for each task and each result.

They are JSON in Durable's history. So their names on the wire never change, and a new field has a default: the result
of an older version must still be read. They have references and counts only: no users, no tokens, no links.
"""

from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from shared.storage.names import prefix_name

Json = dict[str, Any]
Kind = TypeVar("Kind", bound=msgspec.Struct)


class Failure(msgspec.Struct, rename="camel", omit_defaults=True):
    """Why the export fails: an entry of the results' `errors`. `code` is a word for programs, `reason` a sentence."""

    code: str
    reason: str
    request_id: str = ""
    range: int | None = None


class Staged(msgspec.Struct, array_like=True, frozen=True, order=True):
    """What one execution of `export` has staged of one range. In JSON it is an array, because there are many."""

    range: int
    segment: int
    execution: str
    blocks: int
    error_blocks: int
    rows: int
    bytes: int
    errors: int
    counted: dict[str, int] = {}
    """For the results: see `shared.export.counts`."""

    @property
    def prefix(self) -> str:
        """The prefix of the names of its blocks."""
        return prefix_name(self.range, self.segment, self.execution)


class PlanTask(msgspec.Struct):
    """For `plan`."""

    id: str


class Planned(msgspec.Struct, omit_defaults=True):
    """Of `plan`. Without `ranges` it says why there are none."""

    lanes: list[list[int]] = []
    """For each lane the numbers of its ranges."""
    ranges: int | None = None
    expected: int | None = None
    """Users that Graph has counted; None where it does not count."""
    check: list[int] = []
    """The ranges that renames can change; each lane reads these first."""
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    """Errors for all users: entries of the results' `errors`."""
    warnings: list[Json] = []
    report: bool = False
    """Lists must be read before the users: the registration report, the members of a large group."""
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    failed: Failure | None = None
    cancelled: bool = False
    over: bool = False
    """The export has ended before, and a late POST has started it again: only what that POST has written is removed."""


class ReportTask(msgspec.Struct, omit_defaults=True):
    """For `report`. `state`: where the execution before has stopped; empty: from the beginning of the lists."""

    id: str
    state: str = ""


class Reported(msgspec.Struct, omit_defaults=True):
    """Of `report`. `state`: the blob from which the next execution goes on; empty: everything was read."""

    state: str = ""
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    """Errors for all users."""
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class Remaining(msgspec.Struct, omit_defaults=True):
    """What remains of a lane."""

    ranges: list[int]
    restarts: int = 0
    """How often the first of them was started again."""
    state: str = ""
    """The blob from which the first of them goes on; empty: from its beginning."""


class ExportTask(msgspec.Struct, omit_defaults=True):
    """For `export`: a lane's ranges, read one after the other."""

    id: str
    segment: int
    """The number of the round, which is in the names of the blocks."""
    ranges: list[int]
    restarts: int = 0
    state: str = ""


class Exported(msgspec.Struct, omit_defaults=True):
    """Of `export`."""

    staged: list[Staged] = msgspec.field(name="parts", default_factory=list)
    remaining: Remaining | None = msgspec.field(name="left", default=None)
    void: int | None = None
    """A range that was started again: what earlier rounds have staged of it no longer counts."""
    requests: int = 0
    retries: int = 0
    restarts: int = 0
    throttled: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class CheckTask(msgspec.Struct):
    """For `check`: what was staged of ranges that renames can change. `reading`: how often they were read before."""

    id: str
    staged: list[Staged] = msgspec.field(name="parts")
    reading: int = 0


class Checked(msgspec.Struct, omit_defaults=True):
    """Of `check`: the ranges to read again."""

    again: list[int] = []
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class PublishTask(msgspec.Struct):
    """For `publish`: everything that the orchestrator has collected."""

    id: str
    ranges: int = 0
    expected: int | None = None
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    warnings: list[Json] = []
    staged: list[Staged] = msgspec.field(name="parts", default_factory=list)
    requests: int = 0
    retries: int = 0
    restarts: int = 0
    throttled: int | UnsetType = UNSET
    """Requests that Graph has throttled; a history of an older version has none."""
    failed: Failure | UnsetType = UNSET
    cancelled: bool | UnsetType = UNSET

    @property
    def has_ended(self) -> bool:
        """True when it has failed, or a person has cancelled it: then nothing more is read."""
        return bool(self.failed or self.cancelled)


class Published(msgspec.Struct):
    """Of `publish`."""

    status: str
    notify: bool


class NotifyTask(msgspec.Struct):
    """For `notify`."""

    id: str


class Notified(msgspec.Struct, omit_defaults=True):
    """Of `notify`: a warning when the callback has failed."""

    warning: Failure | None = None


class CleanTask(msgspec.Struct, omit_defaults=True):
    """For `clean`; with `unpublish` the files go too."""

    id: str
    unpublish: bool = False


class Cleaned(msgspec.Struct):
    """Of `clean`: nothing."""


class Unreadable(ValueError):
    """An activity has returned something that this version can't read."""


def sent(message: msgspec.Struct) -> Any:
    """A message as JSON's own types, for Durable."""
    return msgspec.to_builtins(message)


def received(message: Any, kind: type[Kind]) -> Kind:
    """A message from JSON's own types: the reverse of `sent`. Raises Unreadable."""
    try:
        return msgspec.convert(message, kind)
    except msgspec.ValidationError as problem:
        raise Unreadable(str(problem)) from None
