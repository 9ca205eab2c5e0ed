"""What a persona has beyond names and work: licences, extension attributes, security attributes, its account on
premises.
"""

import json
import random

from local.tenant.membership import GROUPS
from local.tenant.metadata import DATA, EXTENSION_APP

LICENCES = json.loads((DATA / "licences.json").read_text())
_STATES = ("Active",) * 18 + ("ActiveWithError", "Error")
_PROJECTS = ("Baker", "Cascade", "Ångström", "=Delta+1")
_TEXTS = (None, None, None, "EMEA", "cost centre 4711", "=1+1", "yes; no", "ext, 12", "größer 😀", "")
Json = dict[str, object]


def entitlements(rng: random.Random, kind: str) -> Json:
    """Properties of a persona of this kind (cloud, synced, guest, minor, service, local)."""
    synced = kind == "synced"
    return {
        **_licences(rng, kind),
        "onPremisesExtensionAttributes": {
            f"extensionAttribute{number}": rng.choice(_TEXTS) if synced else None for number in range(1, 16)
        },
        f"extension_{EXTENSION_APP}_costCentre": rng.choice((None, None, "CC-%(d4)s")),
        f"extension_{EXTENSION_APP}_badgeNumber": rng.choice((None, None, 4711, 0)),
        f"extension_{EXTENSION_APP}_remote": rng.choice((None, None, True, False)),
        "customSecurityAttributes": _security_attributes(rng) if rng.random() < 0.2 else None,
        "employeeOrgData": rng.choice((None, {"division": "Retail", "costCenter": "CC-%(d4)s"})),
        "authorizationInfo": {"certificateUserIds": ["X509:<PN>%(upn)s"] if rng.random() < 0.05 else []},
        "onPremisesUserPrincipalName": "%(upn)s" if synced else None,
        "onPremisesSecurityIdentifier": "S-1-5-21-1004336348-1177238915-682003330-%(number)s" if synced else None,
        "onPremisesProvisioningErrors": [_provisioning_error()] if synced and rng.random() < 0.1 else [],
        "securityIdentifier": "S-1-12-1-%(number)s-1105221-2867361-%(d4)s",
        "isResourceAccount": True if kind == "service" else rng.choice((None, False)),
        "preferredDataLocation": rng.choice((None, None, "EUR")),
        "passwordProfile": None if synced or kind == "guest" else _password_profile(kind),
    }


def _licences(rng: random.Random, kind: str) -> Json:
    none = kind in ("guest", "service", "local") or rng.random() < 0.1
    chosen = [] if none else rng.sample(LICENCES["skus"], rng.choice((1, 1, 2, 3)))
    assigned: list[Json] = []
    states: list[Json] = []
    plans: list[Json] = []
    for sku in chosen:
        ids = [LICENCES["plans"][name] for name in sku["plans"]]
        off = [ids[-1][0]] if len(ids) > 1 and rng.random() < 0.2 else []
        assigned.append({"disabledPlans": off, "skuId": sku["skuId"]})
        state = rng.choice(_STATES)
        error = "None" if state == "Active" else "CountViolation"
        own = {"skuId": sku["skuId"], "disabledPlans": off, "state": state, "error": error}
        by = {"assignedByGroup": rng.choice((None, next(iter(GROUPS)))), "lastUpdatedDateTime": "2025-%(md)sT10:00:00Z"}
        states.append({**by, **own})
        for plan, service in ids:
            status = "Deleted" if plan in off else "Enabled"
            own = {"capabilityStatus": status, "service": service, "servicePlanId": plan}
            plans.append({"assignedDateTime": "2025-%(md)sT10:00:00Z", **own})
    return {"assignedLicenses": assigned, "licenseAssignmentStates": states, "assignedPlans": plans}


def _security_attributes(rng: random.Random) -> Json:
    """As the documents show them: sets, each with its type, and a mark beside each value that is not a text."""
    kind = "#microsoft.graph.customSecurityAttributeValue"
    projects: Json = {
        "Project@odata.type": "#Collection(String)",
        "Project": rng.sample(_PROJECTS, 2),
        "CostCenter@odata.type": "#Int32",
        "CostCenter": 1001,
        "Certification": True,
    }
    marketing: Json = {"AppCountry": rng.choice(("Canada", "Côte d'Ivoire"))}
    return {
        "Engineering": {"@odata.type": kind, **projects},
        **({"Marketing": {"@odata.type": kind, **marketing}} if rng.random() < 0.5 else {}),
    }


def _password_profile(kind: str) -> Json:
    """Graph sends the flags, and null in place of the password."""
    flags = {"forceChangePasswordNextSignIn": kind == "minor", "forceChangePasswordNextSignInWithMfa": False}
    return {"password": None, **flags}


def _provisioning_error() -> Json:
    return {
        "category": "PropertyConflict",
        "occurredDateTime": "2026-%(md)sT04:00:00Z",
        "propertyCausingError": "ProxyAddresses",
        "value": "smtp:%(sam)s@contoso.com",
    }
