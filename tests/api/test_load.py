"""One caller's running exports have a limit; what was taken once is never refused, and what is over frees its place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from azure.storage.blob import BlobServiceClient

from local.serve import Serving
from shared.api import keys, limit, removal, start
from shared.api.access import Caller
from shared.api.keys import Key
from shared.api.operations import Operations, new_id
from shared.api.problems import TOO_MANY_SECONDS, TooManyRunning
from shared.api.request import ExportRequest
from shared.export import activities
from shared.export.context import Edges, find_record
from shared.storage import blobs, connection
from shared.storage.names import callback_name, key_name, place_name, record_name, users_name
from tests.api.api_client import Api, program
from tests.api.durable import Durable
from tests.edges import settings_for
from tests.waiting import wait

ANN, BOB = (Caller(name, name, administrator=True) for name in ("ann", "bob"))
RECORD = {
    "createdDateTime": "2026-01-01T00:00:00Z",
    "requestedBy": {"id": "ann", "name": "ann"},
    "fileName": "users",
    "columns": ["objectId"],
}
WANTED = ExportRequest(file_name="users", columns=("objectId",))


@asynccontextmanager
async def app(serving: Serving, limit: int = 2) -> AsyncIterator[tuple[Operations, Durable]]:
    durable = Durable()
    settings = settings_for(serving.storage, EXPORT_MAX_RUNNING=str(limit))
    storage = connection.connect(settings, None)
    async with storage.service:
        yield Operations(storage, durable, settings), durable


async def end(on: Operations, durable: Durable, export_id: str) -> None:
    """As the orchestrator's last steps do."""
    no_graph: Any = None
    await activities.run(Edges(no_graph, on.storage, on.settings), "clean", {"id": export_id})
    durable.instances[export_id] = "Completed"


