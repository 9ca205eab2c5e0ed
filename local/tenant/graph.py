"""Microsoft Graph's answers: `answer(tenant, call)` takes a request and gives status, headers and body; no sockets in
here.

A request passes, in this order: the bearer token, injected faults, the limits, the route. A batch sends each of its
requests through the same door.
"""

import base64
import json
import random
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from local.tenant import listing, throttle
from local.tenant.directory import find, methods_text, rows, user_id
from local.tenant.errors import GraphError, bad_request, not_found, unsupported
from local.tenant.faults import Rule
from local.tenant.listing import Domain, Query
from local.tenant.tenant import GROUPS, Tenant

_JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_PLAIN = "$(),:'"  # need no escape within a query
_MOST_IDS = 1000
_MOST_IN_BATCH = 20
_DELTA_PAGE = 200
_FAULT_CODES = {
    401: "InvalidAuthenticationToken",
    410: "resyncRequired",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
_METHOD_ERRORS = (
    (403, "accessDenied", "Request Authorization failed"),
    (404, "resourceNotFound", "User not found"),
    (500, "internalServerError", "An internal server error occurred."),
)
_TOKEN_ERRORS = {
    "Directory_ExpiredPageToken": "The specified page token value has expired and can no longer be included.",
    "DirectoryPageTokenNotFoundException": "The specified page token was not found.",
    "Request_BadRequest": "The page token is not valid.",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request: `target` is the path and query as sent, header names are in lower case, `base` is scheme and host."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    base: str = "http://graph.invalid"
    within_batch: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False  # a page or a batch: the server's latency is for these
    wire: tuple[Rule, ...] = ()  # faults that only the server can do: reset, hang, truncate


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call, taken apart."""

    call: Call
    path: tuple[str, ...]
    params: dict[str, str]
    faults: tuple[Rule, ...] = ()

    def fault(self, kind: str) -> Rule | None:
        return next((rule for rule in self.faults if rule.kind == kind), None)


def answer(tenant: Tenant, call: Call) -> Answer:
    """What Graph would say to this request."""
    request_id = str(uuid.uuid4())
    path, _, query = call.target.partition("#")[0].partition("?")
    parts = tuple(unquote(part) for part in path.strip("/").split("/"))
    asked = _Asked(call, parts, dict(parse_qsl(query, keep_blank_values=True)))
    route = _route(parts)
    tenant.stats.requests[route] = tenant.stats.requests.get(route, 0) + 1
    try:
        found = _admit(tenant, asked, route)
    except GraphError as error:
        tenant.stats.errors += 1
        tenant.stats.throttled += error.status == 429
        found = _refusal(error, request_id, call.headers.get("client-request-id", request_id))
    return replace(found, headers={"request-id": request_id, **_usage(tenant), **found.headers})


def _admit(tenant: Tenant, asked: _Asked, route: str) -> Answer:
    call = asked.call
    token = _check_token(tenant, call.headers.get("authorization", ""))
    page = listing.page_number(asked.params)
    faults = tuple(tenant.faults.hits(call.target, page, call.within_batch))
    asked = replace(asked, faults=faults)
    wire = tuple(rule for rule in faults if rule.kind in ("reset", "hang", "truncate"))
    if any(rule.kind in ("reset", "hang") for rule in wire):
        return Answer(503, b"", wire=wire)
    for rule in faults:
        _fail(tenant, rule, token)
    _limit(tenant, asked, route)
    found = _dispatch(tenant, asked, route)
    return replace(found, wire=wire)


def _check_token(tenant: Tenant, header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise GraphError(
            401, "InvalidAuthenticationToken", "Access token is empty.", {"WWW-Authenticate": 'Bearer realm=""'}
        )
    if token not in tenant.stats.tokens and len(tenant.stats.tokens) < 100:
        tenant.stats.tokens.append(token)
    if token in tenant.revoked:
        message = "Lifetime validation failed, the token is expired."
        raise GraphError(401, "InvalidAuthenticationToken", message, {"WWW-Authenticate": 'Bearer realm=""'})
    return token


def _fail(tenant: Tenant, rule: Rule, token: str) -> None:
    wait = {} if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
    if rule.kind == "throttle":
        raise GraphError(429, "TooManyRequests", "Too Many Requests", wait)
    if rule.kind == "status":
        code = rule.code or _FAULT_CODES.get(rule.status, "UnknownError")
        raise GraphError(rule.status, code, "An injected fault of the simulated tenant.", wait)
    if rule.kind == "unauthorized":
        if rule.revoke:
            tenant.revoked.add(token)
        raise GraphError(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
    if rule.kind == "expired_token":
        code = rule.code or "Directory_ExpiredPageToken"
        raise GraphError(400, code, _TOKEN_ERRORS.get(code, code))


def _limit(tenant: Tenant, asked: _Asked, route: str) -> None:
    if route == "batch":  # each of its requests pays for itself
        return
    due = [("identity", throttle.cost(route, asked.params), "Tenant_Application/ReadWrite")]
    if route == "methods":
        due.append(("methods", 1, "Tenant_Application/authenticationMethod"))
    if "signInActivity" in asked.params.get("$select", ""):
        due.append(("signin", 1, "Tenant_Application/signInActivity"))
    for name, cost, scope in due:
        wait = tenant.buckets[name].take(cost)
        if wait is not None:
            raise throttle.too_many(wait, scope)


def _usage(tenant: Tenant) -> dict[str, str]:
    used = tenant.buckets["identity"].used()
    return {"x-ms-throttle-limit-percentage": f"{used:.1f}"} if used >= 0.8 else {}


def _refusal(error: GraphError, request_id: str, client_id: str) -> Answer:
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    inner = {"date": date, "request-id": request_id, "client-request-id": client_id}
    body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    headers = {"Content-Type": "application/json", "client-request-id": client_id, **error.headers}
    return Answer(error.status, json.dumps(body, ensure_ascii=False).encode(), headers)


def _route(path: tuple[str, ...]) -> str:
    """The kind of a request, by the path: the names that the statistics use."""
    if path[0] != "v1.0":
        return "unknown"
    name = "unknown"
    match path[1:]:
        case ["users"]:
            name = "users"
        case ["users", "$count"]:
            name = "count"
        case ["users", "delta" | "delta()" | "microsoft.graph.delta()"]:
            name = "delta"
        case ["users", _]:
            name = "user"
        case ["users", _, "authentication", "methods" | "phoneMethods" | "emailMethods"]:
            name = "methods"
        case ["$batch"]:
            name = "batch"
        case ["directoryObjects", "getByIds" | "microsoft.graph.getByIds"]:
            name = "getByIds"
        case ["directory", "deletedItems", "microsoft.graph.user" | "graph.user"]:
            name = "deletedItems"
        case ["groups", _, "members", "microsoft.graph.user" | "graph.user"]:
            name = "members"
        case ["groups", _, "members", "microsoft.graph.user" | "graph.user", "$count"]:
            name = "count"
    return name


def _dispatch(tenant: Tenant, asked: _Asked, route: str) -> Answer:
    if route == "unknown":
        what = asked.path[1] if len(asked.path) > 1 else ""
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{what}'.")
    if asked.call.method != ("POST" if route in ("batch", "getByIds") else "GET"):
        raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
    routes = {"users": _list, "members": _list, "deletedItems": _list, "count": _count, "delta": _delta, "user": _user}
    others = {"methods": _methods, "batch": _batch, "getByIds": _get_by_ids}
    return (routes | others)[route](tenant, asked)


def _domain(tenant: Tenant, path: tuple[str, ...]) -> Domain:
    if path[1] == "directory":
        return Domain(tenant.bin, no_advanced=tenant.b2c)
    if path[1] == "users":
        return tenant.everyone()
    if path[2] not in GROUPS:
        raise not_found(path[2])
    return Domain(tenant.directory, GROUPS[path[2]], only_advanced_filters=True, no_advanced=tenant.b2c)


def _list(tenant: Tenant, asked: _Asked) -> Answer:
    domain = _domain(tenant, asked.path)
    length = len(asked.call.base) + len(asked.call.target)
    query = listing.parse_query(asked.params, asked.call.headers, length, domain)
    _check_sign_in(tenant, query)
    if asked.fault("ignore_filter"):  # forgotten for the whole chain, as its links carry the query
        query = replace(query, filter=None)
    return _page(tenant, asked, domain, query)


def _check_sign_in(tenant: Tenant, query: Query) -> None:
    if "signInActivity" not in query.select:
        return
    if "signin" in tenant.deny:
        message = (
            "The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All to call this API."
        )
        raise GraphError(403, "Authentication_MSGraphPermissionMissing", message)
    if not tenant.premium or tenant.b2c:
        message = "Neither tenant is B2C or tenant doesn't have premium license"
        raise GraphError(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", message)


def _page(tenant: Tenant, asked: _Asked, domain: Domain, query: Query) -> Answer:
    positions, more = listing.page_positions(domain, query)
    following = replace(query, start=query.start + query.top, page=query.page + 1)
    if asked.fault("empty_page"):
        positions, more, following = [], True, replace(query, page=query.page + 1)
    if asked.fault("duplicate_user"):
        before = replace(query, start=max(0, query.start - 1), top=1)
        positions = listing.page_positions(domain, before)[0] + positions
    shown = rows(domain.directory, positions, query.select)
    wrong = asked.fault("wrong_type")
    if wrong and shown:
        first = json.loads(shown[0])
        shown[0] = _dump(first | {wrong.property or query.select[0]: wrong.value})
    tenant.stats.users += len(shown)
    path = "/" + "/".join(asked.path[1:])
    kind = "users" if path == "/users" else "directoryObjects"
    head: dict[str, object] = {"@odata.context": _context(asked, kind, query)}
    if query.count and query.page == 1:
        lag = asked.fault("count_lag")
        head["@odata.count"] = round(listing.count(domain, query.filter) * (1 + (lag.share if lag else 0)))
    link = _link(asked, listing.next_params(asked.params, following)) if more else None
    if asked.fault("repeat_link"):
        link = asked.call.base + asked.call.target
    if foreign := asked.fault("foreign_link"):
        link = foreign.host + (link or _link(asked, listing.next_params(asked.params, following))).removeprefix(
            asked.call.base
        )
    if link:
        head["@odata.nextLink"] = link
    return Answer(200, _dump(head)[:-1] + b',"value":[' + b",".join(shown) + b"]}", {"Content-Type": _JSON}, slow=True)


def _context(asked: _Asked, kind: str, query: Query) -> str:
    chosen = f"({','.join(query.select)})" if "$select" in asked.params else ""
    return f"{asked.call.base}/v1.0/$metadata#{kind}{chosen}"


def _link(asked: _Asked, params: Mapping[str, str]) -> str:
    path = asked.call.target.partition("?")[0]
    return f"{asked.call.base}{path}?{urlencode(params, quote_via=quote, safe=_PLAIN)}"


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _json(value: object, status: int = 200, slow: bool = False) -> Answer:
    return Answer(status, _dump(value), {"Content-Type": _JSON}, slow=slow)


def _count(tenant: Tenant, asked: _Asked) -> Answer:
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
    lag = asked.fault("count_lag")
    text = None if asked.fault("ignore_filter") else asked.params.get("$filter")
    number = round(listing.count(domain, text) * (1 + (lag.share if lag else 0)))
    return Answer(200, str(number).encode(), {"Content-Type": "text/plain"})


def _find(tenant: Tenant, name: str) -> int:
    at = find(tenant.directory, name)
    if at is None:
        raise not_found(name)
    return at


def _user(tenant: Tenant, asked: _Asked) -> Answer:
    for name in asked.params:
        if name.startswith("$") and name != "$select":
            raise bad_request(f"'{name}' is not supported by the service.")
    at = _find(tenant, asked.path[2])
    select = listing.parse_select(asked.params.get("$select"))
    query = Query(select, 1, None, None, count=False, advanced=False)
    _check_sign_in(tenant, query)
    tenant.stats.users += 1
    [row] = rows(tenant.directory, [at], select)
    head = _dump({"@odata.context": _context(asked, "users", query) + "/$entity"})
    return Answer(200, head[:-1] + b"," + row[1:], {"Content-Type": _JSON})


def _methods(tenant: Tenant, asked: _Asked) -> Answer:
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
    return _json({"@odata.context": f"{asked.call.base}/v1.0/$metadata{where}", "value": value})


def _get_by_ids(tenant: Tenant, asked: _Asked) -> Answer:
    ids = _body(asked).get("ids")
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise bad_request("Missing or invalid value for 'ids'.")
    if len(ids) > _MOST_IDS:
        raise bad_request(f"The number of ids exceeds the maximum of {_MOST_IDS}.")
    for each in ids:
        try:
            uuid.UUID(each)
        except ValueError:
            raise bad_request(f"Invalid GUID:{each}") from None
    select = listing.parse_select(asked.params.get("$select"))
    found = [at for at in (find(tenant.directory, each) for each in dict.fromkeys(ids)) if at is not None]
    tenant.stats.users += len(found)
    shown = [b'{"@odata.type":"#microsoft.graph.user",' + row[1:] for row in rows(tenant.directory, found, select)]
    head = _dump({"@odata.context": f"{asked.call.base}/v1.0/$metadata#directoryObjects"})
    return Answer(200, head[:-1] + b',"value":[' + b",".join(shown) + b"]}", {"Content-Type": _JSON}, slow=True)


def _delta(tenant: Tenant, asked: _Asked) -> Answer:
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
    domain, kept = tenant.everyone(), {name: value for name, value in params.items() if name in ("$select", "$filter")}
    latest = _link(asked, kept | {"$deltatoken": _delta_token(len(tenant.changes))})
    mark = params.get("$deltatoken")
    if mark is None:
        query = replace(listing.parse_query(kept | params, asked.call.headers, 0, domain), top=_DELTA_PAGE)
        page = json.loads(_page(tenant, asked, domain, query).body)
        return _json(page if "@odata.nextLink" in page else page | {"@odata.deltaLink": latest}, slow=True)
    select = listing.parse_select(params.get("$select"))
    since = len(tenant.changes) if mark == "latest" else _since(mark)
    value: list[dict[str, Any]] = []
    for at in dict.fromkeys(tenant.changes[since:]):
        removed = tenant.directory.edited.get(at, {}) is None
        gone = {"id": user_id(tenant.directory, at), "@removed": {"reason": "changed"}}
        value.append(gone if removed else json.loads(rows(tenant.directory, [at], select)[0]))
    context = f"{asked.call.base}/v1.0/$metadata#users/$delta"
    return _json({"@odata.context": context, "@odata.deltaLink": latest, "value": value}, slow=True)


def _delta_token(version: int) -> str:
    return base64.urlsafe_b64encode(f"delta {version}".encode()).decode().rstrip("=")


def _since(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).removeprefix(b"delta "))
    except ValueError:
        raise bad_request("The delta token is not valid.") from None


def _body(asked: _Asked) -> dict[str, Any]:
    try:
        body = json.loads(asked.call.body)
    except ValueError:
        raise GraphError(400, "BadRequest", "Unable to read JSON request payload.") from None
    if not isinstance(body, dict):
        raise GraphError(400, "BadRequest", "Unable to read JSON request payload.")
    return body


def _batch(tenant: Tenant, asked: _Asked) -> Answer:
    """Up to 20 requests, each with its own answer; the answers come in any order."""
    requests = _body(asked).get("requests")
    if not isinstance(requests, list) or not requests or not all(isinstance(each, dict) for each in requests):
        raise GraphError(400, "BadRequest", "Invalid batch payload format.")
    if len(requests) > _MOST_IN_BATCH:
        raise GraphError(
            400, "BadRequest", f"Number of batch request steps exceeds the maximum value of {_MOST_IN_BATCH}."
        )
    ids = [each.get("id") for each in requests]
    if not all(isinstance(each, str) and each for each in ids) or len({each.lower() for each in ids}) != len(ids):
        raise GraphError(400, "BadRequest", "Every request of a batch needs an id of its own.")
    responses = [_batch_item(tenant, asked, each) for each in requests]
    random.Random(f"{tenant.seed} {tenant.stats.requests['batch']}").shuffle(responses)
    return _json({"responses": responses}, slow=True)


def _batch_item(tenant: Tenant, asked: _Asked, item: dict[str, Any]) -> dict[str, Any]:
    url = str(item.get("url", ""))
    target = "/v1.0/" + url.lstrip("/")
    headers = {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
    headers["authorization"] = asked.call.headers.get("authorization", "")
    if url.startswith("http") or "$batch" in url:
        target = "/v1.0/" + quote(url, safe="")  # an absolute URL or a nested batch: no such resource
    body = _dump(item["body"]) if "body" in item else b""
    call = Call(str(item.get("method", "GET")).upper(), target, headers, body, asked.call.base, within_batch=True)
    found = answer(tenant, call)
    shown: Any = None
    if found.headers.get("Content-Type") == "text/plain":
        shown = json.loads(found.body) if tenant.batch_text == "number" else base64.b64encode(found.body).decode()
    elif found.body:
        shown = json.loads(found.body)
    return {"id": item["id"], "status": found.status, "headers": dict(found.headers), "body": shown}
