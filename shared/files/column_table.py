"""The one table of columns: for each name the `$select`, the header, the cell, and the cost.

Headers are those of the portal's own file (as documented, and as captured in 2021 where that differs), then those of
Microsoft Graph for columns that the portal does not have.
"""

from shared.files.column import AUTHENTICATION, MANAGER, REGISTRATION, ROLES, SIGN_IN, SPONSORS, Column, Maker, joined
from shared.files.licenses import error_texts, from_groups, names, part_numbers, products

_WHO, _WORK, _PLACE = Maker("Identity"), Maker("Work"), Maker("Contact")
_ACCOUNT, _AGE, _PREMISES = Maker("Account"), Maker("Age"), Maker("On-premises")
_PROOF = Maker(
    "Authentication", "user", "UserAuthenticationMethod.Read.All", AUTHENTICATION, field="authentication_methods"
)
_SEEN = Maker("Sign-in", "page", "AuditLog.Read.All", SIGN_IN)
_PASSWORD = Maker("Account", source="passwordProfile")
_BOSS = Maker("Manager and sponsors", "page", source=MANAGER)
_SPONSOR = Maker("Manager and sponsors", "page")
_LICENSES = Maker("Licenses", permission="LicenseAssignment.Read.All")
_FACTOR = Maker("Multi-factor registration", "report", "AuditLog.Read.All", REGISTRATION, field="registration")
_ROLES = Maker("Roles", "report", "RoleManagement.Read.Directory", ROLES)

DOCUMENTED = (
    _WHO.text("userPrincipalName", "The name to sign in with"),
    _WHO.text("displayName", "The name that others see"),
    _WHO.text("surname", "Family name"),
    _PLACE.text("mail", "Mail address"),
    _WHO.text("givenName", "First name"),
    _WHO.text("objectId", "The user's id in Microsoft Entra, which never changes", "id"),
    _ACCOUNT.text("userType", "Member or Guest"),
    _WORK.text("jobTitle", "Job title"),
    _WORK.text("department", "Department"),
    _ACCOUNT.flag("accountEnabled", "Whether the user may sign in"),
    _ACCOUNT.text("usageLocation", "Country in which services are used, as two letters; licenses need it"),
    _PLACE.text("streetAddress", "Street and number"),
    _PLACE.text("state", "State or province"),
    _PLACE.text("country", "Country"),
    _PLACE.text("physicalDeliveryOfficeName", "Office, by the portal's name", "officeLocation"),
    _PLACE.text("city", "City"),
    _PLACE.text("postalCode", "Postal code"),
    _PLACE.column(
        "telephoneNumber",
        "businessPhones",
        lambda user: user.business_phones[0] if user.business_phones else None,
        None,
        "The first business phone",
    ),
    _PLACE.text("mobile", "Mobile phone, by the portal's name", "mobilePhone"),
    _PROOF.text("authenticationPhoneNumber", "Mobile phone by which the user signs in", "phone"),
    _PROOF.text("authenticationAlternativePhoneNumber", "Other mobile phone for signing in", "alternativePhone"),
    _PROOF.text("authenticationEmail", "Mail address for resetting the password", "email"),
    _PLACE.texts("alternateEmailAddress", "Other mail addresses", "otherMails"),
    _AGE.text("ageGroup", "Minor, NotAdult or Adult"),
    _AGE.text("consentProvidedForMinor", "Granted, Denied or NotRequired"),
    _AGE.text("legalAgeGroupClassification", "What age group and consent mean by law"),
)
"""The 26 of Microsoft's documentation, in its order."""

_CAPTURED = (
    _WHO.text("id", "The user's id in Microsoft Entra, by Graph's name"),
    _PLACE.text("officeLocation", "Office"),
    _PLACE.text("mobilePhone", "Mobile phone"),
    _WORK.text("companyName", "Company"),
    _ACCOUNT.text("creationType", "How the account was made: Invitation, LocalAccount, EmailVerified, or empty"),
    _PREMISES.flag("directorySynced", "Whether the user is synchronised from on-premises", "onPremisesSyncEnabled"),
    _ACCOUNT.text("invitationState", "A guest's invitation: PendingAcceptance or Accepted", "externalUserState"),
    _WHO.column(
        "identityIssuer",
        "identities",
        lambda user: list(dict.fromkeys(identity.issuer for identity in user.identities or ())),
        joined,
        "Who vouches for the user's sign-in",
    ),
    _ACCOUNT.time("createdDateTime", "When the account was made"),
    _ACCOUNT.time("deletedDateTime", "When the user was deleted; empty for who is not"),
)
"""The names of the file captured from the portal in 2021."""

