"""The page compares two exports that are ticked in the list, and shows what has changed."""

import csv

import httpx
import pytest
from playwright.sync_api import expect

from local.serve import Serving
from tests.browser.test_operations import post
from tests.browser.test_states import ID, answer, listed, running
from tests.browser.watching import Watched
from tests.waiting import wait

COMPARISON = listed(
    5,
    type="comparison",
    request={"fileName": "changes", "old": ID.format(3), "new": ID.format(2), "columns": ["objectId", "city"]},
    counts={"added": 1, "removed": 2, "changed": 1000, "unchanged": 9, "errors": 0, "requests": 1, "retries": 0},
    changedColumns={"department": 900, "city": 100},
    columns={"compared": ["city"], "notRead": ["lastSignInDateTime"], "onlyOld": [], "onlyNew": ["mail"]},
    errors=[],
    warnings=[],
    download={},
)


def exported(serving: Serving, name: str, **body: object) -> None:
    export_id = post(serving, fileName=name, columns=["objectId", "displayName"], **body)
    url = f"{serving.url}/api/exports/{export_id}"
    wait(lambda: httpx.get(url, trust_env=False).status_code == 200, "the end")


def test_two_ticked_exports_are_compared_the_older_with_the_newer(watched: Watched, serving: Serving) -> None:
    exported(serving, "before")
    exported(serving, "after", filter="accountEnabled eq true")
    page = watched.open()
    button = page.get_by_role("button", name="Compare", exact=True)
    expect(page.get_by_role("row", name="after.csv")).to_be_visible()
    expect(button).to_be_hidden()
    # The order in which they are ticked does not matter.
    page.get_by_role("checkbox", name="Compare after.csv").check()
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_text("Tick the two exports to compare.")).to_be_visible()
    page.get_by_role("checkbox", name="Compare before.csv").check()
    button.click()
    row = page.get_by_role("row", name="What changed between two exports").first
    expect(row).to_contain_text("Completed")
    expect(button).to_be_hidden()
    expect(row.get_by_role("checkbox")).to_have_count(0)
    row.get_by_role("link", name="Details of").click()
    details = page.get_by_role("dialog")
    removed = details.locator(".tile", has_text="Users removed").locator("dd")
    expect(removed).not_to_have_text("0")
    expect(details.locator(".tile", has_text="Users added").locator("dd")).to_have_text("0")
    expect(details.get_by_role("button", name="Run again")).to_have_count(0)
    with page.expect_download() as file:
        details.get_by_role("button", name="Download CSV").click()
    with file.value.path().open(encoding="utf-8-sig", newline="") as lines:
        rows = [*csv.DictReader(lines)]
    assert {row["change"] for row in rows} == {"removed"}
    assert len(rows) == int(removed.inner_text().replace(",", ""))


def test_the_details_show_counts_changed_columns_and_what_was_left_out(watched: Watched) -> None:
    page = watched.page
    answer(page, "**/api/exports?*", {"value": [COMPARISON]})
    answer(page, "**/api/exports/*", COMPARISON)
    watched.open(f"#{COMPARISON['id']}")
    details = page.get_by_role("dialog")
    for label, value in (("added", "1"), ("removed", "2"), ("changed", "1,000"), ("unchanged", "9")):
        expect(details.locator(".tile", has_text=f"Users {label}").locator("dd")).to_have_text(value)
    bars = details.get_by_role("list", name="Changed columns, by users").get_by_role("listitem")
    expect(bars).to_have_text(["department900", "city100"])
    widths = [float(bar.locator(".fill").evaluate("each => each.offsetWidth")) for bar in bars.all()]
    assert widths[0] == pytest.approx(9 * widths[1], rel=0.1)
    expect(details.get_by_role("link", name=ID.format(3))).to_have_attribute("href", f"#{ID.format(3)}")
    expect(details).to_contain_text("lastSignInDateTime")
    expect(details).to_contain_text("Only in the newer")
    expect(details).not_to_contain_text("Only in the older")


def test_a_refusal_is_shown_and_the_ticks_stay(watched: Watched) -> None:
    page = watched.page
    watched.refusals.add(400)
    answer(page, "**/api/exports?*", {"value": [listed(1), listed(2), running(3)]})
    problem = {"title": "The request can't be taken", "detail": "/old the export is gone"}
    answer(page, "**/api/comparisons", problem, 400)
    watched.open()
    expect(page.get_by_role("checkbox")).to_have_count(2)
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#problem")).to_contain_text("the export is gone")
    expect(page.get_by_role("button", name="Compare", exact=True)).to_have_attribute("aria-disabled", "false")
