"""Whose users a request may ask for, and what is refused with the way to write it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.api.problems import BadRequest
from shared.api.request import parse
from shared.files.columns import COLUMN_SETS
from shared.graph.scopes import ALL, Scope
from tests.unit.test_request import NOW, SETTINGS, asked, refused

GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"


@pytest.mark.parametrize(
    ("given", "meant", "path"),
    [
        (None, ALL, "/users"),
        ("all", ALL, "/users"),
        ({"deleted": True}, Scope(deleted=True), "/directory/deletedItems/microsoft.graph.user"),
        (
            {"group": GROUP.upper()},
            Scope(group=GROUP),
            f"/groups/{GROUP}/transitiveMembers/microsoft.graph.user",
        ),
        (
            {"administrativeUnit": GROUP},
            Scope(administrative_unit=GROUP),
            f"/directory/administrativeUnits/{GROUP}/members/microsoft.graph.user",
        ),
    ],
)
def test_a_scope_is_read_as_the_contract_says_and_shown_as_it_was_asked(given: Any, meant: Scope, path: str) -> None:
    found = asked(scope=given).scope
    assert found == meant
    assert found.path == path
    assert asked(scope=found.shown()).scope == meant


@pytest.mark.parametrize(
    "given",
    [
        *("everyone", "", "ALL", 1, True, [], {}, ["all"], GROUP, {"group": GROUP, "deleted": True}, {"groups": GROUP}),
        *({"all": True}, {"Group": GROUP}, {"unit": GROUP}),
    ],
    ids=str,
)
def test_another_form_is_refused_and_the_forms_are_told(given: Any) -> None:
    problem = refused({"scope": given})
    assert list(problem) == ["/scope"]
    assert all(
        form in problem["/scope"] for form in ('"all"', '{"deleted": true}', '{"group": ID}', "administrativeUnit")
    )


@pytest.mark.parametrize("kind", ["group", "administrativeUnit"])
@pytest.mark.parametrize(
    "given",
    [
        "Staff",
        "",
        None,
        5,
        [GROUP],
        {},
        GROUP[:-1],
        GROUP + "0",
        f"{GROUP}/members",
        f"../{GROUP}",
        "{" + GROUP + "}",
        f" {GROUP}",
    ],
    ids=str,
)
def test_a_group_and_a_unit_are_named_by_their_object_id(kind: str, given: Any) -> None:
    problem = refused({"scope": {kind: given}})
    assert list(problem) == [f"/scope/{kind}"]
    assert "object id" in problem[f"/scope/{kind}"]


@pytest.mark.parametrize("given", [False, None, "true", 1, {}])
def test_deleted_is_true_or_left_out(given: Any) -> None:
    assert list(refused({"scope": {"deleted": given}})) == ["/scope/deleted"]


@pytest.mark.parametrize("scope", [{"deleted": True}, {"group": GROUP}, {"administrativeUnit": GROUP}], ids=str)
def test_users_are_not_named_with_a_scope_and_sign_ins_not_filtered_on(scope: Any) -> None:
    assert list(refused({"scope": scope, "users": ["ann@contoso.com"]})) == ["/users"]
    sign_in = "signInActivity/lastSignInDateTime le 2026-01-01T00:00:00Z"
    assert list(refused({"scope": scope, "filter": sign_in})) == ["/filter"]
    assert asked(scope=scope, filter="userType eq 'Guest'").filter == "userType eq 'Guest'"
    assert asked(scope="all", users=["ann@contoso.com"]).users == ("ann@contoso.com",)
    assert asked(scope="all", filter=sign_in).filter == sign_in


def test_sets_have_the_time_of_deletion_for_deleted_users_and_lists_have_what_they_name() -> None:
    for name, columns in COLUMN_SETS.items():
        assert asked(columns=name, scope={"deleted": True}).columns == (*columns, "deletedDateTime")
        assert asked(columns=name, scope={"group": GROUP}).columns == columns
    assert asked(scope={"deleted": True}).columns == (*COLUMN_SETS["profile"], "deletedDateTime")
    assert asked(columns=["mail"], scope={"deleted": True}).columns == ("mail",)
    assert asked(columns=["mail", "deletedDateTime"]).columns == ("mail", "deletedDateTime")


def test_the_default_set_has_it_too_when_it_loses_the_authentication_columns() -> None:
    settings = replace(SETTINGS, default_columns="documented")
    body = json.dumps({"scope": {"deleted": True}}).encode()
    found = parse(body, settings, NOW, authentication=False)
    assert found.columns == (*COLUMN_SETS["profile"], "deletedDateTime")
    with pytest.raises(BadRequest):
        parse(b'{"columns": "documented", "scope": {"deleted": true}}', settings, NOW, authentication=False)
