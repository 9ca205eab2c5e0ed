"""What each route of Graph answers: lists of users, counts, one user, its sign-in methods, getByIds, delta."""

import base64
import json
import uuid
import zlib
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from local.tenant import listing, odata
from local.tenant.calls import JSON, Answer, Asked, dump, json_answer, link_to, read_body
from local.tenant.directory import find, methods_text, rows, user_id
from local.tenant.errors import GraphError, bad_request, not_found, unsupported
from local.tenant.listing import Domain, Query
from local.tenant.metadata import ABSENT
from local.tenant.tenant import GROUPS, Tenant

_MOST_IDS = 1000
_DELTA_PAGE = 200
_SOUND_SIGN_INS = 120  # users on a page of an advanced query; above, signInActivity came back empty for some (2023)
_METHOD_ERRORS = (
    (403, "accessDenied", "Request Authorization failed"),
    (404, "resourceNotFound", "User not found"),
    (500, "internalServerError", "An internal server error occurred."),
)


def _domain(tenant: Tenant, path: tuple[str, ...]) -> Domain:
    if path[1] == "directory":
        return Domain(tenant.bin, no_advanced=tenant.b2c)
    if path[1] == "users":
        return tenant.everyone()
    if path[2] not in GROUPS:
        raise not_found(path[2])
    return Domain(tenant.directory, GROUPS[path[2]], only_advanced_filters=True, no_advanced=tenant.b2c)


def list_users(tenant: Tenant, asked: Asked) -> Answer:
    domain = _domain(tenant, asked.path)
    length = len(asked.call.base) + len(asked.call.target)
    query = listing.parse_query(asked.params, asked.call.headers, length, domain)
    _check_cloud(tenant, asked)
    _check_sign_in(tenant, query)
    if asked.fault("ignore_filter"):  # forgotten for the whole chain, as its links carry the query
        query = replace(query, filter=None)
    return _page(tenant, asked, domain, query)


