"""What a token may do in the simulated tenant: the application permissions that Microsoft's own list wants."""

import argparse
import json
from collections.abc import Collection
from typing import Any

import pytest

from local import permissions
from local.identity import token_with
from local.tenant import GROUPS, Tenant
from local.tenant.membership import HIDDEN, HIDDEN_UNIT, UNITS
from tests.local.graph import EVENTUAL, ask

GROUP, UNIT = next(iter(GROUPS)), next(iter(UNITS))
DENIED = "Authorization_RequestDenied"
MISSING = "Authentication_MSGraphPermissionMissing"
READ = "User.Read.All"


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant(users=300, seed=2)


def ask_with(
    tenant: Tenant, roles: Collection[str], target: str, headers: dict[str, str] | None = None, body: object = None
) -> tuple[int, Any]:
    return ask(tenant, target, {"authorization": f"Bearer {token_with(roles)}"} | (headers or {}), body)


@pytest.mark.parametrize(
    ("path", "enough", "too_little", "code"),
    [
        ("users", [READ], [], DENIED),
        ("users/$count", [READ], ["AuditLog.Read.All"], DENIED),
        ("users/delta", [READ], ["User.ReadBasic.All"], DENIED),
        ("users/{id}", ["User.ReadBasic.All"], ["Group.Read.All"], DENIED),
        ("users/{id}/manager", [READ], ["User.ReadBasic.All"], DENIED),
        ("users/{id}/authentication/methods", ["UserAuthenticationMethod.Read.All"], [READ], "accessDenied"),
        (
            "users/{id}/authentication/methods",
            ["UserAuthenticationMethod.Read.All"],
            ["UserAuthMethod-Phone.Read.All", "UserAuthMethod-Email.Read.All"],
            "accessDenied",
        ),
        (
            "users/{id}/authentication/phoneMethods",
            ["UserAuthMethod-Phone.Read.All"],
            ["UserAuthMethod-Email.Read.All"],
            "accessDenied",
        ),
        ("users?$select=signInActivity", [READ, "AuditLog.Read.All"], [READ], MISSING),
        (
            "users?$filter=signInActivity/lastSignInDateTime%20le%202026-01-01T00:00:00Z",
            [READ, "AuditLog.Read.All"],
            [READ],
            MISSING,
        ),
        ("directory/deletedItems/microsoft.graph.user", [READ], ["Group.Read.All"], DENIED),
        (f"groups/{GROUP}/members/microsoft.graph.user", [READ, "GroupMember.Read.All"], [READ], DENIED),
        (
            f"groups/{GROUP}/transitiveMembers/microsoft.graph.user?$count=true",
            [READ, "GroupMember.ReadBasic.All"],
            ["GroupMember.ReadBasic.All"],
            DENIED,
        ),
        (
            f"directory/administrativeUnits/{UNIT}/members/microsoft.graph.user?$count=true",
            [READ, "AdministrativeUnit.Read.All"],
            [READ],
            DENIED,
        ),
        ("subscribedSkus", ["LicenseAssignment.Read.All"], [READ], DENIED),
        ("reports/authenticationMethods/userRegistrationDetails", ["AuditLog.Read.All"], [READ], MISSING),
        ("roleManagement/directory/roleAssignments", ["RoleManagement.Read.Directory"], [READ], DENIED),
        ("organization", [READ], ["AuditLog.Read.All"], DENIED),
    ],
)
def test_a_path_opens_to_the_permissions_of_microsofts_list(
    tenant: Tenant, path: str, enough: list[str], too_little: list[str], code: str
) -> None:
    target = "/v1.0/" + path.replace("{id}", tenant.all_users()[1]["id"])
    assert ask_with(tenant, enough, target, EVENTUAL)[0] == 200
    status, body = ask_with(tenant, too_little, target, EVENTUAL)
    assert (status, body["error"]["code"]) == (403, code)


