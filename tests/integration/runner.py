"""Runs an export or a comparison in this process: the real orchestrator and activities, on tests/durable_host.py.

An activity may run twice at the same time, as Durable may deliver it: the result of one counts, the other is a zombie.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from local.durable_events import task_failed
from local.tenant import Tenant
from local.tenant.faults import Faults, Rule
from shared.api.operations import new_id
from shared.compare import activities as comparing
from shared.compare.workflow import COMPARE
from shared.export import activities
from shared.export.context import Edges, Record, read_record
from shared.export.outcome import read_results
from shared.export.rounds import CANCEL
from shared.export.workflow import EXPORT
from shared.files.columns import COLUMN_SETS
from shared.storage import blobs
from shared.storage.names import record_name, work_name
from tests.durable_host import Host
from tests.integration.truth import SCHEMA

Json = dict[str, Any]
COLUMNS = ("objectId", "userPrincipalName", "displayName", "accountEnabled")
"""What most tests export: they are about users. All of `profile` cost twice the time of an export of thousands."""
Connect = Callable[..., AbstractAsyncContextManager[Edges]]
"""`async with connected(tenant, EXPORT_RANGE_USERS="100") as edges`: the fixture of the same name."""


@dataclass(slots=True)
class Context:
    """How the activities of an orchestration are run, and what they have returned. `input`: that of the orchestration;
    `twice`: the share of activities that run twice; `cancel`: set when a person cancels.
    """

    edges: Edges
    input: Json
    run: Callable[[Edges, str, Json], Coroutine[Any, Any, Any]] = activities.run
    twice: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[tuple[str, Json, Any]] = field(default_factory=list)
    zombies: list["asyncio.Task[Any]"] = field(default_factory=list)

    async def _call(self, name: str, task: Json) -> Any:
        """What the activity returns, or the exception that it raises."""
        try:
            if self.chance.random() < self.twice:
                self.zombies.append(asyncio.create_task(self.run(self.edges, name, task)))
                await asyncio.sleep(self.chance.random() / 50)
            result = await self.run(self.edges, name, task)
        except Exception as problem:
            return problem
        self.calls.append((name, task, result))
        return result


@dataclass(frozen=True, slots=True)
class _Watched:
    faults: Faults
    before: Callable[[str], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.faults, name)

    def hits(self, target: str, *arguments: Any, **options: Any) -> list[Rule]:
        self.before(target)
        return self.faults.hits(target, *arguments, **options)


PAGES_OF_RANGES = "/users?$top=999&$select=id,createdDateTime,"
"""In the requests for the first pages of ranges."""
SAMPLES = "/users?$top=999&$select=id,createdDateTime&"
"""In those for samples of creation times."""


def watch(tenant: Tenant, before: Callable[[str], None]) -> None:
    """Calls `before` ahead of each request, with its path and query."""
    tenant.faults = cast(Faults, _Watched(tenant.faults, before))


def before_pages(change: Callable[[], None]) -> Callable[[str], None]:
    """For `watch`: calls `change` ahead of each request for a page of users."""

    def before(target: str) -> None:
        if ("$top=999" in target and SAMPLES not in target) or "$skiptoken" in target:
            change()

    return before


async def _drive(name: str, context: Context) -> Json:
    """Runs the orchestration of this name to its end, and all that it has asked for. Timers fire at once."""
    host = Host(name, context.input, again=False)
    running = dict["asyncio.Task[Any]", int]()
    cancelled = asyncio.create_task(context.cancel.wait())
    waiting: set[asyncio.Task[Any]] = {cancelled}
    while not host.done:
        if host.timers():
            host.fire()
            continue
        for number in sorted(host.open.keys() - running.values()):
            asked = host.open[number].action["functionName"]
            running[asyncio.create_task(context._call(asked, host.asked(number)))] = number
        ended, _ = await asyncio.wait(waiting | running.keys(), return_when=asyncio.FIRST_COMPLETED)
        if cancelled in ended:
            waiting.clear()
            host.raise_event(CANCEL)
            continue
        task = next(task for task in running if task in ended)
        _tell(host, running.pop(task), task.result())
    cancelled.cancel()
    # What goes on after a failure ends by itself, as soon as it sees that the export is over.
    await asyncio.gather(*running, *context.zombies, return_exceptions=True)
    output: Json = host.output
    return output


def _tell(host: Host, number: int, result: Any) -> None:
    if isinstance(result, Exception):
        told = task_failed(number, host.open[number].action["functionName"], result, "Traceback (most recent call ...")
        host.fail(number, told["Reason"], told["Details"])
    else:
        host.complete(number, result)


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
    output = await _drive(COMPARE, context)
    results = await read_results(edges.storage, record.id, 10**6)
    assert results is not None
    SCHEMA.validate(results)
    assert output == {"status": results["status"]}
    return Comparison(record.id, results, await blobs.read(edges.storage, record.file_blob_name()), context)


async def run_export(
    edges: Edges,
    *,
    columns: str | Sequence[str] = COLUMNS,
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
    output = await _drive(EXPORT, context)
    results = await read_results(edges.storage, record.id, errors)
    assert results is not None
    SCHEMA.validate(results)
    assert output == {"status": results["status"]}
    return Export(record.id, results, await blobs.read(edges.storage, record.file_blob_name()), context)
