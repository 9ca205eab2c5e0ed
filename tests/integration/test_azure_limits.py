"""The limits of Azure: blocks in a blob, what goes through queues, and how long an activity may take."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.tenant import Tenant
from shared.export import activities, execution, sizes
from shared.export.context import Edges
from shared.graph import client
from shared.storage import blobs, blockwriter, staging
from tests.integration.runner import Connect, Context, Export, Json, run_export
from tests.integration.truth import check_complete, check_results


@pytest.mark.parametrize("most", [1, 100, 40_000])
@pytest.mark.parametrize("total", [10, 50_000, 10_000_000, 200_000_000])
def test_whatever_is_set_ranges_are_few_enough_for_a_blob(total: int, most: int) -> None:
    """Splitting may make some more than this; a fifth of the blocks leaves room for that, and for the bytes."""
    assert total / sizes.range_size(total, most, parallel=32) <= sizes.MAX_RANGES
    assert sizes.MAX_RANGES * 5 <= staging.MAX_BLOCKS


@pytest.mark.parametrize("users", [1, 10_000, 13_000_000, 500_000_000])
def test_blocks_grow_before_there_are_too_many(users: int) -> None:
    """Half of what a blob takes, which leaves room for those that are not full: one for each range."""
    assert users * blockwriter.USER_BYTES / blockwriter.block_bytes(users) <= staging.MAX_BLOCKS / 2 + 1
    assert blockwriter.block_bytes(users) >= staging.BLOCK_BYTES
    assert blockwriter.block_bytes(None) == staging.BLOCK_BYTES


def hurried(edges: Edges) -> Edges:
    """The same edges with a clock on which every page takes a minute."""
    return replace(edges, clock=itertools.count(step=60).__next__)


@pytest.mark.parametrize("method_errors", [0.0, 0.3])
async def test_the_segments_of_a_chain_share_their_blocks(connected: Connect, method_errors: float) -> None:
    """A block for each would be 50,000 after some days of throttling."""
    tenant = Tenant(users=700, method_errors=method_errors)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="documented", context=Context(hurried(edges), {}))
    check_results(done.results, "CompletedWithErrors" if method_errors else "Completed")
    check_complete(done.csv, tenant)
    parts = [part for name, _, result in done.context.calls if name == "export" for part in result["parts"]]
    assert len(parts) > 2
    assert sum(part[3] for part in parts) == 1
    assert sum(part[4] for part in parts) == (1 if method_errors else 0)
    users = [error["user"] for error in done.results["errors"]]
    assert len(users) == len(set(users)) == done.results["counts"]["errors"]


async def test_blocks_fill_up_over_segments(connected: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "BLOCK_BYTES", 300_000)  # a number, so that megabytes need not be made
    tenant = Tenant(users=8000, shape="b2c")
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="profile", context=Context(hurried(edges), {}, twice=0.5))
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    parts = [part for name, _, result in done.context.calls if name == "export" for part in result["parts"]]
    blocks = sum(part[3] for part in parts)
    assert done.results["file"]["bytes"] / 600_000 < blocks < done.results["file"]["bytes"] / 300_000 + 1


def publishing(done: Export, **changed: Any) -> Json:
    """What publish is asked for again, with other parts."""
    (task,) = [task for name, task, _ in done.context.calls if name == "publish"]
    return task | changed


@pytest.mark.parametrize("blocks", [(staging.MAX_BLOCKS, 0), (0, staging.MAX_BLOCKS // 2)], ids=["rows", "errors"])
async def test_too_many_blocks_are_a_failure_with_its_reason_and_without_a_file(
    connected: Connect, blocks: tuple[int, int]
) -> None:
    async with connected(Tenant(users=5)) as edges:
        done = await run_export(edges)
        task = publishing(done, parts=[[0, 0, "0" * 12, *blocks, 5, 1000, 7 if blocks[1] else 0]])
        assert (await activities.run(edges, "publish", task))["status"] == "Failed"
        file = json.loads(await blobs.read(edges.storage, f"{done.id}/results.json") or b"")
    assert file["errors"][-1]["code"] == "TooManyBlocks"
    assert len(file["errors"]) == file["counts"]["errors"]
    assert file["file"] is None


@pytest.mark.parametrize("lost", [1, -1])
async def test_a_file_of_another_size_than_was_staged_is_removed(connected: Connect, lost: int) -> None:
    async with connected(Tenant(users=5)) as edges:
        done = await run_export(edges)
        (part,) = publishing(done)["parts"]
        task = publishing(done, parts=[[*part[:6], part[6] + lost, *part[7:]]])
        assert (await activities.run(edges, "publish", task))["status"] == "Failed"
        file = json.loads(await blobs.read(edges.storage, f"{done.id}/results.json") or b"")
        assert await blobs.read(edges.storage, f"{done.id}/users.csv") is None
    assert file["errors"][-1]["code"] == "FileIncomplete"


async def test_a_blob_of_as_many_blocks_as_azure_takes_can_be_committed(connected: Connect) -> None:
    """One less than the limit in rows, and the header. The same block ids stand in the list, so one is staged."""
    async with connected(Tenant(users=1)) as edges:
        await blobs.write(edges.storage, "x/request.json", b"")
        await staging.stage(edges.storage, "x/users.csv", "0", b"row\r\n")
        size = await staging.commit(edges.storage, "x/users.csv", ["0"] * staging.MAX_BLOCKS, "text/csv")
    assert size == 5 * staging.MAX_BLOCKS


async def test_what_an_export_activity_is_given_and_gives_is_small(connected: Connect) -> None:
    tenant = Tenant(users=900, shape="null90", method_errors=0.2)
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges, columns="documented", context=Context(hurried(edges), {}))
    calls = [(task, result) for name, task, result in done.context.calls if name == "export"]
    assert sum(len(result["parts"]) for _, result in calls) > 9
    for task, result in calls:
        assert len(json.dumps(task)) < 300
        assert len(json.dumps(result)) < 300 + 60 * len(result["parts"])


def test_one_question_to_graph_leaves_an_activity_time_to_end() -> None:
    """The longest that an activity waits: until its segment is over, and then for one more answer."""
    host = json.loads(Path("host.json").read_text())
    hours, minutes, seconds = map(int, host["functionTimeout"].split(":"))
    answer = client.TIMEOUT.sock_read or 0
    longest = execution.SEGMENT_SECONDS + client.Retries().seconds + client.MAX_WAIT + answer
    assert longest < hours * 3600 + minutes * 60 + seconds
