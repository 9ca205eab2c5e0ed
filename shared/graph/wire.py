"""The transport below msgraph-sdk: aiohttp, which takes a third of the CPU of httpx's own for a page of 700 KB.

A package for this exists (httpx-aiohttp), but it writes each URL anew, and a nextLink must go out as it came.
"""

import aiohttp
import httpx
from yarl import URL


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Carries a request, and reads the whole answer. Raises aiohttp.ClientError and TimeoutError.

    No redirects, cookies, proxies, or decompression: httpx does the last.
    """

    def __init__(self, timeout: aiohttp.ClientTimeout) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._opened().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
        ) as answer:
            return httpx.Response(answer.status, headers=answer.raw_headers, content=await answer.read())

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # Not before: it belongs to the event loop that runs.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