async def test_one_more_than_the_limit_is_refused_and_leaves_nothing(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        for _ in range(2):
            await start.start(on, WANTED, ANN)
        before = {blob.name async for blob in blobs.listing(on.storage)}
        with pytest.raises(TooManyRunning, match="2 exports running"):
            await start.start(on, WANTED, ANN)
        assert {blob.name async for blob in blobs.listing(on.storage)} == before
        assert len(durable.starts) == 2


async def test_anothers_exports_take_no_place(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await start.start(on, WANTED, ANN)
        await start.start(on, WANTED, BOB)
        await start.start(on, WANTED, ANN)
        await start.start(on, WANTED, BOB)
        assert len(durable.starts) == 4


async def test_what_ends_frees_its_place(serving: Serving) -> None:
    async with app(serving, limit=1) as (on, durable):
        for _ in range(3):
            await end(on, durable, await start.start(on, WANTED, ANN))
        assert [blob.name async for blob in blobs.listing(on.storage, "running/")] == []


@pytest.mark.parametrize("how", ["Failed", "Terminated", "Completed"])
async def test_an_orchestration_that_ended_without_cleaning_up_keeps_no_place(serving: Serving, how: str) -> None:
    async with app(serving, limit=1) as (on, durable):
        durable.instances[await start.start(on, WANTED, ANN)] = how
        await start.start(on, WANTED, ANN)
        with pytest.raises(TooManyRunning):
            await start.start(on, WANTED, ANN)


async def test_a_post_that_died_on_the_way_keeps_its_place_for_some_minutes_only(serving: Serving) -> None:
    async with app(serving, limit=1) as (on, durable):
        durable.instances.pop(await start.start(on, WANTED, ANN))
        with pytest.raises(TooManyRunning):
            await start.start(on, WANTED, ANN)
        later = replace(on, now=lambda: datetime.now(UTC) + limit.STARTING + timedelta(minutes=1))
        await start.start(later, WANTED, ANN)


async def test_a_post_that_is_repeated_is_not_refused_however_many_run(serving: Serving) -> None:
    async with app(serving, limit=1) as (on, durable):
        first = await start.start(on, WANTED, ANN, "key")
        assert await start.start(on, WANTED, ANN, "key") == first
        # Also when the first one died before it started anything.
        durable.instances.pop(first)
        assert await start.start(on, WANTED, ANN, "key") == first
        assert durable.starts == [first, first]


async def test_a_refused_post_with_a_key_is_taken_when_there_is_a_place(serving: Serving) -> None:
    async with app(serving, limit=1) as (on, durable):
        first = await start.start(on, WANTED, ANN)
        with pytest.raises(TooManyRunning):
            await start.start(on, WANTED, ANN, "key")
        await end(on, durable, first)
        second = await start.start(on, WANTED, ANN, "key")
        assert durable.starts == [first, second]


async def test_a_refused_post_leaves_no_key(serving: Serving) -> None:
    async with app(serving, limit=1) as (on, _):
        first = await start.start(on, WANTED, ANN, "first")
        for at in range(4):
            with pytest.raises(TooManyRunning):
                await start.start(on, WANTED, ANN, f"key {at}")
        posts = (start.start(on, WANTED, ANN, f"key {at}") for at in range(40))
        refused = await asyncio.gather(*posts, return_exceptions=True)
        assert {type(each) for each in refused} == {TooManyRunning}
        assert len([name async for name in blobs.names(on.storage, "keys/")]) == 1
        assert await start.start(on, WANTED, ANN, "first") == first


async def test_a_key_that_was_given_back_meanwhile_is_taken_anew(serving: Serving) -> None:
    """The second POST has seen the first one's key; before it starts that export, the first one is refused."""
    async with app(serving, limit=1) as (on, durable):
        name = key_name("ann", "key")
        lost = Key(new_id(on.now()))
        await keys.take(on.storage, name, lost)

        async def refuse_the_first() -> None:
            durable.before_status = None
            await keys.give_back(on.storage, name, lost)

        await blobs.write(
            on.storage, record_name(lost.export_id), msgspec.json.encode({**RECORD, "id": lost.export_id})
        )
        durable.before_status = refuse_the_first
        started = await start.start(on, WANTED, ANN, "key")
        assert started != lost.export_id
        assert durable.starts == [started]
        assert [each async for each in blobs.names(on.storage, "running/")] == [place_name("ann", started)]
        assert await start.start(on, WANTED, ANN, "key") == started


async def test_a_key_whose_export_another_post_starts_is_not_given_back(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        name = key_name("ann", "key")
        first = Key(new_id(on.now()))
        await keys.take(on.storage, name, first)
        assert await start.start(on, WANTED, ANN, "key") == first.export_id
        await keys.give_back(on.storage, name, first)
        assert await start.start(on, WANTED, ANN, "key") == first.export_id
        assert durable.starts == [first.export_id]


@pytest.mark.parametrize("posts", [2, 8])
async def test_posts_at_the_same_moment_are_never_more_than_the_limit(serving: Serving, posts: int) -> None:
    async with app(serving) as (on, durable):
        await start.start(on, WANTED, ANN)
        answers = await asyncio.gather(*(start.start(on, WANTED, ANN) for _ in range(posts)), return_exceptions=True)
        assert {type(answer) for answer in answers} <= {str, TooManyRunning}
        assert len(durable.starts) <= 2
        assert len([blob async for blob in blobs.listing(on.storage, "running/")]) == len(durable.starts)


async def test_places_that_nobody_asks_for_go_with_the_retention(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        durable.instances[await start.start(on, WANTED, ANN)] = "Terminated"
        await blobs.write(on.storage, place_name("ann", "of a POST that died"), b"")
        await removal.remove_old(replace(on, now=lambda: datetime.now(UTC) + timedelta(days=8)))
        assert [blob.name async for blob in blobs.listing(on.storage)] == []


async def test_two_bodies_with_one_key_at_the_same_moment_never_mix(serving: Serving) -> None:
    """Whichever POST is first: its columns, its users, and its callback."""
    async with app(serving) as (on, durable):
        for at in range(6):
            wanted = [
                ExportRequest(
                    file_name=name,
                    columns=("objectId",),
                    users=(f"{name}@example.com",),
                    callback_url=f"https://{name}.logic.azure.com/",
                )
                for name in ("a", "b", "c")
            ]
            caller = Caller(f"caller {at}", "", administrator=True)
            durable.before_start = asyncio.Barrier(3)
            ids = await asyncio.gather(*(start.start(on, each, caller, "key") for each in wanted))
            assert len(set(ids)) == 1
            record = await find_record(on.storage, ids[0])
            assert record
            users = msgspec.json.decode(await blobs.read(on.storage, users_name(record.id, record.attempt)) or b"")
            callback = await blobs.read(on.storage, callback_name(record.id, record.attempt)) or b""
            assert users == [f"{record.file_name}@example.com"]
            assert callback.decode() == f"https://{record.file_name}.logic.azure.com/"
            assert record.callback_host == f"{record.file_name}.logic.azure.com"
            assert "attempt" not in record.shown()


async def test_a_request_that_was_written_stays_whatever_comes_with_its_key(serving: Serving) -> None:
    """The first POST died before it started the export; another body with its key starts what the first one asked."""
    async with app(serving) as (on, durable):
        first = await start.start(on, replace(WANTED, file_name="first"), ANN, "key")
        durable.instances.pop(first)
        assert await start.start(on, replace(WANTED, file_name="second"), ANN, "key") == first
        record = await find_record(on.storage, first)
        assert record
        assert record.file_name == "first"


def test_the_refusal_says_when_to_come_again(slow: Api) -> None:
    ann = slow.as_caller(program(uuid4().hex))
    started = [ann.start() for _ in range(10)]
    refused = ann.post()
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) == TOO_MANY_SECONDS
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert "EXPORT_MAX_RUNNING" in refused.json()["detail"]
    assert ann.post({"columns": "none"}).status_code == 400
    other = slow.as_caller(program(uuid4().hex))
    others = other.start()
    for export_id in started:
        ann.cancel(export_id)
    assert ann.end(started[0]).json()["status"] == "Cancelled"
    last = ann.start()
    for api, export_id in ((ann, last), (other, others)):
        api.cancel(export_id)
    for api, export_id in (*((ann, each) for each in [*started[1:], last]), (other, others)):
        api.end(export_id)
    with BlobServiceClient.from_connection_string(slow.serving.storage) as service:
        container = service.get_container_client("exports")
        assert wait(lambda: not list(container.list_blob_names(name_starts_with="running/")), "all places free")
