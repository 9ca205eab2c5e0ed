"""What is read user by user: authentication columns, sign-ins, selected users."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from local.tenant import Tenant, update_user
from tests.integration.runner import Connect, Context, Export, Json, run_export
from tests.integration.truth import check_complete, check_results, ids_of, rows_of

AUTHENTICATION_COLUMNS = ("authenticationPhoneNumber", "authenticationAlternativePhoneNumber", "authenticationEmail")


async def test_authentication_columns_are_filled_in(connected: Connect) -> None:
    tenant = Tenant(users=300)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="documented")
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    rows = rows_of(done.csv)
    assert all(any(row[column] for row in rows) for column in AUTHENTICATION_COLUMNS)


async def test_a_user_whose_methods_cannot_be_read_is_exported_with_an_error(connected: Connect) -> None:
    tenant = Tenant(users=400, method_errors=0.1)
    async with connected(tenant, EXPORT_RANGE_USERS="150") as edges:
        done = await run_export(edges, columns="documented")
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    errors = done.results["errors"]
    assert len(errors) == done.results["counts"]["errors"] > 5
    cells = {row["objectId"]: [row[column] for column in AUTHENTICATION_COLUMNS] for row in rows_of(done.csv)}
    for error in errors:
        assert cells[error["user"]] == ["", "", ""]
        assert error["code"]
        assert error["reason"]
        assert set(error["column"].split(", ")) == set(AUTHENTICATION_COLUMNS)


async def test_a_missing_permission_is_said_once(connected: Connect) -> None:
    tenant = Tenant(users=3000, deny=("authentication",))
    async with connected(tenant, EXPORT_RANGE_USERS="500") as edges:
        done = await run_export(edges, columns="documented")
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert len(done.results["errors"]) == 1
    assert "user" not in done.results["errors"][0]
    assert done.results["counts"]["requests"] < 60


async def test_throttled_methods_are_asked_again(connected: Connect) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("throttle", match="authentication/methods", rate=0.3, retry_after=1)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="documented")
    check_results(done.results, "Completed")
    assert done.results["counts"]["retries"] > 0


async def test_sign_ins_are_read_with_smaller_pages(connected: Connect) -> None:
    tenant = Tenant(users=1200)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "lastSignInDateTime"])
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert any(row["lastSignInDateTime"] for row in rows_of(done.csv))


@pytest.mark.parametrize("why", [{"deny": ("signin",)}, {"premium": False}])
async def test_without_a_licence_the_export_goes_on_without_sign_ins_and_says_so(
    connected: Connect, why: dict[str, Any]
) -> None:
    tenant = Tenant(users=1200, **why)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "lastSignInDateTime"])
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert [error["column"] for error in done.results["errors"]] == ["lastSignInDateTime"]


async def test_selected_users_come_once_in_the_order_in_which_they_were_named(connected: Connect) -> None:
    tenant = Tenant(users=2500)
    users = tenant.all_users(("id", "userPrincipalName"))
    named = [user["userPrincipalName"] if at % 2 else user["id"] for at, user in enumerate(users)]
    # The same users again, by their other name, and some that do not exist.
    twice = [user["id"] if at % 2 else user["userPrincipalName"].upper() for at, user in enumerate(users[:50])]
    missing = ["nobody@example.com", "11111111-2222-3333-4444-555555555555"]
    async with connected(tenant) as edges:
        done = await run_export(edges, users=[*named[:1200], *missing, *twice, *named[1200:]])
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert [row["objectId"] for row in rows_of(done.csv)] == [user["id"] for user in users]
    assert [error["user"] for error in done.results["errors"]] == missing
    assert {error["code"] for error in done.results["errors"]} == {"Request_ResourceNotFound"}
    assert done.results["counts"]["ranges"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "userType eq 'Guest'",
        "accountEnabled eq true and startsWith(displayName,'a')",
        "department ne 'Sales'",
        "endsWith(userPrincipalName,'.com')",
        "companyName eq null",
        "userType eq 'Guest' or accountEnabled eq false",
        "not(startsWith(displayName,'M'))",
        "accountEnabled and assignedLicenses/any()",
        "not accountEnabled\n\tOR imAddresses/any(i:startsWith(i,'a'))",
        "startsWith(displayName,'M') ne true and assignedLicenses/$count eq 0",
        "onPremisesExtensionAttributes/extensionAttribute1 eq 'EMEA'",
        "customSecurityAttributes/Marketing/AppCountry eq 'Canada'",
        "signInActivity/lastSignInDateTime le 2026-05-31T00:00:00Z",
    ],
)
async def test_a_callers_filter_gives_just_its_users(connected: Connect, text: str) -> None:
    from local.tenant import Call, answer

    tenant = Tenant(users=600)
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges, filter=text)
    check_results(done.results, "Completed")
    wanted = filtered(tenant, text, Call, answer)
    assert sorted(row["objectId"] for row in rows_of(done.csv)) == sorted(wanted)
    assert 0 < len(wanted) < 600


def filtered(tenant: Tenant, text: str, call: Any, answer: Any) -> list[str]:
    """The tenant's own answer to the filter."""
    import json
    from urllib.parse import quote, urlsplit

    target, ids = f"/v1.0/users?$top=500&$select=id&$count=true&$filter={quote(text)}", []
    while target:
        headers = {"authorization": "Bearer truth", "consistencylevel": "eventual"}
        page = json.loads(answer(tenant, call("GET", target, headers, b"", "http://tenant")).body)
        ids += [user["id"] for user in page["value"]]
        parts = urlsplit(page.get("@odata.nextLink", ""))
        target = f"{parts.path}?{parts.query}" if parts.path else ""
    return ids


