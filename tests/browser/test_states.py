"""What the page shows when the API has little, much, strange things or nothing to say."""

import json
import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Route, expect

from local.serve import Serving
from tests.browser.watching import Watched

ID = "fe5dfaf7-9a1b-84f8-b3cb-c7e6015e2e{:02x}"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(1)</script>"


def listed(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": ID.format(number),
        "status": "Completed",
        "request": {"fileName": f"file{number}"},
        "requestedBy": {"id": "1", "name": "Ann"},
        "createdDateTime": "2026-03-01T10:00:00Z",
        "completedDateTime": "2026-03-01T11:01:05Z",
        "counts": {"exported": 1234567, "expected": 1234567, "errors": 0},
        "file": {"name": f"file{number}.csv", "rows": 1234567, "bytes": 1, "columns": 26},
        **more,
    }


def running(number: int) -> dict[str, Any]:
    progress = {"exported": 500, "expected": 1000, "ranges": 4, "rangesDone": 2, "usersPerSecond": 100.0}
    return listed(number, status="InProgress", progress=progress, file=None, counts=None, completedDateTime=None)


def answer(page: Page, pattern: str, body: Any, status: int = 200) -> list[str]:
    """Answers in place of the API; returns the list to which the addresses of the requests are added."""
    asked: list[str] = []

    def fulfill(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=status, body=json.dumps(body), content_type="application/json")

    page.route(pattern, fulfill)
    return asked


@pytest.mark.parametrize("width", [320, 390, 760, 1280])
def test_nothing_is_wider_than_the_screen(watched: Watched, width: int) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 800})
    long = listed(1, request={"fileName": "x" * 150}, requestedBy={"id": "1", "name": "y" * 200})
    long["file"]["name"] = "x" * 150 + ".csv"
    error = {"code": "c" * 120, "reason": "r" * 500, "userPrincipalName": "u" * 200, "column": "k" * 90}
    answer(page, "**/api/exports?*", {"value": [long, running(2)]})
    detailed = {**long, "errors": [error] * 5, "warnings": [error], "download": {}, "request": {"filter": "f" * 900}}
    answer(page, "**/api/exports/*", detailed)
    watched.open()
    expect(page.get_by_role("row")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name="Details").first.click()
    expect(page.locator("#details .errors")).to_be_visible()
    body = page.locator("#details-body")
    assert body.evaluate("each => each.scrollWidth - each.clientWidth") <= 0


def test_markup_in_any_value_is_text(watched: Watched) -> None:
    page = watched.page
    hostile = listed(1, requestedBy={"id": HOSTILE, "name": HOSTILE}, status=HOSTILE, createdDateTime=HOSTILE)
    hostile["file"]["name"] = HOSTILE
    hostile["request"] = {"fileName": HOSTILE, "filter": HOSTILE, "columns": [HOSTILE]}
    entry = dict.fromkeys(("code", "reason", "user", "userPrincipalName", "column", "requestId"), HOSTILE)
    answer(page, "**/api/exports?*", {"value": [hostile]})
    links = {"csv": "javascript:alert(1)", "results": "data:text/html,x", "expiresOn": ""}
    answer(page, "**/api/exports/*", {**hostile, "errors": [entry] * 5, "warnings": [entry], "download": links})
    watched.open(f"#{hostile['id']}")
    expect(page.locator("#details .errors")).to_contain_text(HOSTILE)
    expect(page.locator("main img, dialog img, main script, dialog script")).to_have_count(0)
    page.get_by_role("button", name="Download CSV").click()
    expect(page.locator("#details-body > .problem")).to_contain_text("no such file")


