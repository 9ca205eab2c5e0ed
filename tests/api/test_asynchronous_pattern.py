"""A Logic App's HTTP action drives the API with nothing but its asynchronous pattern, and strictly by its rules.

It polls Location until the answer is no 202; each 202 must bring Location (absolute) and Retry-After again; 200 is
green, everything from 400 on is red; 408, 429 and 5xx of the POST are sent again by themselves.
"""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from azure.storage.blob import BlobServiceClient

from local.tenant import Tenant
from shared.api import start
from shared.api.access import Caller
from shared.api.operations import Operations, new_id
from shared.api.progress import running_of
from shared.api.request import ExportRequest
from shared.storage import connection
from tests.api.api_client import Api, program
from tests.api.durable import Durable
from tests.edges import connected, settings_for
from tests.integration.runner import run_export
from tests.waiting import wait


@pytest.fixture
def app(api: Api) -> Api:
    """The API as a managed identity sees it that nobody else uses."""
    return api.as_caller(program(uuid4().hex))


def http_action(api: Api, answer: httpx.Response) -> tuple[httpx.Response, int]:
    """The action's answer, and after how many polls: what it does with the answer to its first request."""
    polls = 0

    def poll() -> httpx.Response | None:
        nonlocal answer, polls
        if answer.status_code != 202:
            return answer
        location = urlsplit(answer.headers["Location"])
        assert location.scheme in {"http", "https"}
        assert location.netloc
        assert int(answer.headers["Retry-After"]) > 0
        answer = api.get(answer.headers["Location"])
        polls += 1
        return None

    ended: httpx.Response = wait(poll, "the end of the HTTP action")
    return ended, polls


def test_it_polls_from_the_post_to_the_results_and_sees_nothing_but_202_between(app: Api) -> None:
    first = app.post()
    assert first.status_code == 202
    ended, polls = http_action(app, first)
    assert ended.status_code == 200
    assert polls > 1
    assert ended.json()["status"] == "Completed"
    assert httpx.get(ended.json()["download"]["csv"]).status_code == 200


def test_the_address_to_poll_is_on_the_host_that_the_caller_called(app: Api) -> None:
    headers = {"Host": "exports.contoso.com"}
    answer = app.send("POST", "/api/exports", json={"columns": "profile"}, headers=headers)
    assert answer.headers["Location"] == f"http://exports.contoso.com/api/exports/{answer.json()['id']}"
    assert answer.json()["statusUrl"] == answer.headers["Location"]


@pytest.mark.parametrize("path", ["/API/EXPORTS", "/api/Exports/", "/api/%65xports"])
def test_the_address_to_poll_leads_to_the_export_however_the_route_was_written(app: Api, path: str) -> None:
    ended, _ = http_action(app, app.send("POST", path, json={"columns": "profile"}))
    assert ended.status_code == 200


def test_a_failed_export_is_red_and_says_why_in_its_body(app: Api) -> None:
    ended, _ = http_action(app, app.post(filter="noSuchProperty eq 'x'"))
    assert ended.status_code == 500
    found = ended.json()
    assert found["status"] == "Failed"
    assert found["file"] is None
    assert set(found["download"]) == {"expiresOn", "results"}
    assert "noSuchProperty" in found["errors"][-1]["reason"]


def test_a_request_that_is_wrong_is_red_at_once(app: Api) -> None:
    answer = app.post(columns="everything")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/columns"
    assert app.listed()["value"] == []


def test_a_post_that_is_sent_again_starts_nothing(app: Api) -> None:
    first = app.post(key="run 1")
    again = app.post(key="run 1")
    ended, _ = http_action(app, again)
    later = app.post(key="run 1")
    assert ended.status_code == 200
    assert len({answer.json()["id"] for answer in (first, again, later, ended)}) == 1
    assert http_action(app, later)[0].status_code == 200
    assert len(app.listed()["value"]) == 1


def test_posts_at_the_same_moment_with_one_key_start_one_export(app: Api) -> None:
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: app.post(key="run 2"), range(12)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len(app.listed()["value"]) == 1


@pytest.mark.parametrize(
    "other", [{"columns": "portal"}, {"columns": "profile", "fileName": "a"}, {}, {"columns": None}]
)
def test_a_key_with_another_body_is_refused_and_starts_nothing(app: Api, other: dict[str, object]) -> None:
    first = app.post({"columns": "profile"}, key="run 6")
    refused = app.post(other, key="run 6")
    assert refused.status_code == 422
    assert "Idempotency-Key was used for another request" in refused.json()["detail"]
    http_action(app, first)
    assert app.post(other, key="run 6").status_code == 422
    assert [each["id"] for each in app.listed()["value"]] == [first.json()["id"]]


