"""`python -m benchmarks.limits.fetch TENANT`: the pages of the export's own ranges, with as many chains at once, their
bodies thrown away. Nothing that reads all pages is quicker: it is the tenant and the network alone.

TENANT's answers are not decoded; the nextLink is found by its bytes.
"""

import asyncio
import os
import sys
from typing import Any

import aiohttp

from benchmarks.clock import timed
from benchmarks.limits.pages import connection, lanes
from benchmarks.peers.query import ADVANCED, HEADERS
from shared.graph import client, pages
from shared.settings import Settings

_LINK = b'"@odata.nextLink":"'


async def main(tenant: str) -> None:
    settings = Settings.from_env(dict(os.environ) | {"AzureWebJobsStorage": "UseDevelopmentStorage=true"})
    on = connection(tenant)
    shares = await lanes(on, settings)
    found: dict[str, Any] = {"pages": 0, "bytes": 0, "ranges": sum(map(len, shares))}
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        with timed(found):
            await asyncio.gather(*(_lane(http, on, queries, found) for queries in shares))
    await client.close(on)


async def _lane(
    http: aiohttp.ClientSession, on: client.Graph, queries: list[pages.Query], found: dict[str, Any]
) -> None:
    for query in queries:
        headers = ADVANCED if query.advanced else HEADERS
        url = pages.url_of(on, query)
        while url:
            async with http.get(url, headers=headers) as answer:
                answer.raise_for_status()
                body = await answer.read()
            found["pages"] += 1
            found["bytes"] += len(body)
            _, there, rest = body.partition(_LINK)
            url = rest[: rest.index(b'"')].decode() if there else ""


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
