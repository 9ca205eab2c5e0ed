"""What each format costs: CPU of the whole export (host and workers) beside the CSV, and peak memory at two sizes."""

from contextlib import ExitStack
from typing import Any

from benchmarks import export, tenant, truth
from benchmarks.effort import Effort
from benchmarks.figures import mebibytes, shown, spread, times
from benchmarks.section import Section, Step, Target
from shared.api import operations

CSV = "csv"
REQUESTS: dict[str, dict[str, Any]] = {
    CSV: {},
    "csv, compressed": {"compress": True},
    "xlsx": {"format": "xlsx"},
    "jsonl": {"format": "jsonl"},
    "jsonl, compressed": {"format": "jsonl", "compress": True},
}
MOST_CPU, MOST_MEMORY = 3.0, 1.1
SMALLER = 5
"""The other size is so many times smaller."""


def steps(effort: Effort) -> int:
    return 1 + len(REQUESTS) * (effort.repeats + 2)


def run(effort: Effort, step: Step) -> Section:
    cpu: dict[str, list[float]] = {name: [] for name in REQUESTS}
    sizes: dict[str, int] = {}
    with ExitStack() as stack:
        asked = stack.enter_context(tenant.running(effort.cpu_users))
        ids = truth.ids(asked.url)
        on = stack.enter_context(export.serving("--graph", asked.url))
        step("once uncounted, which loads the packages")
        export.export(on, ids)
        # In turns, so that a slow minute of the machine is in all of them.
        for _ in range(effort.repeats):
            for name, request in REQUESTS.items():
                step(f"whole export: {name}")
                done = export.export(on, ids, pause=operations.RETRY_AFTER, request=request)
                cpu[name].append(done.own_cpu)
                sizes[name] = sum(done.blocks)
    memory = {
        users: {name: _memory(users, request, step, name) for name, request in REQUESTS.items()}
        for users in (effort.cpu_users // SMALLER, effort.cpu_users)
    }
    few, many = memory.values()
    found = {name: spread(values) for name, values in cpu.items()}
    ratios = {name: each.median / found[CSV].median for name, each in found.items()}
    return Section(
        name="formats",
        title=f"Formats: {effort.cpu_users:,} users, no latency",
        columns=["", "CPU for a user", "against csv", "bytes for a user", "peak memory", f"of {min(memory):,} users"],
        rows=[
            [
                name,
                shown(each.scaled(1e6 / effort.cpu_users), "µs"),
                times(ratios[name]),
                f"{sizes[name] / effort.cpu_users:,.0f}",
                mebibytes(many[name]),
                mebibytes(few[name]),
            ]
            for name, each in found.items()
        ],
        notes=[
            "Whole exports in turns, CPU of host and workers together. Peak memory is that of the largest of these"
            " processes, after one export of a fresh `serve`. Each file is read back: every user is in it once.",
        ],
        targets=[
            Target(
                "CPU, xlsx against csv", f"at most {MOST_CPU:g}x", times(ratios["xlsx"]), ratios["xlsx"] <= MOST_CPU
            ),
            *_memory_targets(many, few),
        ],
        data={
            "users": effort.cpu_users,
            "microsecondsPerUser": {name: 1e6 * each.median / effort.cpu_users for name, each in found.items()},
            "rss": many,
            "rssOfFewer": few,
        },
    )


def _memory_targets(many: dict[str, int], few: dict[str, int]) -> list[Target]:
    """As flat as the CSV's: a larger tenant only adds the users of larger ranges, in every format."""
    found = []
    for name in REQUESTS:
        more = many[name] / few[name] / (many[CSV] / few[CSV])
        if name != CSV:
            goal = f"at most {MOST_MEMORY}x"
            found.append(Target(f"growth of memory, {name} against csv", goal, times(more), more <= MOST_MEMORY))
    return found


def _memory(users: int, request: dict[str, Any], step: Step, name: str) -> int:
    step(f"peak memory of {users:,} users: {name}")
    with tenant.running(users) as asked, export.serving("--graph", asked.url) as on:
        return export.export(on, truth.ids(asked.url), request=request).own_rss
