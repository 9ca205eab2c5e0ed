"""Graph's words are in the results, and never in Durable's history: they hold parts of a filter, or users."""

import json
import traceback
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.tenant import Tenant
from shared.export import activities
from shared.storage import blobs
from shared.storage.names import work_name
from tests.integration.runner import Connect, Context, Json, run_export
from tests.integration.truth import check_results

WORDS = "The value 'ann.secret@contoso.example' is no value of 'department'."


@dataclass(eq=False)
class Kept(Context):
    """Remembers all that Durable would write into its history."""

    history: list[str] = field(default_factory=list)

    async def _call(self, name: str, task: Json) -> Any:
        result = await super()._call(name, task)
        # Durable writes a traceback, with the exceptions from which an exception was raised.
        told = traceback.format_exception(result) if isinstance(result, Exception) else [json.dumps(result)]
        self.history += [json.dumps(task), *told]
        return result


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"match": "$filter=department", "status": 400}, "Denied"),
        ({"match": "/users?$top=999", "status": 403}, "Denied"),
        ({"match": "/users?$top=999", "status": 503}, "ActivityFailed"),
        ({"match": "/users?$top=1&", "status": 503}, "ActivityFailed"),
    ],
    ids=["the filter is refused", "a page is refused", "pages fail", "planning fails"],
)
async def test_why_an_export_fails_is_in_its_results_alone(
    connected: Connect, fault: dict[str, Any], code: str
) -> None:
    tenant = Tenant(users=300)
    body = {"error": {"code": "Denied", "message": WORDS}}
    tenant.faults.add("status", body=body, rate=1.0, **fault)
    async with connected(tenant) as edges:
        context = Kept(edges, {})
        done = await run_export(edges, context=context, filter="department eq 'HR'")
        left = [blob async for blob in blobs.listing(edges.storage, work_name(done.id, ""))]
    check_results(done.results, "Failed")
    error = done.results["errors"][-1]
    assert error["code"] == code
    assert WORDS in error["reason"]
    assert "words-" not in json.dumps(done.results)
    assert "ann.secret" not in "".join(context.history)
    assert "Denied" in "".join(context.history)
    assert left == []


async def test_why_columns_are_empty_is_in_the_results_alone(connected: Connect) -> None:
    tenant = Tenant(users=30)
    tenant.faults.add("status", match="/authentication", status=403, body={"error": {"message": WORDS}}, rate=1.0)
    async with connected(tenant) as edges:
        context = Kept(edges, {})
        done = await run_export(edges, context=context, columns=["objectId", "authenticationPhoneNumber"])
    check_results(done.results, "CompletedWithErrors")
    (error,) = done.results["errors"]
    assert "UserAuthenticationMethod.Read.All" in error["reason"]
    assert error["reason"].endswith(f"Graph said: {WORDS}")
    assert "ann.secret" not in "".join(context.history)


async def test_who_fails_after_the_end_leaves_no_words(connected: Connect) -> None:
    tenant = Tenant(users=30)
    async with connected(tenant) as edges:
        done = await run_export(edges)
        task = {"id": done.id, "segment": 0, "ranges": [0]}
        assert "failed" in await activities.run(edges, "export", task)
        assert [blob async for blob in blobs.listing(edges.storage, work_name(done.id, ""))] == []
