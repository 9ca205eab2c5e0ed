"""A worker process for Microsoft's Durable extension: answers the protocol at the top of durable_host/Program.cs.

    GET  /durable/functions              the names of the app's orchestrators and activities
    POST /durable/orchestrators/{name}   the extension's context; the orchestrator's actions come back
    POST /durable/activities/{name}      an activity's input; its result comes back

All workers accept from the one socket that `serve` listens on. What a function raises is answered with 500 and the
text that the Python worker gives the Functions host.
"""

import argparse
import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from local import host_functions
from local.extension import PREFIX
from local.host_functions import App
from local.processes import serve_until_stopped

log = logging.getLogger("local.worker")

MAX_BODY_BYTES = 100 * 1024 * 1024


def make_server(app: App) -> web.Application:
    async def functions(_: web.Request) -> web.Response:
        return web.json_response({"orchestrators": [*app.orchestrators], "activities": [*app.activities]})

    async def orchestrate(name: str, context: str) -> str:
        return str(await asyncio.to_thread(app.orchestrators[name].call, context))

    async def run(name: str, text: str) -> str:
        return await host_functions.call_activity(app.activities[name], text)

    server = web.Application(client_max_size=MAX_BODY_BYTES)
    server.add_routes(
        [
            web.get(PREFIX + "/functions", functions),
            web.post(PREFIX + "/orchestrators/{name}", _answer("Orchestrator", orchestrate)),
            web.post(PREFIX + "/activities/{name}", _answer("Activity", run)),
        ]
    )
    return server


def _answer(kind: str, call: Callable[[str, str], Awaitable[str]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            return web.Response(text=await call(name, await request.text()), content_type="application/json")
        except Exception as error:
            log.exception("%s %s failed.", kind, name)
            return web.Response(status=500, text=f"{type(error).__name__}: {error}")

    return handler


async def run(arguments: argparse.Namespace) -> None:
    """The process: `python -m local worker --fd N`. It serves on the socket that its parent listens on."""
    await serve_until_stopped(make_server(host_functions.load(arguments.app)), arguments.fd, "worker ready")
