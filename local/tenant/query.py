"""What a list of users asks, and the checks that Graph makes."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from local.tenant import odata, page_tokens, rules
from local.tenant.directory import Directory
from local.tenant.errors import GraphError, bad_request, unsupported
from local.tenant.metadata import PROPERTIES, RELATIONS, spelled
from local.tenant.odata_parser import parse
from local.tenant.odata_reader import invalid

DEFAULTS = (
    *("businessPhones", "displayName", "givenName", "id", "jobTitle", "mail", "mobilePhone", "officeLocation"),
    *("preferredLanguage", "surname", "userPrincipalName"),
)
"""What comes back without $select."""
KNOWN = frozenset(("$select", "$top", "$filter", "$count", "$orderby", "$skiptoken", "$expand"))
LONGEST_ADVANCED_URL = 2048
SIGN_IN = "signInActivity"
_ORDERS = {"displayName": False, "userPrincipalName": False, "createdDateTime": True}  # name -> advanced
_EXPANDABLE = ("manager", "sponsors")
_EXPAND = re.compile(r"(?P<name>\w+)(?:\((?P<options>.*)\))?")
_PAGE_SIZE = re.compile(r"\bodata\.maxpagesize=(\d+)")


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
    expand: str | None = None


@dataclass(frozen=True, slots=True)
class Domain:
    """Whom a list is about, and what this tenant's Graph takes there.

    `every`: all of a directory (1), every third (3), or both every third and every seventh (3, 7) for the members of a
    group; 0 is nobody. `absent`: properties that the tenant's cloud lacks. `expand_page`: users of a page with $expand
    at most; `expand_eventual`: what becomes of $expand in an advanced query (taken, refused or ignored), as documents
    and clients contradict each other.
    """

    directory: Directory
    every: tuple[int, ...] = (1,)
    only_advanced: bool = False
    only_advanced_filters: bool = False
    no_advanced: bool = False
    absent: frozenset[str] = frozenset()
    expand_page: int | None = None
    expand_eventual: str = "taken"


def parse_query(params: Mapping[str, str], headers: Mapping[str, str], url_length: int, domain: Domain) -> Query:
    """Checks what a list asks, as Graph does; raises GraphError 400 with Graph's words."""
    eventual = headers.get("consistencylevel", "").lower() == "eventual"
    if "$skiptoken" in params:
        query = _read_token(params)
        if query.advanced and not eventual:
            raise bad_request("ConsistencyLevel: eventual is needed with every page of an advanced query.")
        return query
    for name in params:
        if name.startswith("$") and name not in KNOWN:
            raise bad_request(f"'{name}' is not supported by the service.")
    select = parse_select(params.get("$select"), domain.absent)
    text, orderby, expand = params.get("$filter"), params.get("$orderby"), params.get("$expand")
    counted = eventual and params.get("$count", "").lower() == "true"
    advanced = check_filter(text, domain) or domain.only_advanced
    advanced = _check_order(orderby, domain) or advanced or (text is not None and orderby is not None)
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
    if expand is not None:
        parse_expand(expand)
        if eventual and domain.expand_eventual != "taken":
            if domain.expand_eventual == "refused":
                raise unsupported("'$expand' is not supported with advanced queries.")
            expand = None
    top = _page_size(params, headers, 500 if SIGN_IN in (*select, *filtered_properties(text)) else 999)
    if expand is not None and domain.expand_page is not None:
        top = min(top, domain.expand_page)
    return Query(select, top, text, orderby, counted, advanced or counted, expand=expand)


@lru_cache(maxsize=512)  # as of a filter's tree
def filtered_properties(text: str | None) -> tuple[str, ...]:
    return odata.names(parse(text)) if text else ()


