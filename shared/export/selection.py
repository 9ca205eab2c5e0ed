"""Selected users: read one by one, 20 to a `$batch`, in the order in which the caller named them.

A text that no user has as its userPrincipalName may be a mail address (`mails`). The caller may name the same user by
id, by userPrincipalName and by mail address, in places that different ranges read. So when all is read, `leave_doubles`
compares ids: the first range that has a user keeps it, and the others are read again without it.
"""

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from shared.errors import ExportError, GraphError
from shared.export import mails
from shared.export.messages import Staged
from shared.files.columns import SIGN_IN
from shared.graph import batches
from shared.graph.batches import Answer
from shared.graph.client import Graph
from shared.graph.pages import Query
from shared.graph.users import LONGEST_NAME, User, kind_of, user_of
from shared.ranges import keys
from shared.ranges.ranges import Range
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import elsewhere_name, ids_name

SLICE = 1000
NOT_FOUND = "Request_ResourceNotFound"
STEP = batches.BATCH * batches.BATCHES_AT_ONCE
"""Users read at a time."""

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NO_NAME = re.compile(r"[\x00-\x1f\x7f/\\?%]")
"""No userPrincipalName has these, and with them a gateway could see another address below /users."""


@dataclass(slots=True)
class Step:
    """Some users that are read together, and an entry for the results for each that can't be read."""

    users: list[User]
    errors: list[dict[str, Any]]
    here: str
    """Where this step was read, and where the next one is (None: there is none): a link, or a place in the list."""
    next: str | None
    departed: int = 0
    """Members that were deleted since they were listed."""


def slices(users: int) -> list[Range]:
    """The ranges of a list of so many users."""
    return [
        Range(kind="users", low=low, high=min(low + SLICE, users), expected=min(SLICE, users - low))
        for low in range(0, users, SLICE)
    ]


async def read(
    graph: Graph,
    listed: bytes,
    range_: Range,
    query: Query,
    start: str = "",
    *,
    chosen: bool = True,
) -> AsyncIterator[Step]:
    """The users of this range of the list (a JSON array), step by step. `start`: the place where a step begins.

    `chosen`: the caller has selected them, so a user that does not exist is an error; a member may have been deleted.
    """
    names = msgspec.json.decode(listed, type=list[str])
    end = range_.high or 0
    for first in range(int(start or range_.low or 0), end, STEP):
        step = names[first : min(first + STEP, end)]
        users, failed = await _read_step(graph, step, query)
        after = first + len(step)
        errors = failed if chosen else [each for each in failed if each["code"] != NOT_FOUND]
        yield Step(users, errors, str(first), str(after) if after < end else None, len(failed) - len(errors))


async def _read_step(graph: Graph, names: list[str], query: Query) -> tuple[list[User], list[dict[str, Any]]]:
    keys: dict[int, str] = {}
    failed: dict[int, ExportError] = {}
    for at, name in enumerate(names):
        try:
            keys[at] = address(name)
        except ExportError as problem:
            failed[at] = problem
    # With a userPrincipalName Graph refuses signInActivity: "Get By Key only supports UserId".
    by_name = {at: key for at, key in keys.items() if SIGN_IN in query.select and not _GUID.fullmatch(names[at])}
    direct = {at: key for at, key in keys.items() if at not in by_name}
    users, missing = await _by_key(graph, direct, query)
    known, unknown = await _by_key(graph, by_name, Query(("id",)))
    missing |= unknown
    mailed = {at: names[at] for at, problem in missing.items() if problem.status == 404 and "@" in names[at]}
    ids, not_one = await mails.ids_of(graph, mailed)
    ids |= {at: user.id for at, user in known.items()}
    by_id = {at: f"/users/{quote(each, safe='')}" for at, each in ids.items()}
    others, refused = await _by_key(graph, by_id, query)
    users |= others
    failed |= {at: problem for at, problem in missing.items() if at not in ids} | not_one | refused
    entries = [{**failed[at].as_dict(), "user": names[at][:LONGEST_NAME]} for at in sorted(failed)]
    return [users[at] for at in sorted(users)], entries


async def _by_key(graph: Graph, keys: dict[int, str], query: Query) -> tuple[dict[int, User], dict[int, GraphError]]:
    """The users that Graph has under these addresses, and why it does not give the others."""
    options = f"$select={','.join(query.select)}" + (f"&$expand={query.expand}" if query.expand else "")
    urls = [f"{key}?{options}" for key in keys.values()]
    kind = kind_of(query.select)
    users: dict[int, User] = {}
    failed: dict[int, GraphError] = {}
    for at, answer in zip(keys, await batches.batch(graph, urls), strict=True):
        try:
            users[at] = _user_of(answer, kind)
        except GraphError as problem:
            failed[at] = problem
    return users, failed


def address(name: str) -> str:
    """The address of the user with this object id or userPrincipalName. Raises ExportError for any other text.

    A userPrincipalName that begins with `$` is a key in parentheses, because as a segment it would be a query option
    (learn.microsoft.com/graph/api/user-get). So is a text without `@`: the segment `delta` is a function.
    """
    if len(name) > LONGEST_NAME:
        raise ExportError("InvalidUser", f"An object id or userPrincipalName has at most {LONGEST_NAME} characters.")
    if _NO_NAME.search(name):
        reason = f"{name!r} is not an object id or userPrincipalName: these never have / \\ ? % or control characters."
        raise ExportError("InvalidUser", reason)
    if _GUID.fullmatch(name) or ("@" in name and not name.startswith("$")):
        return f"/users/{quote(name, safe='@')}"
    return "/users('{}')".format(quote(name.replace("'", "''"), safe="@$'"))


async def leave_doubles(storage: Storage, export_id: str, staged: list[Staged]) -> list[int]:
    """Notes for each range which users an earlier one has too. Returns the numbers of the ranges to read again."""
    keeper: dict[bytes, int] = {}
    doubles: defaultdict[int, bytes] = defaultdict(bytes)
    for each in sorted(staged):
        for key in keys.split(await blobs.read(storage, ids_name(export_id, each.prefix)) or b""):
            if keeper.setdefault(key, each.range) != each.range:
                doubles[each.range] += key
    for number, doubled in doubles.items():
        elsewhere = doubled + await read_elsewhere(storage, export_id, number)
        await blobs.write(storage, elsewhere_name(export_id, number), elsewhere)
    return sorted(doubles)


async def read_elsewhere(storage: Storage, export_id: str, number: int) -> bytes:
    """The keys of the users that this range leaves to an earlier one."""
    return await blobs.read(storage, elsewhere_name(export_id, number)) or b""


def _user_of(answer: Answer, kind: type[User]) -> User:
    batches.raise_for(answer)
    try:
        return user_of(bytes(answer.body), kind)
    except msgspec.DecodeError as problem:
        raise GraphError(
            answer.status, "UnreadableAnswer", f"Graph's answer has an unknown form: {problem}"
        ) from problem
