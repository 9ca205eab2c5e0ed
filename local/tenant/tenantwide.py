"""What is asked of the tenant as a whole: the organization, its subscriptions, its directory roles."""

from typing import Any

from local.tenant import odata
from local.tenant.calls import Answer, Asked, json_answer
from local.tenant.directory import user_id
from local.tenant.entitlements import LICENCES
from local.tenant.errors import GraphError, not_found, unsupported
from local.tenant.match import predicate
from local.tenant.membership import GROUPS, UNITS, closure, shown_group
from local.tenant.odata_parser import parse
from local.tenant.people import TENANT
from local.tenant.tenant import Tenant

TENANT_ID = "7d1c5a52-9c3e-4c1b-8d3f-5a0f6b1e2c34"
ROLES = {
    "62e90394-69f5-4237-9190-012177145e10": "Global Administrator",
    "fe930be7-5e62-47db-91af-98c3a49a38b1": "User Administrator",
    "f2ef992c-3afb-46b9-b7cf-a126ee74c451": "Global Reader",
    "f28a1f50-f6e7-4571-818b-6a12f2af6b6c": "SharePoint Administrator",
}
Json = dict[str, Any]


def organization(tenant: Tenant, asked: Asked) -> Answer:
    asked.allow("$select", "$top", "$expand", "$filter")
    domains = [{"name": TENANT, "isDefault": True, "isInitial": True, "type": "Managed", "capabilities": "Email"}]
    one = {
        "id": TENANT_ID,
        "displayName": "Contoso",
        "createdDateTime": "2012-01-01T00:00:00Z",
        "countryLetterCode": "NL",
        "defaultUsageLocation": "NL",
        "onPremisesSyncEnabled": True,
        "onPremisesLastSyncDateTime": "2026-09-01T04:00:00Z",
        "preferredLanguage": "en",
        "tenantType": "AAD B2C" if tenant.b2c else "AAD",
        "technicalNotificationMails": [],
        "verifiedDomains": domains,
        "assignedPlans": [],
    }
    return _list(asked, "organization", [one])


def subscribed_skus(tenant: Tenant, asked: Asked) -> Answer:
    """One page with all of them; a product that is no longer subscribed is missing, though users still have it."""
    asked.allow("$select")
    value = [
        {
            "id": f"{TENANT_ID}_{sku['skuId']}",
            "accountId": TENANT_ID,
            "accountName": "Contoso",
            "appliesTo": "User",
            "capabilityStatus": "Enabled",
            "consumedUnits": tenant.users // 2,
            "prepaidUnits": {"enabled": tenant.users, "lockedOut": 0, "suspended": 0, "warning": 0},
            "servicePlans": [_plan(name) for name in sku["plans"]],
            "skuId": sku["skuId"],
            "skuPartNumber": sku["skuPartNumber"],
            "subscriptionIds": [],
        }
        for sku in LICENCES["skus"]
        if sku["subscribed"]
    ]
    return _list(asked, "subscribedSkus", value)


def _plan(name: str) -> Json:
    plan, _ = LICENCES["plans"][name]
    return {"appliesTo": "User", "provisioningStatus": "Success", "servicePlanId": plan, "servicePlanName": name}


def role_assignments(tenant: Tenant, asked: Asked) -> Answer:
    """A few users with roles, one of them within an administrative unit only, and a group with a role."""
    asked.allow("$select", "$expand", "$filter", "$top", "$count")
    people = [user_id(tenant.directory, at) for at in range(min(tenant.users, 4))]
    principals = [*zip(people, [*ROLES][:3] + [*ROLES][1:2], strict=False), (next(iter(GROUPS)), [*ROLES][3])]
    value: list[Json] = []
    for number, (principal, role) in enumerate(principals):
        scope = f"/administrativeUnits/{next(iter(UNITS))}" if number == 3 and principal in people else "/"
        own = {"principalId": principal, "roleDefinitionId": role, "directoryScopeId": scope}
        value.append({"id": f"assignment-{number}", **own})
    if "$filter" in asked.params:
        tree = parse(asked.params["$filter"])
        if not set(odata.names(tree)) <= {"principalId", "roleDefinitionId", "directoryScopeId"}:
            raise unsupported("The filter is not supported for role assignments.")
        matches = predicate(tree)
        value = [each for each in value if matches(each, None)]
    expand = asked.params.get("$expand")
    if expand is not None and expand.partition("(")[0] != "roleDefinition":
        raise GraphError(400, "BadRequest", "Only roleDefinition or principal can be expanded.")
    if expand is not None:
        value = [each | {"roleDefinition": _role(each["roleDefinitionId"])} for each in value]
    return _list(asked, "roleManagement/directory/roleAssignments", value)


def unit(tenant: Tenant, asked: Asked) -> Answer:
    asked.allow("$select")
    if asked.key not in UNITS:
        raise not_found(asked.key)
    known = UNITS[asked.key]
    whole = {"id": asked.key, "displayName": known.name, "visibility": known.visibility}
    return _one(asked, "directory/administrativeUnits", whole)


def group(tenant: Tenant, asked: Asked) -> Answer:
    asked.allow("$select")
    if asked.key not in GROUPS:
        raise not_found(asked.key)
    return _one(asked, "groups", shown_group(asked.key))


def nested_groups(tenant: Tenant, asked: Asked) -> Answer:
    """The groups among the members: an advanced query. A Microsoft 365 group never has any, and the cast is refused."""
    asked.allow("$select", "$top", "$count")
    if asked.key not in GROUPS:
        raise not_found(asked.key)
    if not asked.eventual or asked.params.get("$count", "").lower() != "true":
        raise unsupported("This query needs the header 'ConsistencyLevel: eventual' and '$count=true'.")
    if GROUPS[asked.key].unified:
        raise unsupported("The specified member type is not supported for this group.")
    within = closure(asked.key) if "transitive" in asked.route.pattern else GROUPS[asked.key].nested
    return _list(asked, "groups", [shown_group(each) for each in within])


def role_definitions(tenant: Tenant, asked: Asked) -> Answer:
    asked.allow("$select", "$filter", "$top")
    return _list(asked, "roleManagement/directory/roleDefinitions", [_role(role) for role in ROLES])


def _role(role: str) -> Json:
    return {"id": role, "displayName": ROLES[role], "templateId": role, "isBuiltIn": True, "isEnabled": True}


def _list(asked: Asked, kind: str, value: list[Json]) -> Answer:
    shown = [_selected(asked, each) for each in value]
    return json_answer(asked.context(kind) | {"value": shown})


def _one(asked: Asked, kind: str, value: Json) -> Answer:
    return json_answer(asked.context(f"{kind}/$entity") | _selected(asked, value))


def _selected(asked: Asked, value: Json) -> Json:
    names = {name.strip().lower() for name in asked.params.get("$select", "").split(",")} - {""}
    return {name: own for name, own in value.items() if name.lower() in names} if names else value
