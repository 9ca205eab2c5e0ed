"""Asks a simulated tenant as a client does, without sockets."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from local.tenant import Call, Tenant, answer

BASE = "https://graph.test"
EVENTUAL = {"consistencylevel": "eventual"}


def ask(
    tenant: Tenant, target: str, headers: dict[str, str] | None = None, body: object = None, method: str = ""
) -> tuple[int, Any]:
    own = {"authorization": "Bearer t"} | (headers or {})
    sent = b"" if body is None else json.dumps(body).encode()
    call = Call(method or ("GET" if body is None else "POST"), target, own, sent, BASE)
    found = answer(tenant, call)
    return found.status, json.loads(found.body)


def users(tenant: Tenant, headers: dict[str, str] | None = None, **options: object) -> tuple[int, Any]:
    params = {f"${name}": value for name, value in options.items()}
    return ask(tenant, "/v1.0/users?" + urlencode(params, quote_via=quote), headers)


def pages(tenant: Tenant, target: str, headers: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    while target:
        status, page = ask(tenant, target.removeprefix(BASE), headers)
        assert status == 200, page
        yield page
        target = page.get("@odata.nextLink", "")


def ids(tenant: Tenant, target: str, headers: dict[str, str] | None = None) -> list[str]:
    return [user["id"] for page in pages(tenant, target, headers) for user in page["value"]]


def error(found: tuple[int, Any]) -> tuple[int, str]:
    status, body = found
    return status, body["error"]["code"]