def _check_sign_in(tenant: Tenant, query: Query) -> None:
    if "signInActivity" not in query.select and not listing.filters_sign_ins(query.filter):
        return
    if "signin" in tenant.deny:
        message = (
            "The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All to call this API."
        )
        raise GraphError(403, "Authentication_MSGraphPermissionMissing", message)
    if not tenant.premium or tenant.b2c:
        message = "Neither tenant is B2C or tenant doesn't have premium license"
        raise GraphError(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", message)


def _check_cloud(tenant: Tenant, asked: Asked) -> None:
    """National clouds lack properties: there these are unknown names."""
    absent = ABSENT.get(tenant.cloud, [])
    text = asked.params.get("$filter")
    filtered = odata.names(odata.parse(text)) if absent and text else ()
    for name in absent:
        missing = f"Could not find a property named '{name}' on type 'microsoft.graph.user'."
        if "$select" in asked.params and name in listing.parse_select(asked.params["$select"]):
            raise GraphError(400, "BadRequest", f"Parsing OData Select and Expand failed: {missing}")
        if name in filtered:
            raise odata.invalid(missing)
        if name in asked.params.get("$orderby", ""):
            raise GraphError(400, "BadRequest", missing)


def _purged(tenant: Tenant, query: Query, users: int) -> list[bytes]:
    """Objects of users that are gone from the tenant: nothing but an id, and signInActivity where it was selected."""
    activity = {"signInActivity": {"lastSignInDateTime": "2019-04-01T08:15:00Z", "lastSignInRequestId": None}}
    shown = {name: value for name, value in activity.items() if name in query.select}
    ids = (uuid.uuid5(uuid.NAMESPACE_OID, f"{tenant.seed} {query.start} {number}") for number in range(users))
    return [dump({"id": str(each), **shown}) for each in ids]


def _page(tenant: Tenant, asked: Asked, domain: Domain, query: Query) -> Answer:
    positions, more = listing.page_positions(domain, query)
    following = replace(query, start=query.start + query.top, page=query.page + 1)
    if asked.fault("empty_page"):
        positions, more, following = [], True, replace(query, page=query.page + 1)
    if asked.fault("duplicate_user"):
        before = replace(query, start=max(0, query.start - 1), top=1)
        positions = listing.page_positions(domain, before)[0] + positions
    shown = rows(domain.directory, positions, query.select)
    purged = asked.fault("purged_users")
    if purged and listing.filters_sign_ins(query.filter):
        gone = _purged(tenant, query, purged.users)
        shown[1:1] = gone[::2]
        shown += gone[1::2]
    if asked.fault("empty_sign_ins") and query.advanced and query.top > _SOUND_SIGN_INS:
        shown[::3] = [dump(json.loads(row) | {"signInActivity": None}) for row in shown[::3]]
    wrong = asked.fault("wrong_type")
    if wrong and shown:
        first = json.loads(shown[0])
        shown[0] = dump(first | {wrong.property or query.select[0]: wrong.value})
    tenant.stats.users += len(shown)
    path = "/" + "/".join(asked.path[1:])
    kind = "users" if path == "/users" else "directoryObjects"
    head: dict[str, object] = {"@odata.context": _context(asked, kind, query)}
    if query.count and query.page == 1:
        lag = asked.fault("count_lag")
        head["@odata.count"] = round(listing.count(domain, query.filter) * (1 + (lag.share if lag else 0)))
    link = link_to(asked, listing.next_params(asked.params, following)) if more else None
    if asked.fault("lose_link"):
        link = None
    if asked.fault("repeat_link"):
        link = asked.call.base + asked.call.target
    if foreign := asked.fault("foreign_link"):
        link = foreign.host + (link or link_to(asked, listing.next_params(asked.params, following))).removeprefix(
            asked.call.base
        )
    if link:
        head["@odata.nextLink"] = link
    return Answer(200, dump(head)[:-1] + b',"value":[' + b",".join(shown) + b"]}", {"Content-Type": JSON}, slow=True)


def _context(asked: Asked, kind: str, query: Query) -> str:
    chosen = f"({','.join(query.select)})" if "$select" in asked.params else ""
    return f"{asked.call.base}/v1.0/$metadata#{kind}{chosen}"


def count_users(tenant: Tenant, asked: Asked) -> Answer:
    if asked.call.headers.get("consistencylevel", "").lower() != "eventual":
        raise bad_request("$count is not currently supported.")
    if tenant.b2c:
        raise unsupported("This request is not supported by the service.")
    for name in asked.params:
        if name.startswith("$") and name != "$filter":
            raise bad_request(f"'{name}' is not supported by the service.")
    domain = _domain(tenant, asked.path)
    if len(asked.call.base) + len(asked.call.target) > listing.LONGEST_ADVANCED_URL:
        raise bad_request(f"The URL of an advanced query may have {listing.LONGEST_ADVANCED_URL} characters.")
    listing.check_filter(asked.params, domain)
    _check_cloud(tenant, asked)
    _check_sign_in(tenant, Query((), 1, asked.params.get("$filter"), None, count=True, advanced=True))
    lag = asked.fault("count_lag")
    text = None if asked.fault("ignore_filter") else asked.params.get("$filter")
    number = round(listing.count(domain, text) * (1 + (lag.share if lag else 0)))
    if (purged := asked.fault("purged_users")) and listing.filters_sign_ins(text):
        number += purged.users
    return Answer(200, str(number).encode(), {"Content-Type": "text/plain"})


def _find(tenant: Tenant, name: str) -> int:
    at = find(tenant.directory, name)
    if at is None:
        raise not_found(name)
    return at


def one_user(tenant: Tenant, asked: Asked) -> Answer:
    for name in asked.params:
        if name.startswith("$") and name != "$select":
            raise bad_request(f"'{name}' is not supported by the service.")
    _check_cloud(tenant, asked)
    select = listing.parse_select(asked.params.get("$select"))
    query = Query(select, 1, None, None, count=False, advanced=False)
    _check_sign_in(tenant, query)
    if "signInActivity" in select and not _is_guid(asked.path[2]):
        raise GraphError(400, "BadRequest", "Get By Key only supports UserId and the key has to be a valid Guid")
    at = _find(tenant, asked.path[2])
    tenant.stats.users += 1
    [row] = rows(tenant.directory, [at], select)
    head = dump({"@odata.context": _context(asked, "users", query) + "/$entity"})
    return Answer(200, head[:-1] + b"," + row[1:], {"Content-Type": JSON})


def methods(tenant: Tenant, asked: Asked) -> Answer:
    if "authentication" in ABSENT.get(tenant.cloud, []):
        raise GraphError(400, "BadRequest", "Resource not found for the segment 'authentication'.")
    if "authentication" in tenant.deny or tenant.b2c:
        raise GraphError(403, "accessDenied", "Request Authorization failed")
    for name in asked.params:
        raise bad_request(f"The query option '{name}' is not allowed.")
    at = _find(tenant, asked.path[2])
    chance = zlib.crc32(f"{tenant.seed} {at}".encode())
    if chance / 2**32 < tenant.method_errors:
        raise GraphError(*_METHOD_ERRORS[chance % 3])
    kind = {"phoneMethods": "phoneAuth", "emailMethods": "emailAuth"}.get(asked.path[4], "")
    value = [method for method in json.loads(methods_text(tenant.directory, at)) if kind in method["@odata.type"]]
    where = f"#users('{quote(user_id(tenant.directory, at))}')/authentication/{asked.path[4]}"
    return json_answer({"@odata.context": f"{asked.call.base}/v1.0/$metadata{where}", "value": value})


def _is_guid(text: str) -> bool:
    try:
        return bool(uuid.UUID(text))
    except ValueError:
        return False


def get_by_ids(tenant: Tenant, asked: Asked) -> Answer:
    ids = read_body(asked).get("ids")
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise bad_request("Missing or invalid value for 'ids'.")
    if len(ids) > _MOST_IDS:
        raise bad_request(f"The number of ids exceeds the maximum of {_MOST_IDS}.")
    for each in ids:
        if not _is_guid(each):
            raise bad_request(f"Invalid GUID:{each}")
    _check_cloud(tenant, asked)
    select = listing.parse_select(asked.params.get("$select"))
    found = [at for at in (find(tenant.directory, each) for each in dict.fromkeys(ids)) if at is not None]
    tenant.stats.users += len(found)
    shown = [b'{"@odata.type":"#microsoft.graph.user",' + row[1:] for row in rows(tenant.directory, found, select)]
    head = dump({"@odata.context": f"{asked.call.base}/v1.0/$metadata#directoryObjects"})
    return Answer(200, head[:-1] + b',"value":[' + b",".join(shown) + b"]}", {"Content-Type": JSON}, slow=True)


def delta(tenant: Tenant, asked: Asked) -> Answer:
    """`latest` gives a link from now on; that link gives the users changed since; without a token everyone comes
    first, page by page.
    """
    params = asked.params
    for name, asked_for in params.items():
        allowed = name in ("$select", "$deltatoken", "$skiptoken") or (
            name == "$filter" and asked_for.startswith("id eq ")
        )
        if name.startswith("$") and not allowed:
            raise bad_request(f"The query option '{name}' is not supported with delta.")
    _check_cloud(tenant, asked)
    domain, kept = tenant.everyone(), {name: value for name, value in params.items() if name in ("$select", "$filter")}
    latest = link_to(asked, kept | {"$deltatoken": _delta_token(len(tenant.changes))})
    mark = params.get("$deltatoken")
    if mark is None:
        query = replace(listing.parse_query(kept | params, asked.call.headers, 0, domain), top=_DELTA_PAGE)
        page = json.loads(_page(tenant, asked, domain, query).body)
        return json_answer(page if "@odata.nextLink" in page else page | {"@odata.deltaLink": latest}, slow=True)
    select = listing.parse_select(params.get("$select"))
    since = len(tenant.changes) if mark == "latest" else _since(mark)
    value: list[dict[str, Any]] = []
    for at in dict.fromkeys(tenant.changes[since:]):
        removed = tenant.directory.edited.get(at, {}) is None
        gone = {"id": user_id(tenant.directory, at), "@removed": {"reason": "changed"}}
        value.append(gone if removed else json.loads(rows(tenant.directory, [at], select)[0]))
    context = f"{asked.call.base}/v1.0/$metadata#users/$delta"
    return json_answer({"@odata.context": context, "@odata.deltaLink": latest, "value": value}, slow=True)


def _delta_token(version: int) -> str:
    return base64.urlsafe_b64encode(f"delta {version}".encode()).decode().rstrip("=")


def _since(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).removeprefix(b"delta "))
    except ValueError:
        raise bad_request("The delta token is not valid.") from None
