"""National clouds whose users lack properties: in USNat and USSec createdDateTime, by which a tenant is split."""

import random
from typing import Any

import pytest

from local.tenant import Tenant, update_user
from tests.integration.runner import Connect, Export, before_pages, run_export, watch
from tests.integration.truth import check_complete, check_ids, check_results, rows_of


def codes(done: Export) -> list[str]:
    return [warning["code"] for warning in done.results["warnings"]]


@pytest.mark.parametrize("cloud", ["USNat", "USSec"])
async def test_without_created_date_time_a_tenant_is_split_by_name(connected: Connect, cloud: str) -> None:
    tenant = Tenant(users=3000, cloud=cloud)
    async with connected(tenant, EXPORT_RANGE_USERS="250") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["ranges"] > 10
    assert done.results["counts"]["expected"] == 3000
    assert codes(done) == ["RangesByName"]


@pytest.mark.parametrize("users", [0, 1, 500])
async def test_a_small_tenant_is_one_range_there_too(connected: Connect, users: int) -> None:
    tenant = Tenant(users=users, cloud="USSec")
    async with connected(tenant) as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert (done.results["counts"]["ranges"], codes(done)) == (1, [])


async def test_columns_that_a_cloud_lacks_are_empty_and_said_once_each(connected: Connect) -> None:
    tenant = Tenant(users=1200, cloud="USNat")
    columns = ["objectId", "createdDateTime", "employeeType", "employeeHireDate", "displayName", "lastSignInDateTime"]
    async with connected(tenant, EXPORT_RANGE_USERS="300") as edges:
        done = await run_export(edges, columns=columns)
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert {(error["code"], error["column"]) for error in done.results["errors"]} == {
        ("PropertyMissing", "createdDateTime"),
        ("PropertyMissing", "employeeType"),
        ("PropertyMissing", "employeeHireDate"),
    }
    rows = rows_of(done.csv)
    assert {row["createdDateTime"] + row["employeeType"] for row in rows} == {""}
    assert any(row["lastSignInDateTime"] for row in rows)


async def test_a_cloud_without_sign_ins_exports_the_rest(connected: Connect) -> None:
    tenant = Tenant(users=1200, cloud="GovSG")
    async with connected(tenant, EXPORT_RANGE_USERS="300") as edges:
        done = await run_export(edges, columns=["objectId", "lastSignInDateTime", "lastSuccessfulSignInDateTime"])
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert [error["column"] for error in done.results["errors"]] == ["lastSignInDateTime, lastSuccessfulSignInDateTime"]
    assert codes(done) == []


@pytest.mark.parametrize("cloud", ["Bleu", "Delos", "GovSG"])
async def test_a_cloud_without_authentication_methods_says_so_once_and_not_for_each_user(
    connected: Connect, cloud: str
) -> None:
    tenant = Tenant(users=300, cloud=cloud)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="documented")
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert len(done.results["errors"]) == 1
    assert "authenticationEmail" in done.results["errors"][0]["column"]


async def test_selected_users_are_read_there_too(connected: Connect) -> None:
    tenant = Tenant(users=100, cloud="USNat")
    named = [user["userPrincipalName"] for user in tenant.all_users(("userPrincipalName",))]
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "lastSignInDateTime"], users=named)
        everything = await run_export(edges, columns="portal", users=named, excel=False)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    check_results(everything.results, "CompletedWithErrors")
    assert [row["userPrincipalName"] for row in rows_of(everything.csv)] == named
    assert [error["code"] for error in everything.results["errors"]] == ["PropertyMissing"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("userType eq 'Member'", lambda user: user["userType"] == "Member"),
        ("department ne 'Sales'", lambda user: user["department"] != "Sales"),
        ("startsWith(displayName,'a')", lambda user: user["displayName"].lower().startswith("a")),
    ],
)
async def test_a_callers_filter_is_split_by_name_there(connected: Connect, text: str, meant: Any) -> None:
    tenant = Tenant(users=1200, cloud="USNat")
    async with connected(tenant, EXPORT_RANGE_USERS="80") as edges:
        done = await run_export(edges, filter=text)
    check_results(done.results, "Completed")
    wanted = {user["id"] for user in tenant.all_users(("id", "userType", "department", "displayName")) if meant(user)}
    check_ids(done.csv, wanted)
    assert 80 < len(wanted) < 1200
    assert codes(done) == ["RangesByName"]


async def test_a_filter_on_what_the_cloud_lacks_fails_with_graphs_reason(connected: Connect) -> None:
    async with connected(Tenant(users=100, cloud="USNat")) as edges:
        done = await run_export(edges, filter="createdDateTime ge 2020-01-01T00:00:00Z")
    check_results(done.results, "Failed")
    assert "createdDateTime" in done.results["errors"][0]["reason"]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_users_renamed_meanwhile_are_found_and_read_again(connected: Connect, seed: int) -> None:
    tenant = Tenant(users=1500, cloud="USNat", seed=seed)
    chance = random.Random(seed)
    changes = iter(chance.sample(tenant.all_users(("id", "userPrincipalName")), 25))

    def change() -> None:
        if user := next(changes, None):
            beginning = chance.choice(["aaa", "zzz", "mmm"])
            update_user(tenant, user["id"], {"userPrincipalName": f"{beginning}.{user['userPrincipalName']}"})

    watch(tenant, before_pages(change))
    async with connected(tenant, EXPORT_RANGE_USERS="75", EXPORT_PARALLEL="3") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["restarts"] > 0


async def test_where_graph_takes_no_filters_by_name_it_is_one_chain(connected: Connect) -> None:
    tenant = Tenant(users=2500, cloud="USNat")
    tenant.faults.add("status", status=400, match="startsWith", rate=1.0)
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert codes(done) == ["OneChain"]


async def test_where_graph_does_not_count_there_it_is_one_unchecked_chain(connected: Connect) -> None:
    tenant = Tenant(users=2500, cloud="USNat", shape="b2c")
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert codes(done) == ["OneChain", "CompletenessUnchecked"]
