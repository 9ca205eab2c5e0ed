"""CPU for a user: the whole export and its activities alone, beside JSON to CSV in memory."""

import os

from benchmarks import export, tenant, truth
from benchmarks.effort import Effort
from benchmarks.export import PARALLEL
from benchmarks.figures import Spread, shown, spread, times
from benchmarks.processes import module
from benchmarks.section import Section, Step, Target
from local.serve import Serving
from shared.api import operations


def steps(effort: Effort) -> int:
    return 2 + 4 * effort.repeats


def run(effort: Effort, step: Step) -> Section:
    exports, four, alone, base = [], [], [], []
    cores = os.cpu_count() or 1
    # In Azure no worker shares its core with another.
    each_its_core = ("--workers", str(cores), "--concurrency", str(-(-PARALLEL // cores)))
    with (
        tenant.running(effort.cpu_users) as asked,
        export.serving("--graph", asked.url, *each_its_core) as on,
        export.serving("--graph", asked.url) as on_four,
    ):
        ids = truth.ids(asked.url)

        def whole(where: Serving) -> float:
            # Asked as often as Retry-After says: the polls of a stopwatch, 30 a second, would be a tenth of it all.
            return export.export(where, ids, pause=operations.RETRY_AFTER).own_cpu

        for where in (on, on_four):
            step("once uncounted, which loads the packages")
            whole(where)
        environment = {"EXPORT_STORAGE": on.storage, "GRAPH_ENDPOINT": asked.url}
        for _ in range(effort.repeats):
            step("whole export")
            exports.append(whole(on))
            step("whole export in four workers")
            four.append(whole(on_four))
            step("activities alone")
            alone.append(module("benchmarks.activities", asked.url, environment=environment).said["cpu"])
            step("JSON to CSV")
            base.append(module("benchmarks.limits.decode", asked.url).said["cpu"])

    found = {
        "whole export (host and workers)": spread(exports),
        "activities alone, in one process": spread(alone),
        f"whole export, four workers on {cores} cores": spread(four),
        "JSON to CSV in memory": spread(base),
    }
    least = found["JSON to CSV in memory"].median

    def row(name: str, cpu: Spread) -> list[str]:
        each = cpu.scaled(1e6 / effort.cpu_users)
        return [name, shown(each, "µs"), times(cpu.median / least)]

    targets = [
        Target(f"CPU for a user, {name}", "at most 1.6x", times(cpu.median / least), cpu.median <= 1.6 * least)
        for name, cpu in list(found.items())[:2]
    ]
    return Section(
        name="cpu",
        title=f"CPU for a user: {effort.cpu_users:,} users, no latency",
        columns=["", "CPU for a user", "against JSON to CSV"],
        rows=[row(name, cpu) for name, cpu in found.items()],
        notes=[
            "JSON to CSV: msgspec and csv.writer over the same pages in memory; no HTTP, no storage, no checks."
            " Azurite and the tenant are not counted. The whole export has a worker for each core; more, as in the"
            " comparison, take each other's caches. The caller asks as often as Retry-After says."
        ],
        targets=targets,
        data={
            "users": effort.cpu_users,
            "microsecondsPerUser": {name: 1e6 * cpu.median / effort.cpu_users for name, cpu in found.items()},
        },
    )
