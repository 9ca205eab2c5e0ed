"""The app as Azure runs it: deployed files, locked packages, Python 3.13, and Microsoft's own worker library.

The worker (azure_worker.py) indexes and calls the functions. Around it stand the local Durable engine, which sends each
orchestrator turn by turn what the extension would send, Azurite, and the simulated tenant.
"""

import asyncio
import base64
import contextlib
import csv
import io
import itertools
import json
import os
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from local import azurite, durable, durable_claims, durable_http, durable_tasks, durable_turn, identity
from local.durable_store import connect, heartbeat
from local.tenant import Tenant, serve
from tests.infra import deployment

Json = dict[str, Any]
USERS = 2500
TENANT = "8d0e31c4-7a0b-4f7e-9a55-2f3c1f7d3c11"
USER_ADMINISTRATOR = "fe930be7-5e62-47db-91af-98c3a49a38b1"

TRIGGERS = {
    "httpTrigger": {
        "start_export": ("exports", ["POST"]),
        "preview_export": ("exports/preview", ["POST"]),
        "list_exports": ("exports", ["GET"]),
        "show_export": ("exports/{id}", ["GET"]),
        "delete_export": ("exports/{id}", ["DELETE"]),
        "cancel_export": ("exports/{id}/cancel", ["POST"]),
        "list_saved_exports": ("saved-exports", ["GET"]),
        "show_saved_export": ("saved-exports/{name}", ["GET"]),
        "save_export": ("saved-exports/{name}", ["PUT"]),
        "delete_saved_export": ("saved-exports/{name}", ["DELETE"]),
        "start_comparison": ("comparisons", ["POST"]),
        "list_columns": ("columns", ["GET"]),
        "show_contract": ("openapi.json", ["GET"]),
        "show_swagger": ("swagger.json", ["GET"]),
        "page": ("bulk-operations", ["GET"]),
        "page_file": ("bulk-operations/{file}", ["GET"]),
    },
    "orchestrationTrigger": {"export_users", "compare_exports"},
    "activityTrigger": {
        *("plan", "report", "export", "check", "publish", "notify", "clean"),
        *("prepare_comparison", "split", "list_deleted", "compare", "publish_comparison"),
    },
    "timerTrigger": {"remove_old_exports", "start_due_exports"},
}
WITH_CLIENT = {
    *(
        "start_export",
        "start_comparison",
        "preview_export",
        "list_exports",
        "show_export",
        "delete_export",
        "cancel_export",
    ),
    *("list_saved_exports", "show_saved_export", "save_export", "delete_saved_export"),
}


@dataclass(slots=True)
class Worker:
    """The worker process, and what it indexed."""

    process: Process
    functions: dict[str, Json] = field(default_factory=dict)
    waiting: dict[int, "asyncio.Future[Any]"] = field(default_factory=dict)
    ids: "itertools.count[int]" = field(default_factory=itertools.count)

    async def call(self, call: str, **fields: Any) -> Any:
        number = next(self.ids)
        self.waiting[number] = asyncio.get_running_loop().create_future()
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"id": number, "call": call, **fields}).encode() + b"\n")
        return await asyncio.wait_for(self.waiting[number], 60)

    async def read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            found = json.loads(line)
            self.waiting.pop(found["id"]).set_result(found["answer"])
        for future in self.waiting.values():
            future.set_exception(RuntimeError("the worker has ended"))

    async def invoke(self, name: str, *inputs: tuple[str, str, Any]) -> Any:
        """Calls a function by its name; `inputs` are (parameter, kind, value). Fails as the function fails."""
        answer = await self.call("invoke", function=self.functions[name]["id"], inputs=inputs)
        assert answer["status"] == "Success", answer["problem"]
        return answer["value"]


@contextlib.asynccontextmanager
async def started(environment: dict[str, str], folder: Path) -> AsyncIterator[Worker]:
    python = deployment.venv(
        deployment.python313(),
        ["--require-hashes", "-r", "requirements.txt"],
        [deployment.WORKER],
    )
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    script = str(Path(__file__).parent / "azure_worker.py")
    with (folder / "telemetry.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            python, "-B", script, stdin=PIPE, stdout=PIPE, stderr=log, cwd=folder, env=keep | environment, limit=2**26
        )
    worker = Worker(process)
    reading = asyncio.create_task(worker.read())
    try:
        answer = await worker.call("init", directory=str(folder))
        assert answer["status"] == "Success", answer["problem"]
        worker.functions = await worker.call("metadata")
        yield worker
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()
        await reading


