"""`$filter` as Graph takes it for users: a small recursive descent parser. What may be asked how is in rules.py.

or      = and { "or" and }          and  = unary { "and" unary }
unary   = "not" primary | primary
primary = "(" or ")" | function "(" path "," literal ")" | path operator literal
        | path "in" "(" literals ")" | path "/any(" [ variable ":" or ] ")"
path    = name { "/" name } [ "/$count" ]
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from local.tenant import metadata
from local.tenant.errors import GraphError


class Guid(str):
    """A GUID as a filter writes it: without quotes."""

    __slots__ = ()


Literal = str | bool | int | None | datetime


@dataclass(frozen=True, slots=True)
class Compare:
    """`name op value`; op is eq, ne, ge, le, startswith or endswith; name is a path such as
    `signInActivity/lastSignInDateTime`.
    """

    name: str
    op: str
    value: Literal


@dataclass(frozen=True, slots=True)
class In:
    name: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """`name/any(x:inner)`; in `inner` a name is "" (the item itself) or a part of it. None: `name/any()`."""

    name: str
    inner: "Node | None"


@dataclass(frozen=True, slots=True)
class Not:
    item: "Node"


@dataclass(frozen=True, slots=True)
class And:
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    items: tuple["Node", ...]


Node = Compare | In | Any_ | Not | And | Or
Tokens = list[tuple[str, str]]
Parser = Callable[[Tokens, int], tuple[Node, int]]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*')
    |(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    |(?P<date>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?)
    |(?P<number>-?\d+)
    |(?P<name>[A-Za-z_@$][\w.@]*)
    |(?P<sign>[(),:/]))""",
    re.VERBOSE,
)
_FUNCTIONS = ("startswith", "endswith")
_OPERATORS = ("eq", "ne", "ge", "le", "gt", "lt", "in")


def parse(text: str) -> Node:
    """The tree of a filter; raises GraphError 400 when it is none."""
    tokens = _tokens(text)
    tree, rest = _or(tokens, 0)
    if tokens[rest][0] != "end":
        raise _syntax(tokens, rest)
    return tree


def walk(tree: Node) -> Iterator[Node]:
    yield tree
    if isinstance(tree, And | Or):
        for item in tree.items:
            yield from walk(item)
    elif isinstance(tree, Not):
        yield from walk(tree.item)


def names(tree: Node) -> tuple[str, ...]:
    """The properties of the user that a filter looks at."""
    return tuple(sorted({node.name.partition("/")[0] for node in walk(tree) if isinstance(node, Compare | In | Any_)}))


