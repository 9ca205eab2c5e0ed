"""The one table of columns: headers, their order, their sources, their cells."""

import msgspec
import pytest

from shared.files.columns import AUTHENTICATION, COLUMN_SETS, COLUMNS, SIGN_IN, columns_of, select_of
from shared.graph.users import AuthenticationMethods, User

# Copied from Microsoft's documentation of the bulk download, in its order.
DOCUMENTED = (
    "userPrincipalName,displayName,surname,mail,givenName,objectId,userType,jobTitle,department,accountEnabled,"
    "usageLocation,streetAddress,state,country,physicalDeliveryOfficeName,city,postalCode,telephoneNumber,mobile,"
    "authenticationPhoneNumber,authenticationAlternativePhoneNumber,authenticationEmail,alternateEmailAddress,ageGroup,"
    "consentProvidedForMinor,legalAgeGroupClassification"
)
# The first line of a file that the portal made in 2021.
PORTAL = (
    "userPrincipalName,displayName,surname,mail,givenName,id,userType,jobTitle,department,accountEnabled,usageLocation,"
    "streetAddress,state,country,officeLocation,city,postalCode,telephoneNumber,mobilePhone,alternateEmailAddress,"
    "ageGroup,consentProvidedForMinor,legalAgeGroupClassification,companyName,creationType,directorySynced,"
    "invitationState,identityIssuer,createdDateTime"
)
OTHER_SOURCES = {
    "objectId": "id",
    "physicalDeliveryOfficeName": "officeLocation",
    "telephoneNumber": "businessPhones",
    "mobile": "mobilePhone",
    "alternateEmailAddress": "otherMails",
    "directorySynced": "onPremisesSyncEnabled",
    "invitationState": "externalUserState",
    "identityIssuer": "identities",
    "authenticationPhoneNumber": AUTHENTICATION,
    "authenticationAlternativePhoneNumber": AUTHENTICATION,
    "authenticationEmail": AUTHENTICATION,
    "lastSignInDateTime": SIGN_IN,
    "lastNonInteractiveSignInDateTime": SIGN_IN,
    "lastSuccessfulSignInDateTime": SIGN_IN,
}
PROPERTIES = {field.encode_name for field in msgspec.structs.fields(User)} - {"authenticationMethods", "@odd"}


def full() -> User:
    """A user that has everything: each text is the name of its property."""
    sent: dict[str, object] = {name: name for name in PROPERTIES}
    sent |= {"accountEnabled": True, "onPremisesSyncEnabled": False}
    sent |= {name: [f"{name}1", f"{name}2"] for name in ("businessPhones", "otherMails", "proxyAddresses")}
    sent["identities"] = [{"issuer": "contoso"}, {"issuer": None}, {"issuer": "google.com"}, {"issuer": "contoso"}]
    sent[SIGN_IN] = {
        "lastSignInDateTime": "first",
        "lastNonInteractiveSignInDateTime": "second",
        "lastSuccessfulSignInDateTime": "third",
    }
    user = msgspec.json.decode(msgspec.json.encode(sent), type=User)
    user.authentication_methods = AuthenticationMethods("+1 1", "+1 2", "other@contoso.com")
    return user


def test_the_documented_set_has_the_26_documented_columns_in_their_order() -> None:
    assert ",".join(COLUMN_SETS["documented"]) == DOCUMENTED
    assert len(COLUMN_SETS["documented"]) == 26


def test_the_portal_set_has_the_29_columns_of_the_portals_own_file() -> None:
    assert ",".join(COLUMN_SETS["portal"]) == PORTAL
    assert len(COLUMN_SETS["portal"]) == 29


def test_the_profile_set_is_the_documented_one_without_what_costs_a_request_per_user() -> None:
    assert COLUMN_SETS["profile"] == tuple(
        name for name in COLUMN_SETS["documented"] if not name.startswith("authentication")
    )


def test_every_set_is_made_of_columns_of_the_table_each_once() -> None:
    for headers in COLUMN_SETS.values():
        assert [column.header for column in columns_of(headers)] == list(headers)
        assert len(set(headers)) == len(headers)


def test_a_column_comes_from_the_property_of_its_name_or_from_the_documented_other_one() -> None:
    assert {header: column.source for header, column in COLUMNS.items()} == {
        header: OTHER_SOURCES.get(header, header) for header in COLUMNS
    }
    assert {column.source for column in COLUMNS.values()} - {AUTHENTICATION} == PROPERTIES


@pytest.mark.parametrize("header", COLUMNS)
def test_a_cell_is_a_text_a_boolean_or_empty(header: str) -> None:
    cell = COLUMNS[header].cell
    found = cell(full())

    assert isinstance(found, str | bool)
    assert cell(User(id="1")) == ("1" if COLUMNS[header].source == "id" else None)


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("objectId", "id"),
        ("physicalDeliveryOfficeName", "officeLocation"),
        ("telephoneNumber", "businessPhones1"),
        ("businessPhones", "businessPhones1; businessPhones2"),
        ("mobile", "mobilePhone"),
        ("alternateEmailAddress", "otherMails1; otherMails2"),
        ("proxyAddresses", "proxyAddresses1; proxyAddresses2"),
        ("accountEnabled", "True"),
        ("directorySynced", "False"),
        ("invitationState", "externalUserState"),
        ("identityIssuer", "contoso; google.com"),
        ("authenticationPhoneNumber", "+1 1"),
        ("authenticationAlternativePhoneNumber", "+1 2"),
        ("authenticationEmail", "other@contoso.com"),
        ("lastSignInDateTime", "first"),
        ("lastNonInteractiveSignInDateTime", "second"),
        ("lastSuccessfulSignInDateTime", "third"),
        ("createdDateTime", "createdDateTime"),
    ],
)
def test_a_cell_holds_what_its_header_promises(header: str, cell: str | bool) -> None:
    assert COLUMNS[header].cell(full()) == cell


@pytest.mark.parametrize(
    "header", ["telephoneNumber", "businessPhones", "alternateEmailAddress", "proxyAddresses", "identityIssuer"]
)
def test_an_empty_list_is_an_empty_cell(header: str) -> None:
    empty = User(id="1", business_phones=[], other_mails=[], proxy_addresses=[], identities=[])

    assert COLUMNS[header].cell(empty) is None


def test_what_the_ranges_decide_by_is_always_selected_and_nothing_twice() -> None:
    assert select_of(columns_of(["objectId", "id", "mobile", "mobilePhone"])) == (
        "id",
        "createdDateTime",
        "userPrincipalName",
        "mobilePhone",
    )


def test_what_is_read_user_by_user_is_not_selected() -> None:
    selected = select_of(COLUMNS.values())

    assert AUTHENTICATION not in selected
    assert set(selected) == PROPERTIES


def test_a_column_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        columns_of(["nope"])
