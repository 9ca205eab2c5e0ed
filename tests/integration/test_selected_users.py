"""Selected users whom Graph wants addressed in a way of its own, and names that can be nobody's."""

from typing import Any

import pytest

from local.tenant import Tenant, create_user
from local.tenant.faults import Rule
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


def mails(tenant: Tenant) -> list[str]:
    """A guest's address, that of two users, one with an apostrophe, and that of one who has another's as a name."""
    create_user(tenant, {"userPrincipalName": "ann_a.example#EXT#@contoso.example", "mail": "Ann@a.example"})
    for name in ("one", "two"):
        create_user(tenant, {"userPrincipalName": f"{name}@contoso.example", "mail": "info@a.example"})
    create_user(tenant, {"userPrincipalName": "pat@contoso.example", "mail": "pat.o'hara@a.example"})
    create_user(tenant, {"userPrincipalName": "sales@a.example", "mail": "sue@a.example"})
    create_user(tenant, {"userPrincipalName": "tom@contoso.example", "mail": "sales@a.example"})
    return ["ann@A.example", "info@a.example", "pat.o'hara@a.example", "sales@a.example", "nobody@a.example"]


@pytest.mark.parametrize("column", ["displayName", "lastSignInDateTime", "managerDisplayName"])
async def test_who_has_no_such_user_principal_name_is_found_by_mail_and_of_two_nobody_is_guessed(
    connected: Connect, column: str
) -> None:
    tenant = Tenant(users=50)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["userPrincipalName", column], users=mails(tenant))
    check_results(done.results, "CompletedWithErrors")
    found = ["ann_a.example#EXT#@contoso.example", "pat@contoso.example", "sales@a.example"]
    assert [row["userPrincipalName"] for row in rows_of(done.csv)] == found
    assert [(error["user"], error["code"]) for error in done.results["errors"]] == [
        ("info@a.example", "SeveralUsers"),
        ("nobody@a.example", "Request_ResourceNotFound"),
    ]


async def test_who_is_named_by_id_name_and_mail_in_different_ranges_is_there_once(
    connected: Connect,
) -> None:
    tenant = Tenant(users=1200)
    mails(tenant)
    ann = "ann_a.example#EXT#@contoso.example"
    users = [user["id"] for user in tenant.all_users(("id",))[:1100]]
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "userPrincipalName"], users=["ANN@a.example", *users, ann])
    check_results(done.results, "Completed")
    names = [row["userPrincipalName"] for row in rows_of(done.csv)]
    assert names.count(ann) == 1
    assert len(names) == 1101


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "ignore_filter"}, "FilterIgnored"),
        ({"kind": "status", "status": 403, "code": "Authorization_RequestDenied"}, "Authorization_RequestDenied"),
        ({"kind": "empty_page"}, None),
    ],
)
async def test_a_look_up_by_mail_that_goes_wrong_is_an_error_of_its_own_entry(
    connected: Connect, fault: dict[str, Any], code: str | None
) -> None:
    tenant = Tenant(users=50)
    mails(tenant)
    tenant.faults.add(Rule(match="mail eq 'ann@a.example'", **fault))
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId"], users=["ann@a.example", "pat.o'hara@a.example"])
    assert [error["code"] for error in done.results["errors"]] == ([code] if code else [])
    assert len(rows_of(done.csv)) == (1 if code else 2)
