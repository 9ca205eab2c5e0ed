"""`python -m benchmarks.limits.staging SIZES.json`: blocks of these sizes, staged with 32 at once and then committed.

The account's connection string is in EXPORT_STORAGE. Nothing that writes such a file is quicker on this storage: the
client is bare aiohttp, the bytes are there already.
"""

import asyncio
import base64
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from benchmarks.clock import timed

AT_ONCE = 32
CONTAINER = "raw-staging"


async def main(sizes: list[int]) -> None:
    url = _blob(os.environ["EXPORT_STORAGE"])
    data = os.urandom(max(sizes))
    found: dict[str, Any] = {"blocks": len(sizes), "bytes": sum(sizes)}
    names = [base64.b64encode(f"{number:08d}".encode()).decode() for number in range(len(sizes))]
    gate = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as http:

        async def stage(name: str, size: int) -> None:
            async with gate, http.put(f"{url}&comp=block&blockid={name}", data=data[:size]) as answer:
                answer.raise_for_status()

        with timed(found):
            await asyncio.gather(*map(stage, names, sizes))
            listed = "".join(f"<Latest>{name}</Latest>" for name in names)
            body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
            async with http.put(f"{url}&comp=blocklist", data=body) as answer:
                answer.raise_for_status()


def _blob(connection: str) -> str:
    """The address of a blob in a container of its own, with a SAS for it."""
    service = BlobServiceClient.from_connection_string(connection)
    container = service.get_container_client(CONTAINER)
    if not container.exists():
        container.create_container()
    token = generate_container_sas(
        account_name=str(service.account_name),
        container_name=CONTAINER,
        account_key=service.credential.account_key,
        permission=ContainerSasPermissions(read=True, write=True, create=True, add=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"{container.url}/raw.bin?{token}"


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
