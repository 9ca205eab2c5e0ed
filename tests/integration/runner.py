"""Runs an export in this process: the real orchestrator and activities, a Durable that lives in memory.

Unlike Durable it can also deliver an activity twice at the same time, as Durable may: the result of the first to end
counts, the other one is a zombie.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from local.tenant import Tenant
from local.tenant.faults import Faults, Rule
from shared.api.operations import new_id
from shared.compare import activities as comparing
from shared.compare.workflow import comparison_workflow
from shared.export import activities
from shared.export.context import Edges, Record, read_record
from shared.export.outcome import read_results
from shared.export.rounds import CANCEL
from shared.export.workflow import export_workflow
from shared.files.columns import COLUMN_SETS
from shared.storage import blobs
from shared.storage.names import record_name, work_name
from tests.integration.truth import SCHEMA

Json = dict[str, Any]
Connect = Callable[..., AbstractAsyncContextManager[Edges]]
"""`async with connected(tenant, EXPORT_RANGE_USERS="100") as edges`: the fixture of the same name."""
ATTEMPTS = 3


@dataclass(eq=False, slots=True)
class Task:
    """What the orchestrator yields; `result` is what it is sent."""

    running: "asyncio.Task[Any] | asyncio.Event"
    result: Any = None

    @property
    def is_completed(self) -> bool:
        return self.running.is_set() if isinstance(self.running, asyncio.Event) else self.running.done()


@dataclass(slots=True)
class All:
    """What the orchestrator yields to wait for several tasks."""

    tasks: list[Task]


@dataclass(slots=True)
class Context:
    """Stands in for DurableOrchestrationContext."""

    edges: Edges
    input: Json
    run: Callable[[Edges, str, Json], Coroutine[Any, Any, Any]] = activities.run
    twice: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    statuses: list[Json] = field(default_factory=list)
    highest: int = 0
    calls: list[tuple[str, Json, Any]] = field(default_factory=list)
    zombies: list["asyncio.Task[Any]"] = field(default_factory=list)
    lanes: list["asyncio.Task[Any]"] = field(default_factory=list)
    histories: tuple[()] = ()

    def get_input(self) -> Json:
        return self.input

    def call_activity_with_retry(self, name: str, retry: Any, task: Json) -> Task:
        # Through JSON, as Durable does it.
        return Task(asyncio.create_task(self._call(name, msgspec.json.decode(msgspec.json.encode(task)))))

    def call_activity(self, name: str, task: Json) -> Task:
        started = asyncio.create_task(self._call(name, msgspec.json.decode(msgspec.json.encode(task))))
        self.lanes.append(started)
        return Task(started)

    def wait_for_external_event(self, name: str) -> Task:
        assert name == CANCEL
        return Task(self.cancel)

    def task_any(self, tasks: list[Task]) -> list[Task]:
        return tasks

    def task_all(self, tasks: list[Task]) -> "All":
        return All(tasks)

    def create_timer(self, at: datetime) -> Task:
        """Fires at once: tests don't wait."""
        fired = asyncio.Event()
        fired.set()
        return Task(fired)

    @property
    def current_utc_datetime(self) -> datetime:
        return datetime.now(UTC)

    def set_custom_status(self, status: Json) -> None:
        self.statuses.append(status)

    async def _call(self, name: str, task: Json) -> Any:
        attempts = 1 if name in {"export", "check"} else ATTEMPTS  # These the orchestrator itself asks for again.
        for attempt in range(attempts):
            try:
                if self.chance.random() < self.twice:
                    other = asyncio.create_task(self.run(self.edges, name, task))
                    self.zombies.append(other)
                    await asyncio.sleep(self.chance.random() / 50)
                result = await self.run(self.edges, name, task)
                self.calls.append((name, task, result))
                return msgspec.json.decode(msgspec.json.encode(result))
            except Exception as problem:
                if attempt == attempts - 1:
                    return problem
        return None


@dataclass(frozen=True, slots=True)
class _Watched:
    faults: Faults
    before: Callable[[str], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.faults, name)

    def hits(self, target: str, *arguments: Any, **options: Any) -> list[Rule]:
        self.before(target)
        return self.faults.hits(target, *arguments, **options)


def watch(tenant: Tenant, before: Callable[[str], None]) -> None:
    """Calls `before` ahead of each request, with its path and query."""
    tenant.faults = cast(Faults, _Watched(tenant.faults, before))


