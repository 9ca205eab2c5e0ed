"""Managers, sponsors, groups, administrative units, deleted users, licences, roles and the registration report."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.tenant import GROUPS, Tenant, delete_user
from local.tenant.membership import SEVENTH, STAFF, UNITS
from tests.local.graph import EVENTUAL, ask, error, ids, pages, users

MANAGER = "manager($select=id,displayName)"
REPORT = "/v1.0/reports/authenticationMethods/userRegistrationDetails"


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant(users=1200, seed=6)


def listed(tenant: Tenant, target: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [user for page in pages(tenant, target, headers) for user in page["value"]]


def test_managers_form_a_tree(tenant: Tenant) -> None:
    found = listed(tenant, f"/v1.0/users?$top=999&$select=id&$expand={MANAGER}")
    boss = {user["id"]: user["manager"]["id"] for user in found if "manager" in user}
    kinds = {user["manager"]["@odata.type"] for user in found if "manager" in user}
    assert len(found) == 1200
    assert 900 < len(boss) < 1200
    assert kinds == {"#microsoft.graph.user", "#microsoft.graph.orgContact"}
    for one in list(boss):
        line = [one]
        while line[-1] in boss:
            assert boss[line[-1]] not in line
            line.append(boss[line[-1]])
    contacts = [user["manager"] for user in found if "orgContact" in user.get("manager", {}).get("@odata.type", "")]
    assert all(set(contact) == {"@odata.type", "id"} for contact in contacts)


def test_a_manager_is_found_from_either_side(tenant: Tenant) -> None:
    found = listed(tenant, f"/v1.0/users?$top=999&$select=id&$expand={MANAGER}")
    user = next(user for user in found if "user" in user.get("manager", {}).get("@odata.type", ""))
    boss = user["manager"]["id"]
    assert ask(tenant, f"/v1.0/users/{user['id']}/manager?$select=id")[1]["id"] == boss
    assert user["id"] in ids(tenant, f"/v1.0/users/{boss}/directReports?$select=id")
    assert ask(tenant, f"/v1.0/users/{user['id']}?$select=id&$expand={MANAGER}")[1]["manager"]["id"] == boss
    without = next(user["id"] for user in found if "manager" not in user)
    assert error(ask(tenant, f"/v1.0/users/{without}/manager")) == (404, "Request_ResourceNotFound")


def test_a_deleted_manager_is_nobodys_manager() -> None:
    tenant = Tenant(users=50)
    delete_user(tenant, tenant.all_users()[0]["id"])
    found = listed(tenant, f"/v1.0/users?$top=5&$select=id&$expand={MANAGER}")
    left = {user["id"] for user in found}
    assert len(left) == 49
    assert {user["manager"]["id"] for user in found if "user" in str(user.get("manager"))} <= left


def test_guests_have_up_to_five_sponsors_users_or_groups(tenant: Tenant) -> None:
    found = listed(tenant, "/v1.0/users?$top=999&$select=id,userType&$expand=sponsors($select=id,displayName)")
    assert all(user["sponsors"] == [] for user in found if user["userType"] != "Guest")
    assert max(len(user["sponsors"]) for user in found) in range(2, 6)
    kinds = {sponsor["@odata.type"] for user in found for sponsor in user["sponsors"]}
    assert kinds == {"#microsoft.graph.user", "#microsoft.graph.group"}
    assert "sponsors" not in users(tenant, select="id,sponsors")[1]["value"][0], "selected, a relation gives nothing"


@pytest.mark.parametrize(
    "expand",
    [
        "manager,sponsors",
        "manager($select=id),sponsors($select=id)",
        "manager($levels=max)",
        "manager($select=shoeSize)",
        "boss",
        "memberOf",
    ],
)
def test_one_known_relation_without_levels_is_expanded(tenant: Tenant, expand: str) -> None:
    assert users(tenant, expand=expand)[0] == 400


def test_expand_may_make_pages_smaller() -> None:
    tenant = Tenant(users=250, expand_page=100)
    found = list(pages(tenant, f"/v1.0/users?$top=999&$select=id&$expand={MANAGER}"))
    assert [len(page["value"]) for page in found] == [100, 100, 50]


@pytest.mark.parametrize(
    ("habit", "status", "some"), [("taken", 200, True), ("refused", 400, False), ("ignored", 200, False)]
)
def test_expand_in_an_advanced_query_is_as_the_tenant_is_set(habit: str, status: int, some: bool) -> None:
    tenant = Tenant(users=60, expand_eventual=habit)
    found, body = users(tenant, EVENTUAL, expand=MANAGER, filter="userType ne 'Guest'", count="true")
    assert found == status
    assert any("manager" in user for user in body.get("value", [])) == some


def test_members_of_groups_in_a_group_are_transitive_members(tenant: Tenant) -> None:
    group = STAFF
    direct = ids(tenant, f"/v1.0/groups/{group}/members/microsoft.graph.user?$top=999&$select=id")
    inner = ids(tenant, f"/v1.0/groups/{SEVENTH}/members/microsoft.graph.user?$top=999&$select=id")
    target = f"/v1.0/groups/{group}/transitiveMembers/microsoft.graph.user?$top=999&$select=id&$count=true"
    every = ids(tenant, target, EVENTUAL)
    assert sorted(every) == sorted({*direct, *inner})
    assert error(ask(tenant, target)) == (400, "Request_UnsupportedQuery")
    assert ask(tenant, target.partition("?")[0] + "/$count", EVENTUAL)[1] == len(every)


def test_administrative_units_take_advanced_queries_only(tenant: Tenant) -> None:
    for path in ("directory/administrativeUnits", "administrativeUnits"):
        target = f"/v1.0/{path}/{next(iter(UNITS))}/members/microsoft.graph.user?$select=id&$top=999"
        assert len(set(ids(tenant, target + "&$count=true", EVENTUAL))) == 300
        assert error(ask(tenant, target)) == (400, "Request_UnsupportedQuery")
    assert ask(tenant, "/v1.0/directory/administrativeUnits/none/members/microsoft.graph.user")[0] == 404


def test_deleted_users_say_when(tenant: Tenant) -> None:
    found = listed(tenant, "/v1.0/directory/deletedItems/microsoft.graph.user?$select=id,deletedDateTime")
    now = datetime.now(UTC)
    assert len(found) == 12
    assert all(now - timedelta(days=30) < datetime.fromisoformat(user["deletedDateTime"]) <= now for user in found)
    assert users(tenant, select="deletedDateTime")[1]["value"][0] == {"deletedDateTime": None}


def test_products_have_names_and_one_is_no_longer_subscribed(tenant: Tenant) -> None:
    _, found = ask(tenant, "/v1.0/subscribedSkus?$select=skuId,skuPartNumber")
    names = {sku["skuId"]: sku["skuPartNumber"] for sku in found["value"]}
    held = {each["skuId"] for user in tenant.all_users() for each in user["assignedLicenses"]}
    assert "SPE_E3" in names.values()
    assert set(names) < held
    assert len(held - set(names)) == 1
    assert error(ask(tenant, "/v1.0/subscribedSkus?$top=1")) == (400, "Request_BadRequest")
    licensed = next(user for user in tenant.all_users() if user["assignedLicenses"])
    _, details = ask(tenant, f"/v1.0/users/{licensed['id']}/licenseDetails")
    assert [each["skuId"] for each in details["value"]] == [each["skuId"] for each in licensed["assignedLicenses"]]


def test_the_registration_report_has_each_enabled_user_once(tenant: Tenant) -> None:
    found = listed(tenant, f"{REPORT}?$top=400")
    assert sorted(row["id"] for row in found) == sorted(u["id"] for u in tenant.all_users() if u["accountEnabled"])
    assert {row["isMfaRegistered"] for row in found} == {True, False}
    assert len(ids(tenant, REPORT)) == len(found)
    able = listed(tenant, f"{REPORT}?$filter=isMfaCapable%20eq%20true")
    assert 0 < len(able) == sum(row["isMfaCapable"] for row in found)
    phones = listed(tenant, f"{REPORT}?$filter=methodsRegistered/any(m:m%20eq%20'mobilePhone')")
    assert 0 < len(phones) == sum("mobilePhone" in row["methodsRegistered"] for row in found)


@pytest.mark.parametrize("text", ["id eq 'x'", "createdDateTime ge 2020-01-01T00:00:00Z", "userDisplayName eq 'x'"])
def test_the_registration_report_takes_a_few_filters_only(tenant: Tenant, text: str) -> None:
    assert ask(tenant, f"{REPORT}?$filter={text.replace(' ', '%20')}")[0] == 400


def test_the_registration_report_wants_a_licence_and_has_a_limit() -> None:
    code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
    assert error(ask(Tenant(users=3, premium=False), REPORT)) == (403, code)
    limited = Tenant(users=3, report_limit=5, clock=lambda: 0.0)
    assert [ask(limited, REPORT)[0] for _ in range(6)] == [200] * 5 + [429]


def test_roles_are_held_by_users_and_by_groups_for_all_or_a_unit(tenant: Tenant) -> None:
    _, found = ask(tenant, "/v1.0/roleManagement/directory/roleAssignments?$expand=roleDefinition")
    assert {each["directoryScopeId"].partition("s/")[0] for each in found["value"]} == {"/", "/administrativeUnit"}
    assert any(each["principalId"] in GROUPS for each in found["value"])
    assert "User Administrator" in {each["roleDefinition"]["displayName"] for each in found["value"]}
    one = found["value"][0]["principalId"]
    target = f"/v1.0/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'{one}'"
    assert [each["principalId"] for each in ask(tenant, target)[1]["value"]] == [one]
    assert "roleDefinition" not in ask(tenant, target)[1]["value"][0]


def test_directory_extensions_are_selected_by_name_and_left_out_when_empty(tenant: Tenant) -> None:
    name = "extension_8a3f1c5e7b904d26a1e08c4f2d6b9073_costCentre"
    found = listed(tenant, f"/v1.0/users?$top=999&$select=id,{name}")
    assert {name in user for user in found} == {True, False}
    assert all(user.get(name, "CC-").startswith("CC-") for user in found)
    assert error(users(tenant, select=f"id,extension_{'0' * 32}_costCentre")) == (400, "BadRequest")


def test_sign_ins_by_key_want_the_object_id(tenant: Tenant) -> None:
    user = next(user for user in tenant.all_users() if "#" not in user["userPrincipalName"])
    assert (
        ask(tenant, f"/v1.0/users/{user['id']}?$select=signInActivity")[1]["signInActivity"] == user["signInActivity"]
    )
    status, body = ask(tenant, f"/v1.0/users/{user['userPrincipalName']}?$select=id,signInActivity")
    assert (status, body["error"]["code"]) == (400, "BadRequest")
    assert body["error"]["message"] == "Get By Key only supports UserId and the key has to be a valid Guid"


def test_pages_have_500_users_at_most_when_sign_ins_are_only_filtered_on(tenant: Tenant) -> None:
    text = "signInActivity/lastSignInDateTime le 2026-12-31T00:00:00Z"
    assert users(tenant, filter=text, top=500, select="id")[0] == 200
    assert error(users(tenant, filter=text, top=501, select="id")) == (400, "Request_UnsupportedQuery")


def test_requests_with_sign_ins_have_a_limit_of_their_own() -> None:
    tenant = Tenant(users=3, sign_in_limit=2, sign_in_window=10, clock=lambda: 0.0)
    text = "signInActivity/lastSignInDateTime le 2026-12-31T00:00:00Z"
    assert users(tenant, select="signInActivity")[0] == 200
    assert users(tenant, select="id", filter=text)[0] == 200
    assert users(tenant, select="signInActivity")[0] == 429
    assert users(tenant, select="id")[0] == 200
