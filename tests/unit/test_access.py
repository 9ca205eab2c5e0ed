"""Who may export: the principal of Easy Auth and its roles."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.access import HEADER, MAX_HEADER, Caller, caller_of
from shared.api.problems import Refused
from shared.settings import APP_ROLE, GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR, Settings
from shared.settings import AZURE as NAMES_OF_AZURE
from shared.settings.checks import NEVER_ALLOWED

STORAGE = {"EXPORT_STORAGE": "UseDevelopmentStorage=true"}
TENANT = "8d0e31c4-7a0b-4f7e-9a55-2f3c1f7d3c11"
OTHER_TENANT = "1c2b3a49-1111-4f7e-9a55-2f3c1f7d3c11"
SITE = {"WEBSITE_AUTH_ENABLED": "True", "WEBSITE_SITE_NAME": "app"}
AZURE = Settings.from_env(STORAGE | SITE | {"EXPORT_TENANT_ID": TENANT})
OPEN = Settings.from_env(STORAGE | {"WEBSITE_SITE_NAME": "app", "EXPORT_TENANT_ID": TENANT})
LOCAL = Settings.from_env(STORAGE | {"WEBSITE_AUTH_ENABLED": "True"})
ADMINISTRATOR = (("oid", "1"), ("wids", USER_ADMINISTRATOR))

MICROSOFT = "http://schemas.microsoft.com"
LONG_OID = f"{MICROSOFT}/identity/claims/objectidentifier"
LONG_ROLE = f"{MICROSOFT}/ws/2008/06/identity/claims/role"
LONG_WIDS = f"{MICROSOFT}/ws/2008/06/identity/claims/wids"
LONG_UPN = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"
USER = "b79fbf4d-3ef9-4689-8143-76b194e85509"
GUEST_INVITER = "95e79109-95c0-4d8e-aee3-d01accf2d47b"
APPLICATION_DEVELOPER = "cf1c38e5-3621-4004-a7cb-879624dced7c"
GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"


def encoded(value: Any) -> dict[str, str]:
    return {HEADER: base64.b64encode(json.dumps(value).encode()).decode()}


def principal(*claims: tuple[str, str], tenant: str = TENANT, provider: str | None = "aad") -> dict[str, str]:
    return encoded(
        ({"auth_typ": provider} if provider else {})
        | {
            "claims": [{"typ": kind, "val": value} for kind, value in [*claims, ("tid", tenant)]],
            "name_typ": LONG_UPN,
            "role_typ": "roles",
        }
    )


def refusal(headers: dict[str, str], settings: Settings = AZURE) -> Refused:
    with pytest.raises(Refused) as caught:
        caller_of(headers, settings)
    return caught.value


@pytest.mark.parametrize("oid", ["oid", LONG_OID])
@pytest.mark.parametrize("wids", ["wids", LONG_WIDS, "roles", LONG_ROLE])
@pytest.mark.parametrize("name", ["preferred_username", "upn", LONG_UPN, "name"])
def test_claims_are_known_by_their_short_and_their_long_names(oid: str, wids: str, name: str) -> None:
    headers = principal((oid, "1-2"), (name, "ann@contoso.com"), (wids, USER), (wids, USER_ADMINISTRATOR))

    assert caller_of(headers, AZURE) == Caller("1-2", "ann@contoso.com", administrator=True)


@pytest.mark.parametrize("role", [GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR])
def test_a_directory_role_makes_an_administrator(role: str) -> None:
    assert caller_of(principal(("oid", "1"), ("wids", role)), AZURE).administrator


def test_a_logic_apps_identity_with_the_app_role_may_call_but_is_not_an_administrator() -> None:
    headers = principal((LONG_OID, "1"), ("appid", "app-1"), ("roles", APP_ROLE))

    assert caller_of(headers, AZURE) == Caller("1", "app-1", administrator=False)


def test_both_kinds_of_role_together_make_an_administrator() -> None:
    headers = principal(("oid", "1"), ("roles", APP_ROLE), ("wids", USER_ADMINISTRATOR))

    assert caller_of(headers, AZURE).administrator


@pytest.mark.parametrize("wids", [(), (USER,), (GUEST_INVITER, USER), (APPLICATION_DEVELOPER, USER), (GLOBAL_READER,)])
def test_without_an_allowed_role_the_answer_names_the_roles_that_are_missing(wids: tuple[str, ...]) -> None:
    refused = refusal(principal(("oid", "1"), ("name", "Ann"), *(("wids", role) for role in wids)))

    assert refused.status == 403
    assert "Ann has no role" in refused.detail
    assert all(role in refused.detail for role in ("Global Administrator", "User Administrator", APP_ROLE))
    assert "overage" not in refused.detail


def test_the_settings_already_refuse_roles_that_are_not_administrators() -> None:
    assert not AZURE.allowed_roles & NEVER_ALLOWED


def test_a_role_of_the_setting_is_enough_and_the_default_ones_then_are_not() -> None:
    settings = Settings.from_env(STORAGE | {"WEBSITE_AUTH_ENABLED": "true", "EXPORT_ALLOWED_ROLES": GLOBAL_READER})

    assert caller_of(principal(("oid", "1"), ("wids", GLOBAL_READER)), settings).administrator
    assert refusal(principal(("oid", "1"), ("wids", USER_ADMINISTRATOR)), settings).status == 403


@pytest.mark.parametrize("kind", ["scp", "groups", "name", "acrs", "role"])
def test_a_role_in_another_claim_counts_for_nothing(kind: str) -> None:
    assert refusal(principal(("oid", "1"), (kind, USER_ADMINISTRATOR))).status == 403


@pytest.mark.parametrize("overage", ["_claim_names", "hasgroups", "groups:src1"])
def test_when_groups_crowded_the_roles_out_of_the_token_the_answer_says_so(overage: str) -> None:
    refused = refusal(principal(("oid", "1"), (overage, "true")))

    assert refused.status == 403
    assert "overage" in refused.detail
    assert "groupMembershipClaims" in refused.detail


def test_a_sign_in_without_an_object_id_is_none() -> None:
    assert refusal(principal(("name", "Ann"), ("wids", USER_ADMINISTRATOR))).status == 401
    assert refusal(principal(("oid", ""), ("wids", USER_ADMINISTRATOR))).status == 401


@pytest.mark.parametrize("headers", [{}, {HEADER: ""}])
def test_without_a_header_nobody_is_signed_in(headers: dict[str, str]) -> None:
    assert refusal(headers).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {HEADER: "not base64!"},
        {HEADER: "é"},
        {HEADER: "abc"},
        {HEADER: base64.b64encode(b"no JSON").decode()},
        {HEADER: base64.b64encode(b"\xff\xfe").decode()},
        {HEADER: base64.b64encode(b"[" * 30_000).decode()},
        encoded([]),
        encoded(None),
        encoded("claims"),
        encoded({}),
        encoded({"claims": None}),
        encoded({"claims": {}}),
        encoded({"claims": ["oid"]}),
        encoded({"claims": [{"typ": "oid"}]}),
        encoded({"claims": [{"typ": "oid", "val": 1}]}),
        encoded({"claims": [{"typ": "oid", "val": ["1"]}]}),
        principal(("oid", "1"), ("wids", USER_ADMINISTRATOR), ("x", "y" * MAX_HEADER)),
    ],
    ids=range(17),
)
@pytest.mark.parametrize("settings", [AZURE, LOCAL], ids=["azure", "local"])
def test_a_header_without_a_valid_principal_is_not_a_sign_in(headers: dict[str, str], settings: Settings) -> None:
    refused = refusal(headers, settings)

    assert refused.status == 401
    assert "y" * 100 not in refused.detail


def test_on_azure_without_easy_auth_nobody_is_believed() -> None:
    """Anyone could send the header then."""
    for headers in ({}, principal(("oid", "1"), ("wids", GLOBAL_ADMINISTRATOR)), {HEADER: "garbage"}):
        refused = refusal(headers, OPEN)
        assert refused.status == 503
        assert "Easy Auth" in refused.detail


@pytest.mark.parametrize("variable", ["", *NAMES_OF_AZURE, "WEBSITE_INSTANCE_ID"])
@pytest.mark.parametrize("headers", [{}, principal(*ADMINISTRATOR)], ids=["anonymous", "principal"])
def test_settings_alone_make_no_local_administrator(variable: str, headers: dict[str, str]) -> None:
    """As under `func start`, and on a plan that does not set WEBSITE_INSTANCE_ID."""
    env = STORAGE | {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"} | ({variable: "1"} if variable else {})
    refused = refusal(headers, Settings.from_env(env))

    assert refused.status == 503
    assert "python -m local serve" in refused.detail


@pytest.mark.parametrize("kind", ["tid", f"{MICROSOFT}/identity/claims/tenantid"])
def test_only_people_and_apps_of_the_apps_tenant_are_let_in(kind: str) -> None:
    own = encoded({"auth_typ": "aad", "claims": [{"typ": t, "val": v} for t, v in (*ADMINISTRATOR, (kind, TENANT))]})

    assert caller_of(own, AZURE).administrator
    assert caller_of(principal(*ADMINISTRATOR, tenant=TENANT.upper()), AZURE).administrator
    assert refusal(principal(*ADMINISTRATOR, tenant=OTHER_TENANT)).status == 403
    assert refusal(principal(*ADMINISTRATOR, (kind, OTHER_TENANT))).status == 403
    assert refusal(principal(*ADMINISTRATOR, tenant="")).status == 403
    no_tenant = encoded({"auth_typ": "aad", "claims": [{"typ": kind, "val": value} for kind, value in ADMINISTRATOR]})
    assert refusal(no_tenant).status == 403
    assert caller_of(no_tenant, LOCAL).administrator


def test_the_tenant_of_easy_auth_counts_where_the_setting_is_missing() -> None:
    settings = Settings.from_env(STORAGE | SITE | {"WEBSITE_AUTH_AAD_ALLOWED_TENANTS": f" {TENANT.upper()},"})

    assert caller_of(principal(*ADMINISTRATOR), settings).administrator
    assert refusal(principal(*ADMINISTRATOR, tenant=OTHER_TENANT), settings).status == 403


@pytest.mark.parametrize("variable", NAMES_OF_AZURE)
@pytest.mark.parametrize("allowed", ["", f"{TENANT},{OTHER_TENANT}"])
def test_in_azure_without_a_tenant_nobody_is_let_in(variable: str, allowed: str) -> None:
    env = {"WEBSITE_AUTH_ENABLED": "True", variable: "1", "WEBSITE_AUTH_AAD_ALLOWED_TENANTS": allowed}
    refused = refusal(principal(*ADMINISTRATOR), Settings.from_env(STORAGE | env))

    assert refused.status == 503
    assert "EXPORT_TENANT_ID" in refused.detail


def test_authentication_columns_can_be_kept_for_other_roles() -> None:
    env = STORAGE | SITE | {"EXPORT_TENANT_ID": TENANT}
    strict = Settings.from_env(
        env | {"EXPORT_AUTHENTICATION_ROLES": f"{GLOBAL_ADMINISTRATOR},Exports.ReadAuthentication"}
    )
    both = principal(*ADMINISTRATOR, ("roles", "Exports.ReadAuthentication"))

    assert caller_of(principal(*ADMINISTRATOR), AZURE).reads_authentication
    assert not caller_of(principal(*ADMINISTRATOR), strict).reads_authentication
    assert caller_of(principal(("oid", "1"), ("wids", GLOBAL_ADMINISTRATOR)), strict).reads_authentication
    assert caller_of(both, strict).reads_authentication
    assert refusal(principal(("oid", "1"), ("roles", "Exports.ReadAuthentication")), strict).status == 403


@pytest.mark.parametrize("provider", [None, "", "google", "AAD", "facebook"])
@pytest.mark.parametrize("settings", [AZURE, LOCAL], ids=["azure", "local"])
def test_only_microsoft_entra_signs_in(provider: str | None, settings: Settings) -> None:
    assert refusal(principal(*ADMINISTRATOR, provider=provider), settings).status == 401


def test_on_ones_own_machine_a_header_counts_as_it_does_on_azure() -> None:
    assert not caller_of(principal(("oid", "1"), ("roles", APP_ROLE)), LOCAL).administrator
    assert refusal(principal(("oid", "1"), ("wids", USER)), LOCAL).status == 403


claims = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "typ": st.sampled_from(["oid", "tid", "wids", "roles", "name", "_claim_names"]) | st.text() | st.none(),
            "val": st.sampled_from([TENANT, USER, GUEST_INVITER, APPLICATION_DEVELOPER, ""])
            | st.text()
            | st.integers(),
        },
    )
)


@given(
    st.one_of(
        st.text(),
        st.binary().map(lambda data: base64.b64encode(data).decode()),
        claims.map(lambda found: encoded({"auth_typ": "aad", "claims": found})[HEADER]),
    )
)
def test_no_header_without_an_allowed_role_lets_anyone_in(header: str) -> None:
    assert refusal({HEADER: header}).status in {401, 403}
