"""The partitions of an export: blobs of lines in the comparison's work, staged block by block."""

import asyncio
from dataclasses import dataclass, field

from shared.compare.context import Execution
from shared.files import comparison
from shared.storage import staging
from shared.storage.names import work_name

HELD = 32 * 1024 * 1024
"""Bytes of all partitions together that wait for being staged."""
LEAST = 64 * 1024
"""Bytes of a block, as long as there are few partitions."""
AT_ONCE = 8
"""Blocks on their way side by side."""


@dataclass(slots=True)
class Partitions:
    """The lines of each partition that are not staged yet, and how many blocks each has."""

    run: Execution
    execution: str
    enough: int
    waiting: list[list[bytes]]
    sizes: list[int]
    blocks: list[int]
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def add(self, lines: list[bytes]) -> None:
        """Adds each line to the partition of its user."""
        count = len(self.waiting)
        for line in lines:
            at = comparison.partition_of(comparison.key_of(line), count)
            self.waiting[at].append(line)
            self.sizes[at] += len(line)

    async def stage_full(self) -> None:
        """Stages a block of each partition that has enough for one."""
        await asyncio.gather(*(self._stage(at) for at, size in enumerate(self.sizes) if size >= self.enough))

    async def commit(self) -> None:
        """Makes a blob of each partition that has lines."""
        await asyncio.gather(*(self._stage(at) for at, lines in enumerate(self.waiting) if lines))
        await asyncio.gather(*map(self._commit, range(len(self.blocks))))

    async def _stage(self, at: int) -> None:
        data, number = b"\n".join([*self.waiting[at], b""]), self.blocks[at]
        self.waiting[at].clear()
        self.sizes[at] = 0
        self.blocks[at] += 1
        self.run.staged.add(self._name(at))
        async with self.places:
            await staging.stage(self.run.edges.storage, self._name(at), f"{number:05d}", data)

    async def _commit(self, at: int) -> None:
        if self.blocks[at]:
            blocks = [f"{number:05d}" for number in range(self.blocks[at])]
            async with self.places:
                await staging.commit(self.run.edges.storage, self._name(at), blocks, "application/jsonl")
            self.run.staged.discard(self._name(at))
            self.run.written.append(self._name(at))

    def _name(self, at: int) -> str:
        return partition_name(self.run.record.id, self.execution, at)


def partition_name(comparison_id: str, execution: str, partition: int) -> str:
    """A partition of the export that this execution has split."""
    return work_name(comparison_id, f"part-{execution}-{partition:05d}")


def errors_of(execution: str) -> str:
    """In place of the execution, in names: of the partitions with the users whose cells could not be read."""
    return f"{execution}-errors"


def empty_partitions(run: Execution, count: int, execution: str) -> Partitions:
    """So many partitions without a line. `execution`: under whose name they are staged, or `errors_of` it."""
    enough = max(LEAST, min(staging.BLOCK_BYTES, HELD // count))
    return Partitions(run, execution, enough, [[] for _ in range(count)], [0] * count, [0] * count)
