"""Bytes to staged blocks: collected until there is enough for one."""

from dataclasses import dataclass, field

from shared import blobs
from shared.blobs import Storage
from shared.records import block_name

USER_BYTES = 2_000
"""More than a user takes in a file with all columns, so that blocks are large enough. About 270 is usual."""


def block_bytes(expected: int | None) -> int:
    """How large a block of an export of so many users is: larger from 13 million on, as a blob takes 50,000."""
    return max(blobs.BLOCK_BYTES, (expected or 0) * USER_BYTES * 2 // blobs.MAX_BLOCKS)


@dataclass(slots=True)
class BlockWriter:
    """Collects bytes and stages a block whenever there is enough for one."""

    storage: Storage
    name: str
    part: str
    enough: int
    separator: bytes = b""
    blocks: int = 0
    size: int = 0
    entries: int = 0
    """How many were added of those that are staged."""
    pieces: list[bytes] = field(default_factory=list)
    """What is not staged yet."""
    _waiting: int = 0

    async def add(self, *data: bytes) -> None:
        self.pieces += filter(None, data)
        self._waiting += sum(map(len, data))
        if self._waiting >= self.enough:
            await self.flush()

    async def flush(self) -> None:
        if not self.pieces:
            return
        data = self.separator.join(self.pieces)
        if self.separator:
            await blobs.stage(self.storage, self.name, block_name(self.part, self.blocks, "s"), self.separator)
        await blobs.stage(self.storage, self.name, block_name(self.part, self.blocks), data)
        self.blocks += 1
        self.size += len(data)
        self.entries += len(self.pieces)
        self.pieces.clear()
        self._waiting = 0
