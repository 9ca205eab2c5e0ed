"""Stands in for the Functions host: serves the HTTP triggers of `function_app.app`, and fires its timers.

Orchestrators and activities are run by worker processes (worker.py) over the same store; the durable client
that a function is given talks to this very server, under /runtime/webhooks/durabletask (durable_http.py).
"""

import argparse
import asyncio
import contextlib
import logging
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import azure.functions as func
from aiohttp import web
from aiohttp.typedefs import Handler
from azure.functions import HttpMethod
from azure.functions.http import HttpRequest
from azure.functions.timer import TimerRequest

from local import durable_http, easy_auth, host_functions, identity, permissions
from local.extension import NotReadyError, written_binding
from local.host_functions import App, Function
from local.host_timers import run_timers
from local.processes import serve_until_stopped
from local.serve import PAGE
from local.this_machine import only_this_machine

log = logging.getLogger("local.host")

MAX_BODY_BYTES = 100 * 1024 * 1024
LOOPBACK_ONLY = (durable_http.PREFIX, "/admin", identity.PATH)


@dataclass(frozen=True, slots=True)
class Route:
    """An HTTP trigger's address."""

    pattern: re.Pattern[str]
    methods: frozenset[str]
    function: Function


def make_server(
    app: App, data: Path, base: str, environment: Mapping[str, str], extension: bool = False
) -> web.Application:
    """The whole host as an aiohttp application. `base` is its own address on loopback.

    `environment`: what the app's settings are read from.
    `extension`: orchestrations run in Microsoft's extension, and functions get the client binding that it writes.
    """
    own = durable_http.client_binding(base)
    own_machine = only_this_machine(environment.get("EXPORT_PUBLIC_URL", ""), LOOPBACK_ONLY)
    server = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[own_machine])
    if not extension:
        server.add_routes(durable_http.routes(data / "durable.db", app.orchestrators))
    carried = permissions.parse(environment.get(identity.ROLES, ""))
    server.add_routes([identity.route(environment.get("IDENTITY_HEADER", ""), carried)])
    administrator = easy_auth.local_administrator(environment)

    async def invoke(function: Function, value: Any) -> Any:
        binding = written_binding(data) if extension and function.clients else own
        return await function.call(**{function.trigger["name"]: value}, **dict.fromkeys(function.clients, binding))

    server.add_routes([web.post("/admin/functions/{name}", _admin(app, invoke))])
    # An address without a path is what people type. Azure shows its own page there.
    if any(route.pattern.fullmatch(PAGE) for route in make_routes(app)):
        server.add_routes([web.get("/", _to_page)])
    server.router.add_route("*", r"/{path:[\s\S]*}", _serve(make_routes(app), invoke, administrator))
    server.cleanup_ctx.append(_background(app, invoke))
    return server


async def _to_page(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound(PAGE)


def make_routes(app: App) -> list[Route]:
    """Routes with fewer parameters come first, so that /exports/latest would win over /exports/{id}."""
    prefix = app.setting("extensions", "http", "routePrefix", default="api")
    routes = [
        Route(
            route_pattern(f"{prefix}/{function.trigger['route']}"),
            frozenset(HttpMethod(method).value for method in function.trigger["methods"]),
            function,
        )
        for function in app.http
    ]
    return sorted(routes, key=lambda route: route.pattern.groups)


def route_pattern(path: str) -> re.Pattern[str]:
    """`exports/{id}` as a pattern; letters match in any case."""
    return re.compile("/" + re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)) + "/?", re.IGNORECASE)


Invoke = Callable[[Function, Any], Awaitable[Any]]


def _serve(routes: list[Route], invoke: Invoke, administrator: str) -> Handler:
    async def handler(given: web.Request) -> web.StreamResponse:
        request = easy_auth.signed_in(given, administrator)
        for route in routes:
            matched = route.pattern.fullmatch(_path(request))
            if matched and request.method in route.methods:
                return await _answer(route.function, await _functions_request(request, matched.groupdict()), invoke)
        return web.Response(status=404)

    return handler


def _path(request: web.Request) -> str:
    """The path as ASP.NET matches it: decoded, but an encoded slash stays as it is."""
    pieces = re.split("(%2F)", request.rel_url.raw_path, flags=re.IGNORECASE)
    return "".join(piece if piece.upper() == "%2F" else unquote(piece) for piece in pieces)


async def _functions_request(request: web.Request, route_values: dict[str, str]) -> func.HttpRequest:
    """The request as the Functions host passes it on to the Python worker (its RpcMessageConversionExtensions).

    A body without a Content-Length above 0 is lost, such as one that is sent in chunks. Names of headers and query
    values are the same in any case. Several values are joined with a comma, empty ones left out; a query value that
    is empty then is not there at all.
    """
    return HttpRequest(
        method=request.method,
        url=f"{request.scheme}://{request.host}{request.path_qs}",
        headers=_joined(request.headers.items()),
        params={name: value for name, value in _joined(request.query.items()).items() if value},
        route_params=route_values,
        body_type="bytes",
        body=await request.read() if request.content_length else b"",
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """One value for each name, which is written as where it comes first."""
    names = dict[str, str]()
    values = dict[str, list[str]]()
    for name, value in pairs:
        values.setdefault(names.setdefault(name.lower(), name), []).append(value)
    return {name: ",".join(filter(None, each)) for name, each in values.items()}


async def _answer(function: Function, request: func.HttpRequest, invoke: Invoke) -> web.Response:
    try:
        answer = await invoke(function, request)
    except NotReadyError:
        return web.Response(status=503, headers={"Retry-After": "1"})
    except Exception:
        log.exception("Function %s failed; the caller gets a 500 without a body.", function.name)
        return web.Response(status=500)
    headers = [(name, value) for name, value in answer.headers.items() if name.lower() != "content-length"]
    if "content-type" not in answer.headers:
        charset = f"; charset={answer.charset}" if answer.mimetype.startswith("text/") else ""
        headers.append(("Content-Type", answer.mimetype + charset))
    return web.Response(status=answer.status_code, headers=headers, body=answer.get_body())


def _admin(app: App, invoke: Invoke) -> Handler:
    """POST /admin/functions/{name} fires a timer trigger now, as on the real host."""

    async def handler(request: web.Request) -> web.Response:
        for function in app.timers:
            if function.name == request.match_info["name"]:
                await invoke(function, TimerRequest(past_due=False))
                return web.Response(status=202)
        return web.Response(status=404)

    return handler


def _background(app: App, invoke: Invoke) -> Callable[[web.Application], Any]:
    """Timers while the server is up; at the end, the SDK's HTTP session is closed in good order."""

    async def run(_: web.Application) -> Any:
        task = asyncio.create_task(run_timers(app.timers, invoke))
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        from azure.durable_functions.models.utils import http_utils

        await http_utils._close_session()

    return run


async def run(arguments: argparse.Namespace) -> None:
    """The process: `python -m local host`. It serves on the socket that its parent listens on."""
    app = host_functions.load(arguments.app)
    with socket.socket(fileno=os.dup(arguments.fd)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    data = Path(arguments.data)
    if variable := easy_auth.says_azure(os.environ, os.environ.get("GRAPH_ENDPOINT", "")):
        raise SystemExit(easy_auth.IN_AZURE.format(variable))
    server = make_server(app, data, base, os.environ, extension=arguments.extension)
    await serve_until_stopped(server, arguments.fd, "host ready")
