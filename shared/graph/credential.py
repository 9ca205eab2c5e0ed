"""A credential for Graph whose token can be renewed."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.core.credentials_async import AsyncTokenCredential

RENEWAL_SECONDS = 5.0


class RenewableCredential:
    """A credential that can be replaced: azure-identity keeps a token until it ends, even one that Graph refuses."""

    def __init__(self, make: Callable[[], "AsyncTokenCredential"]) -> None:
        self._make = make
        self._made: list[AsyncTokenCredential] = []
        self._renewed = 0.0

    async def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        if not self._made:
            self._made.append(self._make())
        return await self._made[-1].get_token(*scopes, **options)

    def renew(self) -> None:
        """Uses another token from now on. When many chains see the same 401, one renewal serves them all."""
        now = time.monotonic()
        if now - self._renewed > RENEWAL_SECONDS:
            self._renewed = now
            self._made.append(self._make())

    async def close(self) -> None:
        for credential in self._made:
            await credential.close()
