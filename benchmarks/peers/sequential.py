"""`python -m benchmarks.peers.sequential TENANT OUT.csv`: page after page, as `Get-MgUser -All | Export-Csv` does."""

import csv
import sys
from pathlib import Path
from typing import Any

import httpx

from benchmarks.clock import timed
from benchmarks.peers.query import HEADERS, SELECT, first_page, row


def main(tenant: str, out: str) -> None:
    found: dict[str, Any] = {"users": 0, "pages": 0}
    with timed(found), httpx.Client(timeout=100, headers=HEADERS, trust_env=False) as http:
        url: str | None = first_page(tenant)
        with Path(out).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, SELECT)
            writer.writeheader()
            while url:
                page = http.get(url).raise_for_status().json()
                writer.writerows(map(row, page["value"]))
                found["users"] += len(page["value"])
                found["pages"] += 1
                url = page.get("@odata.nextLink")


if __name__ == "__main__":
    main(*sys.argv[1:])