def test_more_operations_are_loaded_when_asked_for(watched: Watched) -> None:
    page = watched.page

    def pages(route: Route) -> None:
        second = "continuationToken=next" in route.request.url
        value = [listed(number) for number in (range(25, 40) if second else range(25))]
        route.fulfill(json={"value": value} | ({} if second else {"continuationToken": "next"}))

    page.route("**/api/exports?*", pages)
    watched.open()
    expect(page.locator("#rows tr")).to_have_count(25)
    page.get_by_role("button", name="Load more").click()
    expect(page.locator("#rows tr")).to_have_count(40)
    expect(page.get_by_role("link", name="Details of file25.csv")).to_be_focused()
    expect(page.get_by_role("button", name="Load more")).to_be_hidden()
    expect(page.locator("#rows tr").first).to_contain_text("1,234,567")
    expect(page.locator("#rows tr").first).to_contain_text("1 h 1 min")
    expect(page.locator("#rows time").first).to_have_attribute("title", "2026-03-01T10:00:00Z")


def test_the_filter_asks_the_api(watched: Watched) -> None:
    page = watched.page
    asked = answer(page, "**/api/exports?*", {"value": []})
    watched.open()
    expect(page.get_by_text("No operations yet")).to_be_visible()
    page.get_by_label("Status").select_option("Failed")
    expect(page.get_by_text("No operation has the status “Failed”")).to_be_visible()
    assert asked[-1].endswith("status=Failed")


def test_a_hidden_tab_asks_for_nothing(apart: Watched) -> None:
    page = apart.page
    answer(page, "**/api/exports?*", {"value": [running(1)]})
    asked = answer(page, "**/api/exports/*", running(1), 202)
    page.clock.install()
    apart.open()
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, writable: true })")
    page.clock.run_for(60_000)
    assert asked == []
    page.evaluate("document.hidden = false")
    with page.expect_request("**/api/exports/*"):
        page.clock.run_for(3_000)


def test_rows_out_of_sight_are_not_asked_for(watched: Watched) -> None:
    page = watched.page
    answer(page, "**/api/exports?*", {"value": [running(1), *map(listed, range(2, 40)), running(50)]})
    asked = answer(page, "**/api/exports/*", running(1), 202)
    watched.open()
    with page.expect_response("**/api/exports/*"):
        pass
    assert set(asked) == {f"{watched.url}/api/exports/{ID.format(1)}"}


def test_an_api_that_is_away_is_tried_again(watched: Watched) -> None:
    page = watched.page
    page.route("**/api/exports?*", lambda route: route.abort())
    watched.open()
    expect(page.get_by_role("alert")).to_contain_text("The API can't be reached")
    page.unroute("**/api/exports?*")
    answer(page, "**/api/exports?*", {"value": [listed(1)]})
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("row", name="file1.csv")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_hidden()


def test_who_is_not_signed_in_gets_the_way_to_it(watched: Watched) -> None:
    watched.refusals.add(401)
    page = watched.page
    answer(page, "**/api/exports?*", {"title": "Not signed in", "detail": "Sign in with your work account."}, 401)
    watched.open()
    sign_in = page.get_by_role("alert").get_by_role("link", name="Sign in")
    back = "post_login_redirect_uri=%2Fapi%2Fbulk-operations"
    expect(sign_in).to_have_attribute("href", f"/.auth/login/aad?{back}")


def test_a_redirect_to_the_sign_in_page_counts_as_signed_out(watched: Watched) -> None:
    page = watched.page
    elsewhere = {"Location": "https://login.example/authorize"}
    page.route("**/api/exports?*", lambda route: route.fulfill(status=302, headers=elsewhere))
    watched.open()
    expect(page.get_by_role("alert").get_by_role("link", name="Sign in")).to_be_visible()


def test_what_the_api_says_is_missing_is_shown(watched: Watched) -> None:
    watched.refusals.add(503)
    page = watched.page
    answer(page, "**/api/exports?*", {"title": "The app is not set up", "detail": "EXPORT_STORAGE is missing"}, 503)
    watched.open()
    expect(page.get_by_role("alert")).to_contain_text("EXPORT_STORAGE is missing")


@pytest.mark.parametrize("name", ["", "/script.js", "/style.css", "/icon.svg"])
def test_every_file_comes_with_headers_that_let_nothing_else_in(serving: Serving, name: str) -> None:
    answered = httpx.get(f"{serving.url}/api/bulk-operations{name}", trust_env=False)
    policy = answered.headers["content-security-policy"]
    assert answered.status_code == 200
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.headers["referrer-policy"] == "no-referrer"


