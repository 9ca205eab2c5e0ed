"""What the activities share: their edges, the request of an export, and how its blobs and blocks are named."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from shared import blobs
from shared.blobs import Storage
from shared.errors import ExportError
from shared.settings import Settings
from shared.transport import Graph

Json = dict[str, Any]
Part = Sequence[Any]
"""What one execution staged: [range, segment, execution, blocks, error blocks, rows, bytes, errors]."""


@dataclass(frozen=True, slots=True)
class Edges:
    """What the activities work with; `clock` gives seconds, and only differences count."""

    graph: Graph
    storage: Storage
    settings: Settings
    clock: Callable[[], float] = time.monotonic


class Record(msgspec.Struct, rename="camel", omit_defaults=True):
    """What was asked and by whom: `{id}/request.json`. Selected users lie in a list of their own."""

    id: str
    created_date_time: str
    requested_by: dict[str, str]
    file_name: str
    columns: list[str]
    filter: str = ""
    users: int = 0
    excel: bool = True
    callback_host: str = ""
    attempt: str = ""
    """Of the POSTs with one Idempotency-Key: whose list of users and callback count."""

    def shown(self) -> Json:
        """The request as the results and the API show it: of a list of users the length, of a callback the host."""
        shown = msgspec.to_builtins(self)
        return {key: shown[key] for key in shown if key not in {"id", "createdDateTime", "requestedBy", "attempt"}}


class Plan(msgspec.Struct, rename="camel"):
    """What plan found and every export needs: `work/{id}/plan.json`. It is there as long as the export goes on."""

    ranges: list[Json]
    advanced: bool
    """The caller's filter wants an advanced query."""
    unreadable: list[str]
    """Sources of columns that no permission reaches here; those cells stay empty."""
    delta_link: str = ""
    """Gives the renames since the plan was made; empty when no range is by name."""
    expected: int | None = None
    found: list[Json] = []
    """Errors that hold for all users."""
    warnings: list[Json] = []


def record_name(export_id: str) -> str:
    return f"{export_id}/request.json"


def results_name(export_id: str) -> str:
    return f"{export_id}/results.json"


def csv_name(record: Record) -> str:
    return f"{record.id}/{record.file_name}.csv"


def work_name(export_id: str, name: str) -> str:
    return f"work/{export_id}/{name}"


def users_name(record: Record) -> str:
    """The list of selected users, as the POST has given it that the request came with."""
    return work_name(record.id, f"users-{record.attempt}.json" if record.attempt else "users.json")


def callback_name(record: Record) -> str:
    """The callback's address, a secret."""
    return work_name(record.id, f"callback-{record.attempt}" if record.attempt else "callback")


def place_name(caller_id: str, export_id: str = "") -> str:
    """The blob of a caller's running export; without an id: what these names begin with."""
    return f"running/{hashlib.sha256(caller_id.encode()).hexdigest()[:32]}/{export_id}"


def plan_name(export_id: str) -> str:
    return work_name(export_id, "plan.json")


def progress_name(export_id: str, number: int | None = None) -> str:
    """Where a range notes how far it is, in the blob's summary; without a number: what these names begin with."""
    return work_name(export_id, "progress-") + ("" if number is None else f"{number:07d}")


def ids_name(export_id: str, part: Part) -> str:
    """Where an execution of a range that others may overlap lists the keys of those whom it has staged."""
    return work_name(export_id, f"ids-{part_name(*part[:3])}")


def elsewhere_name(export_id: str, number: int) -> str:
    """Where the users are listed that a range of selected users leaves to an earlier one."""
    return work_name(export_id, f"elsewhere-{number:07d}")


def cancelled_name(export_id: str) -> str:
    """Is there from the moment in which a person cancels."""
    return work_name(export_id, "cancelled")


def part_name(number: int, segment: int, execution: str) -> str:
    """The beginning of the block ids of one execution of one range: no two executions share it."""
    return f"{number:07d}-{segment:05d}-{execution}"


def block_name(part: str, block: int, kind: str = "p") -> str:
    """A block's name: all have the same length. Kind: p for a part of the file, s for a separator between two."""
    return f"{part}-{block:05d}-{kind}"


async def find_record(storage: Storage, export_id: str) -> Record | None:
    """The request of an export, None when there is none."""
    found = await blobs.read(storage, record_name(export_id))
    return msgspec.json.decode(found, type=Record) if found else None


async def read_record(storage: Storage, export_id: str) -> Record:
    """The request of an export. Raises ExportError when there is none."""
    record = await find_record(storage, export_id)
    if record is None:
        raise ExportError("RequestLost", f"The request of export {export_id} can't be found.")
    return record


async def progress(storage: Storage, export_id: str) -> list[Json]:
    """How far the ranges are, as their activities have noted: `{"rows", "done"}` each."""
    return [blobs.summary_of(blob) async for blob in blobs.listing(storage, progress_name(export_id))]


async def read_plan(storage: Storage, export_id: str) -> Plan | None:
    """The plan of an export; None when that has ended, which also tells an activity to stop."""
    found = await blobs.read(storage, plan_name(export_id))
    return msgspec.json.decode(found, type=Plan) if found else None


async def ended(storage: Storage, export_id: str) -> Json:
    """What an activity returns when the plan is gone: a person cancels, or it was lost."""
    if await blobs.exists(storage, cancelled_name(export_id)):
        return {"cancelled": True}
    return {"failed": {"code": "StateLost", "reason": "The plan of the export is gone from the storage."}}
