"""Small blobs that are changed only if nobody else has changed them since they were read (ETags)."""

from typing import Any

from shared.storage.blobs import metadata_of, summary_of
from shared.storage.connection import Storage


async def read(storage: Storage, name: str) -> tuple[bytes, str] | None:
    """A blob's bytes and its ETag; None when there is no such blob."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        stream = await storage.container.get_blob_client(name).download_blob()
        return bytes(await stream.readall()), str(stream.properties.etag)
    except ResourceNotFoundError:
        return None


async def read_with_summary(storage: Storage, name: str) -> tuple[bytes, Any, str] | None:
    """A blob's bytes, summary and ETag at one moment; None when there is no such blob."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        stream = await storage.container.get_blob_client(name).download_blob()
        return bytes(await stream.readall()), summary_of(stream.properties), str(stream.properties.etag)
    except ResourceNotFoundError:
        return None


async def replace(storage: Storage, name: str, data: bytes, etag: str) -> bool:
    """Replaces the blob, if it still has this ETag; else False."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

    blob, unchanged = storage.container.get_blob_client(name), MatchConditions.IfNotModified
    try:
        await blob.upload_blob(data, overwrite=True, etag=etag, match_condition=unchanged)
    except (ResourceModifiedError, ResourceNotFoundError):
        return False
    return True


async def delete(storage: Storage, name: str, etag: str) -> bool:
    """Deletes the blob, if it still has this ETag; else False."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

    blob, unchanged = storage.container.get_blob_client(name), MatchConditions.IfNotModified
    try:
        await blob.delete_blob(etag=etag, match_condition=unchanged)
    except (ResourceModifiedError, ResourceNotFoundError):
        return False
    return True


async def set_summary(storage: Storage, name: str, summary: Any, etag: str) -> bool:
    """Changes the blob's summary, if it still has this ETag; else False."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

    blob, unchanged = storage.container.get_blob_client(name), MatchConditions.IfNotModified
    try:
        await blob.set_blob_metadata(metadata_of(summary), etag=etag, match_condition=unchanged)
    except (ResourceModifiedError, ResourceNotFoundError):
        return False
    return True
