"""One user: its properties, sign-in methods, manager, reports, sponsors and licences."""

import json
import re
import zlib
from urllib.parse import quote

from local.tenant import query, relations
from local.tenant.calls import JSON, Answer, Asked, dump, joined, json_answer, listed
from local.tenant.directory import find, user_id
from local.tenant.entitlements import LICENCES
from local.tenant.errors import GraphError, bad_request, not_found
from local.tenant.lists import check_seen, hidden, selected
from local.tenant.rendering import methods_text, rows, values
from local.tenant.tenant import Tenant

_METHOD_ERRORS = (
    (403, "accessDenied", "Request Authorization failed"),
    (404, "resourceNotFound", "User not found"),
    (500, "internalServerError", "An internal server error occurred."),
)
_METHOD_KINDS = {
    "methods": ("methods", ""),
    "phonemethods": ("phoneMethods", "phoneAuth"),
    "emailmethods": ("emailMethods", "emailAuth"),
}
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def one_user(tenant: Tenant, asked: Asked) -> Answer:
    asked.allow("$select", "$expand")
    select = query.parse_select(asked.params.get("$select"), tenant.absent)
    check_seen(tenant, asked, select)
    if query.SIGN_IN in select and not _GUID.fullmatch(asked.key):
        message = "Get By Key only supports UserId and the key has to be a valid Guid"
        raise GraphError(400, "BadRequest", message)
    at = _find(tenant, asked)
    tenant.stats.users += 1
    [row] = rows(tenant.directory, [at], select, hidden=hidden(asked))
    if "$expand" in asked.params:
        relation, inner = query.parse_expand(asked.params["$expand"])
        row = joined(row, relations.expanded(tenant.directory, at, relation, inner))
    head = dump(asked.context(selected(asked, "users", select) + "/$entity"))
    return Answer(200, joined(head, row), {"Content-Type": JSON})


def methods(tenant: Tenant, asked: Asked) -> Answer:
    if "authentication" in tenant.absent:
        raise GraphError(400, "BadRequest", "Resource not found for the segment 'authentication'.")
    if tenant.b2c:
        raise GraphError(403, "accessDenied", "Request Authorization failed")
    for name in asked.params:
        raise bad_request(f"The query option '{name}' is not allowed.")
    at = _find(tenant, asked)
    chance = zlib.crc32(f"{tenant.seed} {at}".encode())
    if chance / 2**32 < tenant.method_errors:
        raise GraphError(*_METHOD_ERRORS[chance % 3])
    name, kind = _METHOD_KINDS[asked.route.pattern.rpartition("/")[2]]
    value = [method for method in json.loads(methods_text(tenant.directory, at)) if kind in method["@odata.type"]]
    where = f"users('{quote(user_id(tenant.directory, at))}')/authentication/{name}"
    return json_answer(asked.context(where) | {"value": value})


def manager(tenant: Tenant, asked: Asked) -> Answer:
    asked.allow("$select")
    select = query.parse_select(asked.params.get("$select"), tenant.absent)
    at = _find(tenant, asked)
    boss = relations.manager(tenant.directory, at, select)
    if boss is None:
        raise not_found("manager")
    head = dump(asked.context("directoryObjects/$entity"))
    return Answer(200, joined(head, boss), {"Content-Type": JSON})


def reports(tenant: Tenant, asked: Asked) -> Answer:
    select = _selected(tenant, asked)
    places = relations.reports(tenant.directory, _find(tenant, asked))
    return _objects(asked, [relations.shown(tenant.directory, at, select) for at in places])


def sponsors(tenant: Tenant, asked: Asked) -> Answer:
    select = _selected(tenant, asked)
    return _objects(asked, relations.sponsors(tenant.directory, _find(tenant, asked), select))


def licences(tenant: Tenant, asked: Asked) -> Answer:
    asked.allow("$select")
    at = _find(tenant, asked)
    names = {sku["skuId"]: sku["skuPartNumber"] for sku in LICENCES["skus"]}
    held = values(tenant.directory, at, ("assignedLicenses",))["assignedLicenses"]
    value = [{"skuId": each["skuId"], "skuPartNumber": names[each["skuId"]], "servicePlans": []} for each in held]
    return json_answer(asked.context("licenseDetails") | {"value": value})


def _selected(tenant: Tenant, asked: Asked) -> tuple[str, ...]:
    asked.allow("$select", "$top")
    return query.parse_select(asked.params.get("$select"), tenant.absent)


def _objects(asked: Asked, shown: list[bytes]) -> Answer:
    return listed(asked.context("directoryObjects"), shown)


def _find(tenant: Tenant, asked: Asked) -> int:
    at = find(tenant.directory, asked.key)
    if at is None:
        raise not_found(asked.key)
    return at
