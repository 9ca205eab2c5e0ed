"""The Durable extension's HTTP API, which the SDK's client talks to: /runtime/webhooks/durabletask/...

Status codes and bodies are those of the extension's HttpApiHandler. It answers to loopback only.
"""

import asyncio
import json
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from local import durable
from local.durable_store import RUNNING, connect, seconds
from local.host_functions import App

PREFIX = "/runtime/webhooks/durabletask"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def client_binding(base: str, hub: str) -> str:
    """The text that a durable client parameter is made from. `base` is the host's own address."""
    root = f"{base}{PREFIX}"
    instance = f"{root}/instances/INSTANCEID"
    return json.dumps(
        {
            "taskHubName": hub,
            "creationUrls": {
                "createNewInstancePostUri": root + "/orchestrators/{functionName}[/{instanceId}]",
                "createAndWaitOnNewInstancePostUri": root
                + "/orchestrators/{functionName}[/{instanceId}]"
                + "?timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}",
            },
            "managementUrls": management_urls(instance, "INSTANCEID"),
            "baseUrl": root,
            "requiredQueryStringParameters": "",
            "rpcBaseUrl": root + "/",
        }
    )


def management_urls(instance: str, name: str) -> dict[str, str]:
    return {
        "id": name,
        "statusQueryGetUri": instance,
        "sendEventPostUri": instance + "/raiseEvent/{eventName}",
        "terminatePostUri": instance + "/terminate?reason={text}",
        "rewindPostUri": instance + "/rewind?reason={text}",
        "purgeHistoryDeleteUri": instance,
        "restartPostUri": instance + "/restart",
        "suspendPostUri": instance + "/suspend?reason={text}",
        "resumePostUri": instance + "/resume?reason={text}",
    }


class Store:
    """A connection for each thread: requests are answered in threads, so a busy store holds no loop up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connections: dict[int, sqlite3.Connection] = {}

    def _call(self, function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        thread = threading.get_ident()
        if thread not in self._connections:
            self._connections[thread] = connect(self._path)
        return function(self._connections[thread], *arguments, **options)

    async def run(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(self._call, function, arguments, options)

    async def close(self, _: web.Application) -> None:
        for db in self._connections.values():
            db.close()


def add_routes(server: web.Application, app: App, path: Path) -> None:
    store = Store(path)
    server.on_cleanup.append(store.close)
    server.add_routes(_routes(store, app))


def _routes(store: Store, app: App) -> list[web.RouteDef]:
    instances = PREFIX + "/instances"
    one = instances + "/{id}"
    return [
        web.post(PREFIX + "/orchestrators/{name}", _start(store, app)),
        web.post(PREFIX + "/orchestrators/{name}/{id}", _start(store, app)),
        web.get(instances, _list(store), allow_head=False),
        web.get(instances + "/", _list(store), allow_head=False),
        web.get(one, _status(store), allow_head=False),
        web.delete(one, _purge(store)),
        web.post(one + "/terminate", _terminate(store)),
        web.post(one + "/raiseEvent/{event}", _raise_event(store)),
    ]


def _start(store: Store, app: App) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in app.orchestrators:
            message = (
                f"The function '{name}' doesn't exist, is disabled, or is not an orchestrator function."
                f" The following are the known orchestrator functions: {sorted(app.orchestrators)}"
            )
            return _error(400, "One or more of the arguments submitted is incorrect", message)
        body = await request.text()
        try:
            if body:
                json.loads(body)
            instance = await store.run(
                durable.start,
                name,
                body if body not in {"", "null"} else None,
                request.match_info.get("id", ""),
                request.query.get("version"),
            )
        except ValueError as error:
            return _error(400, "Invalid JSON content", str(error))
        except durable.InstanceExistsError as error:
            return _error(409, str(error))
        return _accepted(request, instance)

    return handler


def _accepted(request: web.Request, instance: str) -> web.Response:
    address = f"{request.scheme}://{request.host}{PREFIX}/instances/{instance}"
    headers = {"Location": address, "Retry-After": "10"}
    return web.json_response(management_urls(address, instance), status=202, headers=headers)


def _status(store: Store) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        found = await store.run(durable.status, request.match_info["id"])
        if found is None:
            return web.Response(status=404)
        if request.query.get("showInput", "true").lower() == "false":
            found["input"] = None
        if request.query.get("showHistory", "").lower() == "true":
            found["historyEvents"] = await store.run(durable.history, request.match_info["id"])
        if found["runtimeStatus"] in RUNNING:
            headers = {"Location": str(request.url), "Retry-After": "5"}
            return web.json_response(found, status=202, headers=headers)
        asked = request.query.get("returnInternalServerErrorOnFailure", "").lower() == "true"
        return web.json_response(found, status=500 if asked and found["runtimeStatus"] == "Failed" else 200)

    return handler


def _list(store: Store) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        query = request.query
        top = int(query.get("top", "-1"))
        found = await store.run(
            durable.find,
            statuses=_statuses(request),
            created_from=_moment(request, "createdTimeFrom"),
            created_to=_moment(request, "createdTimeTo"),
            prefix=query.get("instanceIdPrefix", ""),
            after=request.headers.get("x-ms-continuation-token", ""),
            top=top,
        )
        token = found[-1]["instanceId"] if 0 < top == len(found) else ""
        if query.get("showInput", "").lower() != "true":
            found = [each | {"input": None} for each in found]
        return web.json_response(found, headers={"x-ms-continuation-token": token})

    return handler


def _statuses(request: web.Request) -> list[str]:
    return [each for text in request.query.getall("runtimeStatus", []) for each in text.split(",") if each]


def _moment(request: web.Request, name: str) -> float | None:
    text = request.query.get(name)
    return seconds(text) if text else None


def _purge(store: Store) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        found = await store.run(durable.status, request.match_info["id"])
        if found is None:
            return web.Response(status=404)
        if found["runtimeStatus"] in RUNNING:
            message = (
                "Only orchestrations in a terminal state can be purged, but the orchestration with instance"
                f" ID {found['instanceId']} has status {found['runtimeStatus']}"
            )
            return web.json_response(message, status=412)
        count = await store.run(durable.purge, request.match_info["id"])
        return web.json_response({"instancesDeleted": count})

    return handler


def _terminate(store: Store) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        instance = request.match_info["id"]
        if refused := await _refuse_ended(store, instance):
            return refused
        await store.run(durable.terminate, instance, request.query.get("reason", ""))
        return web.Response(status=202)

    return handler


async def _refuse_ended(store: Store, instance: str) -> web.Response | None:
    found = await store.run(durable.status, instance)
    if found is None:
        return web.Response(status=404)
    return None if found["runtimeStatus"] in RUNNING else web.Response(status=410)


def _raise_event(store: Store) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        instance = request.match_info["id"]
        if refused := await _refuse_ended(store, instance):
            return refused
        if request.content_type != "application/json":
            return _error(400, "Only application/json request content is supported")
        body = await request.text()
        try:
            value = json.loads(body or "null")
        except ValueError as error:
            return _error(400, "Invalid JSON content", str(error))
        text = _unwrap(value, body)
        await store.run(durable.raise_event, instance, request.match_info["event"], text)
        return web.Response(status=202)

    return handler


def _unwrap(value: Any, body: str) -> str:
    """The SDK's client sends the value's JSON text inside a JSON string; others send the value itself."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return body
        return value
    return body or "null"


def _error(status: int, message: str, exception: str = "") -> web.Response:
    body = {"Message": message} | ({"ExceptionMessage": exception} if exception else {})
    return web.json_response(body, status=status)
