"""The durable client, with two things that the SDK's own lacks: a time limit, and an error when there is no answer."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

SECONDS = 8.0
"""After which there must be an answer. It comes from the host on this machine, which waits for its own storage."""


class DurableClient(Protocol):
    """The methods of DurableOrchestrationClient that the app calls."""

    async def start_new(self, orchestration_function_name: str, instance_id: str, client_input: Any) -> str: ...

    async def get_status(self, instance_id: str) -> Any: ...

    async def raise_event(self, instance_id: str, event_name: str, event_data: Any) -> None: ...

    async def purge_instance_history(self, instance_id: str) -> Any: ...


class DurableFailure(Exception):
    """Durable Functions did not answer, or refused. The SDK raises plain exceptions for both."""


@dataclass(frozen=True, slots=True)
class Durable:
    """A DurableClient that raises DurableFailure for each failure."""

    client: DurableClient
    seconds: float = SECONDS

    async def start_new(self, orchestration_function_name: str, instance_id: str, client_input: Any) -> str:
        return await self._in_time(self.client.start_new(orchestration_function_name, instance_id, client_input))

    async def get_status(self, instance_id: str) -> Any:
        """The status; it is false when the instance does not exist."""
        status: Any = await self._in_time(self.client.get_status(instance_id))
        # For an error (500, 400) the SDK returns the status of an instance that does not exist. A running export would
        # be shown as failed, and removed.
        if not status and any(getattr(status, name, "") for name in ("message", "Message")):
            raise DurableFailure(f"The status of {instance_id} can't be read.")
        return status

    async def raise_event(self, instance_id: str, event_name: str, event_data: Any) -> None:
        await self._in_time(self.client.raise_event(instance_id, event_name, event_data))

    async def purge_instance_history(self, instance_id: str) -> Any:
        return await self._in_time(self.client.purge_instance_history(instance_id))

    async def _in_time(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self.seconds):
                return await answer
        except Exception as problem:
            raise DurableFailure(str(problem) or type(problem).__name__) from problem
