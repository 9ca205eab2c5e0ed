"""Lists show each export once and to whom it belongs; so does every other route."""

from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from local.serve import Serving
from shared.api import listing, start
from shared.api.access import Caller
from shared.api.operations import Operations
from shared.api.request import ExportRequest
from shared.export import activities
from shared.export.context import Edges
from shared.storage import connection
from tests.api.api_client import Api, administrator, principal, program
from tests.api.durable import Durable
from tests.edges import settings_for


@pytest.fixture
def app(api: Api) -> Api:
    """The API as a managed identity sees it that nobody else uses."""
    return api.as_caller(program(uuid4().hex))


def pages(api: Api, **query: Any) -> list[list[str]]:
    """The ids on each page."""
    found, token = [], ""
    while True:
        page = api.listed(**query, **({"continuationToken": token} if token else {}))
        found.append([each["id"] for each in page["value"]])
        token = page.get("continuationToken", "")
        if not token:
            return found


def test_over_many_pages_each_export_is_there_once_newest_first(app: Api) -> None:
    started = [app.start() for _ in range(9)]
    found = pages(app, top=2)
    assert [len(page) for page in found] == [2, 2, 2, 2, 1]
    assert [export_id for page in found for export_id in page] == started[::-1]
    assert [len(page) for page in pages(app, top=3)] == [3, 3, 3]
    assert len(pages(app)) == 1


def test_exports_that_start_between_two_pages_push_none_out_and_show_none_twice(app: Api) -> None:
    before = {app.start() for _ in range(7)}
    seen, token = [], ""
    for _ in count():
        page = app.listed(top=2, **({"continuationToken": token} if token else {}))
        seen += [each["id"] for each in page["value"]]
        token = page.get("continuationToken", "")
        if not token:
            break
        app.start()
    assert sorted(seen) == sorted(before)
    assert len(pages(app, top=200)[0]) > len(before)


def test_an_export_that_is_deleted_between_two_pages_takes_no_other_with_it(app: Api) -> None:
    started = [app.run()["id"] for _ in range(4)]
    first = app.listed(top=2)
    assert app.delete(first["continuationToken"]).status_code == 204
    second = app.listed(top=2, continuationToken=first["continuationToken"])
    assert [each["id"] for page in (first, second) for each in page["value"]] == started[::-1]
    assert [each["id"] for each in app.listed()["value"]] == [*started[:1:-1][:1], *started[1::-1]]


def test_the_filter_by_status_also_counts_for_pages(app: Api) -> None:
    failing = [app.start(filter="noSuchProperty eq 'x'") for _ in range(3)]
    completed = [app.start() for _ in range(3)]
    for export_id in failing + completed:
        app.end(export_id)
    assert pages(app, status="Completed", top=2) == [completed[:0:-1], completed[:1]]
    assert pages(app, status="Failed", top=1) == [[export_id] for export_id in failing[::-1]]
    assert pages(app, status="Cancelled") == [[]]
    (entry,) = app.listed(status="Failed", top=1)["value"]
    assert entry["counts"]["exported"] == 0
    assert entry["file"] is None


async def test_one_that_ends_while_the_list_is_read_is_shown_as_it_ended(serving: Serving) -> None:
    """Its results came between the listing of the container and the question to Durable."""
    ann, settings, durable = Caller("ann", "Ann", administrator=False), settings_for(serving.storage), Durable()
    storage = connection.connect(settings, None)
    async with storage.service:
        on = Operations(storage, durable, settings)
        wanted = ExportRequest(file_name="users", columns=("objectId",))
        export_id = await start.start(on, wanted, ann)

        async def end() -> None:
            nothing: dict[str, Any] = {"ranges": 0, "expected": None, "found": [], "warnings": [], "parts": []}
            nothing |= dict.fromkeys(("requests", "retries", "restarts"), 0)
            no_graph: Any = None
            await activities.run(
                Edges(no_graph, storage, settings), "publish", {"id": export_id, "cancelled": True, **nothing}
            )
            durable.instances[export_id] = "Completed"

        durable.before_status = end
        (entry,) = (await listing.list_exports(on, ann))["value"]
    assert entry["status"] == "Cancelled"
    assert entry["file"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"status": "completed"},
        {"top": 0},
        {"top": "1.0"},
        {"top": -1},
        {"top": "²"},
        {"continuationToken": "../"},
        {"continuationToken": "F" * 36},
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_names_its_parameter(app: Api, query: dict[str, Any]) -> None:
    answer = app.get("/api/exports", params=query)
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"/{next(iter(query))}"]


def test_what_is_not_ones_own_is_not_found_whatever_one_does(app: Api, api: Api) -> None:
    export_id = app.run()["id"]
    stranger = api.as_caller(program(uuid4().hex))
    answers = [stranger.get(f"/api/exports/{export_id}"), stranger.cancel(export_id), stranger.delete(export_id)]
    never_was = stranger.get(f"/api/exports/{uuid4()}")
    assert [answer.status_code for answer in answers] == [404] * 3
    assert {answer.text for answer in answers} == {never_was.text}
    assert stranger.listed()["value"] == []
    assert app.get(f"/api/exports/{export_id}").status_code == 200


def test_that_anothers_export_was_deleted_is_not_told_either(app: Api, api: Api) -> None:
    export_id = app.run()["id"]
    assert app.delete(export_id).status_code == 204
    assert app.get(f"/api/exports/{export_id}").status_code == 410
    assert api.get(f"/api/exports/{export_id}").status_code == 410
    assert api.as_caller(program(uuid4().hex)).get(f"/api/exports/{export_id}").status_code == 404


def test_an_administrator_sees_lists_and_removes_everyones(app: Api, api: Api) -> None:
    export_id = app.run()["id"]
    other = api.as_caller(administrator(uuid4().hex))
    assert other.get(f"/api/exports/{export_id}").status_code == 200
    assert export_id in {each["id"] for each in other.listed(top=200)["value"]}
    assert other.delete(export_id).status_code == 204
    assert app.get(f"/api/exports/{export_id}").status_code == 410


def test_an_id_in_capital_letters_is_the_same_export(app: Api) -> None:
    export_id = app.run()["id"]
    assert app.get(f"/api/EXPORTS/{export_id.upper()}").json()["id"] == export_id


def test_without_a_role_nothing_is_shown(api: Api) -> None:
    export_id = api.run()["id"]
    nobody = api.as_caller(principal("nobody", "b79fbf4d-3ef9-4689-8143-76b194e85509"))
    answers = [nobody.get("/api/exports"), nobody.get(f"/api/exports/{export_id}"), nobody.get("/api/columns")]
    answers += [nobody.post(), nobody.cancel(export_id), nobody.delete(export_id)]
    assert [answer.status_code for answer in answers] == [403] * 6
    assert export_id not in "".join(answer.text for answer in answers)
