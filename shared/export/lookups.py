"""What the plan reads once for all users: the names of products, and directory roles."""

from collections import defaultdict
from pathlib import Path

import msgspec

from shared.errors import GraphError, Transient
from shared.export.context import Edges, Plan
from shared.export.messages import Json
from shared.files.columns import LICENSES, ROLES, Column
from shared.files.product_names import PRODUCTS, read_csv
from shared.graph import batches, lists
from shared.graph.client import Graph
from shared.graph.user_parts import Product
from shared.storage import blobs

GROUP_MEMBERS, UNITS, LICENSE_NAMES, ROLE_NAMES = (
    "GroupMember.Read.All",
    "AdministrativeUnit.Read.All",
    "LicenseAssignment.Read.All",
    "RoleManagement.Read.Directory",
)
_ASSIGNMENTS = "/roleManagement/directory/roleAssignments?$expand=roleDefinition"
_UNIT = "/administrativeUnits/"

APP = Path(__file__).parents[2]
"""The folder that is deployed."""


class _Sku(msgspec.Struct, rename="camel"):
    sku_id: str
    sku_part_number: str = ""


class _Definition(msgspec.Struct, rename="camel"):
    display_name: str | None = None


class _Assignment(msgspec.Struct, rename="camel"):
    principal_id: str = ""
    role_definition_id: str = ""
    directory_scope_id: str | None = None
    role_definition: _Definition | None = None


class _Object(msgspec.Struct, rename="camel"):
    id: str = ""
    display_name: str | None = None


def refusal(problem: GraphError, columns: list[Column], source: str, permission: str | None = None) -> Json:
    """The one error for all columns of a source that the app may not read: what to grant, then what Graph said."""
    headers = [column.header for column in columns if column.source == source]
    permission = permission or next((column.permission for column in columns if column.source == source), None)
    entry = {**problem.as_dict(), "column": ", ".join(headers)}
    if problem.status == 403 and permission:
        premium = "NonPremiumTenant" in problem.code
        what = "the tenant needs a Microsoft Entra ID P1 license" if premium else f"the app needs {permission}"
        do = "" if premium else " Grant it (docs/deploying.md), or leave the columns out."
        entry["reason"] = f"To read {', '.join(headers)} {what}.{do} Graph said: {problem.reason}"
    return entry


async def products(graph: Graph, columns: list[Column], names: bytes | None) -> tuple[dict[str, Product], list[Json]]:
    """The names of all known products by SKU id, and an error when those of the tenant can't be read.

    `names`: Microsoft's CSV of product names, which replaces the table of the project.
    """
    if not any(column.source in LICENSES for column in columns):
        return {}, []
    by_sku = dict(PRODUCTS) if names is None else read_csv(names)
    by_part = {each.part_number.lower(): each.name for each in by_sku.values()}
    try:
        skus = await lists.everything(graph, "/subscribedSkus?$select=skuId,skuPartNumber", _Sku)
    except Transient:
        raise
    except GraphError as problem:
        licensed = [column for column in columns if column.source in LICENSES]
        headers = ", ".join(each.header for each in licensed)
        entry = {**refusal(problem, licensed, licensed[0].source), "column": headers}
        entry["reason"] += " Products are named as far as the app itself knows them, else by their id."
        return by_sku, [entry]
    for sku in skus:
        key, part = sku.sku_id.lower(), sku.sku_part_number or sku.sku_id
        known = by_sku.get(key)
        by_sku[key] = Product(part, known.name if known else by_part.get(part.lower(), part))
    return by_sku, []


async def roles(graph: Graph, columns: list[Column]) -> tuple[dict[str, list[str]], list[Json], bool]:
    """The names of directory roles by user id; errors; and whether the assignments could be read at all."""
    if not any(column.source == ROLES for column in columns):
        return {}, [], True
    try:
        assignments = await lists.everything(graph, _ASSIGNMENTS, _Assignment)
    except Transient:
        raise
    except GraphError as problem:
        return {}, [refusal(problem, columns, ROLES)], False
    units, errors = await _unit_names(graph, columns, assignments)
    by_principal: defaultdict[str, set[str]] = defaultdict(set)
    for each in assignments:
        name = (each.role_definition and each.role_definition.display_name) or each.role_definition_id
        scope = (each.directory_scope_id or "/").removeprefix(_UNIT).strip("/")
        by_principal[each.principal_id.lower()].add(f"{name} ({units.get(scope, scope)})" if scope else name)
    members, more = await _members(graph, columns, list(by_principal))
    by_user: defaultdict[str, set[str]] = defaultdict(set)
    for principal, names in by_principal.items():
        for user in (principal, *members.get(principal, ())):
            by_user[user] |= names
    return {user: sorted(names) for user, names in by_user.items()}, errors + more, True


async def _unit_names(
    graph: Graph, columns: list[Column], assignments: list[_Assignment]
) -> tuple[dict[str, str], list[Json]]:
    scopes = (each.directory_scope_id or "" for each in assignments)
    ids = list(dict.fromkeys(scope.removeprefix(_UNIT) for scope in scopes if scope.startswith(_UNIT)))
    names: dict[str, str] = {}
    errors: list[Json] = []
    urls = [f"/directory{_UNIT}{each}?$select=id,displayName" for each in ids]
    for unit, answer in zip(ids, await batches.batch(graph, urls), strict=True):
        try:
            batches.raise_for(answer)
            names[unit] = msgspec.json.decode(answer.body, type=_Object).display_name or unit
        except (GraphError, msgspec.DecodeError) as problem:
            # Without a name, the unit's id is shown.
            if isinstance(problem, GraphError) and problem.status == 403 and not errors:
                errors = [refusal(problem, columns, ROLES, UNITS)]
    return names, errors


async def _members(
    graph: Graph, columns: list[Column], principals: list[str]
) -> tuple[dict[str, list[str]], list[Json]]:
    """The members of the principals that are groups. A service principal has none."""
    urls = [f"/users/{each}?$select=id" for each in principals]
    answers = await batches.batch(graph, urls)
    others = [each for each, answer in zip(principals, answers, strict=True) if answer.status == 404]
    members: dict[str, list[str]] = {}
    for group in others:
        path = f"/groups/{group}/transitiveMembers/microsoft.graph.user?$select=id&$top=999&$count=true"
        try:
            users = await lists.everything(graph, path, _Object, advanced=True)
        except Transient:
            raise
        except GraphError as problem:
            if problem.status == 403:
                return members, [refusal(problem, columns, ROLES, GROUP_MEMBERS)]
            if problem.status != 404:  # A service principal.
                return members, [refusal(problem, columns, ROLES)]
        else:
            members[group] = [each.id.lower() for each in users]
    return members, []


async def license_names(edges: Edges, plan: Plan) -> bytes | None:
    """Microsoft's CSV of product names, if a setting names one: a file of the app, or a blob."""
    name = edges.settings.license_names
    if not name:
        return None
    file = APP / name
    data = file.read_bytes() if file.is_file() else await blobs.read(edges.storage, name)
    try:
        read_csv(data or b"")
    except ValueError as problem:
        reason = f"EXPORT_LICENSE_NAMES {name!r}: {problem}. Products have the names that the app itself knows."
        plan.warnings.append({"code": "LicenseNamesUnreadable", "reason": reason})
        return None
    return data
