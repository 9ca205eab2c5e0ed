"""axe-core finds nothing on any state of the page, wide and narrow, light and dark; targets have 24 px at least."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from local.serve import Serving
from tests.browser.test_comparisons import COMPARISON
from tests.browser.test_saved import saved
from tests.browser.test_states import answer, listed, running

AXE = Path(__file__).parents[2] / "local" / "node_modules" / "axe-core" / "axe.min.js"
ERROR = {
    "code": "accessDenied",
    "reason": "Denied",
    "user": "1",
    "userPrincipalName": "ann@contoso.com",
    "column": "mail",
}
ENDED = listed(
    1,
    status="CompletedWithErrors",
    errors=[{**ERROR, "requestId": "7d1"}, *[{**ERROR, "code": "Request_ResourceNotFound", "column": "a, b"}] * 5],
    warnings=[{"code": "CountDiffers", "reason": "Graph counted another number."}],
    download={"csv": "https://example.com/", "results": "https://example.com/", "expiresOn": ""},
)
SAVED = saved(
    "guests",
    schedule="0,30 6 * * 1",
    nextRunDateTime="2026-03-02T06:00:00Z",
    lastRun={"id": ENDED["id"], "plannedDateTime": "2026-03-01T06:00:00Z"},
    problem="Not now.",
)
CANCELLED = {**running(2), "cancelRequested": True}
LOOKS = [*itertools.product((390, 1280), ("light", "dark"))]


def list_of(*operations: dict[str, Any]) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        answer(page, "**/api/exports?*", {"value": list(operations)})

    return prepare


def details_of(operation: dict[str, Any]) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        list_of(operation)(page)
        answer(page, "**/api/exports/*", operation)

    return prepare


def refused(status: int) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        answer(page, "**/api/exports?*", {"title": "No", "detail": "Not now."}, status)

    return prepare


def saved_list(*found: dict[str, Any]) -> Callable[[Page], None]:
    def prepare(page: Page) -> None:
        list_of(ENDED)(page)
        answer(page, "**/api/exports/*", ENDED)
        answer(page, "**/api/saved-exports", {"value": list(found)})

    return prepare


def save_wrongly(page: Page) -> None:
    expect(page.get_by_role("radio", name="documented")).to_be_checked()
    page.get_by_role("checkbox", name="Save these settings").check()
    page.get_by_label("Schedule").select_option("Own expression (NCRONTAB)")
    page.get_by_role("button", name="Save", exact=True).click()


def one_by_one(page: Page) -> None:
    expect(page.get_by_role("radio", name="documented")).to_be_checked()
    page.get_by_role("radio", name="match a filter").check()
    page.get_by_role("radio", name="one by one").check()


def wrong(page: Page) -> None:
    one_by_one(page)
    page.get_by_role("radio", name="Selected users").check()
    page.get_by_role("button", name="Start export").click()


def tick(page: Page) -> None:
    page.get_by_role("checkbox").first.check()


def ask_to_cancel(page: Page) -> None:
    page.get_by_role("button", name="Cancel export").click()


def nothing(_: Page) -> None:
    return


STATES: dict[str, tuple[Callable[[Page], None], str, Callable[[Page], None], str]] = {
    "list": (list_of(listed(1), running(2), CANCELLED, ENDED), "", nothing, "#rows tr"),
    "ticked": (list_of(listed(1), ENDED), "", tick, "#compare"),
    "comparison": (details_of(COMPARISON), f"#{COMPARISON['id']}", nothing, "#details .chart"),
    "empty list": (list_of(), "", nothing, "#empty"),
    "signed out": (refused(401), "", nothing, "#problem"),
    "no role": (refused(403), "", nothing, "#problem"),
    "away": (refused(503), "", nothing, "#problem"),
    "running": (details_of(running(2)), f"#{running(2)['id']}", nothing, "#details .bar"),
    "cancelled": (details_of(CANCELLED), f"#{CANCELLED['id']}", nothing, "#details .chip"),
    "question": (details_of(running(2)), f"#{running(2)['id']}", ask_to_cancel, "#confirm"),
    "errors": (details_of(ENDED), f"#{ENDED['id']}", nothing, "#details .errors"),
    "saved": (saved_list(SAVED, saved("b", own=False)), "#saved", nothing, "#saved-list li"),
    "saved, none": (saved_list(), "#saved", nothing, "#saved-empty"),
    "saving, refused": (list_of(), "#new", save_wrongly, ".error"),
    "form": (list_of(), "#new", nothing, "#sets label"),
    "form, all parts": (list_of(), "#new", one_by_one, "#groups"),
    "form, refused": (list_of(), "#new", wrong, ".error"),
}


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing(context: BrowserContext, serving: Serving, state: str) -> None:
    """Widths and colours are the style sheet's alone: one page shows all of them, one after the other."""
    prepare, place, act, shown = STATES[state]
    page = context.new_page()
    prepare(page)
    page.goto(f"{serving.url}/api/bulk-operations{place}")
    act(page)
    expect(page.locator(shown).first).to_be_visible()
    page.evaluate(AXE.read_text())
    told = [(width, scheme, *each) for width, scheme in LOOKS for each in violations(page, width, scheme)]
    page.close()
    assert told == [], json.dumps(told, indent=1)


def violations(page: Page, width: int, scheme: Any) -> list[tuple[str, list[str]]]:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    found = page.evaluate(
        "axe.run(document, { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } })"
    )
    return [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found["violations"]]
