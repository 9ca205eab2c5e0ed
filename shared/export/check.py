"""The activity `check`: users that were renamed while ranges by userPrincipalName were read, and lost members.

createdDateTime never changes, but a userPrincipalName may at any time. A user who is renamed from "zoe" to "ann" after
the range of "a" was read, and before that of "z" is, is in neither; one who is renamed the other way is in both. So
where a plan has ranges by name, it gets a delta link before anything is read. After these ranges were read, Graph says
whose name has changed. The ranges that have these users, and those to which they belong now, are read again. (Selected
users: see `selection`. Members whom no range has brought: see `members`.)
https://learn.microsoft.com/graph/delta-query-users
"""

from collections import defaultdict
from collections.abc import AsyncIterator

from shared.errors import ExportError, GraphError, Transient
from shared.export import members, selection
from shared.export.context import Edges, failure_of, how_ended, read_plan, read_record
from shared.export.messages import Checked, CheckTask, Failure, Staged
from shared.files.columns import select_of
from shared.graph import batches, pages
from shared.graph.client import Graph
from shared.graph.pages import Advance, Query
from shared.graph.users import User, user_of
from shared.ranges.keys import fresh, key_of, split
from shared.ranges.ranges import Range, from_dict, keeps
from shared.storage import blobs
from shared.storage.names import ids_name

_ID = Query(("id",))
MOST_RENAMED = 1_000_000
"""With more of them in one export, the delta query has no end. Each of them is asked for one by one."""
MEMBERS_MISSING = (
    "{} members were not among the users that Graph sent, though they are in the tenant. Nothing is published, because"
    " they would be missing. Start the export again."
)


def by_name(range_: Range) -> bool:
    """Whether a rename can move users into or out of this range."""
    return bool(range_.prefixes or range_.except_prefixes)


async def delta_link(graph: Graph) -> str:
    """A link that later gives all renames since now; empty where Graph has no delta for users."""
    start = f"{graph.root}/users/delta?$deltatoken=latest&$select=id,userPrincipalName"
    link = ""
    try:
        advance = Advance(None)
        async for page in pages.chain(graph, _ID, start):
            advance.page(0)
            link = page.delta_link or ""
    except Transient:
        raise
    except GraphError:
        return ""
    return link


async def check(edges: Edges, task: CheckTask) -> Checked:
    """Which ranges to read again."""
    record = await read_record(edges.storage, task.id)
    plan = await read_plan(edges.storage, record.id)
    if plan is None:
        end = await how_ended(edges.storage, record.id)
        return Checked(failed=end.failed, cancelled=end.cancelled)
    if record.users:
        return Checked(await selection.leave_doubles(edges.storage, record.id, task.staged))
    again: set[int] = set()
    try:
        every = {at: from_dict(each) for at, each in enumerate(plan.ranges)}
        ranges = {at: each for at, each in every.items() if by_name(each)}
        select = select_of((), plan.unreadable)
        renamed = await _renamed(edges.graph, plan.delta_link, select) if plan.delta_link else []
        if plan.sifted:
            inside = await members.load(edges, record.id)
            renamed = [user for user in renamed if inside.place(key_of(user.id)) is not None]
        staged = [each for each in task.staged if each.range in ranges]
        places_by_key, twice = await _places_of(edges, record.id, staged, {key_of(user.id) for user in renamed})
        again.update(twice)
        for user in renamed:
            belongs = {at for at, each in ranges.items() if _keeps(each, user)}
            places = places_by_key[key_of(user.id)]
            # The caller's filter may exclude this user: one who is still missing after a second reading does not match.
            if places != belongs and not (record.filter and not places and task.reading):
                again |= places | belongs
        if plan.sifted and not again:
            missing = await _living(edges.graph, await members.absent(edges, record.id, task.staged), select)
            if missing and task.reading:
                return Checked(failed=Failure("MembersMissing", MEMBERS_MISSING.format(len(missing))))
            again = {at for user in missing for at, each in every.items() if _keeps(each, user)}
    except Transient:
        raise
    except ExportError as problem:
        return Checked(failed=failure_of(problem))
    return Checked(sorted(again))


async def _renamed(graph: Graph, link: str, select: tuple[str, ...]) -> list[User]:
    """The users that have changed since the link was made, as they are now, without deleted ones."""
    changed: dict[str, None] = {}
    advance = Advance(MOST_RENAMED // 2)
    async for page in pages.chain(graph, _ID, link):
        known = len(changed)
        changed.update(dict.fromkeys(user.id for user in page.value))
        advance.page(len(changed) - known)
    return await _living(graph, list(changed), select)


async def _living(graph: Graph, ids: list[str], select: tuple[str, ...]) -> list[User]:
    """The users of these who still exist, as they are now."""
    urls = [f"/users/{user_id}?$select={','.join(select)}" for user_id in ids]
    users = []
    for answer in await batches.batch(graph, urls):
        if answer.status != 404:
            batches.raise_for(answer)
            users.append(user_of(bytes(answer.body)))
    return users


async def _places_of(
    edges: Edges, export_id: str, staged: list[Staged], renamed: set[bytes]
) -> tuple[defaultdict[bytes, set[int]], set[int]]:
    """For each renamed user the ranges that have staged it; and the ranges that share a user with another."""
    places: defaultdict[bytes, set[int]] = defaultdict(set)
    seen, twice = set[bytes](), set[bytes]()
    async for each, key in _keys(edges, export_id, staged):
        if key in renamed:
            places[key].add(each.range)
        if not fresh(seen, key):
            twice.add(key)
    # To remember which range had a user first would take five times the memory, for something that hardly ever happens.
    overlapping = {each.range async for each, key in _keys(edges, export_id, staged if twice else []) if key in twice}
    return places, overlapping


async def _keys(edges: Edges, export_id: str, staged: list[Staged]) -> AsyncIterator[tuple[Staged, bytes]]:
    for each in staged:
        listed = await blobs.read(edges.storage, ids_name(export_id, each.prefix))
        if listed is None:
            raise ExportError("StateLost", "The list of users of a range is missing in the storage.")
        for key in split(listed):
            yield each, key


def _keeps(range_: Range, user: User) -> bool:
    try:
        return keeps(range_, user)
    except ExportError:
        return False
