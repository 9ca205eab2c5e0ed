"""What a column's cells are: the value as Graph sends it, and the kind of cell that a workbook has for it."""

from collections.abc import Callable
from typing import Any

from shared.files.columns import Column
from shared.files.workbook import Kind
from shared.graph.users import User

_BOOLEANS: dict[str, Callable[[User], Any]] = {
    "accountEnabled": lambda user: user.account_enabled,
    "directorySynced": lambda user: user.on_premises_sync_enabled,
}
_LISTS: dict[str, Callable[[User], Any]] = {
    "alternateEmailAddress": lambda user: user.other_mails,
    "businessPhones": lambda user: user.business_phones,
    "proxyAddresses": lambda user: user.proxy_addresses,
    "identityIssuer": lambda user: (
        [*dict.fromkeys(each.issuer for each in user.identities if each.issuer)]
        if user.identities is not None
        else None
    ),
}


def kind_of(column: Column) -> Kind:
    """The kind of the column's cells; what has several values is a text."""
    if column.header in _BOOLEANS:
        return "boolean"
    return "time" if column.header.endswith(("DateTime", "HireDate")) else "text"


def value_of(column: Column) -> Callable[[User], Any]:
    """What gives a user's value: true or false, text, a list; None for nothing."""
    return _BOOLEANS.get(column.header) or _LISTS.get(column.header) or column.cell
