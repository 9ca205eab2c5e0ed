"""`POST /$batch`: up to 20 requests, each with its own answer; the answers come in any order.

Those that depend on another wait for it, and are answered 424 when it failed.
Source: "Combine multiple HTTP requests using JSON batching".
"""

import base64
import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from local.tenant.calls import Answer, Asked, Call, dump, json_answer, read_body
from local.tenant.errors import GraphError
from local.tenant.tenant import Tenant

MOST = 20
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_FAILED = {"error": {"code": "FailedDependency", "message": "A request that this one depends on has failed."}}
Item = dict[str, Any]


def answer_each(tenant: Tenant, asked: Asked, send: Callable[[Call], Answer]) -> Answer:
    requests = read_body(asked).get("requests")
    if not isinstance(requests, list) or not requests or not all(isinstance(each, dict) for each in requests):
        raise _invalid("Invalid batch payload format.")
    if len(requests) > MOST:
        raise _invalid(f"Number of batch request steps exceeds the maximum value of {MOST}.")
    _check(requests)
    done: dict[str, Item] = {}
    waiting = list(requests)
    while waiting:
        ready = [each for each in waiting if all(_id(other) in done for other in each.get("dependsOn") or ())]
        if not ready:
            raise _invalid("The requests of the batch depend on each other in a circle.")
        for each in ready:
            others = [done[_id(other)]["status"] for other in each.get("dependsOn") or ()]
            failed = any(status >= 400 for status in others)
            done[_id(each["id"])] = _refused(each) if failed else _answered(tenant, asked, each, send)
        waiting = [each for each in waiting if _id(each["id"]) not in done]
    responses = list(done.values())
    random.Random(f"{tenant.seed} {tenant.stats.requests['batch']}").shuffle(responses)
    return json_answer({"responses": responses}, slow=True)


def _id(text: object) -> str:
    return str(text).lower()


def _check(requests: list[Item]) -> None:
    ids = [each.get("id") for each in requests]
    if not all(isinstance(each, str) and each for each in ids) or len({_id(each) for each in ids}) != len(ids):
        raise _invalid("Every request of a batch needs an id of its own.")
    known = {_id(each) for each in ids}
    for each in requests:
        if str(each.get("method", "")).upper() not in _METHODS or not isinstance(each.get("url"), str):
            raise _invalid(f"The request '{each['id']}' of the batch needs a method and a url.")
        others = each.get("dependsOn") or []
        if not isinstance(others, list) or not {_id(other) for other in others} <= known - {_id(each["id"])}:
            raise _invalid(f"The request '{each['id']}' of the batch depends on one that is not there.")


def _refused(item: Item) -> Item:
    return {"id": item["id"], "status": 424, "headers": {"Content-Type": "application/json"}, "body": _FAILED}


def _answered(tenant: Tenant, asked: Asked, item: Item, send: Callable[[Call], Answer]) -> Item:
    url = item["url"]
    target = "/v1.0/" + url.lstrip("/")
    headers = {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
    headers["authorization"] = asked.call.headers.get("authorization", "")
    if url.startswith("http") or "$batch" in url:
        target = "/v1.0/" + quote(url, safe="")  # an absolute URL or a nested batch: no such resource
    body = dump(item["body"]) if "body" in item else b""
    answer = send(Call(item["method"].upper(), target, headers, body, asked.call.base, within_batch=True))
    shown: Any = None
    if answer.headers.get("Content-Type") == "text/plain":
        shown = json.loads(answer.body) if tenant.batch_text == "number" else base64.b64encode(answer.body).decode()
    elif answer.body[:1] == b"<":
        shown = base64.b64encode(answer.body).decode()
    elif answer.body:
        shown = json.loads(answer.body)
    return {"id": item["id"], "status": answer.status, "headers": dict(answer.headers), "body": shown}


def _invalid(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)
