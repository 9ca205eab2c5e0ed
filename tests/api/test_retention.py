"""Every night what is older than EXPORT_RETENTION_DAYS goes, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from local.serve import Serving
from shared.api import removal, start
from shared.api.access import Caller
from shared.api.operations import Operations, new_id
from shared.api.request import ExportRequest
from shared.storage import blobs, connection, staging
from shared.storage.names import place_name, work_name
from tests.api.api_client import Api
from tests.api.durable import Durable
from tests.edges import settings_for
from tests.waiting import wait

NOW = datetime.now(UTC)
ANN = Caller("ann", "Ann", administrator=False)
WANTED = ExportRequest(
    file_name="users", columns=("objectId",), users=("a@b.c",), callback_url="https://a.logic.azure.com/?sig=1"
)


@asynccontextmanager
async def app(serving: Serving) -> AsyncIterator[tuple[Operations, Durable]]:
    durable = Durable()
    settings = settings_for(serving.storage, EXPORT_RETENTION_DAYS="7")
    storage = connection.connect(settings, None)
    async with storage.service:
        yield Operations(storage, durable, settings, lambda: NOW), durable


def days_later(on: Operations, days: float) -> Operations:
    return replace(on, now=lambda: NOW + timedelta(days=days))


async def started(on: Operations, durable: Durable, days: float = 0, status: str = "Completed", key: str = "") -> str:
    """An export that began so many days after NOW, with a file."""
    export_id = await start.start(days_later(on, days), WANTED, ANN, key)
    await blobs.write(on.storage, f"{export_id}/users.csv", b"objectId")
    durable.instances[export_id] = status
    return export_id


async def names(on: Operations) -> set[str]:
    return {blob.name async for blob in blobs.listing(on.storage)}


async def test_what_is_too_old_goes_with_its_history_and_what_is_younger_stays(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        old, young = await started(on, durable), await started(on, durable, days=1)
        assert await removal.remove_old(days_later(on, 6.9)) == 0
        assert await removal.remove_old(days_later(on, 7.1)) == 1
        assert {name for name in await names(on) if old in name} == set()
        assert {f"{young}/users.csv", f"{young}/request.json"} < await names(on)
        assert all(instance.startswith(young) for instance in durable.instances)
        assert len(durable.instances) == 1


async def test_what_still_runs_stays_however_old_it_is(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        running = await started(on, durable, status="Running")
        assert await removal.remove_old(days_later(on, 100)) == 0
        assert any(name.startswith(f"work/{running}/callback") for name in await names(on))


async def test_keys_and_traces_of_deleted_exports_go_too(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        export_id = await started(on, durable, key="run")
        await removal.delete(on, export_id, ANN)
        assert {name.split("/")[0] for name in await names(on)} == {"keys", export_id}
        await removal.remove_old(days_later(on, 6.9))
        assert len(await names(on)) == 2
        await removal.remove_old(days_later(on, 7.1))
        assert await names(on) == set()


async def staged_names(on: Operations) -> set[str]:
    return {blob.name async for blob in blobs.listing(on.storage, uncommitted=True)}


@pytest.mark.parametrize("name", ["users.csv", "results.json"])
@pytest.mark.parametrize("status", ["Failed", "Terminated", "Completed"])
async def test_nothing_of_a_deleted_export_can_be_committed(serving: Serving, status: str, name: str) -> None:
    async with app(serving) as (on, durable):
        export_id = await started(on, durable, status=status)
        if status != "Completed":
            await blobs.delete(on.storage, f"{export_id}/users.csv")
        await staging.stage(on.storage, f"{export_id}/{name}", "p", b"secret")
        await removal.delete(on, export_id, ANN)
        assert await staged_names(on) == {f"{export_id}/deleted"}
        with pytest.raises(staging.BlockMissing):
            await staging.commit(on.storage, f"{export_id}/{name}", ["p"], "text/csv")


async def test_nothing_of_an_old_export_can_be_committed(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        export_id = await started(on, durable, status="Failed")
        await staging.stage(on.storage, f"{export_id}/users.csv", "p", b"secret")
        await staging.stage(on.storage, f"{export_id}/results.json", "p", b"secret")
        await removal.remove_old(days_later(on, 8))
        assert await staged_names(on) == set()
        with pytest.raises(staging.BlockMissing):
            await staging.commit(on.storage, f"{export_id}/users.csv", ["p"], "text/csv")


async def test_what_a_killed_activity_has_staged_goes_in_the_next_night_unless_the_export_runs(
    serving: Serving,
) -> None:
    async with app(serving) as (on, durable):
        ended, running = await started(on, durable), await started(on, durable, status="Running")
        deleted = new_id(NOW)
        for export_id in (ended, running, deleted):
            await staging.stage(on.storage, f"{export_id}/other.csv", "p", b"secret")
            await staging.stage(on.storage, work_name(export_id, "other"), "p", b"secret")
        assert await removal.remove_old(days_later(on, 1)) == 0
        left = {name for name in await staged_names(on) if "other" in name}
        assert left == {f"{running}/other.csv", work_name(running, "other")}
        assert {f"{ended}/users.csv", f"{running}/users.csv"} <= await names(on)


async def test_the_place_of_an_export_that_runs_longer_than_the_retention_stays(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        running = await started(on, durable, status="Running")
        await removal.remove_old(days_later(on, 100))
        assert place_name(ANN.id, running) in await names(on)


async def test_the_blobs_of_a_post_that_died_are_removed_too(serving: Serving) -> None:
    async with app(serving) as (on, _):
        await blobs.write(on.storage, f"work/{new_id(NOW)}/callback", b"https://a.logic.azure.com/?sig=1")
        await removal.remove_old(days_later(on, 6.9))
        assert len(await names(on)) == 1
        await removal.remove_old(days_later(on, 7.1))
        assert await names(on) == set()


async def test_a_removal_that_was_interrupted_is_gone_on_with_the_next_night(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        export_id = await started(on, durable)
        durable.refuses_purge = True
        assert await removal.remove_old(days_later(on, 8)) == 0
        durable.refuses_purge = False
        await removal.remove_old(days_later(on, 9))
        assert durable.instances == {}
        assert not any(export_id in name for name in await names(on))


def test_the_timer_of_the_app_removes_nothing_that_is_young(api: Api) -> None:
    export_id = api.run()["id"]
    logged = len(api.log())
    fired = api.http.post("/admin/functions/remove_old_exports")
    assert fired.status_code == 202
    assert wait(lambda: api.get(f"/api/exports/{export_id}").status_code == 200, "the export")
    assert api.log()[logged:] == ""
