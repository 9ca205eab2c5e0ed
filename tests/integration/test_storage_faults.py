"""Whatever the storage does: what passes is survived, and nothing is there twice or half; clocks may differ."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.tenant import Tenant
from shared.api.operations import new_id
from shared.export.context import Edges
from shared.settings import Settings
from shared.storage import blobs, connection, sas
from tests.integration.runner import Connect, Context, Json, run_export
from tests.integration.storage_proxy import Fault, proxied
from tests.integration.truth import check_complete, check_results

AT_ONCE = {"initial_backoff": 0, "increment_base": 0, "random_jitter_range": 0}
"""The SDK's retries as they are, but without a pause."""


@asynccontextmanager
async def through(edges: Edges, fault: Fault) -> AsyncIterator[Edges]:
    """The same edges, with a storage that has this fault."""
    direct = edges.settings.storage
    target = direct.partition("BlobEndpoint=")[2].partition("/devstoreaccount1")[0]
    async with proxied(target, fault) as url:
        env = {"EXPORT_STORAGE": direct.replace(target, url), "EXPORT_CONTAINER": edges.settings.container}
        settings = Settings.from_env(env)
        storage = connection.connect(settings, None, **AT_ONCE)
        async with storage.service:
            yield replace(edges, storage=storage)


BLOCK, COMMIT, PLAN = ("PUT", "comp=block&"), ("PUT", "comp=blocklist"), ("PUT", "plan.json")
BUSY = {"status": 503, "code": "ServerBusy"}
CONFLICT = {"status": 409, "code": "OperationNotAllowedInCurrentState"}
BROKEN: dict[str, int] = {}


@pytest.mark.parametrize("how", [BUSY, CONFLICT, BROKEN], ids=lambda how: how.get("code", "Broken"))
@pytest.mark.parametrize(
    ("what", "times", "after"),
    [
        *((what, times, after) for what, times in ((BLOCK, 5), (COMMIT, 2), (PLAN, 2)) for after in (False, True)),
        (("GET", "request.json"), 2, False),
        (("HEAD", ".csv"), 2, False),
    ],
    ids=lambda what: " ".join(what) if isinstance(what, tuple) else str(what),
)
async def test_what_passes_is_survived(
    connected: Connect, what: tuple[str, str], times: int, after: bool, how: dict[str, Any]
) -> None:
    """`after`: the storage has done it, and its answer is lost."""
    tenant = Tenant(users=150, shape="null90")
    fault = Fault(*what, times=times, after=after, **how)
    async with connected(tenant, EXPORT_RANGE_USERS="50") as direct, through(direct, fault) as edges:
        done = await run_export(edges)
    assert fault.applied
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)


@pytest.mark.parametrize("how", [BUSY, CONFLICT, BROKEN], ids=lambda how: how.get("code", "Broken"))
async def test_a_storage_that_takes_no_blocks_of_rows_fails_the_export_and_leaves_no_file(
    connected: Connect, how: dict[str, Any]
) -> None:
    fault = Fault("PUT", ".csv?comp=block&", times=-1, **how)
    async with connected(Tenant(users=300)) as direct, through(direct, fault) as edges:
        done = await run_export(edges)
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "ActivityFailed"
    assert done.csv is None


async def test_a_block_that_the_storage_has_lost_fails_the_commit_and_leaves_no_file(connected: Connect) -> None:
    """Azure discards blocks a week after the last of them; a commit names them and is refused."""

    class Losing(Context):
        async def _call(self, name: str, task: Json) -> Any:
            if name == "publish" and not task.get("failed"):
                task["parts"] = [[*part[:2], "0" * 12, *part[3:]] for part in task["parts"]]
            return await Context._call(self, name, task)

    async with connected(Tenant(users=30)) as edges:
        context = Losing(edges, {})
        context.input = {}
        done = await run_export(edges, context=context)
    check_results(done.results, "Failed")
    assert [error["code"] for error in done.results["errors"]] == ["FileIncomplete"]
    assert done.csv is None


async def test_only_a_blob_that_is_there_counts_as_one_that_was_written_before(connected: Connect) -> None:
    fault = Fault("PUT", "once", times=1, status=409, code="ContainerBeingDeleted")
    async with connected(Tenant(users=1)) as direct, through(direct, fault) as edges:
        with pytest.raises(Exception, match="ContainerBeingDeleted"):
            await blobs.write_once(edges.storage, "once", b"1")
        assert await blobs.write_once(edges.storage, "once", b"1")
        assert not await blobs.write_once(edges.storage, "once", b"2")
        assert await blobs.read(edges.storage, "once") == b"1"


async def test_passwords_and_proxies_of_the_environment_do_not_count(
    connected: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = tmp_path / "netrc"
    passwords.write_text("machine 127.0.0.1 login ann password secret\n")
    for name, value in (("NETRC", str(passwords)), ("http_proxy", "http://127.0.0.1:1"), ("no_proxy", "")):
        monkeypatch.setenv(name, value)
    async with connected(Tenant(users=20)) as edges:
        done = await run_export(edges)
    assert done.results["status"] == "Completed"


# Clocks: the app's machines and the storage each have their own.


@pytest.mark.parametrize("minutes", [-14, -5, 0, 5, 14])
async def test_a_link_works_at_once_however_the_apps_clock_goes(connected: Connect, minutes: int) -> None:
    async with connected(Tenant(users=1)) as edges:
        await blobs.write(edges.storage, "file", b"content")
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        link = await sas.link(edges.storage, "file", "file", now, now + timedelta(minutes=60))
        async with httpx.AsyncClient() as http:
            assert (await http.get(link)).status_code == 200


def test_ids_of_machines_whose_clocks_differ_are_still_ids_newest_first_by_their_own_clock() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [new_id(now + timedelta(minutes=minutes)) for minutes in (-10, 0, 10)]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 3
