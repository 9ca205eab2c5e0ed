"""Columns whose names only a tenant knows: directory extensions and custom security attributes.

https://learn.microsoft.com/graph/extensibility-overview#directory-microsoft-entra-id-extensions
https://learn.microsoft.com/graph/api/resources/customsecurityattributevalue
"""

import re
from typing import Any

import msgspec

from shared.files.column import ATTRIBUTES, BOOLEANS, Cell, Column, Maker, joined
from shared.graph.users import User

_PART = r"\.[A-Za-z0-9_]{1,32}"
PATTERN = rf"^(extension_[0-9a-fA-F]{{32}}_[A-Za-z0-9_]{{1,150}}|customSecurityAttributes{_PART}({_PART})?)$"
"""Of names that are not in the table; the contract has it too. Sets and attributes have at most 32 characters."""
_NAME = re.compile(PATTERN.rstrip("$") + r"\Z")
_PERMISSION = "CustomSecAttributeAssignment.Read.All"
_MARK = "@odata.type"


def column(name: str) -> Column | None:
    """The column of this name; None when it has neither form."""
    if not _NAME.match(name):
        return None
    if name.startswith("extension_"):
        text = "A directory extension of this tenant"
        # A user has no such field where the tenant has no such extension.
        return Maker("Directory extensions").column(name, name, lambda user: getattr(user, name, None), as_cell, text)
    maker = Maker("Custom security attributes", permission=_PERMISSION)
    _, of, *attribute = name.split(".")

    def one(user: User) -> Any:
        return _in_any_case(_set(user, of), attribute[0])

    def whole(user: User) -> Any:
        return {key: value for key, value in _set(user, of).items() if not key.endswith(_MARK)} or None

    text = "A custom security attribute of this tenant" if attribute else "A set of these attributes, as JSON"
    return maker.column(name, ATTRIBUTES, one if attribute else whole, as_cell, text)


def _set(user: User, name: str) -> dict[str, Any]:
    attributes = _in_any_case(user.custom_security_attributes or {}, name)
    return attributes if isinstance(attributes, dict) else {}


def _in_any_case(values: dict[str, Any], name: str) -> Any:
    """Names of sets and of attributes are case-insensitive (learn.microsoft.com: attributeSet resource)."""
    if name in values:
        return values[name]
    return next((value for key, value in values.items() if key.lower() == name.lower()), None)


def as_cell(value: Any) -> Cell:
    """A value of any JSON type as a text; several are sorted and joined."""
    if value is None or isinstance(value, bool):
        return BOOLEANS[value]
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return joined([as_cell(each) for each in value])
    return msgspec.json.encode(value).decode()
