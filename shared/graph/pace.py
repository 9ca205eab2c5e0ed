"""The pace: how many requests a process sends to Graph at once. All chains of the process share it.

Graph's limits are for the app in the tenant. When Graph throttles one chain, the others reach the same limit a moment
later, and each refused request makes the next refusal more likely. So they slow down together: after a pause, half as
many requests are sent at once. Each answer then allows a little more, until there are as many as before.

A number that rises slowly and falls quickly finds the rate that Graph allows at the moment, as in TCP (RFC 5681).
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LONGEST_PAUSE = 10.0
"""Seconds. Graph counts in windows of 10. (The refused request itself waits as long as Graph has asked for.)"""
FREE = 256
"""From so many on there is no limit: no process has more chains."""


@dataclass(slots=True)
class Pace:
    """`room` requests may be under way at once; any number until Graph throttles."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    room: float = math.inf
    running: int = 0
    quiet_until: float = 0.0
    _ended: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until one more request may be sent, and counts it while it is under way."""
        if (pause := self.quiet_until - self.clock()) > 0:
            await self.sleep(pause)
        if self.running >= self.room:
            async with self._ended:
                await self._ended.wait_for(lambda: self.running < self.room)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            if self.room < math.inf:
                async with self._ended:
                    self._ended.notify_all()

    def throttled(self, retry_after: float | None) -> None:
        """Slower from now on. Chains that are refused in the same moment are one sign, not many."""
        now = self.clock()
        if now >= self.quiet_until:
            self.room = max(1.0, min(self.room, self.running) / 2)
        self.quiet_until = max(self.quiet_until, now + min(retry_after or 1.0, LONGEST_PAUSE))

    def answered(self) -> None:
        """A little quicker: when as many were answered as are under way at once, there is room for one more."""
        if self.room < math.inf:
            self.room += 1 / self.room
            if self.room >= FREE:
                self.room = math.inf
