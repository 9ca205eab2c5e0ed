"""`$filter` as Graph takes it for users: a small recursive descent parser. What may be asked how is in rules.py.

    or         = and { "or" and }                       and     = comparison { "and" comparison }
    comparison = unary { operator unary | "in" list }   unary   = "not" unary | primary
    primary    = "(" or ")" | function "(" path "," literal ")" | path ( "/any(" | "/all(" ) [ variable ":" or ] ")"
               | path | literal                         path    = name { "/" name } [ "/$count" ]

`not` binds tighter than `eq`. A path alone is a boolean; a condition may be compared with true and false.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from local.tenant import metadata
from local.tenant.errors import unsupported
from local.tenant.odata import And, Any_, Compare, Guid, In, Literal, Node, Not, Or
from local.tenant.odata_reader import KEYWORDS, Reader, invalid, tokens_of


@dataclass(frozen=True, slots=True)
class _Path:
    name: str


@dataclass(frozen=True, slots=True)
class _Value:
    value: Literal


_Term = Node | _Path | _Value

_FUNCTIONS = ("startswith", "endswith")
_SWAPPED = {"eq": "eq", "ne": "ne", "ge": "le", "le": "ge", "gt": "lt", "lt": "gt"}
_WORDS: dict[str, bool | None] = {"null": None, "true": True, "false": False}
_FARTHEST = timedelta(hours=14)  # from UTC


@lru_cache(maxsize=512)  # asked for several times in each request
def parse(text: str) -> Node:
    """The tree of a filter; raises GraphError 400 when the text is not a filter."""
    reader = Reader(tokens_of(text))
    tree = _condition(_or(reader))
    reader.expect("end", "")
    return tree


def _condition(term: _Term) -> Node:
    if isinstance(term, _Path):
        return Compare(term.name, "eq", value=True)
    if isinstance(term, _Value):
        raise invalid("The $filter expression must evaluate to a single boolean value.")
    return term


def _or(reader: Reader) -> _Term:
    terms = [_and(reader)]
    while reader.take_if("name", "or"):
        terms.append(_and(reader))
    return terms[0] if len(terms) == 1 else Or(_flat([_condition(term) for term in terms], Or))


def _and(reader: Reader) -> _Term:
    terms = [_comparison(reader)]
    while reader.take_if("name", "and"):
        terms.append(_comparison(reader))
    return terms[0] if len(terms) == 1 else And(_flat([_condition(term) for term in terms], And))


def _flat(items: list[Node], kind: type[And] | type[Or]) -> tuple[Node, ...]:
    return tuple(each for item in items for each in (item.items if isinstance(item, kind) else (item,)))


def _comparison(reader: Reader) -> _Term:
    left = _unary(reader)
    while operator := reader.take_if("name", *_SWAPPED, "in"):
        left = _in(reader, left) if operator == "in" else _compared(left, operator, _unary(reader))
    return left


def _compared(left: _Term, operator: str, right: _Term) -> Node:
    if isinstance(left, _Path) and isinstance(right, _Value):
        return Compare(left.name, operator, right.value)
    if isinstance(left, _Value) and isinstance(right, _Path):
        return Compare(right.name, _SWAPPED[operator], left.value)
    if isinstance(left, _Path) or isinstance(right, _Path):
        raise unsupported("Unsupported Query: a property is compared with a value only.")
    if isinstance(left, _Value):
        left, right = right, left
    if isinstance(left, _Value) or not isinstance(right, _Value) or not isinstance(right.value, bool):
        types = f"Found operand types for operator kind '{operator}' that can't be compared."
        raise invalid(f"A binary operator with incompatible types was detected. {types}")
    return left if (operator == "eq") == right.value else Not(left)


def _in(reader: Reader, left: _Term) -> Node:
    reader.expect("sign", "(")
    values: list[Literal] = []
    while not (reader.take_if("sign", ")") and not values):
        values.append(_literal(reader))
        if not reader.take_if("sign", ","):
            reader.expect("sign", ")")
            break
    if not isinstance(left, _Path):
        raise invalid("The left operand of 'in' must be a property.")
    return In(left.name, tuple(values))


def _unary(reader: Reader) -> _Term:
    reader.deeper(1)
    if reader.take_if("name", "not"):
        term: _Term = Not(_condition(_unary(reader)))
    elif reader.take_if("sign", "("):
        term = _or(reader)
        reader.expect("sign", ")")
    elif reader.next()[0] != "name" or reader.next()[1] in _WORDS:
        term = _Value(_literal(reader))
    elif reader.next()[1] in KEYWORDS:
        raise reader.syntax()
    elif reader.next(1) == ("sign", "(") and not reader.next()[1].lower().endswith(("/any", "/all")):
        term = _call(reader)
    else:
        term = _path_or_lambda(reader)
    reader.deeper(-1)
    return term


def _call(reader: Reader) -> Compare:
    name = reader.take()[1]
    if name.lower() == "contains":
        raise unsupported("Unsupported property filter clause operator 'Contains'.")
    if name.lower() not in _FUNCTIONS:
        what = "This may also be a function import or a key lookup on a navigation property, which is not allowed."
        raise invalid(f"An unknown function with name '{name}' was found. {what}")
    reader.expect("sign", "(")
    path = _path_or_lambda(reader)
    reader.expect("sign", ",")
    value = _literal(reader)
    reader.expect("sign", ")")
    if not isinstance(path, _Path):
        raise invalid(f"No function signature for the function with name '{name}' matches the specified arguments.")
    return Compare(path.name, name.lower(), value)


def _path_or_lambda(reader: Reader) -> _Term:
    kind, text = reader.take()
    if kind != "name" or text in KEYWORDS:
        raise reader.syntax()
    path = text.split("/")
    if len(path) > 1 and (path[0] == "$it" or "." in path[0]):  # the user itself, as OData has it
        path = path[1:]
    path[0] = metadata.spelled(path[0])
    if path[-1].lower() in ("any", "all") and len(path) > 1:
        return _lambda(reader, "/".join(path[:-1]), path[-1].lower())
    return _Path("/".join(path))


def _lambda(reader: Reader, name: str, quantifier: str) -> Node:
    reader.expect("sign", "(")
    if quantifier == "any" and reader.take_if("sign", ")"):
        return Any_(name, None)
    kind, variable = reader.take()
    if kind != "name":
        raise reader.syntax()
    reader.expect("sign", ":")
    inner = _condition(_or(reader))
    reader.expect("sign", ")")
    inner = _within(inner, metadata.spelled(variable))
    return Any_(name, inner) if quantifier == "any" else Not(Any_(name, Not(inner)))


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


def _literal(reader: Reader) -> Literal:
    kind, text = reader.take()
    if kind == "string":
        return text[1:-1].replace("''", "'")
    if kind == "guid":
        return Guid(text)
    if kind == "number":
        return float(text) if set(text) & set(".eE") else int(text)
    if kind == "name" and text in _WORDS:
        return _WORDS[text]
    if kind == "date" and "T" not in text:
        types = "Found operand types 'Edm.DateTimeOffset' and 'Edm.Date'."
        raise invalid(f"A binary operator with incompatible types was detected. {types}")
    try:
        moment = datetime.fromisoformat(text if kind == "date" else "")
    except ValueError:
        raise reader.syntax() from None
    if abs(moment.utcoffset() or _FARTHEST) > _FARTHEST:
        raise reader.syntax()
    return moment
