"""Pages and bodies without an end: the export fails with a reason, in little memory."""

import gzip
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from local.tenant import Tenant
from shared.graph import client, pages, wire
from shared.graph.client import Graph, Retries
from tests.edges import FreshTokens, no_pause
from tests.integration.runner import PAGES_OF_RANGES, Connect, Context, run_export
from tests.integration.truth import check_complete, check_results

MIB = 1024 * 1024


async def test_ever_new_users_end_the_export(connected: Connect) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("endless", match=PAGES_OF_RANGES, users=999, rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId"])
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "EndlessPages"
    assert "Graph counted 300 users, sent 20," in done.results["errors"][-1]["reason"]
    assert done.csv is None


async def test_pages_are_counted_over_all_activities_of_a_chain(connected: Connect) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("endless", match=PAGES_OF_RANGES, users=0, rate=1.0)
    async with connected(tenant) as edges:
        # Each activity ends after 100 pages.
        jumping = replace(edges, clock=count(0, 1.2).__next__)
        done = await run_export(jumping, columns=["objectId"], context=Context(jumping, {}))
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "EndlessPages"
    assert 1000 < done.results["counts"]["requests"] < 1100
    assert sum(name == "export" for name, *_ in done.context.calls) > 5


async def test_many_empty_pages_do_not_end_a_chain(connected: Connect) -> None:
    tenant = Tenant(users=3000)
    tenant.faults.add("empty_page", match=PAGES_OF_RANGES, times=400)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId"])
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)


@pytest.mark.parametrize("nth", [1, 2], ids=["before the export", "after it"])
async def test_delta_pages_without_an_end_end_the_export(connected: Connect, nth: int) -> None:
    tenant = Tenant(users=3000, shape="null90")
    tenant.faults.add("endless", match="/users/delta", users=0, nth=nth, rate=1.0)
    async with connected(tenant, EXPORT_RANGE_USERS="500") as edges:
        done = await run_export(edges, columns=["objectId"])
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "EndlessPages"
    assert done.csv is None


@pytest.mark.parametrize(
    ("match", "size", "packed"),
    [("/users?$top=999", 80, False), ("/users?$top=999", 400, True), ("$batch", 80, False), ("$batch", 130, True)],
)
async def test_a_body_without_a_measure_ends_the_export(
    connected: Connect, match: str, size: int, packed: bool
) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("huge", match=match, size=size * MIB, gzip=packed, rate=1.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "authenticationPhoneNumber"])
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "AnswerTooLarge"
    assert "64 MiB" in done.results["errors"][-1]["reason"]
    assert done.csv is None
    # One large body at a time. Of 16 batches at once each could have 64 MiB.
    assert grown < 300


async def test_a_page_of_any_honest_size_is_read(connected: Connect) -> None:
    tenant = Tenant(users=10)
    tenant.faults.add("huge", match="/users?$top=999", size=wire.MOST - 1000, gzip=True)
    async with connected(tenant) as edges:
        page = await anext(pages.chain(edges.graph, pages.Query(("id",))))
    assert page.value == []


async def answering(answers: list[bytes]) -> AsyncIterator[Graph]:
    """A Graph that gives these answers, in gzip, one after the other."""

    async def users(_: web.Request) -> web.Response:
        return web.Response(body=answers.pop(0), headers={"Content-Encoding": "gzip"}, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1.0/users", users)
    async with TestServer(app) as server:
        graph = client.connect(str(server.make_url("")).rstrip("/"), FreshTokens, Retries(sleep=no_pause))
        try:
            yield graph
        finally:
            await client.close(graph)


@pytest.mark.parametrize("keep", [5, -9, -1])
async def test_a_gzip_that_is_cut_off_is_asked_for_again(keep: int) -> None:
    whole = gzip.compress(b'{"value": [{"id": "1"}]}')
    async with asynccontextmanager(answering)([whole[:keep], b"no gzip", whole]) as graph:
        page = await anext(pages.chain(graph, pages.Query(("id",))))
    assert [user.id for user in page.value] == ["1"]
    assert graph.tally.retries == 2
