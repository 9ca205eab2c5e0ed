"""Azurite once for all of these tests, and the edges to it and to a simulated tenant."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from azure.core.credentials import AccessToken

from local import azurite
from local.azurite import Azurite
from local.tenant import Tenant, serve
from shared.export.context import Edges
from shared.graph import client
from shared.settings import Settings
from shared.storage import blobs


@pytest.fixture(scope="session")
def storage_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite.running(Path(tmp_path_factory.mktemp("azurite"))) as running:
        yield running


@dataclass(slots=True)
class FreshTokens:
    """A credential whose every instance gives a token of its own, as a sign-in does."""

    token: str = ""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.token = self.token or uuid4().hex
        return AccessToken(self.token, 2**33)

    async def close(self) -> None:
        return


async def no_pause(seconds: float) -> None:
    """In place of asyncio.sleep: tests don't wait."""


Connect = Callable[..., AbstractAsyncContextManager[Edges]]


@pytest.fixture
def connected(storage_emulator: Azurite) -> Connect:
    """`async with connected(tenant, EXPORT_RANGE_USERS="100") as edges`."""

    @asynccontextmanager
    async def connect(
        tenant: Tenant, *, latency: float = 0.0, timeout: float = 5.0, **env: str
    ) -> AsyncIterator[Edges]:
        container = f"c{uuid4().hex[:20]}"
        async with serve(tenant, latency) as url:
            settings = Settings.from_env(
                {
                    "GRAPH_ENDPOINT": url,
                    "EXPORT_STORAGE": storage_emulator.connection_string,
                    "EXPORT_CONTAINER": container,
                    **env,
                }
            )
            storage = blobs.connect(settings, None)
            retries = replace(client.Retries(), sleep=no_pause)
            connection = client.connect(
                url, FreshTokens, retries, aiohttp.ClientTimeout(connect=timeout, sock_read=timeout)
            )
            try:
                yield Edges(connection, storage, settings)
            finally:
                await client.close(connection)
                await storage.service.close()

    return connect