def test_bodies_with_one_key_are_compared_as_json(app: Api) -> None:
    bodies = [
        b'{"fileName": "a", "columns": "profile", "users": ["\\u00e4nn@contoso.com"]}',
        '{"users":["änn@contoso.com"],\r\n"columns":"profile","fileName":"a"}'.encode(),
        b"\xef\xbb\xbf" + '{"columns":"profile","fileName":"\\u0061","users":["änn@contoso.com"]}'.encode(),
    ]
    answers = [app.send("POST", "/api/exports", content=body, headers={"Idempotency-Key": "a"}) for body in bodies]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_of_twelve_bodies_with_one_key_at_the_same_moment_one_is_taken(app: Api) -> None:
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda at: app.post(key="run 7", fileName=f"users {at}"), range(12)))
    assert sorted(answer.status_code for answer in answers) == [202, *[422] * 11]
    (taken,) = [at for at, answer in enumerate(answers) if answer.status_code == 202]
    assert [each["request"]["fileName"] for each in app.listed()["value"]] == [f"users {taken}"]
    assert http_action(app, answers[taken])[0].json()["request"]["fileName"] == f"users {taken}"


async def test_two_that_start_it_at_once_both_get_it(api: Api) -> None:
    durable = Durable(before_start=asyncio.Barrier(2))
    settings = settings_for(api.serving.storage)
    on = Operations(connection.connect(settings, None), durable, settings)
    wanted = ExportRequest(file_name="users", columns=("objectId",))
    async with on.storage.service:
        both = [start.start(on, wanted, Caller("a", "A", administrator=False), "key") for _ in range(2)]
        ids = await asyncio.gather(*both)
    assert durable.starts == [ids[0]] == [ids[1]]


def test_another_keys_export_is_another_one_and_so_is_another_callers(app: Api) -> None:
    other = app.as_caller(program(uuid4().hex))
    answers = [app.post(key="run 3"), app.post(key="run 4"), other.post(key="run 3"), app.post(), app.post()]
    assert len({answer.json()["id"] for answer in answers}) == 5
    assert len(other.listed()["value"]) == 1


def test_an_export_that_was_deleted_is_not_begun_again_by_its_key(app: Api) -> None:
    ended, _ = http_action(app, app.post(key="run 5"))
    assert app.delete(ended.json()["id"]).status_code == 204
    again = app.post(key="run 5")
    assert again.json()["id"] == ended.json()["id"]
    assert http_action(app, again)[0].status_code == 410


@pytest.mark.parametrize("with_request", [False, True])
def test_a_post_that_died_before_it_started_the_export_is_taken_up_by_the_next(api: Api, with_request: bool) -> None:
    oid, export_id = uuid4().hex, new_id(datetime.now(UTC))
    app = api.as_caller(program(oid))
    with BlobServiceClient.from_connection_string(api.serving.storage) as service:
        container = service.get_container_client("exports")
        key = hashlib.sha256(b"\n".join([oid.encode(), b"run"])).hexdigest()
        container.upload_blob(f"keys/{key}", export_id.encode())
        if with_request:
            done = app.start(key="other")
            request = container.download_blob(f"{done}/request.json")
            content = request.readall().replace(done.encode(), export_id.encode())
            container.upload_blob(f"{export_id}/request.json", content, metadata=request.properties.metadata)
    ended, _ = http_action(app, app.post(key="run"))
    assert ended.status_code == 200
    assert ended.json()["id"] == export_id
    assert ended.json()["status"] == "Completed"


@pytest.mark.parametrize("key", ["", "a" * 256, "ünicode".encode(), b"tab\there"])
def test_a_key_that_is_none_is_refused(app: Api, key: str | bytes) -> None:
    answer = app.send("POST", "/api/exports", json={}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]
    assert app.listed()["value"] == []


def test_the_answer_says_what_each_of_its_codes_means_and_what_to_do(app: Api) -> None:
    found = app.run(users=["nobody@contoso.example"])
    assert [each["code"] for each in found["errors"]] == ["Request_ResourceNotFound"]
    assert found["advice"] == [
        {
            "code": "Request_ResourceNotFound",
            "meaning": "No user has this object id, userPrincipalName or mail address.",
            "whatToDo": "Correct the list.",
        }
    ]


async def test_progress_stays_when_the_notes_of_the_ranges_are_gone_and_the_export_has_not_yet_ended(
    api: Api,
) -> None:
    async with connected(api.serving.storage, Tenant(users=30)) as edges:
        done = await run_export(edges)
        status = SimpleNamespace(custom_status={"expected": 30, "ranges": 1})
        created = done.results["createdDateTime"]
        found = await running_of(edges.storage, done.id, created, status, datetime.now(UTC))
    assert {name: found["progress"][name] for name in ("exported", "ranges", "rangesDone")} == {
        "exported": 30,
        "ranges": 1,
        "rangesDone": 1,
    }
