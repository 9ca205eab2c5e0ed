"""The page on a real export: start, watch, download, cancel, delete."""

import base64
import csv
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from local.serve import Serving
from tests.browser.watching import USERS, Watched

ADMINISTRATOR = "fe930be7-5e62-47db-91af-98c3a49a38b1"
PLAIN_USER = "b79fbf4d-3ef9-4689-8143-76b194e85509"
LATE = {"kind": "hang", "match": "$batch", "nth": 30, "times": 1, "seconds": 4}
"""One answer that is late: one range waits for it while the other is done, and the bar stands between."""


def principal(name: str, role: str) -> dict[str, str]:
    claims = [{"typ": "oid", "val": f"id of {name}"}, {"typ": "name", "val": name}, {"typ": "wids", "val": role}]
    return {
        "X-MS-CLIENT-PRINCIPAL": base64.b64encode(json.dumps({"auth_typ": "aad", "claims": claims}).encode()).decode()
    }


def start(page: Page, name: str, columns: str) -> None:
    page.get_by_role("link", name="New export").click()
    page.get_by_label("File name").fill(name)
    page.get_by_role("radio", name=columns).check()
    page.get_by_role("button", name="Start export").click()
    expect(page.locator("#start")).to_be_hidden()


def post(serving: Serving, **body: Any) -> str:
    answer = httpx.post(f"{serving.url}/api/exports", json=body, trust_env=False)
    return str(answer.raise_for_status().json()["id"])


@pytest.fixture
def faults(serving: Serving) -> Iterator[str]:
    """Where to add faults of the tenant; they end with the test."""
    url = f"{serving.graph}/_tenant/faults"
    yield url
    httpx.delete(url, trust_env=False).raise_for_status()


def test_an_export_is_started_watched_and_downloaded(watched: Watched, serving: Serving, faults: str) -> None:
    httpx.post(faults, json=[LATE], trust_env=False).raise_for_status()
    page = watched.open()
    start(page, "everyone", "documented")
    row = page.get_by_role("row", name="everyone.csv")
    bar = row.get_by_role("progressbar", name="Progress of everyone.csv")
    expect(bar).to_have_attribute("aria-valuenow", re.compile(r"^[1-9]\d?$"))
    expect(row).to_contain_text(re.compile(r"[\d,]+ of 2,000 · [\d,]+/s\d of \d ranges · \d+ s left · until \d\d:\d\d"))
    expect(row).to_contain_text("Completed")
    expect(bar).to_be_hidden()
    expect(page.locator("#status")).to_have_text("everyone.csv: Completed, 2,000 users")

    wanted = set(httpx.get(f"{serving.graph}/_tenant/ids", trust_env=False).text.split())
    assert len(wanted) == USERS
    with page.expect_download() as from_list:
        row.get_by_role("button", name="Download everyone.csv").click()
    assert from_list.value.suggested_filename == "everyone.csv"
    with from_list.value.path().open(encoding="utf-8-sig", newline="") as file:
        found = [line["objectId"] for line in csv.DictReader(file)]
    assert sorted(found) == sorted(wanted)

    row.get_by_role("link", name="Details of everyone.csv").click()
    with page.expect_download() as from_details:
        page.get_by_role("button", name="Download CSV").click()
    assert from_details.value.path().read_bytes() == from_list.value.path().read_bytes()
    with page.expect_download() as of_results:
        page.get_by_role("button", name="Download results.json").click()
    results = json.loads(of_results.value.path().read_text())
    assert (results["status"], results["counts"]["exported"]) == ("Completed", USERS)