@dataclass(frozen=True, slots=True)
class Host:
    """The part of the Functions host that is played here: bindings in, answers out, orchestrations forward."""

    worker: Worker
    store: Path
    base: str
    log: Path
    """What would be telemetry in Azure."""

    async def request(self, name: str, method: str, path: str, body: Any = None, route: Json | None = None) -> Json:
        """An HTTP request as it comes from Easy Auth; the answer's body as JSON when it is some."""
        claims = [{"typ": "oid", "val": "someone"}, {"typ": "wids", "val": USER_ADMINISTRATOR}]
        claims.append({"typ": "tid", "val": TENANT})
        principal = base64.b64encode(json.dumps({"auth_typ": "aad", "claims": claims}).encode()).decode()
        answer: Json = await self.anonymous(name, method, path, body, route, {"x-ms-client-principal": principal})
        return answer

    async def anonymous(
        self,
        name: str,
        method: str,
        path: str,
        body: Any = None,
        route: Json | None = None,
        headers: Json | None = None,
    ) -> Json:
        text = json.dumps(body).encode() if body is not None else b""
        http = {
            "method": method,
            "url": f"https://func-x.azurewebsites.net/api/{path}",
            "headers": {"content-type": "application/json", **(headers or {})},
            "params": route or {},
            "query": {},
            "body": base64.b64encode(text).decode(),
        }
        inputs: list[tuple[str, str, Any]] = [("req", "http", http)]
        if name in WITH_CLIENT:
            inputs.append(("client", "string", durable_http.client_binding(self.base)))
        answer: Json = await self.worker.invoke(name, *inputs)
        raw = base64.b64decode(answer["body"])
        with contextlib.suppress(ValueError):
            answer["json"] = json.loads(raw) if raw else None
        answer["text"] = raw.decode()
        return answer

    async def run(self) -> dict[str, int]:
        """Turns and activities until there is nothing left to do; how often each function was called."""
        called = dict[str, int]()
        with contextlib.closing(connect(self.store)) as db:
            heartbeat(db, "test", 600)
            while True:
                turn = durable_claims.claim(db, "test")
                tasks = durable_tasks.claim(db, "test", 0, 100)
                if turn is None and not tasks:
                    return called
                for name in [turn.row["name"]] if turn else []:
                    called[name] = called.get(name, 0) + 1
                if turn:
                    durable_claims.commit(db, turn, await self._turn(turn))
                for task in tasks:
                    called[task.name] = called.get(task.name, 0) + 1
                    result = await self.worker.invoke(task.name, ("task", "json", task.input))
                    durable_tasks.complete(db, task, result)

    async def _turn(self, turn: durable_turn.Claim) -> durable_turn.Outcome:
        loop = asyncio.get_running_loop()

        def orchestrator(text: str) -> str:
            call = self.worker.invoke(turn.row["name"], ("context", "string", text))
            result: str = asyncio.run_coroutine_threadsafe(call, loop).result(60)
            return result

        outcome = await asyncio.to_thread(durable_turn.run, turn, orchestrator)
        assert "error" not in outcome.state, outcome.state["error"]
        return outcome


@contextlib.asynccontextmanager
async def azure(folder: Path) -> AsyncIterator[Host]:
    """Everything around the worker, which sees an environment like Azure's."""
    store = folder / "durable.db"
    connect(store).close()
    server = web.Application()
    server.add_routes(durable_http.routes(store, TRIGGERS["orchestrationTrigger"]))
    server.add_routes([identity.route("secret")])
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with serve(Tenant(users=USERS), 0.0) as graph:
            with azurite.running(folder / "azurite") as storage:
                environment = {
                    **identity.environment(base, "secret"),
                    "WEBSITE_SITE_NAME": "app",
                    "EXPORT_TENANT_ID": TENANT,
                    "WEBSITE_AUTH_ENABLED": "True",
                    "GRAPH_ENDPOINT": graph,
                    "EXPORT_STORAGE": storage.connection_string,
                    "EXPORT_DEFAULT_COLUMNS": "profile",
                    "EXPORT_RANGE_USERS": "1000",
                }
                app_folder = deployment.build(folder)
                async with started(environment, app_folder) as worker:
                    yield Host(worker, store, base, app_folder / "telemetry.log")
    finally:
        await runner.cleanup()


