"""`python -m benchmarks.model [--write benchmarks/azure.md]`: an export in Azure on paper, from what was measured here.

Measured (benchmarks/results/results.json): CPU for a user, requests, bytes in the file, Durable's events. Assumed: what
is below. benchmarks/azure.md says where each number comes from.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.export.sizes import range_size
from shared.graph.pages import PAGE
from shared.storage.staging import BLOCK_BYTES

RESULTS = Path(__file__).parent / "results" / "results.json"
BEGIN, END = "<!-- model: begin -->", "<!-- model: end -->"

USERS = (10_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000)
PAGE_SECONDS = (0.5, 1.5, 3.0)
RANGE_USERS, LANES, ACTIVITIES = 10_000, 40, 48
"""The defaults: EXPORT_RANGE_USERS, EXPORT_PARALLEL, and maxConcurrentActivityFunctions of host.json."""
GIGABYTES = 2
"""Memory of an instance, which has one core then."""

# Assumed of Azure.
SLOWER = 2
"""A core of Azure beside one of the machine that measured."""
COLD_SECONDS = 15.0
"""Until the first instances run the first orchestrator and the last of them the first activity."""
HOPS, HOP_SECONDS = 6, 1.0
"""Messages one after the other from the POST to the end, and how long each waits in a queue."""
PLANNING_TRIPS = 4
"""Requests of Graph that wait for each other besides the pages: one to four for the plan."""
MEBIBYTE_SECONDS = 0.15
"""To stage 1 MiB in blocks."""
POLL_SECONDS = 5
SEGMENT_SECONDS = 120

# Prices in US dollars, East US, list prices of 2025.
GB_SECOND = 0.000026
FREE_GB_SECONDS = 100_000
EXECUTION = 0.40 / 1e6
BLOB_WRITE, BLOB_READ = 0.055 / 1e4, 0.0044 / 1e4
QUEUE_OR_TABLE = 0.004 / 1e4
TRANSACTIONS_PER_EVENT = 10
POLLS_PER_SECOND = 5
"""Of the hub's queues, by one instance."""
GB_MONTH, RETENTION_DAYS = 0.0208, 7


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds for a page, bytes of a user in the file, and Durable's events for an export and for each lane."""

    page_cpu: float
    user_bytes: float
    export_events: float
    lane_events: float


@dataclass(frozen=True, slots=True)
class Export:
    """One export on paper."""

    users: int
    ranges: int
    pages: int
    seconds: float
    gb_seconds: float
    dollars: float
    """Without any free grant."""


def measured(results: dict[str, Any]) -> Measured:
    """From the sections cpu, scale, history and compare."""
    data = {section["name"]: section["data"] for section in results["sections"]}
    micro = data["cpu"]["microsecondsPerUser"]["whole export (host and workers)"]
    # In Azure each range has a lane of its own, up to EXPORT_PARALLEL lanes.
    few, many = data["scale"]["sizes"][0], data["scale"]["sizes"][-1]
    lane = (many["events"] - few["events"]) / (min(LANES, many["ranges"]) - few["ranges"])
    return Measured(
        page_cpu=micro / 1e6 * PAGE,
        user_bytes=data["compare"]["fileBytes"] / data["compare"]["users"],
        export_events=few["events"] - lane * few["ranges"],
        lane_events=lane,
    )


def export(users: int, page: float, found: Measured) -> Export:
    """`page`: seconds that Graph takes for one."""
    size = range_size(users, RANGE_USERS, LANES)
    ranges = math.ceil(users / size)
    lanes = min(LANES, ranges)
    instances = math.ceil(lanes / ACTIVITIES)
    pages = ranges * math.ceil(users / ranges / PAGE)
    cpu = SLOWER * found.page_cpu
    block = found.user_bytes * PAGE / 2**20 * MEBIBYTE_SECONDS
    # The lanes of an instance share one core: when Graph is quicker than that core, the core counts.
    each = max(page + cpu + block, cpu * math.ceil(lanes / instances))
    reading = math.ceil(ranges / lanes) * math.ceil(users / ranges / PAGE) * each
    rest = HOPS * HOP_SECONDS + PLANNING_TRIPS * page
    seconds = COLD_SECONDS + rest + reading
    polls = seconds / POLL_SECONDS
    # A poll is billed as a second of the instance that answers it.
    gb_seconds = GIGABYTES * (instances * reading + rest + polls)
    activities = lanes * math.ceil(reading / SEGMENT_SECONDS)
    events = found.export_events + activities * found.lane_events
    executions = events / 2 + polls
    size_gb = users * found.user_bytes / 1e9
    writes = size_gb * 1e9 / BLOCK_BYTES + ranges * 4 + lanes * reading / 3
    dollars = (
        gb_seconds * GB_SECOND
        + executions * EXECUTION
        + writes * BLOB_WRITE
        + (lanes * reading / 3 + ranges * 4 + polls * 3) * BLOB_READ
        + (events * TRANSACTIONS_PER_EVENT + instances * POLLS_PER_SECOND * seconds) * QUEUE_OR_TABLE
        + size_gb * GB_MONTH * RETENTION_DAYS / 30
    )
    return Export(users, ranges, pages, seconds, gb_seconds, dollars)


def table(found: Measured) -> str:
    """Markdown: a line for each tenant, with time and cost at each speed of Graph."""
    head = [
        "users",
        "pages",
        "ranges",
        *(f"{page:g} s a page" for page in PAGE_SECONDS),
        "file",
        "free each month, at 1.5 s",
    ]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for users in USERS:
        exports = [export(users, page, found) for page in PAGE_SECONDS]
        times = [f"{_time(each.seconds)}, {100 * each.dollars:.1f} ct" for each in exports]
        free = FREE_GB_SECONDS / exports[1].gb_seconds
        size = f"{users * found.user_bytes / 1e6:,.0f} MB"
        cells = [f"{users:,}", f"{exports[0].pages:,}", f"{exports[0].ranges:,}", *times, size, f"{free:,.0f} exports"]
        lines.append(f"| {' | '.join(cells)} |")
    about = (
        f"From {1000 * found.page_cpu:.0f} ms of CPU for a page, {found.user_bytes:.0f} bytes for a user in the file,"
        f" {found.export_events:.0f} events of Durable for an export and {found.lane_events:.1f} for each lane and two"
        " minutes."
    )
    return "\n".join([*lines, "", about])


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 119.5 else f"{seconds / 60:.0f} min"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model", description=__doc__)
    parser.add_argument("--write", type=Path, help="a document with the two marks between which the table goes")
    options = parser.parse_args()
    text = table(measured(json.loads(RESULTS.read_text(encoding="utf-8"))))
    print(text)
    if options.write:
        before, rest = options.write.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        options.write.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
