"""What a filter may ask of users: the table in data/filters.json, property by property.

A *default* filter works as is, an *advanced* one only with `ConsistencyLevel: eventual` and `$count=true`; anything
else is a 400 with Graph's own words.
"""

import json
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from local.tenant import metadata
from local.tenant.errors import GraphError, unsupported
from local.tenant.odata import And, Any_, Compare, Guid, In, Literal, Node, Not, Or, walk
from local.tenant.odata_reader import invalid

MOST_CLAUSES = 15
_SIGN_IN = "signInActivity"
_KINDS = {
    bool: "Edm.Boolean",
    datetime: "Edm.DateTimeOffset",
    float: "Edm.Double",
    Guid: "Edm.Guid",
    int: "Edm.Int32",
    str: "Edm.String",
}


class _Rule(NamedTuple):
    default: frozenset[str]
    advanced: frozenset[str]


_RULES = {
    path: _Rule(frozenset(rule["default"]), frozenset(rule["advanced"]))
    for rule in json.loads((metadata.DATA / "filters.json").read_text())["rules"]
    for path in rule["properties"]
}


def check(tree: Node) -> bool:
    """Whether the filter is an advanced one; raises GraphError 400 for what Graph refuses either way."""
    advanced = [_check(node, "") for node in walk(tree)]  # each is checked
    asked = {node.name.partition("/")[0] for node in walk(tree) if isinstance(node, Compare | In | Any_)}
    if _SIGN_IN in asked and len(asked) > 1:
        raise unsupported(f"A filter on '{_SIGN_IN}' can't be combined with filters on other properties.")
    return any(advanced)


def _check(node: Node, within: str) -> bool:
    """`within`: the list whose items an `any` looks at, such as `assignedLicenses`."""
    if isinstance(node, Or):
        return _check_number(len(node.items))
    if isinstance(node, And | Not):
        return isinstance(node, Not)
    path = "/".join(filter(None, (within, node.name)))
    if isinstance(node, Any_):
        return _check_any(node, path)
    edm = _type_of(path)
    if edm.startswith("Collection(") and (node.name or not within):
        raise invalid("A binary operator with incompatible types was detected. A collection needs 'any'.")
    values = node.values if isinstance(node, In) else (node.value,)
    operator = "in" if isinstance(node, In) else node.op
    for value in values:
        _check_type(metadata.bare(edm), operator, value)
    _check_number(len(values))
    negated = operator == "ne"
    if negated:
        operator = "eq"
    rule = f"{within}/any" if within else node.name
    if node.name.endswith("/$count") and values != (0,):
        raise _clause(node.name)
    if values == (None,) and operator == "eq":
        return _allowed(rule, "null") or negated
    if None in values:
        negated = _allowed(rule, "null")
    return _allowed(rule, operator) or negated


def _check_any(node: Any_, path: str) -> bool:
    if not _type_of(path).startswith("Collection("):
        raise invalid("'any' needs a collection.")
    advanced = [_allowed(f"{path}/any", "any")]
    if node.inner is not None:
        advanced += [_check(each, path) for each in walk(node.inner)]  # each is checked
    return any(advanced)


def _type_of(path: str) -> str:
    """The Edm type of what a path of a filter leads to."""
    first, *rest = path.split("/")
    if first in metadata.RELATIONS:
        raise _clause(first)
    if first not in metadata.PROPERTIES:
        raise _unknown(first, "user")
    edm = metadata.PROPERTIES[first]
    for name in rest:
        owner = metadata.bare(edm)
        if name == "$count" and edm.startswith("Collection("):
            return "Edm.Int32"
        found = metadata.part(owner, name)
        if found is None:
            raise _unknown(name, owner)
        edm = metadata.TYPES[owner].get(name, found)
    return edm


def _check_number(clauses: int) -> bool:
    if clauses > MOST_CLAUSES:
        message = "Too many child clauses specified in search filter expression containing 'OR' operators"
        raise unsupported(f"{message}: {clauses}. Max allowed: {MOST_CLAUSES}.")
    return False


def _allowed(path: str, operator: str) -> bool:
    """Whether this takes an advanced query; raises when not even that helps."""
    rule = _rule(path)
    if rule and operator in rule.default:
        return False
    if rule and operator in rule.advanced:
        return True
    raise _clause(path.removesuffix("/any"))


@lru_cache(maxsize=1024)
def _rule(path: str) -> _Rule | None:
    first = path.partition("/")[0]
    wide = "extension_*" if first in metadata.EXTENSIONS else f"{first}/*"
    return _RULES.get(path) or _RULES.get(wide)


def _check_type(wanted: str, operator: str, value: Literal) -> None:
    if value is None or wanted == metadata.OPEN:
        return
    given = _KINDS[type(value)]
    if given != wanted:
        types = f"Found operand types '{wanted}' and '{given}' for operator kind '{operator}'."
        raise invalid(f"A binary operator with incompatible types was detected. {types}")


def _clause(name: str) -> GraphError:
    return unsupported(
        f"Unsupported or invalid query filter clause specified for property '{name}' of resource 'User'."
    )


def _unknown(name: str, owner: str) -> GraphError:
    return invalid(f"Could not find a property named '{name}' on type 'microsoft.graph.{owner}'.")
