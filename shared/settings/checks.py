"""What each setting may be. A check takes the text of a setting, and gives its value or raises ValueError."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from shared.files.columns import COLUMN_SETS

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
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


def storage(env: Mapping[str, str], problems: list[str]) -> str:
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


def graph_endpoint(text: str) -> str:
    if not _is_safe(text) or (parts := urlsplit(text)).path.strip("/"):
        raise ValueError(f"an address like https://graph.microsoft.com is expected, not {text!r}")
    return f"{parts.scheme}://{parts.netloc}"


def public_url(text: str) -> str:
    if text and (not _is_safe(text) or not re.fullmatch(r"[\w.~:/%\[\]-]+", text, re.ASCII)):
        raise ValueError(f"an address like https://exports.contoso.com is expected, not {text!r}")
    return text.rstrip("/")


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise ValueError(f"a whole number from {lowest} to {highest} is expected, not {text!r}")
        return int(text)

    return check


def container(text: str) -> str:
    if not re.fullmatch(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", text):
        raise ValueError(f"3 to 63 small letters, digits and single hyphens are expected, not {text!r}")
    return text


def column_set(text: str) -> str:
    if text not in COLUMN_SETS:
        raise ValueError(f"one of {', '.join(COLUMN_SETS)} is expected, not {text!r}")
    return text


def one_of(*words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)} is expected, not {text!r}")
        return text

    return check


def file_name(text: str) -> str:
    """A plain path within the app's folder or the container: no URL, and nothing outside of these."""
    if text and (not re.fullmatch(r"[\w. -]+(?:/[\w. -]+)*", text) or ".." in text.split("/")):
        raise ValueError(f"the name of a file that is deployed with the app, or of a blob, is expected, not {text!r}")
    return text


def roles(text: str) -> frozenset[str]:
    roles = frozenset(part.strip() for part in text.split(",") if part.strip())
    if refused := sorted(roles & NEVER_ALLOWED):
        raise ValueError(f"{', '.join(refused)} can't be allowed: no organization-level administrator role")
    return roles


def tenant_id(text: str) -> str:
    if text and not _GUID.fullmatch(text.lower()):
        raise ValueError(f"the id of a tenant (a GUID) is expected, not {text!r}")
    return text.lower()


def only_tenant(env: Mapping[str, str]) -> str:
    """The tenant that Easy Auth lets in; empty when there are several: one of them is the app's, and no one says which.

    https://learn.microsoft.com/azure/app-service/reference-app-settings
    """
    tenants = {each.strip().lower() for each in env.get("WEBSITE_AUTH_AAD_ALLOWED_TENANTS", "").split(",")} - {""}
    return tenants.pop() if len(tenants) == 1 else ""


def ip_range(text: str) -> str:
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


def hosts(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())