def test_a_running_export_is_cancelled_after_a_question(watched: Watched, faults: str) -> None:
    httpx.post(faults, json=[LATE], trust_env=False).raise_for_status()
    page = watched.open()
    start(page, "unwanted", "documented")
    page.get_by_role("link", name="Details of unwanted.csv").click()
    page.get_by_role("button", name="Cancel export").click()
    question = page.get_by_role("alertdialog", name="Cancel this export?")
    expect(question.get_by_role("button", name="Keep running")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#details")).to_contain_text("In progress")
    page.get_by_role("button", name="Cancel export").click()
    question.get_by_role("button", name="Cancel export").click()
    expect(page.locator("#details .chip")).to_have_text("Cancelled")
    assert page.evaluate("document.activeElement !== document.body")
    expect(page.get_by_role("button", name="Download CSV")).to_be_hidden()
    page.get_by_role("dialog", name="unwanted.csv").get_by_role("button", name="Close").click()
    expect(page.get_by_role("row", name="unwanted.csv")).to_contain_text("Cancelled")


def test_an_ended_export_is_run_again_after_a_question(watched: Watched, serving: Serving) -> None:
    page = watched.open(f"#{post(serving, fileName='twice', users=['nobody@contoso.com'], columns='profile')}")
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("alertdialog", name="again?").get_by_role("button", name="Run again").click()
    expect(page.locator("#details")).to_be_hidden()
    expect(page.get_by_role("link", name="Details of twice.csv")).to_have_count(2)
    expect(page.get_by_role("link", name="Details of twice.csv").first).to_be_focused()


def test_an_ended_export_is_deleted_after_a_question(watched: Watched, serving: Serving) -> None:
    export_id = post(serving, fileName="old", columns="profile")
    page = watched.open(f"#{export_id}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Keep").click()
    expect(page.get_by_role("button", name="Delete")).to_be_focused()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("alertdialog", name="Delete this export?").get_by_role("button", name="Delete").click()
    expect(page.locator("#details")).to_be_hidden()
    expect(page.get_by_role("row", name="old.csv")).to_have_count(0)
    watched.refusals.add(410)
    page.goto("about:blank")
    watched.open(f"#{export_id}")
    expect(page.locator("#details")).to_contain_text("was deleted")


def test_errors_are_counted_by_code_and_found_by_text(watched: Watched, serving: Serving, faults: str) -> None:
    denied = {"kind": "status", "match": "/authentication/methods", "rate": 0.2, "status": 403, "code": "Denied"}
    missing = {**denied, "rate": 0.1, "status": 404, "code": "Missing"}
    httpx.post(faults, json=[denied, missing], trust_env=False).raise_for_status()
    people = httpx.get(f"{serving.graph}/_tenant/users", trust_env=False).text.splitlines()[:120]
    users = [json.loads(line)["userPrincipalName"] for line in people]
    users.append("nobody@contoso.com")
    page = watched.open(f"#{post(serving, users=users, columns=['objectId', 'authenticationEmail'])}")
    expect(page.locator("#details .chip")).to_have_text("Completed with errors")
    bars = page.get_by_role("list", name="Errors by code").get_by_role("button")
    expect(bars).to_have_count(3)
    lines = page.locator("#details .errors tbody tr")
    shown = lines.count()
    bars.first.click()
    assert 0 < lines.count() < shown
    expect(lines.filter(has_text=re.compile("Denied|Missing"))).to_have_count(lines.count())
    bars.first.click()
    expect(lines).to_have_count(shown)
    page.get_by_label("Find in the errors").fill("nobody")
    expect(lines).to_have_count(1)
    expect(lines).to_contain_text("Request_ResourceNotFound")


def test_a_failed_export_says_why_and_has_no_file(watched: Watched, serving: Serving) -> None:
    watched.refusals.add(500)
    page = watched.open(f"#{post(serving, fileName='wrong', columns='profile', filter='nosuch eq 1')}")
    expect(page.locator("#details .chip")).to_have_text("Failed")
    expect(page.locator("#details")).to_contain_text("Could not find a property named 'nosuch'")
    expect(page.get_by_role("button", name="Download CSV")).to_be_hidden()
    expect(page.get_by_role("button", name="Download results.json")).to_be_visible()


def test_a_caller_without_a_role_reads_why_and_sees_nothing(watched: Watched) -> None:
    watched.refusals.add(403)
    watched.page.set_extra_http_headers(principal("Ann", PLAIN_USER))
    page = watched.open()
    expect(page.get_by_role("alert")).to_contain_text("Ann has no role that may export users")
    expect(page.get_by_role("alert")).to_contain_text("Exports.Run, Global Administrator, User Administrator")
    expect(page.get_by_role("link", name="New export")).to_be_hidden()
    expect(page.locator("#rows tr")).to_have_count(0)
    watched.open("#new")
    expect(page.get_by_role("alert")).to_contain_text("no role that may export users")
    expect(page.locator("#start")).to_be_hidden()


def test_a_hostile_name_is_shown_as_text(watched: Watched) -> None:
    name = "<img src=x onerror=\"document.title='owned'\">"
    watched.page.set_extra_http_headers(principal(name, ADMINISTRATOR))
    page = watched.open()
    start(page, "& friends", "profile")
    expect(page.get_by_role("row", name="& friends.csv")).to_contain_text(name)
    page.get_by_role("link", name="Details of & friends.csv").click()
    expect(page.locator("#details")).to_contain_text(name)
    expect(page.locator("main img, dialog img")).to_have_count(0)
    expect(page).to_have_title("Bulk operation results")


def test_the_whole_way_goes_without_a_mouse(watched: Watched) -> None:
    page = watched.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the list")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("File name")).to_be_focused()
    expect(page.get_by_role("radio", name="documented")).to_be_checked()
    page.keyboard.type("by hand")
    page.keyboard.press("Tab")  # All users
    page.keyboard.press("Tab")  # The sets of columns
    expect(page.get_by_role("radio", name="documented")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="profile")).to_be_checked()
    page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Details of by hand.csv")
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="by hand.csv")
    expect(panel.get_by_role("heading", name="by hand.csv")).to_be_focused()
    expect(panel.locator(".chip")).to_have_text("Completed")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(link).to_be_focused()
    assert page.url.endswith("/api/bulk-operations")


def test_a_link_to_an_export_is_copied(apart: Watched, serving: Serving) -> None:
    export_id = post(serving, columns=["objectId"])
    apart.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=serving.url)
    page = apart.open(f"#{export_id}")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{serving.url}/api/bulk-operations#{export_id}"
