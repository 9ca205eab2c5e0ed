"""The triggers: HTTP, orchestrator, activities. The one file that knows Azure Functions.

Nothing is read from the environment and nothing is connected while this file is imported: an exception here would
show in Azure as "no functions found".
"""

import functools
import gc
import logging
import os
from collections.abc import Generator
from typing import Any

import azure.durable_functions as df
import azure.functions as func

from shared.api import documents, due, exchange, keep, removal, routes
from shared.api.access import Caller
from shared.api.durable import Durable
from shared.api.exchange import Handler, Incoming, Outgoing
from shared.api.operations import Operations
from shared.compare import activities as comparing
from shared.compare import workflow as comparison
from shared.export import activities, preview, workflow
from shared.export.context import Edges
from shared.graph import client
from shared.graph.client import Graph
from shared.page import INDEX
from shared.settings import Settings
from shared.storage import connection
from shared.storage.connection import Storage

# They log every URL that they call: filters and names of users would be in the log, and a callback's signature.
for _name in ("azure.core", "azure.identity", "httpx"):
    logging.getLogger(_name).setLevel(logging.WARNING)

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""Anonymous to Functions' own keys: App Service Authentication is the gate, `shared.api.access` the guard after it."""


@functools.cache
def _settings() -> Settings:
    return Settings.from_env(os.environ)


def _credential() -> Any:
    from azure.identity.aio import DefaultAzureCredential

    # An interactive sign-in has no place in a service, and each link of the chain costs time.
    return DefaultAzureCredential(exclude_interactive_browser_credential=True)


def _connect(**options: Any) -> Storage:
    settings = _settings()
    return connection.connect(settings, _credential() if settings.storage.startswith("http") else None, **options)


@functools.cache
def _storage() -> Storage:
    """The connection to Blob Storage for what may wait, made once per worker process."""
    return _connect()


@functools.cache
def _quick_storage() -> Storage:
    """The connection for what a caller waits for."""
    return _connect(**connection.QUICK)


@functools.cache
def _edges() -> Edges:
    """Connections to Graph and Blob Storage, made once per worker process and kept for all its activities."""
    graph = client.connect(_settings().graph_endpoint, _credential, client.Retries())
    edges = Edges(graph, _storage(), _settings())
    # The 80,000 objects of the SDKs stay as long as the process. Without this each full garbage collection would look
    # at all of them: 3 % of an export's CPU.
    gc.freeze()
    return edges


@functools.cache
def _quick_graph() -> Graph:
    """The connection to Graph for what a caller waits for."""
    return client.connect(_settings().graph_endpoint, _credential, preview.RETRIES)


