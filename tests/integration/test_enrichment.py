"""Columns that need more than a property of the list: manager, sponsors, licences, registration, roles, attributes."""

import itertools
import json
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any

import pytest

from local.tenant import Call, Tenant, answer
from local.tenant.entitlements import LICENCES
from local.tenant.membership import GROUPS, UNITS
from tests.integration.runner import Connect, Export, run_export
from tests.integration.truth import check_complete, check_results, rows_of

PEOPLE = ["objectId", "managerId", "managerDisplayName", "managerUserPrincipalName", "managerMail"]
REGISTERED = ["objectId", "accountEnabled", "isMfaRegistered", "methodsRegistered", "defaultMfaMethod"]
PROOF = ["objectId", "authenticationPhoneNumber", "authenticationAlternativePhoneNumber", "authenticationEmail"]


def ask(tenant: Tenant, target: str, *, eventual: bool = False) -> Any:
    headers = {"authorization": "Bearer truth"} | ({"consistencylevel": "eventual"} if eventual else {})
    found = answer(tenant, Call("GET", target, headers, b"", "http://tenant"))
    return json.loads(found.body) if found.status == 200 else None


def listed(tenant: Tenant, target: str) -> list[dict[str, Any]]:
    """All pages of a list, as the tenant itself gives them."""
    found: list[dict[str, Any]] = []
    while target:
        page = ask(tenant, target)
        found += page["value"]
        target = page.get("@odata.nextLink", "").removeprefix("http://tenant")
    return found


def codes(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["code"] for entry in entries]


def asked(tenant: Tenant, word: str) -> int:
    return sum(count for name, count in tenant.stats.requests.items() if word in name)


def bosses(tenant: Tenant) -> dict[str, dict[str, Any]]:
    found = listed(
        tenant, "/v1.0/users?$top=999&$select=id&$expand=manager($select=id,displayName,userPrincipalName,mail)"
    )
    return {user["id"]: user.get("manager", {}) for user in found}


def check_bosses(done: Export, tenant: Tenant) -> None:
    truth = bosses(tenant)
    names = {"Id": "id", "DisplayName": "displayName", "UserPrincipalName": "userPrincipalName", "Mail": "mail"}
    for row in rows_of(done.csv):
        boss = truth[row["objectId"]]
        found = {name: row[f"manager{name}"] for name in names}
        assert found == {name: boss.get(own) or "" for name, own in names.items()}, row
    assert sum(bool(row["managerMail"]) for row in rows_of(done.csv)) > len(truth) / 2


@pytest.mark.parametrize("eventual", ["taken", "refused", "ignored"])
@pytest.mark.parametrize(("page", "users", "size"), [(None, 120, "40"), (100, 400, "20000"), (7, 60, "20000")])
async def test_managers_come_whatever_graph_does_with_expand(
    connected: Connect, page: int | None, users: int, size: str, eventual: str
) -> None:
    tenant = Tenant(users=users, expand_page=page, expand_eventual=eventual)
    async with connected(tenant, EXPORT_RANGE_USERS=size) as edges:
        done = await run_export(edges, columns=PEOPLE, excel=False)
    check_results(done.results, "Completed")
    # With small pages ranges are small anyway.
    assert done.results["counts"]["ranges"] > 3
    check_complete(done.csv, tenant)
    check_bosses(done, tenant)


async def test_managers_and_sponsors_together_and_of_selected_users(connected: Connect) -> None:
    tenant = Tenant(users=300, expand_page=100)
    columns = [*PEOPLE, "sponsorIds", "sponsorDisplayNames"]
    users = [user["userPrincipalName"] for user in tenant.all_users(("userPrincipalName",))]
    truth = {
        user["id"]: sorted(each["id"] for each in user["sponsors"])
        for user in listed(tenant, "/v1.0/users?$top=999&$select=id&$expand=sponsors($select=id,displayName)")
    }
    assert any(truth.values())
    async with connected(tenant) as edges:
        for named in (None, users):
            done = await run_export(edges, columns=columns, excel=False, users=named)
            check_results(done.results, "Completed")
            check_complete(done.csv, tenant)
            check_bosses(done, tenant)
            for row in rows_of(done.csv):
                assert [each for each in row["sponsorIds"].split("; ") if each] == truth[row["objectId"]]


