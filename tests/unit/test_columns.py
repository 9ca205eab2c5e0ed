"""The one table of columns: headers, their order, their sources, their cells."""

import json

import msgspec
import pytest

from shared.files.column import BESIDES
from shared.files.columns import (
    AUTHENTICATION,
    COLUMN_SETS,
    COLUMNS,
    REGISTRATION,
    ROLES,
    SIGN_IN,
    columns_of,
    find_column,
    relations_of,
    select_of,
)
from shared.graph.user_parts import AuthenticationMethods, Product, Registration
from shared.graph.users import User, kind_of, user_of

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
    "certificateUserIds": "authorizationInfo",
    "division": "employeeOrgData",
    "costCenter": "employeeOrgData",
    "forceChangePasswordNextSignIn": "passwordProfile",
    "forceChangePasswordNextSignInWithMfa": "passwordProfile",
    "directoryRoles": ROLES,
    **dict.fromkeys(("licenses", "licenseSkuPartNumbers"), "assignedLicenses"),
    **dict.fromkeys(("licensesDirect", "licensesFromGroups", "licenseErrors"), "licenseAssignmentStates"),
    **dict.fromkeys(("managerId", "managerDisplayName", "managerUserPrincipalName", "managerMail"), "manager"),
    **dict.fromkeys(("sponsorIds", "sponsorDisplayNames"), "sponsors"),
    **{f"extensionAttribute{number}": "onPremisesExtensionAttributes" for number in range(1, 16)},
    **dict.fromkeys(
        (
            *("isMfaRegistered", "isMfaCapable", "isPasswordlessCapable", "isSsprRegistered", "isAdmin"),
            *("methodsRegistered", "defaultMfaMethod"),
        ),
        REGISTRATION,
    ),
    **dict.fromkeys(
        (
            *("lastSuccessfulSignInDateTime", "lastSignInDateTime", "lastNonInteractiveSignInDateTime"),
            "daysSinceLastSignIn",
        ),
        SIGN_IN,
    ),
}
PROPERTIES = {field.encode_name for field in msgspec.structs.fields(User) if not field.encode_name.startswith("@")} - {
    "customSecurityAttributes"
}
PREVIEW = (
    "licenses,certificateUserIds,employeeId,employeeHireDate,division,costCenter,employeeType,"
    + ",".join(f"extensionAttribute{number}" for number in range(1, 16))
    + ",externalUserStateChangeDateTime,faxNumber,imAddresses,lastPasswordChangeDateTime,lastSignInDateTime,"
    "lastNonInteractiveSignInDateTime,onPremisesSamAccountName,onPremisesDistinguishedName,onPremisesDomainName,"
    "onPremisesImmutableId,onPremisesLastSyncDateTime,onPremisesProvisioningErrors,onPremisesSecurityIdentifier,"
    "onPremisesUserPrincipalName,passwordPolicies,forceChangePasswordNextSignIn,forceChangePasswordNextSignInWithMfa,"
    "preferredDataLocation,preferredLanguage,proxyAddresses,signInSessionsValidFromDateTime"
)


