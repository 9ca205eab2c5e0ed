"""A scope over HTTP: in the results, in the list, in a preview, saved, and asked for again."""

from typing import Any
from uuid import uuid4

import pytest

from local.tenant.membership import DEEP, GROUPS, HIDDEN, STAFF, UNIT
from tests.api.api_client import Api, program

UNKNOWN = "00000000-0000-4000-8000-000000000000"
SCOPES: list[dict[str, Any]] = [{"group": STAFF}, {"administrativeUnit": UNIT}, {"deleted": True}]


@pytest.fixture
def app(api: Api) -> Api:
    return api.as_caller(program(uuid4().hex))


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_results_and_list_say_whose_users_were_asked_for(app: Api, scope: dict[str, Any]) -> None:
    found = app.run(scope=scope, filter="accountEnabled eq true")
    assert found["request"]["scope"] == scope
    [listed] = app.listed()["value"]
    assert listed["request"]["scope"] == scope
    assert listed["request"]["filter"] == "accountEnabled eq true"
    again = app.run(body={"again": found["id"]})
    assert again["request"] == found["request"]
    assert app.run()["request"]["scope"] == "all"
    assert "scope" not in app.listed()["value"][0]["request"]


def test_a_saved_export_keeps_its_scope(app: Api) -> None:
    body = {"columns": "profile", "scope": {"group": DEEP}}
    shown = app.send("PUT", "/api/saved-exports/deep", json=body)
    assert shown.json()["scope"] == {"group": DEEP}
    assert app.run(body={"saved": "deep"})["request"]["scope"] == {"group": DEEP}
    wrong = app.send("PUT", "/api/saved-exports/deep", json={"scope": {"group": "deep"}})
    assert [each["pointer"] for each in wrong.json()["errors"]] == ["/scope/group"]


def test_a_preview_counts_the_members(app: Api) -> None:
    body = {"columns": ["objectId"], "scope": {"group": STAFF}}
    found = app.send("POST", "/api/exports/preview", json=body).json()
    inside = [at for at in range(40) if not at % GROUPS[STAFF].every or not at % 7]
    assert (found["count"], len(found["rows"])) == (len(inside), 5)
    refused = app.send("POST", "/api/exports/preview", json=body | {"filter": "nope eq 1"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/filter")
    unknown = app.send("POST", "/api/exports/preview", json=body | {"scope": {"group": UNKNOWN}}).json()
    assert (unknown["count"], [each["code"] for each in unknown["problems"]]) == (None, ["GroupNotFound"])


def test_an_unknown_group_fails_the_export_with_its_id(app: Api) -> None:
    ended = app.end(app.start(scope={"group": UNKNOWN}))
    assert ended.status_code == 500
    assert ended.json()["errors"][0]["code"] == "GroupNotFound"
    assert UNKNOWN in ended.json()["errors"][0]["reason"]
    assert app.run(scope={"group": HIDDEN})["file"]["rows"] == 8
