"""What Microsoft's Durable extension gets from the app, without its program."""

import argparse
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from local import azurite, serve
from local.__main__ import parser
from local.extension import NotReadyError, written_binding
from local.extension_worker import make_server
from local.host_functions import App, load

Client = TestClient[web.Request, web.Application]


@pytest.fixture(scope="module")
def app() -> App:
    """An app can be indexed once in a process."""
    return load("tests.local.toy_app:app")


@pytest.fixture
async def client(app: App) -> AsyncIterator[Client]:
    async with TestClient(TestServer(make_server(app))) as found:
        yield found


async def test_it_learns_the_names_of_all_orchestrators_and_activities(client: Client, app: App) -> None:
    found = await (await client.get("/durable/functions")).json()
    assert found == {"orchestrators": list(app.orchestrators), "activities": list(app.activities)}


async def test_an_activity_gets_json_and_answers_json(client: Client) -> None:
    answer = await client.post("/durable/activities/double", data="21")
    assert (answer.status, await answer.json()) == (200, 42)


async def test_an_orchestrator_gets_the_context_and_answers_its_actions(client: Client) -> None:
    moment = {"Timestamp": "2026-01-01T00:00:00Z", "EventId": -1, "IsPlayed": False}
    history = [{"EventType": 12, **moment}, {"EventType": 0, "Name": "sleeps", "Version": None, "Input": "1", **moment}]
    context = {"history": history, "instanceId": "i", "isReplaying": False, "parentInstanceId": None, "input": "1"}
    answer = await client.post("/durable/orchestrators/sleeps", data=json.dumps(context))
    assert answer.status == 200
    assert [action["actionType"] for action in (await answer.json())["actions"][0]] == [5]


async def test_what_a_function_raises_is_told_with_its_type(client: Client) -> None:
    answer = await client.post("/durable/activities/double", data='{"odd": 1}')
    assert answer.status == 500
    assert (await answer.text()).startswith("TypeError: ")
    assert (await client.post("/durable/activities/unknown", data="1")).status == 500


def test_a_client_binding_is_that_of_a_living_host(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError):
        written_binding(tmp_path)
    (tmp_path / "durable-client-1.json").write_text("second")
    assert written_binding(tmp_path) == "second"
    (tmp_path / "durable-client-0.json").write_text("first")
    assert written_binding(tmp_path) == "first"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    arguments = ["--durable-host", str(tmp_path / "nothing"), "--users", "1"]
    with (
        pytest.raises(serve.ServeError, match=f"The file {tmp_path}/nothing does not exist"),
        serve.launch(tmp_path / "data", *arguments),
    ):
        pass


def test_without_it_everything_is_as_before() -> None:
    options: argparse.Namespace = parser().parse_args(["serve"])
    assert options.durable_host is None


def test_azurite_has_queues_and_tables_too_when_asked(tmp_path: Path) -> None:
    started = azurite.start(tmp_path, services=azurite.ALL)
    try:
        assert set(started.ports) == {"blob", "queue", "table"}
        for name in ("BlobEndpoint=", "QueueEndpoint=", "TableEndpoint="):
            assert name in started.connection_string
    finally:
        started.stop()
