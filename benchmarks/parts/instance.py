"""The whole export where most people are: one instance, one sixth of the users created within one hour."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import export, tenant, truth
from benchmarks.effort import Effort
from benchmarks.figures import mebibytes, number, shown, spread, times
from benchmarks.processes import module
from benchmarks.section import Section, Step, Target

SHAPE = "onehour"
WORKERS = 2


def steps(effort: Effort) -> int:
    return 2 * effort.repeats + effort.slow_repeats + 2


def run(effort: Effort, step: Step) -> Section:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        asked = stack.enter_context(tenant.running(effort.instance_users, effort.latency_ms, SHAPE))
        ids = truth.ids(asked.url)
        step("once uncounted, so that the tenant has rendered every row")
        module("benchmarks.limits.fetch", asked.url)
        on = stack.enter_context(export.serving("--graph", asked.url, "--workers", str(WORKERS)))
        step("first export after the start")
        first = export.export(on, ids)
        exports, fetches, loops = [], [], []
        # In turns, so that a slow minute of the machine is in both of them.
        for _ in range(effort.repeats):
            step("whole export")
            exports.append(export.export(on, ids))
            step("raw fetch")
            fetches.append(module("benchmarks.limits.fetch", asked.url).said["seconds"])
        for _ in range(effort.slow_repeats):
            step("sequential loop")
            ended = module("benchmarks.peers.sequential", asked.url, str(folder / "users.csv"))
            loops.append(ended.said["seconds"])
    whole, fetch, loop = spread([each.seconds for each in exports]), spread(fetches), spread(loops)
    planning, last = spread([each.planning for each in exports]), exports[-1]
    raw, sequential = whole.median / fetch.median, loop.median / whole.median
    memory = max(each.own_rss for each in exports)
    return Section(
        name="instance",
        title=f"One instance: {effort.instance_users:,} users, {effort.latency_ms} ms a page",
        columns=["", "time", "against the whole export"],
        rows=[
            ["whole export", shown(whole, "s"), "1"],
            ["first after the start", f"{number(first.seconds)} s", times(first.seconds / whole.median)],
            ["planning, a part of it", shown(planning, "s"), times(planning.median / whole.median)],
            ["raw fetch", shown(fetch, "s"), times(fetch.median / whole.median)],
            ["sequential loop", shown(loop, "s"), times(sequential)],
        ],
        notes=[
            f"{WORKERS} worker processes, each with as many activities at once as host.json says for an instance."
            " 2 % of the users have no createdDateTime, and 14 % were created within one hour.",
            f"{last.counts['requests']} requests, {last.counts['ranges']} ranges; the largest process had at most"
            f" {mebibytes(memory)}.",
        ],
        targets=[
            Target("one instance, against raw fetch", "at most 2x", times(raw), raw <= 2),
            Target("one instance, against sequential loop", "12x faster", times(sequential), sequential >= 12),
            Target("one instance, largest process", "below 150 MiB", mebibytes(memory), memory < 150 * 2**20),
        ],
        data={
            "users": effort.instance_users,
            "seconds": whole.median,
            "planning": planning.median,
            "fetch": fetch.median,
            "sequential": loop.median,
            "rss": memory,
        },
    )
