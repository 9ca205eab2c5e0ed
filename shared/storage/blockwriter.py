"""Collects bytes, and stages them as blocks."""

from dataclasses import dataclass, field

from shared.files import deflate
from shared.files.deflate import Segment
from shared.storage import staging
from shared.storage.connection import Storage
from shared.storage.names import block_name

USER_BYTES = 2_000
"""More bytes than a user has in a file with all columns; about 270 are usual. So blocks are always large enough."""


def block_bytes(expected: int | None) -> int:
    """How large the blocks of an export of so many users are: larger from 6.5 million on, as a blob has 50,000."""
    return max(staging.BLOCK_BYTES, (expected or 0) * USER_BYTES * 2 // staging.MAX_BLOCKS)


@dataclass(slots=True)
class BlockWriter:
    """Collects bytes, and stages them as blocks of about `enough` bytes."""

    storage: Storage
    name: str
    prefix: str
    enough: int
    separator: bytes = b""
    most_users: int | None = None
    """About so many in a block; None: any number. Known only of deflated rows."""
    blocks: int = 0
    size: int = 0
    entries: int = 0
    """How many pieces were added, of those that are staged."""
    pieces: list[bytes] = field(default_factory=list)
    """What is not staged yet."""
    about: list[Segment] = field(default_factory=list)
    """Of each of these pieces, where they are deflated."""
    segments: list[Segment] = field(default_factory=list)
    """Of each block that is staged, where they are deflated."""
    _waiting: int = 0

    def add(self, *data: bytes) -> None:
        self.pieces += filter(None, data)
        self._waiting += sum(map(len, data))

    def add_segment(self, data: bytes, about: Segment) -> None:
        self.add(data)
        self.about.append(about)

    async def stage_full(self) -> None:
        """Stages a block when there is enough for one."""
        many = self.most_users is not None and sum(each.users for each in self.about) >= self.most_users
        if self._waiting >= self.enough or many:
            await self.stage()

    async def stage(self) -> None:
        """Stages what is not staged yet, however little it is."""
        if not self.pieces:
            return
        data, entries = self.separator.join(self.pieces), len(self.pieces)
        self.pieces.clear()  # Before the upload, or the block is in memory twice.
        self._waiting = 0
        about = deflate.joined(self.about)
        self.about.clear()
        if self.separator:
            await staging.stage(self.storage, self.name, block_name(self.prefix, self.blocks, "s"), self.separator)
        await staging.stage(self.storage, self.name, block_name(self.prefix, self.blocks), data)
        self.blocks += 1
        self.size += len(data)
        if about.size:
            self.segments.append(about)
        self.entries += entries
