"""A user as Microsoft Graph sends it, with the properties that the columns need and no others.

Decoded by msgspec straight from the response's bytes. A property that was not selected, or is null, is None.
"""

from typing import Annotated

import msgspec

from shared.graph import odd

LONGEST_NAME = 400
"""Characters. A userPrincipalName has 113 at most (learn.microsoft.com: user resource), with room for what may come."""


class Identity(msgspec.Struct, rename="camel", gc=False):
    """One of the ways a user signs in; the portal shows the issuer."""

    issuer: str | None = None


class SignInActivity(msgspec.Struct, rename="camel", gc=False):
    """When a user last signed in. Needs AuditLog.Read.All and a P1 licence."""

    last_sign_in_date_time: str | None = None
    last_non_interactive_sign_in_date_time: str | None = None
    last_successful_sign_in_date_time: str | None = None


class AuthenticationMethods(msgspec.Struct, gc=False):
    """What a user has registered to prove who they are; read user by user."""

    phone: str | None = None
    alternative_phone: str | None = None
    email: str | None = None


class User(msgspec.Struct, rename="camel", gc=False):
    """One user. `authentication_methods` and `odd` are filled in later and never come with the list."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    created_date_time: str | None = None
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
    authentication_methods: AuthenticationMethods | None = None
    odd: tuple[str, ...] = msgspec.field(name="@odd", default=())
    """The properties that came in another form than documented, and were read as far as they can be."""


_DECODER = msgspec.json.Decoder(User)


def user_of(body: bytes) -> User:
    """A user, also one with odd properties. Raises msgspec.DecodeError when it is none."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return odd_user(odd.parse(body))


def odd_user(value: object) -> User:
    """A user, from what `odd.parse` gave. Raises msgspec.ValidationError when it is none."""
    user, names = odd.convert(value, User)
    user.odd = names
    return user


_BESIDES = tuple(name for name in User.__struct_fields__ if name not in {"id", "sign_in_activity", "odd"})


def is_purged(user: User) -> bool:
    """True for the object of a purged user: it has `id` and `signInActivity`, and nothing else.

    Lists with signInActivity bring such objects. A user always has a userPrincipalName, which must have been selected.
    """
    return all(getattr(user, name) in (None, [], ()) for name in _BESIDES)
