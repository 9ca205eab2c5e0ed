"""Of a failed, cancelled or removed export nothing is left, not even blocks that were never committed."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from local.tenant import Tenant
from shared.api.progress import running_of
from shared.export import activities
from shared.export.context import Edges
from shared.storage import blobs, erasing, staging
from shared.storage.names import file_name, progress_name, results_name, work_name
from tests.integration.runner import PAGES_OF_RANGES, Context, before_pages, run_export, watch

ENV = {"EXPORT_RANGE_USERS": "1000", "EXPORT_PARALLEL": "1"}


async def left(edges: Edges, export_id: str) -> list[str]:
    """All blobs of the export; "+" stands after those that have uncommitted blocks."""
    found = []
    for prefix in (export_id, work_name(export_id, "")):
        async for blob in blobs.listing(edges.storage, prefix, uncommitted=True):
            client = edges.storage.container.get_blob_client(blob.name)
            _, uncommitted = await client.get_block_list("all")
            found.append(blob.name.rpartition("/")[2] + "+" * bool(uncommitted))
    return sorted(found)


async def test_a_failed_export_leaves_no_rows(connected: Any) -> None:
    tenant = Tenant(users=3000)
    tenant.faults.add("foreign_link", match=PAGES_OF_RANGES, nth=4, times=1)
    async with connected(tenant, **ENV) as edges:
        done = await run_export(edges)
        assert done.results["status"] == "Failed"
        assert await left(edges, done.id) == ["request.json", "results.json"]


async def test_a_cancelled_export_leaves_no_rows_and_no_errors(connected: Any) -> None:
    tenant = Tenant(users=900, method_errors=0.3)
    async with connected(tenant, **ENV | {"EXPORT_RANGE_USERS": "300"}) as edges:
        context = Context(edges, {})
        asked = iter(range(1_000_000))

        def cancel_later() -> None:
            if next(asked) == 3:
                context.cancel.set()

        watch(tenant, before_pages(cancel_later))
        done = await run_export(edges, context=context, columns=["objectId", "authenticationPhoneNumber"])
        assert done.results["status"] == "Cancelled"
        assert await left(edges, done.id) == ["request.json", "results.json"]


@pytest.mark.parametrize("removed", [False, True])
async def test_an_activity_that_outlives_its_export_discards_what_it_has_staged(
    connected: Any, storage_emulator: Any, removed: bool
) -> None:
    tenant = Tenant(users=3000)
    async with connected(tenant, **ENV) as edges:
        done = await run_export(edges)
        for name in (file_name(done.id, "users.csv"), results_name(done.id)):
            await erasing.erase(edges.storage, name)
        assert "lanes" in await activities.run(edges, "plan", {"id": done.id})

        def end() -> None:
            with BlobServiceClient.from_connection_string(storage_emulator.connection_string) as client:
                container = client.get_container_client(edges.settings.container)
                for name in container.list_blob_names(name_starts_with=work_name(done.id, "")):
                    container.delete_blob(name)
                if removed:
                    container.delete_blob(f"{done.id}/request.json")

        watch(tenant, before_pages(once(end)))
        late = await activities.run(edges, "export", {"id": done.id, "segment": 0, "ranges": [0, 1, 2]})
        assert late["failed"]["code"] == "StateLost"
        assert await left(edges, done.id) == ([] if removed else ["request.json"])


def once(call: Any) -> Any:
    """Calls only the first time."""
    calls = [call]
    return lambda: calls.pop()() if calls else None


async def test_what_is_committed_stays_as_it_is_when_the_rest_is_discarded(connected: Any) -> None:
    async with connected(Tenant(users=300)) as edges:
        done = await run_export(edges)
        name = file_name(done.id, "users.csv")
        client = edges.storage.container.get_blob_client(name)
        before = await client.get_blob_properties()
        await client.stage_block(staging.block_id("0000000-00000-zombiezombie-00000-p"), b"row", 3)
        assert "users.csv+" in await left(edges, done.id)
        await activities.run(edges, "clean", {"id": done.id})
        after = await client.get_blob_properties()
        assert await left(edges, done.id) == ["request.json", "results.json", "users.csv"]
        assert await blobs.read(edges.storage, name) == done.csv
        assert (after.content_settings, after.metadata) == (before.content_settings, before.metadata)


async def test_blocks_that_are_being_committed_again_are_not_touched(connected: Any) -> None:
    async with connected(Tenant(users=3)) as edges:
        await blobs.write(edges.storage, "1/other", b"")
        for data in (b"old", b"new"):
            await staging.stage(edges.storage, "1/a", "p", data)
            if data == b"old":
                await staging.commit(edges.storage, "1/a", ["p"], "text/csv")
        await erasing.discard_uncommitted(edges.storage, "1/a")
        await staging.commit(edges.storage, "1/a", ["p"], "text/csv")
        assert await blobs.read(edges.storage, "1/a") == b"new"


@pytest.mark.parametrize("remove", [erasing.erase, erasing.discard_uncommitted])
async def test_blocks_that_were_discarded_can_not_be_committed(connected: Any, remove: Any) -> None:
    async with connected(Tenant(users=3)) as edges:
        await blobs.write(edges.storage, "1/other", b"")
        await staging.stage(edges.storage, "1/a", "p", b"secret")
        await remove(edges.storage, "1/a")
        with pytest.raises(staging.BlockMissing):
            await staging.commit(edges.storage, "1/a", ["p"], "text/csv")
        await remove(edges.storage, "1/none")
        assert [blob.name async for blob in blobs.listing(edges.storage, uncommitted=True)] == ["1/other"]


async def test_results_that_are_just_being_erased_are_not_there(connected: Any) -> None:
    """An activity of a cancelled export discards what it has staged while a person asks how far the export is."""
    async with connected(Tenant(users=9)) as edges:
        export_id = "f0000000-0000-0000-0000-000000000000"
        name = results_name(export_id)
        await blobs.write(edges.storage, progress_name(export_id, 0), b"", {"rows": 5, "done": False})
        # The first half of `erase`: a blob is there until it is deleted.
        blob = edges.storage.container.get_blob_client(name)
        await blob.commit_block_list([], metadata=blobs.ERASED)
        status = SimpleNamespace(custom_status={"expected": 9, "ranges": 1})
        now = datetime(2026, 1, 1, tzinfo=UTC)
        found = await running_of(edges.storage, export_id, "2026-01-01T00:00:00Z", status, now)
        assert found["progress"]["exported"] == 5
        assert not await blobs.exists(edges.storage, name)
        assert await left(edges, export_id) == ["progress-0000000", "results.json"]
        await erasing.erase(edges.storage, name)
        assert await left(edges, export_id) == ["progress-0000000"]
