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


def starts_a(user: User) -> bool:
    return (user["mail"] or "").lower().startswith("a")


def sign_in(user: User) -> str:
    return str((user["signInActivity"] or {}).get("lastSignInDateTime", ""))


DEFAULT: list[tuple[str, Callable[[User], bool]]] = [
    ("signInActivity/lastSignInDateTime le 2026-05-31T00:00:00Z", lambda u: "" < sign_in(u) <= "2026-05-31"),
    ("signInActivity/lastSignInDateTime ge 2026-05-31T00:00:00Z", lambda u: sign_in(u) >= "2026-05-31"),
    (f"assignedLicenses/any(x:x/skuId eq {SKU})", lambda u: SKU in [each["skuId"] for each in u["assignedLicenses"]]),
    ("assignedLicenses/any()", lambda u: bool(u["assignedLicenses"])),
    ("imAddresses/any(i:startswith(i,'a'))", lambda u: any(i.lower().startswith("a") for i in u["imAddresses"])),
    ("identities/any(x:x/issuer eq 'google.com')", lambda u: "google.com" in [i["issuer"] for i in u["identities"]]),
    ("isResourceAccount eq true", lambda u: u["isResourceAccount"] is True),
    (f"{EXTENSION}_badgeNumber eq 4711", lambda u: u[f"{EXTENSION}_badgeNumber"] == 4711),
    ("Department eq 'Sales'", lambda u: u["department"] == "Sales"),
    ("accountEnabled", lambda u: u["accountEnabled"]),
    ("true EQ accountEnabled AND startsWith(mail,'a') eq true", lambda u: u["accountEnabled"] and starts_a(u)),
    ("\n(accountEnabled)\tand\r\n startsWith(mail,'a')", lambda u: u["accountEnabled"] and starts_a(u)),
    ("$it/userType eq 'Guest' or department in ()", lambda u: u["userType"] == "Guest"),
    ("2026-05-31T00:00:00Z ge signInActivity/lastSignInDateTime", lambda u: "" < sign_in(u) <= "2026-05-31"),
]
ADVANCED: list[tuple[str, Callable[[User], bool]]] = [
    (
        "onPremisesExtensionAttributes/extensionAttribute1 eq 'EMEA'",
        lambda u: u["onPremisesExtensionAttributes"]["extensionAttribute1"] == "EMEA",
    ),
    ("assignedPlans/any(p:p/capabilityStatus eq 'Deleted')", lambda u: "Deleted" in str(u["assignedPlans"])),
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
    ("not accountEnabled", lambda u: not u["accountEnabled"]),
    ("NOT(accountEnabled eq true)", lambda u: not u["accountEnabled"]),
    ("startsWith(mail,'a') ne true", lambda u: not starts_a(u)),
    ("startsWith(mail,'a') eq false", lambda u: not starts_a(u)),
    ("department in (null,'Sales')", lambda u: u["department"] in {None, "Sales"}),
    ("otherMails/all(m:endsWith(m,'.example'))", lambda u: all(m.endswith(".example") for m in u["otherMails"])),
    (f"startsWith({EXTENSION}_costCentre,'cc-1')", lambda u: (u[f"{EXTENSION}_costCentre"] or "").startswith("CC-1")),
    (
        "startsWith(onPremisesExtensionAttributes/extensionAttribute1,'em')",
        lambda u: (u["onPremisesExtensionAttributes"]["extensionAttribute1"] or "").startswith("EM"),
    ),
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
        ("contains(displayName,'a')", "Request_UnsupportedQuery", "operator 'Contains'"),
        ("tolower(displayName) eq 'a'", "BadRequest", "An unknown function with name 'tolower' was found"),
        ("signInActivity/lastSignInDateTime le now()", "BadRequest", "unknown function with name 'now'"),
        ("createdDateTime ge 2020-01-15", "BadRequest", "'Edm.DateTimeOffset' and 'Edm.Date'"),
        ("createdDateTime ge 2024-02-30T00:00:00Z", "BadRequest", "Syntax error"),
        ("department eq'HR'", "BadRequest", "Syntax error"),
        ("displayName eq surname", "Request_UnsupportedQuery", "compared with a value only"),
        ("not userType eq 'Guest'", "BadRequest", "incompatible types"),
        ("userType", "BadRequest", "incompatible types"),
        ("true", "BadRequest", "single boolean value"),
        ("assignedLicenses/$count eq 1", "Request_UnsupportedQuery", "'assignedLicenses/$count'"),
        ("(" * 60 + "accountEnabled" + ")" * 60, "BadRequest", "Recursion depth"),
    ],
)
def test_what_graph_does_not_take_is_refused_with_its_words(tenant: Tenant, text: str, code: str, words: str) -> None:
    status, body = users(tenant, EVENTUAL, filter=text, count="true")
    assert (status, body["error"]["code"]) == (400, code)
    assert words in body["error"]["message"]
