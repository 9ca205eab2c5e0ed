"""What an export takes, roughly: requests, seconds, and calls for single users. Pure."""

import math
from dataclasses import dataclass

from shared.export import asking, scoped
from shared.export.context import Record
from shared.export.messages import Json
from shared.export.queries import has_sign_ins
from shared.export.sizes import lanes_of
from shared.files.columns import AUTHENTICATION, REGISTRATION, select_of
from shared.graph import batches, pages
from shared.settings import Settings

_PLANNING_REQUESTS, _PLANNING_SECONDS = 20, 10
_PAGE_SECONDS = 1.5
_SIGN_IN_SECONDS = 6
"""Graph takes 10 requests a minute with signInActivity."""
_PER_USER_SECONDS = 2
"""Graph documents 5 calls in 10 seconds for authentication methods; in practice it takes more."""
_REPORT_SECONDS = 5
"""A page of the registration report."""
UNKNOWN: Json = {"requests": None, "seconds": None, "perUserCalls": None}


@dataclass(frozen=True, slots=True)
class Users:
    """How many users an export is about; None where Graph does not count."""

    count: int | None
    """In the file."""
    page: int
    """That come with a request."""
    read: int | None
    """That are read: more than are in the file, where only members are kept."""
    listed: int = 0
    """Whose ids are read first."""


def estimate(settings: Settings, record: Record, users: Users) -> Json:
    """`{requests, seconds, perUserCalls}`; nulls where Graph does not count.

    Calls are counted for everyone: how many of them the registration report spares is known only after it was read.
    """
    if users.count is None or users.read is None:
        return dict(UNKNOWN)
    columns, _ = scoped.offered(record)
    sources = {column.source for column in columns}
    calls = users.count if AUTHENTICATION in sources else 0
    requests = math.ceil(users.read / users.page)
    lanes = min(lanes_of(record, settings), max(requests, 1))
    slow = has_sign_ins(record, select_of(columns))
    reading = requests * _SIGN_IN_SECONDS if slow else requests / lanes * _PAGE_SECONDS
    listing = math.ceil(users.listed / pages.PAGE)
    reported = REGISTRATION in sources or asking.may_help(settings, record, sources)
    report = math.ceil(users.count / pages.PAGE) if reported else 0
    seconds = max(reading, calls * _PER_USER_SECONDS) + report * _REPORT_SECONDS + listing + _PLANNING_SECONDS
    return {
        "requests": _PLANNING_REQUESTS + listing + report + requests + math.ceil(calls / batches.BATCH),
        "seconds": math.ceil(seconds),
        "perUserCalls": calls,
    }
