"""What the activities share: their edges, the request of an export, and its plan."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import msgspec

from shared.errors import ExportError
from shared.export.messages import Failure, Json
from shared.files import formats
from shared.files.formats import Format
from shared.files.xlsx import SHEET_USERS
from shared.graph.client import Graph
from shared.graph.scopes import ALL, Scope
from shared.graph.user_parts import Product
from shared.settings import Settings
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import cancelled_name, file_name, plan_name, progress_name, record_name

EXPORT, COMPARISON = "export", "comparison"
"""The types of operations."""

Shared = TypeVar("Shared")


@dataclass(frozen=True, slots=True)
class Edges:
    """What the activities work with; `clock` gives seconds, and only differences count."""

    graph: Graph
    storage: Storage
    settings: Settings
    clock: Callable[[], float] = time.monotonic
    kept: "WeakValueDictionary[str, Any]" = field(default_factory=WeakValueDictionary)
    """Shared by the activities of a process while one of them uses it, such as an export's plan."""


async def share(edges: Edges, name: str, load: Callable[[], Awaitable[Shared]]) -> Shared:
    """What `load` gives, loaded once for all activities of the process that use it at the same time; not when None.

    A lock for each name: what one export waits for must not keep the others waiting.
    """
    lock: asyncio.Lock = edges.kept.setdefault(f"lock of {name}", asyncio.Lock())
    async with lock:
        found: Shared | None = edges.kept.get(name)
        if found is not None:
            return found
        loaded = await load()
        if loaded is not None:
            edges.kept[name] = loaded
        return loaded


class Record(msgspec.Struct, rename="camel", omit_defaults=True, weakref=True):
    """The request, and who has sent it: `{id}/request.json`. Selected users are in a list of their own."""

    id: str
    created_date_time: str
    requested_by: dict[str, str]
    file_name: str
    columns: list[str]
    filter: str = ""
    users: int = 0
    excel: bool = True
    format: str = formats.CSV
    compress: bool = False
    separator: str = ","
    callback_host: str = ""
    attempt: str = ""
    """Of several POSTs with one Idempotency-Key: the one whose list of users and callback count."""
    notes: list[str] = []
    """Sentences for the caller about the request."""
    body: Json | None = None
    """As it was sent, without the list of users and the callback; None when an older version has written the record."""
    saved: str = ""
    """The name of the saved export that this is a run of."""
    scope: Scope = ALL
    old: str = ""
    """Of a comparison: the ids of the exports that it compares. Then `columns` are those that both have."""
    new: str = ""

    @property
    def type(self) -> str:
        return COMPARISON if self.old else EXPORT

    def shown(self) -> Json:
        """The request as the results and the API show it: the length of a list of users, the host of a callback."""
        shown = msgspec.to_builtins(self)
        hidden = {"id", "createdDateTime", "requestedBy", "attempt", "notes", "body"}
        return {key: shown[key] for key in shown if key not in hidden} | {
            "scope": self.scope.shown(),
            "format": self.format,
            "compress": self.compress,
            "separator": self.separator if self.format == formats.CSV else None,
        }

    def chosen_format(self, sheet_users: int = SHEET_USERS) -> Format:
        """How the file is made. `sheet_users`: at most so many on a sheet of a workbook."""
        return formats.chosen(
            self.format,
            compress=self.compress,
            separator=self.separator,
            excel=self.excel,
            sheet_users=sheet_users,
        )

    def file(self) -> str:
        """The name of the file, with its ending."""
        return self.file_name + self.chosen_format().ending

    def file_blob_name(self) -> str:
        return file_name(self.id, self.file())


class Plan(msgspec.Struct, rename="camel", weakref=True):
    """What `plan` has decided and every lane needs: `work/{id}/plan.json`. It exists as long as the export goes on."""

    ranges: list[Json]
    advanced: bool
    """The caller's filter needs an advanced query."""
    unreadable: list[str]
    """Sources of columns that can't be read here; those cells stay empty."""
    delta_link: str = ""
    """Gives the renames since the plan was made; empty when no range is by name."""
    expected: int | None = None
    errors: list[Json] = msgspec.field(name="found", default_factory=list)
    """Errors for all users."""
    warnings: list[Json] = []
    began: float = 0.0
    """When planning began, in seconds since 1970."""
    report: bool = False
    """The registration report is read, for its own columns or to know whose authentication methods to ask for."""
    products: dict[str, Product] = {}
    """By the id of the SKU."""
    roles: dict[str, list[str]] = {}
    """By the id of the user: the names of the directory roles."""
    expands_advanced: bool = True
    """Whether Graph takes `$expand` in an advanced query."""
    members: str = ""
    """The execution of `plan` that has written the list of members, which ranges of selected users read."""
    sifted: bool = False
    """The ranges are the tenant's, and only members are kept of them."""
    total: int | None = None
    """Users of the tenant, where the ranges are sifted."""


async def find_record(storage: Storage, export_id: str) -> Record | None:
    """The request of an export, None when there is none."""
    data = await blobs.read(storage, record_name(export_id))
    return msgspec.json.decode(data, type=Record) if data else None


async def read_record(storage: Storage, export_id: str) -> Record:
    """The request of an export. Raises ExportError when there is none."""
    record = await find_record(storage, export_id)
    if record is None:
        raise ExportError("RequestLost", f"The request of export {export_id} is missing in the storage.")
    return record


async def progress(storage: Storage, export_id: str) -> list[Json]:
    """How far each range is, as its activity has noted it: `{"rows", "done"}`."""
    return [blobs.summary_of(blob) async for blob in blobs.listing(storage, progress_name(export_id))]


async def read_plan(storage: Storage, export_id: str) -> Plan | None:
    """The plan of an export; None when the export has ended: then an activity must stop."""
    data = await blobs.read(storage, plan_name(export_id))
    return msgspec.json.decode(data, type=Plan) if data else None


@dataclass(frozen=True, slots=True)
class Ended:
    """How an export without a plan has ended: a person cancels, or the plan was lost."""

    failed: Failure | None = None
    cancelled: bool = False


async def cancel_requested(storage: Storage, export_id: str) -> bool:
    """Whether a person has cancelled, and the export has not ended yet."""
    return await blobs.exists(storage, cancelled_name(export_id))


async def how_ended(storage: Storage, export_id: str, kind: str = EXPORT) -> Ended:
    """What an activity returns when the plan of the export or comparison is gone."""
    if await cancel_requested(storage, export_id):
        return Ended(cancelled=True)
    return Ended(failed=Failure("StateLost", f"The plan of the {kind} is missing in the storage."))


def failure_of(problem: ExportError) -> Failure:
    """The entry for the results."""
    return Failure(problem.code, problem.reason, problem.request_id)
