"""The paths that the tenant knows: name, method, what opens them.

Graph takes path segments in any case, `microsoft.graph.user` as `graph.user`, functions with and without parentheses,
and keys as `/users/ID` or `/users('ID')`.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from local.tenant.errors import GraphError

_MEMBERS = "/groups/{id}/members"
_TRANSITIVE = "/groups/{id}/transitivemembers"
_OLD_UNIT = "/administrativeunits/{id}/members"
_UNIT = "/directory/administrativeunits/{id}/members"


@dataclass(frozen=True, slots=True)
class Route:
    """`pattern` in lower case, `{id}` for a key; `needs`: paths of the permissions' table, each must be open."""

    name: str
    pattern: str
    needs: tuple[str, ...]
    method: str = "GET"


def _lists(name: str, pattern: str, *needs: str) -> tuple[Route, Route]:
    """A list of users, and how many are in it."""
    return Route(name, pattern, needs), Route("count", f"{pattern}/$count", needs)


def _itself(name: str, pattern: str) -> Route:
    return Route(name, pattern, (pattern,))


ROUTES = (
    *_lists("users", "/users", "/users"),
    _itself("delta", "/users/delta"),
    _itself("user", "/users/{id}"),
    _itself("methods", "/users/{id}/authentication/methods"),
    _itself("methods", "/users/{id}/authentication/phonemethods"),
    _itself("methods", "/users/{id}/authentication/emailmethods"),
    _itself("manager", "/users/{id}/manager"),
    _itself("reports", "/users/{id}/directreports"),
    _itself("sponsors", "/users/{id}/sponsors"),
    _itself("licences", "/users/{id}/licensedetails"),
    Route("batch", "/$batch", (), "POST"),
    Route("getByIds", "/directoryobjects/getbyids", ("/directoryobjects/getbyids",), "POST"),
    *_lists("deletedItems", "/directory/deleteditems/graph.user", "/directory/deleteditems"),
    *_lists("members", f"{_MEMBERS}/graph.user", _MEMBERS, "/users"),
    *_lists("transitiveMembers", f"{_TRANSITIVE}/graph.user", _TRANSITIVE, "/users"),
    *_lists("members", _MEMBERS, _MEMBERS),
    *_lists("transitiveMembers", _TRANSITIVE, _TRANSITIVE),
    Route("nestedGroups", f"{_MEMBERS}/graph.group", (_MEMBERS, "/groups")),
    Route("nestedGroups", f"{_TRANSITIVE}/graph.group", (_TRANSITIVE, "/groups")),
    _itself("group", "/groups/{id}"),
    *_lists("unitMembers", f"{_UNIT}/graph.user", _UNIT, "/users"),
    *_lists("unitMembers", _UNIT, _UNIT),
    *_lists("unitMembers", f"{_OLD_UNIT}/graph.user", _OLD_UNIT, "/users"),
    _itself("unit", "/directory/administrativeunits/{id}"),
    _itself("organization", "/organization"),
    _itself("subscribedSkus", "/subscribedskus"),
    _itself("registration", "/reports/authenticationmethods/userregistrationdetails"),
    _itself("roleAssignments", "/rolemanagement/directory/roleassignments"),
    _itself("roleDefinitions", "/rolemanagement/directory/roledefinitions"),
)
_BY_LENGTH: dict[int, list[tuple[tuple[str, ...], Route]]] = {}
for _route in ROUTES:
    _parts = tuple(_route.pattern[1:].split("/"))
    _BY_LENGTH.setdefault(len(_parts), []).append((_parts, _route))
_KEYED = "\0"  # in front of a key from parentheses: it is never a function or an option
_KEY = re.compile(r"([^()]+)\('(.*)'\)")


@lru_cache(maxsize=1024)  # an export asks for hundreds of counts, all of the same path
def segments(path: str) -> tuple[str, ...]:
    """The segments of a path without escapes; a key from parentheses is a segment of its own."""
    texts: list[str] = []
    for segment in path.strip("/").split("/"):
        text = unquote(segment)
        keyed = _KEY.fullmatch(text)
        if keyed:
            texts += [keyed[1], _KEYED + keyed[2].replace("''", "'")]
        else:
            texts.append(text)
    return tuple(texts)


@lru_cache(maxsize=1024)
def find(parts: tuple[str, ...]) -> tuple[Route, str] | None:
    """The route of these segments, without the version, and the key that they name."""
    for pattern, route in _BY_LENGTH.get(len(parts), ()):
        key = ""
        for wanted, given in zip(pattern, parts, strict=True):
            if wanted == "{id}" and given:
                if given.startswith("$"):  # a key like an option of OData: only in parentheses and quotes
                    break
                key = given.removeprefix(_KEYED)
            elif wanted != _plain(given):
                break
        else:
            return route, key
    return None


def _plain(name: str) -> str:
    name = name.lower().removesuffix("()").replace("microsoft.graph.", "graph.")
    return name if name in ("graph.user", "graph.group") else name.removeprefix("graph.")


def unknown(parts: tuple[str, ...]) -> GraphError:
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{parts[0] if parts else ''}'.")


def not_allowed(route: Route) -> GraphError:
    message = "Specified HTTP method is not allowed for the request target."
    return GraphError(405, "Request_BadRequest", message, {"Allow": route.method})
