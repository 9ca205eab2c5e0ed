"""A Graph that sends anything at all: the export fails with a reason and no file, or has every user that came."""

import csv
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.tenant import Tenant
from shared.export.context import Edges
from shared.graph import client
from shared.graph.users import User
from tests.edges import FreshTokens
from tests.integration.runner import Connect, run_export
from tests.integration.truth import rows_of

GOOD = {"id": "11111111-2222-3333-4444-555555555555", "userPrincipalName": "ann@example.com"}
OTHER = {"id": "11111111-2222-3333-4444-666666666666", "userPrincipalName": "bob@example.com"}
PROPERTIES = [name for name in User.__struct_encode_fields__ if name not in {"authenticationMethods", "@odd"}]


@asynccontextmanager
async def answering(edges: Edges, body: list[bytes]) -> AsyncIterator[Edges]:
    """The same edges, with a Graph that counts nothing and whose users are this body, whatever it is."""

    async def users(_: web.Request) -> web.Response:
        return web.Response(body=body[0], content_type="application/json")

    async def batch(request: web.Request) -> web.Response:
        asked = json.loads(await request.read())["requests"]
        return web.json_response({"responses": [{"id": each["id"], "status": 400, "body": {}} for each in asked]})

    app = web.Application()
    app.router.add_get("/v1.0/users", users)
    app.router.add_post("/v1.0/$batch", batch)
    server = web.AppRunner(app)
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{server.addresses[0][1]}"
    graph = client.connect(url, FreshTokens, edges.graph.retries, aiohttp.ClientTimeout(connect=5, sock_read=5))
    try:
        yield replace(edges, graph=graph)
    finally:
        await graph.transport.aclose()
        await server.cleanup()


def page(*users: Any, **more: Any) -> bytes:
    return json.dumps({"value": list(users), **more}).encode()


BAD = {
    "no object": b"[]",
    "null": b"null",
    "no JSON": b"<html>Sign in</html>",
    "nothing": b"",
    "cut off": page(GOOD)[:-9],
    "an id is not UTF-8": b'{"value": [{"id": "\xff"}]}',
    "an id is half a letter": b'{"value": [{"id": "\\ud800"}]}',
    "an error": b'{"error": {"code": "generalException", "message": "Something went wrong."}}',
    "an error after some users": page(GOOD, error={"code": "generalException", "message": "Something went wrong."}),
    "no value": b"{}",
    "value is null": b'{"value": null}',
    "value is an object": b'{"value": {}}',
    "a user is null": b'{"value": [null]}',
    "a user is a text": b'{"value": ["ann"]}',
    "no id": page({"userPrincipalName": "ann@example.com"}),
    "id is null": page({**GOOD, "id": None}),
    "id is a number": page({**GOOD, "id": 1}),
    "ids are empty": page({**GOOD, "id": ""}, {**OTHER, "id": ""}),
    "one of two has no id": page(GOOD, {"userPrincipalName": "bob@example.com"}),
    "deep in what is not asked for": b'{"value": [{"id": "1", "more": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]}",
    "deep in what is asked for": b'{"value": [{"id": "1", "businessPhones": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]}",
    "the next link is a number": page(GOOD, **{"@odata.nextLink": 5}),
    "the next link leads elsewhere": page(GOOD, **{"@odata.nextLink": "https://evil.example/v1.0/users"}),
    "the next link has no host": page(GOOD, **{"@odata.nextLink": "/v1.0/users?$skiptoken=1"}),
    "the next link is a program": page(GOOD, **{"@odata.nextLink": "javascript:alert(1)"}),
    "the next link is no URL": page(GOOD, **{"@odata.nextLink": "http://[::1"}),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
async def test_what_can_not_be_a_page_fails_the_export_and_leaves_no_file(connected: Connect, body: bytes) -> None:
    async with connected(Tenant(users=0)) as real, answering(real, [body]) as edges:
        done = await run_export(edges, columns=["objectId", "displayName", "telephoneNumber"])
    assert done.results["status"] == "Failed"
    assert done.results["errors"][-1]["code"]
    assert len(done.results["errors"][-1]["reason"]) > 10
    assert done.csv is None


@pytest.mark.parametrize(
    "name",
    [
        "A" * 5_000_000,
        "\0",
        "\u202ecsv.exe",
        "a\r\nX-Evil: 1",
        "\U0001f600" * 1000,
        "\ufeff",
        "=1",
        '",\r\n",=1',
        "\ufffe",
    ],
    ids=lambda name: f"{name[:9]!r}",
)
async def test_whatever_a_user_is_called_it_is_a_text_in_one_cell(connected: Connect, name: str) -> None:
    body = page({**GOOD, "displayName": name}, OTHER)
    async with connected(Tenant(users=0)) as real, answering(real, [body]) as edges:
        done = await run_export(edges, columns=["objectId", "displayName"], excel=False)
    assert done.results["status"] == "Completed"
    csv.field_size_limit(10**7)
    assert [(row["objectId"], row["displayName"]) for row in rows_of(done.csv)] == [
        (GOOD["id"], name),
        (OTHER["id"], ""),
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("most", [20, pytest.param(100, marks=pytest.mark.long)])
async def test_users_with_properties_of_any_type_are_all_there_or_the_export_fails(
    connected: Connect, most: int
) -> None:
    ended = set()
    async with connected(Tenant(users=0)) as real:
        body = [b""]
        async with answering(real, body) as edges:
            for user in examples(st.dictionaries(st.sampled_from(PROPERTIES), values, max_size=3), most):
                body[0] = page(GOOD, {**OTHER, **user})
                done = await run_export(edges, columns="profile", excel=False)
                ended.add(done.results["status"])
                if done.csv is None:
                    assert done.results["status"] == "Failed"
                    assert done.results["errors"][-1]["code"] == "UnreadableAnswer"
                else:
                    ids = {GOOD["id"], user.get("id", OTHER["id"])}
                    assert {row["objectId"] for row in rows_of(done.csv)} == ids
    assert ended == {"Completed", "Failed"}


def examples(strategy: st.SearchStrategy[Any], most: int) -> list[Any]:
    """The same each time: what hypothesis makes of the strategy."""
    found: list[Any] = []

    @settings(
        max_examples=most,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found