async def test_a_relation_that_can_not_be_read_is_an_error_of_these_users_and_loses_nobody(connected: Connect) -> None:
    tenant = Tenant(users=60)
    tenant.faults.add("status", status=403, match="expand=sponsors", rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "managerId", "sponsorIds"])
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert {error["column"] for error in done.results["errors"]} == {"sponsorIds"}
    assert len(done.results["errors"]) == 60


LICENSES = ["objectId", "licenses", "licenseSkuPartNumbers", "licensesDirect", "licensesFromGroups", "licenseErrors"]


async def test_licenses_have_names_and_say_how_they_were_assigned(connected: Connect) -> None:
    tenant = Tenant(users=300)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=LICENSES, excel=False)
    check_results(done.results, "Completed")
    parts = {sku["skuId"]: sku["skuPartNumber"] for sku in LICENCES["skus"]}
    rows = {row["objectId"]: row for row in rows_of(done.csv)}
    for user in tenant.all_users(("id", "assignedLicenses", "licenseAssignmentStates")):
        row = rows[user["id"]]
        own = sorted(parts[each["skuId"]] for each in user["assignedLicenses"])
        assert [each for each in row["licenseSkuPartNumbers"].split("; ") if each] == own
        states = user["licenseAssignmentStates"]
        direct = [each for each in states if each["assignedByGroup"] is None]
        assert len([each for each in row["licensesDirect"].split("; ") if each]) == len(
            {each["skuId"] for each in direct}
        )
        assert bool(row["licenseErrors"]) == any(each["error"] != "None" for each in states)
    assert any("Microsoft 365 E3" in row["licenses"] for row in rows.values())
    assert asked(tenant, "subscribedSkus") == 1


async def test_without_the_permission_products_have_the_names_that_the_app_knows_and_it_is_said_once(
    connected: Connect,
) -> None:
    tenant = Tenant(users=300, permissions=frozenset(("User.Read.All",)))
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=LICENSES)
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert len(done.results["errors"]) == 1
    assert "LicenseAssignment.Read.All" in done.results["errors"][0]["reason"]
    assert any("Microsoft 365 E3" in row["licenses"] for row in rows_of(done.csv))


async def test_names_of_products_can_come_from_microsofts_csv(connected: Connect) -> None:
    from shared.storage import blobs

    tenant = Tenant(users=100)
    sku = LICENCES["skus"][0]
    text = (
        f"\ufeffProduct_Display_Name,String_Id,GUID,Service_Plan_Name\nOurs,{sku['skuPartNumber']},{sku['skuId']},X\n"
    )
    async with connected(tenant, EXPORT_LICENSE_NAMES="names.csv") as edges:
        missing = await run_export(edges, columns=LICENSES)
        await blobs.write(edges.storage, "names.csv", text.encode())
        done = await run_export(edges, columns=LICENSES)
    assert codes(missing.results["warnings"]) == ["LicenseNamesUnreadable"]
    check_results(done.results, "Completed")
    found = {each for row in rows_of(done.csv) for each in row["licenses"].split("; ")} - {""}
    assert {"Ours", "SPE_E5"} <= found
    assert not any(name.startswith("Microsoft") for name in found)


async def test_registration_comes_from_the_report_and_unknown_users_are_empty_and_counted(connected: Connect) -> None:
    tenant = Tenant(users=2500)
    async with connected(tenant, EXPORT_RANGE_USERS="700") as edges:
        done = await run_export(edges, columns=REGISTERED)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    report = {
        row["id"]: row for row in listed(tenant, "/v1.0/reports/authenticationMethods/userRegistrationDetails?$top=999")
    }
    unknown = 0
    for row in rows_of(done.csv):
        found = report.get(row["objectId"])
        if found is None:
            unknown += 1
            assert (row["accountEnabled"], *list(row.values())[2:]) == ("False", "", "", "")
        else:
            assert row["isMfaRegistered"] == str(found["isMfaRegistered"])
            assert row["methodsRegistered"] == "; ".join(sorted(found["methodsRegistered"]))
            preferred = found["systemPreferredAuthenticationMethods"]
            assert row["defaultMfaMethod"] == (preferred[0] if preferred else "")  # all others have none
    assert unknown > 100
    assert codes(done.results["warnings"]) == ["RegistrationUnknown"]
    assert f" {unknown} " in done.results["warnings"][0]["reason"]


