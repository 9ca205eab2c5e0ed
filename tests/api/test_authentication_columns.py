"""Authentication columns for stricter roles: refused by name, left out of the default, and no link to such a file."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from local.serve import Serving
from local.tenant import Tenant
from shared.api import exchange, routes
from shared.api.exchange import Incoming
from shared.api.operations import Operations
from shared.export.context import Edges, Record
from shared.export.messages import Notified, NotifyTask
from shared.export.notify import notify
from shared.settings import USER_ADMINISTRATOR
from shared.storage import blobs
from shared.storage.names import record_name, work_name
from tests.api.api_client import administrator, principal, validate
from tests.api.durable import Durable
from tests.api.test_callback import HOST, URL, Post
from tests.edges import connected
from tests.integration.runner import run_export

READER = "Exports.ReadAuthentication"
COLUMNS = ["objectId", "authenticationPhoneNumber"]
PERMITTED = principal("reader", USER_ADMINISTRATOR, READER)
EXPORT = {"$ref": "#/components/schemas/Export"}


@asynccontextmanager
async def strict(serving: Serving, roles: str = READER) -> AsyncIterator[tuple[Edges, Operations]]:
    async with connected(serving.storage, Tenant(users=3), EXPORT_AUTHENTICATION_ROLES=roles) as edges:
        yield edges, Operations(edges.storage, Durable(), edges.settings)


async def sent(on: Operations, body: Any, incoming: Incoming, caller: dict[str, str]) -> tuple[int, Any]:
    asked = replace(incoming, headers={**incoming.headers, **{name.lower(): caller[name] for name in caller}})
    answer = await exchange.answer(body, asked, lambda: on.settings, lambda: on)
    return answer.status, msgspec.json.decode(answer.body)


async def post(on: Operations, body: Any, caller: dict[str, str]) -> tuple[int, Any]:
    incoming = Incoming("POST", "http://localhost/api/exports", body=msgspec.json.encode(body))
    return await sent(on, routes.start_export, incoming, caller)


async def get(on: Operations, export_id: str, caller: dict[str, str]) -> tuple[int, Any]:
    incoming = Incoming("GET", f"http://localhost/api/exports/{export_id}", route={"id": export_id})
    return await sent(on, routes.show_export, incoming, caller)


async def test_without_the_role_they_are_refused_and_nothing_is_started(serving: Serving) -> None:
    async with strict(serving) as (_, on):
        for columns in (COLUMNS, "documented"):
            status, answer = await post(on, {"columns": columns}, administrator())
            assert status == 403
            assert answer["errors"][0]["pointer"] == "/columns"
            assert "authenticationPhoneNumber" in answer["errors"][0]["detail"]
        assert [name async for name in blobs.names(on.storage, "")] == []
        assert (await post(on, {"columns": COLUMNS}, PERMITTED))[0] == 202


async def test_the_default_set_becomes_profile_and_answer_and_results_say_so(serving: Serving) -> None:
    async with strict(serving) as (edges, on):
        status, answer = await post(on, {}, administrator())
        assert status == 202
        validate(answer, EXPORT)
        (note,) = answer["notes"]
        assert "authenticationPhoneNumber" in note
        record = msgspec.json.decode(await blobs.read(on.storage, record_name(answer["id"])) or b"", type=Record)
        done = await run_export(edges, columns=record.columns, notes=record.notes)
        assert {"code": "ColumnsLeftOut", "reason": note} in done.results["warnings"]
        assert "notes" not in done.results["request"]
        assert "authenticationPhoneNumber" not in done.results["request"]["columns"]
        assert "notes" not in (await post(on, {}, PERMITTED))[1]


async def test_a_link_to_a_file_that_has_them_is_given_to_those_with_the_role_only(serving: Serving) -> None:
    async with strict(serving) as (edges, on):
        export_id = (await run_export(edges, columns=COLUMNS)).id
        status, answer = await get(on, export_id, administrator())
        validate(answer, EXPORT)
        assert status == 200
        assert set(answer["download"]) == {"results", "expiresOn"}
        assert "authenticationPhoneNumber" in answer["notes"][0]
        assert answer["warnings"][-1] == {"code": "FileWithheld", "reason": answer["notes"][0]}
        permitted = (await get(on, export_id, PERMITTED))[1]
        assert "csv" in permitted["download"]
        assert "notes" not in permitted
        plain = (await run_export(edges, columns=["objectId"])).id
        assert "csv" in (await get(on, plain, administrator()))[1]["download"]


@pytest.mark.parametrize(("roles", "given"), [(READER, False), ("", True)])
async def test_a_callback_gives_no_such_link_where_not_everyone_may_have_it(
    serving: Serving, roles: str, given: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told = Post([200])
    async with strict(serving, roles) as (edges, _):
        export_id = (await run_export(edges, columns=COLUMNS)).id
        await blobs.write(edges.storage, work_name(export_id, "callback"), URL.encode())
        assert await notify(edges, NotifyTask(export_id), told) == Notified()
    ((_, body),) = told.posted
    validate(body, EXPORT)
    assert ("csv" in body["download"]) == given
    assert f"The callback of export {export_id} is sent to {HOST}." in caplog.text


async def test_the_log_says_for_whom_links_were_made(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with strict(serving) as (edges, on):
        export_id = (await run_export(edges, columns=["objectId"])).id
        caplog.clear()
        answer = (await get(on, export_id, administrator("ann-id")))[1]
    assert datetime.fromisoformat(answer["download"]["expiresOn"]) > datetime.now(UTC)
    said = [record.getMessage() for record in caplog.records if "Links" in record.getMessage()]
    assert said == [
        f"Links for export {export_id} were made for ann-id: {file}, correlation none"
        for file in ("results.json", "users.csv")
    ]
    assert "sig=" not in caplog.text
    assert "Ann Example" not in caplog.text
