"""Who may export: the principal of Easy Auth and its roles."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.access import HEADER, MAX_HEADER, Caller, Refused, caller_of
from shared.settings import APP_ROLE, GLOBAL_ADMINISTRATOR, NEVER_ALLOWED, USER_ADMINISTRATOR, Settings

STORAGE = {"EXPORT_STORAGE": "UseDevelopmentStorage=true"}
AZURE = Settings.from_env(STORAGE | {"WEBSITE_AUTH_ENABLED": "True", "WEBSITE_INSTANCE_ID": "1"})
OPEN = Settings.from_env(STORAGE | {"WEBSITE_INSTANCE_ID": "1"})
LOCAL = Settings.from_env(STORAGE | {"AZURE_FUNCTIONS_ENVIRONMENT": "Development"})

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


def principal(*claims: tuple[str, str]) -> dict[str, str]:
    return encoded(
        {
            "auth_typ": "aad",
            "claims": [{"typ": kind, "val": value} for kind, value in claims],
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


def test_a_logic_apps_identity_with_the_app_role_may_but_is_no_administrator() -> None:
    headers = principal((LONG_OID, "1"), ("appid", "app-1"), ("roles", APP_ROLE))

    assert caller_of(headers, AZURE) == Caller("1", "app-1", administrator=False)


def test_both_kinds_of_role_together_make_an_administrator() -> None:
    headers = principal(("oid", "1"), ("roles", APP_ROLE), ("wids", USER_ADMINISTRATOR))

    assert caller_of(headers, AZURE).administrator


@pytest.mark.parametrize("wids", [(), (USER,), (GUEST_INVITER, USER), (APPLICATION_DEVELOPER, USER), (GLOBAL_READER,)])
def test_without_an_allowed_role_the_answer_names_the_roles_that_are_missing(wids: tuple[str, ...]) -> None:
    refused = refusal(principal(("oid", "1"), ("name", "Ann"), *(("wids", role) for role in wids)))

    assert refused.status == 403
    assert "Ann has none of the roles" in refused.detail
    assert all(role in refused.detail for role in (GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR, APP_ROLE))
    assert "overage" not in refused.detail


def test_roles_that_are_no_administrators_are_refused_by_the_settings_already() -> None:
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
def test_a_header_that_is_no_principal_is_no_sign_in(headers: dict[str, str], settings: Settings) -> None:
    refused = refusal(headers, settings)

    assert refused.status == 401
    assert "y" * 100 not in refused.detail


def test_on_azure_without_easy_auth_nobody_is_believed() -> None:
    """Anyone could send the header then."""
    for headers in ({}, principal(("oid", "1"), ("wids", GLOBAL_ADMINISTRATOR)), {HEADER: "garbage"}):
        refused = refusal(headers, OPEN)
        assert refused.status == 503
        assert "Easy Auth" in refused.detail


def test_development_is_not_believed_on_azure() -> None:
    env = STORAGE | {"AZURE_FUNCTIONS_ENVIRONMENT": "Development", "WEBSITE_INSTANCE_ID": "1"}

    assert refusal({}, Settings.from_env(env)).status == 503


def test_on_ones_own_machine_a_request_without_a_header_is_the_administrators() -> None:
    assert caller_of({}, LOCAL) == Caller("local", "local administrator", administrator=True)


def test_on_ones_own_machine_a_header_counts_as_it_does_on_azure() -> None:
    assert not caller_of(principal(("oid", "1"), ("roles", APP_ROLE)), LOCAL).administrator
    assert refusal(principal(("oid", "1"), ("wids", USER)), LOCAL).status == 403


claims = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "typ": st.sampled_from(["oid", "wids", "roles", "name", "_claim_names"]) | st.text() | st.none(),
            "val": st.sampled_from([USER, GUEST_INVITER, APPLICATION_DEVELOPER, ""]) | st.text() | st.integers(),
        },
    )
)


@given(
    st.one_of(
        st.text(),
        st.binary().map(lambda data: base64.b64encode(data).decode()),
        claims.map(lambda found: encoded({"claims": found})[HEADER]),
    )
)
def test_no_header_without_an_allowed_role_lets_anyone_in(header: str) -> None:
    assert refusal({HEADER: header}).status in {401, 403}
