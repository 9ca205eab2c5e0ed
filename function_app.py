"""The triggers: HTTP, orchestrator, activities. The one file that knows Azure Functions.

Nothing is read from the environment and nothing is connected while this file is imported: an exception here would
show in Azure as "no functions found".
"""

import functools
import logging
import os
from collections.abc import Awaitable, Callable, Generator
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
    return Edges(graph, _storage(), _settings())


@functools.cache
def _quick_graph() -> Graph:
    """The connection to Graph for what a caller waits for."""
    return client.connect(_settings().graph_endpoint, _credential, preview.RETRIES)


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


async def preview_export(incoming: Incoming, caller: Caller, on: Operations) -> Outgoing:
    return await routes.preview_export(
        incoming, caller, on, functools.partial(preview.preview, _quick_graph(), on.settings)
    )


def _route(path: str, method: str, handler: Handler) -> None:
    """Adds an HTTP trigger that has the handler's name."""

    async def trigger(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        def connect() -> Operations:
            return Operations(_quick_storage(), Durable(client), _settings())

        return _response(await exchange.answer(handler, _incoming(req), _settings, connect))

    trigger.__name__ = handler.__name__
    app.route(route=path, methods=[method])(app.durable_client_input(client_name="client")(trigger))


_route("exports", "POST", routes.start_export)
_route("comparisons", "POST", routes.start_comparison)
_route("exports/preview", "POST", preview_export)
_route("exports", "GET", routes.list_exports)
_route("exports/{id}", "GET", routes.show_export)
_route("exports/{id}", "DELETE", routes.delete_export)
_route("exports/{id}/cancel", "POST", routes.cancel_export)
_route("saved-exports", "GET", routes.list_saved_exports)
_route("saved-exports/{name}", "GET", routes.show_saved_export)
_route("saved-exports/{name}", "PUT", routes.save_export)
_route("saved-exports/{name}", "DELETE", routes.delete_saved_export)


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


@app.orchestration_trigger(context_name="context", orchestration=comparison.COMPARE)
def compare_exports(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    return (yield from comparison.comparison_workflow(context, _retry()))


def _activity(name: str, run: Callable[[Edges, str, Any], Awaitable[Any]]) -> None:
    async def activity(task: Any) -> Any:
        return await run(_edges(), name, task)

    activity.__name__ = name
    app.activity_trigger(input_name="task")(activity)


for _name in ("plan", "report", "export", "check", "publish", "notify", "clean"):
    _activity(_name, activities.run)
for _name in ("prepare_comparison", "split", "list_deleted", "compare", "publish_comparison"):
    _activity(_name, comparing.run)


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
