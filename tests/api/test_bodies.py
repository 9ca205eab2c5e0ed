"""A lost body never becomes the whole tenant: the Functions host passes one on only with a Content-Length above 0."""

import gzip
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.api.api_client import Api, program

WANTED = {"fileName": "one", "users": ["nobody@contoso.example"], "columns": ["userPrincipalName"]}


@pytest.fixture
def app(api: Api) -> Api:
    """The API as a managed identity sees it that nobody else uses."""
    return api.as_caller(program(uuid4().hex))


@pytest.mark.parametrize("body", [WANTED, {"fileName": "a/b"}, {"filter": "userType eq 'Guest'"}, {}])
def test_a_body_in_chunks_is_told_to_come_with_its_length(app: Api, body: dict[str, Any]) -> None:
    answer = app.send("POST", "/api/exports", content=iter([json.dumps(body).encode()]))
    assert answer.status_code == 411
    assert answer.json()["title"] == "Length Required"
    assert "Content-Length" in answer.json()["detail"]
    assert app.listed()["value"] == []


@pytest.mark.parametrize("content", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_no_body_is_refused_with_what_to_send(app: Api, content: bytes) -> None:
    answer = app.send("POST", "/api/exports", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "send {} to export all users" in answer.json()["detail"]
    assert app.listed()["value"] == []


def test_an_empty_object_is_every_user(app: Api) -> None:
    answer = app.send("POST", "/api/exports", json={})
    assert answer.status_code == 202
    assert app.end(answer.json()["id"]).json()["counts"]["exported"] == 40


def test_a_compressed_body_is_told_to_come_as_it_is(app: Api) -> None:
    packed = gzip.compress(json.dumps(WANTED).encode())
    answer = app.send("POST", "/api/exports", content=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 400
    assert "Content-Encoding" in answer.json()["detail"]


def test_a_body_with_a_byte_order_mark_is_read(app: Api) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(WANTED).encode()
    answer = app.send("POST", "/api/exports", content=content)
    assert answer.status_code == 202
    assert app.end(answer.json()["id"]).json()["request"]["users"] == 1


@pytest.mark.parametrize(
    "query", ["top=", "top", "status=&top=&continuationToken=", "Top=1&STATUS=CompletedWithErrors"]
)
def test_empty_query_values_are_none_and_names_may_be_of_any_case(app: Api, query: str) -> None:
    export_ids = [app.start(**WANTED), app.start(**WANTED)]
    for export_id in export_ids:
        app.end(export_id)
    answer = app.get(f"/api/exports?{query}")
    assert answer.status_code == 200
    assert [each["id"] for each in answer.json()["value"]] == export_ids[::-1][: 1 if "Top=1" in query else 2]


@pytest.mark.parametrize("query", ["top=1&Top=2", "top=1&top=1", "status=Completed&Status=Failed"])
def test_a_query_value_that_is_given_twice_is_refused(app: Api, query: str) -> None:
    assert app.get(f"/api/exports?{query}").status_code == 400


@pytest.mark.parametrize("export_id", ["a%2Fb", "a%2fresults.json", "%2F"])
def test_an_encoded_slash_leads_nowhere(app: Api, export_id: str) -> None:
    assert app.get(f"/api/exports/{export_id}").status_code == 404
