"""What a schedule wants starts once for each planned time, whatever restarts and however many instances there are."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.serve import Serving
from shared.api import anew, due, keep, operations, removal, saved
from shared.api.access import Caller
from shared.api.operations import Operations
from shared.api.problems import ProblemError
from shared.export.context import find_record
from shared.storage import blobs, connection
from shared.storage.names import ended_name, results_name
from tests.api.durable import Durable
from tests.edges import settings_for

# Today's or yesterday's: never after the storage's own clock, to which a place of a running export would be old.
NOW = (datetime.now(UTC) - timedelta(hours=7)).replace(hour=5, minute=50, second=0, microsecond=0)
DAY = timedelta(days=1)
ANN = Caller("ann", "Ann", administrator=False, reads_authentication=True)
DAILY = {"columns": "profile", "schedule": "0 6 * * *"}


@asynccontextmanager
async def app(serving: Serving, **env: str) -> AsyncIterator[tuple[Operations, Durable]]:
    durable = Durable()
    settings = settings_for(serving.storage, EXPORT_RETENTION_DAYS="7", **env)
    storage = connection.connect(settings, None)
    async with storage.service:
        yield Operations(storage, durable, settings, lambda: NOW), durable


def later(on: Operations, by: timedelta) -> Operations:
    return replace(on, now=lambda: NOW + by)


async def save(on: Operations, name: str = "nightly", caller: Caller = ANN, **more: Any) -> None:
    await saved.put(on, name, json.dumps({**DAILY, **more}).encode(), caller)


async def run(on: Operations, durable: Durable, day: int, status: str = "Completed") -> str:
    """What the schedule starts on that day, after its end."""
    then = later(on, day * DAY + timedelta(minutes=10))
    assert await due.start_due(then) == 1
    export_id = durable.starts[-1]
    durable.instances[export_id] = "Completed"
    await blobs.write(on.storage, results_name(export_id), b"{}", {"status": status})
    await blobs.write(on.storage, ended_name(export_id), b"")
    await keep.follow_up(then)
    return export_id


async def is_there(on: Operations, export_id: str) -> int:
    try:
        await operations.find(on, export_id, ANN)
    except ProblemError as problem:
        return problem.status
    return 200


async def test_it_starts_when_it_is_time_and_once(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on)
        for minutes, starts in ((0, 0), (9, 0), (10, 1), (11, 1), (12, 1), (24 * 60 + 9, 1), (24 * 60 + 10, 2)):
            await due.start_due(later(on, timedelta(minutes=minutes)))
            assert len(durable.starts) == starts, minutes


async def test_the_run_belongs_to_who_saved_it(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, filter="accountEnabled eq true")
        await due.start_due(later(on, timedelta(minutes=10)))
        record = await find_record(on.storage, durable.starts[0])
        assert record
        assert (record.requested_by["id"], record.filter, record.saved) == ("ann", "accountEnabled eq true", "nightly")


async def test_two_instances_at_once_start_one(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on)
        durable.before_start = asyncio.Barrier(2)
        then = later(on, timedelta(minutes=10))
        await asyncio.gather(due.start_due(then), due.start_due(then))
        assert len(durable.starts) == 1
        assert len([name async for name in blobs.names(on.storage, "e")]) == 1


@dataclass(slots=True)
class Killed:
    """The durable client of an instance that is killed right before, or right after, the start."""

    durable: Durable
    after: bool

    def __getattr__(self, name: str) -> Any:
        return getattr(self.durable, name)

    async def start_new(self, *given: Any) -> str:
        if self.after:
            await self.durable.start_new(*given)
        raise asyncio.CancelledError


@pytest.mark.parametrize("after", [False, True])
async def test_an_instance_that_is_killed_while_it_starts_one_leaves_no_second(serving: Serving, after: bool) -> None:
    async with app(serving) as (on, durable):
        await save(on)
        killed: Any = Killed(durable, after)
        with pytest.raises(asyncio.CancelledError):
            await due.start_due(replace(later(on, timedelta(minutes=10)), durable=killed))
        # Up again only after the next planned time: that one, too, was missed.
        await due.start_due(later(on, DAY + timedelta(minutes=20)))
        assert len(durable.starts) == 1
        await due.start_due(later(on, 2 * DAY + timedelta(minutes=10)))
        assert len(durable.starts) == 2


async def test_several_that_were_missed_start_one(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, schedule="*/15 * * * *")
        await due.start_due(later(on, 30 * DAY))
        await due.start_due(later(on, 30 * DAY + timedelta(minutes=1)))
        assert len(durable.starts) == 1
        (found,) = await saved.stored(on.storage)
        assert found.saved.next_time() == NOW + 30 * DAY + timedelta(minutes=10)


async def test_one_that_is_saved_anew_at_the_planned_time_starts_once(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on)
        then = later(on, timedelta(minutes=10))
        await save(then, filter="accountEnabled eq true")
        await due.start_due(then)
        await save(then)
        await due.start_due(later(on, timedelta(minutes=11)))
        assert len(durable.starts) == 1


async def test_another_schedule_counts_from_when_it_was_saved(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on)
        await save(later(on, 5 * DAY), schedule="0 7 * * *")
        await due.start_due(later(on, 5 * DAY + timedelta(minutes=10)))
        assert durable.starts == []


async def test_a_deleted_one_starts_no_more(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on)
        await saved.delete(on, "nightly", "", ANN)
        await due.start_due(later(on, DAY))
        assert durable.starts == []


async def test_at_the_limit_of_running_exports_it_waits_and_then_starts_once(serving: Serving) -> None:
    async with app(serving, EXPORT_MAX_RUNNING="1") as (on, durable):
        await save(on, "first")
        await save(on, "second")
        await due.start_due(later(on, timedelta(minutes=10)))
        assert len(durable.starts) == 1
        problems = [each.saved.problem for each in await saved.stored(on.storage)]
        assert sorted(bool(each) for each in problems) == [False, True]
        durable.instances[durable.starts[0]] = "Completed"
        await due.start_due(later(on, timedelta(minutes=11)))
        await due.start_due(later(on, timedelta(minutes=12)))
        assert len(durable.starts) == 2
        assert [each.saved.problem for each in await saved.stored(on.storage)] == ["", ""]


async def test_one_that_the_settings_no_longer_allow_says_so_and_keeps_no_other(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, "called", callbackUrl="https://a.logic.azure.com/?sig=secret")
        await save(on, "plain")
        stricter = replace(on.settings, callback_hosts=("elsewhere.example",))
        await due.start_due(replace(later(on, timedelta(minutes=10)), settings=stricter))
        assert len(durable.starts) == 1
        shown = await saved.get(on, "called", "", ANN)
        assert "EXPORT_CALLBACK_HOSTS" in shown["problem"]
        assert "secret" not in json.dumps(shown)


async def test_it_has_no_more_columns_than_its_owner_could_have_when_saving(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        without = replace(ANN, reads_authentication=False)
        await save(on, caller=without, columns=None)
        await due.start_due(later(on, timedelta(minutes=10)))
        record = await find_record(on.storage, durable.starts[0])
        assert record
        assert record.notes
        with pytest.raises(ProblemError) as refused:
            await save(on, "more", caller=without, columns="documented")
        assert refused.value.status == 403


async def test_keep_removes_the_older_ones_after_the_next_has_ended_and_they_are_gone(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, keep=2)
        await save(on, "other", caller=Caller("bob", "Bob", administrator=False), schedule=None, keep=1)
        first, second = await run(on, durable, 0), await run(on, durable, 1)
        assert [await is_there(on, each) for each in (first, second)] == [200, 200]
        third = await run(on, durable, 2)
        assert [await is_there(on, each) for each in (first, second, third)] == [410, 200, 200]
        assert [name async for name in blobs.names(on.storage, "ended/")] == []
        assert first not in durable.instances


async def test_failed_runs_push_no_completed_one_out(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, keep=1)
        first = await run(on, durable, 0)
        failed = [await run(on, durable, day, "Failed") for day in (1, 2)]
        assert await is_there(on, first) == 200
        last = await run(on, durable, 3)
        assert [await is_there(on, each) for each in (first, *failed, last)] == [410, 410, 410, 200]


async def test_what_keep_needs_outlives_the_retention_and_what_it_does_not_need_goes(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, keep=2, schedule="0 6 * * *")
        kept = [await run(on, durable, day) for day in (0, 1)]
        await save(on, "loose", schedule="0 6 * * *")
        loose = await run(on, durable, 1)
        await removal.remove_old(later(on, 100 * DAY))
        assert [await is_there(on, each) for each in (*kept, loose)] == [200, 200, 404]
        assert {each.saved.name for each in await saved.stored(on.storage)} == {"nightly", "loose"}


async def test_what_keep_has_removed_is_remembered_as_long_as_what_a_person_removes(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, keep=1)
        first = await run(on, durable, 0)
        await run(on, durable, 20)
        await removal.remove_old(later(on, 26 * DAY))
        assert await is_there(on, first) == 410
        await removal.remove_old(later(on, 28 * DAY))
        assert await is_there(on, first) == 404


async def test_of_an_export_that_is_sent_again_the_callback_is_not_used_and_the_caller_is_told(
    serving: Serving,
) -> None:
    async with app(serving) as (on, durable):
        await save(on, "called", callbackUrl="https://a.logic.azure.com/?sig=secret", users=["a@b.example"])
        export_id = await run(on, durable, 0)
        wanted = await anew.read(on, {"again": export_id}, ANN)
        assert (wanted.users, wanted.callback_url, wanted.saved) == (("a@b.example",), "", "")
        assert "callback" in wanted.notes[0]


async def test_when_the_saved_export_is_deleted_its_runs_go_with_the_retention(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, keep=5)
        export_id = await run(on, durable, 0)
        await saved.delete(on, "nightly", "", ANN)
        await removal.remove_old(later(on, 6 * DAY))
        assert await is_there(on, export_id) == 200
        await removal.remove_old(later(on, 8 * DAY))
        assert await is_there(on, export_id) == 404
