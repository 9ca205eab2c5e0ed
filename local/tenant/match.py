"""Which users a filter matches: by bisection where the directory is sorted, by looking at the rest one by one.

Every part of a filter has two bounds, a set of users that surely match and a set that may: `createdDateTime ge/le/eq
null` is exact, `startsWith( userPrincipalName, ...)` is exact among the users without a creation time (sorted by
UPN), anything else may be anyone. `and`, `or` and `not` combine bounds; the parts whose bounds differ are then
evaluated, for the users between them only.
"""

import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache, partial
from itertools import chain
from typing import Any

from local.tenant.directory import Directory
from local.tenant.odata import And, Any_, Compare, In, Literal, Node, Not, Or, names
from local.tenant.rendering import facts
from local.tenant.runs import Runs, complement, intersect, union

Predicate = Callable[[Any, float | None], bool]  # the user's properties, and its creation in milliseconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEMPLATED = "%("


def matched(directory: Directory, tree: Node | None) -> "range | array[int]":
    """The positions of the users that matched as they were made at the start, in order."""
    everyone: Runs = [(0, len(directory))]
    if tree is None:
        return range(len(directory))
    clauses = tree.items if isinstance(tree, And) else (tree,)
    bounds = [_bounds(directory, clause) for clause in clauses]
    runs = everyone
    for _, may in bounds:
        runs = intersect(runs, may)
    open_clauses = [
        clause
        for clause, (sure, _) in zip(clauses, bounds, strict=True)
        if intersect(runs, complement(sure, len(directory)))
    ]
    if not open_clauses:
        if len(runs) <= 1:
            return range(*runs[0]) if runs else range(0)
        return array("q", chain.from_iterable(range(*run) for run in runs))
    rest = And(tuple(open_clauses))
    return array("q", _evaluate(directory, rest, chain.from_iterable(range(*run) for run in runs)))


def predicate(node: Node) -> Predicate:  # noqa: PLR0911 - one for each kind of node
    """The filter as a function of one user."""
    if isinstance(node, And):
        every = [predicate(item) for item in node.items]
        return lambda user, created: all(test(user, created) for test in every)
    if isinstance(node, Or):
        some = [predicate(item) for item in node.items]
        return lambda user, created: any(test(user, created) for test in some)
    if isinstance(node, Not):
        inner = predicate(node.item)
        return lambda user, created: not inner(user, created)
    if isinstance(node, Any_):
        return _any(node)
    name = node.name
    if isinstance(node, In):
        wanted = {_folded(value) for value in node.values}
        moment = any(isinstance(value, datetime) for value in node.values)
        return lambda user, created: _folded(_moment(_at(user, name)) if moment else _at(user, name)) in wanted
    if name == "createdDateTime" and isinstance(node.value, datetime):
        return _created(node.op, node.value)
    test = _test(node.op, node.value)
    if "/" in name or not name:
        return lambda user, created: test(_at(user, name))
    return lambda user, created: test(user[name])


def _at(user: Any, path: str) -> Any:
    """What a path leads to; null where it leads through nothing. The empty path is the item of a list itself."""
    for name in filter(None, path.split("/")):
        if user is None:
            return None
        user = len(user) if name == "$count" else user.get(name)
    return user


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def milliseconds(text: str | None) -> float | None:
    return None if text is None else (datetime.fromisoformat(text) - _EPOCH).total_seconds() * 1000


def _bounds(directory: Directory, node: Node) -> tuple[Runs, Runs]:
    size = len(directory)
    if isinstance(node, Not):
        sure, may = _bounds(directory, node.item)
        return complement(may, size), complement(sure, size)
    if isinstance(node, And | Or):
        join = intersect if isinstance(node, And) else union
        sure, may = _bounds(directory, node.items[0])
        for item in node.items[1:]:
            item_sure, item_may = _bounds(directory, item)
            sure, may = join(sure, item_sure), join(may, item_may)
        return sure, may
    if isinstance(node, Compare) and node.name == "createdDateTime":
        exact = _created_run(directory, node.op, node.value)
        return exact, exact
    if isinstance(node, Compare) and (node.name, node.op) == ("userPrincipalName", "startswith"):
        prefix, nulls = str(node.value).lower(), directory.nulls
        low = bisect_left(directory.upns, prefix, 0, nulls, key=str.lower)
        high = bisect_left(directory.upns, prefix + "\U0010ffff", 0, nulls, key=str.lower)
        known = [(low, high)] if low < high else []
        return known, union(known, [(nulls, size)])
    return [], [(0, size)]


