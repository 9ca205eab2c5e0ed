"""Pages of users: whom a query finds, slice by slice. Users come in a scrambled order, as Graph promises none."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from local.tenant.match import Predicate, matched, milliseconds, predicate
from local.tenant.metadata import spelled
from local.tenant.odata_parser import parse
from local.tenant.query import Domain, Query
from local.tenant.rendering import base_values


def page_positions(domain: Domain, query: Query) -> tuple[list[int], bool]:
    """The users of this page, as positions in the directory, and whether more may follow."""
    directory = domain.directory
    base = _base(domain, query.filter, query.orderby)
    positions = [at for at in _slice(base, query) if _still(domain, query.filter, at)]
    end = query.start + query.top
    if directory.edited and len(positions) < query.top:
        added = _added(domain, query.filter)
        start = max(0, query.start - len(base))
        positions += islice(added, start, start + query.top - max(0, min(query.top, len(base) - query.start)))
        return positions, end < len(base) + len(added)
    return positions, end < len(base) or bool(directory.edited and _added(domain, query.filter))


def count(domain: Domain, text: str | None) -> int:
    """How many users match now."""
    base = _base(domain, text, None)
    edited = domain.directory.edited
    gone = sum(_has(base, at) and not _still(domain, text, at) for at in edited)
    return len(base) - gone + len(_added(domain, text))


def _slice(base: Sequence[int], query: Query) -> list[int]:
    size = len(base)
    places = range(query.start, min(query.start + query.top, size))
    if query.orderby or size < 3:
        return [base[place] for place in places]
    step = _step(size)
    return [base[place * step % size] for place in places]


def _step(size: int) -> int:
    """A stride that visits each place once: Graph promises no order, so nobody may rely on one."""
    step = int(size * 0.618) | 1
    while math.gcd(step, size) != 1:
        step += 1
    return step


def _base(domain: Domain, text: str | None, orderby: str | None) -> Sequence[int]:
    """The users that match as they were at the start; remembered per filter."""
    cache, key = domain.directory.cache, (domain.every, text, orderby)
    if key not in cache:
        positions: Sequence[int] = matched(domain.directory, parse(text) if text else None)
        if domain.every != (1,):
            positions = [at for at in positions if _inside(domain, at)]
        if orderby:
            name, _, direction = orderby.strip().partition(" ")
            name = spelled(name)
            keys = {at: base_values(domain.directory, at, (name,))[name] for at in positions}
            positions = sorted(
                positions,
                key=lambda at: (keys[at] is not None, (keys[at] or "").casefold(), at),
                reverse=direction.strip().lower() == "desc",
            )
        if len(cache) >= 512:
            cache.pop(next(iter(cache)))
        cache[key] = positions
    kept: Sequence[int] = cache[key]
    return kept


def _inside(domain: Domain, at: int) -> bool:
    if domain.every == (1,):
        return True
    return at < len(domain.directory) and any(every and at % every == 0 for every in domain.every)


def _has(base: Sequence[int], at: int) -> bool:
    """Whether a user matched as made at the start. Matches are in order: a set of a million would cost more."""
    place = bisect_left(base, at)
    return place < len(base) and base[place] == at


def _matches_now(domain: Domain, text: str | None, at: int) -> bool:
    user = domain.directory.edited[at]
    if user is None:
        return False
    if text is None:
        return True
    return _test(text)(user, milliseconds(user["createdDateTime"]))


@lru_cache(maxsize=512)  # asked for each user that has changed, in each request
def _test(text: str) -> Predicate:
    return predicate(parse(text))


def _still(domain: Domain, text: str | None, at: int) -> bool:
    return at not in domain.directory.edited or _matches_now(domain, text, at)


def _added(domain: Domain, text: str | None) -> list[int]:
    """The users that match only since they were created or changed."""
    directory = domain.directory
    if not directory.edited:
        return []
    base = _base(domain, text, None)
    inside = (at for at in directory.edited if _inside(domain, at))
    return [at for at in inside if not _has(base, at) and _matches_now(domain, text, at)]
