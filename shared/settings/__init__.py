"""Every setting of the app: its name, its default, and its check.

Settings are read when they are first needed, never at import: an exception while `function_app` is imported
shows in Azure only as "no functions found".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.settings import checks

MAX_SAS_MINUTES = 7 * 24 * 60 - 15
"""Azure signs with an identity for seven days at most, and links begin 15 minutes in the past."""
AZURE = ("WEBSITE_SITE_NAME", "WEBSITE_SKU", "WEBSITE_POD_NAME", "LEGION_SERVICE_HOST", "CONTAINER_NAME")
"""Azure sets at least one of these in every plan. Flex Consumption does not set WEBSITE_INSTANCE_ID."""

# Role template ids, the same in every tenant (Microsoft Entra built-in roles).
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
USER_ADMINISTRATOR = "fe930be7-5e62-47db-91af-98c3a49a38b1"
APP_ROLE = "Exports.Run"
DEFAULT_ROLES = (GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR, APP_ROLE)
_DEFAULT_ROLES = ",".join(DEFAULT_ROLES)


class SettingsError(Exception):
    """One or more settings are missing or wrong; the message names each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The app's configuration: field by field the settings of the README."""

    graph_endpoint: str
    storage: str
    """A connection string, or the address of the blob service when an identity is used."""
    container: str
    range_users: int
    parallel: int
    sas_minutes: int
    default_columns: str
    allowed_roles: frozenset[str]
    authentication_roles: frozenset[str]
    """One of them is needed for authentication columns, besides one of the allowed roles."""
    authentication_ask: str
    """Whose authentication methods are asked for: `registered`, who has any by the registration report, or `all`."""
    license_names: str
    """A file of the app, or a blob in the container, with Microsoft's CSV of product names; empty: the app's own."""
    callback_hosts: tuple[str, ...]
    retention_days: int
    max_running: int
    """Exports of one caller at the same time."""
    public_url: str
    """Where callers reach the app: `https://host` or `https://host/path`; empty when that is the app's own address."""
    sas_ip_range: str
    """The addresses from which links work; empty: all."""
    azure: bool
    """Whether the app runs in Azure."""
    easy_auth: bool
    tenant: str
    """The id of the tenant whose people and apps may call, in small letters; empty where no setting tells."""

    @property
    def all_read_authentication(self) -> bool:
        """Whether everyone who may export may have authentication columns too."""
        return self.allowed_roles <= self.authentication_roles

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Reads all settings. Raises SettingsError that names everything that is missing or wrong."""
        problems: list[str] = []

        def read(name: str, default: str, check: Callable[[str], Any]) -> Any:
            try:
                return check(env.get(name, "").strip() or default)
            except ValueError as problem:
                problems.append(f"{name}: {problem}")

        settings = cls(
            graph_endpoint=read("GRAPH_ENDPOINT", "https://graph.microsoft.com", checks.graph_endpoint),
            storage=checks.storage(env, problems),
            container=read("EXPORT_CONTAINER", "exports", checks.container),
            range_users=read("EXPORT_RANGE_USERS", "10000", checks.whole_number(1, 10_000_000)),
            parallel=read("EXPORT_PARALLEL", "40", checks.whole_number(1, 500)),
            sas_minutes=read("EXPORT_SAS_MINUTES", "60", checks.whole_number(1, MAX_SAS_MINUTES)),
            default_columns=read("EXPORT_DEFAULT_COLUMNS", "documented", checks.column_set),
            allowed_roles=read("EXPORT_ALLOWED_ROLES", _DEFAULT_ROLES, checks.roles),
            authentication_roles=read(
                "EXPORT_AUTHENTICATION_ROLES",
                env.get("EXPORT_ALLOWED_ROLES", "").strip() or _DEFAULT_ROLES,
                checks.roles,
            ),
            authentication_ask=read("EXPORT_AUTHENTICATION_ASK", "registered", checks.one_of("registered", "all")),
            license_names=read("EXPORT_LICENSE_NAMES", "", checks.file_name),
            callback_hosts=read("EXPORT_CALLBACK_HOSTS", "*.logic.azure.com", checks.hosts),
            retention_days=read("EXPORT_RETENTION_DAYS", "7", checks.whole_number(1, 3650)),
            max_running=read("EXPORT_MAX_RUNNING", "10", checks.whole_number(1, 1000)),
            public_url=read("EXPORT_PUBLIC_URL", "", checks.public_url),
            sas_ip_range=read("EXPORT_SAS_IP_RANGE", "", checks.ip_range),
            azure=any(env.get(name) for name in AZURE),
            easy_auth=env.get("WEBSITE_AUTH_ENABLED", "").lower() == "true",
            tenant=read("EXPORT_TENANT_ID", "", checks.tenant_id) or checks.only_tenant(env),
        )
        if problems:
            raise SettingsError("Settings to correct: " + "; ".join(problems) + ".")
        return settings


def host_matches(host: str, pattern: str) -> bool:
    """`*.example.com` takes every host below example.com, anything else just itself."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
