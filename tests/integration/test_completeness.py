"""What is said where no count of Graph's tells whether all users came."""

from typing import Any

import pytest

from local.tenant import Tenant
from tests.integration.runner import PAGES_OF_RANGES, Connect, Export, run_export
from tests.integration.truth import check_results

REFUSED = {"kind": "status", "status": 400, "match": "/users/$count", "rate": 1.0}


def unchecked(done: Export) -> Any:
    return [each["reason"] for each in done.results["warnings"] if each["code"] == "CompletenessUnchecked"]


@pytest.mark.parametrize(
    ("settings", "faults", "request_"),
    [
        ({"shape": "b2c"}, [], {}),
        ({}, [REFUSED], {}),
        ({}, [{**REFUSED, "status": 404}], {}),
        ({}, [REFUSED], {"filter": "accountEnabled in (true,false)"}),
        ({}, [REFUSED], {"filter": "department ne 'x'"}),
        ({"cloud": "USNat"}, [REFUSED], {}),
        # Too long for the URL of a count, which is an advanced query.
        ({}, [], {"filter": f"accountEnabled in (true,false) or department eq '{'ü' * 600}'"}),
    ],
)
async def test_a_chain_that_ends_too_early_is_not_called_complete_where_nothing_can_check_it(
    connected: Connect, settings: dict[str, Any], faults: list[dict[str, Any]], request_: dict[str, Any]
) -> None:
    tenant = Tenant(users=2000, **settings)
    for fault in faults:
        tenant.faults.add(**fault)
    tenant.faults.add("lose_link", match="/users?$top=999", page=1, rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, **request_)
    check_results(done.results, "Completed")
    assert done.results["counts"]["expected"] is None
    assert unchecked(done) == ["999 users came. Graph gives no count here, so this number could not be checked."]
    assert not any("complete" in each["reason"] for each in done.results["warnings"])


@pytest.mark.parametrize(("users", "said"), [(0, "0 users came"), (1, "1 user came"), (2, "2 users came")])
async def test_it_is_said_of_any_number_of_users(connected: Connect, users: int, said: str) -> None:
    async with connected(Tenant(users=users, shape="b2c")) as edges:
        done = await run_export(edges)
    assert unchecked(done) == [f"{said}. Graph gives no count here, so this number could not be checked."]


async def test_where_graph_counts_a_chain_that_ends_too_early_fails(connected: Connect) -> None:
    # Two ranges of two pages each.
    tenant = Tenant(users=3500)
    tenant.faults.add("lose_link", match=PAGES_OF_RANGES, page=1, rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges)
    assert tenant.faults.applied["lose_link"] > 1
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "TooFewUsers"


async def test_selected_users_each_have_an_answer_and_need_no_count(connected: Connect) -> None:
    tenant = Tenant(users=20, shape="b2c")
    async with connected(tenant) as edges:
        done = await run_export(edges, users=[user["id"] for user in tenant.all_users(("id",))])
    check_results(done.results, "Completed")
    assert done.results["warnings"] == []
