"""Small blobs, read and written as a whole, and listings."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import msgspec

from shared.storage.connection import Storage

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties

ERASED = {"erased": "true"}
"""Metadata of a blob that is just being erased."""


async def write(storage: Storage, name: str, data: bytes, summary: Any = None) -> None:
    """A small blob, replacing what was there. `summary` is JSON that a listing brings along."""
    await _upload(storage, name, data, summary, overwrite=True)


async def write_once(storage: Storage, name: str, data: bytes, summary: Any = None) -> bool:
    """A small blob, unless there is one: then False, and nothing is changed."""
    from azure.core.exceptions import ResourceExistsError

    try:
        await _upload(storage, name, data, summary, overwrite=False)
    except ResourceExistsError as problem:
        # So the SDK calls every 409: a container that is being deleted, say.
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
    """Removes a blob; none there is fine."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        await storage.container.get_blob_client(name).delete_blob()
    except ResourceNotFoundError:
        return


async def listing(
    storage: Storage, prefix: str = "", at_once: int = 5_000, *, uncommitted: bool = False
) -> "AsyncIterator[BlobProperties]":
    """The blobs whose names begin so, in the order of their names; the storage is asked for `at_once` at a time.

    `uncommitted`: also those that have only blocks that were never committed, or are just being erased.
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
    """Only the names, in their order: without the SDK's objects it takes a tenth of the CPU."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        async for name in storage.container.list_blob_names(name_starts_with=prefix):
            yield name
    except ResourceNotFoundError:
        return


def _is_erased(blob: "BlobProperties") -> bool:
    return ERASED.items() <= (blob.metadata or {}).items()


def summary_of(blob: "BlobProperties") -> Any:
    """The `summary` with which the blob was written; None when it had none."""
    text = (blob.metadata or {}).get("summary")
    return msgspec.json.decode(unquote(text)) if text else None


def metadata_of(summary: Any) -> dict[str, str] | None:
    """Metadata travels in headers: ASCII, and at most 8 KiB in all."""
    return None if summary is None else {"summary": quote(msgspec.json.encode(summary))}
