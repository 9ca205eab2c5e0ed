"""What a filter may ask of users, and whom it finds: beyond texts of the user itself."""

from collections.abc import Callable
from typing import Any

import pytest

from local.tenant import Tenant
from tests.local.graph import EVENTUAL, error, pages, users

SKU = "05e9a617-0261-4cee-bb44-138d3ef5d965"
GUID = "184efa21-98c3-4e5d-95ab-d07053a96e67"
EXTENSION = "extension_8a3f1c5e7b904d26a1e08c4f2d6b9073"
User = dict[str, Any]


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant(users=1500, seed=8)


def sign_in(user: User) -> str:
    return (user["signInActivity"] or {}).get("lastSignInDateTime", "")


DEFAULT: list[tuple[str, Callable[[User], bool]]] = [
    ("signInActivity/lastSignInDateTime le 2026-05-31T00:00:00Z", lambda u: "" < sign_in(u) <= "2026-05-31"),
    ("signInActivity/lastSignInDateTime ge 2026-05-31T00:00:00Z", lambda u: sign_in(u) >= "2026-05-31"),
    (f"assignedLicenses/any(x:x/skuId eq {SKU})", lambda u: SKU in [each["skuId"] for each in u["assignedLicenses"]]),
    ("assignedLicenses/any()", lambda u: bool(u["assignedLicenses"])),
    ("assignedPlans/any(p:p/capabilityStatus eq 'Deleted')", lambda u: "Deleted" in str(u["assignedPlans"])),
    ("imAddresses/any(i:startswith(i,'a'))", lambda u: any(i.lower().startswith("a") for i in u["imAddresses"])),
    ("identities/any(x:x/issuer eq 'google.com')", lambda u: "google.com" in [i["issuer"] for i in u["identities"]]),
    ("isResourceAccount eq true", lambda u: u["isResourceAccount"] is True),
    (f"{EXTENSION}_badgeNumber eq 4711", lambda u: u[f"{EXTENSION}_badgeNumber"] == 4711),
    ("Department eq 'Sales'", lambda u: u["department"] == "Sales"),
]
ADVANCED: list[tuple[str, Callable[[User], bool]]] = [
    (
        "onPremisesExtensionAttributes/extensionAttribute1 eq 'EMEA'",
        lambda u: u["onPremisesExtensionAttributes"]["extensionAttribute1"] == "EMEA",
    ),
    ("assignedLicenses/$count eq 0", lambda u: not u["assignedLicenses"]),
    ("assignedLicenses/$count ne 0", lambda u: bool(u["assignedLicenses"])),
    ("not(assignedLicenses/any())", lambda u: not u["assignedLicenses"]),
    ("signInActivity/lastSignInDateTime eq null", lambda u: not sign_in(u)),
    (
        "customSecurityAttributes/Marketing/AppCountry eq 'Canada'",
        lambda u: (u["customSecurityAttributes"] or {}).get("Marketing", {}).get("AppCountry") == "Canada",
    ),
    ("employeeHireDate ge 2019-06-01T00:00:00Z", lambda u: (u["employeeHireDate"] or "") >= "2019-06-01"),
    ("otherMails/$count eq 0", lambda u: not u["otherMails"]),
]


def found(tenant: Tenant, text: str, headers: dict[str, str] | None = None, **more: object) -> list[str]:
    status, page = users(tenant, headers, filter=text, top=500, select="id", **more)
    assert status == 200, page
    rest = pages(tenant, page.get("@odata.nextLink", ""), headers)
    return sorted(user["id"] for each in (page, *rest) for user in each["value"])


@pytest.mark.parametrize(("text", "expected"), DEFAULT)
def test_a_default_filter_finds_its_users(tenant: Tenant, text: str, expected: Callable[[User], bool]) -> None:
    wanted = sorted(user["id"] for user in tenant.all_users() if expected(user))
    assert found(tenant, text) == wanted
    assert 0 < len(wanted) < 1500


@pytest.mark.parametrize(("text", "expected"), ADVANCED)
def test_an_advanced_filter_needs_its_header_and_finds_its_users(
    tenant: Tenant, text: str, expected: Callable[[User], bool]
) -> None:
    assert error(users(tenant, filter=text)) == (400, "Request_UnsupportedQuery")
    wanted = sorted(user["id"] for user in tenant.all_users() if expected(user))
    assert found(tenant, text, EVENTUAL, count="true") == wanted
    assert 0 < len(wanted) < 1500


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (f"manager/id eq '{GUID}'", "Request_UnsupportedQuery", "property 'manager'"),
        ("signInActivity/shoeSize eq 'x'", "BadRequest", "'shoeSize' on type 'microsoft.graph.signInActivity'"),
        ("displayName/x eq 'x'", "BadRequest", "'x'"),
        ("assignedLicenses/any(x:x/skuId eq 'E3')", "BadRequest", "incompatible types"),
        (f"id eq {GUID}", "BadRequest", "incompatible types"),
        ("assignedLicenses/any(x:skuId eq 'E3')", "BadRequest", "only 'x' is known"),
        ("assignedLicenses eq 'E3'", "BadRequest", "A collection needs 'any'"),
        ("displayName/any(x:x eq 'E3')", "BadRequest", "'any' needs a collection"),
        ("signInActivity eq null", "Request_UnsupportedQuery", "property 'signInActivity'"),
        (
            "signInActivity/lastSignInDateTime ge 2026-01-01T00:00:00Z and accountEnabled eq true",
            "Request_UnsupportedQuery",
            "can't be combined",
        ),
        ("onPremisesExtensionAttributes/extensionAttribute16 eq 'x'", "BadRequest", "'extensionAttribute16'"),
        (f"extension_{'0' * 32}_x eq 'x'", "BadRequest", "Could not find a property"),
    ],
)
def test_what_graph_does_not_take_is_refused_with_its_words(tenant: Tenant, text: str, code: str, words: str) -> None:
    status, body = users(tenant, EVENTUAL, filter=text, count="true")
    assert (status, body["error"]["code"]) == (400, code)
    assert words in body["error"]["message"]
