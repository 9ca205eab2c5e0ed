"""What the orchestrator of a comparison and its activities tell each other, as `shared.export.messages` has it."""

import msgspec
from msgspec import UNSET, UnsetType

from shared.export.messages import Failure, Json, Staged


class PrepareTask(msgspec.Struct):
    """For `prepare_comparison`."""

    id: str


class Prepared(msgspec.Struct, omit_defaults=True):
    """Of `prepare_comparison`. Without `partitions` it says why there are none."""

    partitions: int | None = msgspec.field(name="parts", default=None)
    """In how many partitions the users are compared."""
    lanes: int = 1
    """How many activities compare side by side."""
    rows: int = 0
    """Of both exports together."""
    warnings: list[Json] = []
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    """Errors for all users: columns that are left out."""
    failed: Failure | None = None
    cancelled: bool = False
    over: bool = False
    """It has ended before, and a late POST has started it again: only what that POST has written is removed."""


class SplitTask(msgspec.Struct):
    """For `split`: one of the exports, `old` or `new`."""

    id: str
    export: str


class Split(msgspec.Struct, omit_defaults=True):
    """Of `split`. `execution`: has written the partitions, which have it in their names."""

    execution: str = ""
    rows: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class DeletedTask(msgspec.Struct):
    """For `list_deleted`."""

    id: str


class Deleted(msgspec.Struct, omit_defaults=True):
    """Of `list_deleted`. `execution`: has written the list, which has it in its name; empty: it could not be read."""

    execution: str = ""
    warnings: list[Json] = []
    requests: int = 0
    retries: int = 0


class CompareTask(msgspec.Struct):
    """For `compare`: some of the partitions."""

    id: str
    partitions: list[int] = msgspec.field(name="parts")
    old: str
    """The execution that has split the older export; `new` and `deleted` are executions too."""
    new: str
    deleted: str


class Compared(msgspec.Struct, omit_defaults=True):
    """Of `compare`."""

    staged: list[Staged] = []
    old: int = 0
    """Rows of the older export in these partitions."""
    new: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    unknown: int = 0
    """Of the removed: for how many the reason is unknown."""
    by_column: dict[str, int] = {}
    requests: int = 0
    retries: int = 0
    failed: Failure | None = None
    cancelled: bool = False


class ComparisonTask(msgspec.Struct):
    """For `publish_comparison`: everything that the orchestrator has collected."""

    id: str
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    warnings: list[Json] = []
    staged: list[Staged] = []
    split: list[int] = []
    """Rows that were read of the older export, and of the newer."""
    old: int = 0
    """Rows that were compared."""
    new: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    unknown: int = 0
    by_column: dict[str, int] = {}
    requests: int = 0
    retries: int = 0
    failed: Failure | UnsetType = UNSET
    cancelled: bool | UnsetType = UNSET

    @property
    def has_ended(self) -> bool:
        """True when it has failed, or a person has cancelled it: then nothing more is read."""
        return bool(self.failed or self.cancelled)
