"""Faults that are done to any good answer: values of another form, errors after users, pages without an end, bodies of
any size. Graph, or a gateway in front of it, has really sent such answers.
"""

import json
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from local.tenant.calls import JSON, Answer, Call, dump
from local.tenant.faults import Rule

_CHUNK = 1024 * 1024


def in_place(rule: Rule) -> Answer:
    """The answer with the status and body of a `status` rule: JSON of any form, or an HTML page."""
    is_html = isinstance(rule.body, str) and rule.body.startswith("<")
    body = rule.body.encode() if is_html else dump(rule.body)
    return Answer(rule.status, body, {"Content-Type": "text/html" if is_html else JSON, **rule.wait()})


def spoiled(answer: Answer, rules: tuple[Rule, ...], call: Call) -> Answer:
    """The answer after these rules; rules of other kinds are not for here."""
    ways = {"odd_value": _odd, "late_error": _late_error, "endless": _endless}
    for rule in rules:
        if rule.kind in ways and answer.status == 200:
            body = json.loads(answer.body)
            if isinstance(body, dict) and ("value" in body or rule.kind == "odd_value"):  # No count.
                ways[rule.kind](body, rule, call)
                answer = replace(answer, body=dump(body))
    return answer


def _odd(body: dict[str, Any], rule: Rule, call: Call) -> None:
    for user in body["value"][: rule.users] if "value" in body else [body]:
        if rule.property in user:
            user[rule.property] = rule.value


def _late_error(body: dict[str, Any], rule: Rule, call: Call) -> None:
    """What a server does that has begun to send when it fails."""
    body["value"] = body["value"][: len(body["value"]) // 2]
    body.pop("@odata.nextLink", None)
    body["error"] = {"code": "InternalServerError", "message": "An injected fault of the simulated tenant."}


def _endless(body: dict[str, Any], rule: Rule, call: Call) -> None:
    """After the last page comes one more, each time with a new link."""
    if "@odata.nextLink" in body:
        return
    last = body["value"][-1:] or [{}]
    if rule.users >= 0:
        body["value"] = [_made_up(last[0]) for _ in range(rule.users)]
    body.pop("@odata.deltaLink", None)
    # Nobody sends what follows the #: the same page is asked for again.
    body["@odata.nextLink"] = f"{call.base}{call.target}#{uuid.uuid4()}"


def _made_up(like: dict[str, Any]) -> dict[str, Any]:
    made = str(uuid.uuid4())
    return like | {"id": made, "userPrincipalName": f"{made}@example.com"}


def huge(rule: Rule) -> Iterator[bytes]:
    """A page of `size` bytes that has nobody on it, chunk by chunk."""
    yield from _packed(rule.size) if rule.gzip else _whole(rule.size)


def _whole(size: int) -> Iterator[bytes]:
    decoded = (b" " * min(_CHUNK, size - at) for at in range(0, size, _CHUNK))
    return (chunk for part in ([b'{"value":['], decoded, [b"]}"]) for chunk in part)


@lru_cache(maxsize=8)  # a thousandth of the size, and seconds to make
def _packed(size: int) -> tuple[bytes, ...]:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    return (*(packer.compress(chunk) for chunk in _whole(size)), packer.flush())
