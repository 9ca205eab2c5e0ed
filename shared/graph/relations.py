"""Relations of users that do not come with the list: 15 users to a request, 20 requests to a `$batch`.

`$filter=id in (...)` takes 15 values, and a request expands one relation.
https://learn.microsoft.com/graph/filter-query-parameter, https://learn.microsoft.com/graph/query-parameters
"""

import msgspec

from shared.errors import GraphError
from shared.graph import batches, odata
from shared.graph.batches import Answer
from shared.graph.client import Graph
from shared.graph.pages import Page, page_of
from shared.graph.users import User

IDS = 15
EXPANDS = {
    "manager": "manager($select=id,displayName,userPrincipalName,mail)",
    "sponsors": "sponsors($select=id,displayName)",
}
"""The properties of each."""


async def add(graph: Graph, relation: str, users: list[User]) -> list[tuple[User, GraphError]]:
    """Fills in the relation of the users. Returns the users whose relation can't be read, and why."""
    failed: list[tuple[User, GraphError]] = []
    while users:
        groups = [users[at : at + IDS] for at in range(0, len(users), IDS)]
        answers = await batches.batch(graph, [_url(relation, group) for group in groups])
        pending: list[User] = []
        for group, answer in zip(groups, answers, strict=True):
            try:
                page = _page_of(answer)
            except GraphError as problem:
                failed += [(user, problem) for user in group]
                continue
            by_id = {each.id: getattr(each, relation) for each in page.value}
            for user in group:
                setattr(user, relation, by_id.get(user.id))
            # A page may have any size: users that would be on a later one are asked for again.
            pending += [user for user in group if page.next_link and user.id not in by_id]
        if len(pending) == len(users):
            reason = "Graph sent pages without any of the users that were asked for."
            return failed + [(user, GraphError(200, "UnreadableAnswer", reason)) for user in pending]
        users = pending
    return failed


def _page_of(answer: Answer) -> Page:
    batches.raise_for(answer)
    try:
        return page_of(bytes(answer.body))
    except msgspec.DecodeError as problem:
        raise GraphError(answer.status, "UnreadableAnswer", f"Graph's answer has another form: {problem}") from problem


def _url(relation: str, users: list[User]) -> str:
    ids = ",".join(odata.quoted(user.id) for user in users)
    return f"/users?$top={IDS}&$select=id&$expand={EXPANDS[relation]}&$filter={odata.encoded(f'id in ({ids})')}"
