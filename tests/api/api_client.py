"""A client of the running app that holds every answer against shared/api/openapi.json."""

import base64
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from local.serve import Serving
from shared.api.access import HEADER
from shared.settings import APP_ROLE, USER_ADMINISTRATOR
from tests.waiting import wait

Json = dict[str, Any]
SHARED = Path(__file__).parents[2] / "shared"
CONTRACT: Json = json.loads((SHARED / "api/openapi.json").read_text())
SLOW_USERS = 60_000
_BASE = "urn:openapi"
_REGISTRY: Registry[Any] = Registry().with_resource(_BASE, DRAFT202012.create_resource(CONTRACT))


def principal(oid: str, *roles: str, name: str = "Ann Example", **claims: str) -> dict[str, str]:
    """The header by which Easy Auth says who asks."""
    found = [("oid", oid), ("preferred_username", name), *(("roles", role) for role in roles), *claims.items()]
    text = json.dumps({"auth_typ": "aad", "claims": [{"typ": kind, "val": value} for kind, value in found]})
    return {HEADER: base64.b64encode(text.encode()).decode()}


def administrator(oid: str = "admin") -> dict[str, str]:
    return principal(oid, USER_ADMINISTRATOR)


def program(oid: str) -> dict[str, str]:
    """A Logic App's managed identity: it sees its own exports only."""
    return principal(oid, APP_ROLE, name=f"app {oid}")


@dataclass(frozen=True, slots=True)
class Api:
    """The API as one caller sees it."""

    serving: Serving
    http: httpx.Client
    caller: dict[str, str]

    def as_caller(self, caller: dict[str, str]) -> "Api":
        return Api(self.serving, self.http, caller)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.caller, **options.pop("headers", {})}
        answer = self.http.request(method, path, headers=headers, **options)
        check(answer)
        return answer

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def post(self, body: Json | None = None, key: str = "", **request: Any) -> httpx.Response:
        """POST /exports; the cheap columns unless told otherwise."""
        headers = {"Idempotency-Key": key} if key else {}
        wanted = {"columns": "profile", **request} if body is None else body
        return self.send("POST", "/api/exports", json=wanted, headers=headers)

    def start(self, **request: Any) -> str:
        answer = self.post(**request)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def end(self, export_id: str) -> httpx.Response:
        """The first answer that is no 202."""

        def ended() -> httpx.Response | None:
            answer = self.get(f"/api/exports/{export_id}")
            return None if answer.status_code == 202 else answer

        found: httpx.Response = wait(ended, f"the end of {export_id}")
        return found

    def run(self, **request: Any) -> Json:
        """The results of an export that ends well."""
        answer = self.end(self.start(**request))
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def cancel(self, export_id: str) -> httpx.Response:
        return self.send("POST", f"/api/exports/{export_id}/cancel")

    def delete(self, export_id: str) -> httpx.Response:
        return self.send("DELETE", f"/api/exports/{export_id}")

    def listed(self, **query: Any) -> Json:
        answer = self.get("/api/exports", params=query)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def log(self) -> str:
        return (self.serving.data / "serve.log").read_text(errors="replace")


def check(answer: httpx.Response) -> None:
    """Fails when the answer has a status, header, media type or body that the document does not have."""
    found = operation(answer.request.method, urlsplit(str(answer.request.url)).path)
    if found is None:
        assert answer.status_code == 404, (answer.request.method, answer.request.url, answer.status_code)
        return
    described = found["responses"].get(str(answer.status_code))
    assert described, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:500]}"
    described = _resolved(described)
    for name, header in described.get("headers", {}).items():
        value = answer.headers.get(name)
        assert value is not None, f"{answer.status_code} without {name}"
        schema = _resolved(header)["schema"]
        validate(int(value) if schema.get("type") == "integer" else value, schema)
    if "content" not in described:
        assert answer.content == b""
        return
    media = described["content"][answer.headers["content-type"].split(";")[0]]
    validate(answer.json() if "json" in answer.headers["content-type"] else answer.text, media["schema"])
    if media["schema"].get("$ref") == "#/components/schemas/Export":
        check_state(answer.json())


def check_state(export: Json) -> None:
    """Fails when an export has not what belongs to its state: the contract has one model for all of them."""
    status = export["status"]
    if "statusUrl" in export:
        assert (status, {*export} - {"notes"}) == ("NotStarted", {"id", "status", "statusUrl"})
        return
    told = {"id", "status", "request", "requestedBy", "createdDateTime"}
    if status in {"NotStarted", "InProgress"}:
        told |= {"progress"}
        more = {"cancelRequested"}
    else:
        told |= {"file", "warnings", "errors", "download"} | ({"error"} if status in {"Failed", "Cancelled"} else set())
        more = {"notes", "advice", "counts", "rate", "completedDateTime"}
    assert told <= {*export} <= told | more
    assert (status in {"Completed", "CompletedWithErrors"}) == bool(export.get("file"))
    assert export.get("cancelRequested") in {None, True}


def operation(method: str, path: str) -> Json | None:
    """The operation that takes this request, None when none does."""
    # An encoded slash stays in its part.
    wanted = [unquote(part) for part in path.rstrip("/").split("/")[2:]]
    for template, item in CONTRACT["paths"].items():
        parts = template.split("/")[1:]
        if len(parts) == len(wanted) and all(
            part.startswith("{") or part == given.lower() for part, given in zip(parts, wanted, strict=True)
        ):
            found: Json | None = item.get(method.lower())
            return found
    return None


def _resolved(item: Json) -> Json:
    if "$ref" not in item:
        return item
    found: Any = CONTRACT
    for part in item["$ref"].split("/")[1:]:
        found = found[part]
    return dict(found)


def validate(value: Any, schema: Json) -> None:
    _validator(json.dumps(schema)).validate(value)


_CHECKER = FormatChecker()


@_CHECKER.checks("date-time")
def _is_utc(value: object) -> bool:
    """Stricter than the contract, where a pattern would stop generators from reading a time."""
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value))


@cache
def _validator(schema: str) -> Draft202012Validator:
    # References are relative to the document, wherever in it the schema stands.
    text = schema.replace('"$ref": "#/', f'"$ref": "{_BASE}#/')
    return Draft202012Validator(json.loads(text), registry=_REGISTRY, format_checker=_CHECKER)
