"""Columns by their names, and what Graph is asked for to fill them."""

from collections.abc import Collection, Iterable

from shared.files import free_columns
from shared.files.column import (
    ATTRIBUTES,
    AUTHENTICATION,
    BESIDES,
    CREATED,
    DELETED,
    LICENSES,
    MANAGER,
    REGISTRATION,
    ROLES,
    SIGN_IN,
    SPONSORS,
    Cell,
    Column,
    Kind,
)
from shared.files.column_sets import COLUMN_SETS
from shared.files.column_table import TABLE

__all__ = [
    "ATTRIBUTES",
    "AUTHENTICATION",
    "BESIDES",
    "COLUMNS",
    "COLUMN_SETS",
    "CREATED",
    "DELETED",
    "LICENSES",
    "MANAGER",
    "REGISTRATION",
    "ROLES",
    "SIGN_IN",
    "SPONSORS",
    "Cell",
    "Column",
    "Kind",
    "authentication_of",
    "columns_of",
    "find_column",
    "relations_of",
    "select_of",
]

COLUMNS: dict[str, Column] = {column.header: column for column in TABLE}
"""Every column that all tenants have by its header, the name that a caller uses."""


def find_column(name: str) -> Column | None:
    """A column of the table, or one with a name that only a tenant knows; None when it can be neither."""
    return COLUMNS.get(name) or free_columns.column(name)


def columns_of(headers: Iterable[str]) -> list[Column]:
    """The columns with these headers, in this order. Raises KeyError for a name that can be no column."""
    columns = []
    for header in headers:
        column = find_column(header)
        if column is None:
            raise KeyError(header)
        columns.append(column)
    return columns


def authentication_of(headers: Iterable[str]) -> tuple[str, ...]:
    """The authentication columns among these: phone numbers and addresses by which users sign in."""
    return tuple(column.header for column in columns_of(headers) if column.source == AUTHENTICATION)


def select_of(columns: Iterable[Column], unreadable: Collection[str] = ()) -> tuple[str, ...]:
    """The properties to `$select`, each once, without those that can't be read.

    `id`, `createdDateTime` and `userPrincipalName` are always selected: by these a range decides which users it keeps.
    """
    names = dict.fromkeys(["id", CREATED, "userPrincipalName"])
    names.update(dict.fromkeys(column.source for column in columns if column.source not in BESIDES))
    return tuple(name for name in names if name not in unreadable)


def relations_of(columns: Iterable[Column], unreadable: Collection[str] = ()) -> tuple[str, ...]:
    """The relations that come by `$expand`: Graph takes one in a request."""
    sources = {column.source for column in columns} - {*unreadable}
    return tuple(source for source in (MANAGER, SPONSORS) if source in sources)
