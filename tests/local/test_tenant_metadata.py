"""The product and the simulated tenant know a user as Microsoft's own metadata does."""

import types
import typing
from typing import Any

import msgspec
import pytest

from local.tenant import Tenant, metadata
from local.tenant.membership import GROUPS
from shared.files.columns import COLUMNS, select_of
from shared.graph.user_parts import DirectoryObject
from shared.graph.users import User
from tests.local import graph

_EDM: dict[type, set[str]] = {
    str: {"Edm.String", "Edm.DateTimeOffset", "Edm.Guid"},
    bool: {"Edm.Boolean"},
    int: {"Edm.Int32"},
}


def decoded(kind: Any) -> list[Any]:
    """The types that a field takes beside null."""
    if typing.get_origin(kind) is typing.Annotated:
        return decoded(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [each for part in typing.get_args(kind) for each in decoded(part)]
    return [] if kind is type(None) else [kind]


def mismatches(struct: type[msgspec.Struct], owner: str, skip: tuple[str, ...] = ()) -> list[str]:
    """The fields of a Struct that the metadata lacks, or has with another type."""
    known = metadata.PROPERTIES if owner == "user" else metadata.TYPES[owner]
    found: list[str] = []
    for field in msgspec.structs.fields(struct):
        if field.name in skip:
            continue
        edm = known.get(field.encode_name, "").removesuffix(" not null")
        kinds = decoded(field.type)
        if edm.startswith("Collection("):
            kinds = [item for kind in kinds for part in typing.get_args(kind) for item in decoded(part)]
        bare = metadata.bare(edm)
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                found += mismatches(kind, bare)
            elif bare not in _EDM.get(kind, ()):
                found.append(f"{owner}.{field.encode_name}: {kind} is no {edm or 'property at all'}")
    return found


def test_each_property_that_the_product_decodes_has_that_type() -> None:
    later = [field.name for field in msgspec.structs.fields(User) if field.encode_name.startswith("@")]
    # Relations lead to objects of several types; security attributes have names that each tenant defines.
    others = ("manager", "sponsors", "custom_security_attributes")
    assert mismatches(User, "user", skip=(*later, *others)) == []
    assert mismatches(DirectoryObject, "user") == []
    assert {"manager", "sponsors"} <= set(metadata.RELATIONS)


def test_what_the_product_selects_and_filters_on_exists() -> None:
    selected = select_of(COLUMNS.values())
    assert [name for name in selected if name not in metadata.PROPERTIES] == []
    filtered = {"createdDateTime": "Edm.DateTimeOffset", "userPrincipalName": "Edm.String", "id": "Edm.String"}
    assert {name: metadata.PROPERTIES[name] for name in filtered} == filtered


def conforms(value: object, edm: str) -> bool:
    if value is None:
        return not edm.endswith(" not null")
    bare = metadata.bare(edm)
    if edm.startswith("Collection("):
        return isinstance(value, list) and all(each is not None and conforms(each, bare) for each in value)
    if bare == metadata.OPEN:
        return isinstance(value, dict)
    if bare in metadata.TYPES:
        known = metadata.TYPES[bare]
        return isinstance(value, dict) and all(name in known and conforms(value[name], known[name]) for name in value)
    return any(type(value) is kind and bare in names for kind, names in _EDM.items())


@pytest.mark.parametrize("shape", ["normal", "b2c"])
def test_the_people_of_the_tenant_have_all_properties_with_their_types(shape: str) -> None:
    people = Tenant(users=1500, seed=3, shape=shape).all_users()
    assert set(people[0]) == set(metadata.PROPERTIES)
    for name, edm in metadata.PROPERTIES.items():
        assert [user[name] for user in people if not conforms(user[name], edm)][:3] == [], name


def test_people_have_licences_attributes_and_an_account_on_premises() -> None:
    people = Tenant(users=1500, seed=3).all_users()
    never = {
        "deletedDateTime",
        "employeeLeaveDateTime",
        "identityParentId",
        "isManagementRestricted",
        "passwordProfile",
    }
    never |= {"serviceProvisioningErrors", "provisionedPlans"}
    assert {name for name in metadata.PROPERTIES if not any(user[name] for user in people)} <= never
    states = [state for user in people for state in user["licenseAssignmentStates"]]
    assert {state["assignedByGroup"] for state in states} == {None, next(iter(GROUPS))}
    assert {state["state"] for state in states} >= {"Active", "Error"}
    attributes = [user["onPremisesExtensionAttributes"] for user in people]
    assert all(len(each) == 15 for each in attributes)
    assert any(each["extensionAttribute15"] for each in attributes)


def test_a_national_cloud_lacks_properties() -> None:
    tenant = Tenant(users=30, cloud="USNat")
    assert graph.users(tenant, select="id")[0] == 200
    assert graph.error(graph.users(tenant, select="id,createdDateTime")) == (400, "BadRequest")
    filtered = graph.users(tenant, graph.EVENTUAL, filter="createdDateTime eq null", count="true")
    assert graph.error(filtered) == (400, "BadRequest")
    assert graph.users(tenant, orderby="createdDateTime")[0] == 400
