"""SAS links: each lets its holder read one blob for some time."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from shared.settings.checks import LOOPBACK
from shared.storage.connection import Storage

_CLOCK_SKEW = timedelta(minutes=15)
"""A link is valid from some minutes ago, because the clocks of the app and of the storage differ."""


async def link(
    storage: Storage,
    name: str,
    file_name: str,
    now: datetime,
    expires: datetime,
    *,
    ip_range: str = "",
    correlation_id: str = "",
) -> str:
    """A SAS link to this one blob: for reading, by https (http on loopback). A secret: it is never stored or logged.

    `ip_range`: the only address from which it works, or two with a hyphen between. `correlation_id`: a GUID that the
    storage logs with each use of the link; only a link that an identity has signed can have one.
    """
    from azure.storage.blob import BlobSasPermissions, generate_blob_sas

    blob = storage.container.get_blob_client(name)
    start = now - _CLOCK_SKEW
    signing: dict[str, Any] = {"account_key": getattr(storage.service.credential, "account_key", None)}
    if storage.by_identity:
        key = await storage.service.get_user_delegation_key(start, expires)
        signing = {"user_delegation_key": key, "correlation_id": correlation_id or None}
    ascii_name = file_name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    token = generate_blob_sas(
        account_name=str(storage.service.account_name),
        container_name=storage.container.container_name,
        blob_name=name,
        permission=BlobSasPermissions(read=True),
        start=start,
        expiry=expires,
        ip=ip_range or None,
        protocol="https,http" if urlsplit(blob.url).hostname in LOOPBACK else "https",
        content_disposition=f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(file_name, safe='')}",
        **signing,
    )
    return f"{blob.url}?{token}"