def full() -> User:
    """A user that has everything: each text is the name of its property."""
    sent: dict[str, object] = {name: name for name in PROPERTIES}
    sent |= {"accountEnabled": True, "onPremisesSyncEnabled": False}
    lists = ("businessPhones", "otherMails", "proxyAddresses", "imAddresses")
    sent |= {name: [f"{name}2", f"{name}1"] for name in lists}
    sent["identities"] = [{"issuer": "google.com"}, {"issuer": None}, {"issuer": "contoso"}, {"issuer": "contoso"}]
    sent[SIGN_IN] = {
        "lastSignInDateTime": "first",
        "lastNonInteractiveSignInDateTime": "second",
        "lastSuccessfulSignInDateTime": "third",
    }
    sent["assignedLicenses"] = [{"skuId": "2"}, {"skuId": "1", "disabledPlans": ["x"]}, {"skuId": None}]
    sent["licenseAssignmentStates"] = [
        {"skuId": "1", "assignedByGroup": None, "state": "Active", "error": "None"},
        {"skuId": "1", "assignedByGroup": "g", "state": "Active", "error": "None"},
        {"skuId": "2", "assignedByGroup": "g", "state": "Error", "error": "CountViolation"},
    ]
    sent["authorizationInfo"] = {"certificateUserIds": ["X509:b", "X509:a"]}
    sent["employeeOrgData"] = {"division": "Retail", "costCenter": "4711"}
    sent["manager"] = {"id": "m", "displayName": "Max", "userPrincipalName": "max@x", "mail": "max@mail"}
    sent["sponsors"] = [{"id": "s2", "displayName": "Sue"}, {"id": "s1", "displayName": "A group"}]
    sent["onPremisesExtensionAttributes"] = {f"extensionAttribute{at}": f"own {at}" for at in range(1, 16)}
    sent["onPremisesProvisioningErrors"] = [{"propertyCausingError": "ProxyAddresses", "category": "PropertyConflict"}]
    flags = {"forceChangePasswordNextSignIn": True, "forceChangePasswordNextSignInWithMfa": False}
    sent["passwordProfile"] = {"password": None, **flags}
    user = msgspec.json.decode(msgspec.json.encode(sent), type=User)
    user.authentication_methods = AuthenticationMethods("+1 1", "+1 2", "other@contoso.com")
    user.days_since_sign_in = 0
    user.products = {"1": Product("SPE_E3", "Microsoft 365 E3")}
    user.registration = Registration(True, True, False, True, False, ["sms", "email"], "push")
    user.roles = ("User Administrator",)
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


def test_the_preview_set_is_the_portals_file_and_the_27_of_its_newer_download() -> None:
    assert ",".join(COLUMN_SETS["preview"]) == f"{PORTAL},{PREVIEW}"


def test_every_set_is_made_of_columns_of_the_table_each_once() -> None:
    for headers in COLUMN_SETS.values():
        assert [column.header for column in columns_of(headers)] == list(headers)
        assert len(set(headers)) == len(headers)


def test_a_column_comes_from_the_property_of_its_name_or_from_the_documented_other_one() -> None:
    assert {header: column.source for header, column in COLUMNS.items()} == {
        header: OTHER_SOURCES.get(header, header) for header in COLUMNS
    }
    assert {column.source for column in COLUMNS.values()} - {AUTHENTICATION, REGISTRATION, ROLES} == PROPERTIES


@pytest.mark.parametrize("header", COLUMNS)
def test_a_cell_is_a_text_or_empty_and_a_value_is_what_graph_sends(header: str) -> None:
    column = COLUMNS[header]
    kinds = {"text": (str, list), "boolean": (bool,), "number": (int,), "time": (str,)}

    assert isinstance(column.cell(full()), str)
    assert isinstance(column.value(full()), kinds[column.kind])
    assert column.cell(User(id="1")) == ("1" if column.source == "id" else None)
    assert column.value(User(id="1")) in ("1" if column.source == "id" else None, [])


@pytest.mark.parametrize("header", COLUMNS)
def test_a_column_says_what_it_is_and_what_it_costs(header: str) -> None:
    column = COLUMNS[header]

    assert column.group
    assert column.description
    assert column.cost in {"none", "page", "report", "user"}
    assert (column.cost in {"report", "user"}) <= (column.permission is not None)
    assert column.kind == "time" if header.endswith("DateTime") else True


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("objectId", "id"),
        ("physicalDeliveryOfficeName", "officeLocation"),
        ("telephoneNumber", "businessPhones2"),
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
        ("daysSinceLastSignIn", "0"),
        ("certificateUserIds", "X509:a; X509:b"),
        ("division", "Retail"),
        ("costCenter", "4711"),
        ("extensionAttribute15", "own 15"),
        ("onPremisesProvisioningErrors", "ProxyAddresses: PropertyConflict"),
        ("forceChangePasswordNextSignIn", "True"),
        ("forceChangePasswordNextSignInWithMfa", "False"),
        ("managerId", "m"),
        ("managerUserPrincipalName", "max@x"),
        ("sponsorIds", "s1; s2"),
        ("sponsorDisplayNames", "A group; Sue"),
        ("licenses", "2; Microsoft 365 E3"),
        ("licenseSkuPartNumbers", "2; SPE_E3"),
        ("licensesDirect", "Microsoft 365 E3"),
        ("licensesFromGroups", "2; Microsoft 365 E3"),
        ("licenseErrors", "2: CountViolation"),
        ("isMfaRegistered", "True"),
        ("isPasswordlessCapable", "False"),
        ("methodsRegistered", "email; sms"),
        ("defaultMfaMethod", "push"),
        ("directoryRoles", "User Administrator"),
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


