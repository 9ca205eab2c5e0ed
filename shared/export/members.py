"""Members of a group or an administrative unit: their ids are read first, then the users in one of two ways.

few     as selected users, 20 to a `$batch`: `plan` lists the ids, and ranges of the list are read
many    as the tenant's ranges, of which only members are kept. `report` reads the ids in segments of two minutes.
        `check` asks for the members that no range has brought. Those who are gone from the tenant are left out; for the
        others the ranges to which they belong are read again.

So all columns come as they do for the tenant (lists of members give fewer), and each member comes once, however many
groups it is in. The members are those that Graph lists while the ids are read: a user who leaves the group afterwards
is in the file, a user who is deleted is not.
"""

import bisect
import secrets
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from shared.errors import ChainBroken, ExportError, GraphError, Transient
from shared.export.context import Edges, Record, failure_of, read_record, share
from shared.export.execution import MAX_RESTARTS, is_cancelled, is_late, watch
from shared.export.messages import Reported, Staged
from shared.files.columns import SIGN_IN
from shared.graph import pages, scopes
from shared.graph.client import Graph
from shared.graph.pages import Advance, Query
from shared.ranges.keys import SIZE, key_of, split
from shared.storage import blobs
from shared.storage.names import ids_name, members_name

NAME = "members-"
"""The prefix of `report`'s states while it reads members."""
MAX_READINGS = 3
FEW = 1_000
"""So many members are read as selected users in any case: it takes a few seconds."""
SHARE, SIGN_IN_SHARE = 50, 500
"""With one member in so many users of the tenant, both ways take as long. Graph limits requests with sign-ins."""


@dataclass(frozen=True)
class Members:
    """The keys of all members, sorted, without anything between them: 16 MB for a million."""

    keys: bytes

    def __len__(self) -> int:
        return len(self.keys) // SIZE

    def place(self, key: bytes) -> int | None:
        """The place of the key; None when it is not a member's."""
        at = bisect.bisect_left(range(len(self)), key, key=self._key)
        return at if at < len(self) and self._key(at) == key else None

    def _key(self, at: int) -> bytes:
        return self.keys[at * SIZE : (at + 1) * SIZE]


class _State(msgspec.Struct):
    link: str = ""
    keys: bytes = b""
    restarts: int = 0
    barren: int = 0
    counted: int | None = None
    """By Graph, on the first page."""
    before: list[int] = []
    """How many members each earlier reading has brought."""