def invalid(message: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Invalid filter clause: {message}")


def _syntax(tokens: Tokens, at: int) -> GraphError:
    near = " ".join(text for _, text in tokens[max(0, at - 2) : at + 2])
    return invalid(f"Syntax error at position {at} in '{near.strip()}'.")


def _tokens(text: str) -> Tokens:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise invalid(
                f"Syntax error: character '{text[at:].lstrip()[:1]}' is not valid at position {at} in '{text}'."
            )
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return [*found, ("end", "")]


def _or(tokens: Tokens, at: int) -> tuple[Node, int]:
    items, at = _series(tokens, at, "or", _and)
    return (items[0] if len(items) == 1 else Or(_flat(items, Or))), at


def _and(tokens: Tokens, at: int) -> tuple[Node, int]:
    items, at = _series(tokens, at, "and", _unary)
    return (items[0] if len(items) == 1 else And(_flat(items, And))), at


def _flat(items: list[Node], kind: type[And] | type[Or]) -> tuple[Node, ...]:
    return tuple(part for item in items for part in (item.items if isinstance(item, kind) else (item,)))


def _series(tokens: Tokens, at: int, word: str, part: Parser) -> tuple[list[Node], int]:
    item, at = part(tokens, at)
    items = [item]
    while tokens[at] == ("name", word):
        item, at = part(tokens, at + 1)
        items.append(item)
    return items, at


def _unary(tokens: Tokens, at: int) -> tuple[Node, int]:
    if tokens[at] != ("name", "not"):
        return _primary(tokens, at)
    item, after = _primary(tokens, at + 1)
    # `not` binds tighter than `eq`: without parentheses it may only stand before a function.
    if tokens[at + 1] != ("sign", "(") and isinstance(item, Compare | In) and tokens[at + 2] != ("sign", "("):
        raise invalid("A unary operator with an incompatible type was detected: 'not' needs parentheses.")
    return Not(item), after


def _primary(tokens: Tokens, at: int) -> tuple[Node, int]:
    kind, text = tokens[at]
    if (kind, text) == ("sign", "("):
        node, at = _or(tokens, at + 1)
        return node, _expect(tokens, at, ")")
    if kind != "name":
        raise _syntax(tokens, at)
    if text.lower() in _FUNCTIONS:
        at = _expect(tokens, at + 1, "(")
        name, at = _property(tokens, at)
        value, at = _literal(tokens, _expect(tokens, at, ","))
        return Compare(name, text.lower(), value), _expect(tokens, at, ")")
    name, at = _property(tokens, at)
    if tokens[at] == ("sign", "/"):
        return _any(name, tokens, at + 1)
    operator = tokens[at][1]
    if tokens[at][0] != "name" or operator not in _OPERATORS:
        raise _syntax(tokens, at)
    if operator == "in":
        return _in(name, tokens, _expect(tokens, at + 1, "("))
    value, at = _literal(tokens, at + 1)
    return Compare(name, operator, value), at


def _in(name: str, tokens: Tokens, at: int) -> tuple[Node, int]:
    value, at = _literal(tokens, at)
    found = [value]
    while tokens[at] == ("sign", ","):
        value, at = _literal(tokens, at + 1)
        found.append(value)
    return In(name, tuple(found)), _expect(tokens, at, ")")


def _any(name: str, tokens: Tokens, at: int) -> tuple[Node, int]:
    if tokens[at] != ("name", "any"):
        raise _syntax(tokens, at)
    at = _expect(tokens, at + 1, "(")
    if tokens[at] == ("sign", ")"):
        return Any_(name, None), at + 1
    variable = tokens[at][1]
    inner, at = _or(tokens, _expect(tokens, at + 1, ":"))
    return Any_(name, _within(inner, variable)), _expect(tokens, at, ")")


def _within(node: Node, variable: str) -> Node:
    """What is asked of an item of a list, with paths from the item on."""
    if isinstance(node, And | Or):
        return replace(node, items=tuple(_within(item, variable) for item in node.items))
    if isinstance(node, Not):
        return Not(_within(node.item, variable))
    first, _, rest = node.name.partition("/")
    if first != variable:
        raise invalid(f"Could not find a property named '{first}': within 'any' only '{variable}' is known.")
    return replace(node, name=rest)


def _property(tokens: Tokens, at: int) -> tuple[str, int]:
    if tokens[at][0] != "name":
        raise _syntax(tokens, at)
    path = [metadata.spelled(tokens[at][1])]
    while tokens[at + 1] == ("sign", "/") and tokens[at + 2][0] == "name" and tokens[at + 2][1] != "any":
        path.append(tokens[at + 2][1])
        at += 2
    return "/".join(path), at + 1


def _literal(tokens: Tokens, at: int) -> tuple[Literal, int]:
    kind, text = tokens[at]
    words: dict[str, bool | None] = {"null": None, "true": True, "false": False}
    if kind == "string":
        return text[1:-1].replace("''", "'"), at + 1
    if kind == "guid":
        return Guid(text), at + 1
    if kind == "number":
        return int(text), at + 1
    if kind == "name" and text in words:
        return words[text], at + 1
    if kind != "date":
        raise _syntax(tokens, at)
    if "T" not in text:
        types = "Found operand types 'Edm.DateTimeOffset' and 'Edm.Date'."
        raise invalid(f"A binary operator with incompatible types was detected. {types}")
    try:
        return datetime.fromisoformat(text), at + 1
    except ValueError:
        raise _syntax(tokens, at) from None


def _expect(tokens: Tokens, at: int, sign: str) -> int:
    if tokens[at] != ("sign", sign):
        raise _syntax(tokens, at)
    return at + 1
