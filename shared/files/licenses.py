"""A user's products, by the names that people know; a product without a known name keeps its part number or id."""

from collections.abc import Iterable

from shared.graph.user_parts import Product
from shared.graph.users import User


def _product(user: User, sku_id: str | None) -> Product:
    known = (user.products or {}).get((sku_id or "").lower())
    return known or Product(sku_id or "", sku_id or "")


def _each_once(names: Iterable[str]) -> list[str]:
    return sorted(dict.fromkeys(filter(None, names)))


def names(user: User) -> list[str]:
    """The names of all products that the user has."""
    return _each_once(_product(user, each.sku_id).name for each in user.assigned_licenses or ())


def part_numbers(user: User) -> list[str]:
    return _each_once(_product(user, each.sku_id).part_number for each in user.assigned_licenses or ())


def products(user: User, *, by_group: bool) -> list[str]:
    """The products that come from a group, or those that were assigned directly."""
    states = user.license_assignment_states or ()
    return _each_once(_product(user, each.sku_id).name for each in states if bool(each.assigned_by_group) == by_group)


def from_groups(user: User) -> list[str]:
    return products(user, by_group=True)


def error_texts(user: User) -> list[str]:
    """`product: error` for each assignment that has one; Graph writes None for no error."""
    return _each_once(
        f"{_product(user, each.sku_id).name}: {each.error}"
        for each in user.license_assignment_states or ()
        if each.error and each.error != "None"
    )
