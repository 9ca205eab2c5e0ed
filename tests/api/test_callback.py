"""The caller's callback: told once, never over a redirect, never a reason for an export to fail, never shown."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from local.processes import free_port
from local.serve import Serving
from local.tenant import Tenant
from shared.export import activities
from shared.export.context import Edges
from shared.export.messages import Notified, NotifyTask, received, sent
from shared.export.notify import notify, post_json
from shared.storage import blobs
from shared.storage.names import results_name, work_name
from tests.api.api_client import validate
from tests.api.test_results_schema import VALIDATOR
from tests.durable_host import ATTEMPTS
from tests.edges import connected, settings_for
from tests.integration.runner import Context, run_export
from tests.integration.truth import rows_of

HOST = "prod-1.westeurope.logic.azure.com"
SECRET = "sig=a-secret-signature"
URL = f"https://{HOST}/workflows/1/triggers/manual/paths/invoke?{SECRET}"
EXPORT = {"$ref": "#/components/schemas/Export"}


@dataclass(slots=True)
class Post:
    """Answers with these statuses, one after the other; an exception is raised."""

    answers: list[int | Exception]
    posted: list[tuple[str, Any]] = field(default_factory=list)

    async def __call__(self, url: str, body: bytes) -> int:
        self.posted.append((url, json.loads(body)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def ended(serving: Serving, *, url: str = URL) -> AsyncIterator[tuple[Edges, str]]:
    """An export that has ended and whose callback was not told yet."""
    async with connected(serving.storage, Tenant(users=3)) as edges:
        done = await run_export(edges)
        await blobs.write(edges.storage, work_name(done.id, "callback"), url.encode())
        yield edges, done.id


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_it_gets_the_results_with_links_that_work(serving: Serving, status: int) -> None:
    post = Post([status])
    async with ended(serving) as (edges, export_id), httpx.AsyncClient() as http:
        assert await notify(edges, NotifyTask(export_id), post) == Notified()
        ((url, body),) = post.posted
        files = [await http.get(body["download"][name]) for name in ("csv", "results")]
    assert url == URL
    validate(body, EXPORT)
    assert [file.status_code for file in files] == [200, 200]
    assert len(rows_of(files[0].content)) == 3


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410])
async def test_a_refusal_is_a_warning_and_is_not_asked_again(serving: Serving, status: int) -> None:
    async with ended(serving) as (edges, export_id):
        told = await notify(edges, NotifyTask(export_id), Post([status]))
    assert told.warning
    assert told.warning.code == "CallbackFailed"
    assert f"{HOST} answered {status}" in told.warning.reason
    assert SECRET not in str(told)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_may_pass_is_left_to_durable_which_asks_again(serving: Serving, status: int) -> None:
    post = Post([status, 200])
    async with ended(serving) as (edges, export_id):
        with pytest.raises(ConnectionError) as raised:
            await notify(edges, NotifyTask(export_id), post)
        assert await notify(edges, NotifyTask(export_id), post) == Notified()
    assert SECRET not in str(raised.value)
    assert len(post.posted) == 2


async def test_a_host_that_is_no_longer_allowed_gets_nothing(serving: Serving) -> None:
    post = Post([])
    async with ended(serving) as (edges, export_id):
        narrowed = settings_for(serving.storage, EXPORT_CALLBACK_HOSTS="*.contoso.com")
        told = await notify(replace(edges, settings=narrowed), NotifyTask(export_id), post)
    assert post.posted == []
    assert told.warning
    assert "EXPORT_CALLBACK_HOSTS" in told.warning.reason


async def test_an_export_without_a_callback_tells_nobody(serving: Serving) -> None:
    async with connected(serving.storage, Tenant(users=3)) as edges:
        assert await notify(edges, NotifyTask((await run_export(edges)).id), Post([])) == Notified()


@dataclass(eq=False)
class WithCallback(Context):
    """Durable in memory, for an export that a callback waits for."""

    async def _call(self, name: str, task: dict[str, Any]) -> Any:
        if name == "plan":
            await blobs.write(self.edges.storage, work_name(task["id"], "callback"), URL.encode())
        return await Context._call(self, name, task)


@pytest.mark.parametrize("answers", [[ConnectionError("No route.")] * ATTEMPTS, [404], [500, 503, 204]])
async def test_whether_it_is_reached_or_not_the_export_is_completed_and_the_url_is_nowhere(
    serving: Serving,
    answers: list[int | Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    post = Post(list(answers))

    async def run(edges: Edges, name: str, task: dict[str, Any]) -> Any:
        if name == "notify":
            return sent(await notify(edges, received(task, NotifyTask), post))
        return await activities.run(edges, name, task)

    async with connected(serving.storage, Tenant(users=3)) as edges:
        done = await run_export(edges, context=WithCallback(edges, {}, run), callback_host=HOST)
        file = json.loads(await blobs.read(edges.storage, results_name(done.id)) or b"")
        everything = [await blobs.read(edges.storage, blob.name) or b"" async for blob in blobs.listing(edges.storage)]
    VALIDATOR.validate(file)
    assert file["status"] == "Completed"
    assert done.csv is not None
    assert [warning["code"] for warning in file["warnings"]] == ([] if 204 in answers else ["CallbackFailed"])
    assert len(post.posted) == len(answers)
    said = [caplog.text, str(done.context.calls), *(content.decode() for content in everything)]
    assert [text for text in said if SECRET in text or "/workflows/" in text] == []


@contextmanager
def server(answer: int, location: str = "") -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server on loopback that answers every POST so, and what it was sent."""
    posted: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(answer)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}", posted
        listening.shutdown()
        thread.join()


async def test_over_the_network_the_body_arrives_once_and_the_url_is_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with server(202) as (url, posted):
        assert await post_json(f"{url}/hook?{SECRET}", b'{"id": "1"}') == 202
    assert posted == [(f"/hook?{SECRET}", b'{"id": "1"}')]
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    with server(200) as (other, reached), server(status, f"{other}/stolen") as (url, posted):
        assert await post_json(url, b"{}") == status
    assert len(posted) == 1
    assert reached == []


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:{{port}}/?{SECRET}", f"https://\x7f/?{SECRET}", f"https://-.x/?{SECRET}"]
)
async def test_when_nobody_is_there_the_error_does_not_have_the_url(url: str) -> None:
    with pytest.raises(ConnectionError) as raised:
        await asyncio.wait_for(post_json(url.format(port=free_port()), b"{}"), 10)
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__
