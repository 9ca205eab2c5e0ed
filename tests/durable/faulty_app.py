"""The app for tests: its activities fail as the name of an export's or comparison's file says.

`plan-1 export-5` lets the first call of `plan` raise and the first five of `export`. With `rounds` in it the clock of
`export` runs so fast that each range takes a round. `hold-1` lets `export` wait in its second round until somebody
cancels. `odd-plan` lets `plan` return what no version ever returned. A pause between two attempts takes RETRY_MS.
Callbacks go to HOOK, a server of the test. And there are functions that the product does not have.
"""

import asyncio
import functools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import azure.durable_functions as df
from azure.storage.blob import BlobServiceClient

import function_app
from shared.compare import workflow as comparison
from shared.export import activities, workflow
from shared.export import notify as notify_activity
from shared.export.context import read_plan
from shared.export.messages import NotifyTask, received, sent

LARGE = 200_000
SPEED = 5000
HELD_SECONDS = 30
REPLACED = frozenset({workflow.EXPORT, comparison.COMPARE})
_calls: Counter[tuple[str, str]] = Counter()


@functools.cache
def _file_name(export_id: str) -> str:
    with BlobServiceClient.from_connection_string(os.environ["EXPORT_STORAGE"]) as service:
        blob = service.get_blob_client("exports", f"{export_id}/request.json")
        return str(json.loads(blob.download_blob().readall())["fileName"])


def _failing(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    async def activity(task: Any) -> Any:
        asked = _file_name(task["id"]).split()
        _calls[task["id"], name] += 1
        number = _calls[task["id"], name]
        if any(name == each.partition("-")[0] and number <= int(each.partition("-")[2]) for each in asked):
            raise OSError(f"call {number} of {name} fails")
        if f"odd-{name}" in asked:
            return ["odd"]
        if name == "export":
            return await _export(task, asked)
        return await call(task)

    return activity


async def _export(task: Any, asked: list[str]) -> Any:
    edges = function_app._edges()
    deadline = time.monotonic() + HELD_SECONDS
    while f"hold-{task['segment']}" in asked and await read_plan(edges.storage, task["id"]):
        assert time.monotonic() < deadline, "nobody cancels"
        await asyncio.sleep(0.1)
    if "rounds" in asked:
        edges = replace(edges, clock=lambda: time.monotonic() * SPEED)
    return await activities.run(edges, "export", task)


async def _post(url: str, body: bytes) -> int:
    return await notify_activity.post_json(os.environ["HOOK"] + "/" + url.rpartition("/")[2], body)


async def _notify(task: Any) -> Any:
    return sent(await notify_activity.notify(function_app._edges(), received(task, NotifyTask), _post))


@dataclass(frozen=True, slots=True)
class FaultyApp:
    """The product's functions, changed, and some more."""

    functions: list[Any]

    def get_functions(self) -> list[Any]:
        return self.functions


def _changed(function: Any) -> Any:
    name, call = function.get_function_name(), function.get_user_function()
    if function.get_bindings_dict()["bindings"][0]["type"] != "activityTrigger":
        return function
    changed = _failing(name, _notify if name == "notify" else call)
    return SimpleNamespace(
        get_function_name=lambda: name,
        get_bindings_dict=function.get_bindings_dict,
        get_user_function=lambda: changed,
    )


_more = df.DFApp()


@_more.orchestration_trigger(context_name="context", orchestration=workflow.EXPORT)
def export_users(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    return (yield from workflow.export_workflow(context, _retry()))


@_more.orchestration_trigger(context_name="context", orchestration=comparison.COMPARE)
def compare_exports(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    return (yield from comparison.comparison_workflow(context, _retry()))


def _retry() -> df.RetryOptions:
    return df.RetryOptions(int(os.environ.get("RETRY_MS", "15000")), 5)


@_more.orchestration_trigger(context_name="context")
def large_messages(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Larger than a queue message both ways."""
    repeated = yield context.call_activity("repeat", {"text": "x"})
    return len((yield context.call_activity("repeat", repeated))["text"])


@_more.activity_trigger(input_name="task")
async def repeat(task: Any) -> Any:
    return {"text": task["text"] * (LARGE // len(task["text"]))}


app = FaultyApp(
    [_changed(each) for each in function_app.app.get_functions() if each.get_function_name() not in REPLACED]
    + list(_more.get_functions())
)
