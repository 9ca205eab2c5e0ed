"""Saved exports over HTTP, and requests that are used anew."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.api_client import CONTRACT, Api, administrator, program
from tests.waiting import wait

CALLBACK = "https://prod-1.westeurope.logic.azure.com/workflows/1?sig=a-secret"
SCHEMAS = CONTRACT["components"]["schemas"]


@pytest.fixture
def app(api: Api) -> Api:
    """A caller without any saved exports."""
    return api.as_caller(program(uuid4().hex))


def save(api: Api, name: str, /, **body: Any) -> Any:
    return api.send("PUT", f"/api/saved-exports/{name}", json={"columns": "profile", **body})


def test_what_is_saved_is_shown_with_its_next_run_and_without_the_callbacks_secret(app: Api) -> None:
    body = {"filter": "accountEnabled eq true", "schedule": "0 6 * * MON", "timeZone": "Europe/Berlin", "keep": 3}
    made = save(app, "nightly", callbackUrl=CALLBACK, **body)
    assert made.status_code == 201
    shown = app.get("/api/saved-exports/nightly")
    assert shown.json() == made.json()
    assert {"columns": "profile", **body}.items() <= shown.json().items()
    assert shown.json()["callbackHost"] == "prod-1.westeurope.logic.azure.com"
    listed = app.get("/api/saved-exports")
    assert [(each["name"], each["nextRunDateTime"]) for each in listed.json()["value"]] == [
        ("nightly", shown.json()["nextRunDateTime"])
    ]
    assert not any("a-secret" in answer.text or "callbackUrl" in answer.text for answer in (made, shown, listed))
    assert "a-secret" not in app.log()


def test_the_list_tells_what_each_asks_for_and_whose_it_is(app: Api) -> None:
    name = uuid4().hex
    save(app, name, users=["ann@contoso.com", "bo@contoso.com"])
    save(app, f"{name}-filter", filter=f"displayName eq '{'x' * 300}'")
    save(app, f"{name}-all")
    found = {each["name"]: each for each in app.get("/api/saved-exports").json()["value"]}
    assert found[name]["asked"] == {"users": 2}
    assert len(found[f"{name}-filter"]["asked"]["filter"]) == 202
    assert found[f"{name}-all"]["asked"] == {}
    assert app.get(f"/api/saved-exports/{name}").json()["own"] is True
    assert "asked" not in app.get(f"/api/saved-exports/{name}").json()
    seen = app.as_caller(administrator(uuid4().hex)).get("/api/saved-exports").json()["value"]
    assert {each["own"] for each in seen if each["name"].startswith(name)} == {False}


def test_a_put_replaces_and_a_delete_removes(app: Api) -> None:
    assert save(app, "a", filter="accountEnabled eq true").status_code == 201
    replaced = save(app, "a")
    assert replaced.status_code == 200
    assert "filter" not in replaced.json()
    assert app.send("DELETE", "/api/saved-exports/a").status_code == 204
    assert app.get("/api/saved-exports/a").status_code == 404
    assert app.send("DELETE", "/api/saved-exports/a").status_code == 404
    assert app.get("/api/saved-exports").json() == {"value": []}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"schedule": "* * * * *"}, ["/schedule"]),
        ({"schedule": "0,50 * * * *"}, ["/schedule"]),
        ({"schedule": "0 0 30 2 *"}, ["/schedule"]),
        ({"schedule": "0 0 6 * * *"}, ["/schedule"]),
        ({"schedule": 5, "timeZone": 5, "keep": "5"}, ["/schedule", "/timeZone", "/keep"]),
        ({"schedule": "0 6 * * *", "timeZone": "Berlin"}, ["/timeZone"]),
        ({"keep": 0}, ["/keep"]),
        ({"keep": True}, ["/keep"]),
        ({"compare": "yes"}, ["/compare"]),
        ({"compare": True, "columns": ["displayName"]}, ["/compare"]),
        ({"schedul": "0 6 * * *"}, ["/schedul"]),
        ({"columns": ["nosuchcolumn"], "keep": -1}, ["/columns/0", "/keep"]),
        ({"saved": "other"}, ["/saved"]),
        ({"callbackUrl": "https://evil.example/"}, ["/callbackUrl"]),
    ],
)
def test_all_that_is_wrong_is_told_and_nothing_is_saved(app: Api, body: dict[str, Any], pointers: list[str]) -> None:
    answer = save(app, "bad", **body)
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json()["errors"]] == pointers
    assert app.get("/api/saved-exports").json() == {"value": []}


@pytest.mark.parametrize("name", ["A", "a_b", "a.b", "ä", "a" * 65, "a%2Fb"])
def test_a_name_has_1_to_64_of_few_characters(app: Api, name: str) -> None:
    assert save(app, name).status_code in {400, 404}
    assert app.get(f"/api/saved-exports/{name}").status_code == 404
    assert save(app, "a-0" + "b" * 61).status_code == 201


def test_a_body_is_needed(app: Api) -> None:
    assert app.send("PUT", "/api/saved-exports/a").status_code == 400


def test_an_owner_has_50_at_most_and_can_still_change_them(app: Api) -> None:
    assert {save(app, f"n{number}").status_code for number in range(50)} == {201}
    assert save(app, "one-more").status_code == 400
    assert save(app, "n7").status_code == 200


def test_names_are_each_owners_own_and_administrators_see_all(api: Api) -> None:
    name, owners = f"n{uuid4().hex}", [uuid4().hex, uuid4().hex]
    apps = [api.as_caller(program(each)) for each in owners]
    path = f"/api/saved-exports/{name}"
    assert save(apps[0], name, filter="accountEnabled eq true").status_code == 201
    assert apps[1].get(path).status_code == 404
    assert apps[1].get(path, params={"owner": owners[0]}).status_code == 404
    boss = api.as_caller(administrator(uuid4().hex))
    assert boss.get(path).json()["owner"]["id"] == owners[0]
    assert save(apps[1], name).status_code == 201
    assert boss.get(path).status_code == 400
    assert boss.get(path, params={"owner": owners[1]}).json()["owner"]["id"] == owners[1]
    found = [each["owner"]["id"] for each in boss.get("/api/saved-exports").json()["value"] if each["name"] == name]
    assert sorted(found) == sorted(owners)
    assert boss.send("DELETE", path, params={"owner": owners[1]}).status_code == 204
    assert apps[0].get(path).status_code == 200
    assert apps[1].get(path).status_code == 404


def test_a_saved_export_is_started_by_its_name(app: Api) -> None:
    save(app, "some", filter="accountEnabled eq true", fileName="some")
    answer = app.post({"saved": "some"}, key="one")
    export_id = answer.json()["id"]
    assert app.post({"saved": "some"}, key="one").json()["id"] == export_id
    found = app.end(export_id).json()
    assert found["status"] == "Completed"
    assert (found["request"]["saved"], found["request"]["filter"]) == ("some", "accountEnabled eq true")
    (listed,) = app.listed()["value"]
    assert listed["request"]["saved"] == "some"
    save(app, "some")
    assert app.post({"saved": "some"}, key="one").json()["id"] == export_id


def test_runs_of_saved_exports_are_listed_among_the_others_by_their_age(app: Api) -> None:
    save(app, "some")
    ids = [app.start(**body) for body in ({}, {"body": {"saved": "some"}}, {}, {"body": {"saved": "some"}}, {})]
    assert [each["id"] for each in app.listed()["value"]] == ids[::-1]
    paged, token = list[str](), dict[str, str]()
    while True:
        page = app.listed(top=2, **token)
        paged += [each["id"] for each in page["value"]]
        if "continuationToken" not in page:
            break
        token = {"continuationToken": page["continuationToken"]}
    assert paged == ids[::-1]
    for each in ids:
        app.end(each)


def test_keep_removes_older_runs_when_the_timer_fires(app: Api) -> None:
    save(app, "some", keep=1)
    first, second = (app.run(body={"saved": "some"})["id"] for _ in range(2))

    def gone() -> bool:
        app.http.post("/admin/functions/start_due_exports")
        return app.get(f"/api/exports/{first}").status_code == 410

    wait(gone, "the removal of the first")
    assert app.get(f"/api/exports/{second}").status_code == 200


@pytest.mark.parametrize("by", ["saved", "again"])
def test_a_request_that_is_not_there_is_refused(app: Api, by: str) -> None:
    for value in ("nothing", "../x", str(uuid4()), None, 5, ""):
        answer = app.post({by: value})
        assert answer.status_code == 400
        assert [each["pointer"] for each in answer.json()["errors"]] == [f"/{by}"]
    assert app.listed()["value"] == []


@pytest.mark.parametrize("by", ["saved", "again"])
def test_it_is_refused_with_anything_else(app: Api, by: str) -> None:
    save(app, "some")
    given = {"saved": "some", "again": app.run()["id"]}
    assert app.post({by: given[by], "filter": "accountEnabled eq true"}).status_code == 400
    assert app.post(given).status_code == 400


def test_the_request_of_an_ended_export_is_used_anew(app: Api) -> None:
    everyone = app.run()
    user = app.run(filter="accountEnabled eq true", fileName="enabled")
    found = app.run(body={"again": user["id"]})
    assert found["request"] == user["request"]
    assert found["counts"]["exported"] < everyone["counts"]["exported"]
    assert app.run(body={"again": found["id"].upper()})["request"] == user["request"]


def test_a_list_of_users_is_used_anew_too(app: Api) -> None:
    users = ["nobody@example.com", "no one"]
    first = app.run(users=users)
    again = app.run(body={"again": first["id"]})
    assert again["request"] == first["request"]
    assert [each["user"] for each in again["errors"]] == [each["user"] for each in first["errors"]]
    assert {each["user"] for each in again["errors"]} == set(users)


def test_a_running_a_deleted_and_anothers_export_are_refused(app: Api, slow: Api) -> None:
    running = slow.start()
    try:
        assert slow.post({"again": running}).status_code == 400
    finally:
        slow.cancel(running)
        slow.end(running)
    own = app.run()["id"]
    assert app.as_caller(program(uuid4().hex)).post({"again": own}).status_code == 400
    app.delete(own)
    refused = app.post({"again": own})
    assert refused.status_code == 400
    assert "deleted" in refused.json()["detail"]


def test_what_can_be_saved_is_what_can_be_sent() -> None:
    """And what is shown of it is the same, but the callback's address."""
    sent = {*SCHEMAS["ExportRequest"]["properties"]} - {"saved", "again"}
    request, shown = SCHEMAS["SavedExportRequest"]["properties"], SCHEMAS["SavedExport"]["properties"]
    alike = {name: SCHEMAS["ExportRequest"]["properties"][name] for name in sent}
    assert alike.items() <= request.items()
    assert {name: each for name, each in alike.items() if name != "callbackUrl"}.items() <= shown.items()
    assert {*request} - sent == {"schedule", "timeZone", "keep", "compare"}
