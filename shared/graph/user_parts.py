"""The parts of a user that are objects in Microsoft Graph, with the properties that the columns need."""

import msgspec


class Identity(msgspec.Struct, rename="camel", gc=False):
    """One of the ways a user signs in; the portal shows the issuer."""

    issuer: str | None = None


class SignInActivity(msgspec.Struct, rename="camel", gc=False):
    """When a user last signed in. Needs AuditLog.Read.All and a P1 licence."""

    last_sign_in_date_time: str | None = None
    last_non_interactive_sign_in_date_time: str | None = None
    last_successful_sign_in_date_time: str | None = None


class AuthorizationInfo(msgspec.Struct, rename="camel", gc=False):
    """Certificates by which a user signs in."""

    certificate_user_ids: list[str] | None = None


class EmployeeOrgData(msgspec.Struct, rename="camel", gc=False):
    division: str | None = None
    cost_center: str | None = None


class PasswordProfile(msgspec.Struct, rename="camel", gc=False):
    """Only the flags: Graph never sends a password, and it would not be decoded."""

    force_change_password_next_sign_in: bool | None = None
    force_change_password_next_sign_in_with_mfa: bool | None = None


class ProvisioningError(msgspec.Struct, rename="camel", gc=False):
    """Why a user could not be synchronised to or from on-premises."""

    category: str | None = None
    property_causing_error: str | None = None


class AssignedLicense(msgspec.Struct, rename="camel", gc=False):
    """A product that a user has, by the id of its SKU."""

    sku_id: str | None = None


class LicenseAssignmentState(msgspec.Struct, rename="camel", gc=False):
    """How a user got a product. `assigned_by_group`: None for a direct assignment."""

    sku_id: str | None = None
    assigned_by_group: str | None = None
    state: str | None = None
    error: str | None = None


class DirectoryObject(msgspec.Struct, rename="camel", gc=False):
    """A user, group or orgContact that a user is related to. An orgContact has only its id."""

    id: str | None = None
    display_name: str | None = None
    user_principal_name: str | None = None
    mail: str | None = None


class ExtensionAttributes(msgspec.Struct, rename="camel", gc=False):
    """onPremisesExtensionAttributes."""

    extension_attribute1: str | None = None
    extension_attribute2: str | None = None
    extension_attribute3: str | None = None
    extension_attribute4: str | None = None
    extension_attribute5: str | None = None
    extension_attribute6: str | None = None
    extension_attribute7: str | None = None
    extension_attribute8: str | None = None
    extension_attribute9: str | None = None
    extension_attribute10: str | None = None
    extension_attribute11: str | None = None
    extension_attribute12: str | None = None
    extension_attribute13: str | None = None
    extension_attribute14: str | None = None
    extension_attribute15: str | None = None


class AuthenticationMethods(msgspec.Struct, gc=False):
    """What a user has registered for authentication; read user by user."""

    phone: str | None = None
    alternative_phone: str | None = None
    email: str | None = None


class Registration(msgspec.Struct, rename="camel", gc=False, frozen=True):
    """What the tenant's registration report says about a user."""

    is_mfa_registered: bool | None = None
    is_mfa_capable: bool | None = None
    is_passwordless_capable: bool | None = None
    is_sspr_registered: bool | None = None
    is_admin: bool | None = None
    methods_registered: list[str] = []
    default_mfa_method: str | None = None


class Product(msgspec.Struct, gc=False, frozen=True):
    """A SKU's names: `part_number` such as SPE_E3, `name` such as Microsoft 365 E3."""

    part_number: str
    name: str
