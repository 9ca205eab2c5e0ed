"""The tenant on a socket: Graph's routes under /v1.0, and routes without a token under /_tenant for the truth,
faults, changes and statistics. Of a scope: `/_tenant/ids?group=ID`, `?administrativeUnit=ID`, `?deleted=true`,
`?enabled=true`.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from itertools import islice

from aiohttp import web
from aiohttp.typedefs import Handler

from local.tenant.calls import Answer, Call
from local.tenant.faults import Rule, read_rules
from local.tenant.graph import answer
from local.tenant.metadata import PROPERTIES
from local.tenant.rendering import rows
from local.tenant.spoil import huge
from local.tenant.tenant import Tenant, change, whom

_LEAST_TO_COMPRESS = 2048
_LARGEST_BODY = 64 * 1024 * 1024


@asynccontextmanager
async def serve(tenant: Tenant, latency: float = 0.0, port: int = 0) -> AsyncIterator[str]:
    """Serves the tenant on 127.0.0.1, on a free port by default; yields `http://127.0.0.1:PORT`. `latency` is
    seconds per page and per batch.
    """
    runner = web.AppRunner(application(tenant, latency), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def application(tenant: Tenant, latency: float = 0.0) -> web.Application:
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_route("GET", "/_tenant/ids", _lines(tenant, ("id",)))
    app.router.add_route("GET", "/_tenant/users", _lines(tenant, tuple(PROPERTIES)))
    app.router.add_route("GET", "/_tenant/stats", _stats(tenant))
    app.router.add_route("*", "/_tenant/faults", _faults(tenant))
    app.router.add_route("POST", "/_tenant/change", _change(tenant))
    app.router.add_route("*", "/{rest:.*}", _graph(tenant, latency))
    return app


def _graph(tenant: Tenant, latency: float) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        stats = tenant.stats
        stats.now += 1
        stats.highest = max(stats.highest, stats.now)
        if request.host not in stats.hosts:
            stats.hosts.append(request.host)
        priority = request.headers.get("x-ms-throttle-priority", "")
        if priority not in stats.priorities:
            stats.priorities.append(priority)
        try:
            headers = {name.lower(): value for name, value in request.headers.items()}
            base = f"{request.scheme}://{request.host}"
            given = answer(tenant, Call(request.method, request.raw_path, headers, await request.read(), base))
            if latency and given.slow:
                await asyncio.sleep(latency)
            return await _send(request, given)
        finally:
            stats.now -= 1

    return handle


async def _send(request: web.Request, answer: Answer) -> web.StreamResponse:
    body, headers = answer.body, dict(answer.headers)
    if len(body) >= _LEAST_TO_COMPRESS and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await asyncio.to_thread(gzip.compress, body, 1)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    for rule in answer.wire:
        if rule.kind == "hang":
            await asyncio.sleep(rule.seconds)
        if rule.kind == "reset" and request.transport is not None:
            request.transport.abort()
        if rule.kind == "huge":
            return await _send_huge(request, rule)
        if rule.kind == "truncate":
            body = body[: len(body) * 2 // 3]
    return web.Response(status=answer.status, body=body, headers=headers)


async def _send_huge(request: web.Request, rule: Rule) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    if rule.gzip:
        response.headers["Content-Encoding"] = "gzip"
    await response.prepare(request)
    with suppress(ConnectionError):  # Who asked has had enough.
        for chunk in huge(rule):
            await response.write(chunk)
            await asyncio.sleep(0)
    return response


def _lines(tenant: Tenant, select: tuple[str, ...]) -> Handler:
    """Every user there is now, a line each, or those of a scope; nothing of it stays in memory."""

    def chunks(scope: Mapping[str, str]) -> Iterator[bytes]:
        directory, chosen = whom(tenant, scope)
        while positions := [*islice(chosen, 1000)]:
            lines = rows(directory, positions, select, keep=False)
            if select == ("id",):
                lines = [row[7:-2] for row in lines]
            yield b"".join(row + b"\n" for row in lines)

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "application/x-ndjson" if len(select) > 1 else "text/plain"}
        )
        await response.prepare(request)
        for chunk in chunks(request.query):
            await response.write(chunk)
            await asyncio.sleep(0)  # an export may be running
        await response.write_eof()
        return response

    return handle


def _stats(tenant: Tenant) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(asdict(tenant.stats) | {"faults": tenant.faults.applied})

    return handle


def _faults(tenant: Tenant) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            tenant.faults.clear()
        elif request.method == "POST":
            try:
                for rule in read_rules(await request.json()):
                    tenant.faults.add(rule)
            except (ValueError, TypeError) as error:
                return web.json_response({"error": str(error)}, status=400)
        return web.json_response([asdict(rule) for rule in tenant.faults.rules()])

    return handle


def _change(tenant: Tenant) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        orders = await request.json()
        try:
            done = [change(tenant, order) for order in (orders if isinstance(orders, list) else [orders])]
        except (ValueError, KeyError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(
            done if isinstance(orders, list) else done[0], dumps=lambda value: json.dumps(value, ensure_ascii=False)
        )

    return handle
