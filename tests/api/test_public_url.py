"""Where callers are sent: to EXPORT_PUBLIC_URL, else to the host that they called, never to where a header says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from local.serve import Serving
from shared.api import exchange, routes
from shared.api.exchange import Handler, Incoming, Outgoing
from shared.api.operations import Operations
from shared.storage import connection
from tests.api.api_client import administrator
from tests.api.durable import Durable
from tests.edges import settings_for

OWN = "https://func-x.azurewebsites.net/api"
FORWARDED = {
    "x-forwarded-host": "evil.example",
    "x-original-host": "evil.example",
    "x-forwarded-proto": "http",
    "forwarded": "host=evil.example;proto=http",
}


@dataclass(frozen=True, slots=True)
class App:
    on: Operations
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, body: Handler, method: str, path: str, sent: bytes = b"", **route: str) -> Outgoing:
        headers = {name.lower(): value for name, value in administrator().items()} | self.headers
        incoming = Incoming(method, f"{OWN}{path}", headers, route=route, body=sent)
        return await exchange.answer(body, incoming, lambda: self.on.settings, lambda: self.on)


@asynccontextmanager
async def app(serving: Serving, public_url: str, headers: dict[str, str]) -> AsyncIterator[App]:
    settings = settings_for(serving.storage, EXPORT_PUBLIC_URL=public_url)
    storage = connection.connect(settings, None)
    async with storage.service:
        yield App(Operations(storage, Durable(), settings), headers)


@pytest.mark.parametrize("headers", [{}, FORWARDED])
@pytest.mark.parametrize(
    ("public_url", "begins"),
    [
        ("", OWN),
        ("https://exports.contoso.com", "https://exports.contoso.com/api"),
        ("https://gateway.contoso.com:8443/users/", "https://gateway.contoso.com:8443/users/api"),
    ],
)
async def test_every_202_leads_to_the_public_address(
    serving: Serving, public_url: str, begins: str, headers: dict[str, str]
) -> None:
    async with app(serving, public_url, headers) as api:
        begun = await api.send(routes.start_export, "POST", "/exports", b"{}")
        found: dict[str, Any] = msgspec.json.decode(begun.body)
        path = f"/exports/{found['id']}"
        shown = await api.send(routes.show_export, "GET", path, id=found["id"])
        cancelled = await api.send(routes.cancel_export, "POST", f"{path}/cancel", id=found["id"])
    assert [answer.status for answer in (begun, shown, cancelled)] == [202, 202, 202]
    assert {answer.headers["Location"] for answer in (begun, shown, cancelled)} == {f"{begins}{path}"}
    assert found["statusUrl"] == f"{begins}{path}"
    assert not any(b"evil.example" in answer.body for answer in (begun, shown, cancelled))
    assert urlsplit(found["statusUrl"]).scheme == "https"
