"""A browser, the app with a simulated tenant behind it, and a watched page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from local.serve import Serving, launch
from tests.browser.watching import USERS, Watched
from tests.conftest import FORGETFUL

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")
"""The first is the same browser without windows, and takes half of the CPU."""
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SETTINGS = {"EXPORT_PARALLEL": "2", "EXPORT_RANGE_USERS": "1000"}
"""Two ranges side by side, so that there is something to see between none and all."""
LATENCY_MS = 30
"""Of each answer of the tenant."""


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    arguments = ("--users", str(USERS), "--latency-ms", str(LATENCY_MS))
    with launch(Path(tmp_path_factory.mktemp("browser")), *arguments, environment=SETTINGS | FORGETFUL) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the session: Playwright's event loop keeps running, in the way of the asynchronous tests elsewhere."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        if shutil.which("apt-get"):
            pytest.fail("There is no chromium: `make programs` installs it.")
        pytest.skip("There is no chromium here, and no apt-get to install it with.")
    expect.set_options(timeout=45_000)  # A state that comes late on a busy machine is no failure.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@contextmanager
def person(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(45_000)
    yield context
    context.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for many pages, which keep nothing in it: each further one costs half of what a page takes."""
    with person(browser) as made:
        yield made


@pytest.fixture
def watched(context: BrowserContext, serving: Serving) -> Iterator[Watched]:
    with watching(context, serving) as made:
        yield made


@pytest.fixture
def apart(browser: Browser, serving: Serving) -> Iterator[Watched]:
    """For a test that changes the clock or the permissions, which are the context's."""
    with person(browser) as own, watching(own, serving) as made:
        yield made


@contextmanager
def watching(context: BrowserContext, serving: Serving) -> Iterator[Watched]:
    page = context.new_page()
    watched = Watched(page, serving.url)
    page.on("request", watched.on_request)
    page.on("response", watched.on_response)
    page.on("console", lambda message: watched.on_console(message.type, message.text))
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    yield watched
    page.close()
    assert watched.errors == []
    assert watched.strangers == []
