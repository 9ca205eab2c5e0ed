"""Whole exports against a simulated tenant and the real Azurite."""

from typing import Any

import pytest

from local.tenant import Tenant
from tests.integration.runner import Connect, Context, run_export
from tests.integration.truth import check_complete, check_results, rows_of


def parts(context: Context) -> Any:
    """What the executions staged whose results counted."""
    return [part for name, _, result in context.calls if name == "export" for part in result["parts"]]


@pytest.mark.parametrize("shape", ["normal", "burst", "oneday", "null90"])
async def test_each_user_is_there_once_whatever_the_tenants_shape(connected: Connect, shape: str) -> None:
    tenant = Tenant(users=2000, shape=shape)
    async with connected(tenant, EXPORT_RANGE_USERS="250") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["ranges"] > 5
    by_name = ["RangesByName"] if shape in {"burst", "null90"} else []
    assert [warning["code"] for warning in done.results["warnings"]] == by_name
    assert max(part[5] for part in parts(done.context)) <= 500


@pytest.mark.parametrize("users", [0, 1, 3, 999, 1000])
async def test_a_small_tenant_is_one_range(connected: Connect, users: int) -> None:
    tenant = Tenant(users=users)
    async with connected(tenant) as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["ranges"] == 1


async def test_a_tenant_without_counts_is_one_chain_and_the_results_say_so(connected: Connect) -> None:
    tenant = Tenant(users=2500, shape="b2c")
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert [warning["code"] for warning in done.results["warnings"]] == ["OneChain", "CompletenessUnchecked"]
    assert done.results["counts"]["expected"] is None


async def test_hidden_fractions_of_a_second_lose_nobody(connected: Connect) -> None:
    tenant = Tenant(users=1500, shape="burst", fractions=True)
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)


async def test_cells_are_what_the_tenant_has(connected: Connect) -> None:
    tenant = Tenant(users=500)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="portal", excel=False)
    truth = {user["id"]: user for user in tenant.all_users()}
    for row in rows_of(done.csv):
        user = truth[row["id"]]
        assert row["displayName"] == (user["displayName"] or "")
        assert row["streetAddress"] == (user["streetAddress"] or "")
        assert row["accountEnabled"] == str(user["accountEnabled"])
        assert row["telephoneNumber"] == next(iter(user["businessPhones"]), "")
        assert row["alternateEmailAddress"] == "; ".join(sorted(user["otherMails"]))
        assert row["directorySynced"] == ("" if (synced := user["onPremisesSyncEnabled"]) is None else str(synced))
        assert row["createdDateTime"] == (user["createdDateTime"] or "")


async def test_the_same_activity_twice_at_once_leaves_no_row_twice(connected: Connect) -> None:
    tenant = Tenant(users=1000)
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges, context=Context(edges, {}, twice=0.5))
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.context.zombies
    # What the zombies have staged lies under other names, whatever was in it.
    results = [zombie.result() for zombie in done.context.zombies if not zombie.exception()]
    executions = [tuple(part[:3]) for result in results for part in result.get("parts", [])]
    executions += [tuple(part[:3]) for part in parts(done.context)]
    assert len(executions) == len(set(executions)) > done.results["counts"]["ranges"]
