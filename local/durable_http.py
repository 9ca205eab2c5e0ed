"""What the SDK's client asks of the Durable extension's HTTP API: /runtime/webhooks/durabletask/...

Status codes are those of the extension's HttpApiHandler, and so are the bodies that the SDK reads. It answers to
loopback only.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from aiohttp import web

from local import durable
from local.durable_store import RUNNING, connect

PREFIX = "/runtime/webhooks/durabletask"


def client_binding(base: str) -> str:
    """The text that a durable client parameter is made from. `base` is the host's own address.

    The SDK's client asks at `rpcBaseUrl`. The other addresses are for those who call the extension without it.
    """
    binding = {"taskHubName": "local", "creationUrls": {}, "managementUrls": {}, "rpcBaseUrl": f"{base}{PREFIX}/"}
    return json.dumps(binding)


def routes(store: Path, orchestrators: Collection[str]) -> list[web.RouteDef]:
    """The API on the store, which knows the orchestrators of these names."""

    async def start(request: web.Request) -> web.Response:
        name, instance = request.match_info["name"], request.match_info["id"]
        if name not in orchestrators:
            message = f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function."
            return _refused(400, "One or more of the arguments submitted is incorrect", message)
        try:
            await _ask(store, durable.start, name, await request.text(), instance)
        except durable.InstanceExistsError as error:
            return _refused(409, str(error))
        return web.json_response({"id": instance}, status=202)

    async def status(request: web.Request) -> web.Response:
        instance = await _ask(store, durable.status, request.match_info["id"])
        if instance is None:
            return web.Response(status=404)
        return web.json_response(instance, status=202 if instance["runtimeStatus"] in RUNNING else 200)

    async def raise_event(request: web.Request) -> web.Response:
        # The client sends a JSON text inside a JSON string.
        value = json.loads(await request.text())
        instance, event = request.match_info["id"], request.match_info["event"]
        status_now = await _ask(store, durable.raise_event, instance, event, value)
        return web.Response(status=404 if status_now is None else 202 if status_now in RUNNING else 410)

    async def purge(request: web.Request) -> web.Response:
        status_now = await _ask(store, durable.purge, request.match_info["id"])
        if status_now is None:
            return web.Response(status=404)
        return web.Response(status=412) if status_now in RUNNING else web.json_response({"instancesDeleted": 1})

    one = PREFIX + "/instances/{id}"
    return [
        web.post(PREFIX + "/orchestrators/{name}/{id}", start),
        web.get(one, status, allow_head=False),
        web.delete(one, purge),
        web.post(one + "/raiseEvent/{event}", raise_event),
    ]


async def _ask(store: Path, function: Callable[..., Any], *arguments: str) -> Any:
    """In a thread, so that a busy store does not hold up the loop."""

    def call() -> Any:
        with contextlib.closing(connect(store)) as db:
            return function(db, *arguments)

    return await asyncio.to_thread(call)


def _refused(status: int, message: str, exception: str = "") -> web.Response:
    return web.json_response({"Message": message, "ExceptionMessage": exception}, status=status)
