"""Nothing that a caller sends becomes an object in Durable.

Its decoder makes one of every `{"__class__", "__module__", "__data__"}` in inputs and results (by importing the module,
with older azure-functions). Callers' texts may say so; they must stay texts.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from tests.api.api_client import Api, program

ENVELOPE = {"__class__": "Path", "__module__": "pathlib", "__data__": "/tmp/x"}  # noqa: S108
TEXT = json.dumps(ENVELOPE)


@pytest.fixture
def app(api: Api) -> Api:
    """The API as a managed identity sees it that nobody else uses."""
    return api.as_caller(program(uuid4().hex))


def in_durable(api: Api, export_id: str) -> list[Any]:
    """Every JSON value that the engine holds of the export: inputs, results, events, status."""
    found: list[Any] = []
    with closing(sqlite3.connect(f"file:{api.serving.data / 'durable.db'}?mode=ro", uri=True)) as db:
        for table, key in (
            ("instances", "id"),
            ("history", "instance"),
            ("messages", "instance"),
            ("tasks", "instance"),
        ):
            for row in db.execute(f"SELECT * FROM {table} WHERE {key} = ?", (export_id,)):  # noqa: S608
                found += [text for text in row if isinstance(text, str)]
    assert found
    return found


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a value, also in texts that are JSON themselves: the engine nests them."""
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except ValueError:
            return
        if not isinstance(inner, str | int | float | bool | None):
            yield from objects(inner)
    elif isinstance(value, dict):
        yield value
        for each in value.values():
            yield from objects(each)
    elif isinstance(value, list):
        for each in value:
            yield from objects(each)


@pytest.mark.parametrize(
    "body",
    [
        {"columns": ["objectId"], "users": [TEXT, "__class__", "nobody@contoso.example"]},
        {"columns": ["objectId"], "filter": f"displayName eq '{TEXT}'"},
        {"columns": ["objectId"], "filter": "__class__ eq '__module__'"},
        {"columns": ["objectId"], "fileName": "{__class__, __module__, __data__}"},
    ],
    ids=["users", "filter", "refused filter", "file name"],
)
def test_a_text_of_a_caller_stays_a_text(app: Api, body: dict[str, Any]) -> None:
    answer = app.post(body, key=TEXT)
    assert answer.status_code == 202
    app.end(answer.json()["id"])
    held = in_durable(app, answer.json()["id"])
    assert any(True for text in held for _ in objects(text)), "it looks into what is held"
    assert not [found for text in held for found in objects(text) if ENVELOPE.keys() & found.keys()]


@pytest.mark.parametrize(
    "body",
    [
        ENVELOPE,
        {"columns": "profile", **ENVELOPE},
        {"columns": ENVELOPE},
        {"columns": [ENVELOPE]},
        {"users": [ENVELOPE]},
        {"fileName": ENVELOPE},
        {"filter": ENVELOPE},
        {"excel": ENVELOPE},
        {"callbackUrl": ENVELOPE},
    ],
    ids=json.dumps,
)
def test_an_object_of_a_caller_is_refused(app: Api, body: dict[str, Any]) -> None:
    assert app.post(body).status_code == 400
    assert app.listed()["value"] == []
