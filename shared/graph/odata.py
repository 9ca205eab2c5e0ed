"""A caller's OData filter: whether it is one whole expression, whether it needs an advanced query, and joining filters.

The syntax is checked here (`odata_grammar`), and a few mistakes that Microsoft Graph surely refuses, so that the caller
learns of them before an export starts. Only Graph knows how each property can be compared; the export reports that.
"""

import re
from functools import lru_cache
from urllib.parse import quote

from shared.graph.odata_grammar import Clause, parse
from shared.graph.odata_tokens import FilterError, error

__all__ = [
    "MAX_LENGTH",
    "FilterError",
    "both",
    "check",
    "encoded",
    "is_advanced",
    "mentions",
    "one_line",
    "paths",
    "quoted",
]

MAX_LENGTH = 1_500
"""Characters. Graph takes 2,048 in the URL of an advanced query, and columns and range need some of them."""

_SIGN_IN = "signinactivity"
_MISNAMED = tuple(
    (re.compile(pattern, re.IGNORECASE), instead)
    for pattern, instead in (
        (r"extensionAttribute\d+", "onPremisesExtensionAttributes/extensionAttribute1 (to 15)"),
        (
            r"onPremisesExtensionAttributes(?!/extensionAttribute(?:[1-9]|1[0-5])$)(?:/.*)?",
            "onPremisesExtensionAttributes/extensionAttribute1 (to 15)",
        ),
        (r"customSecurityAttributes(?:/\w+)?", "customSecurityAttributes/SET/ATTRIBUTE, with your names"),
        (r"manager(?:/(?!id$).*)?", "manager/id, with the manager's object id"),
        (r"(?:signInActivity|last\w*SignInDateTime)", "signInActivity/lastSignInDateTime"),
    )
)
"""Paths that Graph does not filter on, and what to write instead."""

_ADVANCED_OPERATORS = frozenset({"ne", "not", "endswith", "contains", "has"})
_ADVANCED_PROPERTIES = frozenset(
    name.lower()
    for name in (
        *("assignedPlans", "authorizationInfo", "businessPhones", "companyName", "customSecurityAttributes"),
        *("employeeHireDate", "employeeOrgData", "employeeType", "faxNumber", "mobilePhone", "officeLocation"),
        *("onPremisesDistinguishedName", "onPremisesExtensionAttributes", "onPremisesSamAccountName"),
        *("onPremisesSipInfo", "passwordPolicies", "passwordProfile", "postalCode", "preferredLanguage"),
        *("provisionedPlans", "showInAddressList", "streetAddress"),
    )
)
"""From learn.microsoft.com/graph/aad-advanced-queries; the security attributes from
learn.microsoft.com/graph/custom-security-attributes-examples."""


def check(text: str) -> None:
    """Raises FilterError unless the text is one whole OData expression, so that it can be put in parentheses."""
    if len(text) > MAX_LENGTH:
        raise FilterError(f"must have at most {MAX_LENGTH} characters, but has {len(text)}")
    for at, letter in enumerate(text):
        if (ord(letter) < 32 and letter not in "\t\r\n") or "\ud800" <= letter <= "\udfff":
            raise error(at, f"control characters and half characters are not allowed: {letter!r}")
    clauses = parse(text)
    for clause in clauses:
        for wrong, instead in _MISNAMED:
            if wrong.fullmatch(clause.path):
                raise error(clause.at, f"Microsoft Graph does not filter on {clause.path[:60]}: write {instead}")
    _check_sign_in(clauses)


def _check_sign_in(clauses: tuple[Clause, ...]) -> None:
    """learn.microsoft.com/graph/api/resources/user: signInActivity "supports $filter, but not with any other
    filterable properties"."""
    sign_in = [_first(clause.path) == _SIGN_IN for clause in clauses]
    other = next((clause for clause in clauses if clause.path and _first(clause.path) != _SIGN_IN), None)
    if any(sign_in) and other:
        raise error(
            other.at,
            f"Microsoft Graph does not combine a filter on signInActivity with another property ({other.path[:60]}):"
            " filter on one of them here, and on the other in the file (lastSignInDateTime is a column)",
        )


def one_line(text: str) -> str:
    """The filter with single spaces outside of strings: people paste it from editors, and a URL has little room."""
    return re.sub(r"('(?:[^']|'')*')|\s+", lambda match: match[1] or " ", text).strip()


def is_advanced(text: str) -> bool:
    """True when Graph takes the filter only with ConsistencyLevel and $count. False: that is not known."""
    return any(_wants_advanced(clause) for clause in _clauses(text))


def _wants_advanced(clause: Clause) -> bool:
    name = _first(clause.path)
    return (
        clause.operator in _ADVANCED_OPERATORS
        or name in _ADVANCED_PROPERTIES
        or clause.value == "null"
        # These ask for users without something, as `ne` and `$count` do.
        or (not clause.path and clause.value == "false")
        or (clause.operator == "any")
        or clause.path.lower().endswith("/$count")
        or (clause.operator == "startswith" and name.startswith("extension_"))
    )


def paths(text: str) -> frozenset[str]:
    """The property paths in a filter as they are written, such as `signInActivity/lastSignInDateTime`. A lambda's
    variable is replaced by its collection: `assignedLicenses/skuId`."""
    return frozenset(clause.path for clause in _clauses(text) if clause.path)


def mentions(text: str, name: str) -> bool:
    """Whether a filter names this property or a part of it; Graph takes the names of properties in any case."""
    return any(_first(path) == name.lower() for path in paths(text))


@lru_cache(maxsize=16)  # each range's query asks
def _clauses(text: str) -> tuple[Clause, ...]:
    return parse(text) if text else ()


def _first(path: str) -> str:
    return path.partition("/")[0].lower()


def both(*filters: str) -> str:
    """All of these filters joined by `and`, without empty ones. Each has passed `check`, or is the app's own."""
    given = [text for text in filters if text]
    return given[0] if len(given) == 1 else " and ".join(f"({text})" for text in given)


def encoded(text: str) -> str:
    """The text for a URL's query, with as little encoding as possible. `#` and `&` would end it, `+` is a space."""
    return quote(text, safe="'(),:/$@!*=~.-_ ").replace(" ", "+")


def quoted(text: str) -> str:
    """An OData string literal."""
    return "'" + text.replace("'", "''") + "'"
