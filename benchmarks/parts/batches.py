"""The authentication columns: as many batches as Graph's limit per user allows, against the time they must take."""

from benchmarks import export, truth
from benchmarks.effort import Effort
from benchmarks.figures import number, shown, spread, times
from benchmarks.section import Section, Step
from shared.export.sizes import PER_USER_LANES
from shared.graph.batches import BATCH, BATCHES_AT_ONCE


def steps(effort: Effort) -> int:
    return effort.slow_repeats


def run(effort: Effort, step: Step) -> Section:
    users, latency = effort.batch_users, effort.batch_latency_ms / 1000
    with export.serving("--users", str(users), "--latency-ms", str(effort.batch_latency_ms)) as on:
        ids = truth.ids(on.graph)
        runs = []
        for _ in range(effort.slow_repeats):
            step(f"{users:,} users with authentication columns")
            runs.append(export.export(on, ids, "documented"))
    found = spread([each.seconds for each in runs])
    in_flight = PER_USER_LANES * BATCHES_AT_ONCE
    least = users / BATCH * latency / in_flight
    cpu = spread([each.own_cpu for each in runs])
    return Section(
        name="batches",
        title=f"Authentication columns: {users:,} users, {effort.batch_latency_ms} ms a batch",
        columns=["", "time", "against the limit"],
        rows=[
            ["whole export", shown(found, "s"), times(found.median / least)],
            ["limit: the batches' latency", f"{number(least)} s", "1"],
            ["CPU of host and workers", shown(cpu, "s"), ""],
        ],
        notes=[
            f"The limit: {users // BATCH:,} batches of {BATCH} users, {in_flight} in flight"
            f" ({PER_USER_LANES} lanes, {BATCHES_AT_ONCE} each). {runs[-1].counts['requests']:,} requests in all."
            " Planning, pages, staging and the poll of the status are on top.",
        ],
        data={"users": users, "seconds": found.median, "limit": least, "cpu": cpu.median},
    )
