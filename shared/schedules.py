"""NCRONTAB schedules with a time zone: when one comes next; pure.

A schedule has five fields, as a Functions timer reads them: minute, hour, day, month, weekday (Sunday is 0), with
spaces between. A field is `*`, a value, a range (`1-5`), any of these with a step (`*/15`, `10-40/10`; `5/20` goes on
to the highest value), or several with commas between. Months and weekdays may have names; the beginning of a name is
enough (`jan`, `MON`). Day and weekday must both match, unlike in cron.
https://github.com/atifaziz/NCrontab/wiki/Crontab-Expression

NCRONTAB also takes `10-5` for `5-10` and a step of 0 for 1. Both are refused here, because nobody means that.

When the clock is changed, a local time that is skipped becomes the next one that exists. Of one that comes twice, the
first counts.
"""

import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from itertools import pairwise

MAX_LENGTH = 300
"""Characters of a schedule."""
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_SAMPLE = (date(2000, 1, 1), date(2028, 1, 1))
"""In 28 years each date meets each weekday."""
_YEARS = 100
"""A 29 February on a given weekday can be 40 years away."""


class ScheduleError(ValueError):
    """A schedule or a time zone is wrong."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("weekday", 0, 6, _WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values of each field at which it comes."""

    times: tuple[time, ...]
    """Of a day, in their order."""
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def comes_on(self, day: date) -> bool:
        """Whether it comes on this day."""
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays


def parse(text: str) -> Schedule:
    """Reads a schedule. Raises ScheduleError also for one that never comes, as on 30 February."""
    if len(text) > MAX_LENGTH:
        raise ScheduleError(f"must have at most {MAX_LENGTH} characters")
    # Only spaces are between fields; a tab or a line break is part of one.
    fields = [field for field in text.split(" ") if field]
    if len(fields) != len(_FIELDS):
        raise ScheduleError(
            f"must have 5 fields with spaces between (minute hour day month weekday), and has {len(fields)}"
        )
    minutes, hours, days, months, weekdays = map(_values, fields, _FIELDS)
    times = tuple(time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes))
    schedule = Schedule(times, days, months, weekdays)
    if not any(map(schedule.comes_on, _sample())):
        raise ScheduleError("never comes: no month that it names has such a day")
    return schedule


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _part(part, field))


def _part(text: str, field: _Field) -> range:
    span, slash, step_text = text.partition("/")
    step = _number(step_text, field) if slash else 1
    if step < 1:
        raise ScheduleError(f"{field.name}: the step of {text[:40]!r} must be at least 1")
    if span == "*":
        return range(field.low, field.high + 1, step)
    first_text, hyphen, last_text = span.partition("-")
    first = _value(first_text, field)
    last = _value(last_text, field) if hyphen else field.high if slash else first
    if first > last:
        raise ScheduleError(f"{field.name}: {span[:40]!r} is reversed; write two ranges, with a comma between")
    return range(first, last + 1, step)


def _value(text: str, field: _Field) -> int:
    for value, name in enumerate(field.names, field.low):
        if text and name.startswith(text.lower()):
            return value
    value = _number(text, field)
    if not field.low <= value <= field.high:
        raise ScheduleError(f"{field.name}: {value} is not from {field.low} to {field.high}")
    return value


def _number(text: str, field: _Field) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ScheduleError(f"{field.name}: {text[:40]!r} is not a value of this field")
    return int(text)


def _sample() -> Iterator[date]:
    first, end = _SAMPLE
    return (first + number * _DAY for number in range((end - first).days))


def shortest_interval(schedule: Schedule) -> timedelta:
    """The least time between two times of the schedule, on clocks that nobody changes."""
    minutes = [each.hour * 60 + each.minute for each in schedule.times]
    within = min((later - earlier for earlier, later in pairwise(minutes)), default=24 * 60)
    over_midnight = minutes[0] + 24 * 60 - minutes[-1]
    if over_midnight < within and any(schedule.comes_on(day) and schedule.comes_on(day + _DAY) for day in _sample()):
        within = over_midnight
    return timedelta(minutes=within)


def zone(name: str) -> zoneinfo.ZoneInfo:
    """A time zone of IANA's. Raises ScheduleError."""
    # The names of the package: a system's folder has others too, such as those of clocks with leap seconds.
    if name not in _zone_names():
        raise ScheduleError("must be a time zone of IANA, such as Europe/Berlin")
    return zoneinfo.ZoneInfo(name)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


def next_time(schedule: Schedule, where: zoneinfo.ZoneInfo, after: datetime) -> datetime:
    """The first time of the schedule later than `after`; both in UTC."""
    local = after.astimezone(where).replace(tzinfo=None)
    for planned in _local_times(schedule, local):
        moment = _moment(planned, where)
        # Of an hour that comes twice, the first is over already.
        if moment > after:
            return moment
    raise ScheduleError("never comes")


def _local_times(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """The times on the wall clock later than `after`, in their order."""
    for number in range(_YEARS * 366):
        day = after.date() + number * _DAY
        if schedule.comes_on(day):
            yield from (local for each in schedule.times if (local := datetime.combine(day, each)) > after)


def _moment(local: datetime, where: zoneinfo.ZoneInfo) -> datetime:
    """The moment, in UTC, at which the wall clock shows this the first time, or would have shown it."""
    moment = local.replace(tzinfo=where).astimezone(UTC)
    if moment.astimezone(where).replace(tzinfo=None) == local:
        return moment
    # The clock skips it. Of a skipped time, one fold lies before the change, the other after it (PEP 495).
    before, changed = local.replace(tzinfo=where, fold=1).astimezone(UTC), moment
    offset = before.astimezone(where).utcoffset()
    while changed - before > timedelta(seconds=1):
        middle = before + (changed - before) // 2
        if middle.astimezone(where).utcoffset() == offset:
            before = middle
        else:
            changed = middle
    # Clocks change at a full minute.
    return changed.replace(second=0, microsecond=0)
