"""A nextLink goes out letter by letter as it came: Graph's tokens are opaque, and nobody may write them anew."""

import aiohttp
import pytest
from aiohttp import web

from shared.graph import client, pages
from tests.edges import FreshTokens


@pytest.mark.parametrize(
    "query",
    [
        "$skiptoken=RFNwdAIAAQAAABo6QW5u",
        "%24top=999&%24skiptoken=a%2Bb%2F%3D",
        "%24SkipToken=m~X%7Ey'(%27)!*",
        "$top=999&$filter=createdDateTime%20ge%202020-01-01T00:00:00Z&$skiptoken=a+b,c;d:e@f",
    ],
)
async def test_a_next_link_is_sent_as_it_came(query: str) -> None:
    asked: list[str] = []

    async def users(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        more = {"@odata.nextLink": f"{url}/v1.0/users?{query}"} if len(asked) == 1 else {}
        return web.json_response({"value": [], **more})

    app = web.Application()
    app.router.add_get("/v1.0/users", users)
    server = web.AppRunner(app)
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{server.addresses[0][1]}"
    graph = client.connect(url, FreshTokens, client.Retries(attempts=1), aiohttp.ClientTimeout(total=10))
    try:
        assert [page.value async for page in pages.chain(graph, pages.Query(("id",)))] == [[], []]
    finally:
        await client.close(graph)
        await server.cleanup()
    assert asked[1] == f"/v1.0/users?{query}"
