"""The activities' edges, to a simulated tenant in this process and to the storage of the running app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import aiohttp
from azure.core.credentials import AccessToken

from local.tenant import Tenant, serve
from shared.export.context import Edges
from shared.graph import client
from shared.settings import Settings
from shared.storage import blobs


@dataclass(slots=True)
class Token:
    """A credential for the simulated tenant, which takes any."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("any", 2**33)

    async def close(self) -> None:
        return


async def no_pause(seconds: float) -> None:
    """In place of asyncio.sleep: tests don't wait."""


def settings_for(storage: str, **env: str) -> Settings:
    """A container of its own for each test."""
    given = {"EXPORT_STORAGE": storage, "EXPORT_CONTAINER": f"c{uuid4().hex[:20]}", "WEBSITE_AUTH_ENABLED": "True"}
    return Settings.from_env(given | env)


@asynccontextmanager
async def connected(storage: str, tenant: Tenant, **env: str) -> AsyncIterator[Edges]:
    async with serve(tenant) as url:
        settings = settings_for(storage, GRAPH_ENDPOINT=url, **env)
        service = blobs.connect(settings, None)
        retries = replace(client.Retries(), sleep=no_pause)
        connection = client.connect(url, Token, retries, aiohttp.ClientTimeout(connect=5, sock_read=5))
        try:
            yield Edges(connection, service, settings)
        finally:
            await client.close(connection)
            await service.service.close()
