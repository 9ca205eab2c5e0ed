"""Whom the path of a list is about."""

from dataclasses import replace

from local.tenant import permissions
from local.tenant.calls import Asked, dump
from local.tenant.errors import not_found
from local.tenant.membership import GROUPS, UNITS, Collection, closure, others, within
from local.tenant.query import Domain
from local.tenant.tenant import Tenant


def domain_of(tenant: Tenant, asked: Asked) -> Domain:
    """Whom the path is about."""
    pattern = asked.route.pattern
    if pattern.startswith("/users"):
        return tenant.everyone()
    if "deleteditems" in pattern:
        return replace(tenant.everyone(), directory=tenant.bin)
    collection = _collection(asked)
    seen = permissions.HIDDEN_MEMBERS in asked.roles
    if collection.hidden and not seen and tenant.hidden_members == "refused":
        raise permissions.insufficient()
    transitive = "transitivemembers" in pattern
    unit = "administrativeunits" in pattern
    every = (collection.every,) if unit else within(asked.key, transitive=transitive, hidden=seen)
    if collection.hidden and not seen:
        every = (0,)
    cast = pattern.endswith("graph.user")
    return replace(
        tenant.everyone(), every=every, only_advanced_filters=True, only_advanced=cast and (transitive or unit)
    )


def _collection(asked: Asked) -> Collection:
    """The group or unit that the path is about."""
    known = UNITS if "administrativeunits" in asked.route.pattern else GROUPS
    if asked.key not in known:
        raise not_found(asked.key)
    return known[asked.key]


def no_users(asked: Asked, domain: Domain) -> list[bytes]:
    """The members that are not users: they come too when the path has no cast."""
    pattern = asked.route.pattern.removesuffix("/$count")
    if not pattern.endswith("members") or domain.every == (0,):
        return []
    of = _collection(asked)
    inner = [GROUPS[each] for each in closure(asked.key)] if "transitive" in pattern else []
    each_once = {each["id"]: each for owner in (of, *inner) for each in others(owner)}
    return [dump(each) for each in each_once.values()]
