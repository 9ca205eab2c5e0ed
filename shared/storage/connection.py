"""The connection to Blob Storage."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.storage.blob.aio import BlobServiceClient, ContainerClient


@dataclass(frozen=True, slots=True)
class Storage:
    """The service and the container of the exports."""

    service: "BlobServiceClient"
    container: "ContainerClient"
    by_identity: bool
    """The app signs in with an identity. Then links are signed with a user delegation key, else with the account's."""


def connect(settings: Settings, credential: "AsyncTokenCredential | None", **retries: Any) -> Storage:
    """Opens nothing yet. `credential` is used when the setting is an address and not a connection string.

    `retries`: options of the SDK's retry and transport in place of the usual ones, such as QUICK.
    """
    from azure.storage.blob.aio import BlobServiceClient

    by_identity = settings.storage.startswith("http")
    # The SDK's own retry: exponential, for 408, 429, 5xx and broken connections.
    options: dict[str, Any] = {"retry_total": 8, "initial_backoff": 1, "increment_base": 2} | retries
    # Otherwise aiohttp looks for a password in ~/.netrc, in a thread, before each request: 5 % of an export's CPU.
    # Requests to Graph do not use a proxy of the environment either.
    options["use_env_settings"] = False
    if by_identity:
        service = BlobServiceClient(settings.storage, credential=credential, **options)
    else:
        service = BlobServiceClient.from_connection_string(settings.storage, **options)
    return Storage(service, service.get_container_client(settings.container), by_identity)


QUICK: dict[str, Any] = {
    "retry_connect": 1,
    "retry_read": 1,
    "retry_status": 2,
    "initial_backoff": 0.2,
    "increment_base": 0.5,
    "random_jitter_range": 0.1,
    "connection_timeout": 2,
    "read_timeout": 4,
}
"""Options of `connect` for requests of callers: they fail within seconds, where an activity waits for minutes."""
_AWAY = frozenset({401, 403, 408, 409, 429})


def is_away(problem: Exception) -> bool:
    """Whether the storage could not be reached, or refuses the app: not that the app has sent a wrong request."""
    from azure.core.exceptions import AzureError, HttpResponseError

    if isinstance(problem, HttpResponseError) and problem.status_code:
        return problem.status_code in _AWAY or problem.status_code >= 500
    return isinstance(problem, AzureError)
