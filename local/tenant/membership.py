"""Groups and administrative units, and who is in them: a user by position, other objects by name.

Computed from a user's position, so that a tenant of a million costs nothing until it is asked. Users who were
created since the tenant started are in none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HIDDEN_MEMBERSHIP = "HiddenMembership"
DEVICE = {"id": "7c06cd31-7c30-4f3b-a5c3-444cd8dd63ac", "displayName": "Reception PC", "deviceId": "reception"}
"""Is in every group and unit that has anybody: members are not only users."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A group or a unit. `every`: each so many-th user is directly in it (0: nobody); `nested`: the groups in it."""

    name: str
    every: int
    nested: tuple[str, ...] = ()
    hidden: bool = False
    unified: bool = False
    """A Microsoft 365 group, which can't have groups as members."""

    @property
    def visibility(self) -> str | None:
        return HIDDEN_MEMBERSHIP if self.hidden else "Public" if self.unified else None


STAFF = "02bd9fd6-8f93-4758-87c3-1fb73740a315"
NOBODY = "06f62f70-9827-4e6e-93ef-8e0f2d9b7b23"
SEVENTH = "0a53828f-36c9-44c3-be3d-99a7fce977ac"
HIDDEN = "e2e8ba4c-1b7a-4f0f-9d0a-3c5b6c7d8e9f"
EVERYONE = "1f0c6a52-6c3d-4f57-9b1e-2a7d5c8e9f10"
DEEP = "3c9d0b17-2e4f-4a68-8c5d-7e9f1a2b3c4d"
WITH_HIDDEN = "5b1e7d90-4c2a-4b3f-9e8d-6a7b8c9d0e1f"
TEAM = "9a4e2c61-7b5d-4d8e-8f0a-1b2c3d4e5f60"
GROUPS = {
    STAFF: Collection("Every third one", 3, (SEVENTH,)),
    NOBODY: Collection("Nobody", 0),
    SEVENTH: Collection("Every seventh one", 7),
    HIDDEN: Collection("Hidden members", 5, hidden=True),
    EVERYONE: Collection("Everyone", 1),
    DEEP: Collection("Groups in groups", 50, (STAFF, SEVENTH, HIDDEN)),
    WITH_HIDDEN: Collection("Has a hidden group", 11, (HIDDEN,)),
    TEAM: Collection("A team", 9, unified=True),
}
UNIT = "d087d78b-4c8f-4d28-8f3b-9e7d2a61c0f4"
HIDDEN_UNIT = "b4f1a7c2-5d3e-4e6f-9a8b-0c1d2e3f4a5b"
UNITS = {UNIT: Collection("Every fourth one", 4), HIDDEN_UNIT: Collection("Hidden unit", 6, hidden=True)}


def closure(group: str) -> tuple[str, ...]:
    """The groups in a group, and in those, each once; without itself."""
    inside: dict[str, None] = {}
    waiting = list(GROUPS[group].nested)
    while waiting:
        each = waiting.pop()
        if each not in inside:
            inside[each] = None
            waiting += GROUPS[each].nested
    return tuple(inside)


def within(group: str, *, transitive: bool = True, hidden: bool = True) -> tuple[int, ...]:
    """Each so many-th user is in the group. `hidden` False: those of hidden groups in it are left out, as for a caller
    without Member.Read.Hidden; no document says what Graph does there.
    """
    inner = [GROUPS[each] for each in closure(group)] if transitive else []
    every = [GROUPS[group].every, *(each.every for each in inner if hidden or not each.hidden)]
    return tuple(each for each in every if each) or (0,)


def others(collection: Collection) -> Iterator[dict[str, object]]:
    """The direct members that are not users."""
    for group in collection.nested:
        yield {"@odata.type": "#microsoft.graph.group", **shown_group(group)}
    if collection.every:
        yield {"@odata.type": "#microsoft.graph.device", **DEVICE}


def shown_group(group: str) -> dict[str, object]:
    of = GROUPS[group]
    kinds = ["Unified"] if of.unified else []
    return {"id": group, "displayName": of.name, "groupTypes": kinds, "visibility": of.visibility}
