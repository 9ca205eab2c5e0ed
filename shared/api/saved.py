"""Saved exports: a request with a name, and perhaps a schedule. (`due` starts them when it is time.)

A saved export is one blob of its owner's. Its content is the request as it was sent, with the callback's address, which
is a secret. Everything else is in the blob's summary, which a listing returns.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shared import schedules
from shared.api import saving
from shared.api.access import Caller
from shared.api.body import decode
from shared.api.operations import Operations
from shared.api.problems import BadRequest, Problem, ProblemError
from shared.export.messages import Json
from shared.storage import blobs, tagged
from shared.storage.connection import Storage
from shared.storage.names import SAVED, saved_name

NAME = re.compile(r"[a-z0-9-]{1,64}")
MAX_SAVED = 50
"""Of one owner."""


class Run(msgspec.Struct, frozen=True, rename="camel"):
    """The newest export that the schedule has started."""

    id: str
    planned_date_time: str


class Saved(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A saved export, apart from its request."""

    name: str
    owner: dict[str, str]
    created_date_time: str
    last_modified_date_time: str
    reads_authentication: bool
    """The owner had a role of EXPORT_AUTHENTICATION_ROLES when saving it."""
    after: str
    """Only later times of the schedule count."""
    schedule: str = ""
    time_zone: str = "UTC"
    keep: int = 0
    """How many of its exports stay; 0: all, as long as any export."""
    compare: bool = False
    """Each of its exports is compared with the last completed one before it."""
    file_name: str = ""
    last_run: Run | None = None
    problem: str = ""
    """Why the schedule could not start it the last time."""
    summary: dict[str, Any] = msgspec.field(name="asked", default_factory=dict)
    """What the list shows of the request."""

    def next_time(self) -> datetime | None:
        """The next time of the schedule, in UTC; it may be over already."""
        if not self.schedule:
            return None
        where = schedules.zone(self.time_zone)
        return schedules.next_time(schedules.parse(self.schedule), where, datetime.fromisoformat(self.after))

    def shown(self, caller: Caller) -> Json:
        """What the API shows to this caller, without the request."""
        fields: Json = msgspec.to_builtins(self)
        following = self.next_time()
        optional = {"timeZone": self.time_zone, "nextRunDateTime": stamp(following)} if following else {}
        hidden = {"readsAuthentication", "after", "asked"}
        own = {"own": self.owner["id"] == caller.id}
        return {name: value for name, value in fields.items() if name not in hidden} | optional | own


