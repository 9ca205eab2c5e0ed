"""The edge to Blob Storage: blocks, commits, small files, listings and links."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from shared.settings import LOOPBACK, Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient

BLOCK_BYTES = 512 * 1024
"""A range being read holds so much, and the sockets as much again. Larger ones cost memory, smaller ones CPU."""
MAX_BLOCKS = 50_000
"""Of one blob, as Azure has it."""
ERASED = {"erased": "true"}
"""Metadata of a blob that is just being erased."""
DELETE_BATCH = 256
_CLOCK_SKEW = timedelta(minutes=15)
"""A link is valid from some minutes ago: the clocks of the app and of the storage are not the same."""


class BlockMissing(Exception):
    """The storage no longer has a block that was staged."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The service and the container of the exports."""

    service: "BlobServiceClient"
    container: "ContainerClient"
    by_identity: bool
    """Signed in with an identity: links are signed with a user delegation key, not with the account's key."""


def connect(settings: Settings, credential: "AsyncTokenCredential | None", **retries: Any) -> Storage:
    """Opens nothing yet. `credential` is used when the setting is an address and not a connection string.

    `retries`: options of the SDK's retry and transport that are to be others, such as QUICK.
    """
    from azure.storage.blob.aio import BlobServiceClient

    by_identity = settings.storage.startswith("http")
    # The SDK's own retry: exponential, for 408, 429, 5xx and broken connections.
    options: dict[str, Any] = {"retry_total": 8, "initial_backoff": 1, "increment_base": 2} | retries
    if by_identity:
        service = BlobServiceClient(settings.storage, credential=credential, **options)
    else:
        service = BlobServiceClient.from_connection_string(settings.storage, **options)
    return Storage(service, service.get_container_client(settings.container), by_identity)


QUICK: dict[str, Any] = {
    "retry_connect": 1,
    "retry_read": 1,
    "retry_status": 2,
    "initial_backoff": 0.2,
    "increment_base": 0.5,
    "random_jitter_range": 0.1,
    "connection_timeout": 2,
    "read_timeout": 4,
}
"""Options of `connect` for what a caller waits for: it ends in seconds where an activity would wait for minutes."""
_AWAY = frozenset({401, 403, 408, 409, 429})


def is_away(problem: Exception) -> bool:
    """Whether the storage could not be reached, or lets the app not in, rather than that the app asked for nonsense."""
    from azure.core.exceptions import AzureError, HttpResponseError

    if isinstance(problem, HttpResponseError) and problem.status_code:
        return problem.status_code in _AWAY or problem.status_code >= 500
    return isinstance(problem, AzureError)


def block_id(name: str) -> str:
    """A block's id from a name that has the same length for all blocks of a blob, as Azure wants it."""
    return base64.b64encode(name.encode()).decode()


async def stage(storage: Storage, name: str, block: str, data: bytes) -> None:
    """Stores a block. Nothing shows until it is committed; uncommitted blocks can be committed for a week.

    The storage refuses one whose bytes changed on the way (Content-MD5).
    """
    await storage.container.get_blob_client(name).stage_block(
        block_id(block), data, length=len(data), validate_content=True
    )


async def commit(storage: Storage, name: str, blocks: Sequence[str], content_type: str, summary: Any = None) -> int:
    """Makes the blob of these blocks, in one step, and returns its size. The same again changes nothing.

    `summary` is JSON that a listing brings along. Raises BlockMissing.
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


async def erase(storage: Storage, name: str) -> None:
    """Removes a blob with everything that was ever staged for it; nothing there is fine.

    Delete Blob does not see a blob that has only uncommitted blocks, and they could still be committed and read for a
    week. An empty block list discards them all. It makes a blob, which is there until it is deleted: the mark keeps it
    from being taken for one that was written, such as results without a status.
    https://learn.microsoft.com/rest/api/storageservices/put-block-list
    """
    from azure.core.exceptions import ResourceNotFoundError

    try:
        await storage.container.get_blob_client(name).commit_block_list([], metadata=ERASED)
    except ResourceNotFoundError:
        return  # No such container.
    await delete(storage, name)


async def discard_uncommitted(storage: Storage, name: str) -> None:
    """Discards the uncommitted blocks of a blob; its committed content stays."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
    from azure.storage.blob import BlobBlock, BlockState

    blob = storage.container.get_blob_client(name)
    try:
        committed, uncommitted = await blob.get_block_list("all")
        kept = {block.id for block in committed}
        # A block that is in both lists is being replaced right now; that commit discards the rest itself.
        if not uncommitted or any(block.id in kept for block in uncommitted):
            return
        if not committed and not await blob.exists():
            await erase(storage, name)
            return
        # The same list again discards the others. Not if someone else commits at this moment.
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


ERASED_AT_ONCE = 16


async def delete_all(storage: Storage, prefix: str) -> None:
    """Removes every blob whose name begins so, also those that a killed execution has staged and never committed."""
    committed = [name async for name in names(storage, prefix)]
    for start in range(0, len(committed), DELETE_BATCH):
        # A blob that no longer exists is not a failure: this may run a second time.
        await storage.container.delete_blobs(*committed[start : start + DELETE_BATCH], raise_on_any_failure=False)
    staged = [blob.name async for blob in listing(storage, prefix, uncommitted=True)]
    for start in range(0, len(staged), ERASED_AT_ONCE):
        await asyncio.gather(*(erase(storage, name) for name in staged[start : start + ERASED_AT_ONCE]))


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


async def link(
    storage: Storage,
    name: str,
    file_name: str,
    now: datetime,
    expires: datetime,
    *,
    ip_range: str = "",
    correlation_id: str = "",
) -> str:
    """A SAS link to this one blob: read only, https only (but on loopback). A secret: it is never stored or logged.

    `ip_range`: an address or two with a hyphen between, from which alone it works. `correlation_id`: a GUID that the
    storage's log shows with each request that uses the link; only a link that an identity has signed can have one.
    """
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas

    blob = storage.container.get_blob_client(name)
    start = now - _CLOCK_SKEW
    signing: dict[str, Any] = {"account_key": getattr(storage.service.credential, "account_key", None)}
    if storage.by_identity:
        key = await storage.service.get_user_delegation_key(start, expires)
        signing = {"user_delegation_key": key, "correlation_id": correlation_id or None}
    ascii_name = file_name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    token = generate_blob_sas(
        account_name=str(storage.service.account_name),
        container_name=storage.container.container_name,
        blob_name=name,
        permission=BlobSasPermissions(read=True),
        start=start,
        expiry=expires,
        ip=ip_range or None,
        protocol="https,http" if urlsplit(blob.url).hostname in LOOPBACK else "https",
        content_disposition=f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(file_name, safe='')}",
        **signing,
    )
    return f"{blob.url}?{token}"