def _created_run(directory: Directory, op: str, value: Literal) -> Runs:
    nulls, size = directory.nulls, len(directory)
    low, high = nulls, size
    if not isinstance(value, datetime):  # null
        low, high = (0, nulls) if op == "eq" else (nulls, size)
    elif op == "ge":
        low = bisect_left(directory.created, _exact(value), nulls, size)
    else:
        high = bisect_right(directory.created, _exact(value), nulls, size)
    return [(low, high)] if low < high else []


def _exact(value: datetime) -> Any:
    return (value - _EPOCH).total_seconds() * 1000


def _created(op: str, value: datetime) -> Predicate:
    edge = _exact(value)
    if op == "ge":
        return lambda _, created: created is not None and created >= edge
    return lambda _, created: created is not None and created <= edge


def _evaluate(directory: Directory, tree: Node, positions: Iterable[int]) -> Iterable[int]:
    asked = names(tree)
    if asked == ("userPrincipalName",):
        upns, test = directory.upns, predicate(tree)
        return (at for at in positions if test({"userPrincipalName": upns[at]}, None))
    templates = _remembered(directory, asked, lambda: cache(partial(_template, directory, asked)))
    if _remembered(directory, (asked,), lambda: any(_TEMPLATED in templates(kind) for kind in range(2048))):
        return _evaluate_each(directory, templates, predicate(tree), positions)
    # The same for everyone of a persona: 2,048 tests instead of a million, and once for all ranges of an export.
    fits = _remembered(directory, tree, lambda: _fits(templates, predicate(tree)))
    bits = directory.bits
    return (at for at in positions if fits(bits[at] & 2047))


def _remembered(directory: Directory, key: Any, make: Callable[[], Any]) -> Any:
    while len(directory.cache) >= 512:
        directory.cache.pop(next(iter(directory.cache)))
    if key not in directory.cache:
        directory.cache[key] = make()
    return directory.cache[key]


def _template(directory: Directory, asked: tuple[str, ...], kind: int) -> str:
    texts = directory.kinds[kind].texts
    return "{" + ",".join(f'"{name}":{texts[name]}' for name in asked) + "}"


def _fits(templates: Callable[[int], str], test: Predicate) -> Callable[[int], bool]:
    return cache(lambda kind: test(json.loads(templates(kind) % ()), None))


def _evaluate_each(
    directory: Directory, templates: Callable[[int], str], test: Predicate, positions: Iterable[int]
) -> Iterable[int]:
    for at in positions:
        created = None if at < directory.nulls else directory.created[at]
        if test(json.loads(templates(directory.bits[at] & 2047) % facts(directory, at)), created):
            yield at


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _test(op: str, value: Any) -> Callable[[Any], bool]:
    wanted = _folded(value)
    if op == "startswith":
        return lambda own: isinstance(own, str) and own.casefold().startswith(wanted)
    if op == "endswith":
        return lambda own: isinstance(own, str) and own.casefold().endswith(wanted)
    if op in ("ge", "le"):
        sign = 1 if op == "ge" else -1
        return lambda own: own is not None and sign * (datetime.fromisoformat(own) - value).total_seconds() >= 0
    if isinstance(value, datetime):
        return lambda own: (op == "ne") != (_moment(own) == value)
    if op == "ne":
        return lambda own: bool(_folded(own) != wanted)
    return lambda own: bool(_folded(own) == wanted)


def _any(node: Any_) -> Predicate:
    if node.inner is None:
        return lambda user, created: bool(_at(user, node.name))
    test = predicate(node.inner)
    return lambda user, created: any(test(item, created) for item in _at(user, node.name) or ())
