"""An answer that Graph refuses with: status, code and message of the error body, and headers such as Retry-After."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class GraphError(Exception):
    """`code` and `message` are Graph's own words; the server adds `innerError` with the ids of the request."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


def unsupported(message: str) -> GraphError:
    return GraphError(400, "Request_UnsupportedQuery", message)


def bad_request(message: str) -> GraphError:
    return GraphError(400, "Request_BadRequest", message)


def not_found(what: str) -> GraphError:
    message = f"Resource '{what}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", message)
