"""Microsoft Graph's answers: `answer(tenant, call)` takes a request and gives status, headers and body; no sockets in
here.

A request passes, in this order: the bearer token, injected faults, the route, the limits, the permissions. A batch
sends each of its requests through the same door.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from local.tenant import batch, delta, lists, permissions, person, query, registration, routes, tenantwide, throttle
from local.tenant.calls import Answer, Asked, Call, metadata_as_asked, read_options
from local.tenant.errors import GraphError
from local.tenant.faults import ON_THE_WIRE, Rule
from local.tenant.spoil import in_place, spoiled
from local.tenant.tenant import Tenant

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
    client_id = call.headers.get("client-request-id", request_id)
    try:
        given = _admit(tenant, call)
    except GraphError as error:
        tenant.stats.errors += 1
        tenant.stats.throttled += error.status == 429
        given = _refusal(error, request_id, client_id)
    given = metadata_as_asked(given, call)
    ids = {"request-id": request_id, "client-request-id": client_id}
    return replace(given, headers={**ids, **_usage(tenant), **given.headers})


def _admit(tenant: Tenant, call: Call) -> Answer:
    path, _, options = call.target.partition("#")[0].partition("?")
    version, *segments = routes.segments(path)
    known = routes.find(tuple(segments)) if version.lower() == "v1.0" else None
    name = known[0].name if known else "unknown"
    tenant.stats.requests[name] = tenant.stats.requests.get(name, 0) + 1
    token = _check_token(tenant, call.headers.get("authorization", ""))
    params = read_options(options)
    faults = tuple(tenant.faults.hits(call.target, query.page_number(params), call.within_batch))
    wire = tuple(rule for rule in faults if rule.kind in ON_THE_WIRE)
    if any(rule.kind in ("reset", "hang") for rule in wire):
        return Answer(503, b"", wire=wire)
    for rule in faults:
        if rule.body is not None:
            return in_place(rule)
        _fail(tenant, rule, token)
    if known is None:
        raise routes.unknown(tuple(segments))
    route, key = known
    if call.method != route.method:
        raise routes.not_allowed(route)
    roles = permissions.carried(token, tenant.granted)
    asked = Asked(call, route, key, params, roles, faults)
    _limit(tenant, asked)
    for needed in route.needs:
        permissions.check_path(needed, roles)
    return replace(spoiled(_HANDLERS[route.name](tenant, asked), faults, call), wire=wire)


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


def _limit(tenant: Tenant, asked: Asked) -> None:
    name = asked.route.name
    if name == "batch":  # each of its requests pays for itself
        return
    due = [("identity", throttle.cost(name, asked.params), "Tenant_Application/ReadWrite")]
    if name in ("methods", "registration"):
        due.append((name, 1, "Tenant_Application/authenticationMethod"))
    if any("signinactivity" in asked.params.get(option, "").lower() for option in ("$select", "$filter")):
        due.append(("signin", 1, "Tenant_Application/signInActivity"))
    for bucket, cost, scope in due:
        wait = tenant.buckets[bucket].take(cost)
        if wait is not None:
            raise throttle.too_many(wait, scope)


def _usage(tenant: Tenant) -> dict[str, str]:
    used = tenant.buckets["identity"].used()
    return {"x-ms-throttle-limit-percentage": f"{used:.1f}"} if used >= 0.8 else {}


def _refusal(error: GraphError, request_id: str, client_id: str) -> Answer:
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    inner = {"date": date, "request-id": request_id, "client-request-id": client_id}
    body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    headers = {"Content-Type": "application/json", **error.headers}
    return Answer(error.status, json.dumps(body, ensure_ascii=False).encode(), headers)


def _batch(tenant: Tenant, asked: Asked) -> Answer:
    return batch.answer_each(tenant, asked, lambda call: answer(tenant, call))


_HANDLERS: dict[str, Callable[[Tenant, Asked], Answer]] = {
    "batch": _batch,
    "count": lists.count_users,
    "delta": delta.delta,
    "getByIds": lists.get_by_ids,
    **dict.fromkeys(("users", "deletedItems", "members", "transitiveMembers", "unitMembers"), lists.list_users),
    "group": tenantwide.group,
    "nestedGroups": tenantwide.nested_groups,
    "user": person.one_user,
    "methods": person.methods,
    "manager": person.manager,
    "reports": person.reports,
    "sponsors": person.sponsors,
    "licences": person.licences,
    "organization": tenantwide.organization,
    "unit": tenantwide.unit,
    "subscribedSkus": tenantwide.subscribed_skus,
    "roleAssignments": tenantwide.role_assignments,
    "roleDefinitions": tenantwide.role_definitions,
    "registration": registration.report,
}
