"""Groups, administrative units and deleted users in the simulated tenant, as Microsoft's reference pages say."""

import pytest

from local.identity import token_with
from local.tenant import Tenant, delete_user
from local.tenant.membership import (
    DEEP,
    EVERYONE,
    GROUPS,
    HIDDEN,
    HIDDEN_UNIT,
    NOBODY,
    SEVENTH,
    STAFF,
    TEAM,
    UNIT,
    WITH_HIDDEN,
    closure,
)
from tests.local.graph import EVENTUAL, ask, error, ids

CAST = "microsoft.graph.user?$select=id&$top=999&$count=true"


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant(users=2300, seed=5)


def transitive(group: str) -> str:
    return f"/v1.0/groups/{group}/transitiveMembers/{CAST}"


def test_a_member_by_way_of_two_groups_is_listed_once(tenant: Tenant) -> None:
    found = ids(tenant, transitive(DEEP), EVENTUAL)
    assert len(found) == len(set(found))
    inner = [ids(tenant, f"/v1.0/groups/{each}/members/microsoft.graph.user", EVENTUAL) for each in closure(DEEP)]
    assert set(closure(DEEP)) == {STAFF, SEVENTH, HIDDEN}
    assert set().union(*inner) <= set(found)
    assert len(found) < sum(map(len, inner))


def test_a_group_of_everyone_has_everyone_and_an_empty_one_nobody(tenant: Tenant) -> None:
    assert set(ids(tenant, transitive(EVERYONE), EVENTUAL)) == {user["id"] for user in tenant.all_users(("id",))}
    assert ids(tenant, transitive(NOBODY), EVENTUAL) == []


@pytest.mark.parametrize("kind", ["members", "transitiveMembers"])
def test_without_a_cast_members_are_also_groups_and_devices(tenant: Tenant, kind: str) -> None:
    path = f"/v1.0/groups/{STAFF}/{kind}"
    users = ids(tenant, f"{path}/{CAST}", EVENTUAL)
    everything = ids(tenant, f"{path}?$select=id&$top=999", EVENTUAL)
    assert len(everything) == len(users) + 2
    assert {SEVENTH} < set(everything) - set(users)
    assert ask(tenant, f"{path}/$count", EVENTUAL)[1] == len(everything)


def test_the_groups_in_a_group_are_a_cast_of_an_advanced_query(tenant: Tenant) -> None:
    target = f"/v1.0/groups/{DEEP}/transitiveMembers/microsoft.graph.group?$select=id,visibility&$count=true"
    found = ask(tenant, target, EVENTUAL)[1]["value"]
    assert {each["id"]: each["visibility"] for each in found} == {
        STAFF: None,
        SEVENTH: None,
        HIDDEN: "HiddenMembership",
    }
    assert error(ask(tenant, target)) == (400, "Request_UnsupportedQuery")


def test_a_microsoft_365_group_has_no_groups_and_the_cast_is_refused(tenant: Tenant) -> None:
    target = f"/v1.0/groups/{TEAM}/transitiveMembers/microsoft.graph.group?$count=true"
    assert error(ask(tenant, target, EVENTUAL)) == (400, "Request_UnsupportedQuery")
    assert ask(tenant, f"/v1.0/groups/{TEAM}?$select=id,groupTypes")[1]["groupTypes"] == ["Unified"]


def test_a_group_and_a_unit_say_whether_they_hide_their_members(tenant: Tenant) -> None:
    for path in (f"groups/{HIDDEN}", f"directory/administrativeUnits/{HIDDEN_UNIT}"):
        assert ask(tenant, f"/v1.0/{path}?$select=id,visibility")[1]["visibility"] == "HiddenMembership"
    for path in (f"groups/{STAFF}", f"directory/administrativeUnits/{UNIT}"):
        assert ask(tenant, f"/v1.0/{path}?$select=id,visibility")[1]["visibility"] is None
    assert error(ask(tenant, "/v1.0/groups/00000000-0000-4000-8000-000000000000")) == (
        404,
        "Request_ResourceNotFound",
    )


def test_members_of_a_hidden_group_in_a_group_are_missing_without_a_word() -> None:
    tenant = Tenant(users=330)
    headers = EVENTUAL | {"authorization": f"Bearer {token_with(['User.Read.All', 'GroupMember.Read.All'])}"}
    without, every = ids(tenant, transitive(WITH_HIDDEN), headers), ids(tenant, transitive(WITH_HIDDEN), EVENTUAL)
    assert set(without) < set(every)
    assert len(without) == 330 // GROUPS[WITH_HIDDEN].every


def test_a_deleted_user_is_no_longer_a_member_and_is_listed_as_deleted() -> None:
    tenant = Tenant(users=300)
    one = ids(tenant, transitive(STAFF), EVENTUAL)[4]
    delete_user(tenant, one)
    assert one not in ids(tenant, transitive(STAFF), EVENTUAL)
    target = "/v1.0/directory/deletedItems/microsoft.graph.user?$select=id&$top=999"
    assert one in ids(tenant, target)
    assert ask(tenant, "/v1.0/directory/deletedItems/microsoft.graph.user/$count", EVENTUAL)[1] == 4
    assert ask(tenant, f"/v1.0/users/{one}")[0] == 404
    filtered = f"{target}&$filter=userType%20eq%20'Guest'"
    assert set(ids(tenant, filtered)) < set(ids(tenant, target))
