"""Removing blobs with everything that was staged for them, so that nobody can read the rows afterwards."""

import asyncio

from shared.storage import blobs
from shared.storage.blobs import ERASED
from shared.storage.connection import Storage

DELETE_BATCH = 256
"""Blobs in one request, as Azure has it."""
ERASED_AT_ONCE = 16


async def erase(storage: Storage, name: str) -> None:
    """Removes a blob with everything that was staged for it, if there is anything.

    Delete Blob does not see a blob that has only uncommitted blocks, which could be committed and read for a week.
    An empty block list discards them. It also makes an empty blob, which exists until it is deleted: the mark says that
    nobody has written it, or it would count as results without a status.
    https://learn.microsoft.com/rest/api/storageservices/put-block-list
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        await storage.container.get_blob_client(name).commit_block_list([], metadata=ERASED)
    except ResourceNotFoundError:
        return  # No such container.
    await blobs.delete(storage, name)


async def discard_uncommitted(storage: Storage, name: str) -> None:
    """Discards the uncommitted blocks of a blob; its committed content stays."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
    from azure.storage.blob import BlobBlock, BlockState

    blob = storage.container.get_blob_client(name)
    try:
        committed, uncommitted = await blob.get_block_list("all")
        kept = {block.id for block in committed}
        # A block that is in both lists is just being replaced. The commit that follows discards the others itself.
        if not uncommitted or any(block.id in kept for block in uncommitted):
            return
        if not committed and not await blob.exists():
            await erase(storage, name)
            return
        # To commit the same list again discards the others. The ETag: someone else may commit at this moment.
        properties = await blob.get_blob_properties()
        await blob.commit_block_list(
            [BlobBlock(block.id, BlockState.COMMITTED) for block in committed],
            content_settings=properties.content_settings,
            metadata=properties.metadata,
            etag=properties.etag,
            match_condition=MatchConditions.IfNotModified,
        )
    except (ResourceModifiedError, ResourceNotFoundError):
        return


async def delete_all(storage: Storage, prefix: str) -> None:
    """Removes every blob with this prefix, also blobs that a killed execution has staged and never committed."""
    committed = [name async for name in blobs.names(storage, prefix)]
    for start in range(0, len(committed), DELETE_BATCH):
        # A blob that no longer exists is not a failure: this may run a second time.
        await storage.container.delete_blobs(*committed[start : start + DELETE_BATCH], raise_on_any_failure=False)
    staged = [blob.name async for blob in blobs.listing(storage, prefix, uncommitted=True)]
    for start in range(0, len(staged), ERASED_AT_ONCE):
        await asyncio.gather(*(erase(storage, name) for name in staged[start : start + ERASED_AT_ONCE]))
