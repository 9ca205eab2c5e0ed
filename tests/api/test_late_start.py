"""An id runs once, also when a POST looked before its start and starts it only after its end.

Durable refuses an id that runs; one that has ended, or was purged, it starts again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import azure.durable_functions as df
import pytest
from azure.storage.blob import BlobServiceClient

from local import durable_http
from shared.api import start
from shared.api.access import Caller
from shared.api.operations import Operations
from shared.api.request import ExportRequest
from shared.settings import Settings
from shared.storage import connection
from tests.api.api_client import Api


@dataclass(slots=True)
class Late:
    """The durable client of a POST that stalls right before its start."""

    client: Any
    there: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    async def start_new(self, *given: Any) -> Any:
        self.there.set()
        await self.go.wait()
        return await self.client.start_new(*given)


@asynccontextmanager
async def app(api: Api) -> AsyncIterator[Operations]:
    """The operations, with the storage and the Durable of the running app."""
    settings = Settings.from_env({"EXPORT_STORAGE": api.serving.storage, "EXPORT_MAX_RUNNING": "2"})
    client = df.DurableOrchestrationClient(durable_http.client_binding(api.serving.url))
    storage = connection.connect(settings, None)
    async with storage.service:
        yield Operations(storage, client, settings)
    from azure.durable_functions.models.utils import http_utils

    await http_utils._close_session()


def stored(api: Api, export_id: str) -> dict[str, str]:
    """Every blob of the export, and of its work, with its ETag."""
    with BlobServiceClient.from_connection_string(api.serving.storage) as service:
        found = service.get_container_client("exports").list_blobs()
        return {blob.name: blob.etag for blob in found if export_id in blob.name}


async def end(on: Operations, export_id: str) -> Any:
    for _ in range(2000):
        status = await on.durable.get_status(export_id)
        if status.runtime_status.value not in {"Pending", "Running"}:
            return status
        await asyncio.sleep(0.03)
    pytest.fail(f"waited in vain for the end of {export_id}")


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_start_that_comes_after_the_end_changes_nothing(api: Api, deleted: bool) -> None:
    caller = Caller(uuid4().hex, "", administrator=False)
    wanted = ExportRequest(file_name="users", columns=("objectId",))
    async with app(api) as on:
        late = Late(on.durable)
        stalled = asyncio.create_task(start.start(replace(on, durable=late), wanted, caller, "key"))
        await late.there.wait()
        export_id = await start.start(on, wanted, caller, "key")
        await end(on, export_id)
        if deleted:
            assert (await asyncio.to_thread(api.delete, export_id)).status_code == 204
        before = await asyncio.to_thread(stored, api, export_id)
        late.go.set()
        assert await stalled == export_id
        status = await end(on, export_id)
        assert status.output == {"status": "Over"}
        assert await asyncio.to_thread(stored, api, export_id) == before
        assert len(before) == (1 if deleted else 3)
        answer = await asyncio.to_thread(api.get, f"/api/exports/{export_id}")
        assert answer.status_code == (410 if deleted else 200)


@dataclass(slots=True)
class Unaware:
    """The durable client of a POST that has asked for the status before the start, and stalls then."""

    client: Any
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def get_status(self, instance_id: str) -> None:
        self.asked.set()
        await self.go.wait()

    async def start_new(self, *given: Any) -> Any:
        return await self.client.start_new(*given)


@pytest.mark.parametrize("deleted", [False, True])
async def test_what_a_late_post_writes_after_the_end_does_not_stay(api: Api, deleted: bool) -> None:
    caller = Caller(uuid4().hex, "", administrator=False)
    wanted = ExportRequest(file_name="users", columns=("objectId",))
    written = replace(wanted, callback_url="https://x.logic.azure.com/", users=("a@b.example",))
    async with app(api) as on:
        export_id = await start.start(on, wanted, caller, "key")
        await end(on, export_id)
        late: Any = Unaware(on.durable)
        stalled = asyncio.create_task(start.start(replace(on, durable=late), written, caller, "key"))
        await late.asked.wait()
        if deleted:
            assert (await asyncio.to_thread(api.delete, export_id)).status_code == 204
        before = await asyncio.to_thread(stored, api, export_id)
        late.go.set()
        assert await stalled == export_id
        if not deleted:
            assert (await end(on, export_id)).output == {"status": "Over"}
        assert await asyncio.to_thread(stored, api, export_id) == before
        assert len(before) == (1 if deleted else 3)