@dataclass(frozen=True, slots=True)
class Stored:
    """A saved export, and the blob that it is in."""

    saved: Saved
    blob: str

    @property
    def owner_id(self) -> str:
        return self.saved.owner["id"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A saved export with its request, both at one moment."""

    saved: Saved
    request: Mapping[str, Any]
    etag: str


def stamp(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


async def stored(storage: Storage, prefix: str = SAVED) -> list[Stored]:
    """The saved exports with this prefix in their blobs' names; without a prefix all of them."""
    return [
        Stored(msgspec.convert(blobs.summary_of(blob), Saved), blob.name)
        async for blob in blobs.listing(storage, prefix)
    ]


async def put(on: Operations, name: str, body: bytes, caller: Caller) -> tuple[Json, bool]:
    """Saves the caller's request under this name. Returns it, and whether the name is new. Raises BadRequest."""
    given = decode(body)
    problems = [] if NAME.fullmatch(name) else [Problem("", "The name must be 1 to 64 of a-z, 0-9 and -.")]
    request, timetable = saving.check(given, on.settings, on.now(), caller.reads_authentication, problems)
    own = {each.saved.name: each.saved for each in await stored(on.storage, saved_name(caller.id))}
    before = own.get(name)
    if not before and len(own) >= MAX_SAVED:
        raise BadRequest(Problem("", f"You have {MAX_SAVED} saved exports, the most possible: delete one first."))
    same_times = before and (before.schedule, before.time_zone) == (timetable.schedule, timetable.time_zone)
    saved = Saved(
        name=name,
        owner={"id": caller.id, "name": caller.name},
        created_date_time=before.created_date_time if before else stamp(on.now()),
        last_modified_date_time=stamp(on.now()),
        reads_authentication=caller.reads_authentication,
        # Otherwise a run that is due at this moment would be lost.
        after=before.after if before and same_times else on.now().isoformat(),
        schedule=timetable.schedule,
        time_zone=timetable.time_zone,
        keep=timetable.keep,
        compare=timetable.compare,
        file_name=request.file_name if given.get("fileName") else "",
        last_run=before.last_run if before else None,
        summary=request.summary(),
    )
    content = {key: value for key, value in given.items() if key not in saving.PROPERTIES}
    await blobs.write(on.storage, saved_name(caller.id, name), msgspec.json.encode(content), msgspec.to_builtins(saved))
    return _shown(saved, content, caller), before is None


async def get(on: Operations, name: str, owner: str, caller: Caller) -> Json:
    """One saved export with its request. `owner`: empty for the caller's own. Raises ProblemError."""
    entry = await _find(on.storage, name, caller, owner)
    content = await blobs.read(on.storage, entry.blob)
    if content is None:
        raise _not_found()
    return _shown(entry.saved, msgspec.json.decode(content), caller)


async def list_all(on: Operations, caller: Caller) -> Json:
    """`{"value": [...]}`: the saved exports that the caller may see, without their requests."""
    entries = await stored(on.storage, SAVED if caller.administrator else saved_name(caller.id))
    return {"value": [each.saved.shown(caller) | {"asked": each.saved.summary} for each in entries]}


async def delete(on: Operations, name: str, owner: str, caller: Caller) -> None:
    """Removes a saved export. Its runs stay as long as other exports. Raises ProblemError."""
    entry = await _find(on.storage, name, caller, owner)
    logging.info("Saved export %s of %s is deleted by %s.", name, entry.owner_id, caller.id)
    await blobs.delete(on.storage, entry.blob)


async def request_of(on: Operations, name: str, caller: Caller) -> Mapping[str, Any] | None:
    """The request that the caller has saved under this name, as it was sent."""
    content = await blobs.read(on.storage, saved_name(caller.id, name)) if NAME.fullmatch(name) else None
    return None if content is None else msgspec.json.decode(content)


async def open_blob(storage: Storage, blob: str) -> Opened | None:
    """The current content of this blob; None when it was deleted."""
    current = await tagged.read_with_summary(storage, blob)
    if current is None:
        return None
    content, summary, etag = current
    return Opened(msgspec.convert(summary, Saved), msgspec.json.decode(content), etag)


async def note(storage: Storage, blob: str, saved: Saved, etag: str) -> bool:
    """Writes the change. False, and nothing is written, when somebody else has changed it since it was opened."""
    return await tagged.set_summary(storage, blob, msgspec.to_builtins(saved), etag)


async def _find(storage: Storage, name: str, caller: Caller, owner: str) -> Stored:
    """The caller's own saved export; for an administrator also that of `owner`, or the only one with the name."""
    if not NAME.fullmatch(name) or not (caller.administrator or owner in {"", caller.id}):
        raise _not_found()
    blob = saved_name(owner or caller.id, name)
    matches = [each for each in await stored(storage, blob) if each.blob == blob]
    if not matches and not owner and caller.administrator:
        matches = [each for each in await stored(storage) if each.saved.name == name]
    if not matches:
        raise _not_found()
    if len(matches) > 1:
        owners = ", ".join(each.owner_id for each in matches)
        raise BadRequest(Problem("/owner", f"more than one person has it: add ?owner= and one of {owners}"))
    return matches[0]


def _not_found() -> ProblemError:
    return ProblemError(404, "Not found", "There is no such saved export, or it is not yours.")


def _shown(saved: Saved, content: Mapping[str, Any], caller: Caller) -> Json:
    """As the API shows it, with the request as it was sent; of the callback only the host."""
    callback = content.get("callbackUrl")
    host = {"callbackHost": urlsplit(callback).hostname} if callback else {}
    return saved.shown(caller) | {name: content[name] for name in content if name != "callbackUrl"} | host
