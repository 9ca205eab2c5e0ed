"""Schedules are read as a Functions timer reads them, and come at the right moment in each time zone."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import schedules
from shared.schedules import ScheduleError

SAID = [json.loads(line) for line in (Path(__file__).parent / "ncrontab.jsonl").read_text().splitlines()]
"""What NCrontab, the library of the Functions host, says of 63 expressions: refused, or its next five times."""
SAID_FROM = datetime(2026, 11, 28, 10, 7, 30, tzinfo=UTC)
REFUSED_HERE = {"10-5 * * * *", "0 6 * * FRI-MON", "*/0 * * * *", "0/0 * * * *", "0 0 30 2 *"}
"""NCrontab takes them: reversed, with a step of 0, never coming."""
BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


def times(text: str, after: datetime, where: ZoneInfo = UTC_ZONE, count: int = 5) -> list[datetime]:
    schedule, found = schedules.parse(text), [after]
    for _ in range(count):
        found.append(schedules.next_time(schedule, where, found[-1]))
    return found[1:]


def local_times(text: str, after: str, where: ZoneInfo, count: int = 3) -> list[str]:
    """After a local time, with the offset of each."""
    start = datetime.fromisoformat(after).replace(tzinfo=where).astimezone(UTC)
    return [each.astimezone(where).isoformat(timespec="minutes") for each in times(text, start, where, count)]


@pytest.mark.parametrize("said", SAID, ids=[repr(said["schedule"]) for said in SAID])
def test_a_schedule_is_read_as_the_library_of_the_functions_host_reads_it(said: dict[str, Any]) -> None:
    text = said["schedule"]
    if "refused" in said or text in REFUSED_HERE:
        with pytest.raises(ScheduleError):
            schedules.parse(text)
        return
    found = [f"{each:%Y-%m-%dT%H:%M}" for each in times(text, SAID_FROM)]
    assert found[: len(said["next"])] == said["next"]
    assert said["next"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10-5 * * * *", "reversed"),
        ("0 6 * * FRI-SUN", "reversed"),
        ("*/0 * * * *", "at least 1"),
        ("0/0 * * * *", "at least 1"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 2,4,6,9,11 *", "never comes"),
        ("60 * * * *", "minute: 60 is not from 0 to 59"),
        ("0 6 * * 7", "weekday: 7 is not from 0 to 6"),
        ("0 6 * * L", "weekday: 'L' is not a value"),
        ("0 6 * *", "5 fields"),
        ("0 6 * * 1,", "weekday: '' is not a value"),
        ("1-2-3 6 * * *", "'2-3' is not a value"),
        ("*/-5 6 * * *", "'-5' is not a value"),
        ("*-5 6 * * *", "'*' is not a value"),
        ("² 6 * * *", "is not a value"),
        ("0," * 200 + "0 6 * * *", "at most 300"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(ScheduleError, match=told.replace("*", r"\*")):
        schedules.parse(text)


def test_a_schedule_that_comes_every_28_years_is_no_schedule_that_never_comes() -> None:
    (found,) = times("0 0 29 2 MON", SAID_FROM, count=1)
    assert found.date() == date(2044, 2, 29)


def test_the_wall_clock_of_the_time_zone_counts_in_summer_and_in_winter() -> None:
    (winter,) = times("0 6 * * *", datetime(2026, 1, 10, tzinfo=UTC), BERLIN, 1)
    (summer,) = times("0 6 * * *", datetime(2026, 7, 10, tzinfo=UTC), BERLIN, 1)
    assert (winter.hour, summer.hour) == (5, 4)


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        # 02:00 to 03:00 does not exist in Berlin on 29 March 2026.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        ("0 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
        # What meets there runs once.
        ("0,30 2,3 29 3 *", "Europe/Berlin", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
        # In Santiago the clock skips midnight, on Lord Howe half an hour.
        ("0 0 * * *", "America/Santiago", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"]),
        ("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["2026-10-04T02:30+11:00", "2026-10-05T02:10+11:00"]),
    ],
)
def test_a_time_that_the_clock_skips_comes_at_the_next_that_exists(
    text: str, zone: str, after: str, expected: list[str]
) -> None:
    assert local_times(text, after, ZoneInfo(zone), len(expected)) == expected


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        # 02:00 to 03:00 comes twice in Berlin on 25 October 2026.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
        ("0 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25T02:00+02:00", "2026-10-26T02:00+01:00"]),
        ("0 3 * * *", "Europe/Berlin", "2026-10-24T12:00", ["2026-10-25T03:00+01:00", "2026-10-26T03:00+01:00"]),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T01:30", ["2026-10-25T02:30+02:00", "2026-10-25T03:30+01:00"]),
    ],
)
def test_a_time_that_comes_twice_comes_the_first_time(text: str, zone: str, after: str, expected: list[str]) -> None:
    assert local_times(text, after, ZoneInfo(zone), len(expected)) == expected


def test_in_the_second_of_two_equal_hours_the_first_is_over() -> None:
    second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    (found,) = times("30 2 * * *", second, BERLIN, 1)
    assert found == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("* * * * *", 1),
        ("*/15 * * * *", 15),
        ("0,14 6 * * *", 14),
        ("0,50 * * * *", 10),
        ("0 6 * * *", 1440),
        ("0,59 0,23 * * *", 1),
        ("0,59 0,23 1 * *", 59),
        ("59 23 * * 6", 1440),
    ],
)
def test_the_shortest_interval_also_counts_the_hour_and_midnight(text: str, minutes: int) -> None:
    assert schedules.shortest_interval(schedules.parse(text)) == timedelta(minutes=minutes)


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "Asia/Kolkata", "America/Argentina/Buenos_Aires"])
def test_a_zone_is_one_of_iana(name: str) -> None:
    assert schedules.zone(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Berlin", "europe/berlin", "W. Europe Standard Time", "../etc/passwd", "/etc/localtime", "America"),
        *("right/Europe/Berlin", "+01:00", "\0"),
    ],
)
def test_anything_else_is_no_zone(name: str) -> None:
    with pytest.raises(ScheduleError):
        schedules.zone(name)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    spans = st.tuples(value, value).map(lambda ends: f"{min(ends)}-{max(ends)}")
    steps = st.tuples(spans | st.just("*"), st.integers(1, 70)).map(lambda given: f"{given[0]}/{given[1]}")
    return st.lists(value.map(str) | spans | steps | st.just("*"), min_size=1, max_size=3).map(",".join)


texts = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), st.just("*")).map(" ".join)
zones = st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@given(texts, zones, moments)
def test_times_follow_each_other_and_each_is_one_that_the_schedule_names(text: str, zone: str, after: datetime) -> None:
    where, schedule = ZoneInfo(zone), schedules.parse(text)
    found = [after, *times(text, after, where)]
    assert all(earlier < later for earlier, later in pairwise(found))
    for each in found[1:]:
        local = each.astimezone(where)
        named = schedule.comes_on(local.date()) and local.time() in schedule.times
        skipped = (each - timedelta(minutes=1)).astimezone(where).utcoffset() != local.utcoffset()
        assert named or skipped


@given(texts, zones, moments)
def test_no_time_between_two_is_left_out(text: str, zone: str, after: datetime) -> None:
    where, schedule = ZoneInfo(zone), schedules.parse(text)
    (found,) = times(text, after, where, 1)
    moment = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(3 * 24 * 60):
        if moment >= found:
            break
        local = moment.astimezone(where)
        assert local.fold or not (schedule.comes_on(local.date()) and local.time() in schedule.times)
        moment += timedelta(minutes=1)
