"""What the field reports of signInActivity and of national clouds, as the simulated tenant shows it."""

import pytest

from local.tenant import Tenant
from tests.local.graph import EVENTUAL, ask, error, users

BEFORE = "signInActivity/lastSignInDateTime le 2026-06-30T00:00:00Z"


def test_a_page_of_a_filter_on_sign_ins_has_500_users_at_most() -> None:
    tenant = Tenant(users=20)
    assert users(tenant, top=500, filter=BEFORE)[0] == 200
    assert error(users(tenant, top=501, filter=BEFORE)) == (400, "Request_UnsupportedQuery")
    assert users(tenant, top=999, filter="displayName eq 'signInActivity'")[0] == 200


@pytest.mark.parametrize("other", ["createdDateTime ge 2020-01-01T00:00:00Z", "userType eq 'Guest'"])
def test_a_filter_on_sign_ins_cannot_be_combined(other: str) -> None:
    tenant = Tenant(users=20)
    assert error(users(tenant, filter=f"({BEFORE}) and ({other})")) == (400, "Request_UnsupportedQuery")
    found = users(tenant, EVENTUAL, filter=f"({BEFORE}) and ({other})", count="true")
    assert error(found) == (400, "Request_UnsupportedQuery")


@pytest.mark.parametrize("settings", [{"deny": ("signin",)}, {"premium": False}])
def test_a_filter_on_sign_ins_needs_permission_and_licence(settings: dict[str, object]) -> None:
    assert users(Tenant(users=20, **settings), filter=BEFORE)[0] == 403  # type: ignore[arg-type]


def test_purged_users_have_an_id_and_what_was_selected_of_sign_ins_and_come_with_such_filters_only() -> None:
    tenant = Tenant(users=200)
    tenant.faults.add("purged_users", rate=1.0, users=3)
    gone = [user for user in users(tenant, filter=BEFORE, select="id,displayName")[1]["value"] if len(user) == 1]
    assert len(gone) == 3
    shown = users(tenant, filter=BEFORE, select="id,displayName,signInActivity")[1]["value"]
    assert sum(set(user) == {"id", "signInActivity"} for user in shown) == 3
    assert all(len(user) == 2 for user in users(tenant, select="id,displayName")[1]["value"])


def test_large_pages_of_advanced_queries_may_lose_sign_ins() -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("empty_sign_ins", rate=1.0)

    def known(top: int, headers: dict[str, str] | None = None) -> int:
        found = users(tenant, headers, top=top, select="id,signInActivity", count="true")[1]["value"]
        return sum(user["signInActivity"] is not None for user in found[:100])

    assert known(300, EVENTUAL) < known(100, EVENTUAL) == known(300)


def test_a_national_cloud_does_not_know_the_properties_that_it_lacks() -> None:
    tenant = Tenant(users=20, cloud="USNat")
    status, body = users(tenant, select="id,createdDateTime")
    assert (status, body["error"]["code"]) == (400, "BadRequest")
    assert "Could not find a property named 'createdDateTime'" in body["error"]["message"]
    assert error(users(tenant, filter="createdDateTime ge 2020-01-01T00:00:00Z")) == (400, "BadRequest")
    assert error(users(tenant, EVENTUAL, filter="createdDateTime eq null", count="true")) == (400, "BadRequest")
    assert error(ask(tenant, "/v1.0/users/delta?$select=id,employeeType")) == (400, "BadRequest")
    key = tenant.all_users()[0]["id"]
    assert error(ask(tenant, f"/v1.0/users/{key}?$select=createdDateTime")) == (400, "BadRequest")
    assert users(tenant, select="id,userPrincipalName")[0] == 200
    assert users(Tenant(users=20, cloud="GovSG"), select="id,createdDateTime")[0] == 200
