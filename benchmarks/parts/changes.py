"""What a comparison of two exports costs: time, CPU and peak memory of its activities, at two sizes and for formats."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import tenant
from benchmarks.effort import Effort
from benchmarks.figures import mebibytes, times
from benchmarks.processes import module
from benchmarks.section import Section, Step, Target
from local import azurite

FORMATS = ("csv", "jsonl", "xlsx")
MOST_MEMORY = 1.5
SMALLER = 4
"""The other size is so many times smaller."""


def steps(effort: Effort) -> int:
    return 1 + len(FORMATS)


def run(effort: Effort, step: Step) -> Section:
    users = effort.compared_users
    found: dict[str, dict[str, Any]] = {}
    with tenant.running(1_000) as asked, TemporaryDirectory() as folder, azurite.running(Path(folder)) as storage:
        environment = {"EXPORT_STORAGE": storage.connection_string, "GRAPH_ENDPOINT": asked.url}

        def measured(size: int, name: str) -> dict[str, Any]:
            step(f"{size:,} against {size:,} users, {name}")
            return module("benchmarks.changes", asked.url, str(size), name, environment=environment).said

        fewer = measured(users // SMALLER, FORMATS[0])
        for name in FORMATS:
            found[name] = measured(users, name)
    growth = found[FORMATS[0]]["rss"] / fewer["rss"]
    return Section(
        name="changes",
        title=f"A comparison: {users:,} against {users:,} users, 1 % changed",
        columns=["", "seconds", "CPU for a user", "peak memory"],
        rows=[
            [name, f"{each['seconds']:.0f} s", f"{1e6 * each['cpu'] / users:.0f} µs", mebibytes(each["rss"])]
            for name, each in [*found.items(), (f"csv, {users // SMALLER:,}", scaled(fewer))]
        ],
        notes=[
            "The activities in one process, with Azurite on the same machine, the 26 columns of the set documented."
            " CPU for a user: of both exports together, for each user of one. One run each."
        ],
        targets=[
            Target(
                f"memory, {SMALLER} times the users", f"at most {MOST_MEMORY}x", times(growth), growth <= MOST_MEMORY
            )
        ],
        data={"users": users, "found": found, "fewer": fewer},
    )


def scaled(fewer: dict[str, Any]) -> dict[str, Any]:
    """As if its users were as many: the row shows CPU for a user."""
    return {**fewer, "cpu": fewer["cpu"] * SMALLER}