@pytest.mark.parametrize("why", [{"permissions": frozenset(("User.Read.All",))}, {"premium": False}])
async def test_a_report_that_can_not_be_read_is_one_error(connected: Connect, why: dict[str, Any]) -> None:
    tenant = Tenant(users=100, **why)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=REGISTERED)
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    [error] = done.results["errors"]
    assert error["column"] == "isMfaRegistered, methodsRegistered, defaultMfaMethod"
    assert ("P1" if "premium" in why else "AuditLog.Read.All") in error["reason"]
    assert {row["isMfaRegistered"] for row in rows_of(done.csv)} == {""}


async def test_a_report_that_fails_on_the_way_costs_its_cells_and_no_user(connected: Connect) -> None:
    tenant = Tenant(users=2500)
    tenant.faults.add("status", status=403, match="userRegistrationDetails", page=2, rate=1.0)
    tenant.faults.add("status", status=403, match="skiptoken=u", rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=REGISTERED)
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    assert len(done.results["errors"]) == 1


async def test_a_report_that_takes_long_is_read_in_segments(connected: Connect) -> None:
    tenant = Tenant(users=2500)
    async with connected(tenant) as edges:
        whole = await run_export(edges, columns=REGISTERED)
        hurried = replace(edges, clock=itertools.count(step=130).__next__)
        done = await run_export(hurried, columns=REGISTERED)
    check_results(done.results, "Completed")
    assert sum(name == "report" for name, _, _ in done.context.calls) == 3
    key = itemgetter("objectId")
    assert sorted(rows_of(done.csv), key=key) == sorted(rows_of(whole.csv), key=key)


async def test_methods_are_asked_for_only_of_those_who_have_any_by_the_report(connected: Connect) -> None:
    tenant = Tenant(users=600)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=PROOF)
    asked_some = asked(tenant, "methods")
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert codes(done.results["warnings"]) == ["MethodsByReport"]
    everyone = Tenant(users=600)
    async with connected(everyone, EXPORT_AUTHENTICATION_ASK="all") as edges:
        whole = await run_export(edges, columns=PROOF)
    assert asked(everyone, "registration") == 0
    assert rows_of(whole.csv) == rows_of(done.csv)
    assert asked_some < asked(everyone, "methods")


async def test_roles_have_names_also_by_way_of_a_group_and_over_a_unit(connected: Connect) -> None:
    tenant = Tenant(users=50)
    users = [user["id"] for user in listed(tenant, "/v1.0/users?$top=999&$select=id")]
    held = listed(tenant, "/v1.0/roleManagement/directory/roleAssignments?$expand=roleDefinition")
    group = next(iter(GROUPS))
    path = f"/v1.0/groups/{group}/transitiveMembers/microsoft.graph.user?$count=true&$top=999"
    members = {each["id"] for each in ask(tenant, path, eventual=True)["value"]}
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "directoryRoles"])
    check_results(done.results, "Completed")
    rows = {row["objectId"]: row["directoryRoles"] for row in rows_of(done.csv)}
    for user in users:
        wanted = set()
        for each in held:
            if each["principalId"] == user or (each["principalId"] == group and user in members):
                name = each["roleDefinition"]["displayName"]
                wanted.add(name if each["directoryScopeId"] == "/" else f"{name} (Every fourth one)")
        assert rows[user] == "; ".join(sorted(wanted))
    assert any("(" in cell for cell in rows.values())
    assert len([cell for cell in rows.values() if "SharePoint" in cell]) == len(members) > 4
    assert next(iter(UNITS))


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ((), "RoleManagement.Read.Directory"),
        (("RoleManagement.Read.Directory", "AdministrativeUnit.Read.All"), "GroupMember.Read.All"),
        (("RoleManagement.Read.Directory", "GroupMember.Read.All"), "AdministrativeUnit.Read.All"),
    ],
)
async def test_what_is_missing_for_roles_is_said_once_by_name(
    connected: Connect, granted: tuple[str, ...], missing: str
) -> None:
    tenant = Tenant(users=50, permissions=frozenset(("User.Read.All", *granted)))
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "directoryRoles"])
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    [error] = done.results["errors"]
    assert error["column"] == "directoryRoles"
    assert missing in error["reason"]
    assert any(row["directoryRoles"] for row in rows_of(done.csv)) == bool(granted)


