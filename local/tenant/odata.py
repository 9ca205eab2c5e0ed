"""A `$filter` as a tree: what odata_parser.py makes of the text, rules.py checks and match.py evaluates."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime


class Guid(str):
    """A GUID as a filter writes it: without quotes."""

    __slots__ = ()


Literal = str | bool | int | float | None | datetime


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