def test_columns_from_elsewhere_are_not_selected() -> None:
    selected = select_of(COLUMNS.values())

    assert set(selected) == PROPERTIES - BESIDES
    assert relations_of(COLUMNS.values()) == ("manager", "sponsors")
    assert relations_of(COLUMNS.values(), {"manager"}) == ("sponsors",)


EXTENSION = f"extension_{'0a' * 16}_costCentre"


@pytest.mark.parametrize(
    ("sent", "cell"),
    [
        ("CC-1", "CC-1"),
        (4711, "4711"),
        (True, "True"),
        (1.5, "1.5"),
        (None, None),
        (["b", "a"], "a; b"),
        ("half \ud83d", "half \ufffd"),
    ],
)
def test_a_directory_extension_is_a_column_that_a_caller_names_freely(sent: object, cell: str | None) -> None:
    column = columns_of([EXTENSION])[0]
    kind = kind_of(select_of([column]))
    user = user_of(json.dumps({"id": "1", "displayName": "Ann", EXTENSION: sent}).encode(), kind)

    assert (column.source, column.permission) == (EXTENSION, None)
    assert (user.display_name, column.cell(user)) == ("Ann", cell)
    if cell != "half \ufffd":
        assert column.value(user) == sent
    assert column.cell(user_of(b'{"id": "1"}', kind)) is None


def test_custom_security_attributes_are_named_by_set_and_attribute_or_as_a_whole_set() -> None:
    names = ["Project", "CostCenter", "Certification", "Missing"]
    columns = columns_of([f"customSecurityAttributes.Engineering.{name}" for name in names])
    whole, other = columns_of(["customSecurityAttributes.Engineering", "customSecurityAttributes.Other"])
    sent = {
        "@odata.type": "#microsoft.graph.customSecurityAttributeValue",
        "Project@odata.type": "#Collection(String)",
        "Project": ["Cascade", "Baker"],
        "CostCenter": 1001,
        "Certification": True,
    }
    user = user_of(json.dumps({"id": "1", "customSecurityAttributes": {"Engineering": sent}}).encode())

    assert [column.cell(user) for column in columns] == ["Baker; Cascade", "1001", "True", None]
    assert [column.value(user) for column in columns] == [["Cascade", "Baker"], 1001, True, None]
    assert whole.value(user) == {"Project": ["Cascade", "Baker"], "CostCenter": 1001, "Certification": True}
    assert json.loads(whole.cell(user) or "") == whole.value(user)
    assert other.cell(user) is other.value(user) is None
    assert {column.permission for column in columns} == {"CustomSecAttributeAssignment.Read.All"}
    assert select_of(columns)[3:] == ("customSecurityAttributes",)


@pytest.mark.parametrize(
    "name",
    [
        "extension_abc_name",
        f"extension_{'0a' * 16}_",
        f"extension_{'0a' * 16}_a,displayName",
        f"{EXTENSION}\n",
        "customSecurityAttributes",
        "customSecurityAttributes.",
        "customSecurityAttributes.Set.A.B",
        "customSecurityAttributes.S$t",
    ],
)
def test_a_name_of_another_form_is_not_a_column(name: str) -> None:
    assert find_column(name) is None


def test_a_column_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(KeyError):
        columns_of(["nope"])
