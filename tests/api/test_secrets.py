"""Whole exports with all logs switched on: links, tokens, callbacks and users stay where they belong.

Links are in answers to whoever may have them; tokens are in requests to Graph; a callback's address is in a blob that
goes when the export ends; users are in the exported files. None of them is in a log or in Durable's store.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from local import azurite
from local.serve import launch
from tests.api.api_client import Api, administrator, program
from tests.waiting import wait

SIGNATURE = "sig=a-secret-signature"


@dataclass(frozen=True, slots=True)
class Told:
    """What the app has left behind, and what must not be in it."""

    log: str
    durable: str
    blobs: dict[str, bytes]
    answers: str
    """Of requests that were refused, and of lists."""
    files: dict[str, bytes]
    """Everything in the folder of `serve`: Durable's store, all logs, Azurite's own files."""
    tokens: list[str]
    users: list[dict[str, str]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    data = Path(tmp_path_factory.mktemp("secrets"))
    environment = {"LOCAL_LOG_LEVEL": "DEBUG", "EXPORT_CALLBACK_HOSTS": "127.0.0.1", "EXPORT_RANGE_USERS": "10"}
    with (
        launch(data, "--users", "60", "--shape", "null90", environment=environment) as serving,
        httpx.Client(base_url=serving.url, trust_env=False, timeout=30) as http,
        BlobServiceClient.from_connection_string(serving.storage) as storage,
    ):
        api = Api(serving, http, administrator())
        container = storage.get_container_client("exports")
        users = [json.loads(line) for line in httpx.get(f"{serving.graph}/_tenant/users").text.splitlines()]
        answers = _exports(api, [user["userPrincipalName"] for user in users])
        # Nobody listens there: this one waits to be told again, with everything written that is written.
        waiting = api.start(callbackUrl=f"https://127.0.0.1/workflows/1?{SIGNATURE}")
        wait(container.get_blob_client(f"{waiting}/results.json").exists, "the results before the callback")
        tokens = httpx.get(f"{serving.graph}/_tenant/stats").json()["tokens"]
        yield Told(api.log(), _text(data), _blobs(container), answers, _files(data), tokens, users)


def _exports(api: Api, names: list[str]) -> str:
    """Exports of every outcome; returns what was answered but for their results."""
    results = [api.run(), api.run(columns="documented"), api.run(users=[names[0], "nobody@example.com"])]
    failed = api.end(api.start(filter="noSuchProperty eq 'x'")).json()
    refused = [
        api.get(f"/api/exports/{results[0]['id']}x"),
        api.as_caller(program("other")).get(f"/api/exports/{results[0]['id']}"),
        api.post({"callbackUrl": f"http://127.0.0.1/?{SIGNATURE}"}),
        api.post({"callbackUrl": f"https://example.com/?{SIGNATURE}"}),
        api.cancel(f"{failed['id']}x"),
        api.get("/api/exports"),
    ]
    assert [answer.status_code for answer in refused] == [404, 404, 400, 400, 404, 200]
    return "".join(answer.text + str(answer.headers) for answer in refused)


def _text(data: Path) -> str:
    """Durable's store as it is on the disk: every table, and what is only in its journal yet."""
    return "".join(file.read_bytes().decode(errors="replace") for file in data.glob("durable.db*"))


def _files(data: Path) -> dict[str, bytes]:
    return {str(file.relative_to(data)): file.read_bytes() for file in data.rglob("*") if file.is_file()}


def _blobs(container: ContainerClient) -> dict[str, bytes]:
    found = {}
    for blob in container.list_blobs(include=["metadata"]):
        found[blob.name] = container.download_blob(blob.name).readall() + str(blob.metadata).encode()
    return found


def test_there_is_something_to_look_at(told: Told) -> None:
    assert len(told.durable) > 100_000
    assert "DEBUG" in told.log
    assert len(told.blobs) > 10
    assert told.tokens
    assert len(told.users) == 60


def test_no_link_is_kept_or_logged_anywhere(told: Told) -> None:
    assert "sig=" not in told.durable
    assert "sig=" not in told.answers
    assert not re.findall(r"sig=(?!REDACTED)\S+", told.log)
    assert [name for name, content in told.blobs.items() if b"sig=" in content and "/callback-" not in name] == []


def test_a_callback_is_in_its_own_blob_only(told: Told) -> None:
    holders = [name for name, content in told.blobs.items() if SIGNATURE.encode() in content]
    assert len(holders) == 1
    assert re.fullmatch(r"work/[0-9a-f-]{36}/callback-[0-9a-f]{12}", holders[0])
    assert "/workflows/" not in told.log + told.durable + told.answers


def test_no_token_is_kept_or_logged_anywhere(told: Told) -> None:
    everything = [
        told.log,
        told.durable,
        told.answers,
        *(content.decode(errors="replace") for content in told.blobs.values()),
    ]
    assert [token for token in told.tokens for text in everything if token in text] == []
    assert not re.findall(r"Bearer (?!challenge)[\w-]{20,}", "".join(everything))


def test_no_token_and_no_key_is_in_any_file_on_the_disk(told: Told) -> None:
    assert {"durable.db", "serve.log", "azurite.log"} <= set(told.files)
    assert any(name.startswith("azurite/") for name in told.files)
    # serve.json tells programs on this machine where the storage is: it has the emulator's well-known key.
    secrets = [azurite.KEY.encode(), *(token.encode() for token in told.tokens)]
    holders = {name for name, content in told.files.items() if any(secret in content for secret in secrets)}
    assert holders == {"serve.json"}


@pytest.mark.parametrize("property_", ["userPrincipalName", "displayName", "mail", "id"])
def test_no_user_is_in_durables_store_or_in_a_log(told: Told, property_: str) -> None:
    names = {user[property_] for user in told.users if user[property_]}
    assert [name for name in names if name in told.durable] == []
    assert [name for name in names if name in told.log] == []


def test_no_user_is_in_a_blob_but_the_exported_files_and_a_callers_own_list(told: Told) -> None:
    names = [user["userPrincipalName"].encode() for user in told.users]
    holders = {name for name, content in told.blobs.items() if any(each in content for each in names)}
    assert {name.rpartition("/")[2] for name in holders if not name.endswith(".csv")} == {"users.json"}