def test_the_columns_are_told_with_what_they_cost(serving: Serving) -> None:
    told = httpx.get(f"{serving.url}/api/columns", trust_env=False).raise_for_status().json()
    headers = [column["header"] for column in told["columns"]]
    assert len(headers) == len(set(headers))
    assert all(set(names) <= set(headers) for names in told["sets"].values())
    assert {column["header"] for column in told["columns"] if column["cost"] == "user"} == {
        "authenticationPhoneNumber",
        "authenticationAlternativePhoneNumber",
        "authenticationEmail",
    }


@pytest.mark.parametrize("name", ["__init__.py", "..%2fapi.py", "%2e%2e", "index.html.", "/etc/passwd"])
def test_no_other_file_is_served(serving: Serving, name: str) -> None:
    assert httpx.get(f"{serving.url}/api/bulk-operations/{name}", trust_env=False).status_code == 404


def test_rows_stay_when_the_api_is_away_and_say_of_when_they_are(watched: Watched) -> None:
    page = watched.page
    answer(page, "**/api/exports?*", {"value": [listed(1)]})
    watched.open()
    expect(page.get_by_role("row", name="file1.csv")).to_be_visible()
    page.unroute("**/api/exports?*")
    page.route("**/api/exports?*", lambda route: route.abort())
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("alert")).to_contain_text("The API can't be reached")
    expect(page.get_by_role("row", name="file1.csv")).to_be_visible()
    expect(page.locator("#as-of")).to_contain_text("As of ")
    expect(page.get_by_role("button", name="Refresh")).to_be_focused()


def test_what_others_start_appears_by_itself_and_what_they_delete_goes(apart: Watched) -> None:
    page = apart.page
    answer(page, "**/api/exports?*", {"value": [listed(2), listed(3)]})
    page.clock.install()
    apart.open()
    expect(page.get_by_role("link", name="Details of file2.csv")).to_be_visible()
    page.unroute("**/api/exports?*")
    answer(page, "**/api/exports?*", {"value": [listed(1), listed(3)]})
    page.clock.run_for(11_000)
    expect(page.get_by_role("link", name="Details of file1.csv")).to_be_visible()
    expect(page.get_by_role("link", name="Details of file2.csv")).to_have_count(0)
    names = page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.id)")
    assert names == [ID.format(1), ID.format(3)]


def test_status_and_name_stay_in_the_address(watched: Watched) -> None:
    page = watched.page
    asked = answer(page, "**/api/exports?*", {"value": [listed(1), listed(2)]})
    watched.open("?status=Completed&name=file2")
    expect(page.get_by_label("Status")).to_have_value("Completed")
    expect(page.get_by_role("link", name="Details of file2.csv")).to_be_visible()
    expect(page.get_by_role("link", name="Details of file1.csv")).to_be_hidden()
    assert asked[0].endswith("status=Completed")
    page.get_by_label("Find by name").fill("file1")
    expect(page).to_have_url(f"{watched.url}/api/bulk-operations?status=Completed&name=file1")


def test_an_export_that_is_being_cancelled_says_so_and_is_not_cancelled_twice(watched: Watched) -> None:
    page = watched.page
    cancelled = {**running(1), "cancelRequested": True}
    answer(page, "**/api/exports?*", {"value": [cancelled]})
    answer(page, "**/api/exports/*", cancelled, 202)
    watched.open()
    expect(page.get_by_role("row", name="file1.csv")).to_contain_text("Being cancelled")
    expect(page).to_have_title(re.compile(r"^50% . file1\.csv$"))
    page.get_by_role("row", name="file1.csv").locator(".state").click()
    expect(page.locator("#details .chip")).to_have_text("Being cancelled")
    expect(page.get_by_role("button", name="Cancel export")).to_have_count(0)