async def test_days_since_the_last_sign_in_are_whole_days_until_the_export(connected: Connect) -> None:
    tenant = Tenant(users=100)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "lastSuccessfulSignInDateTime", "daysSinceLastSignIn"])
    rows = rows_of(done.csv)
    now = datetime.fromisoformat(done.results["createdDateTime"])
    for row in rows:
        then = row["lastSuccessfulSignInDateTime"]
        days = max((now - datetime.fromisoformat(then)).days, 0) if then else ""
        assert row["daysSinceLastSignIn"] == str(days)
    assert any(row["daysSinceLastSignIn"] for row in rows)


async def test_names_that_only_the_tenant_knows_are_columns_and_an_unknown_one_is_said_by_name(
    connected: Connect,
) -> None:
    from local.tenant.metadata import EXTENSIONS

    tenant = Tenant(users=300)
    unknown = f"extension_{'0a' * 16}_nope"
    security = ["customSecurityAttributes.Engineering.Project", "customSecurityAttributes.Engineering"]
    async with connected(tenant, EXPORT_RANGE_USERS="150") as edges:
        done = await run_export(edges, columns=["objectId", *EXTENSIONS, unknown, *security], excel=False)
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    [error] = done.results["errors"]
    assert (error["code"], error["column"]) == ("PropertyMissing", unknown)
    rows = {row["objectId"]: row for row in rows_of(done.csv)}
    for user in tenant.all_users(("id", *EXTENSIONS, "customSecurityAttributes")):
        row = rows[user["id"]]
        for name in EXTENSIONS:
            assert row[name] == ("" if user[name] is None else str(user[name]))
        engineering = (user["customSecurityAttributes"] or {}).get("Engineering", {})
        assert row[security[0]] == "; ".join(sorted(engineering.get("Project", [])))
        assert bool(row[security[1]]) == bool(engineering)
    assert all(any(row[name] for row in rows.values()) for name in (*EXTENSIONS, *security))


async def test_names_that_only_the_tenant_knows_are_taken_in_any_case(connected: Connect) -> None:
    from local.tenant.metadata import EXTENSIONS

    tenant = Tenant(users=300)
    names = [*EXTENSIONS, "customSecurityAttributes.Engineering.Project"]
    _, app, *_ = names[0].split("_")
    strange = [f"extension_{app.upper()}_{name.split('_')[2].upper()}" for name in EXTENSIONS]
    strange.append("customSecurityAttributes.ENGINEERING.project")
    async with connected(tenant, EXPORT_RANGE_USERS="150") as edges:
        plain = await run_export(edges, columns=["objectId", *names])
        other = await run_export(edges, columns=["objectId", *strange])
        some = [user["id"] for user in tenant.all_users(("id",))[:50]]
        selected = await run_export(edges, columns=["objectId", *strange], users=some)
    rows = {row["objectId"]: [row[name] for name in names] for row in rows_of(plain.csv)}
    assert {row["objectId"]: [row[name] for name in strange] for row in rows_of(other.csv)} == rows
    assert {row["objectId"]: [row[name] for name in strange] for row in rows_of(selected.csv)} == {
        each: rows[each] for each in some
    }
    assert all(any(cells) for cells in zip(*rows.values(), strict=True))


async def test_security_attributes_of_which_graph_is_silent_are_a_warning_with_the_permission(
    connected: Connect,
) -> None:
    tenant = Tenant(users=100, permissions=frozenset(("User.Read.All",)))
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "customSecurityAttributes.Engineering.Project"])
    check_results(done.results, "Completed")
    [warning] = done.results["warnings"]
    assert "CustomSecAttributeAssignment.Read.All" in warning["reason"]


async def test_columns_that_are_not_asked_for_cost_no_request(connected: Connect) -> None:
    tenant = Tenant(users=100)
    async with connected(tenant) as edges:
        await run_export(edges, columns="profile")
    assert not any(asked(tenant, word) for word in ("registration", "subscribedSkus", "role", "methods", "unit"))