async def _answer(handler: Handler, req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    def connect() -> Operations:
        return Operations(_quick_storage(), Durable(client), _settings())

    return _response(await exchange.answer(handler, _incoming(req), _settings, connect))


def _incoming(req: func.HttpRequest) -> Incoming:
    return Incoming(
        method=req.method,
        url=req.url,
        headers={name.lower(): value for name, value in req.headers.items()},
        query={name.lower(): value for name, value in req.params.items()},
        route=req.route_params,
        body=req.get_body(),
    )


def _response(sent: Outgoing) -> func.HttpResponse:
    return func.HttpResponse(sent.body, status_code=sent.status, headers=sent.headers)


@app.route(route="exports", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.start_export, req, client)


@app.route(route="comparisons", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_comparison(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.start_comparison, req, client)


@app.route(route="exports/preview", methods=["POST"])
@app.durable_client_input(client_name="client")
async def preview_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    async def handler(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
        asked = functools.partial(preview.preview, _quick_graph(), on.settings)
        return await routes.preview_export(incoming, caller, on, asked)

    return await _answer(handler, req, client)


@app.route(route="exports", methods=["GET"])
@app.durable_client_input(client_name="client")
async def list_exports(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.list_exports, req, client)


@app.route(route="exports/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.show_export, req, client)


@app.route(route="exports/{id}", methods=["DELETE"])
@app.durable_client_input(client_name="client")
async def delete_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.delete_export, req, client)


@app.route(route="exports/{id}/cancel", methods=["POST"])
@app.durable_client_input(client_name="client")
async def cancel_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.cancel_export, req, client)


@app.route(route="saved-exports", methods=["GET"])
@app.durable_client_input(client_name="client")
async def list_saved_exports(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.list_saved_exports, req, client)


@app.route(route="saved-exports/{name}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_saved_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.show_saved_export, req, client)


@app.route(route="saved-exports/{name}", methods=["PUT"])
@app.durable_client_input(client_name="client")
async def save_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.save_export, req, client)


@app.route(route="saved-exports/{name}", methods=["DELETE"])
@app.durable_client_input(client_name="client")
async def delete_saved_export(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return await _answer(routes.delete_saved_export, req, client)


@app.route(route="columns", methods=["GET"])
async def list_columns(req: func.HttpRequest) -> func.HttpResponse:
    return _response(await exchange.answer_without_storage(documents.list_columns, _incoming(req), _settings))


@app.route(route="openapi.json", methods=["GET"])
async def show_contract(req: func.HttpRequest) -> func.HttpResponse:
    return _response(documents.contract())


@app.route(route="swagger.json", methods=["GET"])
async def show_swagger(req: func.HttpRequest) -> func.HttpResponse:
    return _response(documents.swagger_of_contract(_incoming(req), _settings))


@app.route(route="bulk-operations", methods=["GET"])
async def page(req: func.HttpRequest) -> func.HttpResponse:
    return _response(documents.page_file(INDEX))


@app.route(route="bulk-operations/{file}", methods=["GET"])
async def page_file(req: func.HttpRequest) -> func.HttpResponse:
    return _response(documents.page_file(req.route_params["file"]))


def _retry() -> df.RetryOptions:
    """After the edges' own retries, which take minutes: for crashes, time-outs and long disturbances."""
    return df.RetryOptions(first_retry_interval_in_milliseconds=15_000, max_number_of_attempts=5)


@app.orchestration_trigger(context_name="context", orchestration=workflow.EXPORT)
def export_users(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    return (yield from workflow.export_workflow(context, _retry()))


@app.activity_trigger(input_name="task")
async def plan(task: Any) -> Any:
    return await activities.run(_edges(), "plan", task)


@app.activity_trigger(input_name="task")
async def report(task: Any) -> Any:
    return await activities.run(_edges(), "report", task)


@app.activity_trigger(input_name="task")
async def export(task: Any) -> Any:
    return await activities.run(_edges(), "export", task)


@app.activity_trigger(input_name="task")
async def check(task: Any) -> Any:
    return await activities.run(_edges(), "check", task)


@app.activity_trigger(input_name="task")
async def publish(task: Any) -> Any:
    return await activities.run(_edges(), "publish", task)


@app.activity_trigger(input_name="task")
async def notify(task: Any) -> Any:
    return await activities.run(_edges(), "notify", task)


@app.activity_trigger(input_name="task")
async def clean(task: Any) -> Any:
    return await activities.run(_edges(), "clean", task)


@app.orchestration_trigger(context_name="context", orchestration=comparison.COMPARE)
def compare_exports(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    return (yield from comparison.comparison_workflow(context, _retry()))


@app.activity_trigger(input_name="task")
async def prepare_comparison(task: Any) -> Any:
    return await comparing.run(_edges(), "prepare_comparison", task)


@app.activity_trigger(input_name="task")
async def split(task: Any) -> Any:
    return await comparing.run(_edges(), "split", task)


@app.activity_trigger(input_name="task")
async def list_deleted(task: Any) -> Any:
    return await comparing.run(_edges(), "list_deleted", task)


@app.activity_trigger(input_name="task")
async def compare(task: Any) -> Any:
    return await comparing.run(_edges(), "compare", task)


@app.activity_trigger(input_name="task")
async def publish_comparison(task: Any) -> Any:
    return await comparing.run(_edges(), "publish_comparison", task)


@app.timer_trigger(schedule="0 * * * * *", arg_name="timer")
@app.durable_client_input(client_name="client")
async def start_due_exports(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Every minute: starts saved exports that are due, compares, and removes what `keep` has no place for."""
    on = Operations(_storage(), Durable(client, seconds=60), _settings())
    await due.start_due(on)
    await keep.follow_up(on)


@app.timer_trigger(schedule="0 30 2 * * *", arg_name="timer")
@app.durable_client_input(client_name="client")
async def remove_old_exports(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Every night: what is older than EXPORT_RETENTION_DAYS."""
    removed = await removal.remove_old(Operations(_storage(), Durable(client, seconds=60), _settings()))
    logging.info("%d exports were older than the retention and were removed.", removed)
