"""Lists of users: what a query asks, the checks that Graph makes, and pages with their opaque tokens.

A page token carries its whole query and a position, so that the tenant keeps no state per chain; a link whose other
parameters were changed, or a token cut out of it, is refused. Users come in a scrambled order, as Graph promises
none.
"""

import base64
import binascii
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

from local.tenant import odata, rules
from local.tenant.directory import Directory, base_values
from local.tenant.errors import GraphError, bad_request, unsupported
from local.tenant.match import matched, milliseconds, predicate
from local.tenant.metadata import PROPERTIES, spelled
from local.tenant.people import DEFAULTS

KNOWN = frozenset(("$select", "$top", "$filter", "$count", "$orderby", "$skiptoken"))
LONGEST_ADVANCED_URL = 2048
_ORDERS = {"displayName": False, "userPrincipalName": False, "createdDateTime": True}  # name -> advanced


@dataclass(frozen=True, slots=True)
class Query:
    """One list of users as asked; `start` and `page` (from 1) say where in its chain we are."""

    select: tuple[str, ...]
    top: int
    filter: str | None
    orderby: str | None
    count: bool
    advanced: bool
    start: int = 0
    page: int = 1


@dataclass(frozen=True, slots=True)
class Domain:
    """Whom a list is about: all of a directory, or every n-th one for the members of a group (0: nobody)."""

    directory: Directory
    every: int = 1
    only_advanced_filters: bool = False
    no_advanced: bool = False


def parse_query(params: Mapping[str, str], headers: Mapping[str, str], url_length: int, domain: Domain) -> Query:
    """Checks what a list asks, as Graph does; raises GraphError 400 with Graph's words."""
    eventual = headers.get("consistencylevel", "").lower() == "eventual"
    if "$skiptoken" in params:
        query = _read_token(params)
        if query.advanced and not eventual:
            raise bad_request("ConsistencyLevel: eventual is needed with every page of an advanced query.")
        return query
    _check_names(params)
    select = parse_select(params.get("$select"))
    advanced, counted = check_filter(params, domain), params.get("$count", "").lower() == "true" and eventual
    orderby = params.get("$orderby")
    advanced = _check_order(orderby) or advanced or ("$filter" in params and orderby is not None)
    if (advanced or counted) and domain.no_advanced:
        raise unsupported("This request is not supported by the service.")
    if advanced and not counted:
        raise unsupported(
            "Unsupported Query: this query needs the header 'ConsistencyLevel: eventual' and '$count=true'."
        )
    if advanced and url_length > LONGEST_ADVANCED_URL:
        raise bad_request(
            f"The URL of an advanced query may have {LONGEST_ADVANCED_URL} characters, this one has {url_length}."
        )
    most = 500 if "signInActivity" in select or filters_sign_ins(params.get("$filter")) else 999
    top = parse_top(params.get("$top"), most)
    return Query(select, top, params.get("$filter"), orderby, counted, advanced or counted)


def check_filter(params: Mapping[str, str], domain: Domain) -> bool:
    """Whether the $filter, if any, is an advanced one."""
    text = params.get("$filter")
    if text is None:
        return False
    return rules.check(odata.parse(text)) or domain.only_advanced_filters


def filters_sign_ins(text: str | None) -> bool:
    return text is not None and "signInActivity" in odata.names(odata.parse(text))


def parse_select(text: str | None) -> tuple[str, ...]:
    if not text:
        return DEFAULTS
    found: dict[str, None] = {}
    for asked in text.split(","):
        name = spelled(asked.strip())
        if name not in PROPERTIES:
            where = f"Could not find a property named '{asked.strip()}' on type 'microsoft.graph.user'."
            raise GraphError(400, "BadRequest", f"Parsing OData Select and Expand failed: {where}")
        found[name] = None
    return tuple(found)


def parse_top(text: str | None, most: int) -> int:
    if text is None:
        return 100
    if not text.isdigit():
        raise GraphError(
            400, "BadRequest", f"Invalid value '{text}' for $top query option found. It takes a non-negative integer."
        )
    if not 1 <= int(text) <= most:
        raise unsupported(f"Invalid page size specified: '{text}'. Must be between 1 and {most} inclusive.")
    return int(text)


def page_positions(domain: Domain, query: Query) -> tuple[list[int], bool]:
    """The users of this page, as positions in the directory, and whether more may follow."""
    directory = domain.directory
    base = _base(domain, query.filter, query.orderby)
    found = [at for at in _slice(base, query) if _still(domain, query.filter, at)]
    end = query.start + query.top
    if directory.edited and len(found) < query.top:
        added = _added(domain, query.filter)
        start = max(0, query.start - len(base))
        found += islice(added, start, start + query.top - max(0, min(query.top, len(base) - query.start)))
        return found, end < len(base) + len(added)
    return found, end < len(base) or bool(directory.edited and _added(domain, query.filter))