def are_few(members: int | None, total: int | None, select: Iterable[str]) -> bool:
    """Whether the members are read as selected users. `total`: users of the tenant."""
    if members is None or total is None:
        return True
    return members <= (total // SIGN_IN_SHARE if SIGN_IN in select else max(FEW, total // SHARE))


def query_of(record: Record, top: int = pages.PAGE) -> Query:
    """The query for the ids of the members that match the caller's filter."""
    return Query(("id",), record.filter, advanced=True, top=top, path=record.scope.path)


async def list_ids(graph: Graph, record: Record, expected: int | None) -> list[str]:
    """The ids of few members, each once. Raises ExportError."""
    readings: list[list[str]] = []
    restarts = 0
    while True:
        try:
            ids, counted = await _list_once(graph, record, expected)
        except ChainBroken:
            restarts += 1
            if restarts == MAX_RESTARTS:
                reason = f"The list of members broke off {MAX_RESTARTS} times. Start the export again."
                raise ExportError("MembersUnreadable", reason) from None
            graph.tally.restarts += 1
            continue
        if is_settled(len(ids), counted, [len(each) for each in readings]):
            return ids
        readings.append(ids)


async def _list_once(graph: Graph, record: Record, expected: int | None) -> tuple[list[str], int | None]:
    """The ids of one reading, and Graph's count on its first page."""
    ids: dict[str, None] = {}
    counted: int | None = None
    advance = Advance(expected)
    async for page in pages.chain(graph, query_of(record)):
        known, counted = len(ids), counted if page.count is None else page.count
        ids.update(dict.fromkeys(user.id.lower() for user in page.value))
        if page.next_link:
            advance.page(len(ids) - known)
    return list(ids), counted


def is_settled(read: int, counted: int | None, before: Sequence[int]) -> bool:
    """Whether a reading brought as many as Graph has counted on its first page, or as an earlier reading.

    Otherwise a link may have been lost. Then the list is read again, a limited number of times.
    """
    return counted is None or read == counted or read in before or len(before) + 1 >= MAX_READINGS


async def write_list(edges: Edges, export_id: str, ids: list[str]) -> str:
    """Writes the list that ranges of selected users read; returns the execution's id.

    Each execution writes a list of its own, because a range consists of places in one list.
    """
    execution = secrets.token_hex(6)
    await blobs.write(edges.storage, members_name(export_id, execution), msgspec.json.encode(ids))
    return execution


async def read_all(edges: Edges, export_id: str, state: str) -> Reported:
    """Reads the keys of many members for about two minutes. `state`: where the execution before has stopped."""
    record = await read_record(edges.storage, export_id)
    try:
        return await _read_segment(edges, record, await _read_state(edges, export_id, state))
    except Transient:
        raise
    except GraphError as problem:
        return Reported(failed=failure_of(scopes.refused(record.scope, problem)))
    except ExportError as problem:
        return Reported(failed=failure_of(problem))


async def _read_segment(edges: Edges, record: Record, state: _State) -> Reported:
    keys, link, counted = set(split(state.keys)), None, state.counted
    watched = watch(edges, record.id)
    advance = Advance(None, barren=state.barren)
    try:
        async for page in pages.chain(edges.graph, query_of(record), state.link):
            known, link, counted = len(keys), page.next_link, counted if page.count is None else page.count
            keys.update(key_of(user.id) for user in page.value)
            if link:
                advance.page(len(keys) - known)
            if await is_cancelled(watched):
                return Reported(cancelled=True)
            if link and is_late(watched):
                break
    except ChainBroken:
        if state.restarts >= MAX_RESTARTS:
            raise
        return await _keep_state(edges, record.id, _State(restarts=state.restarts + 1, before=state.before))
    if link:
        following = _State(link, b"".join(keys), state.restarts, advance.barren, counted, state.before)
        return await _keep_state(edges, record.id, following)
    if not is_settled(len(keys), counted, state.before):
        following = _State(restarts=state.restarts, before=[*state.before, len(keys)])
        return await _keep_state(edges, record.id, following)
    # The first of two executions counts: ranges may already be read with its list.
    await blobs.write_once(edges.storage, members_name(record.id), b"".join(sorted(keys)))
    return Reported()


async def _keep_state(edges: Edges, export_id: str, state: _State) -> Reported:
    execution = secrets.token_hex(6)
    await blobs.write(edges.storage, members_name(export_id, execution), msgspec.msgpack.encode(state))
    return Reported(state=f"{NAME}{execution}")


async def _read_state(edges: Edges, export_id: str, name: str) -> _State:
    if not name:
        return _State()
    data = await blobs.read(edges.storage, members_name(export_id, name.removeprefix(NAME)))
    if data is None:
        raise ExportError("StateLost", "What was read of the members can't be found.")
    return msgspec.msgpack.decode(data, type=_State)


async def load(edges: Edges, export_id: str) -> Members:
    """All members of an export, loaded once for all ranges that a process reads. Raises ExportError."""
    return await share(edges, members_name(export_id), lambda: _load(edges, export_id))


async def _load(edges: Edges, export_id: str) -> Members:
    data = await blobs.read(edges.storage, members_name(export_id))
    if data is None:
        raise ExportError("StateLost", "The list of the members can't be found.")
    return Members(data)


async def absent(edges: Edges, export_id: str, staged: list[Staged]) -> list[str]:
    """The ids of the members that no range has brought."""
    members = await load(edges, export_id)
    if sum(each.rows for each in staged) == len(members):
        return []  # No user comes twice in a range, or in two ranges.
    brought = bytearray(len(members))
    for each in staged:
        data = await blobs.read(edges.storage, ids_name(export_id, each.prefix))
        if data is None:
            raise ExportError("StateLost", "The list of users of a range is missing in the storage.")
        for place in map(members.place, split(data)):
            if place is not None:
                brought[place] = 1
    # The ids of users are GUIDs. (The key of any other id is a digest, which can't be turned into the id.)
    missing = (at for at, there in enumerate(brought) if not there)
    return [str(uuid.UUID(bytes=members.keys[at * SIZE : (at + 1) * SIZE])) for at in missing]