_MORE = (
    _PLACE.texts("businessPhones", "All business phones"),
    _PLACE.texts("proxyAddresses", "All addresses of the mailbox; SMTP: is the main one"),
    _WORK.text("employeeId", "Number of the employee"),
    _WORK.text("employeeType", "Such as Employee or Contractor"),
    _WORK.time("employeeHireDate", "When the employee was hired"),
    _PLACE.text("preferredLanguage", "Language, such as en-US"),
    _PLACE.text("mailNickname", "Alias of the mailbox"),
    _PLACE.text("faxNumber", "Fax number"),
    _ACCOUNT.time("lastPasswordChangeDateTime", "When the password was changed or made"),
    _PREMISES.text("onPremisesSamAccountName", "sAMAccountName"),
    _PREMISES.text("onPremisesUserPrincipalName", "userPrincipalName on-premises"),
    _PREMISES.text("onPremisesDistinguishedName", "Distinguished name"),
    _PREMISES.text("onPremisesDomainName", "DNS name of the domain"),
    _PREMISES.time("onPremisesLastSyncDateTime", "When the user was last synchronised"),
    _SEEN.time("lastSuccessfulSignInDateTime", "The last sign-in that succeeded (known since December 2023)"),
    _SEEN.time("lastSignInDateTime", "The last interactive sign-in, also one that failed"),
    _SEEN.time("lastNonInteractiveSignInDateTime", "The last sign-in that an app made for the user"),
    _SEEN.column(
        "daysSinceLastSignIn",
        SIGN_IN,
        lambda user: user.days_since_sign_in,
        lambda days: None if days is None else str(days),
        "Whole days since lastSuccessfulSignInDateTime, or else lastSignInDateTime",
        "number",
    ),
    Maker("Account", source="authorizationInfo").texts("certificateUserIds", "Certificates by which the user signs in"),
    Maker("Work", source="employeeOrgData").text("division", "Division"),
    Maker("Work", source="employeeOrgData").text("costCenter", "Cost center"),
    _ACCOUNT.time("externalUserStateChangeDateTime", "When a guest's invitation last changed"),
    _PLACE.texts("imAddresses", "Addresses for instant messages"),
    _PREMISES.text("onPremisesImmutableId", "What joins the user with the account on-premises"),
    _PREMISES.column(
        "onPremisesProvisioningErrors",
        "onPremisesProvisioningErrors",
        lambda user: (
            [f"{each.property_causing_error}: {each.category}" for each in user.on_premises_provisioning_errors]
            if user.on_premises_provisioning_errors
            else user.on_premises_provisioning_errors
        ),
        joined,
        "Why the user can't be synchronised, as property: category",
    ),
    _PREMISES.text("onPremisesSecurityIdentifier", "Security identifier (SID) on-premises"),
    _ACCOUNT.text("passwordPolicies", "Such as DisablePasswordExpiration"),
    _PASSWORD.flag("forceChangePasswordNextSignIn", "Whether the password must be changed at the next sign-in"),
    _PASSWORD.flag("forceChangePasswordNextSignInWithMfa", "The same, after multi-factor authentication"),
    _ACCOUNT.text("preferredDataLocation", "Where the user's data should be kept"),
    _ACCOUNT.time("signInSessionsValidFromDateTime", "Sessions and refresh tokens from before no longer count"),
    *(
        Maker("Extension attributes", source="onPremisesExtensionAttributes").text(
            f"extensionAttribute{number}", "A field with a meaning of your own"
        )
        for number in range(1, 16)
    ),
    _BOSS.text("managerId", "The manager's object id", "id"),
    _BOSS.text("managerDisplayName", "The manager's name; empty for a contact", "displayName"),
    _BOSS.text("managerUserPrincipalName", "The manager's userPrincipalName", "userPrincipalName"),
    _BOSS.text("managerMail", "The manager's mail address", "mail"),
    _SPONSOR.column(
        "sponsorIds",
        SPONSORS,
        lambda user: [each.id for each in user.sponsors or ()],
        joined,
        "Object ids of those who answer for a guest: users and groups",
    ),
    _SPONSOR.column(
        "sponsorDisplayNames",
        SPONSORS,
        lambda user: [each.display_name for each in user.sponsors or ()],
        joined,
        "Names of those who answer for a guest",
    ),
    _LICENSES.column("licenses", "assignedLicenses", names, joined, "Names of the user's products"),
    _LICENSES.column("licenseSkuPartNumbers", "assignedLicenses", part_numbers, joined, "The same, such as SPE_E3"),
    _LICENSES.column(
        "licensesDirect",
        "licenseAssignmentStates",
        lambda user: products(user, by_group=False),
        joined,
        "Products that were assigned to the user directly",
    ),
    _LICENSES.column(
        "licensesFromGroups",
        "licenseAssignmentStates",
        from_groups,
        joined,
        "Products that the user has by way of a group",
    ),
    _LICENSES.column(
        "licenseErrors", "licenseAssignmentStates", error_texts, joined, "What is wrong with an assignment, by product"
    ),
    _FACTOR.flag("isMfaRegistered", "Has registered a strong method; empty: the report does not have the user"),
    _FACTOR.flag("isMfaCapable", "Has a strong method that the policies allow"),
    _FACTOR.flag("isPasswordlessCapable", "Has a method without a password that the policies allow"),
    _FACTOR.flag("isSsprRegistered", "Has registered enough to reset the password"),
    _FACTOR.flag("isAdmin", "Has an administrator role, by the report"),
    _FACTOR.texts("methodsRegistered", "Registered methods, such as mobilePhone"),
    _FACTOR.text("defaultMfaMethod", "The method that is asked for first"),
    _ROLES.column(
        "directoryRoles",
        ROLES,
        lambda user: list(user.roles),
        joined,
        "Directory roles, also by way of a group; with a unit's name in brackets",
    ),
)
"""What the portal's file leaves out."""

TABLE: tuple[Column, ...] = (*DOCUMENTED, *_CAPTURED, *_MORE)
