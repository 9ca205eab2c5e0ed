"""A proxy before Azurite that fails the first requests of a kind: busy, in conflict, or with no answer at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from yarl import URL

_OWN = {"transfer-encoding", "content-length", "connection", "keep-alive"}


@dataclass(slots=True)
class Fault:
    """What is done to the next `times` requests of this method whose address has this text in it.

    code: Azure's error code, with `status`; empty: the connection breaks. after: only when Azurite has done it, so
    that the answer alone is lost.
    """

    method: str
    text: str
    status: int = 0
    code: str = ""
    times: int = 1
    after: bool = False
    applied: int = 0

    def hits(self, request: web.Request) -> bool:
        if self.applied == self.times or request.method != self.method or self.text not in request.raw_path:
            return False
        self.applied += 1
        return True


@asynccontextmanager
async def proxied(target: str, fault: Fault) -> AsyncIterator[str]:
    """The address of a proxy to `target`, both such as http://127.0.0.1:10000."""

    async def answer(request: web.Request) -> web.StreamResponse:
        hit = fault.hits(request)
        if hit and not fault.after:
            return _fail(request, fault)
        # Its Host is part of no signature, its path is: that goes on as it came.
        headers = {name: value for name, value in request.headers.items() if name.lower() not in {"host"}}
        url = f"{target}{request.raw_path}"
        body = await request.read()
        async with http.request(request.method, _as_it_is(url), headers=headers, data=body or None) as found:
            content = await found.read()
            kept = {name: value for name, value in found.headers.items() if name.lower() not in _OWN}
            if hit:
                return _fail(request, fault)
            if request.method == "HEAD":
                kept["Content-Length"] = found.headers.get("Content-Length", "0")
                return web.Response(status=found.status, headers=kept)
            return web.Response(status=found.status, headers=kept, body=content)

    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    # What the SDK did not send is in no signature.
    unsent = ("Content-Type", "Accept", "Accept-Encoding", "User-Agent")
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=unsent) as http:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def _as_it_is(url: str) -> URL:
    return URL(url, encoded=True)


def _fail(request: web.Request, fault: Fault) -> web.StreamResponse:
    if not fault.status:
        assert request.transport is not None
        request.transport.close()
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{fault.code}</Code><Message>No.</Message></Error>'
    headers = {"x-ms-error-code": fault.code, "Content-Type": "application/xml"}
    return web.Response(status=fault.status or 500, text=body, headers=headers)
