"""What the activities of a comparison share: its plan, and the exports as they were when it was made."""

from dataclasses import dataclass, field

import msgspec

from shared.export import clean
from shared.export.context import Edges, Ended, Record
from shared.export.execution import Unwanted
from shared.storage import blobs, erasing
from shared.storage.connection import Storage
from shared.storage.names import plan_name, progress_name
from shared.storage.pieces import PinnedBlob

OLD, NEW = "old", "new"
LOOK_SECONDS = 2.0
"""How often an execution looks whether the comparison still runs, and notes how far it is."""


class Side(msgspec.Struct, rename="camel"):
    """One of the two exports: its files at one moment, and how to read them."""

    id: str
    file: PinnedBlob
    results: PinnedBlob
    rows: int
    columns: list[str]
    errors: int
    format: str
    compress: bool
    separator: str
    excel: bool


class Plan(msgspec.Struct, rename="camel"):
    """`work/{id}/plan.json`. It exists as long as the comparison runs."""

    old: Side
    new: Side
    partitions: int = msgspec.field(name="parts")
    compared: list[str]
    """The columns that both exports have and could read, without objectId."""
    unreadable: list[str]
    only_old: list[str]
    only_new: list[str]
    as_workbook: bool
    """One of the files is a workbook: cells are compared as a workbook keeps them."""
    began: float

    def side(self, export: str) -> Side:
        return self.old if export == OLD else self.new


async def read_plan(storage: Storage, comparison_id: str) -> Plan | None:
    """The plan of a comparison; None when the comparison has ended: then an activity must stop."""
    data = await blobs.read(storage, plan_name(comparison_id))
    return msgspec.json.decode(data, type=Plan) if data else None


@dataclass(slots=True)
class Execution:
    """One execution of an activity: what it has written, and when it last looked whether the comparison still runs."""

    edges: Edges
    record: Record
    looked: float
    written: list[str] = field(default_factory=list)
    staged: set[str] = field(default_factory=set)
    """Blobs under work/ that have blocks and are not committed yet."""

    async def note_is_due(self) -> bool:
        """Whether it is time to note how far it is. Raises Unwanted when the comparison has ended."""
        now = self.edges.clock()
        if now - self.looked < LOOK_SECONDS:
            return False
        self.looked = now
        await self.check_wanted()
        return True

    async def check_wanted(self) -> None:
        """Raises Unwanted when the comparison has ended."""
        if not await self.is_wanted():
            raise Unwanted

    async def is_wanted(self) -> bool:
        return await blobs.exists(self.edges.storage, plan_name(self.record.id))

    async def note(self, number: int, rows: int, *, done: bool) -> None:
        """Notes how far it is, for the progress that callers see."""
        name = progress_name(self.record.id, number)
        self.written.append(name)
        await blobs.write(self.edges.storage, name, b"", {"rows": rows, "done": done})

    async def leave(self) -> Ended:
        """Removes what this execution has written; returns how the comparison has ended."""
        for name in self.staged:
            await erasing.erase(self.edges.storage, name)
        return await clean.leave(self.edges, self.record, self.written)
