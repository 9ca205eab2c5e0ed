"""Runs in a process of its own, under Python 3.13: Microsoft's worker library, driven as the Functions host drives it.

A line of JSON in is a call, a line of JSON out its answer: `{"id", "call": "init" | "metadata" | "invoke", ...}`. The
library takes its protobuf classes as an argument and only reads and sets attributes, so plain objects stand in.
"""

import asyncio
import base64
import json
import logging
import os
import sys
from typing import Any

Json = dict[str, Any]


class Message:
    """Like a protobuf message: made by keyword, None for what was not set."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        # The library asks whether a message holds a TypedData by trying.
        if name.startswith("__") or name == "TypedData":
            raise AttributeError(name)
        return None

    def WhichOneof(self, _: str) -> str | None:
        return next(iter(self.__dict__), None)


class ParameterBinding(Message):
    def WhichOneof(self, _: str) -> str | None:
        return "data"


class StatusResult(Message):
    Success, Failure = "Success", "Failure"


class _Enumeration:
    @staticmethod
    def Name(value: int) -> str:
        return ("in", "out", "inout")[value]

    Value = staticmethod(("in", "out", "inout").index)


class BindingInfo(Message):
    Direction = DataType = _Enumeration
    undefined = None
    out, inout = 1, 2


class Protos:
    """Stands in for the module of protobuf classes."""

    ParameterBinding, StatusResult, BindingInfo = ParameterBinding, StatusResult, BindingInfo

    def __getattr__(self, name: str) -> type[Message]:
        return type(name, (Message,), {})


def typed(kind: str, value: Any) -> Message:
    if kind == "http":
        body = Message(bytes=base64.b64decode(value.pop("body")))
        return Message(http=Message(body=body, **value))
    return Message(**{kind: value})


def untyped(data: Any) -> Any:
    """A TypedData as JSON; bytes as base64."""
    if data is None:
        return None
    kind = data.WhichOneof("data")
    value = getattr(data, kind)
    if kind == "http":
        body = value.body.WhichOneof("data")
        raw = getattr(value.body, body) or b""
        raw = raw.encode() if isinstance(raw, str) else raw
        return {
            "status": int(value.status_code),
            "headers": dict(value.headers),
            "body": base64.b64encode(raw).decode(),
        }
    return base64.b64encode(value).decode() if kind == "bytes" else value


async def handle(call: Json) -> Any:
    import azure_functions_runtime as worker  # type: ignore[import-not-found]  # It is in that process alone.

    protos = Protos()
    properties = {"protos": protos, "host": "127.0.0.1"}
    if call["call"] == "init":
        sys.path.insert(0, call["directory"])
        init = Message(capabilities={}, function_app_directory=call["directory"])
        request = Message(request=Message(worker_init_request=init), properties=properties)
        return _result(await worker.worker_init_request(request))
    if call["call"] == "metadata":
        answer = await worker.functions_metadata_request(Message(request=Message(), properties=properties))
        return {
            each.name: {"id": each.function_id, "bindings": [json.loads(text) for text in each.raw_bindings]}
            for each in answer.function_metadata_results or []
        }
    given = [ParameterBinding(name=name, data=typed(kind, value)) for name, kind, value in call["inputs"]]
    context = Message(trace_parent="", trace_state="", attributes={})
    invocation = Message(
        invocation_id=str(call["id"]),
        function_id=call["function"],
        input_data=given,
        trigger_metadata={},
        trace_context=context,
        retry_context=Message(),
    )
    request = Message(request=Message(invocation_request=invocation), properties=properties)
    answer = await worker.invocation_request(request)
    return {**_result(answer), "value": untyped(answer.return_value)}


def _result(answer: Any) -> Json:
    problem = answer.result.exception
    return {"status": answer.result.status, "problem": problem and f"{problem.message}\n{problem.stack_trace}"}


async def main() -> None:
    # In Azure everything from INFO on, of any logger, becomes telemetry. Here it goes to stderr.
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # What the app prints must not get between the answers.
    with os.fdopen(os.dup(1), "w", buffering=1) as out:
        os.dup2(2, 1)
        running: set[asyncio.Task[None]] = set()

        async def answer(call: Json) -> None:
            found = await handle(call)
            out.write(json.dumps({"id": call["id"], "answer": found}) + "\n")

        while line := await asyncio.to_thread(sys.stdin.readline):
            task = asyncio.create_task(answer(json.loads(line)))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
