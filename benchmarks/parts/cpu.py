"""CPU for a user: the whole export and its activities alone, beside JSON to CSV in memory."""

from benchmarks import export, tenant, truth
from benchmarks.effort import Effort
from benchmarks.figures import Spread, shown, spread, times
from benchmarks.processes import module
from benchmarks.section import Section, Step, Target


def steps(effort: Effort) -> int:
    return 1 + 3 * effort.repeats


def run(effort: Effort, step: Step) -> Section:
    exports, alone, base = [], [], []
    with tenant.running(effort.cpu_users) as asked:
        ids = truth.ids(asked.url)
        with export.serving("--graph", asked.url) as on:
            step("once uncounted, which loads the packages")
            export.export(on, ids)
            environment = {"EXPORT_STORAGE": on.storage, "GRAPH_ENDPOINT": asked.url}
            for _ in range(effort.repeats):
                step("whole export")
                exports.append(export.export(on, ids).own_cpu)
                step("activities alone")
                alone.append(module("benchmarks.activities", asked.url, environment=environment).said["cpu"])
                step("JSON to CSV")
                base.append(module("benchmarks.limits.decode", asked.url).said["cpu"])

    found = {
        "whole export (host and workers)": spread(exports),
        "activities alone, in one process": spread(alone),
        "JSON to CSV in memory": spread(base),
    }
    least = found["JSON to CSV in memory"].median

    def row(name: str, cpu: Spread) -> list[str]:
        each = cpu.scaled(1e6 / effort.cpu_users)
        return [name, shown(each, "µs"), times(cpu.median / least)]

    targets = [
        Target(f"CPU for a user, {name}", "at most 2x", times(cpu.median / least), cpu.median <= 2 * least)
        for name, cpu in list(found.items())[:2]
    ]
    return Section(
        name="cpu",
        title=f"CPU for a user: {effort.cpu_users:,} users, no latency",
        columns=["", "CPU for a user", "against JSON to CSV"],
        rows=[row(name, cpu) for name, cpu in found.items()],
        notes=[
            "JSON to CSV: msgspec and csv.writer over the same pages in memory; no HTTP, no storage, no checks."
            " Azurite and the tenant are not counted."
        ],
        targets=targets,
        data={
            "users": effort.cpu_users,
            "microsecondsPerUser": {name: 1e6 * cpu.median / effort.cpu_users for name, cpu in found.items()},
        },
    )
