"""What may be saved: an export's request, with a schedule and with how many of its exports stay; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared import schedules
from shared.api import request
from shared.api.problems import BadRequest, Problem
from shared.api.request import ExportRequest
from shared.files.comparison import ID
from shared.schedules import ScheduleError
from shared.settings import Settings

SHORTEST = timedelta(minutes=15)
MAX_KEEP = 1_000
PROPERTIES = ("schedule", "timeZone", "keep", "compare")
"""Of the body, beside those of an export's request."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a saved export is started, how many of its runs stay (0: as long as other exports), and whether each is
    compared with the last one before it."""

    schedule: str
    time_zone: str
    keep: int
    compare: bool


def check(
    given: Mapping[str, Any], settings: Settings, now: datetime, authentication: bool, problems: list[Problem]
) -> tuple[ExportRequest, Timetable]:
    """Both parts of a body. `wrong`: problems that are known already. Raises BadRequest with all of them."""
    schedule, time_zone, keep = _schedule(given, problems), _time_zone(given, problems), _keep(given, problems)
    timetable = Timetable(schedule, time_zone, keep, _compare(given, problems))
    try:
        checked = request.check(given, settings, now, authentication=authentication, also=PROPERTIES)
    except BadRequest as refused:
        raise BadRequest(*refused.problems, *problems, status=400 if problems else refused.status) from None
    if timetable.compare and ID not in checked.columns:
        problems.append(Problem("/compare", f"needs the column {ID}, by which users are found again"))
    if problems:
        raise BadRequest(*problems)
    return checked, timetable


def _schedule(given: Mapping[str, Any], problems: list[Problem]) -> str:
    text = given.get("schedule")
    if text is None:
        return ""
    problem = "must be a text, such as 0 6 * * 1-5"
    if isinstance(text, str):
        try:
            if schedules.shortest_interval(schedules.parse(text)) >= SHORTEST:
                return text
            problem = "comes more often than every 15 minutes"
        except ScheduleError as error:
            problem = str(error)
    problems.append(Problem("/schedule", problem))
    return ""


def _time_zone(given: Mapping[str, Any], problems: list[Problem]) -> str:
    name = given.get("timeZone")
    if name is None:
        return "UTC"
    try:
        return schedules.zone(name if isinstance(name, str) else "").key
    except ScheduleError as problem:
        problems.append(Problem("/timeZone", str(problem)))
        return "UTC"


def _compare(given: Mapping[str, Any], problems: list[Problem]) -> bool:
    value = given.get("compare")
    if value is not None and not isinstance(value, bool):
        problems.append(Problem("/compare", "must be true or false"))
    return value is True


def _keep(given: Mapping[str, Any], problems: list[Problem]) -> int:
    value = given.get("keep")
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_KEEP:
        problems.append(Problem("/keep", f"must be a whole number from 1 to {MAX_KEEP}"))
        return 0
    return value