def test_get_by_ids_wants_to_read_the_directory(tenant: Tenant) -> None:
    target, body = "/v1.0/directoryObjects/getByIds", {"ids": [tenant.all_users()[1]["id"]]}
    assert ask_with(tenant, ["Directory.Read.All"], target, body=body)[0] == 200
    status, refused = ask_with(tenant, [READ], target, body=body)
    assert (status, refused["error"]["code"]) == (403, DENIED)
    assert refused["error"]["message"] == "Insufficient privileges to complete the operation."


def test_each_request_of_a_batch_is_refused_for_itself(tenant: Tenant) -> None:
    one = tenant.all_users()[1]["id"]
    urls = [f"/users/{one}", f"/users/{one}/authentication/methods"]
    requests = [{"id": str(number), "method": "GET", "url": url} for number, url in enumerate(urls)]
    status, body = ask_with(tenant, [READ], "/v1.0/$batch", body={"requests": requests})
    assert status == 200
    assert {each["id"]: each["status"] for each in body["responses"]} == {"0": 200, "1": 403}


def test_security_attributes_are_null_without_their_permission(tenant: Tenant) -> None:
    target = "/v1.0/users?$top=300&$select=id,customSecurityAttributes"
    with_it = ask_with(tenant, [READ, "CustomSecAttributeAssignment.Read.All"], target)[1]["value"]
    without = ask_with(tenant, [READ], target)[1]["value"]
    assert any(user["customSecurityAttributes"] for user in with_it)
    assert [user["id"] for user in without] == [user["id"] for user in with_it]
    assert {user["customSecurityAttributes"] for user in without} == {None}


def test_a_filter_on_security_attributes_wants_their_permission(tenant: Tenant) -> None:
    target = "/v1.0/users/$count?$filter=customSecurityAttributes/Marketing/AppCountry%20eq%20'Canada'"
    assert ask_with(tenant, [READ, "CustomSecAttributeAssignment.Read.All"], target, EVENTUAL)[0] == 200
    assert ask_with(tenant, [READ], target, EVENTUAL)[0] == 403


def test_any_other_token_may_do_everything_unless_the_tenant_is_set_otherwise() -> None:
    target = "/v1.0/users?$select=signInActivity"
    assert ask(Tenant(users=2), target)[0] == 200
    narrow = Tenant(users=2, permissions=frozenset((READ,)))
    assert ask(narrow, target)[0] == 403
    assert ask(narrow, "/v1.0/users")[0] == 200
    assert ask_with(narrow, [READ, "AuditLog.Read.All"], target)[0] == 200, "a token that says itself what it may do"


@pytest.mark.parametrize(("answer", "status"), [("refused", 403), ("nobody", 200)])
@pytest.mark.parametrize(
    ("path", "permission"),
    [
        (f"groups/{HIDDEN}/members/microsoft.graph.user", "GroupMember.Read.All"),
        (f"groups/{HIDDEN}/transitiveMembers/microsoft.graph.user?$count=true", "GroupMember.Read.All"),
        (
            f"directory/administrativeUnits/{HIDDEN_UNIT}/members/microsoft.graph.user?$count=true",
            "AdministrativeUnit.Read.All",
        ),
    ],
)
def test_a_hidden_group_or_unit_shows_its_members_to_one_permission_only(
    answer: str, status: int, path: str, permission: str
) -> None:
    tenant = Tenant(users=50, hidden_members=answer)
    without, body = ask_with(tenant, [READ, permission], f"/v1.0/{path}", EVENTUAL)
    assert without == status
    assert body.get("value", []) == []
    assert ask_with(tenant, [READ, permission, "Member.Read.Hidden"], f"/v1.0/{path}", EVENTUAL)[1]["value"]


def test_the_deployments_list_names_what_a_token_carries() -> None:
    granted = json.loads(permissions.FILE.read_text())
    assert permissions.deployed() == frozenset(granted["always"])
    assert permissions.deployed_whole() == {name for names in granted.values() for name in names}
    assert permissions.parse("always, readSignInActivity") == permissions.deployed("readSignInActivity")
    assert permissions.parse("Group.Read.All") == {"Group.Read.All"}
    for bad in ("readEverything", "User", "User.Read.All;x"):
        with pytest.raises(argparse.ArgumentTypeError, match="neither a permission"):
            permissions.parse(bad)
