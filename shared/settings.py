"""Every setting of the app: its name, its default, and its check.

Settings are read when they are first needed, never at import: an exception while `function_app` is imported
shows in Azure as "no functions found", which helps nobody.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.files.columns import COLUMN_SETS

MAX_SAS_MINUTES = 7 * 24 * 60 - 15
"""Azure signs with an identity for seven days at most, and links begin 15 minutes in the past."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
AZURE = ("WEBSITE_SITE_NAME", "WEBSITE_SKU", "WEBSITE_POD_NAME", "LEGION_SERVICE_HOST", "CONTAINER_NAME")
"""One of them is set in Azure, whatever the plan. Flex Consumption does not set WEBSITE_INSTANCE_ID."""

# Role template ids, the same in every tenant (Microsoft Entra built-in roles).
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
USER_ADMINISTRATOR = "fe930be7-5e62-47db-91af-98c3a49a38b1"
APP_ROLE = "Exports.Run"
DEFAULT_ROLES = (GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR, APP_ROLE)
_DEFAULT_ROLES = ",".join(DEFAULT_ROLES)
# Not administrators of the organization, whatever a setting says: the portal's download refuses them too.
NEVER_ALLOWED = frozenset(
    {
        "95e79109-95c0-4d8e-aee3-d01accf2d47b",  # Guest Inviter
        "cf1c38e5-3621-4004-a7cb-879624dced7c",  # Application Developer
        "b79fbf4d-3ef9-4689-8143-76b194e85509",  # in every ordinary user's token
    }
)

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What Azurite, the emulator, is known by; the Python SDK does not know this abbreviation of it.
_DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
)


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
            graph_endpoint=read("GRAPH_ENDPOINT", "https://graph.microsoft.com", _graph_endpoint),
            storage=_storage(env, problems),
            container=read("EXPORT_CONTAINER", "exports", _container),
            range_users=read("EXPORT_RANGE_USERS", "40000", _whole(1, 10_000_000)),
            parallel=read("EXPORT_PARALLEL", "40", _whole(1, 500)),
            sas_minutes=read("EXPORT_SAS_MINUTES", "60", _whole(1, MAX_SAS_MINUTES)),
            default_columns=read("EXPORT_DEFAULT_COLUMNS", "documented", _column_set),
            allowed_roles=read("EXPORT_ALLOWED_ROLES", _DEFAULT_ROLES, _roles),
            authentication_roles=read(
                "EXPORT_AUTHENTICATION_ROLES", env.get("EXPORT_ALLOWED_ROLES", "").strip() or _DEFAULT_ROLES, _roles
            ),
            authentication_ask=read("EXPORT_AUTHENTICATION_ASK", "registered", _one_of("registered", "all")),
            license_names=read("EXPORT_LICENSE_NAMES", "", _license_names),
            callback_hosts=read("EXPORT_CALLBACK_HOSTS", "*.logic.azure.com", _hosts),
            retention_days=read("EXPORT_RETENTION_DAYS", "7", _whole(1, 3650)),
            max_running=read("EXPORT_MAX_RUNNING", "10", _whole(1, 1000)),
            public_url=read("EXPORT_PUBLIC_URL", "", _public_url),
            sas_ip_range=read("EXPORT_SAS_IP_RANGE", "", _ip_range),
            azure=any(env.get(name) for name in AZURE),
            easy_auth=env.get("WEBSITE_AUTH_ENABLED", "").lower() == "true",
            tenant=read("EXPORT_TENANT_ID", "", _tenant) or _only_tenant(env),
        )
        if problems:
            raise SettingsError("Settings to correct: " + "; ".join(problems) + ".")
        return settings


