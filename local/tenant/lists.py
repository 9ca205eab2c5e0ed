"""Lists of users: everyone, deleted ones, members of groups and administrative units; counts, getByIds, delta."""

import json
import uuid
from dataclasses import replace

from local.tenant import listing, permissions, query, relations
from local.tenant.calls import Answer, Asked, dump, joined, link_to, listed, read_body
from local.tenant.directory import find
from local.tenant.domains import domain_of, no_users
from local.tenant.errors import bad_request, unsupported
from local.tenant.query import Domain, Query
from local.tenant.rendering import rows
from local.tenant.tenant import Tenant

_MOST_IDS = 1000
_SOUND_SIGN_INS = 120  # users on a page of an advanced query; above, signInActivity came back empty for some (2023)


def list_users(tenant: Tenant, asked: Asked) -> Answer:
    domain = domain_of(tenant, asked)
    wanted = query.parse_query(asked.params, asked.call.headers, asked.length, domain)
    check_seen(tenant, asked, wanted.select, wanted.filter)
    if asked.fault("ignore_filter"):  # forgotten for the whole chain, as its links carry the query
        wanted = replace(wanted, filter=None)
    return page(tenant, asked, domain, wanted)


def count_users(tenant: Tenant, asked: Asked) -> Answer:
    if not asked.eventual:
        raise bad_request("$count is not currently supported.")
    if tenant.b2c:
        raise unsupported("This request is not supported by the service.")
    asked.allow("$filter")
    domain, text = domain_of(tenant, asked), asked.params.get("$filter")
    if asked.length > query.LONGEST_ADVANCED_URL:
        raise bad_request(f"The URL of an advanced query may have {query.LONGEST_ADVANCED_URL} characters.")
    query.check_filter(text, domain)
    check_seen(tenant, asked, (), text)
    lag = asked.fault("count_lag")
    number = listing.count(domain, None if asked.fault("ignore_filter") else text) + len(no_users(asked, domain))
    number = round(number * (1 + (lag.share if lag else 0)))
    if (purged := asked.fault("purged_users")) and query.SIGN_IN in query.filtered_properties(text):
        number += purged.users
    return Answer(200, str(number).encode(), {"Content-Type": "text/plain"})


def check_seen(tenant: Tenant, asked: Asked, select: tuple[str, ...], text: str | None = None) -> None:
    """Raises the 403 for a property, selected or filtered on, that this token, or this tenant, does not get."""
    filtered = query.filtered_properties(text)
    permissions.check_properties(select, filtered, asked.roles)
    if query.SIGN_IN in (*select, *filtered):
        tenant.check_premium()


def hidden(asked: Asked) -> frozenset[str]:
    """The properties that come as null, without an error."""
    name = permissions.ATTRIBUTES
    return frozenset(() if permissions.may_see(name, asked.roles) else (name,))


def selected(asked: Asked, kind: str, select: tuple[str, ...]) -> str:
    """`users` with what was selected, as a context names it."""
    return f"{kind}({','.join(select)})" if "$select" in asked.params else kind


def page(tenant: Tenant, asked: Asked, domain: Domain, wanted: Query) -> Answer:
    positions, more = listing.page_positions(domain, wanted)
    following = replace(wanted, start=wanted.start + wanted.top, page=wanted.page + 1)
    if asked.fault("empty_page"):
        positions, more, following = [], True, replace(wanted, page=wanted.page + 1)
    if asked.fault("duplicate_user"):
        before = replace(wanted, start=max(0, wanted.start - 1), top=1)
        positions = listing.page_positions(domain, before)[0] + positions
    shown = rows(domain.directory, positions, wanted.select, hidden=hidden(asked))
    if wanted.expand is not None:
        relation, inner = query.parse_expand(wanted.expand)
        added = (relations.expanded(domain.directory, at, relation, inner) for at in positions)
        shown = [joined(row, extra) for row, extra in zip(shown, added, strict=True)]
    if asked.route.pattern.endswith("members"):
        shown = [relations.marked(row) for row in shown] + ([] if more else no_users(asked, domain))
    purged = asked.fault("purged_users")
    if purged and query.SIGN_IN in query.filtered_properties(wanted.filter):
        gone = _purged(tenant, wanted, purged.users)
        shown[1:1] = gone[::2]
        shown += gone[1::2]
    if asked.fault("empty_sign_ins") and wanted.advanced and wanted.top > _SOUND_SIGN_INS:
        shown[::3] = [dump(json.loads(row) | {"signInActivity": None}) for row in shown[::3]]
    wrong = asked.fault("wrong_type")
    if wrong and shown:
        first = json.loads(shown[0])
        shown[0] = dump(first | {wrong.property or wanted.select[0]: wrong.value})
    tenant.stats.users += len(shown)
    kind = "users" if asked.route.name in ("users", "delta") else "directoryObjects"
    head = asked.context(selected(asked, kind, wanted.select))
    if wanted.count and wanted.page == 1:
        lag = asked.fault("count_lag")
        number = listing.count(domain, wanted.filter) + len(no_users(asked, domain))
        head["@odata.count"] = round(number * (1 + (lag.share if lag else 0)))
    link = link_to(asked, query.next_params(asked.params, following)) if more else None
    if asked.fault("lose_link"):
        link = None
    if asked.fault("repeat_link"):
        link = asked.call.base + asked.call.target
    if foreign := asked.fault("foreign_link"):
        link = foreign.host + (link or link_to(asked, query.next_params(asked.params, following))).removeprefix(
            asked.call.base
        )
    if link:
        head["@odata.nextLink"] = link
    return listed(head, shown, slow=True)


def _purged(tenant: Tenant, wanted: Query, users: int) -> list[bytes]:
    """Objects of users that are gone from the tenant: nothing but an id, and signInActivity where it was selected."""
    activity = {"signInActivity": {"lastSignInDateTime": "2019-04-01T08:15:00Z", "lastSignInRequestId": None}}
    shown = {name: value for name, value in activity.items() if name in wanted.select}
    ids = (uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant.seed} {wanted.start} {number}") for number in range(users))
    return [dump({"id": str(each), **shown}) for each in ids]


def get_by_ids(tenant: Tenant, asked: Asked) -> Answer:
    """Users by id, or nothing when `types` names other kinds of objects only; unknown ids are left out."""
    body = read_body(asked)
    ids, types = body.get("ids"), body.get("types")
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise bad_request("Missing or invalid value for 'ids'.")
    if types is not None and (not isinstance(types, list) or not all(isinstance(each, str) for each in types)):
        raise bad_request("Missing or invalid value for 'types'.")
    if len(ids) > _MOST_IDS:
        raise bad_request(f"The number of ids exceeds the maximum of {_MOST_IDS}.")
    for each in ids:
        try:
            uuid.UUID(each)
        except ValueError:
            raise bad_request(f"Invalid GUID:{each}") from None
    select = query.parse_select(asked.params.get("$select"), tenant.absent)
    check_seen(tenant, asked, select)
    wanted = not types or {"user", "directoryobject"} & {each.lower() for each in types}
    places = (find(tenant.directory, each) for each in dict.fromkeys(ids if wanted else ()))
    found = [at for at in places if at is not None]
    tenant.stats.users += len(found)
    shown = (relations.marked(row) for row in rows(tenant.directory, found, select, hidden=hidden(asked)))
    return listed(asked.context("directoryObjects"), shown, slow=True)
