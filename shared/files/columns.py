"""The one table of columns: what a caller may name gives the `$select`, the header, and the cell.

Headers are those of the portal's own file (as documented, and as captured in 2021 where that differs), then those
of Microsoft Graph for what the portal leaves out.
"""

import operator
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from shared.graph.users import User

Cell = str | None

AUTHENTICATION = "authentication/methods"
"""The `Column.source` of columns that are read user by user: they are not properties of the user."""
SIGN_IN = "signInActivity"
CREATED = "createdDateTime"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its header, the Graph property (or AUTHENTICATION) it comes from, and how its cell is made."""

    header: str
    source: str
    cell: Callable[[User], Cell]


def _joined(values: Iterable[str | None] | None) -> str | None:
    return "; ".join(filter(None, values)) if values else None


def _plain(header: str, source: str = "") -> Column:
    """A column whose cell is the property's own text."""
    source = source or header
    attribute = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in source)
    return Column(header, source, operator.attrgetter(attribute))


_BOOLEANS = {True: "True", False: "False", None: None}


def _authentication(header: str, attribute: str) -> Column:
    return Column(header, AUTHENTICATION, lambda user: getattr(user.authentication_methods, attribute, None))


def _sign_in(header: str, attribute: str) -> Column:
    return Column(header, SIGN_IN, lambda user: getattr(user.sign_in_activity, attribute, None))


_TABLE = (
    _plain("userPrincipalName"),
    _plain("displayName"),
    _plain("surname"),
    _plain("mail"),
    _plain("givenName"),
    _plain("objectId", "id"),
    _plain("userType"),
    _plain("jobTitle"),
    _plain("department"),
    Column("accountEnabled", "accountEnabled", lambda user: _BOOLEANS[user.account_enabled]),
    _plain("usageLocation"),
    _plain("streetAddress"),
    _plain("state"),
    _plain("country"),
    _plain("physicalDeliveryOfficeName", "officeLocation"),
    _plain("city"),
    _plain("postalCode"),
    Column("telephoneNumber", "businessPhones", lambda user: user.business_phones[0] if user.business_phones else None),
    _plain("mobile", "mobilePhone"),
    _authentication("authenticationPhoneNumber", "phone"),
    _authentication("authenticationAlternativePhoneNumber", "alternative_phone"),
    _authentication("authenticationEmail", "email"),
    Column("alternateEmailAddress", "otherMails", lambda user: _joined(user.other_mails)),
    _plain("ageGroup"),
    _plain("consentProvidedForMinor"),
    _plain("legalAgeGroupClassification"),
    # The names of the file captured from the portal in 2021.
    _plain("id"),
    _plain("officeLocation"),
    _plain("mobilePhone"),
    _plain("companyName"),
    _plain("creationType"),
    Column("directorySynced", "onPremisesSyncEnabled", lambda user: _BOOLEANS[user.on_premises_sync_enabled]),
    _plain("invitationState", "externalUserState"),
    Column(
        "identityIssuer",
        "identities",
        lambda user: _joined(dict.fromkeys(identity.issuer for identity in user.identities or ())),
    ),
    _plain("createdDateTime"),
    # What the portal's file leaves out.
    Column("businessPhones", "businessPhones", lambda user: _joined(user.business_phones)),
    Column("proxyAddresses", "proxyAddresses", lambda user: _joined(user.proxy_addresses)),
    _plain("employeeId"),
    _plain("employeeType"),
    _plain("employeeHireDate"),
    _plain("preferredLanguage"),
    _plain("mailNickname"),
    _plain("faxNumber"),
    _plain("lastPasswordChangeDateTime"),
    _plain("onPremisesSamAccountName"),
    _plain("onPremisesUserPrincipalName"),
    _plain("onPremisesDistinguishedName"),
    _plain("onPremisesDomainName"),
    _plain("onPremisesLastSyncDateTime"),
    _sign_in("lastSignInDateTime", "last_sign_in_date_time"),
    _sign_in("lastNonInteractiveSignInDateTime", "last_non_interactive_sign_in_date_time"),
    _sign_in("lastSuccessfulSignInDateTime", "last_successful_sign_in_date_time"),
)

COLUMNS: dict[str, Column] = {column.header: column for column in _TABLE}
"""Every column by its header, the name that a caller uses."""

_DOCUMENTED = tuple(column.header for column in _TABLE[:26])
_PORTAL = (
    "userPrincipalName",
    "displayName",
    "surname",
    "mail",
    "givenName",
    "id",
    "userType",
    "jobTitle",
    "department",
    "accountEnabled",
    "usageLocation",
    "streetAddress",
    "state",
    "country",
    "officeLocation",
    "city",
    "postalCode",
    "telephoneNumber",
    "mobilePhone",
    "alternateEmailAddress",
    "ageGroup",
    "consentProvidedForMinor",
    "legalAgeGroupClassification",
    "companyName",
    "creationType",
    "directorySynced",
    "invitationState",
    "identityIssuer",
    "createdDateTime",
)

COLUMN_SETS: dict[str, tuple[str, ...]] = {
    "documented": _DOCUMENTED,
    "portal": _PORTAL,
    "profile": tuple(header for header in _DOCUMENTED if COLUMNS[header].source != AUTHENTICATION),
}
"""documented: the 26 of Microsoft's documentation. portal: the 29 of the portal's own file. profile: those of the 26
that cost no request per user."""


def columns_of(headers: Iterable[str]) -> list[Column]:
    """The columns with these headers, in this order. Raises KeyError for a name that is not in the table."""
    return [COLUMNS[header] for header in headers]


def authentication_of(headers: Iterable[str]) -> tuple[str, ...]:
    """Those of these columns that show how a user signs in: phone numbers and addresses."""
    return tuple(header for header in headers if COLUMNS[header].source == AUTHENTICATION)


def select_of(columns: Iterable[Column], unreadable: Collection[str] = ()) -> tuple[str, ...]:
    """The properties to `$select`, each once; without those that can't be read.

    `id`, `createdDateTime` and `userPrincipalName` come along: the ranges decide by them which users they keep.
    """
    wanted = dict.fromkeys(["id", CREATED, "userPrincipalName"])
    wanted.update(dict.fromkeys(column.source for column in columns if column.source != AUTHENTICATION))
    return tuple(name for name in wanted if name not in unreadable)
