"""A request and its answer, without sockets; the shapes that the rest of Graph's routes share."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from local.tenant.errors import GraphError
from local.tenant.faults import Rule

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_PLAIN = "$(),:'"  # need no escape within a query


@dataclass(frozen=True, slots=True)
class Call:
    """A request: `target` is the path and query as sent, header names are in lower case, `base` is scheme and host."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    base: str = "http://graph.invalid"
    within_batch: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False  # a page or a batch: the server's latency is for these
    wire: tuple[Rule, ...] = ()  # faults that only the server can do: reset, hang, truncate


@dataclass(frozen=True, slots=True)
class Asked:
    """A call, taken apart."""

    call: Call
    path: tuple[str, ...]
    params: dict[str, str]
    faults: tuple[Rule, ...] = ()

    def fault(self, kind: str) -> Rule | None:
        return next((rule for rule in self.faults if rule.kind == kind), None)


def read_body(asked: Asked) -> dict[str, Any]:
    try:
        body = json.loads(asked.call.body)
    except ValueError:
        raise GraphError(400, "BadRequest", "Unable to read JSON request payload.") from None
    if not isinstance(body, dict):
        raise GraphError(400, "BadRequest", "Unable to read JSON request payload.")
    return body


def dump(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # Half a character, put in by a fault: only an escape can say it.
        return json.dumps(value, separators=(",", ":")).encode()


def json_answer(value: object, status: int = 200, slow: bool = False) -> Answer:
    return Answer(status, dump(value), {"Content-Type": JSON}, slow=slow)


def link_to(asked: Asked, params: Mapping[str, str]) -> str:
    path = asked.call.target.partition("?")[0]
    return f"{asked.call.base}{path}?{urlencode(params, quote_via=quote, safe=_PLAIN)}"
