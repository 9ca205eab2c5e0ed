"""Selected users whom Graph wants addressed in a way of its own, and names that can be nobody's."""

import pytest

from local.tenant import Tenant, create_user
from tests.integration.runner import Connect, run_export
from tests.integration.truth import check_results, rows_of

STRANGE = [
    "a/b@contoso.example",
    "a?b@contoso.example",
    "a%b@contoso.example",
    "a\\b@contoso.example",
    "a\nb@contoso.example",
    "..",
    "../groups",
    "delta",
    "me",
    "$count",
    "$nobody@contoso.example",
    "it's",
    "two words@contoso.example",
    "jürgen@contoso.example",
    "x" * 5000,
]
REAL = ["$abc@contoso.example", "$o'brien@contoso.example", "ann#EXT#@contoso.example", "o'hara@contoso.example"]


async def test_sign_ins_of_users_named_by_user_principal_name_are_read(connected: Connect) -> None:
    tenant = Tenant(users=300)
    users = [user for user in tenant.all_users() if user["signInActivity"]][:90]
    named = [user["userPrincipalName"] if at % 3 else user["id"] for at, user in enumerate(users)]
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["userPrincipalName", "lastSignInDateTime"], users=named)
    check_results(done.results, "Completed")
    wanted = [(user["userPrincipalName"], user["signInActivity"]["lastSignInDateTime"]) for user in users]
    assert [(row["userPrincipalName"], row["lastSignInDateTime"]) for row in rows_of(done.csv)] == wanted


async def test_with_sign_ins_who_is_not_found_is_an_error_and_who_is_named_twice_is_there_once(
    connected: Connect,
) -> None:
    tenant = Tenant(users=50)
    users = tenant.all_users()
    named = [users[3]["userPrincipalName"], "nobody@contoso.example", users[3]["id"], users[4]["userPrincipalName"]]
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "lastSignInDateTime"], users=named)
    check_results(done.results, "CompletedWithErrors")
    assert [row["objectId"] for row in rows_of(done.csv)] == [users[3]["id"], users[4]["id"]]
    assert [(error["user"], error["code"]) for error in done.results["errors"]] == [
        ("nobody@contoso.example", "Request_ResourceNotFound")
    ]


@pytest.mark.parametrize("column", ["displayName", "lastSignInDateTime"])
async def test_a_strange_name_is_an_error_of_its_own_and_the_others_are_exported(
    connected: Connect, column: str
) -> None:
    tenant = Tenant(users=50)
    ids = [create_user(tenant, {"userPrincipalName": name})["id"] for name in REAL]
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", column], users=[*REAL[:2], *STRANGE, *REAL[2:]])
    check_results(done.results, "CompletedWithErrors")
    assert [row["objectId"] for row in rows_of(done.csv)] == ids
    assert [error["user"] for error in done.results["errors"]] == [name[:400] for name in STRANGE]
    codes = {error["user"]: error["code"] for error in done.results["errors"]}
    assert codes["a/b@contoso.example"] == codes["x" * 400] == "InvalidUser"
    assert codes["delta"] == codes["$nobody@contoso.example"] == "Request_ResourceNotFound"
