"""Selected users: read one by one, 20 to a `$batch`, in the order in which the caller named them.

The same user may be named by id and by userPrincipalName, in places that different ranges read. The place that is
named first keeps the user: each range looks that up in the whole list.
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec

from shared import batches
from shared.batches import Answer
from shared.errors import GraphError
from shared.ranges import Range
from shared.transport import Graph, Tally
from shared.users import User

SLICE = 1000
STEP = batches.BATCH * batches.BATCHES_AT_ONCE
"""Users read at a time."""


def slices(users: int) -> list[Range]:
    """The ranges of a list of so many users."""
    return [
        Range(kind="users", low=low, high=min(low + SLICE, users), expected=min(SLICE, users - low))
        for low in range(0, users, SLICE)
    ]


async def read(
    connection: Graph, listed: bytes, part: Range, select: tuple[str, ...], tally: Tally, start: str = ""
) -> AsyncIterator[tuple[list[User], list[dict[str, Any]], str | None]]:
    """The users of this range of the list (a JSON array), step by step.

    With each step an entry for the results for everyone who can't be read, and the place in the list where the next
    step begins, as text (None: nowhere). `start`: such a place.
    """
    names = msgspec.json.decode(listed, type=list[str])
    first_place: dict[str, int] = {}
    for at, name in enumerate(names):
        first_place.setdefault(name.lower(), at)
    end = part.high or 0
    for first in range(int(start or part.low or 0), end, STEP):
        places = range(first, min(first + STEP, end))
        urls = [f"/users/{quote(names[at], safe='@')}?$select={','.join(select)}" for at in places]
        users: list[User] = []
        failed: list[dict[str, Any]] = []
        for at, answer in zip(places, await batches.batch(connection, urls, tally), strict=True):
            try:
                user = _user_of(answer)
            except GraphError as problem:
                failed.append({**problem.as_dict(), "user": names[at]})
                continue
            places_of_user = (first_place.get((key or "").lower(), at) for key in (user.id, user.user_principal_name))
            if min(places_of_user) >= at:
                users.append(user)
        yield users, failed, str(places.stop) if places.stop < end else None


def _user_of(answer: Answer) -> User:
    batches.raise_for(answer)
    try:
        return msgspec.json.decode(answer.body, type=User)
    except msgspec.DecodeError as problem:
        raise GraphError(answer.status, "UnreadableAnswer", f"Graph's answer has another form: {problem}") from problem
