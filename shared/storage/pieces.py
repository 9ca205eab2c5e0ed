"""Large blobs, read piece by piece. The ETag makes sure that all pieces are of one moment."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.storage.connection import Storage

PIECE = 1024 * 1024


class BlobChanged(Exception):
    """The blob is gone, or no longer the one that was pinned."""


@dataclass(frozen=True, slots=True)
class PinnedBlob:
    """A blob as it was at one moment; `size` in bytes."""

    name: str
    size: int
    etag: str


async def pin(storage: Storage, name: str) -> PinnedBlob:
    """The blob as it is now. Raises BlobChanged when there is none."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        properties = await storage.container.get_blob_client(name).get_blob_properties()
    except ResourceNotFoundError:
        raise BlobChanged(name) from None
    return PinnedBlob(name, int(properties.size), str(properties.etag))


async def read(storage: Storage, blob: PinnedBlob, start: int, end: int) -> bytes:
    """The bytes from `start` up to, without, `end` or the blob's end. Raises BlobChanged."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

    end = min(end, blob.size)
    if start >= end:
        return b""
    try:
        stream = await storage.container.get_blob_client(blob.name).download_blob(
            start, end - start, etag=blob.etag, match_condition=MatchConditions.IfNotModified
        )
        data = bytes(await stream.readall())
    except (ResourceModifiedError, ResourceNotFoundError):
        raise BlobChanged(blob.name) from None
    if len(data) != end - start:
        raise BlobChanged(blob.name)
    return data


async def pieces(storage: Storage, blob: PinnedBlob, start: int, end: int) -> AsyncIterator[tuple[bytes, bool]]:
    """The same piece by piece, each with whether it is the last. At least one piece comes; it may be empty."""
    while True:
        following = min(start + PIECE, end)
        yield await read(storage, blob, start, following), following >= end
        if following >= end:
            return
        start = following
