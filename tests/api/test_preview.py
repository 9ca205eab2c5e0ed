"""A preview over HTTP: of what is saved, of what was asked before, and of what it does not read."""

from typing import Any
from uuid import uuid4

import pytest

from local.tenant.membership import UNIT
from tests.api.api_client import Api, program

CALLBACK = "https://prod-1.westeurope.logic.azure.com/workflows/1?sig=a-secret"


@pytest.fixture
def app(api: Api) -> Api:
    """A caller who has nothing saved and nothing exported."""
    return api.as_caller(program(uuid4().hex))


def previewed(app: Api, **body: Any) -> Any:
    answer = app.send("POST", "/api/exports/preview", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_of_a_saved_export_it_shows_what_its_next_run_gives(app: Api) -> None:
    body = {"columns": ["objectId", "displayName"], "scope": {"administrativeUnit": UNIT}, "callbackUrl": CALLBACK}
    app.send("PUT", "/api/saved-exports/unit", json=body)
    found = previewed(app, saved="unit")
    assert (found["count"], found["columns"], len(found["rows"])) == (10, ["objectId", "displayName"], 5)
    assert "a-secret" not in str(found)
    assert app.listed()["value"] == [], "nothing was started"
    other = app.as_caller(program(uuid4().hex))
    assert other.send("POST", "/api/exports/preview", json={"saved": "unit"}).status_code == 400


def test_of_an_ended_export_it_shows_what_the_same_request_gives_now(app: Api) -> None:
    first = previewed(app, columns=["objectId"])["rows"]
    users = [row[0] for row in first][:3]
    ended = app.run(columns=["objectId"], users=users, format="jsonl")
    found = previewed(app, again=ended["id"])
    assert (found["count"], sorted(row[0] for row in found["rows"])) == (3, sorted(users))
    assert app.send("POST", "/api/exports/preview", json={"again": str(uuid4())}).status_code == 400
    assert len(app.listed()["value"]) == 1


def test_what_it_does_not_read_is_named_and_the_other_cells_are_shown(app: Api) -> None:
    found = previewed(app, columns=["objectId", "isMfaRegistered", "methodsRegistered"])
    assert [(each["code"], each["column"]) for each in found["problems"]] == [
        ("NotInPreview", "isMfaRegistered, methodsRegistered")
    ]
    assert all(row[0] and row[1:] == ["", ""] for row in found["rows"])
