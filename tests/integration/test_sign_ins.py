"""signInActivity as the field reports it: smaller pages, filters that stand alone, and what is left of purged users."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from local.tenant import Tenant
from tests.integration.runner import Connect, Context, Export, run_export, watch
from tests.integration.truth import check_complete, check_ids, check_results, rows_of

BEFORE = "signInActivity/lastSignInDateTime le 2026-06-30T00:00:00Z"


def pages(asked: list[str]) -> list[str]:
    return [each for each in asked if each.startswith("/v1.0/users?") and "$top=1&" not in each]


def matching(tenant: Tenant) -> set[str]:
    activities = {user["id"]: user["signInActivity"] for user in tenant.all_users(("id", "signInActivity"))}
    return {key for key, each in activities.items() if each and each["lastSignInDateTime"] <= "2026-06-30T00:00:00Z"}


def codes(done: Export) -> list[str]:
    return [warning["code"] for warning in done.results["warnings"]]


@pytest.mark.parametrize(
    "columns", [["objectId"], ["userPrincipalName", "objectId"], ["objectId", "lastSignInDateTime"]]
)
@pytest.mark.parametrize("text", [BEFORE, BEFORE.replace("signInActivity", "SIGNINACTIVITY"), f"not({BEFORE})"])
async def test_a_filter_on_sign_ins_has_pages_of_its_own_and_is_one_chain_of_which_the_plan_knows(
    connected: Connect, columns: list[str], text: str
) -> None:
    tenant = Tenant(users=2600)
    asked: list[str] = []
    watch(tenant, asked.append)
    async with connected(tenant, EXPORT_RANGE_USERS="300") as edges:
        done = await run_export(edges, columns=columns, filter=text)
    check_results(done.results, "Completed")
    found = {row["objectId"] for row in rows_of(done.csv)}
    if not text.startswith("not"):
        assert found == matching(tenant)
    assert len(found) > 500
    assert done.results["counts"]["ranges"] == 1
    assert done.results["counts"]["expected"] == len(found)
    assert codes(done) == ["OneChain"]
    assert not any("createdDateTime%20" in each or "createdDateTime+" in each for each in asked)


async def test_words_in_a_text_are_not_a_filter_on_sign_ins(connected: Connect) -> None:
    tenant = Tenant(users=1500)
    asked: list[str] = []
    watch(tenant, asked.append)
    async with connected(tenant, EXPORT_RANGE_USERS="300") as edges:
        done = await run_export(edges, columns=["objectId"], filter="displayName ne 'signInActivity/x'")
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["ranges"] > 2
    assert all("$top=999" in each for each in pages(asked))


@pytest.mark.parametrize("where", ["/users?", "/users"])
@pytest.mark.parametrize("columns", [["objectId"], ["objectId", "lastSignInDateTime"]])
async def test_what_is_left_of_purged_users_is_not_in_the_file_but_in_a_warning(
    connected: Connect, columns: list[str], where: str
) -> None:
    tenant = Tenant(users=2600)
    # Whether $count counts them is in no document: with the second one it does.
    tenant.faults.add("purged_users", match=where, page=1, rate=1.0, users=7)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=columns, filter=BEFORE)
    check_results(done.results, "Completed")
    check_ids(done.csv, matching(tenant))
    assert codes(done) == ["PurgedUsers"]
    assert " 7 objects" in done.results["warnings"][0]["reason"]
    assert done.results["file"]["rows"] == done.results["counts"]["exported"] == len(matching(tenant))


async def test_purged_users_are_counted_once_over_restarts_and_further_activities(connected: Connect) -> None:
    tenant = Tenant(users=5000)
    tenant.faults.add("purged_users", match="/users?", rate=1.0, users=2)
    tenant.faults.add("expired_token", match="/users?", page=3, times=2)
    async with connected(tenant) as edges:
        hurried = replace(edges, clock=itertools.count(step=60).__next__)
        context = Context(hurried, {}, twice=0.5)
        done = await run_export(edges, columns=["objectId"], filter=BEFORE, context=context)
    check_results(done.results, "Completed")
    check_ids(done.csv, matching(tenant))
    pages = -(-len(matching(tenant)) // 500)
    assert pages > 2
    assert f" {2 * pages} objects" in done.results["warnings"][-1]["reason"]


async def test_purged_users_do_not_stand_for_users_that_are_missing(connected: Connect) -> None:
    tenant = Tenant(users=2600)
    tenant.faults.add("lose_link", match="/users?", page=1, rate=1.0)
    tenant.faults.add("purged_users", match="/users?", page=1, rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId"], filter=BEFORE)
    assert len(matching(tenant)) > 650
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "TooFewUsers"


@pytest.mark.parametrize(("shape", "text"), [("null90", ""), ("normal", "department ne 'Sales'"), ("burst", "")])
async def test_sign_ins_of_advanced_queries_are_not_lost_on_large_pages(
    connected: Connect, shape: str, text: str
) -> None:
    tenant = Tenant(users=2500, shape=shape)
    tenant.faults.add("empty_sign_ins", rate=1.0)
    async with connected(tenant, EXPORT_RANGE_USERS="400") as edges:
        done = await run_export(edges, columns=["objectId", "lastSignInDateTime"], filter=text)
    check_results(done.results, "Completed")
    users = tenant.all_users(("id", "signInActivity"))
    truth = {user["id"]: (user["signInActivity"] or {}).get("lastSignInDateTime") for user in users}
    rows = rows_of(done.csv)
    assert len(rows) > 1500
    assert {row["objectId"]: row["lastSignInDateTime"] or None for row in rows}.items() <= truth.items()


@pytest.mark.parametrize("why", [{"deny": ("signin",)}, {"premium": False}])
async def test_a_filter_on_sign_ins_without_permission_or_licence_fails_with_graphs_reason(
    connected: Connect, why: dict[str, Any]
) -> None:
    async with connected(Tenant(users=50, **why)) as edges:
        done = await run_export(edges, columns=["objectId"], filter=BEFORE)
    check_results(done.results, "Failed")
    assert (
        "AuditLog.Read.All" in done.results["errors"][0]["reason"] or "premium" in done.results["errors"][0]["reason"]
    )
