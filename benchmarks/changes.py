"""`python -m benchmarks.changes TENANT USERS FORMAT`: a comparison's activities in one process, without Durable.

First it puts two exports of so many users into the storage in EXPORT_STORAGE: of one in a hundred two cells have
changed, one in a thousand is gone, and as many are new. Then it runs what the orchestrator would: prepare, both splits
side by side, the deleted users, all parts, publish.
"""

import asyncio
import os
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec

from benchmarks.clock import timed
from benchmarks.limits import pages
from shared.api.operations import new_id
from shared.compare import activities
from shared.export.context import Edges, Record
from shared.export.messages import Json
from shared.files import deflate, results
from shared.files.column_sets import COLUMN_SETS
from shared.files.columns import columns_of
from shared.files.deflate import Segment
from shared.graph import client
from shared.graph.users import User
from shared.settings import Settings
from shared.storage import blobs, connection, staging
from shared.storage.names import record_name, results_name

COLUMNS = [*COLUMN_SETS["documented"]]
BLOCK = 1_000
"""Users."""
CHANGED, GONE = 100, 1_000


async def main(tenant: str, users: str, file_format: str) -> None:
    settings = Settings.from_env(os.environ)
    edges = Edges(pages.connection(tenant), connection.connect(settings, None), settings)
    old, new = [await _made(edges, int(users), file_format, later=later) for later in (False, True)]
    found: dict[str, Any] = {}
    with timed(found):
        found |= await _compared(edges, old, new)
    await client.close(edges.graph)
    await edges.storage.service.close()


def _user(number: int, *, later: bool) -> User:
    changed = later and number % CHANGED == 0
    name = f"user{number}"
    return User(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        user_principal_name=f"{name}@contoso.onmicrosoft.com",
        display_name=f"Ann Example {number}",
        surname="Example",
        given_name="Ann",
        mail=f"{name}@contoso.com",
        user_type="Member",
        job_title="Senior consultant" if changed else "Consultant",
        department="Sales, Europe",
        account_enabled=True,
        usage_location="NL",
        street_address=f"Damrak {number % 500}",
        state="Noord-Holland",
        country="Netherlands",
        office_location="Amsterdam",
        city="Utrecht" if changed else "Amsterdam",
        postal_code="1012 LG",
        business_phones=["+31 20 123 4567"],
        mobile_phone="+31 6 1234 5678",
        other_mails=[f"{name}@example.com"],
    )


async def _made(edges: Edges, users: int, file_format: str, *, later: bool) -> str:
    """The id of an export with these users."""
    record = Record(
        id=new_id(datetime.now(UTC)),
        created_date_time="2026-01-01T00:00:00Z",
        requested_by={"id": "1", "name": "Ann"},
        file_name="users",
        columns=COLUMNS,
        format=file_format,
    )
    await blobs.write(edges.storage, record_name(record.id), msgspec.json.encode(record))
    columns, file = columns_of(COLUMNS), record.chosen_format()
    # The later one lacks the first of each thousand, and has as many at the end.
    numbers = [n for n in range(users) if n % GONE] if later else [*range(users)]
    numbers += range(users, users + users - len(numbers))
    blocks, segments = list[str](), list[Segment]()
    for first in range(0, users, BLOCK):
        some = [_user(number, later=later) for number in numbers[first : first + BLOCK]]
        data, _ = file.rows(some, columns)
        data, about = deflate.segment(data, len(some)) if file.deflated else (data, Segment(len(some), 0, 0, 0))
        blocks.append(f"{first // BLOCK:08d}")
        segments.append(about)
        await staging.stage(edges.storage, record.file_blob_name(), blocks[-1], data)
    names, rest = list[str](), iter(blocks)
    for number, (data, following) in enumerate(file.around(columns, segments)):
        names.append(f"around{number:02d}")
        await staging.stage(edges.storage, record.file_blob_name(), names[-1], data)
        names += [next(rest) for _ in range(following)]
    size = await staging.commit(edges.storage, record.file_blob_name(), names, file.content_type)
    file = {"name": record.file(), "rows": users, "bytes": size, "columns": COLUMNS}
    fields: Json = {"id": record.id, "status": "Completed", "counts": {"errors": 0}, "file": file, "warnings": []}
    await blobs.write(edges.storage, results_name(record.id), results.head(fields) + results.TAIL)
    return record.id


async def _compared(edges: Edges, old: str, new: str) -> Json:
    record = Record(
        id=new_id(datetime.now(UTC)),
        created_date_time="2026-01-01T00:00:00Z",
        requested_by={"id": "1", "name": "Ann"},
        file_name="changes",
        columns=COLUMNS,
        old=old,
        new=new,
    )
    await blobs.write(edges.storage, record_name(record.id), msgspec.json.encode(record))
    asked = {"id": record.id}
    prepared = await activities.run(edges, "prepare_comparison", asked)
    if "failed" in prepared:
        raise SystemExit(prepared["failed"]["reason"])
    lanes_wanted = prepared.get("lanes", 1)
    first, second, listed = await asyncio.gather(
        activities.run(edges, "split", {**asked, "export": "old"}),
        activities.run(edges, "split", {**asked, "export": "new"}),
        activities.run(edges, "list_deleted", asked),
    )
    parts = {"old": first["execution"], "new": second["execution"], "deleted": listed.get("execution", "")}
    lanes = [[*range(prepared["parts"])[lane::lanes_wanted]] for lane in range(lanes_wanted)]
    done = await asyncio.gather(
        *(activities.run(edges, "compare", {**asked, "parts": lane, **parts}) for lane in lanes)
    )
    task: Json = {**asked, "split": [first["rows"], second["rows"]]}
    task["staged"] = [each for lane in done for each in lane["staged"]]
    for name in ("old", "new", "added", "removed", "changed", "unchanged", "unknown"):
        task[name] = sum(lane.get(name, 0) for lane in done)
    status = (await activities.run(edges, "publish_comparison", task))["status"]
    return {"status": status, **{name: task[name] for name in ("added", "removed", "changed", "unchanged")}}


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