def check_filter(text: str | None, domain: Domain) -> bool:
    """Whether the $filter, if any, is an advanced one."""
    if text is None:
        return False
    for name in filtered_properties(text):
        if name in domain.absent:
            raise invalid(f"Could not find a property named '{name}' on type 'microsoft.graph.user'.")
    return _is_advanced(text) or domain.only_advanced_filters


@lru_cache(maxsize=512)
def _is_advanced(text: str) -> bool:
    return rules.check(parse(text))


def parse_select(text: str | None, absent: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The properties of $select. A relation may be named, and gives nothing."""
    if not text:
        return DEFAULTS
    names: dict[str, None] = {}
    for asked in text.split(","):
        name = spelled(asked.strip())
        if name in PROPERTIES and name not in absent:
            names[name] = None
        elif name not in RELATIONS:
            raise _no_property(asked.strip())
    return tuple(names)


def parse_expand(text: str) -> tuple[str, tuple[str, ...]]:
    """The relation of $expand, and the properties to be shown of those that it leads to: `manager($select=id)`."""
    match = _EXPAND.fullmatch(text.strip())
    if match is None:
        raise bad_request("Only one relation can be expanded in a request.")
    name = spelled(match["name"])
    if name not in RELATIONS:
        raise _no_property(match["name"])
    if name not in _EXPANDABLE:
        raise bad_request(f"'{name}' can't be expanded with this list of users.")
    select: str | None = None
    for option in filter(None, (match["options"] or "").split(";")):
        key, _, value = option.partition("=")
        if key.strip().lower() == "$levels":
            raise bad_request("'$levels' is supported for one user only.")
        if key.strip().lower() != "$select":
            raise bad_request(f"The query option '{key.strip()}' is not supported within $expand.")
        select = value
    return name, parse_select(select)


def parse_top(text: str | None, most: int, usual: int = 100) -> int:
    if text is None:
        return min(usual, most)
    if not text.isdigit():
        raise GraphError(
            400, "BadRequest", f"Invalid value '{text}' for $top query option found. It takes a non-negative integer."
        )
    if not 1 <= int(text) <= most:
        raise unsupported(f"Invalid page size specified: '{text}'. Must be between 1 and {most} inclusive.")
    return int(text)


def preferred_size(headers: Mapping[str, str]) -> int | None:
    """`Prefer: odata.maxpagesize=50`; a preference is never an error."""
    preference = _PAGE_SIZE.search(headers.get("prefer", ""))
    return int(preference[1]) if preference and int(preference[1]) else None


def _page_size(params: Mapping[str, str], headers: Mapping[str, str], most: int) -> int:
    preferred = preferred_size(headers)
    if "$top" not in params and preferred:
        return min(preferred, most)
    return parse_top(params.get("$top"), most)


def _no_property(name: str) -> GraphError:
    where = f"Could not find a property named '{name}' on type 'microsoft.graph.user'."
    return GraphError(400, "BadRequest", f"Parsing OData Select and Expand failed: {where}")


def _check_order(text: str | None, domain: Domain) -> bool:
    if text is None:
        return False
    name, _, direction = text.strip().partition(" ")
    name = spelled(name)
    if name not in _ORDERS or name in domain.absent or direction.strip().lower() not in ("", "asc", "desc"):
        raise unsupported(f"Sorting not supported for current query: '{text}'.")
    return _ORDERS[name]


def next_params(params: Mapping[str, str], query: Query) -> dict[str, str]:
    """The parameters of the next link, whose token holds `query`."""
    others = {name: value for name, value in params.items() if name != "$skiptoken"}
    return others | {"$skiptoken": page_tokens.make(asdict(query), others)}


def _read_token(params: Mapping[str, str]) -> Query:
    fields = page_tokens.read(params)
    return Query(**fields | {"select": tuple(fields["select"])})


def page_number(params: Mapping[str, str]) -> int:
    """Which page of its chain is asked, from 1: what faults go by."""
    try:
        return _read_token(params).page if "$skiptoken" in params else 1
    except GraphError:
        return 1
