"""`python -m benchmarks.activities TENANT`: the project's own activities in one process, without Durable and host.

Real HTTP to the tenant and to the storage in EXPORT_STORAGE: plan, all lanes, as many at once as in a process of the
app, publish. Done twice; the first time, which loads the packages, does not count.
"""

import asyncio
import itertools
import os
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from benchmarks.clock import timed
from benchmarks.limits import pages
from benchmarks.model import ACTIVITIES
from shared.api.operations import new_id
from shared.export import activities
from shared.export.context import Edges
from shared.export.messages import Json
from shared.graph import client
from shared.settings import Settings
from shared.storage import blobs, connection
from shared.storage.names import record_name


async def main(tenant: str) -> None:
    settings = Settings.from_env(os.environ)
    edges = Edges(pages.connection(tenant), connection.connect(settings, None), settings)
    await _export(edges)
    found: dict[str, Any] = {}
    with timed(found):
        found |= await _export(edges)
    await client.close(edges.graph)
    await edges.storage.service.close()


async def _export(edges: Edges) -> dict[str, Any]:
    record = msgspec.structs.replace(
        pages.RECORD, id=new_id(datetime.now(UTC)), created_date_time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    await blobs.write(edges.storage, record_name(record.id), msgspec.json.encode(record))
    planned = await activities.run(edges, "plan", {"id": record.id})
    turn = asyncio.Semaphore(ACTIVITIES)
    parts = await asyncio.gather(*(_lane(edges, record.id, numbers, turn) for numbers in planned.pop("lanes")))
    task: Json = {"id": record.id, "retries": 0, "restarts": 0, **planned}
    task["parts"] = [part for lane in parts for part in lane]
    status = (await activities.run(edges, "publish", task))["status"]
    return {"status": status, "users": sum(part[5] for part in task["parts"])}


async def _lane(edges: Edges, export_id: str, numbers: list[int], turn: asyncio.Semaphore) -> list[Any]:
    parts: list[Any] = []
    left: Json = {"ranges": numbers}
    for segment in itertools.count():
        async with turn:
            result = await activities.run(edges, "export", {"id": export_id, "segment": segment, **left})
        parts += result["parts"]
        left = result.get("left", {})
        if not left:
            break
    return parts


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