async def test_an_export_runs_through_microsofts_worker(tmp_path: Path) -> None:
    async with azure(tmp_path) as host:
        _is_indexed(host.worker.functions)

        refused = await host.anonymous("start_export", "POST", "exports")
        assert refused["status"] == 401

        begun = await host.request("start_export", "POST", "exports", {"fileName": "everyone"})
        assert begun["status"] == 202
        headers = {name.lower(): value for name, value in begun["headers"].items()}
        export_id = begun["json"]["id"]
        assert headers["location"] == f"https://func-x.azurewebsites.net/api/exports/{export_id}"

        route = {"id": export_id}
        running = await host.request("show_export", "GET", f"exports/{export_id}", route=route)
        assert (running["status"], running["json"]["status"]) == (202, "NotStarted")

        called = await host.run()
        assert {"export_users", "plan", "export", "publish"} <= set(called)
        assert called["export"] > 1
        assert called["export_users"] > 2, "plan, lanes and publish are turns of their own"

        ended = await host.request("show_export", "GET", f"exports/{export_id}", route=route)
        assert (ended["status"], ended["json"]["status"]) == (200, "Completed"), ended["text"]
        assert ended["json"]["counts"]["exported"] == USERS
        async with httpx.AsyncClient() as http:
            file = await http.get(ended["json"]["download"]["csv"])
        assert len(list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))) == USERS

        listed = await host.request("list_exports", "GET", "exports")
        assert [each["id"] for each in listed["json"]["value"]] == [export_id]
        await _others(host)

        removed = await host.request("delete_export", "DELETE", f"exports/{export_id}", route=route)
        assert removed["status"] == 204
        gone = await host.request("show_export", "GET", f"exports/{export_id}", route=route)
        assert gone["status"] == 410
        with contextlib.closing(connect(host.store)) as db:
            assert durable.status(db, export_id) is None


async def _others(host: Host) -> None:
    """What is not part of an export: page, contract, columns, and the timer."""
    page = await host.anonymous("page", "GET", "bulk-operations")
    assert page["status"] == 200
    assert "<!doctype html>" in page["text"].lower()
    assert (await host.request("list_columns", "GET", "columns"))["json"]["sets"]
    assert (await host.anonymous("show_contract", "GET", "openapi.json"))["json"]["paths"]
    client = durable_http.client_binding(host.base)
    timer = json.dumps({"Schedule": {}, "ScheduleStatus": None, "IsPastDue": False})
    for name in sorted(TRIGGERS["timerTrigger"]):
        await host.worker.invoke(name, ("timer", "json", timer), ("client", "string", client))


def _is_indexed(functions: dict[str, Json]) -> None:
    """Every function has the one trigger that is meant, and no function is there that is not."""
    found: Json = {}
    for name, function in functions.items():
        bindings = {each["type"]: each for each in function["bindings"]}
        (trigger,) = [kind for kind in bindings if kind.endswith("Trigger")]
        meant = bindings[trigger]
        found.setdefault(trigger, {})[name] = meant
        assert ("durableClient" in bindings) == (name in WITH_CLIENT or trigger == "timerTrigger"), name
    http = found["httpTrigger"]
    assert {name: (each["route"], each["methods"]) for name, each in http.items()} == TRIGGERS["httpTrigger"]
    assert {each["authLevel"].lower() for each in http.values()} == {"anonymous"}
    for trigger in ("orchestrationTrigger", "activityTrigger", "timerTrigger"):
        assert set(found[trigger]) == TRIGGERS[trigger]
    # Orchestrations call by these names, and functions are found by their own: here the two are the same.
    for kind in ("activity", "orchestration"):
        assert all(each.get(kind) in {None, name} for name, each in found[f"{kind}Trigger"].items())


async def test_telemetry_holds_no_address_that_was_called(tmp_path: Path) -> None:
    """Addresses hold filters, names of users and files, and signatures; and there are thousands of them."""
    async with azure(tmp_path) as host:
        await host.request("start_export", "POST", "exports", {"filter": "startsWith(surname, 'Meier')"})
        await host.run()
    log = host.log.read_text()
    assert "INFO azure.functions:" in log, "what is logged from INFO on is seen here"
    loggers = {line.split()[1] for line in log.splitlines() if line.startswith("INFO ")}
    assert [name for name in loggers if name.startswith(("httpx", "azure.core", "azure.identity"))] == []
    assert "Meier" not in log
    assert "://" not in log
