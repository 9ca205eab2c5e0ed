"""Saved exports on the page: saved by the form, shown with their next and last run, run, edited and deleted."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from local.serve import Serving
from tests.browser.test_states import HOSTILE, ID, answer, listed
from tests.browser.watching import Watched

GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"


def saved(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "owner": {"id": "1", "name": "Ann"},
        "createdDateTime": "2026-03-01T10:00:00Z",
        "lastModifiedDateTime": "2026-03-01T10:00:00Z",
        "own": True,
        "asked": {},
        **more,
    }


@pytest.fixture
def server(serving: Serving) -> Iterator[httpx.Client]:
    """The API behind the page; at the end without saved exports."""
    with httpx.Client(base_url=f"{serving.url}/api/", trust_env=False) as client:
        yield client
        for each in client.get("saved-exports").json()["value"]:
            client.request("DELETE", f"saved-exports/{each['name']}").raise_for_status()


def form_of(page: Page, name: str) -> None:
    expect(page.get_by_role("radio", name="documented")).to_be_checked()
    page.get_by_role("checkbox", name="Save these settings").check()
    page.get_by_label("Name of the saved export").fill(name)


def card(page: Page, name: str) -> Any:
    return page.locator("#saved-list li").filter(has=page.get_by_role("heading", name=name, exact=True))


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


def test_settings_are_saved_run_edited_and_deleted(watched: Watched, server: httpx.Client) -> None:
    page = watched.open("#new")
    form_of(page, "guests")
    page.get_by_role("radio", name="match a filter").check()
    page.get_by_label("User type").select_option("Guest")
    page.get_by_role("radio", name="profile").check()
    page.get_by_label("Schedule").select_option("Every week")
    page.get_by_label("Time", exact=True).fill("06:30")
    page.get_by_label("Day of the week").select_option("Friday")
    page.get_by_label("Time zone").fill("Europe/Amsterdam")
    page.get_by_label("Exports to keep").fill("3")
    page.get_by_role("checkbox", name="Compare each run").check()
    save(page)
    expect(page.locator("#start")).to_be_hidden()
    shown = card(page, "guests")
    expect(shown).to_contain_text("Filter: userType eq 'Guest'")
    expect(shown).to_contain_text("Every Friday at 06:30, Europe/Amsterdam")
    expect(shown.locator("time")).to_have_count(1)
    expect(shown).to_contain_text("Last runNone")
    kept = server.get("saved-exports/guests").json()
    wanted = {"filter": "userType eq 'Guest'", "columns": "profile", "excel": True}
    wanted |= {"schedule": "30 6 * * 5", "timeZone": "Europe/Amsterdam", "keep": 3, "compare": True}
    assert wanted.items() <= kept.items()

    page.get_by_role("button", name="Run guests").click()
    expect(page.locator("#saved")).to_be_hidden()
    expect(page.locator("#rows tr").first).to_contain_text("Completed")
    page.get_by_role("link", name="Saved exports").click()
    expect(shown.get_by_role("link")).to_contain_text("Completed")

    page.get_by_role("button", name="Edit guests").click()
    expect(page.get_by_role("heading", name="Edit guests")).to_be_visible()
    expect(page.get_by_label("Day of the week")).to_have_value("5")
    page.get_by_label("Schedule").select_option("None: I run it myself")
    save(page)
    expect(shown).to_contain_text("ScheduleNone: I run it myself")
    changed = server.get("saved-exports/guests").json()
    assert "schedule" not in changed
    assert {
        "filter": "userType eq 'Guest'",
        "columns": "profile",
        "keep": 3,
        "compare": True,
    }.items() <= changed.items()

    page.get_by_role("button", name="Delete guests").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("guests and its schedule are removed")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(shown).to_be_visible()
    page.get_by_role("button", name="Delete guests").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No saved exports yet")).to_be_visible()
    assert server.get("saved-exports").json() == {"value": []}


@pytest.mark.parametrize(
    "request_",
    [
        {"columns": ["mail", "objectId", "customSecurityAttributes.A.B", "displayName"], "format": "xlsx"},
        {"scope": {"group": GROUP}, "filter": "accountEnabled eq true", "columns": "profile", "excel": False},
        {"scope": {"administrativeUnit": GROUP}, "columns": ["displayName"], "format": "jsonl", "compress": True},
        {"scope": {"deleted": True}, "columns": ["objectId"], "excel": True, "separator": ";"},
        {"users": ["bo@contoso.com", "ann@contoso.com"], "columns": "profile", "excel": True, "fileName": "two"},
        {"columns": "profile", "excel": True, "schedule": "0 6,18 * 1-6 *", "timeZone": "Asia/Kolkata"},
        {"columns": "profile", "excel": True, "schedule": "5 0 28 * *", "timeZone": "UTC", "keep": 1000},
        {"columns": "profile", "excel": True, "schedule": "0 0 31 * *", "timeZone": "Europe/Berlin"},
        {"columns": "profile", "excel": True, "schedule": "00 23 * * mon-fri", "timeZone": "Europe/Berlin"},
        {"columns": "profile", "excel": True, "schedule": "0 7 * * 0", "timeZone": "Europe/Berlin"},
    ],
)
def test_an_edit_that_changes_nothing_keeps_the_request(
    watched: Watched, server: httpx.Client, request_: dict[str, Any]
) -> None:
    server.put("saved-exports/same", json=request_).raise_for_status()
    page = watched.open("#saved")
    page.get_by_role("button", name="Edit same").click()
    expect(page.get_by_role("heading", name="Edit same")).to_be_visible()
    with page.expect_request(lambda sent: sent.method == "PUT") as sent:
        save(page)
    expect(card(page, "same")).to_be_visible()
    body = json.loads(sent.value.post_data or "")
    simple = {"00 23 * * mon-fri": "0 23 * * 1-5"}
    schedule = request_.get("schedule", "")
    assert body == request_ | ({"schedule": simple[schedule]} if schedule in simple else {})


def test_a_problem_is_shown_at_its_field(watched: Watched, server: httpx.Client) -> None:
    watched.refusals.add(400)
    page = watched.open("#new")
    form_of(page, "Has Capitals")
    page.get_by_label("Schedule").select_option("Own expression (NCRONTAB)")
    save(page)
    expect(page.get_by_label("Name of the saved export")).to_be_focused()
    expect(page.locator("[data-pointer='/name'] .error")).to_contain_text("1 to 64 small letters")
    expect(page.locator("#form-note")).to_have_text("Not saved: 2 things to correct.")
    page.get_by_label("Name of the saved export").fill("ok")
    page.get_by_label("NCRONTAB expression").fill("* * * * *")
    page.get_by_label("Time zone").fill("Nowhere")
    page.get_by_label("Exports to keep").fill("0")
    save(page)
    field = page.get_by_label("NCRONTAB expression")
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile("Comes more often than every 15 minutes"))
    expect(page.locator("[data-pointer='/timeZone'] .error")).to_contain_text("Must be a time zone of IANA")
    expect(page.locator("[data-pointer='/keep'] .error")).to_contain_text("whole number from 1 to 1000")
    assert server.get("saved-exports").json() == {"value": []}


def test_a_name_that_is_taken_is_replaced_only_after_a_question(watched: Watched, server: httpx.Client) -> None:
    server.put("saved-exports/taken", json={"columns": "profile", "keep": 7}).raise_for_status()
    page = watched.open("#new")
    form_of(page, "taken")
    save(page)
    expect(page.get_by_role("alertdialog")).to_contain_text("You have saved taken before")
    page.get_by_role("button", name="Don't replace").click()
    expect(page.locator("#submit")).to_be_focused()
    assert server.get("saved-exports/taken").json()["keep"] == 7
    save(page)
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(card(page, "taken")).to_be_visible()
    assert "keep" not in server.get("saved-exports/taken").json()


def test_the_browsers_time_zone_is_the_default(browser: Browser, serving: Serving) -> None:
    context = browser.new_context(locale="nl-NL", timezone_id="America/Lima")
    page = context.new_page()
    page.goto(f"{serving.url}/api/bulk-operations#new")
    page.get_by_role("checkbox", name="Deze instellingen opslaan").check()
    expect(page.get_by_label("Tijdzone")).to_be_hidden()
    page.get_by_label("Schema").select_option("Elke dag")
    expect(page.get_by_label("Tijdzone")).to_have_value("America/Lima")
    context.close()


def test_a_dutch_browser_reads_all_in_dutch(browser: Browser, serving: Serving) -> None:
    context = browser.new_context(locale="nl-NL", timezone_id="Europe/Amsterdam")
    page = context.new_page()
    weekly = saved("gasten", schedule="30 6 * * 5", timeZone="Europe/Amsterdam", asked={"users": 2}, problem="Nee.")
    monthly = saved("maand", schedule="0 0 28 * *", nextRunDateTime="2026-03-27T23:00:00Z")
    answer(page, "**/api/saved-exports", {"value": [weekly, monthly]})
    page.goto(f"{serving.url}/api/bulk-operations#saved")
    expect(card(page, "gasten")).to_contain_text("Elke vrijdag om 06:30, Europe/Amsterdam")
    expect(card(page, "gasten")).to_contain_text("2 gekozen gebruikers")
    expect(card(page, "gasten")).to_contain_text("Het schema kon deze export niet starten: Nee.")
    expect(card(page, "maand")).to_contain_text("Dag 28 van elke maand om 00:00, UTC")
    expect(card(page, "maand")).to_contain_text("Volgende uitvoering28 mrt 2026, 00:00")
    page.get_by_role("button", name="gasten verwijderen").click()
    expect(page.get_by_role("alertdialog")).to_contain_text("gasten en het schema worden verwijderd.")
    context.close()


def test_an_abandoned_edit_does_not_get_into_a_new_export(watched: Watched, server: httpx.Client) -> None:
    server.put("saved-exports/left", json={"columns": "profile", "fileName": "mine"}).raise_for_status()
    page = watched.open("#saved")
    page.get_by_role("button", name="Edit left").click()
    expect(page.get_by_label("Name of the saved export")).to_have_js_property("readOnly", value=True)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="New export").click()
    expect(page.get_by_role("heading", name="New export")).to_be_visible()
    expect(page.get_by_label("File name")).to_have_value("")
    expect(page.get_by_role("checkbox", name="Save these settings")).not_to_be_checked()
    expect(page.get_by_role("button", name="Start export")).to_be_visible()


def test_an_edit_says_that_it_would_lose_the_callback(watched: Watched) -> None:
    found = saved("calls", callbackHost="example.com", columns="profile")
    answer(watched.page, "**/api/saved-exports", {"value": [found]})
    answer(watched.page, "**/api/saved-exports/calls", found)
    page = watched.open("#saved")
    page.get_by_role("button", name="Edit calls").click()
    expect(page.get_by_text("The results are sent to example.com.")).to_be_visible()


def test_last_run_and_problem_are_told_and_anothers_can_only_be_deleted(watched: Watched) -> None:
    page = watched.page
    run = listed(1, status="Failed", request={"saved": "a", "fileName": "f"}, requestedBy={"id": "2", "name": "Bo"})
    answer(page, "**/api/exports?*", {"value": [run]})
    old = answer(page, f"**/api/exports/{ID.format(9)}", listed(9))
    watched.refusals.add(410)
    answer(page, f"**/api/exports/{ID.format(8)}", {"title": "Gone"}, 410)
    mine = saved("a", lastRun={"id": ID.format(9), "plannedDateTime": "2026-03-01T10:00:00Z"}, problem="No more.")
    gone = saved("b", lastRun={"id": ID.format(8), "plannedDateTime": "2026-03-01T10:00:00Z"})
    others = saved("a", owner={"id": "2", "name": "Bo"}, own=False, asked={"users": 2})
    answer(page, "**/api/saved-exports", {"value": [mine, others, gone]})
    deleted = answer(page, "**/api/saved-exports/*", {})
    watched.open("#saved")
    items = page.locator("#saved-list li")
    expect(items).to_have_count(3)
    # Bo's run of the same name is not Ann's.
    expect(items.nth(0).get_by_role("link")).to_contain_text("Completed")
    expect(items.nth(0)).to_contain_text("The schedule could not start it: No more.")
    assert len(old) == 1
    expect(items.nth(2)).to_contain_text("2 selected users")
    expect(items.nth(2)).to_contain_text("Belongs toBo")
    expect(items.nth(2).get_by_role("link")).to_have_attribute("href", f"#{ID.format(1)}")
    expect(items.nth(2).get_by_role("button")).to_have_text(["Delete"])
    expect(items.nth(1)).to_contain_text("Last runNone")
    items.nth(2).get_by_role("button").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#saved [role=status]").first).to_have_text("a was deleted")
    assert deleted[0].endswith("/a?owner=2")


def test_a_last_run_is_followed_until_it_has_ended(watched: Watched) -> None:
    page = watched.page
    answer(
        page,
        "**/api/exports?*",
        {"value": [listed(1, status="InProgress", request={"saved": "a"}, requestedBy={"id": "1"})]},
    )
    answer(page, "**/api/saved-exports", {"value": [saved("a")]})
    watched.refusals.add(503)
    watched.open("#saved")
    link = card(page, "a").get_by_role("link")
    expect(link).to_contain_text("In progress")
    link.focus()
    asked = f"**/api/exports/{ID.format(1)}"
    answer(page, asked, {"title": "Away"}, 503)
    with page.expect_response(asked):
        pass
    expect(link).to_contain_text("In progress")
    answer(page, asked, listed(1))
    expect(link).to_contain_text("Completed")
    expect(link).to_be_focused()


def test_of_very_many_the_own_come_first_and_few_old_runs_are_asked_for(watched: Watched) -> None:
    page = watched.page
    run = {"id": ID.format(9), "plannedDateTime": "2026-03-01T10:00:00Z"}
    many = [saved(f"s{at}", own=False, owner={"id": str(at), "name": f"User {at}"}, lastRun=run) for at in range(120)]
    answer(page, "**/api/saved-exports", {"value": [*many, saved("mine")]})
    answer(page, "**/api/exports?*", {"value": []})
    asked = answer(page, "**/api/exports/*", listed(9))
    watched.open("#saved")
    items = page.locator("#saved-list li")
    expect(items).to_have_count(121)
    expect(items.first).to_contain_text("mine")
    assert len(asked) == 50
    expect(items.nth(1).get_by_role("link")).to_contain_text("Completed")
    expect(items.last.get_by_role("link")).to_have_text("1 Mar 2026, 10:00")


def test_an_api_out_of_reach_is_told_and_asked_again(watched: Watched) -> None:
    page = watched.page
    page.route("**/api/saved-exports", lambda route: route.abort())
    watched.open("#saved")
    expect(page.locator("#saved-problem")).to_contain_text("can't be reached")
    page.unroute("**/api/saved-exports")
    page.locator("#saved-problem").get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No saved exports yet")).to_be_visible()
    expect(page.get_by_role("heading", name="Saved exports")).to_be_focused()


def test_the_focus_goes_back_to_what_opened_it(watched: Watched) -> None:
    page = watched.open()
    link = page.get_by_role("link", name="Saved exports")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Saved exports")).to_be_focused()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()
    assert "#" not in page.url


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen_and_markup_is_text(watched: Watched, width: int, direction: str) -> None:
    page = watched.page
    page.set_viewport_size({"width": width, "height": 800})
    long = saved("a" * 64, asked={"filter": HOSTILE + "f" * 200}, problem=HOSTILE + "p" * 500, schedule="0,30 6 * * *")
    strange = saved("b", own=False, owner={"id": HOSTILE, "name": HOSTILE + "y" * 200}, nextRunDateTime=HOSTILE)

    def some(route: Route) -> None:
        route.fulfill(json={"value": [long, strange]})

    page.route("**/api/saved-exports", some)
    watched.open("#saved")
    page.evaluate(f"document.documentElement.dir = '{direction}'")
    expect(page.locator("#saved-list li")).to_have_count(2)
    expect(page.locator("#saved-list")).to_contain_text(HOSTILE)
    expect(page.locator("#saved-list img, #saved-list script")).to_have_count(0)
    assert page.locator("#saved .body").evaluate("each => each.scrollWidth - each.clientWidth") <= 0
