"""What the orchestrator and its activities tell each other: one record for each question and each answer.

They travel as JSON and lie in Durable's history, so the names on the wire stay as they are, and a new field has a
default: an answer of an older version must still be read. Only references and counts: no users, no tokens, no links.
"""

from collections import Counter
from collections.abc import Iterable
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
    """What one execution of `export` has staged of one range. Its form is an array, because there are many."""

    range: int
    segment: int
    execution: str
    blocks: int
    error_blocks: int
    rows: int
    bytes: int
    errors: int
    counted: dict[str, int] = {}
    """For the results: `PURGED`, `ODD` with the name of a property, and what the format counts with a column's."""

    @property
    def prefix(self) -> str:
        """The beginning of the names of its blocks."""
        return prefix_name(self.range, self.segment, self.execution)


UNREGISTERED = "unregistered"
"""Users whom the registration report does not know."""
ATTRIBUTED = "attributed"
"""Users with custom security attributes."""
DEPARTED = "left"
"""Members of the group or unit who are gone from the tenant since they were listed."""
PURGED = "purged"
"""Objects of users that are gone from the tenant."""
ODD = "odd "
"""Before the name of a property: users in whose rows it came in another form than documented."""


class PlanTask(msgspec.Struct):
    """For `plan`."""

    id: str


class Planned(msgspec.Struct, omit_defaults=True):
    """Of `plan`. Without `ranges` it says why there are none."""

    lanes: list[list[int]] = []
    """The numbers of the ranges, shared out."""
    ranges: int | None = None
    expected: int | None = None
    """Users, as Graph counted them; None where it does not count."""
    check: list[int] = []
    """The ranges that renames can touch, which each lane reads first."""
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    """Those that hold for all users: entries of the results' `errors`."""
    warnings: list[Json] = []
    report: bool = False
    """Lists are to be read before the users: the registration report, the members of a large group."""
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    failed: Failure | None = None
    cancelled: bool = False
    over: bool = False
    """The export has ended before, and a POST that was late has started it again: only what that wrote is removed."""


class ReportTask(msgspec.Struct, omit_defaults=True):
    """For `report`: the lists that it reads, from their beginning or from where an earlier execution has ended."""

    id: str
    state: str = ""


class Reported(msgspec.Struct, omit_defaults=True):
    """Of `report`. `state`: the blob from which it goes on; empty: there is nothing more to read."""

    state: str = ""
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    """Those that hold for all users."""
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class Remaining(msgspec.Struct, omit_defaults=True):
    """What a lane has still to read."""

    ranges: list[int]
    restarts: int = 0
    """How often the first of them was begun again."""
    state: str = ""
    """The blob from which the first of them goes on; empty: from its beginning."""


class ExportTask(msgspec.Struct, omit_defaults=True):
    """For `export`: a lane's ranges, read one after the other."""

    id: str
    segment: int
    """The round: it is part of the blocks' names."""
    ranges: list[int]
    restarts: int = 0
    state: str = ""


class Exported(msgspec.Struct, omit_defaults=True):
    """Of `export`."""

    staged: list[Staged] = msgspec.field(name="parts", default_factory=list)
    remaining: Remaining | None = msgspec.field(name="left", default=None)
    void: int | None = None
    """The range of which what earlier rounds have staged no longer counts, because it was begun again."""
    requests: int = 0
    retries: int = 0
    restarts: int = 0
    throttled: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class CheckTask(msgspec.Struct):
    """For `check`: what was staged of the ranges that renames can touch, and how often they were read before."""

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
    """For `publish`: all that the orchestrator knows of the export, collected from its beginning to its end."""

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
    """Requests that Graph refused because there were too many; an older history has none."""
    failed: Failure | UnsetType = UNSET
    cancelled: bool | UnsetType = UNSET

    @property
    def has_ended(self) -> bool:
        """True when nothing more is to be read: it has failed, or a person has cancelled it."""
        return bool(self.failed or self.cancelled)


class Published(msgspec.Struct):
    """Of `publish`."""

    status: str
    notify: bool


class NotifyTask(msgspec.Struct):
    """For `notify`."""

    id: str


class Notified(msgspec.Struct, omit_defaults=True):
    """Of `notify`: a warning when nobody was told."""

    warning: Failure | None = None


class CleanTask(msgspec.Struct, omit_defaults=True):
    """For `clean`; with `unpublish` the files go too."""

    id: str
    unpublish: bool = False


class Cleaned(msgspec.Struct):
    """Of `clean`: nothing."""


class Unreadable(ValueError):
    """An activity has returned what does not fit."""


def sent(message: msgspec.Struct) -> Any:
    """A message as JSON's own types, for Durable."""
    return msgspec.to_builtins(message)


def received(message: Any, kind: type[Kind]) -> Kind:
    """What `sent` gave, after a way through JSON. Raises Unreadable."""
    try:
        return msgspec.convert(message, kind)
    except msgspec.ValidationError as problem:
        raise Unreadable(str(problem)) from None


def counted(staged: Iterable[Staged]) -> Counter[str]:
    """What these have counted for warnings, together."""
    totals: Counter[str] = Counter()
    for each in staged:
        totals.update(each.counted)
    return totals
