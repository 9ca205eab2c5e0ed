"""Selected users: read one by one, 20 to a `$batch`, in the order in which the caller named them.

The same user may be named by id and by userPrincipalName, in places that different ranges read, and be renamed between
them. So when all is read, `leave_doubles` compares ids: the first range that has a user keeps it, and the others are
read again without.
"""

from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec

from shared.errors import GraphError
from shared.export.context import Part
from shared.graph import batches
from shared.graph.batches import Answer
from shared.graph.client import Graph, Tally
from shared.graph.users import User, user_of
from shared.ranges import keys
from shared.ranges.ranges import Range
from shared.storage import blobs
from shared.storage.blobs import Storage
from shared.storage.names import elsewhere_name, ids_name, part_name

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
) -> AsyncIterator[tuple[list[User], list[dict[str, Any]], str, str | None]]:
    """The users of this range of the list (a JSON array), step by step.

    With each step an entry for the results for everyone who can't be read, and the places in the list where the step
    and the next one begin, as text (None: nowhere). `start`: such a place.
    """
    names = msgspec.json.decode(listed, type=list[str])
    end = part.high or 0
    for first in range(int(start or part.low or 0), end, STEP):
        places = range(first, min(first + STEP, end))
        urls = [f"/users/{quote(names[at], safe='@')}?$select={','.join(select)}" for at in places]
        users: list[User] = []
        failed: list[dict[str, Any]] = []
        for at, answer in zip(places, await batches.batch(connection, urls, tally), strict=True):
            try:
                users.append(_user_of(answer))
            except GraphError as problem:
                failed.append({**problem.as_dict(), "user": names[at]})
        yield users, failed, str(places.start), str(places.stop) if places.stop < end else None


async def leave_doubles(storage: Storage, export_id: str, parts: list[Part]) -> list[int]:
    """Notes for each range whom an earlier one has too; returns the numbers of these ranges, to be read again."""
    keeper: dict[bytes, int] = {}
    doubles: defaultdict[int, bytes] = defaultdict(bytes)
    for part in sorted(parts, key=lambda part: int(part[0])):
        for key in keys.split(await blobs.read(storage, ids_name(export_id, part_name(*part[:3]))) or b""):
            if keeper.setdefault(key, part[0]) != part[0]:
                doubles[part[0]] += key
    for number, found in doubles.items():
        left = found + await left_to_others(storage, export_id, number)
        await blobs.write(storage, elsewhere_name(export_id, number), left)
    return sorted(doubles)


async def left_to_others(storage: Storage, export_id: str, number: int) -> bytes:
    """The keys of those whom this range leaves to an earlier one."""
    return await blobs.read(storage, elsewhere_name(export_id, number)) or b""


def _user_of(answer: Answer) -> User:
    batches.raise_for(answer)
    try:
        return user_of(bytes(answer.body))
    except msgspec.DecodeError as problem:
        raise GraphError(answer.status, "UnreadableAnswer", f"Graph's answer has another form: {problem}") from problem
