"""With `compare` each run of a saved export is compared once with the last completed one, and both are there for it."""

from datetime import timedelta
from typing import Any

import pytest

from local.serve import Serving
from shared.api import due, keep, removal
from shared.api.operations import Operations, new_id
from shared.export.context import find_record
from shared.files import results
from shared.storage import blobs
from shared.storage.names import ENDED, ended_name, place_name, results_name
from tests.api.durable import Durable
from tests.api.test_due import DAY, app, is_there, later, save


async def run(on: Operations, durable: Durable, day: int, status: str = "Completed") -> str:
    """What the schedule starts on that day, after its end and before the timer has seen that."""
    assert await due.start_due(later(on, day * DAY + timedelta(minutes=10))) == 1
    export_id = durable.starts[-1]
    durable.instances[export_id] = "Completed"
    file = {"name": "x.csv", "rows": 0, "bytes": 0} if status.startswith("Completed") else None
    fields: dict[str, Any] = {"id": export_id, "status": status, "file": file, "warnings": []}
    await blobs.write(on.storage, results_name(export_id), results.head(fields) + results.TAIL, {"status": status})
    await blobs.write(on.storage, ended_name(export_id), b"")
    return export_id


async def minute(on: Operations, day: int = 0) -> None:
    await keep.follow_up(later(on, day * DAY + timedelta(minutes=11)))


async def compared(on: Operations, durable: Durable) -> list[Any]:
    found = [await find_record(on.storage, each) for each in durable.starts]
    return [(each.old, each.new) for each in found if each and each.old]


def end(durable: Durable) -> None:
    durable.instances = dict.fromkeys(durable.instances, "Completed")


async def marks(on: Operations) -> list[str]:
    return [name.removeprefix(ENDED) async for name in blobs.names(on.storage, ENDED)]


async def test_each_run_is_compared_once_with_the_last_completed_one(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, compare=True)
        first = await run(on, durable, 0)
        await minute(on)
        assert (await compared(on, durable), await marks(on)) == ([], [])
        await run(on, durable, 1, "Failed")
        await minute(on, 1)
        second = await run(on, durable, 2, "CompletedWithErrors")
        for _ in range(3):
            await minute(on, 2)
        assert await compared(on, durable) == [(first, second)]
        end(durable)
        await minute(on, 2)
        third = await run(on, durable, 3)
        await minute(on, 3)
        assert await compared(on, durable) == [(first, second), (second, third)]
        record = await find_record(on.storage, durable.starts[-1])
        assert record
        assert (record.requested_by["id"], record.file_name, record.saved) == ("ann", "nightly_changes", "")


async def test_without_compare_or_after_the_saved_export_is_gone_nothing_is_compared(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on)
        await run(on, durable, 0)
        await run(on, durable, 1)
        await minute(on, 1)
        assert (await compared(on, durable), await marks(on)) == ([], [])


async def test_keep_spares_the_run_before_while_it_is_compared(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, compare=True, keep=1)
        first = await run(on, durable, 0)
        await minute(on)
        second = await run(on, durable, 1)
        await minute(on, 1)
        third = await run(on, durable, 2)
        await minute(on, 2)
        assert await compared(on, durable) == [(first, second), (second, third)]
        assert [await is_there(on, each) for each in (first, second, third)] == [200, 200, 200]
        # The later comparison ends first.
        durable.instances[durable.starts[-1]] = "Completed"
        await minute(on, 2)
        assert [await is_there(on, each) for each in (first, second, third)] == [200, 200, 200]
        end(durable)
        await minute(on, 2)
        assert [await is_there(on, each) for each in (first, second, third)] == [410, 410, 200]


@pytest.mark.parametrize("pending", [True, False])
async def test_the_retention_spares_what_the_next_comparison_needs(serving: Serving, pending: bool) -> None:
    async with app(serving) as (on, durable):
        await save(on, compare=True)
        first, second = [await run(on, durable, day) for day in (0, 1)]
        if not pending:
            await minute(on, 1)
            end(durable)
            await minute(on, 1)
        await removal.remove_old(later(on, 30 * DAY))
        assert [await is_there(on, each) for each in (first, second)] == ([200, 200] if pending else [404, 200])


async def test_a_run_that_has_results_and_is_about_to_end_is_compared_then(serving: Serving) -> None:
    async with app(serving) as (on, durable):
        await save(on, compare=True)
        first, second = [await run(on, durable, day) for day in (0, 1)]
        for each in (first, second):
            durable.instances[each] = "Running"
            await minute(on, 1)
            assert await compared(on, durable) == []
            end(durable)
        await minute(on, 1)
        assert await compared(on, durable) == [(first, second)]


async def test_when_too_many_run_it_is_compared_later(serving: Serving) -> None:
    async with app(serving, EXPORT_MAX_RUNNING="1") as (on, durable):
        await save(on, compare=True)
        first, second = [await run(on, durable, day) for day in (0, 1)]
        for _ in range(2):
            other = new_id(on.now())
            await blobs.write(on.storage, place_name("ann", other), b"")
            durable.instances[other] = "Running"
        await minute(on, 1)
        assert await compared(on, durable) == []
        end(durable)
        await minute(on, 1)
        assert await compared(on, durable) == [(first, second)]
