"""A user as Microsoft Graph sends it, with the properties that the columns need and no others.

msgspec decodes it from the response's bytes. A property that was not selected, or is null, is None.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from shared.graph import odd
from shared.graph.user_parts import (
    AssignedLicense,
    AuthenticationMethods,
    AuthorizationInfo,
    DirectoryObject,
    EmployeeOrgData,
    ExtensionAttributes,
    Identity,
    LicenseAssignmentState,
    PasswordProfile,
    Product,
    ProvisioningError,
    Registration,
    SignInActivity,
)

LONGEST_NAME = 400
"""Characters. A userPrincipalName has at most 113 (learn.microsoft.com: user resource); this leaves room."""


class User(msgspec.Struct, rename="camel", gc=False):
    """One user. Fields whose name on the wire begins with @ do not come with the list; they are filled in later."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    created_date_time: str | None = None
    deleted_date_time: str | None = None
    user_principal_name: str | None = None
    display_name: str | None = None
    surname: str | None = None
    mail: str | None = None
    given_name: str | None = None
    user_type: str | None = None
    job_title: str | None = None
    department: str | None = None
    account_enabled: bool | None = None
    usage_location: str | None = None
    street_address: str | None = None
    state: str | None = None
    country: str | None = None
    office_location: str | None = None
    city: str | None = None
    postal_code: str | None = None
    business_phones: list[str] | None = None
    mobile_phone: str | None = None
    other_mails: list[str] | None = None
    age_group: str | None = None
    consent_provided_for_minor: str | None = None
    legal_age_group_classification: str | None = None
    company_name: str | None = None
    creation_type: str | None = None
    on_premises_sync_enabled: bool | None = None
    external_user_state: str | None = None
    identities: list[Identity] | None = None
    employee_id: str | None = None
    employee_type: str | None = None
    employee_hire_date: str | None = None
    preferred_language: str | None = None
    mail_nickname: str | None = None
    proxy_addresses: list[str] | None = None
    fax_number: str | None = None
    last_password_change_date_time: str | None = None
    on_premises_sam_account_name: str | None = None
    on_premises_user_principal_name: str | None = None
    on_premises_distinguished_name: str | None = None
    on_premises_domain_name: str | None = None
    on_premises_last_sync_date_time: str | None = None
    sign_in_activity: SignInActivity | None = None
    assigned_licenses: list[AssignedLicense] | None = None
    authorization_info: AuthorizationInfo | None = None
    custom_security_attributes: dict[str, Any] | None = None
    employee_org_data: EmployeeOrgData | None = None
    external_user_state_change_date_time: str | None = None
    im_addresses: list[str] | None = None
    license_assignment_states: list[LicenseAssignmentState] | None = None
    manager: DirectoryObject | None = None
    on_premises_extension_attributes: ExtensionAttributes | None = None
    on_premises_immutable_id: str | None = None
    on_premises_provisioning_errors: list[ProvisioningError] | None = None
    on_premises_security_identifier: str | None = None
    password_policies: str | None = None
    password_profile: PasswordProfile | None = None
    preferred_data_location: str | None = None
    sign_in_sessions_valid_from_date_time: str | None = None
    sponsors: list[DirectoryObject] | None = None
    authentication_methods: AuthenticationMethods | None = msgspec.field(name="@methods", default=None)
    days_since_sign_in: int | None = msgspec.field(name="@days", default=None)
    products: Mapping[str, Product] | None = msgspec.field(name="@products", default=None)
    """The names of all products, the same for each user."""
    registration: Registration | None = msgspec.field(name="@registration", default=None)
    roles: tuple[str, ...] = msgspec.field(name="@roles", default=())
    odd: tuple[str, ...] = msgspec.field(name="@odd", default=())
    """The properties that came in another form than documented, and were read as far as possible."""


KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(User))
"""The properties that every tenant has, as Graph spells them."""


_EXTENSION = re.compile(rb'"(extension_[0-9a-f]{32}_\w+)"\s*:', re.IGNORECASE)


@lru_cache(maxsize=16)
def kind_with(names: tuple[str, ...], spelled: tuple[str, ...] = ()) -> type[User]:
    """The type of a user with these properties of a tenant too: directory extensions, of any JSON type.

    `spelled`: the same names as Graph writes them.
    """
    if not names:
        return User
    fields = [(name, Any, None) for name in names]
    rename = dict(zip(names, spelled or names, strict=True))
    return msgspec.defstruct("User", fields, bases=(User,), rename=rename, gc=False)  # type: ignore[return-value]


def as_spelled(kind: type[User], content: bytes) -> type[User]:
    """The type, with the names of extensions as this answer spells them.

    Graph takes names in any case and answers with its own spelling. With the caller's, all values would be missing.
    """
    if kind is User:
        return kind
    spellings = {name.lower(): name for name in map(bytes.decode, _EXTENSION.findall(content))}
    names = kind.__struct_fields__[len(User.__struct_fields__) :]
    return kind_with(names, tuple(spellings.get(name.lower(), name) for name in names))


def kind_of(select: Iterable[str]) -> type[User]:
    """The type of users with these properties selected."""
    return kind_with(tuple(name for name in select if name not in KNOWN))


def user_of(body: bytes, kind: type[User] = User) -> User:
    """A user, also one with odd properties. Raises msgspec.DecodeError when it is not one."""
    kind = as_spelled(kind, body)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return odd_user(odd.parse(body), kind)


def odd_user(value: object, kind: type[User] = User) -> User:
    """A user, from a value of `odd.parse`. Raises msgspec.ValidationError when it is not one."""
    user, names = odd.convert(value, kind)
    user.odd = names
    return user


_BESIDES = tuple(
    field.name
    for field in msgspec.structs.fields(User)
    if field.name not in {"id", "sign_in_activity"} and not field.encode_name.startswith("@")
)


def is_purged(user: User) -> bool:
    """Whether this is the object of a purged user: it has `id` and `signInActivity`, and nothing else.

    Lists with signInActivity bring such objects. Any other user has a userPrincipalName, which must be selected.
    """
    return all(getattr(user, name) in (None, [], ()) for name in _BESIDES)
