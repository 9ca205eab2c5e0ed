"""The activity `notify`: posts the final body to the caller's callback URL, as Logic Apps' HTTP Webhook wants it.

The URL is a secret (a Logic App's has its signature in it). It is in a blob of the export's work, never in Durable's
history, and is removed when the export has ended.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from shared.export.context import Edges, read_record
from shared.export.messages import Failure, Notified, NotifyTask
from shared.export.outcome import Receiver, read_results, with_links
from shared.settings import host_matches
from shared.storage import blobs
from shared.storage.names import callback_name

TIMEOUT_SECONDS = 30.0
Post = Callable[[str, bytes], Awaitable[int]]
"""Posts JSON to a URL without following redirects, and returns the status. Raises ConnectionError without an answer."""


async def notify(edges: Edges, task: NotifyTask, post: Post) -> Notified:
    """Tells the caller how the export has ended. Raises when trying again may help."""
    record = await read_record(edges.storage, task.id)
    url = await blobs.read(edges.storage, callback_name(record.id, record.attempt))
    if url is None:
        return Notified()
    host = urlsplit(url.decode()).hostname or ""
    if not any(host_matches(host, pattern) for pattern in edges.settings.callback_hosts):
        return _warning(f"The host {host} is not one of EXPORT_CALLBACK_HOSTS any more; nothing was posted.")
    published = await read_results(edges.storage, record.id)
    # A callback has no roles that could be checked.
    receiver = Receiver(f"callback host {host}", reads_authentication=edges.settings.all_read_authentication)
    body = await with_links(edges.storage, edges.settings, record, published or {}, datetime.now(UTC), receiver)
    logging.info("The callback of export %s is sent to %s.", record.id, host)
    status = await post(url.decode(), msgspec.json.encode(body))
    if 200 <= status < 300:
        return Notified()
    if status in {408, 429} or status >= 500:
        raise ConnectionError(f"The callback host {host} answered {status}.")
    return _warning(f"The callback host {host} answered {status}; the result was not delivered.")


async def post_json(url: str, body: bytes) -> int:
    """The real `Post`. No redirect is followed: it could lead to a host that is not allowed."""
    import httpx

    limits = {"timeout": httpx.Timeout(TIMEOUT_SECONDS).as_dict()}
    try:
        request = httpx.Request(
            "POST", url, content=body, headers={"Content-Type": "application/json"}, extensions=limits
        )
        # The transport alone: httpx's client would log the URL, and read whatever is answered.
        async with httpx.AsyncHTTPTransport() as transport:
            response = await transport.handle_async_request(request)
            await response.aclose()
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        # Without the original error: its text has the URL in it.
        raise ConnectionError(f"The callback host can't be reached ({type(problem).__name__}).") from None
    return response.status_code


def _warning(reason: str) -> Notified:
    return Notified(Failure("CallbackFailed", reason))
