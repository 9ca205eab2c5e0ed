"""`$filter` as Graph takes it for users: a small recursive descent parser, and the rules of what may be asked how.

    or      = and { "or" and }          and  = unary { "and" unary }
    unary   = "not" primary | primary
    primary = "(" or ")" | function "(" property "," literal ")" | property operator literal
            | property "in" "(" literals ")" | property "/any(" variable ":" or ")"

The rules come from "Advanced query capabilities on Microsoft Entra ID objects" and the property table of the user
resource. A *default* filter works as is, an *advanced* one only with `ConsistencyLevel: eventual` and `$count=true`;
anything else is a 400 with Graph's own words.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from local.tenant.errors import GraphError, unsupported
from local.tenant.people import PROPERTIES

Literal = str | bool | int | None | datetime


@dataclass(frozen=True, slots=True)
class Compare:
    """`name op value`; op is eq, ne, ge, le, startswith or endswith."""

    name: str
    op: str
    value: Literal


@dataclass(frozen=True, slots=True)
class In:
    name: str
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Any_:
    """`name/any(x:inner)`; in `inner` a property is "" (the item itself) or a part of it."""

    name: str
    inner: "Node"


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

MOST_CLAUSES = 15
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<date>\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?)|(?P<number>-?\d+)|(?P<name>[A-Za-z_@][\w.@]*)|(?P<sign>[(),:/]))"
)
_FUNCTIONS = ("startswith", "endswith")
_OPERATORS = ("eq", "ne", "ge", "le", "gt", "lt", "in")
_LISTS = ("otherMails", "proxyAddresses", "identities", "businessPhones", "imAddresses")
_BOOLEANS = ("accountEnabled", "onPremisesSyncEnabled")

_DEFAULT_TEXT = frozenset(("eq", "in", "startswith"))
_DEFAULT_EXACT = frozenset(("eq", "in"))
# What works without ConsistencyLevel; `null` in the second table says that `eq null` is there, as an advanced query.
_DEFAULT: dict[str, frozenset[str]] = {
    "createdDateTime": frozenset(("ge", "le")),
    **dict.fromkeys(
        ("userPrincipalName", "displayName", "mail", "mailNickname", "employeeId", "preferredLanguage"), _DEFAULT_TEXT
    ),
    **dict.fromkeys(
        ("userType", "accountEnabled", "onPremisesSyncEnabled", "creationType", "externalUserState"), _DEFAULT_EXACT
    ),
    **dict.fromkeys(
        ("department", "country", "city", "state", "jobTitle", "surname", "givenName", "usageLocation"), _DEFAULT_TEXT
    ),
    **dict.fromkeys(("id", "ageGroup", "consentProvidedForMinor", "onPremisesImmutableId"), _DEFAULT_EXACT),
    "otherMails": _DEFAULT_TEXT,
    "proxyAddresses": _DEFAULT_TEXT,
    "identities": frozenset(("eq",)),
}
_ADVANCED: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("companyName", "officeLocation", "mobilePhone", "postalCode", "streetAddress", "employeeType", "faxNumber"),
        _DEFAULT_TEXT,
    ),
    "onPremisesSamAccountName": _DEFAULT_TEXT,
    **dict.fromkeys(("mail", "otherMails", "userPrincipalName", "proxyAddresses"), frozenset(("endswith",))),
}
_NEVER_NULL = ("id", "userPrincipalName", "otherMails", "proxyAddresses", "identities")


def parse(text: str) -> Node:
    """The tree of a filter; raises GraphError 400 when it is none."""
    tokens = _tokens(text)
    tree, rest = _or(tokens, 0)
    if tokens[rest][0] != "end":
        raise _syntax(tokens, rest)
    return tree


def check(tree: Node) -> bool:
    """Whether the filter is an advanced one; raises GraphError 400 for what Graph refuses either way."""
    advanced = [_check(node) for node in walk(tree)]
    return any(advanced)


def walk(tree: Node) -> Iterator[Node]:
    yield tree
    if isinstance(tree, And | Or):
        for item in tree.items:
            yield from walk(item)
    elif isinstance(tree, Not):
        yield from walk(tree.item)


def names(tree: Node) -> tuple[str, ...]:
    """The properties that a filter looks at."""
    return tuple(sorted({node.name for node in walk(tree) if isinstance(node, Compare | In | Any_)}))


def _check(node: Node) -> bool:  # noqa: PLR0911 - one for each kind of node
    if isinstance(node, Or):
        return _check_number(len(node.items))
    if isinstance(node, And):
        return False
    if isinstance(node, Not):
        return True
    if node.name not in PROPERTIES:
        raise _invalid(f"Could not find a property named '{node.name}' on type 'microsoft.graph.user'.")
    if isinstance(node, Any_):
        parts = {leaf.op for leaf in walk(node.inner) if isinstance(leaf, Compare)}
        allowed = [_allowed(node.name, op) for op in sorted(parts)]  # each is checked
        return any(allowed)
    if node.name in _LISTS:
        raise _invalid("A binary operator with incompatible types was detected. A collection needs 'any'.")
    if isinstance(node, In):
        for value in node.values:
            _check_type(node.name, "in", value)
        return _check_number(len(node.values)) or _allowed(node.name, "in")
    _check_type(node.name, node.op, node.value)
    if node.value is None:
        return _null_allowed(node)
    return _allowed(node.name, "eq" if node.op == "ne" else node.op) or node.op == "ne"


def _check_number(clauses: int) -> bool:
    if clauses > MOST_CLAUSES:
        message = "Too many child clauses specified in search filter expression containing 'OR' operators"
        raise unsupported(f"{message}: {clauses}. Max allowed: {MOST_CLAUSES}.")
    return False


def _allowed(name: str, op: str) -> bool:
    if op in _DEFAULT.get(name, ()):
        return False
    if op in _ADVANCED.get(name, ()):
        return True
    raise _clause(name)


def _null_allowed(node: Compare) -> bool:
    known = node.name in _DEFAULT or node.name in _ADVANCED
    if node.op not in ("eq", "ne") or node.name in _NEVER_NULL or not known:
        raise _clause(node.name)
    return True


def _check_type(name: str, op: str, value: Literal) -> None:
    if value is None:
        return
    wanted = datetime if name.endswith("DateTime") else bool if name in _BOOLEANS else str
    if not isinstance(value, wanted) or (op in _FUNCTIONS and not isinstance(value, str)):
        kinds = {datetime: "Edm.DateTimeOffset", bool: "Edm.Boolean", str: "Edm.String", int: "Edm.Int32"}
        found = f"Found operand types '{kinds[wanted]}' and '{kinds[type(value)]}' for operator kind '{op}'."
        raise _invalid(f"A binary operator with incompatible types was detected. {found}")


def _clause(name: str) -> GraphError:
    return unsupported(
        f"Unsupported or invalid query filter clause specified for property '{name}' of resource 'User'."
    )


def _invalid(message: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Invalid filter clause: {message}")


def _syntax(tokens: Tokens, at: int) -> GraphError:
    near = " ".join(text for _, text in tokens[max(0, at - 2) : at + 2])
    return _invalid(f"Syntax error at position {at} in '{near.strip()}'.")


def _tokens(text: str) -> Tokens:
    found, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _invalid(
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
        raise _invalid("A unary operator with an incompatible type was detected: 'not' needs parentheses.")
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
    if operator in ("lt", "gt"):
        raise _clause(name)
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
    if tokens[at] != ("name", "any") or name not in _LISTS:
        raise _syntax(tokens, at)
    at = _expect(tokens, at + 1, "(")
    at = _expect(tokens, at + 1, ":")
    inner, at = _or(tokens, at)
    return Any_(name, inner), _expect(tokens, at, ")")


def _property(tokens: Tokens, at: int) -> tuple[str, int]:
    if tokens[at][0] != "name":
        raise _syntax(tokens, at)
    name = tokens[at][1]
    if tokens[at + 1] == ("sign", "/") and tokens[at + 2][1] != "any":
        return tokens[at + 2][1], at + 3  # x/issuer within any(x:...)
    return name, at + 1


def _literal(tokens: Tokens, at: int) -> tuple[Literal, int]:
    kind, text = tokens[at]
    words: dict[str, bool | None] = {"null": None, "true": True, "false": False}
    if kind == "string":
        return text[1:-1].replace("''", "'"), at + 1
    if kind == "number":
        return int(text), at + 1
    if kind == "name" and text in words:
        return words[text], at + 1
    if kind != "date":
        raise _syntax(tokens, at)
    if "T" not in text:
        types = "Found operand types 'Edm.DateTimeOffset' and 'Edm.Date'."
        raise _invalid(f"A binary operator with incompatible types was detected. {types}")
    try:
        return datetime.fromisoformat(text), at + 1
    except ValueError:
        raise _syntax(tokens, at) from None


def _expect(tokens: Tokens, at: int, sign: str) -> int:
    if tokens[at] != ("sign", sign):
        raise _syntax(tokens, at)
    return at + 1
