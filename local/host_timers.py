"""Timer triggers: when an NCRONTAB schedule fires next, and the loop that waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.functions.timer import TimerRequest

from local.host_functions import Function

log = logging.getLogger("local.host")

NAMES = {
    name: str(number)
    for names, first in (
        (("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1),
        (("sun", "mon", "tue", "wed", "thu", "fri", "sat"), 0),
    )
    for number, name in enumerate(names, first)
}
# second, minute, hour, day, month, weekday (0 is Sunday)
LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
HORIZON = timedelta(days=366 * 5)


def parse(schedule: str) -> tuple[frozenset[int], ...]:
    """The allowed values of each of the six fields; five fields mean second 0."""
    fields = schedule.split()
    if len(fields) == len(LIMITS) - 1:
        fields.insert(0, "0")
    if len(fields) != len(LIMITS):
        raise ValueError(f"Schedule {schedule!r} needs 5 or 6 fields.")
    return tuple(_values(text.lower(), *limits) for text, limits in zip(fields, LIMITS, strict=True))


def _values(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            start, end = low, high
        else:
            start = int(NAMES.get(first, first))
            end = int(NAMES.get(last, last)) if last else (high if step else start)
        found |= {value if value <= high else low for value in range(start, end + 1, int(step or 1))}
    return frozenset(found)


def next_time(schedule: str, after: datetime) -> datetime:
    """The first moment later than `after` that the schedule names; skips days and hours, not seconds."""
    seconds, minutes, hours, days, months, weekdays = parse(schedule)
    moment = after.replace(microsecond=0) + timedelta(seconds=1)
    while moment < after + HORIZON:
        if moment.month not in months or moment.day not in days or moment.isoweekday() % 7 not in weekdays:
            moment = moment.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        elif moment.hour not in hours:
            moment = moment.replace(minute=0, second=0) + timedelta(hours=1)
        elif moment.minute not in minutes:
            moment = moment.replace(second=0) + timedelta(minutes=1)
        elif moment.second not in seconds:
            moment += timedelta(seconds=1)
        else:
            return moment
    raise ValueError(f"Schedule {schedule!r} never comes.")


async def run_timers(timers: Sequence[Function], invoke: Callable[[Function, Any], Awaitable[Any]]) -> None:
    """Fire each timer at its times until cancelled; one that fails is logged and comes again."""
    async with asyncio.TaskGroup() as group:
        for function in timers:
            group.create_task(_run_timer(function, invoke))


async def _run_timer(function: Function, invoke: Callable[[Function, Any], Awaitable[Any]]) -> None:
    settings = function.trigger.settings
    due = bool(settings.get("runOnStartup"))
    while True:
        if due:
            try:
                await invoke(function, TimerRequest(past_due=False))
            except Exception:
                log.exception("Timer function %s failed.", function.name)
        moment = datetime.now(UTC)
        wait = next_time(settings["schedule"], moment) - moment
        await asyncio.sleep(wait.total_seconds())
        due = True
