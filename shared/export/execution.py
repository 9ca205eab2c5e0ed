"""One execution of an activity that reads for about two minutes: how long it goes on, and what it has written."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

from shared.export.context import Edges, Plan, Record, cancel_requested, read_plan, read_record, share
from shared.storage import blobs
from shared.storage.names import plan_name, record_name

SEGMENT_SECONDS = 120.0
"""After about this time an activity ends and another one goes on, so that none reaches the time-out of Functions."""
LOOK_SECONDS = 3.0
"""How often an execution looks whether the export was cancelled or has ended."""
MAX_RESTARTS = 5
"""How often a chain of pages that breaks is read again."""


@dataclass(slots=True)
class Execution:
    """One execution of the activity, and the blobs that it has written."""

    edges: Edges
    record: Record
    plan: Plan
    segment: int
    started: float
    looked: float
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    written: list[str] = field(default_factory=list)


async def load(edges: Edges, export_id: str) -> tuple[Record, Plan | None]:
    """The request and the plan, read once for all lanes of the export that this process reads at the same time.

    No plan: the export has ended. The plan that other lanes have may no longer exist either: see `is_wanted`.
    """
    return await asyncio.gather(
        share(edges, record_name(export_id), lambda: read_record(edges.storage, export_id)),
        share(edges, plan_name(export_id), lambda: read_plan(edges.storage, export_id)),
    )


@dataclass(slots=True)
class Watch:
    """How long an execution of `report` goes on: it reads before the lanes do."""

    edges: Edges
    export_id: str
    started: float
    looked: float
    now: float
    """At the last look."""


def watch(edges: Edges, export_id: str) -> Watch:
    now = edges.clock()
    return Watch(edges, export_id, started=now, looked=now, now=now)


def is_late(watched: Watch) -> bool:
    """Whether the time is over, so that another execution must go on."""
    return watched.now - watched.started > SEGMENT_SECONDS


async def is_cancelled(watched: Watch) -> bool:
    """Whether a person has cancelled. Looks only every few seconds."""
    watched.now = watched.edges.clock()
    if watched.now - watched.looked <= LOOK_SECONDS:
        return False
    watched.looked = watched.now
    return await cancel_requested(watched.edges.storage, watched.export_id)


class Unwanted(Exception):
    """The export or comparison has ended: its plan no longer exists."""


async def has_time(run: Execution) -> bool:
    """Whether this execution has time to go on. Raises Unwanted when the export has ended."""
    now = run.edges.clock()
    if now - run.started > SEGMENT_SECONDS:
        return False
    if now - run.looked > LOOK_SECONDS:
        run.looked = now
        await check_wanted(run)
    return True


async def check_wanted(run: Execution) -> None:
    """Raises Unwanted when the export has ended."""
    if not await is_wanted(run):
        raise Unwanted


async def is_wanted(run: Execution) -> bool:
    """Whether the export still runs: then it has a plan."""
    return await blobs.exists(run.edges.storage, plan_name(run.record.id))


async def write(run: Execution, name: str, data: bytes, summary: Any = None) -> None:
    run.written.append(name)
    await blobs.write(run.edges.storage, name, data, summary)