def before_pages(change: Callable[[], None]) -> Callable[[str], None]:
    """For `watch`: calls `change` ahead of each request for a page of users."""

    def before(target: str) -> None:
        if "$top=999" in target or "$skiptoken" in target:
            change()

    return before


async def _drive(workflow: Generator[Any, Any, Json]) -> Json:
    """Drives an orchestrator to its end."""
    try:
        asked = next(workflow)
        while True:
            if isinstance(asked, All):
                asked = await _all(workflow, asked)
                continue
            ended = await _first(asked if isinstance(asked, list) else [asked])
            if isinstance(asked, list):
                asked = workflow.send(ended)
            elif isinstance(ended.result, Exception):
                asked = workflow.throw(ended.result)
            else:
                asked = workflow.send(ended.result)
    except StopIteration as end:
        output: Json = msgspec.json.decode(msgspec.json.encode(end.value))
        return output


async def _all(workflow: Generator[Any, Any, Json], asked: All) -> Any:
    """Sends the orchestrator what all of them have returned, or the first failure; gives what it yields next."""
    results = [(await _first([task])).result for task in asked.tasks]
    failed = [result for result in results if isinstance(result, Exception)]
    return workflow.throw(failed[0]) if failed else workflow.send(results)


async def _first(tasks: list[Task]) -> Task:
    """The first to end; in the order of the list when several have."""
    while True:
        for task in tasks:
            if isinstance(task.running, asyncio.Event):
                if task.running.is_set():
                    return task
            elif task.running.done():
                task.result = task.running.result()
                return task
        await asyncio.sleep(0.001)


@dataclass(slots=True)
class Export:
    """An export that has ended."""

    id: str
    results: Json
    csv: bytes | None
    """The file, whatever its format."""
    context: Context


@dataclass(slots=True)
class Comparison:
    """A comparison that has ended."""

    id: str
    results: Json
    file: bytes | None
    context: Context


async def run_comparison(
    edges: Edges, old: Export, new: Export, *, context: Context | None = None, **request: Any
) -> Comparison:
    """Asks for a comparison, runs it to its end, and reads what it has published."""
    records = [await read_record(edges.storage, each.id) for each in (old, new)]
    record = Record(
        id=new_id(datetime.now(UTC)),
        created_date_time="2026-01-01T00:00:00Z",
        requested_by={"id": "tester", "name": "Tester"},
        file_name="changes",
        columns=[name for name in records[1].columns if name in records[0].columns],
        old=old.id,
        new=new.id,
        **request,
    )
    await blobs.write(edges.storage, record_name(record.id), msgspec.json.encode(record))
    context = context or Context(edges, {}, comparing.run)
    context.input = {"id": record.id}
    output = await _drive(comparison_workflow(context, None))
    await asyncio.gather(*context.zombies, return_exceptions=True)
    results = await read_results(edges.storage, record.id, 10**6)
    assert results is not None
    SCHEMA.validate(results)
    assert output == {"status": results["status"]}
    return Comparison(record.id, results, await blobs.read(edges.storage, record.file_blob_name()), context)


async def run_export(
    edges: Edges,
    *,
    columns: str | list[str] = "profile",
    users: list[str] | None = None,
    context: Context | None = None,
    errors: int = 10**6,
    **request: Any,
) -> Export:
    """Asks for an export, runs it to its end, and reads what it has published."""
    now = datetime.now(UTC)
    record = Record(
        id=new_id(now),
        created_date_time="2026-01-01T00:00:00Z",
        requested_by={"id": "tester", "name": "Tester"},
        file_name="users",
        columns=list(COLUMN_SETS[columns] if isinstance(columns, str) else columns),
        users=len(users or []),
        **request,
    )
    await blobs.write(edges.storage, record_name(record.id), msgspec.json.encode(record))
    if users:
        await blobs.write(edges.storage, work_name(record.id, "users.json"), msgspec.json.encode(users))
    context = context or Context(edges, {})
    context.input = {"id": record.id}
    output = await _drive(export_workflow(context, None))
    # What goes on after a failure ends by itself, as soon as it sees that nobody wants it any more.
    await asyncio.gather(*context.lanes, *context.zombies, return_exceptions=True)
    results = await read_results(edges.storage, record.id, errors)
    assert results is not None
    SCHEMA.validate(results)
    assert output == {"status": results["status"]}
    return Export(record.id, results, await blobs.read(edges.storage, record.file_blob_name()), context)
