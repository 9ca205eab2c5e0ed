"""The whole export beside its peers and its limits, on one tenant with Graph-like latency."""

import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import export, tenant, truth
from benchmarks.effort import Effort
from benchmarks.export import Exported
from benchmarks.figures import Spread, mebibytes, number, shown, spread, times
from benchmarks.peers.query import SELECT, TOP
from benchmarks.processes import ROOT, Ended, module, program
from benchmarks.section import Section, Step, Target
from benchmarks.tenant import Tenant
from local.serve import Serving

CLIENT = ROOT / "benchmarks/node_modules/@microsoft/microsoft-graph-client"
OURS = "this project"


@dataclass(frozen=True, slots=True)
class Row:
    """One way to the file: seconds and CPU seconds for all users, the largest process in bytes, and what to know."""

    name: str
    kind: str
    """ours, peer or limit."""
    seconds: Spread
    cpu: Spread
    rss: int
    note: str = ""
    processes: str = ""
    """What each process has cost, of ours."""


def steps(effort: Effort) -> int:
    return 4 * effort.repeats + 3 * effort.slow_repeats + 2


def run(effort: Effort, step: Step) -> Section:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="benchmark-")))
        asked = stack.enter_context(tenant.running(effort.users, effort.latency_ms))
        ids = truth.ids(asked.url)
        step("once uncounted, so that the tenant has rendered every row")
        module("benchmarks.limits.fetch", asked.url)
        rows, file_bytes = _ours_and_limits(effort, step, asked, ids, folder)
        rows += _peers(effort, step, asked.url, ids, folder)
    return _section(effort, rows, file_bytes)


def _ours_and_limits(effort: Effort, step: Step, asked: Tenant, ids: set[str], folder: Path) -> tuple[list[Row], int]:
    """The rows, and the bytes of the file."""
    with export.serving("--graph", asked.url) as on:
        step(f"{OURS}, first export after the start")
        first = export.export(on, ids, beside={"tenant": asked.pid})
        exports, fetches, stagings = [], [], []
        # In turns, so that a slow minute of the machine is in all of them.
        for _ in range(effort.repeats):
            step(OURS)
            exports.append(export.export(on, ids, beside={"tenant": asked.pid}))
            step("raw fetch")
            fetches.append(module("benchmarks.limits.fetch", asked.url))
            step("raw staging")
            stagings.append(_stage(on, first.blocks, folder))
    pages, blocks = fetches[0].said["pages"], stagings[0].said["blocks"]
    file_bytes = sum(first.blocks)
    rows = [
        _own_row(f"{OURS}, first after the start", [first]),
        _own_row(OURS, exports),
        _row("raw fetch", "limit", fetches, note=f"{pages} pages, thrown away"),
        _row("raw staging", "limit", stagings, note=f"{blocks} blocks, {mebibytes(file_bytes)}"),
    ]
    return rows, file_bytes


def _stage(on: Serving, blocks: list[int], folder: Path) -> Ended:
    sizes = folder / "sizes.json"
    sizes.write_text(json.dumps(blocks))
    return module("benchmarks.limits.staging", str(sizes), environment={"EXPORT_STORAGE": on.storage})


def _own_row(name: str, exports: list[Exported]) -> Row:
    last = exports[-1]
    each = ", ".join(f"{name} {number(last.cpu[name])} s {mebibytes(size)}" for name, size in last.rss.items())
    planning = spread([run.planning for run in exports]).median
    note = f"{number(planning)} s of it planning; {last.counts['requests']} requests, {last.counts['ranges']} ranges"
    cpu = spread([run.own_cpu for run in exports])
    return Row(
        name, "ours", spread([run.seconds for run in exports]), cpu, max(run.own_rss for run in exports), note, each
    )


