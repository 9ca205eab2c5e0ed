"""A page that remembers what went wrong on it."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, Response

USERS = 2000
"""In the tenant behind the page."""


@dataclass  # Playwright keeps notes on the object whose methods it calls: no slots.
class Watched:
    """A page, and what must be empty at the end of each test: its errors and its requests to other hosts."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    refusals: set[int] = field(default_factory=set)
    """Statuses of the API that the test provokes."""

    def open(self, hash_: str = "") -> Page:
        self.page.goto(f"{self.url}/api/bulk-operations{hash_}")
        return self.page

    def on_request(self, request: Request) -> None:
        # A download is no request of the page: the person who clicks goes to Blob Storage.
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc and not request.is_navigation_request():
            self.strangers.append(request.url)

    def on_response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.refusals:
            self.errors.append(f"{response.status} {response.url}")

    def on_console(self, kind: str, text: str) -> None:
        # What was refused is judged by on_response.
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource"):
            self.errors.append(text)
