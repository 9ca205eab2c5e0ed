"""A request and its answer, without sockets; the shapes that the rest of Graph's routes share."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from local.tenant.errors import GraphError, bad_request
from local.tenant.faults import Rule
from local.tenant.routes import Route

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_LEVEL = re.compile(r"odata\.metadata=(none|minimal|full)", re.IGNORECASE)
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
    """A call, taken apart: its route, the key in its path, its options (names in lower case), what its token may do."""

    call: Call
    route: Route
    key: str
    params: dict[str, str]
    roles: Collection[str] = ()
    faults: tuple[Rule, ...] = ()

    @property
    def eventual(self) -> bool:
        return self.call.headers.get("consistencylevel", "").lower() == "eventual"

    @property
    def length(self) -> int:
        """Characters of the URL."""
        return len(self.call.base) + len(self.call.target)

    def context(self, what: str) -> dict[str, Any]:
        """The head of an answer: of which entity or collection it is."""
        return {"@odata.context": f"{self.call.base}/v1.0/$metadata#{what}"}

    def allow(self, *options: str) -> None:
        """Refuses any other query option."""
        for name in self.params:
            if name.startswith("$") and name not in options:
                raise bad_request(f"'{name}' is not supported by the service.")

    def fault(self, kind: str) -> Rule | None:
        return next((rule for rule in self.faults if rule.kind == kind), None)


def read_options(query: str) -> dict[str, str]:
    """The options of a query, those of OData in lower case; twice the same is a 400."""
    return dict(_options(query))


@lru_cache(maxsize=1024)  # exports ask the same questions first, whoever the users are
def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        known = name.lower() if name.startswith("$") else name
        if known.startswith("$") and known in options:
            raise GraphError(400, "BadRequest", f"Query option '{known}' was specified more than once.")
        options[known] = value
    return options


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


def joined(one: bytes, other: bytes) -> bytes:
    """Two JSON objects as one."""
    return one[:-1] + (b"," if len(one) > 2 and len(other) > 2 else b"") + other[1:]


def listed(head: object, shown: Iterable[bytes], slow: bool = False) -> Answer:
    """A list: its head, such as the context and the next link, and its objects."""
    body = dump(head)[:-1] + b',"value":[' + b",".join(shown) + b"]}"
    return Answer(200, body, {"Content-Type": JSON}, slow=slow)


def json_answer(value: object, status: int = 200, slow: bool = False) -> Answer:
    return Answer(status, dump(value), {"Content-Type": JSON}, slow=slow)


def metadata_as_asked(answer: Answer, call: Call) -> Answer:
    """The answer with as much of OData's metadata as `Accept` asks for: `odata.metadata=none`, minimal or full."""
    asked = _LEVEL.search(call.headers.get("accept", ""))
    kind = answer.headers.get("Content-Type", "")
    if asked is None or asked[1] == "minimal" or kind != JSON:
        return answer
    headers = {**answer.headers, "Content-Type": kind.replace("=minimal", f"={asked[1]}", 1)}
    body = json.loads(answer.body)
    if asked[1] == "none":
        return replace(answer, body=dump(_without_metadata(body)), headers=headers)
    for each in body.get("value", [body]):
        if "id" in each:
            each.setdefault("@odata.type", "#microsoft.graph.user")
            each["@odata.id"] = f"{call.base}/v1.0/directoryObjects/{each['id']}/Microsoft.DirectoryServices.User"
    return replace(answer, body=dump(body), headers=headers)


def _without_metadata(value: Any) -> Any:
    """Links and counts stay: a client can't go on without."""
    if isinstance(value, list):
        return [_without_metadata(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _without_metadata(own)
        for name, own in value.items()
        if not name.endswith(("@odata.context", "@odata.type"))
    }


def link_to(asked: Asked, params: Mapping[str, str]) -> str:
    path = asked.call.target.partition("?")[0]
    return f"{asked.call.base}{path}?{urlencode(params, quote_via=quote, safe=_PLAIN)}"
