"""The scope of an export: the tenant's users, its deleted ones, the members of a group or of an administrative unit.

Rules of Graph that are kept here (learn.microsoft.com/graph/api: directory-deleteditems-list,
group-list-transitivemembers, administrativeunit-list-members):
- members are of several types, so a cast asks for users; the cast, and each filter, needs an advanced query
- a group may hide its members: without Member.Read.Hidden Graph refuses them, or leaves them out
- a Microsoft 365 group has no groups in it, and Graph refuses a query for them
"""

import functools

import msgspec

from shared.errors import ExportError, GraphError, Transient
from shared.graph import lists, pages
from shared.graph.client import Graph
from shared.graph.pages import Query

_CAST = "/microsoft.graph.user"
_HIDDEN = "HiddenMembership"
_PERMISSIONS = {"group": "GroupMember.Read.All", "administrative unit": "AdministrativeUnit.Read.All"}
READ_HIDDEN = "Member.Read.Hidden"


class Scope(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """At most one of these is set; without any it is the whole tenant."""

    deleted: bool = False
    group: str = ""
    """Its object id; the members of its groups count as well."""
    administrative_unit: str = ""

    @property
    def of_members(self) -> bool:
        return bool(self.group or self.administrative_unit)

    @property
    def path(self) -> str:
        """The path of the list of these users."""
        if self.deleted:
            return f"/directory/deletedItems{_CAST}"
        if self.group:
            return f"/groups/{self.group}/transitiveMembers{_CAST}"
        return f"{self._owner}/members{_CAST}" if self.administrative_unit else "/users"

    @property
    def _owner(self) -> str:
        """The path of the group or unit itself."""
        return f"/groups/{self.group}" if self.group else f"/directory/administrativeUnits/{self.administrative_unit}"

    @property
    def _kind(self) -> str:
        return "group" if self.group else "administrative unit"

    def shown(self) -> str | dict[str, str | bool]:
        """As a request has it."""
        fields: dict[str, str | bool] = msgspec.to_builtins(self)
        return fields or "all"


ALL = Scope()


class _Collection(msgspec.Struct, rename="camel"):
    """A group or a unit."""

    id: str
    display_name: str | None = None
    visibility: str | None = None
    error: msgspec.Raw = msgspec.Raw()
    """In place of the rest, with a good status."""


_SELECT = "$select=id,displayName,visibility"


async def count(graph: Graph, scope: Scope, text: str) -> int | None:
    """How many users of the scope match the filter; None where Graph does not count. Raises GraphError."""
    query = Query(("id",), text, advanced=True, top=1, path=scope.path)
    page = await anext(pages.chain(graph, query))
    return page.count


async def check(graph: Graph, scope: Scope) -> list[ExportError]:
    """Checks that the members can be seen. Returns problems because of which some may be missing.

    Raises ExportError when there is no such group or unit, when a permission is missing, or when members are hidden.
    """
    try:
        owner = await _owner(graph, scope)
        shown = await count(graph, scope, "") if owner.visibility == _HIDDEN else None
    except Transient:
        raise
    except GraphError as problem:
        raise refused(scope, problem) from None
    if shown == 0:
        raise ExportError("HiddenMembers", f"{_hides(scope, owner)} If it has any, the app needs {READ_HIDDEN}.")
    return await _hidden_inside(graph, scope) if scope.group else []


def refused(scope: Scope, problem: GraphError) -> ExportError:
    """The error for a person, when Graph refuses the group or unit, or its members."""
    named = f"the {scope._kind} {scope.group or scope.administrative_unit}"
    if problem.status == 404:
        reason = f"This tenant has no {scope._kind} with the object id {scope.group or scope.administrative_unit}."
        code = "GroupNotFound" if scope.group else "AdministrativeUnitNotFound"
        return ExportError(code, reason, request_id=problem.request_id)
    if problem.status == 403:
        reason = (
            f"To read the members of {named} the app needs {_PERMISSIONS[scope._kind]}, and {READ_HIDDEN} when it hides"
            f" its members. Grant it (docs/deploying.md). Graph said: {problem.reason}"
        )
        return ExportError(problem.code, reason, request_id=problem.request_id)
    return problem


async def _owner(graph: Graph, scope: Scope) -> _Collection:
    url = f"{graph.root}{scope._owner}?{_SELECT}"
    owner: _Collection = await pages.get(graph, url, functools.partial(lists.decoded, _Collection))
    return owner


async def _hidden_inside(graph: Graph, scope: Scope) -> list[ExportError]:
    """An error for each group in the group that hides its members, if Graph shows none of them."""
    path = f"/groups/{scope.group}/transitiveMembers/microsoft.graph.group?{_SELECT}&$top=999&$count=true"
    try:
        inside = await lists.everything(graph, path, _Collection, advanced=True)
    except Transient:
        raise
    except GraphError as problem:
        if problem.status == 400:
            return []  # A Microsoft 365 group.
        raise refused(scope, problem) from None
    problems: list[ExportError] = []
    for each in inside:
        if each.visibility != _HIDDEN:
            continue
        nested = Scope(group=each.id)
        try:
            shown = await count(graph, nested, "")
        except Transient:
            raise
        except GraphError as problem:
            raise refused(nested, problem) from None
        if not shown:
            reason = f"{_hides(nested, each)} If it has any, they are missing here, and the app needs {READ_HIDDEN}."
            problems.append(ExportError("HiddenMembers", reason))
    return problems


def _hides(scope: Scope, owner: _Collection) -> str:
    name = owner.display_name or owner.id
    return f"The {scope._kind} {name!r} hides its members, and Graph shows none to the app."