def count(domain: Domain, text: str | None) -> int:
    """How many users match now."""
    base = _base(domain, text, None)
    edited = domain.directory.edited
    gone = sum(_was_in(domain, text, at) and not _still(domain, text, at) for at in edited)
    return len(base) - gone + len(_added(domain, text))


def next_params(params: Mapping[str, str], query: Query) -> dict[str, str]:
    """The parameters of the next link, whose token stands at `query`."""
    others = {name: value for name, value in params.items() if name != "$skiptoken"}
    return others | {"$skiptoken": _token(query, others)}


def _check_names(params: Mapping[str, str]) -> None:
    for name in params:
        if name == "$expand":
            raise bad_request("The query parameter '$expand' is not supported with this list of users.")
        if name.startswith("$") and name not in KNOWN:
            raise bad_request(f"'{name}' is not supported by the service.")


def _check_order(text: str | None) -> bool:
    if text is None:
        return False
    name, _, direction = text.partition(" ")
    if name not in _ORDERS or direction not in ("", "asc", "desc"):
        raise unsupported(f"Sorting not supported for current query: '{text}'.")
    return _ORDERS[name]


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
        found: Sequence[int] = matched(domain.directory, odata.parse(text) if text else None)
        if domain.every != 1:
            found = [at for at in found if _inside(domain, at)]
        if orderby:
            name, _, direction = orderby.partition(" ")
            keys = {at: base_values(domain.directory, at, (name,))[name] for at in found}
            found = sorted(
                found,
                key=lambda at: (keys[at] is not None, (keys[at] or "").casefold(), at),
                reverse=direction == "desc",
            )
        if len(cache) >= 512:
            cache.pop(next(iter(cache)))
        cache[key] = found
    kept: Sequence[int] = cache[key]
    return kept


def _inside(domain: Domain, at: int) -> bool:
    if domain.every == 1:
        return True
    return domain.every > 1 and at < len(domain.directory) and at % domain.every == 0


def _was_in(domain: Domain, text: str | None, at: int) -> bool:
    """Whether a user matched as made at the start: looked at again, as a set of a million matches costs more."""
    directory = domain.directory
    if at >= len(directory) or not _inside(domain, at):
        return False
    if text is None:
        return True
    tree = odata.parse(text)
    created = None if at < directory.nulls else directory.created[at]
    return predicate(tree)(base_values(directory, at, odata.names(tree)), created)


def _matches_now(domain: Domain, text: str | None, at: int) -> bool:
    user = domain.directory.edited[at]
    if user is None:
        return False
    if text is None:
        return True
    return predicate(odata.parse(text))(user, milliseconds(user["createdDateTime"]))


def _still(domain: Domain, text: str | None, at: int) -> bool:
    return at not in domain.directory.edited or _matches_now(domain, text, at)


def _added(domain: Domain, text: str | None) -> list[int]:
    """The users that match only since they were created or changed."""
    directory = domain.directory
    if not directory.edited:
        return []
    inside = (at for at in directory.edited if _inside(domain, at))
    return [at for at in inside if not _was_in(domain, text, at) and _matches_now(domain, text, at)]


def _token(query: Query, others: Mapping[str, str]) -> str:
    body = json.dumps([asdict(query), _mark(others)], separators=(",", ":")).encode()
    return "RFNwdAIAAQ" + base64.urlsafe_b64encode(
        zlib.compress(zlib.crc32(body).to_bytes(4, "big") + body)
    ).decode().rstrip("=")


def _mark(others: Mapping[str, str]) -> int:
    return zlib.crc32(json.dumps(sorted(others.items())).encode())


def _read_token(params: Mapping[str, str]) -> Query:
    text = params["$skiptoken"].removeprefix("RFNwdAIAAQ")
    others = {name: value for name, value in params.items() if name != "$skiptoken"}
    try:
        raw = zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        fields, mark = json.loads(raw[4:])
    except (ValueError, zlib.error, binascii.Error):
        raise bad_request("The page token is not valid.") from None
    if zlib.crc32(raw[4:]).to_bytes(4, "big") != raw[:4] or mark != _mark(others):
        raise bad_request("The page token is not valid.")
    return Query(**fields | {"select": tuple(fields["select"])})


def page_number(params: Mapping[str, str]) -> int:
    """Which page of its chain is asked, from 1: what faults go by."""
    try:
        return _read_token(params).page if "$skiptoken" in params else 1
    except GraphError:
        return 1
