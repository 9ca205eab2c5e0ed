"""The grammar of a filter: one recursive descent, from a text to its clauses.

    either     = every { "or" every }             every = comparison { "and" comparison }
    comparison = unary { operator unary | "in" "(" [ value { "," value } ] ")" }
    unary      = "not" unary | "(" either ")" | function "(" property "," value ")" | operand
               | property "/any(" [ variable ":" either ] ")" | property "/all(" variable ":" either ")"
    operand    = property | value

This is the part of the OData 4.01 ABNF that Microsoft Graph takes for users. Three things that OData allows and Graph
never takes are refused here, so that the caller learns at once what to write instead: other functions, a date without
a time of day, and a comparison of two properties (usually a text without quotes).
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from shared.graph.odata_tokens import COMPARISONS, FilterError, Token, error, tokens

_FUNCTIONS = frozenset({"startswith", "endswith", "contains"})
_INSTEAD = {
    "now": "write the time itself, such as 2024-01-31T00:00:00Z",
    **dict.fromkeys(("tolower", "toupper"), "leave it out: Graph ignores case"),
    "year": "write createdDateTime ge 2020-01-01T00:00:00Z and createdDateTime le 2020-12-31T23:59:59Z",
}
_MAX_DEPTH = 40
_OPERAND = "a property, 'not' or '('"
_VALUE = "a value such as 'text', true or 2024-01-31T00:00:00Z"


class Clause(NamedTuple):
    """One condition of a filter."""

    path: str
    """A property as it is written. In a lambda the variable is replaced by its collection: `assignedLicenses/skuId`.
    Empty: a whole condition is negated (`not`) or compared with a boolean."""
    operator: str
    """In lower case. Also the name of a function, or `any`: the collection is not empty. Empty: a boolean alone."""
    value: str
    at: int
    """Where it begins, from 0."""


class _Operand(NamedTuple):
    kind: Literal["property", "value", "condition"]
    text: str
    at: int


@dataclass(slots=True)
class _Cursor:
    """Where the descent is, and the clauses so far."""

    tokens: list[Token]
    at: int = 0
    clauses: list[Clause] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    """The variables of the lambdas around, each with its collection."""

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    @property
    def is_call(self) -> bool:
        return self.next.is_name and self.tokens[self.at + 1].text == "("

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def take_if(self, *texts: str) -> bool:
        matches = self.next.kind in {"word", "sign"} and self.next.text in texts
        self.at += matches
        return matches

    def expect(self, sign: str) -> None:
        if not self.take_if(sign):
            raise _expected(repr(sign), self.next)

    def add(self, path: str, operator: str, value: str, at: int) -> None:
        self.clauses.append(Clause(path, operator, value, at))


def parse(text: str) -> tuple[Clause, ...]:
    """The clauses of a filter, in its order. Raises FilterError unless it is one whole expression."""
    cursor = _Cursor(tokens(text))
    _condition(cursor, _either(cursor, 0))
    if cursor.next.kind != "end":
        raise _expected("'and' or 'or'", cursor.next)
    return tuple(cursor.clauses)


def _expected(what: str, actual: Token | _Operand) -> FilterError:
    there = "the end" if actual.kind == "end" else repr(actual.text[:40])
    return error(actual.at, f"expected {what}, but found {there}")


def _either(cursor: _Cursor, depth: int) -> _Operand:
    left = _every(cursor, depth)
    while cursor.take_if("or"):
        _condition(cursor, left)
        left = _condition(cursor, _every(cursor, depth))
    return left


def _every(cursor: _Cursor, depth: int) -> _Operand:
    left = _comparison(cursor, depth)
    while cursor.take_if("and"):
        _condition(cursor, left)
        left = _condition(cursor, _comparison(cursor, depth))
    return left


def _condition(cursor: _Cursor, operand: _Operand) -> _Operand:
    """The operand as a condition: a property alone is a boolean. A value alone is refused."""
    if operand.kind == "value":
        raise _expected(_OPERAND, operand)
    if operand.kind == "property":
        cursor.add(operand.text, "", "", operand.at)
    return operand._replace(kind="condition")


def _comparison(cursor: _Cursor, depth: int) -> _Operand:
    left = _unary(cursor, depth)
    while cursor.take_if(*COMPARISONS, "in"):
        operator = cursor.tokens[cursor.at - 1].text
        if operator == "in" and left.kind == "property":
            _list(cursor, left)
        elif operator == "in":
            raise _expected("a property before 'in'", left)
        else:
            _compare(cursor, left, operator, _unary(cursor, depth, _VALUE))
        left = left._replace(kind="condition")
    return left


def _compare(cursor: _Cursor, left: _Operand, operator: str, right: _Operand) -> None:
    match left.kind, right.kind:
        case "property", "value":
            cursor.add(left.text, operator, right.text, left.at)
        case "value", "property":
            cursor.add(right.text, operator, left.text, left.at)
        case "condition", _ if right.text in {"true", "false"}:
            cursor.add("", operator, right.text, left.at)
        case "value", "condition" if left.text in {"true", "false"}:
            cursor.add("", operator, left.text, left.at)
        case "condition", _:
            raise _expected("true or false (put a negated condition in parentheses: not(userType eq 'Guest'))", right)
        case "property", _:
            raise _expected(f"{_VALUE} (a text needs quotes)", right)
        case _:
            raise _expected("a property", right)


def _list(cursor: _Cursor, left: _Operand) -> None:
    cursor.expect("(")
    if cursor.take_if(")"):
        return cursor.add(left.text, "in", "", left.at)
    cursor.add(left.text, "in", _value(cursor), left.at)
    while cursor.take_if(","):
        cursor.add(left.text, "in", _value(cursor), left.at)
    return cursor.expect(")")


def _unary(cursor: _Cursor, depth: int, expected: str = _OPERAND) -> _Operand:
    start = cursor.next
    if depth > _MAX_DEPTH:
        raise error(start.at, f"parentheses are nested more than {_MAX_DEPTH} deep")
    if cursor.take_if("not"):
        cursor.add("", "not", "", start.at)
        return _condition(cursor, _unary(cursor, depth + 1))
    if cursor.take_if("("):
        inner = _either(cursor, depth + 1)
        cursor.expect(")")
        return inner
    if start.is_name and start.text.lower().endswith(("/any", "/all")):
        _lambda(cursor, depth)
    elif cursor.is_call and start.text.lower() in _FUNCTIONS:
        _call(cursor)
    else:
        return _operand(cursor, expected)
    return _Operand("condition", start.text, start.at)


def _call(cursor: _Cursor) -> None:
    function = cursor.take().text.lower()
    cursor.expect("(")
    first = _operand(cursor, "a property")
    if first.kind != "property":
        raise _expected("a property", first)
    cursor.expect(",")
    cursor.add(first.text, function, _value(cursor), first.at)
    cursor.expect(")")


def _lambda(cursor: _Cursor, depth: int) -> None:
    start = cursor.take()
    collection, _, quantifier = _resolved(cursor, start.text).rpartition("/")
    cursor.expect("(")
    if quantifier.lower() == "any" and cursor.take_if(")"):
        return cursor.add(collection, "any", "", start.at)
    variable = cursor.take()
    if not variable.is_name or not variable.text.isidentifier():
        raise _expected("a variable such as x", variable)
    cursor.expect(":")
    around, cursor.variables = cursor.variables, cursor.variables | {variable.text: collection}
    _condition(cursor, _either(cursor, depth + 1))
    cursor.variables = around
    return cursor.expect(")")


def _operand(cursor: _Cursor, expected: str) -> _Operand:
    token = cursor.next
    if token.is_value:
        return _Operand("value", cursor.take().text, token.at)
    if not token.is_name:
        raise _expected(expected, token)
    if cursor.is_call and token.text.lower() not in _FUNCTIONS:
        instead = _INSTEAD.get(token.text.lower(), "write startsWith(property,'text') or endsWith(property,'text')")
        raise error(token.at, f"Microsoft Graph has no function {token.text[:40]!r} for filters: {instead}")
    return _Operand("property", _resolved(cursor, cursor.take().text), token.at)


def _value(cursor: _Cursor) -> str:
    operand = _operand(cursor, _VALUE)
    if operand.kind != "value":
        raise _expected(f"{_VALUE} (a text needs quotes)", operand)
    return operand.text


def _resolved(cursor: _Cursor, path: str) -> str:
    """The path without a variable and without `$it` or a cast, such as `microsoft.graph.user`."""
    first, slash, rest = path.partition("/")
    if first in cursor.variables:
        return cursor.variables[first] + slash + rest
    return rest if rest and (first == "$it" or "." in first) else path
