"""Timer triggers: when one fires next, and the loop that waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from azure.functions.timer import TimerRequest

from local.host_functions import Function
from shared import schedules

log = logging.getLogger("local.host")


def next_time(schedule: str, after: datetime) -> datetime:
    """The first moment later than `after` that the six fields name. Raises ValueError unless the first, of seconds, is
    0: the other five are read as the schedules of saved exports are.
    """
    seconds, _, minutes_on = schedule.partition(" ")
    if seconds != "0":
        raise ValueError(f"The schedule {schedule!r} does not begin with second 0.")
    return schedules.next_time(schedules.parse(minutes_on), ZoneInfo("UTC"), after)


async def run_timers(timers: Sequence[Function], invoke: Callable[[Function, Any], Awaitable[Any]]) -> None:
    """Fire each timer at its times until cancelled; one that fails is logged and comes again."""
    async with asyncio.TaskGroup() as group:
        for function in timers:
            group.create_task(_run_timer(function, invoke))


async def _run_timer(function: Function, invoke: Callable[[Function, Any], Awaitable[Any]]) -> None:
    while True:
        moment = datetime.now(UTC)
        wait = next_time(function.trigger["schedule"], moment) - moment
        await asyncio.sleep(wait.total_seconds())
        try:
            await invoke(function, TimerRequest(past_due=False))
        except Exception:
            log.exception("Timer function %s failed.", function.name)