def _peers(effort: Effort, step: Step, address: str, ids: set[str], folder: Path) -> list[Row]:
    def repeated(name: str, runs: int, start: Callable[[], Ended]) -> list[Ended]:
        found = []
        for _ in range(runs):
            step(name)
            found.append(start())
        return found

    out = folder / "users.csv"

    def python(name: str, at: str) -> Callable[[], Ended]:
        return lambda: module(f"benchmarks.peers.{name}", at, str(out))

    ended = repeated("37 shards", effort.repeats, python("shards", address))
    rows = [_row("37 shards by first letter", "peer", ended, note=_match(ids, out))]
    ended = repeated("sequential", effort.slow_repeats, python("sequential", address))
    rows.append(_row("sequential loop", "peer", ended, note=_match(ids, out)))
    if CLIENT.exists():
        with tenant.running(effort.javascript_pages * TOP, effort.latency_ms) as small:
            command = ["node", "benchmarks/peers/javascript.mjs", small.url, str(out), ",".join(SELECT)]
            ended = repeated("JavaScript client", effort.slow_repeats, lambda: program(command))
            rows.append(_row("JavaScript client, PageIterator", "peer", ended, users=len(ids)))
    else:
        step("JavaScript client: not installed, left out")
    with tenant.running(effort.sdk_pages * TOP, effort.latency_ms) as small:
        ended = repeated("msgraph-sdk", effort.slow_repeats, python("sdk", small.url))
        rows.append(_row("msgraph-sdk, PageIterator", "peer", ended, users=len(ids)))
    return rows


def _row(name: str, kind: str, ended: list[Ended], note: str = "", users: int = 0) -> Row:
    """`users`: those of the whole tenant, when only some pages were read."""
    factor = 1.0
    if users:
        pages = ended[0].said["pages"]
        factor = -(-users // TOP) / pages
        note = f"scaled from {pages} page{'' if pages == 1 else 's'}"
    seconds, cpu = (spread([each.said[what] for each in ended]).scaled(factor) for what in ("seconds", "cpu"))
    return Row(name, kind, seconds, cpu, max(each.rss for each in ended), note)


def _match(ids: set[str], file: Path) -> str:
    found = truth.compare(ids, file)
    return f"{found.missing:,} users missing, {found.doubled:,} twice"


def _section(effort: Effort, rows: list[Row], file_bytes: int) -> Section:
    median = {row.name: row.seconds.median for row in rows}
    ours = median[OURS]

    def target(goal: float, name: str) -> Target:
        ratio = median[name] / ours
        return Target(f"whole export against {name}", f"{goal:g}x faster", times(ratio), ratio >= goal)

    processes = next(row.processes for row in rows if row.name == OURS)
    raw = ours / median["raw fetch"]
    return Section(
        name="compare",
        title=f"Whole export: {effort.users:,} users, {effort.latency_ms} ms a page",
        columns=["", "time", "against ours", "CPU", "peak memory", ""],
        rows=[
            [
                row.name,
                shown(row.seconds, "s"),
                "1" if row.name == OURS else times(row.seconds.median / ours),
                f"{number(row.cpu.median)} s",
                mebibytes(row.rss),
                row.note,
            ]
            for row in sorted(rows, key=lambda row: row.seconds.median)
        ],
        notes=[
            "Ours: from the POST to the downloaded CSV; each file has every user of the tenant exactly once, or this"
            " stops. CPU of host and workers together, memory of the largest of them; Azurite and the tenant run beside"
            f" them on the same {os.cpu_count()} cores.",
            f"One export of ours, CPU and peak memory of each process: {processes}.",
            "Peers: from the first request to the closed file, without the start of the program. Limits: the same"
            " pages, and the same blocks, without anything else.",
        ],
        targets=[
            target(12, "sequential loop"),
            target(100, "msgraph-sdk, PageIterator"),
            Target("whole export against raw fetch", "at most 1.5x", times(raw), raw <= 1.5),
        ],
        data={
            "users": effort.users,
            "latencyMs": effort.latency_ms,
            "ours": OURS,
            "fileBytes": file_bytes,
            "rows": [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "seconds": row.seconds.median,
                    "low": row.seconds.low,
                    "high": row.seconds.high,
                    "runs": row.seconds.runs,
                    "cpu": row.cpu.median,
                    "rss": row.rss,
                    "note": row.note,
                }
                for row in rows
            ],
        },
    )
