"""`GET /users/delta`: who has changed since."""

import base64
import json
from dataclasses import replace
from typing import Any

from local.tenant import lists, query
from local.tenant.calls import Answer, Asked, json_answer, link_to
from local.tenant.directory import user_id
from local.tenant.errors import bad_request
from local.tenant.rendering import rows
from local.tenant.tenant import Tenant

_PAGE = 200


def delta(tenant: Tenant, asked: Asked) -> Answer:
    """`latest` gives a link from now on; that link gives the users changed since; without a token everyone comes
    first, page by page.
    """
    params = asked.params
    for name, asked_for in params.items():
        allowed = name in ("$select", "$deltatoken", "$skiptoken") or (
            name == "$filter" and asked_for.startswith("id eq ")
        )
        if name.startswith("$") and not allowed:
            raise bad_request(f"The query option '{name}' is not supported with delta.")
    domain, kept = tenant.everyone(), {name: value for name, value in params.items() if name in ("$select", "$filter")}
    latest = link_to(asked, kept | {"$deltatoken": _token(len(tenant.changes))})
    mark = params.get("$deltatoken")
    size = query.preferred_size(asked.call.headers) or _PAGE
    if mark is None:
        wanted = query.parse_query(kept | params, asked.call.headers, 0, domain)
        page = json.loads(lists.page(tenant, asked, domain, replace(wanted, top=min(size, 999))).body)
        return json_answer(page if "@odata.nextLink" in page else page | {"@odata.deltaLink": latest}, slow=True)
    select = query.parse_select(params.get("$select"), tenant.absent)
    since = len(tenant.changes) if mark == "latest" else _since(mark)
    value: list[dict[str, Any]] = []
    for at in dict.fromkeys(tenant.changes[since:]):
        removed = tenant.directory.edited.get(at, {}) is None
        gone = {"id": user_id(tenant.directory, at), "@removed": {"reason": "changed"}}
        value.append(
            gone if removed else json.loads(rows(tenant.directory, [at], select, hidden=lists.hidden(asked))[0])
        )
    return json_answer(asked.context("users/$delta") | {"@odata.deltaLink": latest, "value": value}, slow=True)


def _token(version: int) -> str:
    return base64.urlsafe_b64encode(f"delta {version}".encode()).decode().rstrip("=")


def _since(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).removeprefix(b"delta "))
    except ValueError:
        raise bad_request("The delta token is not valid.") from None
