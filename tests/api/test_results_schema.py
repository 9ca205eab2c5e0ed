"""Whatever way an export ends, its results file is as shared/files/results.schema.json has it."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from local.serve import Serving
from local.tenant import Tenant
from shared.export.context import Edges
from shared.export.outcome import read_results
from shared.storage import blobs
from shared.storage.names import results_name
from tests.api.api_client import SHARED
from tests.edges import connected
from tests.integration.runner import PAGES_OF_RANGES, Context, Export, before_pages, run_export, watch

SCHEMA = json.loads((SHARED / "files/results.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())

CSV = {"scope": "all", "format": "csv", "compress": False, "separator": ","}
FILE = {"format": "csv", "compressed": False, "separator": ",", "guarded": {"displayName": 2}}
SMALL = {
    "id": "fe5dfae8-7585-8612-bacf-7ee4aba2888b",
    "status": "Completed",
    "request": {"fileName": "users", "columns": ["objectId"], **CSV, "callbackHost": "a.logic.azure.com"},
    "requestedBy": {"id": "1", "name": ""},
    "createdDateTime": "2026-01-01T00:00:00Z",
    "completedDateTime": "2026-01-01T00:00:01Z",
    "counts": dict.fromkeys(["exported", "expected", "errors", "ranges", "requests", "retries", "restarts"], 0),
    "file": {"name": "users.csv", "rows": 0, "bytes": 13, "columns": ["objectId"], **FILE},
    "warnings": [{"code": "CallbackFailed", "reason": "Nobody answered."}],
    "errors": [],
}


async def file_of(edges: Edges, done: Export) -> dict[str, Any]:
    """The file itself, checked; not what the API makes of it."""
    file = json.loads(await blobs.read(edges.storage, results_name(done.id)) or b"")
    VALIDATOR.validate(file)
    assert len(file["errors"]) == file["counts"]["errors"]
    return dict(file)


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("shape", ["normal", "null90", "b2c"])
async def test_the_results_of_a_completed_export_match(serving: Serving, shape: str) -> None:
    async with connected(serving.storage, Tenant(users=300, shape=shape), EXPORT_RANGE_USERS="50") as edges:
        file = await file_of(edges, await run_export(edges, excel=False))
    assert file["status"] == "Completed"


async def test_the_results_of_an_export_with_errors_of_every_kind_match(serving: Serving) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("status", status=403, match="/authentication/methods", rate=0.2, code="Denied")
    async with connected(serving.storage, tenant) as edges:
        of_columns = await file_of(edges, await run_export(edges, columns="documented"))
        users = [tenant.all_users()[0]["id"], "nobody@example.com", "zoë <x>"]
        of_users = await file_of(edges, await run_export(edges, users=users))
    assert of_columns["status"] == of_users["status"] == "CompletedWithErrors"
    assert {"user", "userPrincipalName", "column"} <= set(of_columns["errors"][0])
    assert [error["user"] for error in of_users["errors"]] == users[1:]


async def test_the_results_of_an_export_without_permissions_match(serving: Serving) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("status", status=403, match="/authentication/methods", rate=1.0, code="Denied")
    tenant.faults.add("status", status=403, match="signInActivity", rate=1.0, code="Denied")
    columns = ["objectId", "authenticationEmail", "lastSignInDateTime"]
    async with connected(serving.storage, tenant) as edges:
        file = await file_of(edges, await run_export(edges, columns=columns))
    assert [error["column"] for error in file["errors"]] == ["lastSignInDateTime", "authenticationEmail"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 403, "rate": 1.0, "code": "Denied"},
        {"kind": "status", "status": 403, "match": PAGES_OF_RANGES, "rate": 1.0, "code": "Denied"},
        {"kind": "expired_token", "rate": 1.0},
        {"kind": "repeat_link", "rate": 1.0},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('match', '')}",
)
async def test_the_results_of_a_failed_export_match(serving: Serving, fault: dict[str, Any]) -> None:
    tenant = Tenant(users=1500)
    tenant.faults.add(**fault)
    async with connected(serving.storage, tenant) as edges:
        file = await file_of(edges, await run_export(edges, filter="accountEnabled eq true"))
    assert file["status"] == "Failed"
    assert file["error"] == {"code": file["errors"][0]["code"], "message": file["errors"][0]["reason"]}


async def test_of_a_failed_exports_errors_the_one_that_ended_it_is_its_error(serving: Serving) -> None:
    """Not that of a user whose methods could not be read, which is listed too."""
    tenant, few = Tenant(users=300), Tenant(users=50)
    tenant.faults.add("status", status=403, match="/authentication/methods", rate=0.3, code="Denied")

    def lose_most() -> None:
        tenant.directory = few.directory

    async with connected(serving.storage, tenant) as edges:
        watch(tenant, before_pages(lose_most))
        done = await run_export(edges, columns=["objectId", "authenticationEmail"])
        file = await file_of(edges, done)
        shown = await read_results(edges.storage, done.id)
    assert {error["code"] for error in file["errors"]} == {"Denied", "TooFewUsers"}
    assert file["errors"][-1]["code"] == "Denied"
    assert shown
    assert file["error"]["code"] == shown["error"]["code"] == "TooFewUsers"


async def test_the_results_of_a_cancelled_export_match(serving: Serving) -> None:
    async with connected(serving.storage, Tenant(users=300)) as edges:
        context = Context(edges, {})
        context.cancel.set()
        file = await file_of(edges, await run_export(edges, context=context))
    assert file["status"] == file["error"]["code"] == "Cancelled"


@pytest.mark.parametrize(
    "change",
    [
        {"errors": [{"code": "Denied", "reason": "No.", "token": "secret"}]},
        {"errors": [{"code": "Denied"}]},
        {"errors": [{"code": "Denied", "reason": "No.", "requestId": None}]},
        {"warnings": ["CountDiffers"]},
        {"status": "InProgress"},
        {"file": None},
        {"status": "Failed"},
        {"status": "Cancelled", "file": None},
        {"error": {"code": "Denied", "message": "No."}},
        {"createdDateTime": "2026-01-01T00:00:00+01:00"},
        {"more": 1},
    ],
    ids=str,
)
def test_the_schema_refuses_anything_but_a_results_file(change: dict[str, Any]) -> None:
    VALIDATOR.validate(SMALL)
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**SMALL, **change})
