"""Comparisons over HTTP."""

import csv
import io
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from local.serve import Serving
from shared.api import routes
from shared.api.exchange import Incoming
from tests.api.api_client import Api, administrator, program
from tests.api.test_authentication_columns import COLUMNS as AUTHENTICATION
from tests.api.test_authentication_columns import PERMITTED, sent, strict
from tests.integration.runner import run_export

COLUMNS = ["objectId", "userPrincipalName", "displayName"]


@pytest.fixture(scope="module")
def exports(api: Api) -> tuple[str, str]:
    """The ids of two exports of the same users."""
    return api.run(columns=COLUMNS)["id"], api.run(columns=COLUMNS, filter="accountEnabled eq true")["id"]


def post(api: Api, key: str = "", /, **body: Any) -> httpx.Response:
    return api.send("POST", "/api/comparisons", json=body, headers={"Idempotency-Key": key} if key else {})


def test_a_comparison_is_started_shown_listed_and_deleted_like_an_export(api: Api, exports: tuple[str, str]) -> None:
    old, new = exports
    started = post(api, old=old, new=new)
    assert started.status_code == 202
    comparison = started.json()["id"]
    assert started.headers["location"] == started.json()["statusUrl"] == f"{api.serving.url}/api/exports/{comparison}"
    ended = api.end(comparison)
    assert ended.status_code == 200
    found = ended.json()
    assert (found["type"], found["status"]) == ("comparison", "Completed")
    assert (found["request"]["old"], found["request"]["new"]) == exports
    counts = found["counts"]
    assert counts["removed"] > 0
    assert counts["added"] == counts["changed"] == 0
    text = httpx.get(found["download"]["csv"], trust_env=False).content.decode("utf-8-sig")
    rows = [*csv.DictReader(io.StringIO(text))]
    assert {row["removedBecause"] for row in rows} == {"notInExport"}
    assert len(rows) == counts["removed"] == found["file"]["rows"]
    listed = {each["id"]: each for each in api.listed(top=200)["value"]}
    assert listed[comparison]["type"] == "comparison"
    assert listed[comparison]["request"]["old"] == old
    assert listed[comparison]["counts"]["removed"] == counts["removed"]
    assert listed[old]["type"] == "export"
    assert api.cancel(comparison).json()["status"] == "Completed"
    assert api.delete(comparison).status_code == 204
    assert api.get(f"/api/exports/{comparison}").status_code == 410


def test_what_can_not_be_compared_is_refused(api: Api, exports: tuple[str, str]) -> None:
    old, new = exports
    without_id = api.run(columns=["userPrincipalName"])["id"]
    failed = api.start(columns=COLUMNS, filter="noSuchProperty eq 'x'")
    api.end(failed)
    deleted = api.run(columns=COLUMNS)["id"]
    api.delete(deleted)
    comparison = post(api, old=old, new=new).json()["id"]
    api.end(comparison)
    for body, pointers in (
        ({}, ["/old", "/new"]),
        ({"old": old}, ["/new"]),
        ({"old": 5, "new": "../x"}, ["/old", "/new"]),
        ({"old": old, "new": str(uuid4())}, ["/new"]),
        ({"old": old, "new": old}, ["/new"]),
        ({"old": without_id, "new": new}, ["/old"]),
        ({"old": failed, "new": new}, ["/old"]),
        ({"old": deleted, "new": new}, ["/old"]),
        ({"old": comparison, "new": new}, ["/old"]),
        ({"old": old, "new": new, "filter": "x", "format": "pdf"}, ["/filter", "/format"]),
    ):
        answer = post(api, **body)
        assert answer.status_code == 400, body
        assert [each["pointer"] for each in answer.json()["errors"]] == pointers, body


def test_who_does_not_see_both_exports_can_not_compare_them(api: Api) -> None:
    own, other = (api.as_caller(program(uuid4().hex)) for _ in range(2))
    mine, theirs = (each.run(columns=COLUMNS)["id"] for each in (own, other))
    answer = post(own, old=mine, new=theirs)
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == ["/new"]
    # An administrator sees all exports; the comparison is the administrator's.
    comparison = post(api, old=mine, new=theirs).json()["id"]
    assert api.end(comparison).status_code == 200
    assert own.get(f"/api/exports/{comparison}").status_code == 404


def test_the_same_key_gives_the_first_comparison_also_when_an_export_is_gone(api: Api) -> None:
    old, new = (api.run(columns=COLUMNS)["id"] for _ in range(2))
    key = uuid4().hex
    first = post(api, key, old=old, new=new)
    api.end(first.json()["id"])
    api.delete(old)
    again = post(api, key, new=new, old=old)
    assert (again.status_code, again.json()) == (202, first.json())
    assert post(api, key, old=new, new=old).status_code == 422


def test_the_same_key_gives_the_first_export_also_when_what_it_was_made_of_is_gone(api: Api) -> None:
    app = api.as_caller(program(uuid4().hex))
    source = app.run(columns=COLUMNS)["id"]
    app.send("PUT", "/api/saved-exports/mine", json={"columns": COLUMNS})
    for body in ({"again": source}, {"saved": "mine"}):
        key = uuid4().hex
        first = app.post(body, key)
        assert first.status_code == 202
        app.end(first.json()["id"])
        assert app.delete(source).status_code == 204 if "again" in body else True
        app.send("DELETE", "/api/saved-exports/mine") if "saved" in body else None
        repeated = app.post(body, key)
        assert (repeated.status_code, repeated.json()) == (202, first.json())
        assert app.post(body, uuid4().hex).status_code == 400


def test_a_comparison_is_not_used_again(api: Api, exports: tuple[str, str]) -> None:
    comparison = post(api, old=exports[0], new=exports[1]).json()["id"]
    api.end(comparison)
    answer = api.post({"again": comparison})
    assert answer.status_code == 400
    assert "comparison" in answer.json()["detail"]


async def test_who_may_not_have_authentication_columns_may_not_compare_them(serving: Serving) -> None:
    async with strict(serving) as (edges, on):
        old, new, plain = [
            (await run_export(edges, columns=columns)).id
            for columns in (AUTHENTICATION, AUTHENTICATION, ["objectId", "displayName"])
        ]

        async def asked(caller: dict[str, str], **body: str) -> int:
            incoming = Incoming("POST", "http://localhost/api/comparisons", body=msgspec.json.encode(body))
            return (await sent(on, routes.start_comparison, incoming, caller))[0]

        assert await asked(administrator(), old=old, new=new) == 403
        assert await asked(PERMITTED, old=old, new=new) == 202
        # What only one of them has is not in the comparison.
        assert await asked(administrator(), old=old, new=plain) == 202
