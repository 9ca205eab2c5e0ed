"""What a column is, and how its cells are made of a user.

`value` has Graph's own type, for files that keep types. `cell` is the text in a CSV: several values are sorted and
joined by `; `, a flag is True or False, and null is nothing.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shared.graph.users import User

Cell = str | None
Kind = Literal["text", "boolean", "number", "time"]
Cost = Literal["none", "page", "report", "user"]

AUTHENTICATION = "authentication/methods"
"""Sources that are not a property of the user: what is read user by user, the report, and the roles."""
REGISTRATION = "userRegistrationDetails"
ROLES = "roleAssignments"
MANAGER, SPONSORS = "manager", "sponsors"
"""Relations: they come by `$expand`."""
SIGN_IN = "signInActivity"
CREATED = "createdDateTime"
DELETED = "deletedDateTime"
ATTRIBUTES = "customSecurityAttributes"
LICENSES = frozenset({"assignedLicenses", "licenseAssignmentStates"})
BESIDES = frozenset({AUTHENTICATION, REGISTRATION, ROLES, MANAGER, SPONSORS})
"""What `$select` can't name."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, the Graph property (or other source) it comes from, and how its cell is made."""

    header: str
    source: str
    cell: Callable[[User], Cell]
    value: Callable[[User], Any]
    """In Graph's own type: text, bool, number, list, object; None for nothing."""
    kind: Kind = "text"
    """Of `value`. A time is the text that Graph sends."""
    group: str = ""
    """Shown to people."""
    description: str = ""
    cost: Cost = "none"
    """page: Graph sends fewer users a page. report: a list is read once for each export. user: a call for each user."""
    permission: str | None = None
    """The application permission that it needs in addition to User.Read.All."""


def joined(values: Sequence[str | None] | None) -> Cell:
    """Several values in one cell."""
    if not values:
        return None
    if len(values) == 1:
        return values[0] or None
    return "; ".join(sorted(filter(None, values))) or None


BOOLEANS = {True: "True", False: "False", None: None}


def attribute_of(name: str) -> str:
    """The struct's field of this property: for `mailNickname` it is `mail_nickname`."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the columns of a group: each from a property of the user, or of an object that the user has."""

    group: str
    cost: Cost = "none"
    permission: str | None = None
    source: str = ""
    """The property that has the object; empty: the columns show properties of the user itself."""
    field: str = ""
    """The struct's field with the object, where it is not named like the source."""

    def column(
        self, header: str, source: str, read: Callable[[User], Any], cell: Any, description: str, kind: Kind = "text"
    ) -> Column:
        return Column(
            header,
            self.source or source,
            read if cell is None else lambda user: cell(read(user)),
            read,
            kind,
            self.group,
            description,
            self.cost,
            self.permission,
        )

    def text(self, header: str, description: str, source: str = "", kind: Kind = "text") -> Column:
        """A column whose cell is the property's own text."""
        return self.column(header, source or header, self._read(source or header), None, description, kind)

    def time(self, header: str, description: str, source: str = "") -> Column:
        return self.text(header, description, source, "time")

    def flag(self, header: str, description: str, source: str = "") -> Column:
        read = self._read(source or header)
        return self.column(header, source or header, read, BOOLEANS.__getitem__, description, "boolean")

    def texts(self, header: str, description: str, source: str = "") -> Column:
        """A column with several texts in a cell."""
        return self.column(header, source or header, self._read(source or header), joined, description)

    def _read(self, name: str) -> Callable[[User], Any]:
        attribute = attribute_of(name)
        if not self.source:
            return operator.attrgetter(attribute)
        owner = operator.attrgetter(self.field or attribute_of(self.source))

        def read(user: User) -> Any:
            owned = owner(user)
            return None if owned is None else getattr(owned, attribute)

        return read
