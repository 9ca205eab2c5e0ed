"""`python -m benchmarks.limits.decode TENANT`: the CPU that JSON to CSV takes, and nothing else: msgspec and csv.writer
over pages that lie in memory, as one would write it first.
"""

import csv
import io
import sys
from typing import Any

import httpx
import msgspec

from benchmarks.clock import timed
from benchmarks.peers.query import HEADERS, SELECT, first_page

User = msgspec.defstruct("User", [(name, str | bool | list[str] | None, None) for name in SELECT], gc=False)
Page = msgspec.defstruct(
    "Page", [("value", list[User]), ("next", str | None, msgspec.field(name="@odata.nextLink", default=None))]
)


def main(tenant: str) -> None:
    decode = msgspec.json.Decoder(Page).decode
    bodies = []
    with httpx.Client(timeout=100, headers=HEADERS, trust_env=False) as http:
        url = first_page(tenant)
        while url:
            bodies.append(http.get(url).raise_for_status().content)
            url = msgspec.convert(decode(bodies[-1]).next, str | None)
    found: dict[str, Any] = {"users": 0, "pages": len(bodies), "bytes": 0}
    with timed(found):
        for body in bodies:
            users = decode(body).value
            text = io.StringIO(newline="")
            csv.writer(text).writerows([getattr(user, name) for name in SELECT] for user in users)
            found["users"] += len(users)
            found["bytes"] += len(text.getvalue().encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
