"""Durable in memory, as `operations` sees it: which instances there are, and how they are."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass(slots=True)
class Durable:
    """Instances by id with their runtime status; refuses to start one that runs, as the extension does."""

    instances: dict[str, str] = field(default_factory=dict)
    starts: list[str] = field(default_factory=list)
    refuses_purge: bool = False
    before_start: "asyncio.Barrier | None" = None
    before_status: Callable[[], Awaitable[None]] | None = None

    async def start_new(self, orchestration_function_name: str, instance_id: str, client_input: Any) -> str:
        if self.before_start:
            await self.before_start.wait()
        if self.instances.get(instance_id) == "Running":
            raise Exception("An Orchestration instance with the status Running already exists.")  # noqa: TRY002 - as the SDK
        self.instances[instance_id] = "Running"
        self.starts.append(instance_id)
        return instance_id

    async def get_status(self, instance_id: str) -> Any:
        if self.before_status:
            await self.before_status()
        if instance_id not in self.instances:
            return None
        status = SimpleNamespace(value=self.instances[instance_id])
        return SimpleNamespace(instance_id=instance_id, runtime_status=status, custom_status=None)

    async def raise_event(self, instance_id: str, event_name: str, event_data: Any) -> None:
        return

    async def purge_instance_history(self, instance_id: str) -> Any:
        if self.instances.get(instance_id) == "Running":
            raise Exception("The operation failed with an unexpected status code 412")  # noqa: TRY002 - as the SDK
        if self.refuses_purge:
            raise Exception("The operation failed with an unexpected status code 500")  # noqa: TRY002 - as the SDK
        self.instances.pop(instance_id, None)