def _storage(env: Mapping[str, str], problems: list[str]) -> str:
    """EXPORT_STORAGE, else AzureWebJobsStorage; each as a connection string or, with `__`, as an identity's."""
    for name in ("EXPORT_STORAGE", "AzureWebJobsStorage"):
        connection_string = env.get(name, "").strip()
        if connection_string == "UseDevelopmentStorage=true":
            return _DEVELOPMENT_STORAGE
        if connection_string:
            if "=" not in connection_string or connection_string.lower().startswith("http"):
                problems.append(f"{name}: a connection string is expected (for an identity: {name}__blobServiceUri)")
            return connection_string
        uri = env.get(f"{name}__blobServiceUri", "").strip()
        account = env.get(f"{name}__accountName", "").strip()
        if account and not uri:
            uri = f"https://{account}.blob.core.windows.net"
        if uri:
            if not _is_safe(uri):
                problems.append(f"{name}__blobServiceUri: an https address is expected, not {uri!r}")
            return uri.rstrip("/").replace("HTTPS://", "https://")
    problems.append("EXPORT_STORAGE__blobServiceUri (or EXPORT_STORAGE, or AzureWebJobsStorage) is missing")
    return ""


def _is_safe(url: str) -> bool:
    """https with a host, or plain http on loopback: anything else would show tokens and data to the network."""
    try:
        parts = urlsplit(url)
        plain = "@" not in parts.netloc and not parts.query and not parts.fragment and parts.port != 0
    except ValueError:
        return False
    return plain and (
        (parts.scheme == "https" and bool(parts.hostname)) or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    )


def _graph_endpoint(text: str) -> str:
    if not _is_safe(text) or (parts := urlsplit(text)).path.strip("/"):
        raise ValueError(f"an address like https://graph.microsoft.com is expected, not {text!r}")
    return f"{parts.scheme}://{parts.netloc}"


def _public_url(text: str) -> str:
    if text and (not _is_safe(text) or not re.fullmatch(r"[\w.~:/%\[\]-]+", text, re.ASCII)):
        raise ValueError(f"an address like https://exports.contoso.com is expected, not {text!r}")
    return text.rstrip("/")


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise ValueError(f"a whole number from {lowest} to {highest} is expected, not {text!r}")
        return int(text)

    return check


def _container(text: str) -> str:
    if not re.fullmatch(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", text):
        raise ValueError(f"3 to 63 small letters, digits and single hyphens are expected, not {text!r}")
    return text


def _column_set(text: str) -> str:
    if text not in COLUMN_SETS:
        raise ValueError(f"one of {', '.join(COLUMN_SETS)} is expected, not {text!r}")
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)} is expected, not {text!r}")
        return text

    return check


def _license_names(text: str) -> str:
    """A plain path within the app's folder or the container: no URL, and nothing outside of these."""
    if text and (not re.fullmatch(r"[\w. -]+(?:/[\w. -]+)*", text) or ".." in text.split("/")):
        raise ValueError(f"the name of a file that is deployed with the app, or of a blob, is expected, not {text!r}")
    return text


def _roles(text: str) -> frozenset[str]:
    roles = frozenset(part.strip() for part in text.split(",") if part.strip())
    if refused := sorted(roles & NEVER_ALLOWED):
        raise ValueError(f"{', '.join(refused)} can't be allowed: no organization-level administrator role")
    return roles


def _tenant(text: str) -> str:
    if text and not _GUID.fullmatch(text.lower()):
        raise ValueError(f"the id of a tenant (a GUID) is expected, not {text!r}")
    return text.lower()


def _only_tenant(env: Mapping[str, str]) -> str:
    """The tenant that Easy Auth lets in; empty when there are several: one of them is the app's, and no one says which.

    https://learn.microsoft.com/azure/app-service/reference-app-settings
    """
    tenants = {each.strip().lower() for each in env.get("WEBSITE_AUTH_AAD_ALLOWED_TENANTS", "").split(",")} - {""}
    return tenants.pop() if len(tenants) == 1 else ""


def _ip_range(text: str) -> str:
    """An IPv4 address, or two with a hyphen between: what a SAS can be bound to.

    https://learn.microsoft.com/rest/api/storageservices/create-service-sas#specify-an-ip-address-or-ip-range
    """
    try:
        ends = [ipaddress.IPv4Address(each) for each in text.split("-")] if text else []
    except ValueError:
        ends = [ipaddress.IPv4Address(0)] * 3
    if len(ends) > 2 or ends != sorted(ends):
        raise ValueError(f"an IPv4 address or a range like 203.0.113.0-203.0.113.255 is expected, not {text!r}")
    return text


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def host_matches(host: str, pattern: str) -> bool:
    """`*.example.com` takes every host below example.com, anything else just itself."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