async def test_a_filter_that_graph_refuses_fails_with_graphs_reason(connected: Connect) -> None:
    tenant = Tenant(users=100)
    async with connected(tenant) as edges:
        done = await run_export(edges, filter="nonsense eq 'x'")
    check_results(done.results, "Failed")
    assert "nonsense" in done.results["errors"][0]["reason"]
    assert done.csv is None


@pytest.mark.parametrize(
    "text", ["department in ('" + "ü" * 25 + "','Größe') or userType ne 'x'", f"not(department eq '{'x' * 1100}')"]
)
async def test_a_long_filter_leaves_room_for_the_ranges(connected: Connect, text: str) -> None:
    tenant = Tenant(users=1000, shape="null90")
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges, columns="portal", filter=text)
    check_results(done.results, "Completed")
    assert {row["id"] for row in rows_of(done.csv)} == ids_of(tenant)


async def renamed_between_slices(
    connected: Connect, list_users: Callable[[list[Json]], list[str]], rename: Callable[[Tenant, list[Json]], None]
) -> Export:
    """An export of a list of 1,500 in two slices, one after the other; users are renamed between the two."""
    tenant = Tenant(users=1500)
    users = tenant.all_users(("id", "userPrincipalName"))
    waiting = [rename]

    class Renaming(Context):
        async def _call(self, name: str, task: Json) -> Any:
            result = await Context._call(self, name, task)
            if waiting and name == "export" and result.get("left", {}).get("ranges") == [1]:
                waiting.pop()(tenant, users)
            return result

    async with connected(tenant, EXPORT_PARALLEL="1") as edges:
        hurried = replace(edges, clock=itertools.count(step=60).__next__)
        done = await run_export(edges, users=list_users(users), context=Renaming(hurried, {}))
    assert waiting == []
    assert done.results["counts"]["ranges"] == 2
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    return done


async def test_one_who_is_named_twice_and_renamed_between_is_there_once(connected: Connect) -> None:
    def list_users(users: list[Json]) -> list[str]:
        named = [user["id"] for user in users]
        return [users[1400]["userPrincipalName"], *named, "nobody@example.com"]

    def rename(tenant: Tenant, users: list[Json]) -> None:
        update_user(tenant, users[1400]["id"], {"userPrincipalName": "new@example.com"})

    done = await renamed_between_slices(connected, list_users, rename)
    assert done.results["counts"]["restarts"] == 1


async def test_one_who_gets_a_name_that_was_not_found_before_is_not_lost(connected: Connect) -> None:
    def list_users(users: list[Json]) -> list[str]:
        return ["new@example.com", *(user["id"] for user in users)]

    def rename(tenant: Tenant, users: list[Json]) -> None:
        update_user(tenant, users[1400]["id"], {"userPrincipalName": "new@example.com"})

    done = await renamed_between_slices(connected, list_users, rename)
    assert [error["user"] for error in done.results["errors"]] == ["new@example.com"]
