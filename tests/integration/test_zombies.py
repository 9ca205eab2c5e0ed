"""Executions that outlive their export, and blocks that the storage has lost."""

import asyncio
from typing import Any

from azure.storage.blob import BlobServiceClient

from local.azurite import Azurite
from local.tenant import Tenant
from shared.export import activities, execution
from shared.export.context import Edges, read_record, share
from shared.storage import blobs
from shared.storage.names import plan_name, results_name, work_name
from tests.integration.runner import Connect, before_pages, run_export, watch
from tests.integration.truth import check_results


async def names(edges: Any, prefix: str) -> list[str]:
    return [blob.name async for blob in blobs.listing(edges.storage, prefix)]


async def planned(edges: Edges) -> str:
    """The id of an export that is as it was while it ran."""
    done = await run_export(edges)
    await blobs.delete(edges.storage, results_name(done.id))
    assert "lanes" in await activities.run(edges, "plan", {"id": done.id})
    return done.id


async def test_a_plan_that_comes_after_the_end_leaves_nothing(connected: Connect) -> None:
    async with connected(Tenant(users=300)) as edges:
        done = await run_export(edges)
        assert (await activities.run(edges, "plan", {"id": done.id}))["over"]
        assert await names(edges, work_name(done.id, "")) == []


async def test_a_range_that_is_read_beyond_the_end_of_its_export_leaves_nothing(
    connected: Connect, storage_emulator: Azurite
) -> None:
    tenant = Tenant(users=3000)
    async with connected(tenant, EXPORT_RANGE_USERS="1500") as edges:
        export_id = await planned(edges)

        def end() -> None:
            with BlobServiceClient.from_connection_string(storage_emulator.connection_string) as client:
                container = client.get_container_client(edges.settings.container)
                for name in container.list_blob_names(name_starts_with=work_name(export_id, "")):
                    container.delete_blob(name)

        watch(tenant, before_pages(end))
        late = await activities.run(edges, "export", {"id": export_id, "segment": 0, "ranges": [0, 1]})
        assert late["failed"]["code"] == "StateLost"
        assert await names(edges, work_name(export_id, "")) == []


async def test_a_range_that_begins_after_the_end_with_the_plan_of_one_that_still_runs_leaves_nothing(
    connected: Connect,
) -> None:
    tenant = Tenant(users=3000)
    async with connected(tenant, EXPORT_RANGE_USERS="1500") as edges:
        export_id = await planned(edges)
        # As a lane that still runs has it.
        running = await execution.load(edges, export_id)
        await blobs.delete(edges.storage, plan_name(export_id))

        late = await activities.run(edges, "export", {"id": export_id, "segment": 0, "ranges": [0, 1]})
        assert running[1]
        assert late["failed"]["code"] == "StateLost"
        assert await names(edges, work_name(export_id, "")) == []


async def test_lanes_that_run_at_once_share_the_plan_and_later_ones_see_that_it_is_gone(connected: Connect) -> None:
    async with connected(Tenant(users=300)) as edges:
        export_id = await planned(edges)

        first, second = await asyncio.gather(execution.load(edges, export_id), execution.load(edges, export_id))
        assert first[1] is second[1] is not None
        await blobs.delete(edges.storage, plan_name(export_id))
        del first, second
        assert (await execution.load(edges, export_id))[1] is None


async def test_an_export_that_waits_for_its_plan_keeps_no_other_waiting(connected: Connect) -> None:
    async with connected(Tenant(users=300)) as edges:
        done = await run_export(edges)
        other = asyncio.create_task(share(edges, plan_name("another"), asyncio.Event().wait))
        record, _ = await asyncio.wait_for(execution.load(edges, done.id), 10)
        assert record.id == done.id
        assert not other.done()
        other.cancel()


async def test_a_block_that_the_storage_has_lost_fails_the_export(connected: Connect) -> None:
    async with connected(Tenant(users=300)) as edges:
        done = await run_export(edges)
        record = await read_record(edges.storage, done.id)
        await blobs.delete(edges.storage, record.file_blob_name())
        lost = {"parts": [[0, 0, "000000000000", 1, 0, 300, 27000, 0]], "expected": 300, "ranges": 1, "found": []}
        task = {"id": done.id, "requests": 1, "retries": 0, "restarts": 0, "warnings": [], **lost}
        assert (await activities.run(edges, "publish", task))["status"] == "Failed"
        assert [name.rpartition("/")[2] for name in await names(edges, done.id)] == ["request.json", "results.json"]


async def test_a_failed_publish_removes_the_file_that_it_has_committed(connected: Connect) -> None:
    async with connected(Tenant(users=300)) as edges:
        done = await run_export(edges)
        check_results(done.results, "Completed")
        await activities.run(edges, "clean", {"id": done.id, "unpublish": True})
        assert await names(edges, done.id) == [f"{done.id}/request.json"]
