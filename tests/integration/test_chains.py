"""Long chains: continued over several activities, begun again when they break."""

import gc
import itertools

import httpx

from local.tenant import Tenant
from shared.export.context import Edges
from shared.graph import pages
from tests.integration.runner import Connect, Context, run_export
from tests.integration.truth import check_complete, check_results


def hurried(edges: Edges) -> Edges:
    """The same edges with a clock on which every page takes a minute."""
    return Edges(edges.graph, edges.storage, edges.settings, clock=itertools.count(step=60).__next__)


async def test_a_long_chain_goes_on_in_further_activities(connected: Connect) -> None:
    tenant = Tenant(users=12_000, shape="b2c")
    async with connected(tenant) as edges:
        done = await run_export(edges, context=Context(hurried(edges), {}))
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    segments = [task["segment"] for name, task, _ in done.context.calls if name == "export"]
    assert segments == [0, 1, 2, 3, 4]


async def test_a_user_sent_again_in_a_later_segment_is_there_once(connected: Connect) -> None:
    tenant = Tenant(users=9000, shape="b2c")
    tenant.faults.add("duplicate_user", rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, context=Context(hurried(edges), {}))
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)


async def test_a_chain_that_breaks_in_a_later_segment_begins_again_at_its_first_page(connected: Connect) -> None:
    tenant = Tenant(users=9000, shape="b2c")
    tenant.faults.add("expired_token", page=8, times=2)
    async with connected(tenant) as edges:
        done = await run_export(edges, context=Context(hurried(edges), {}))
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["restarts"] == 2


async def test_a_chain_that_always_breaks_fails_and_leaves_no_file(connected: Connect) -> None:
    tenant = Tenant(users=9000, shape="b2c")
    tenant.faults.add("expired_token", page=8, rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, context=Context(hurried(edges), {}))
    check_results(done.results, "Failed")
    assert "started again 5 times" in done.results["errors"][-1]["reason"]
    assert done.csv is None


async def test_segments_delivered_twice_do_not_mix(connected: Connect) -> None:
    tenant = Tenant(users=9000, shape="b2c")
    async with connected(tenant) as edges:
        done = await run_export(edges, context=Context(hurried(edges), {}, twice=0.7))
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)


async def test_what_is_read_user_by_user_goes_on_in_the_middle_of_a_page(connected: Connect) -> None:
    tenant = Tenant(users=700, method_errors=0.05)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="documented", context=Context(hurried(edges), {}))
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert len([name for name, _, _ in done.context.calls if name == "export"]) > 2
    users = [error["user"] for error in done.results["errors"]]
    assert len(users) == len(set(users)) == done.results["counts"]["errors"]


async def test_selected_users_go_on_in_further_activities(connected: Connect) -> None:
    tenant = Tenant(users=700)
    users = [user["id"] for user in tenant.all_users(("id",))]
    async with connected(tenant) as edges:
        done = await run_export(edges, users=[*users, "nobody@example.com"], context=Context(hurried(edges), {}))
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert len([name for name, _, _ in done.context.calls if name == "export"]) > 2
    assert len(done.results["errors"]) == 1


async def test_a_page_that_was_read_does_not_stay_until_garbage_is_collected(connected: Connect) -> None:
    async with connected(Tenant(users=4500)) as edges:
        gc.collect()
        before = {id(each) for each in gc.get_objects() if isinstance(each, httpx.Response)}
        gc.disable()
        try:
            chain = [page async for page in pages.chain(edges.graph, pages.Query(("id",)))]
            kept = [each for each in gc.get_objects() if isinstance(each, httpx.Response) and id(each) not in before]
        finally:
            gc.enable()
    assert len(chain) == 5
    assert len(kept) <= 1
