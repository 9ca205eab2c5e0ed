"""The tenant's registration report: who has registered what to prove who they are.

https://learn.microsoft.com/graph/api/authenticationmethodsroot-list-userregistrationdetails
5 requests in 10 s, pages of 999. It needs AuditLog.Read.All and a P1 licence. Disabled users are not in it, and it is
up to a day old.
"""

import msgspec

from shared.graph.user_parts import Registration

PATH = "/reports/authenticationMethods/userRegistrationDetails"


class Details(msgspec.Struct, rename="camel", gc=False):
    """A user's row, with what the columns need of it."""

    id: str
    is_admin: bool | None = None
    is_mfa_capable: bool | None = None
    is_mfa_registered: bool | None = None
    is_passwordless_capable: bool | None = None
    is_sspr_registered: bool | None = None
    is_system_preferred_authentication_method_enabled: bool | None = None
    methods_registered: list[str] | None = None
    system_preferred_authentication_methods: list[str] | None = None
    user_preferred_method_for_secondary_authentication: str | None = None


def registration_of(row: Details) -> Registration:
    return Registration(
        is_mfa_registered=row.is_mfa_registered,
        is_mfa_capable=row.is_mfa_capable,
        is_passwordless_capable=row.is_passwordless_capable,
        is_sspr_registered=row.is_sspr_registered,
        is_admin=row.is_admin,
        methods_registered=row.methods_registered or [],
        default_mfa_method=_default(row),
    )


def _default(row: Details) -> str | None:
    """The method that is asked for first: the system's choice where that is switched on, else the user's."""
    chosen = row.system_preferred_authentication_methods
    if row.is_system_preferred_authentication_method_enabled and chosen:
        return chosen[0]
    own = row.user_preferred_method_for_secondary_authentication
    return None if own == "none" else own
