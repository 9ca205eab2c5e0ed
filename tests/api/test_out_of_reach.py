"""Storage or Durable out of reach: soon a 503 that says so and when to come again, on every route that needs them."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import azure.durable_functions as df
import msgspec
import pytest
from aiohttp import web

from local import durable_http
from local.processes import free_port
from local.serve import Serving
from shared.api import exchange, routes
from shared.api.durable import Durable, DurableClient, DurableFailure
from shared.api.exchange import Handler, Incoming, Outgoing
from shared.api.operations import Operations
from shared.settings import Settings
from shared.storage import connection
from tests.api.api_client import CONTRACT, administrator, validate
from tests.api.durable import Durable as InMemory
from tests.edges import settings_for
from tests.integration.storage_proxy import Fault, proxied

ID = "fe5dfaf7-9a1b-84f8-b3cb-c7e6015e2e00"
BODIES = [routes.start_export, routes.list_exports, routes.show_export, routes.cancel_export, routes.delete_export]
SOON = 10.0
"""Seconds, on a machine that does much else."""


async def answered(body: Handler, settings: Settings, client: DurableClient, export_id: str = ID) -> Outgoing:
    """The answer, which must come soon."""
    storage = connection.connect(settings, None, **connection.QUICK)
    headers = {name.lower(): value for name, value in administrator().items()} | {"idempotency-key": "key"}
    incoming = Incoming("POST", "https://x/api/exports", headers, route={"id": export_id}, body=b"{}")
    began = time.monotonic()
    async with storage.service:
        found = await exchange.answer(body, incoming, lambda: settings, lambda: Operations(storage, client, settings))
    assert time.monotonic() - began < SOON
    return found


def check_away(answer: Outgoing, what: str) -> None:
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = msgspec.json.decode(answer.body)
    validate(problem, {"$ref": "#/components/schemas/Problem"})
    assert what in problem["title"]


def at(serving: Serving, url: str) -> Settings:
    """Settings with another address of the storage."""
    target = serving.storage.partition("BlobEndpoint=")[2].partition("/devstoreaccount1")[0]
    return settings_for(serving.storage.replace(target, url))


@pytest.mark.parametrize("body", BODIES)
async def test_a_storage_that_is_not_there(serving: Serving, body: Handler) -> None:
    check_away(await answered(body, at(serving, f"http://127.0.0.1:{free_port()}"), InMemory()), "storage")


async def test_a_storage_that_never_answers(serving: Serving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        check_away(await answered(routes.list_exports, at(serving, url), InMemory()), "storage")


BUSY, INTERNAL = {"status": 503, "code": "ServerBusy"}, {"status": 500, "code": "InternalError"}
REFUSED, GOING = {"status": 403, "code": "AuthorizationFailure"}, {"status": 409, "code": "ContainerBeingDeleted"}
BROKEN: dict[str, Any] = {}


@pytest.mark.parametrize(
    ("body", "fault"),
    [*((body, BUSY) for body in BODIES), *((routes.show_export, each) for each in (INTERNAL, REFUSED, GOING, BROKEN))],
    ids=lambda value: value.get("code", "Broken") if isinstance(value, dict) else value.__name__,
)
async def test_a_storage_that_fails_each_request(serving: Serving, body: Handler, fault: dict[str, Any]) -> None:
    target = serving.storage.partition("BlobEndpoint=")[2].partition("/devstoreaccount1")[0]
    faults = [Fault(method, "", times=1000, **fault) for method in ("PUT", "GET", "HEAD")]
    async with proxied_by_all(target, faults) as url:
        check_away(await answered(body, at(serving, url), InMemory()), "storage")


@asynccontextmanager
async def proxied_by_all(target: str, faults: list[Fault]) -> AsyncIterator[str]:
    if not faults:
        yield target
        return
    async with proxied(target, faults[0]) as url, proxied_by_all(url, faults[1:]) as outer:
        yield outer


@pytest.mark.parametrize("times", [1, 2])
async def test_what_passes_in_a_second_is_not_told(serving: Serving, times: int) -> None:
    target = serving.storage.partition("BlobEndpoint=")[2].partition("/devstoreaccount1")[0]
    fault = Fault("PUT", "request.json", times=times, status=503, code="ServerBusy")
    async with proxied(target, fault) as url:
        assert (await answered(routes.start_export, at(serving, url), InMemory())).status == 202
    assert fault.applied == times


Reply = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def durable_at(reply: Reply | None) -> AsyncIterator[DurableClient]:
    """The SDK's client of an extension that answers so; None: there is none."""
    server = web.Application()
    if reply:
        server.router.add_route("*", "/{path:.*}", reply)
    runner = web.AppRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    if reply is None:
        await runner.cleanup()
    try:
        yield Durable(df.DurableOrchestrationClient(durable_http.client_binding(base)), seconds=1)
    finally:
        from azure.durable_functions.models.utils import http_utils

        await http_utils._close_session()
        await runner.cleanup()


async def error(_: web.Request) -> web.Response:
    """As the extension tells of an exception of its own."""
    told = {"Message": "Something went wrong while processing your request", "ExceptionMessage": "No storage"}
    return web.json_response(
        {**told, "ExceptionType": "Azure.RequestFailedException", "StackTrace": "at C:\\x"}, status=500
    )


async def text(_: web.Request) -> web.Response:
    return web.json_response("The host is shutting down", status=500)


async def page(_: web.Request) -> web.Response:
    return web.Response(status=502, text="<html>", content_type="text/html")


async def unauthorized(_: web.Request) -> web.Response:
    return web.Response(status=401)


async def silence(_: web.Request) -> web.Response:
    await asyncio.sleep(60)
    return web.Response()


REPLIES = [error, text, page, unauthorized, silence, None]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.__name__ if reply else "nobody")
async def test_a_durable_that_does_not_answer(serving: Serving, reply: Reply | None) -> None:
    settings = settings_for(serving.storage)
    begun = await answered(routes.start_export, settings, InMemory())
    export_id = msgspec.json.decode(begun.body)["id"]
    async with durable_at(reply) as client:
        for body in BODIES:
            answer = await answered(body, settings, client, export_id)
            check_away(answer, "Durable Functions")
            assert b"C:" not in answer.body


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.__name__ if reply else "nobody")
async def test_an_error_is_not_taken_for_an_instance_that_does_not_exist(reply: Reply | None) -> None:
    async with durable_at(reply) as client:
        with pytest.raises(DurableFailure):
            await client.get_status(ID)


async def test_an_instance_that_does_not_exist_is_none() -> None:
    async def none(_: web.Request) -> web.Response:
        return web.Response(status=404)

    async with durable_at(none) as client:
        assert not await client.get_status(str(uuid4()))


async def test_other_failures_are_not_reported_as_an_outage(serving: Serving) -> None:
    target = serving.storage.partition("BlobEndpoint=")[2].partition("/devstoreaccount1")[0]
    fault = Fault("PUT", "request.json", times=9, status=400, code="InvalidHeaderValue")
    async with proxied(target, fault) as url:
        with pytest.raises(Exception, match="InvalidHeaderValue"):
            await answered(routes.start_export, at(serving, url), InMemory())


WITHOUT_DATA = {"/openapi.json", "/swagger.json", "/bulk-operations", "/bulk-operations/{file}"}


def test_every_route_that_needs_a_sign_in_documents_it() -> None:
    for path, item in CONTRACT["paths"].items():
        for method, described in item.items():
            # The contract and the page hold no data: App Service alone wants a sign-in there.
            if method != "parameters" and "401" in described["responses"] and path not in WITHOUT_DATA:
                assert "503" in described["responses"], (method, path)
