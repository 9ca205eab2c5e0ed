"""A small function app with one orchestration for each thing that the engine must do."""

# ruff: noqa: ASYNC110, ASYNC230, ASYNC240 (waits for files that the tests make: that is the point here)

import asyncio
import json
import os
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import azure.functions as func

Turns = Generator[Any, Any, Any]

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.activity_trigger(input_name="value")
async def double(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


@app.activity_trigger(input_name="job")
async def attempt(job: dict[str, Any]) -> dict[str, int]:
    """Leaves a line in a file for each time it runs; fails, hangs or sleeps as the job says."""
    path = Path(job["file"])
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    runs = len(path.read_text().splitlines())
    if runs <= job.get("fail", 0):
        raise ValueError(f"attempt {runs} fails")
    if runs <= job.get("hang", 0):
        await asyncio.sleep(3600)
    if until := job.get("until"):
        while not Path(until).exists():
            await asyncio.sleep(0.01)
    return {"runs": runs}


@app.orchestration_trigger(context_name="context")
def fan_out(context: df.DurableOrchestrationContext) -> Turns:
    count = context.get_input()["count"]
    return sum((yield context.task_all([context.call_activity("double", n) for n in range(count)])))


@app.orchestration_trigger(context_name="context")
def all_at_once(context: df.DurableOrchestrationContext) -> Turns:
    """Everything is asked for in one task_any; then again and again, without anything new."""
    pending = [context.call_activity("double", n) for n in range(context.get_input()["count"])]
    total = done = 0
    while pending:
        winner = yield context.task_any(pending)
        pending.remove(winner)
        total, done = total + winner.result, done + 1
        context.set_custom_status({"done": done})
    return total


@app.orchestration_trigger(context_name="context")
def window(context: df.DurableOrchestrationContext) -> Turns:
    """The usual sliding window: asks for the next when any has ended."""
    given = context.get_input()
    waiting, total = list(range(given["count"])), 0
    pending = list[Any]()
    while waiting or pending:
        while waiting and len(pending) < given["width"]:
            pending.append(context.call_activity("double", waiting.pop(0)))
        winner = yield context.task_any(pending)
        pending.remove(winner)
        total += winner.result
    return total


@app.orchestration_trigger(context_name="context")
def with_retry(context: df.DurableOrchestrationContext) -> Turns:
    given = context.get_input()
    options = df.RetryOptions(first_retry_interval_in_milliseconds=50, max_number_of_attempts=given["attempts"])
    result = yield context.call_activity_with_retry("attempt", options, given["job"])
    after = yield context.call_activity("double", 21)
    return {"result": result, "after": after}


@app.orchestration_trigger(context_name="context")
def one_attempt(context: df.DurableOrchestrationContext) -> Turns:
    return (yield context.call_activity("attempt", context.get_input()))


@app.orchestration_trigger(context_name="context")
def raises(context: df.DurableOrchestrationContext) -> Turns:
    yield context.call_activity("double", 1)
    raise ValueError("it went wrong")


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext) -> Turns:
    first = yield context.wait_for_external_event("first")
    second = context.wait_for_external_event("second")
    yield context.task_any([second, context.wait_for_external_event("third")])
    after = yield context.call_activity("double", 4)
    return [first, second.result, after]


@app.orchestration_trigger(context_name="context")
def sleeps(context: df.DurableOrchestrationContext) -> Turns:
    yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=context.get_input()))
    return "awake"


@app.route(route="echo/{word}", methods=["GET", "POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(
        f"{req.method} {req.url} {req.route_params['word']} {req.params.get('q')}"
        f" {req.headers.get('X-MS-CLIENT-PRINCIPAL')} {req.get_body().decode()}",
        status_code=201,
        headers={"X-Seen": "yes"},
    )


@app.route(route="seen/{word}", methods=["POST"])
async def seen(req: func.HttpRequest) -> func.HttpResponse:
    """What the function is given."""
    found = {"params": dict(req.params), "route": dict(req.route_params), "body": req.get_body().hex()}
    return func.HttpResponse(json.dumps(found | {"headers": dict(req.headers.items())}), mimetype="application/json")


@app.route(route="fails", methods=["GET"])
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise RuntimeError("a secret that the caller must not see")


@app.route(route="start/{name}/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    started = await client.start_new(req.route_params["name"], req.route_params["id"], req.get_json())
    return func.HttpResponse(started, status_code=202)


@app.timer_trigger(schedule="0 0 3 * * *", arg_name="timer")
async def nightly(timer: func.TimerRequest) -> None:
    Path(os.environ["TOY_FILE"]).write_text(f"past due: {timer.past_due}")
