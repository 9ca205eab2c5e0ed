"""Small blobs, read and written as a whole, and listings."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from shared.storage.connection import Storage

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties

ERASED = {"erased": "true"}
"""Metadata of a blob while it is being erased."""


async def write(storage: Storage, name: str, data: bytes, summary: Any = None) -> None:
    """Writes a small blob, or replaces it. `summary`: JSON that a listing returns with the name."""
    await _upload(storage, name, data, summary, overwrite=True)


async def write_once(storage: Storage, name: str, data: bytes, summary: Any = None) -> bool:
    """Writes a small blob. False, and nothing is changed, when it exists already."""
    from azure.core.exceptions import ResourceExistsError

    try:
        await _upload(storage, name, data, summary, overwrite=False)
    except ResourceExistsError as problem:
        # The SDK raises this for every 409, also for a container that is being deleted.
        if problem.error_code != "BlobAlreadyExists":  # type: ignore[attr-defined]  # set by the SDK
            raise
        return False
    return True


async def _upload(storage: Storage, name: str, data: bytes, summary: Any, *, overwrite: bool) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    blob = storage.container.get_blob_client(name)
    try:
        await blob.upload_blob(data, overwrite=overwrite, metadata=metadata_of(summary))
    except ResourceNotFoundError:
        await _create_container(storage)
        await blob.upload_blob(data, overwrite=overwrite, metadata=metadata_of(summary))


async def _create_container(storage: Storage) -> None:
    from azure.core.exceptions import ResourceExistsError

    try:
        await storage.container.create_container()
    except ResourceExistsError:
        return


async def read(storage: Storage, name: str, most: int | None = None) -> bytes | None:
    """A blob's bytes, at most the first `most`; None when there is no such blob."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        stream = await storage.container.get_blob_client(name).download_blob(offset=0 if most else None, length=most)
        return bytes(await stream.readall())
    except ResourceNotFoundError:
        return None


async def exists(storage: Storage, name: str) -> bool:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return not _is_erased(await storage.container.get_blob_client(name).get_blob_properties())
    except ResourceNotFoundError:
        return False


async def delete(storage: Storage, name: str) -> None:
    """Removes a blob, if it exists."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        await storage.container.get_blob_client(name).delete_blob()
    except ResourceNotFoundError:
        return


async def listing(
    storage: Storage, prefix: str = "", at_once: int = 5_000, *, uncommitted: bool = False
) -> "AsyncIterator[BlobProperties]":
    """The blobs with this prefix, in the order of their names; `at_once` of them come with a request.

    `uncommitted`: also blobs that have uncommitted blocks only, and those that are being erased.
    """
    from azure.core.exceptions import ResourceNotFoundError

    include = ["metadata", "uncommittedblobs"] if uncommitted else ["metadata"]
    pages = storage.container.list_blobs(name_starts_with=prefix, include=include, results_per_page=at_once)
    try:
        async for blob in pages:
            if uncommitted or not _is_erased(blob):
                yield blob
    except ResourceNotFoundError:
        return


async def names(storage: Storage, prefix: str) -> "AsyncIterator[str]":
    """The names only, in their order: without the SDK's objects this takes a tenth of the CPU."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        async for name in storage.container.list_blob_names(name_starts_with=prefix):
            yield name
    except ResourceNotFoundError:
        return


def _is_erased(blob: "BlobProperties") -> bool:
    return ERASED.items() <= (blob.metadata or {}).items()


def summary_of(blob: "BlobProperties") -> Any:
    """The `summary` that was written with the blob; None: it has none."""
    text = (blob.metadata or {}).get("summary")
    return msgspec.json.decode(unquote(text)) if text else None


def metadata_of(summary: Any) -> dict[str, str] | None:
    """Metadata travels in headers: ASCII, and at most 8 KiB in all."""
    return None if summary is None else {"summary": quote(msgspec.json.encode(summary))}
