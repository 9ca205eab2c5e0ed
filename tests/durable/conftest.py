"""The app on Microsoft's own Durable extension, wherever its program is found."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.serve import launch
from tests.api.api_client import Api, administrator
from tests.durable.hooks import Hook, listening

PROGRAM = os.environ.get("DURABLE_HOST", "")
HOOK_HOST = "hooks.logic.azure.com"
TEST_APP = "tests.durable.faulty_app:app"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-traces", metavar="FOLDER", help="write what the extension sends into this folder")


@pytest.fixture(scope="session")
def program() -> str:
    if not Path(PROGRAM).is_file():
        pytest.skip("DURABLE_HOST does not name a durable-host program (local/durable_host says how it is built)")
    return PROGRAM


@pytest.fixture(scope="session")
def two_hosts(program: str) -> str:
    """A second host needs a host name of its own."""
    if subprocess.run(["unshare", "--uts", "true"], capture_output=True, check=False).returncode:
        pytest.skip("`unshare --uts` is not allowed here, so two hosts would have one name")
    return program


@contextmanager
def extension(data: Path, program: str, *arguments: str, **environment: str) -> Iterator[Api]:
    """A `serve` on the extension."""
    arguments = ("--durable-host", program, "--app", TEST_APP, *arguments)
    with (
        launch(data, *arguments, environment=environment) as serving,
        httpx.Client(base_url=serving.url, trust_env=False, timeout=60) as http,
    ):
        yield Api(serving, http, administrator())


@pytest.fixture(scope="session")
def hook() -> Iterator[Hook]:
    with listening() as found:
        yield found


@pytest.fixture(scope="session")
def api(
    program: str, hook: Hook, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Api]:
    """A small tenant in ranges of 100 users and four lanes, most of them by name, which is what `check` is for; one
    worker, which counts its calls.
    """
    record = request.config.getoption("--record-traces", None)
    traces = tmp_path_factory.mktemp("traces")
    with extension(
        tmp_path_factory.mktemp("extension"),
        program,
        *("--users", "1200", "--shape", "null90", "--latency-ms", "20", "--workers", "1"),
        EXPORT_RANGE_USERS="100",
        EXPORT_PARALLEL="4",
        EXPORT_MAX_RUNNING="100",
        RETRY_MS="15000" if record else "1000",
        HOOK=hook.url,
        **({"TRACE": str(traces)} if record else {}),
    ) as found:
        yield found
        if record:
            write_traces(traces, Path(record), found)


def write_traces(traces: Path, folder: Path, api: Api) -> None:
    """A file for each export or comparison that is still there, named as its file, with a turn in each line."""
    folder.mkdir(parents=True, exist_ok=True)
    for export in api.listed(top=200)["value"]:
        turns = [_turn(file) for file in sorted((traces / export["id"]).glob("*-context.json"))]
        lines = "".join(json.dumps(turn) + "\n" for turn in turns)
        (folder / f"{export['request']['fileName'].replace(' ', '-')}.jsonl").write_text(lines)


def _turn(file: Path) -> Any:
    context = json.loads(file.read_text())
    for event in context["history"]:
        if event.get("Details"):
            event["Details"] = "(a .NET exception as JSON)"
    text = file.with_name(file.name.replace("context", "answer")).read_text()
    return {"context": context, "answer": json.loads(text) if text.startswith("{") else {"raised": text}}
