"""The activities' edges: to a simulated tenant in this process, and to a container of their own in a real storage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import aiohttp
from azure.core.credentials import AccessToken

from local.tenant import Tenant, serve
from shared.export.context import Edges
from shared.graph import client
from shared.settings import Settings
from shared.storage import connection


@dataclass(slots=True)
class FreshTokens:
    """A credential. Each instance gives a token of its own, as a sign-in does."""

    token: str = ""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.token = self.token or uuid4().hex
        return AccessToken(self.token, 2**33)

    async def close(self) -> None:
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        problem: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        return


async def no_pause(seconds: float) -> None:
    """In place of asyncio.sleep: tests don't wait."""


def settings_for(storage: str, **env: str) -> Settings:
    """A container of its own for each test."""
    given = {"EXPORT_STORAGE": storage, "EXPORT_CONTAINER": f"c{uuid4().hex[:20]}", "WEBSITE_AUTH_ENABLED": "True"}
    return Settings.from_env(given | env)


@asynccontextmanager
async def connected(
    storage: str, tenant: Tenant, *, latency: float = 0.0, timeout: float = 60.0, **env: str
) -> AsyncIterator[Edges]:
    """`storage`: a connection string. `latency` and `timeout`: seconds, of each answer and at most for it."""
    async with serve(tenant, latency) as url:
        settings = settings_for(storage, GRAPH_ENDPOINT=url, **env)
        service = connection.connect(settings, None)
        retries = replace(client.Retries(), sleep=no_pause)
        waits = aiohttp.ClientTimeout(connect=timeout, sock_read=timeout)
        graph = client.connect(url, FreshTokens, retries, waits)
        try:
            yield Edges(graph, service, settings)
        finally:
            await client.close(graph)
            await service.service.close()
