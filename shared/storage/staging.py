"""Large blobs: blocks are staged one by one, and committed in one step."""

import base64
from collections.abc import Sequence
from typing import Any

from shared.storage.blobs import metadata_of
from shared.storage.connection import Storage

BLOCK_BYTES = 512 * 1024
"""Each range that is being read holds one block, and the sockets another. Larger ones cost memory, smaller ones CPU."""
MAX_BLOCKS = 50_000
"""Azure's limit for one blob."""


class BlockMissing(Exception):
    """The storage no longer has a block that was staged."""


def block_id(name: str) -> str:
    """A block's id. The names of a blob's blocks must all have the same length."""
    return base64.b64encode(name.encode()).decode()


async def stage(storage: Storage, name: str, block: str, data: bytes) -> None:
    """Stores a block. It is not visible until it is committed, which is possible for a week.

    The storage refuses a block whose bytes have changed on the way (Content-MD5).
    """
    await storage.container.get_blob_client(name).stage_block(
        block_id(block), data, length=len(data), validate_content="md5"
    )


async def commit(storage: Storage, name: str, blocks: Sequence[str], content_type: str, summary: Any = None) -> int:
    """Makes the blob of these blocks in one step, and returns its size. To do the same again changes nothing.

    `summary`: JSON that a listing returns with the name. Raises BlockMissing.
    """
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobBlock, ContentSettings, StorageErrorCode

    blob = storage.container.get_blob_client(name)
    settings = ContentSettings(content_type=content_type, cache_control="no-store")
    try:
        await blob.commit_block_list(
            [BlobBlock(block_id(each)) for each in blocks], content_settings=settings, metadata=metadata_of(summary)
        )
    except HttpResponseError as problem:
        if getattr(problem, "error_code", None) == StorageErrorCode.INVALID_BLOCK_LIST:
            raise BlockMissing(f"{name} can't be made of its blocks.") from problem
        raise
    return int((await blob.get_blob_properties()).size)
