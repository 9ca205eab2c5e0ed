"""Microsoft Graph's answers: `answer(tenant, call)` takes a request and gives status, headers and body; no sockets in
here.

A request passes, in this order: the bearer token, injected faults, the limits, the route. A batch sends each of its
requests through the same door.
"""

import base64
import json
import random
import re
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from local.tenant import listing, throttle
from local.tenant.calls import Answer, Asked, Call, dump, json_answer, read_body
from local.tenant.errors import GraphError
from local.tenant.faults import ON_THE_WIRE, Rule
from local.tenant.resources import count_users, delta, get_by_ids, list_users, methods, one_user
from local.tenant.spoil import in_place, spoiled
from local.tenant.tenant import Tenant

_MOST_IN_BATCH = 20
_KEYED = re.compile(r"(\w+)\('((?:[^']|'')*)'\)")
_FAULT_CODES = {
    401: "InvalidAuthenticationToken",
    410: "resyncRequired",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
_TOKEN_ERRORS = {
    "Directory_ExpiredPageToken": "The specified page token value has expired and can no longer be included.",
    "DirectoryPageTokenNotFoundException": "The specified page token was not found.",
    "Request_BadRequest": "The page token is not valid.",
}


def answer(tenant: Tenant, call: Call) -> Answer:
    """What Graph would say to this request."""
    request_id = str(uuid.uuid4())
    path, _, query = call.target.partition("#")[0].partition("?")
    parts, keyed = _parts(path)
    asked = Asked(call, parts, dict(parse_qsl(query, keep_blank_values=True)))
    route = "user" if keyed and parts[1:2] == ("users",) and len(parts) == 3 else _route(parts)
    tenant.stats.requests[route] = tenant.stats.requests.get(route, 0) + 1
    try:
        found = _admit(tenant, asked, route)
    except GraphError as error:
        tenant.stats.errors += 1
        tenant.stats.throttled += error.status == 429
        found = _refusal(error, request_id, call.headers.get("client-request-id", request_id))
    return replace(found, headers={"request-id": request_id, **_usage(tenant), **found.headers})


def _parts(path: str) -> tuple[tuple[str, ...], bool]:
    """The segments of a path, `users('ann')` as two, and whether there was such a key: it is never a function."""
    found: list[str] = []
    keyed = False
    for segment in map(unquote, path.strip("/").split("/")):
        match = _KEYED.fullmatch(segment)
        found += [match[1], match[2].replace("''", "'")] if match else [segment]
        keyed = keyed or bool(match)
    return tuple(found), keyed


def _admit(tenant: Tenant, asked: Asked, route: str) -> Answer:
    call = asked.call
    token = _check_token(tenant, call.headers.get("authorization", ""))
    page = listing.page_number(asked.params)
    faults = tuple(tenant.faults.hits(call.target, page, call.within_batch))
    asked = replace(asked, faults=faults)
    wire = tuple(rule for rule in faults if rule.kind in ON_THE_WIRE)
    if any(rule.kind in ("reset", "hang") for rule in wire):
        return Answer(503, b"", wire=wire)
    for rule in faults:
        if rule.body is not None:
            return in_place(rule)
        _fail(tenant, rule, token)
    _limit(tenant, asked, route)
    found = _dispatch(tenant, asked, route)
    return replace(spoiled(found, faults, call), wire=wire)


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
    wait = rule.wait()
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


def _limit(tenant: Tenant, asked: Asked, route: str) -> None:
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
        case ["users", key] if not key.startswith("$"):  # that is a query option, where no user can be
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


def _dispatch(tenant: Tenant, asked: Asked, route: str) -> Answer:
    if route == "unknown":
        what = asked.path[1] if len(asked.path) > 1 else ""
        raise GraphError(400, "BadRequest", f"Resource not found for the segment '{what}'.")
    if asked.call.method != ("POST" if route in ("batch", "getByIds") else "GET"):
        raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
    routes = {
        "users": list_users,
        "members": list_users,
        "deletedItems": list_users,
        "count": count_users,
        "delta": delta,
        "user": one_user,
    }
    others = {"methods": methods, "batch": _batch, "getByIds": get_by_ids}
    return (routes | others)[route](tenant, asked)


def _batch(tenant: Tenant, asked: Asked) -> Answer:
    """Up to 20 requests, each with its own answer; the answers come in any order."""
    requests = read_body(asked).get("requests")
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
    return json_answer({"responses": responses}, slow=True)


def _batch_item(tenant: Tenant, asked: Asked, item: dict[str, Any]) -> dict[str, Any]:
    url = str(item.get("url", ""))
    target = "/v1.0/" + url.lstrip("/")
    headers = {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
    headers["authorization"] = asked.call.headers.get("authorization", "")
    if url.startswith("http") or "$batch" in url:
        target = "/v1.0/" + quote(url, safe="")  # an absolute URL or a nested batch: no such resource
    body = dump(item["body"]) if "body" in item else b""
    call = Call(str(item.get("method", "GET")).upper(), target, headers, body, asked.call.base, within_batch=True)
    found = answer(tenant, call)
    shown: Any = None
    if found.headers.get("Content-Type") == "text/plain":
        shown = json.loads(found.body) if tenant.batch_text == "number" else base64.b64encode(found.body).decode()
    elif found.body[:1] == b"<":
        shown = base64.b64encode(found.body).decode()
    elif found.body:
        shown = json.loads(found.body)
    return {"id": item["id"], "status": found.status, "headers": dict(found.headers), "body": shown}
