"""The transport below msgraph-sdk: aiohttp, which takes a third of the CPU of httpx's own for a page of 700 KB.

A package for this exists (httpx-aiohttp), but it changes the URL, and a nextLink must be sent as it came. It also
decompresses without a limit: 600 KB of gzip can become 600 MB of text. Here the text is limited.
"""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import httpx
from isal import isal_zlib
from yarl import URL

from shared.errors import GraphError

MOST = 64 * 1024 * 1024
"""The most bytes of an answer, compressed or not. A page of 999 users has 1.5 MB."""
LARGE = 4 * 1024 * 1024
"""Bytes. Larger answers are read one at a time: several at once, each below MOST, would need too much memory."""
ACCEPT = {"Accept-Encoding": "gzip"}
"""The only encoding that is unpacked here. An answer in another one is not JSON."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends a request and reads the whole answer, without redirects, cookies and proxies.

    Raises aiohttp.ClientError and TimeoutError, and GraphError when the answer is too large.
    """

    def __init__(self, timeout: aiohttp.ClientTimeout) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._large = asyncio.Lock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._opened().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
        ) as answer:
            return await _read(answer, self._large)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # Not earlier: a session belongs to the running event loop.
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


async def _read(answer: aiohttp.ClientResponse, large: asyncio.Lock) -> httpx.Response:
    chunks: list[bytes] = []
    size = 0
    async with AsyncExitStack() as stack:
        async for chunk in answer.content.iter_any():
            if size <= LARGE < size + len(chunk):
                await stack.enter_async_context(large)
            size += len(chunk)
            if size > MOST:
                # An error keeps these frames, and with them what was read, until a garbage collection.
                chunks.clear()
                raise _too_large(answer)
            chunks.append(chunk)
        content = b"".join(chunks)
    del chunks
    headers = answer.raw_headers
    if content and answer.headers.get("Content-Encoding", "").lower() in {"gzip", "x-gzip"}:
        # Without this header, because httpx would unpack again.
        headers = tuple(each for each in headers if each[0].lower() != b"content-encoding")
        content = _unpacked(answer, content)
    return httpx.Response(answer.status, headers=headers, content=content)


def _unpacked(answer: aiohttp.ClientResponse, content: bytes) -> bytes:
    decoder = isal_zlib.decompressobj(isal_zlib.MAX_WBITS | 16)
    try:
        text = decoder.decompress(content, MOST + 1)
    except isal_zlib.error as problem:  # type: ignore[misc]  # its stub is wrong: this is a class
        raise aiohttp.ClientPayloadError(f"The gzip can't be read: {problem}") from None
    if len(text) > MOST:
        del text
        raise _too_large(answer)
    if not decoder.eof:
        raise aiohttp.ClientPayloadError("The gzip is cut off.")
    return text


def _too_large(answer: aiohttp.ClientResponse) -> GraphError:
    reason = f"Graph's answer is larger than {MOST // 2**20} MiB, so it was not read to its end."
    return GraphError(answer.status, "AnswerTooLarge", reason, request_id=answer.headers.get("request-id", ""))