@pytest.mark.parametrize("width", [761, 1000, 1121, 1200])
def test_no_number_breaks_in_the_middle(watched: Watched, width: int) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 800})
    answer(page, "**/api/exports?*", {"value": [listed(1), running(2)]})
    watched.open()
    expect(page.locator("#rows tr")).to_have_count(2)
    numbers = page.locator("#rows .number, #rows .short")
    lines = numbers.evaluate_all(
        "cells => cells.map(cell => { const r = document.createRange();"
        " r.selectNodeContents(cell); return r.getClientRects().length; })"
    )
    assert set(lines) == {1}
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_list_tells_exports_apart_by_what_was_asked_its_format_and_its_size(watched: Watched) -> None:
    page = watched.page
    file = {"name": "g.xlsx", "rows": 1, "bytes": 5_200_000, "columns": 26, "format": "xlsx"}
    packed = {"name": "d.jsonl.gz", "rows": 1, "bytes": 900, "columns": 26, "format": "jsonl", "compressed": True}
    answer(
        page,
        "**/api/exports?*",
        {
            "value": [
                listed(1, request={"fileName": "a", "users": 401}),
                listed(2, request={"fileName": "b", "filter": "userType eq 'Guest'"}, file=file),
                listed(3, request={"fileName": "c", "scope": {"deleted": True}}, file=packed),
                listed(4, request={"fileName": "d", "scope": {"group": "7d1"}}),
                listed(5, request={"fileName": "e"}),
            ]
        },
    )
    watched.open()
    texts = ["401 selected users", "Filter: userType eq 'Guest'", "Deleted users", "Members of group 7d1", "All users"]
    expect(page.locator("#rows .asked")).to_have_text(texts)
    formats = ["CSV · 1 B", "Excel workbook · 5.2 MB", "JSON lines, compressed · 900 B", "CSV · 1 B", "CSV · 1 B"]
    expect(page.locator("#rows .about")).to_have_text(formats)


def test_completed_with_errors_says_in_one_sentence_what_is_missing_and_what_to_do(watched: Watched) -> None:
    page = watched.page
    missing = {"code": "Request_ResourceNotFound", "reason": "No such user.", "user": "x@contoso.com"}
    empty = [
        {
            "code": "accessDenied",
            "reason": "Denied.",
            "user": f"u{at}",
            "column": "authenticationEmail",
            "requestId": "7d1",
        }
        for at in range(97)
    ]
    ended = listed(1, status="CompletedWithErrors", errors=[missing, *empty], warnings=[], download={})
    ended["counts"] = {"exported": 400, "expected": 401, "errors": 98}
    answer(page, "**/api/exports?*", {"value": [ended]})
    answer(page, "**/api/exports/*", ended)
    watched.open(f"#{ended['id']}")
    expect(page.locator("#details .harm")).to_have_text("1 user is missing, 97 users have empty cells.")
    told = page.locator("#details .advice li").filter(has_text="Request_ResourceNotFound")
    expect(told).to_contain_text("What to do: Correct the list.")
    expect(page.get_by_role("button", name="Copy id")).to_have_count(97)


def test_a_failed_export_that_does_not_know_its_requests_does_not_say_none(watched: Watched) -> None:
    page = watched.page
    error = {"code": "ActivityFailed", "reason": "The step plan failed."}
    failed = listed(1, status="Failed", errors=[error], warnings=[], download={}, file=None)
    failed["counts"] = dict.fromkeys(("exported", "errors", "ranges", "requests", "retries", "restarts"), 0)
    answer(page, "**/api/exports?*", {"value": [failed]})
    answer(page, "**/api/exports/*", failed)
    watched.open(f"#{failed['id']}")
    expect(page.locator("#details")).to_contain_text("What to do: Start it again; the log has the trace.")
    expect(page.locator("#details")).not_to_contain_text("Requests to Graph")
    failed["counts"]["requests"] = 7
    answer(page, "**/api/exports/*", failed)
    page.reload()
    expect(page.locator("#details")).to_contain_text("Requests to Graph7")
