"""Odd values cost nobody the export: the users are there with what could be read, counted in a warning."""

import random
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from local.tenant import Tenant
from tests.integration.runner import PAGES_OF_RANGES, Connect, Context, Export, run_export
from tests.integration.truth import check_complete, check_results, rows_of

HALF = "Ann \ud83d"


def warned(done: Export) -> str:
    reason: str
    [reason] = [each["reason"] for each in done.results["warnings"] if each["code"] == "OddValues"]
    return reason


@pytest.mark.parametrize(
    ("value", "cell"),
    [(HALF, "Ann \ufffd"), (7, "7"), ({"a": [HALF]}, '{"a":["Ann \ufffd"]}'), (True, "true")],
    ids=["half a character", "number", "object", "boolean"],
)
async def test_what_can_be_read_of_a_text_is_in_its_cell(connected: Connect, value: Any, cell: str) -> None:
    tenant = Tenant(users=1500)
    tenant.faults.add("odd_value", match=PAGES_OF_RANGES, property="displayName", value=value, users=2, times=9)
    async with connected(tenant) as edges:
        done = await run_export(edges, excel=False)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert [row["displayName"] for row in rows_of(done.csv)].count(cell) == 4
    assert "displayName of 4 users" in warned(done)
    assert done.results["counts"]["retries"] == 0


@pytest.mark.parametrize(
    ("column", "source", "value", "cell"),
    [
        ("businessPhones", "businessPhones", [None, "+1", None, 5], "+1; 5"),
        ("telephoneNumber", "businessPhones", [None], ""),
        ("proxyAddresses", "proxyAddresses", "smtp:ann@example.com", "smtp:ann@example.com"),
        ("accountEnabled", "accountEnabled", "True", "True"),
        ("accountEnabled", "accountEnabled", {}, ""),
        ("identityIssuer", "identities", [None, {"issuer": HALF}], "Ann \ufffd"),
    ],
)
async def test_what_can_be_read_of_another_type_is_in_its_cell(
    connected: Connect, column: str, source: str, value: Any, cell: str
) -> None:
    tenant = Tenant(users=50)
    tenant.faults.add("odd_value", match=PAGES_OF_RANGES, property=source, value=value, users=1)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", column], excel=False)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert cell in {row[column] for row in rows_of(done.csv)}
    assert f"{source} of 1 user." in warned(done)


async def test_selected_users_and_authentication_methods_are_read_as_far_as_they_can_be(connected: Connect) -> None:
    tenant = Tenant(users=30)
    tenant.faults.add("odd_value", match="$select=", property="displayName", value=HALF, rate=1.0)
    tenant.faults.add("odd_value", match="/authentication/methods", property="phoneNumber", value=49, rate=1.0)
    ids = [user["id"] for user in tenant.all_users(("id",))]
    columns = ["objectId", "displayName", "authenticationPhoneNumber"]
    async with connected(tenant) as edges:
        done = await run_export(edges, users=ids, columns=columns, excel=False)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    rows = rows_of(done.csv)
    phones = sum(row["authenticationPhoneNumber"] == "49" for row in rows)
    assert phones > 0
    assert {row["displayName"] for row in rows} == {"Ann \ufffd"}
    assert "displayName of 30 users" in warned(done)
    assert "authentication/methods of" in warned(done)


async def test_a_property_that_is_in_no_column_is_not_named(connected: Connect) -> None:
    tenant = Tenant(users=50)
    tenant.faults.add("odd_value", match=PAGES_OF_RANGES, property="userPrincipalName", value=HALF)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId"])
    check_results(done.results, "Completed")
    assert "OddValues" not in {each["code"] for each in done.results["warnings"]}


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_count_is_that_of_the_file_whatever_was_read_twice(connected: Connect, seed: int) -> None:
    """Pages, segments, ranges begun again, activities delivered twice, users sent twice."""
    tenant = Tenant(users=3000, seed=seed)
    tenant.faults.add("odd_value", match=PAGES_OF_RANGES, property="city", value=HALF, users=3, rate=1.0)
    tenant.faults.add("odd_value", match="$skiptoken", property="city", value=HALF, users=3, rate=1.0)
    tenant.faults.add("expired_token", page=2, times=2)
    tenant.faults.add("duplicate_user", rate=0.3)
    tenant.faults.add("status", rate=0.1)
    async with connected(tenant, EXPORT_RANGE_USERS="1500", EXPORT_PARALLEL="2") as edges:
        # The clock jumps: each activity ends after a page, and another goes on.
        jumping = replace(edges, clock=count(0, 61).__next__)
        context = Context(jumping, {}, twice=0.3, chance=random.Random(seed))
        done = await run_export(jumping, context=context, columns=["objectId", "city"], excel=False)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    odd = sum(row["city"] == "Ann \ufffd" for row in rows_of(done.csv))
    assert odd > 6
    assert done.results["counts"]["restarts"] > 0
    assert f"city of {odd} users" in warned(done)


async def test_a_body_that_is_cut_off_is_asked_for_again_also_when_it_is_odd(connected: Connect) -> None:
    tenant = Tenant(users=900)
    tenant.faults.add("odd_value", match=PAGES_OF_RANGES, property="city", value=HALF, rate=1.0)
    tenant.faults.add("truncate", match=PAGES_OF_RANGES, times=2)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "city"])
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["retries"] == 2


async def test_who_a_user_is_is_never_guessed(connected: Connect) -> None:
    tenant = Tenant(users=900)
    tenant.faults.add("odd_value", match=PAGES_OF_RANGES, property="id", value=HALF, rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges)
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "UnreadableAnswer"
    assert done.csv is None
