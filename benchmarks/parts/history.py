"""What the orchestrator's turns cost when there are many ranges: each turn replays the whole history.

The histories are recorded by real exports, and then each turn is run again here: the SDK's replay and the project's
orchestrator, and nothing else.
"""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from azure.durable_functions.models.history import HistoryEventType as EventType

from benchmarks import export, tenant, truth
from benchmarks.effort import Effort
from benchmarks.export import Exported
from benchmarks.figures import exponent, line, number
from benchmarks.section import Section, Step, Target
from local import durable_turn, host_functions
from shared.export.workflow import EXPORT

_SENT = frozenset(
    {
        EventType.TASK_SCHEDULED,
        EventType.TIMER_CREATED,
        EventType.SUB_ORCHESTRATION_INSTANCE_CREATED,
        EventType.ORCHESTRATOR_COMPLETED,
    }
)
"""Written when a turn ends. All other events in the history were there when the turn began."""


REPEATS = 2
"""Of each turn; the quicker one counts, as a collection of garbage can hit any."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of an export: CPU seconds of all, and of the longest."""

    cpu: float
    longest: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """An export and its turns."""

    exported: Exported
    turns: Turns

    @property
    def ranges(self) -> int:
        return self.exported.counts["ranges"]


def steps(effort: Effort) -> int:
    return 2 * len(effort.history_ranges)


def run(effort: Effort, step: Step) -> Section:
    durable_turn.remember_timestamps()
    orchestrator = host_functions.load("function_app:app").orchestrators[EXPORT].call
    found = []
    with tenant.running(effort.history_users) as asked:
        ids = truth.ids(asked.url)
        for ranges in effort.history_ranges:
            users = effort.history_users // ranges
            with export.serving("--graph", asked.url, environment={"EXPORT_RANGE_USERS": str(users)}) as on:
                step(f"about {ranges:,} ranges")
                exported = export.export(on, ids)
                step("its turns again")
                found.append(Recorded(exported, _again(on.data / "durable.db", exported.id, orchestrator)))
    return _section(found)


def _again(store: Path, export_id: str, orchestrator: Callable[[str], str]) -> Turns:
    with closing(sqlite3.connect(store, timeout=30)) as db:
        db.row_factory = sqlite3.Row
        row = db.execute("SELECT * FROM instances WHERE id = ?", (export_id,)).fetchone()
        query = "SELECT event FROM history WHERE instance = ? ORDER BY number"
        events = [json.loads(event) for (event,) in db.execute(query, (export_id,))]
    costs, begin = [], 0
    for at, event in enumerate(events):
        if event["EventType"] != EventType.ORCHESTRATOR_COMPLETED:
            continue
        past = [json.dumps(each) for each in events[:begin]]
        news = [each for each in events[begin : at + 1] if each["EventType"] not in _SENT]
        text = durable_turn.context_json(durable_turn.Claim(row, "", past, []), news)
        costs.append(min(_cost(orchestrator, text) for _ in range(REPEATS)))
        begin = at + 1
    return Turns(sum(costs), max(costs))


def _cost(orchestrator: Callable[[str], str], text: str) -> float:
    started = time.process_time()
    orchestrator(text)
    return time.process_time() - started


def _section(found: list[Recorded]) -> Section:
    ranges = [each.ranges for each in found]
    events, _ = line(ranges, [each.exported.events for each in found])
    total = [each.turns.cpu for each in found]
    power = exponent(ranges, total)
    share = total[-1] / found[-1].exported.own_cpu
    return Section(
        name="history",
        title="Turns of the orchestrator, with many ranges",
        columns=[
            "ranges",
            "events",
            "for a range",
            "turns",
            "CPU of all turns",
            "for a range",
            "longest turn",
            "whole export",
        ],
        rows=[
            [
                f"{each.ranges:,}",
                f"{each.exported.events:,}",
                number(each.exported.events / each.ranges),
                f"{each.exported.turns:,}",
                f"{number(each.turns.cpu)} s",
                f"{number(1000 * each.turns.cpu / each.ranges)} ms",
                f"{number(1000 * each.turns.longest)} ms",
                f"{number(each.exported.seconds)} s",
            ]
            for each in found
        ],
        notes=[
            "A turn replays the whole history. It has an activity for each lane and two minutes, however many ranges"
            f" that reads. Over these sizes all turns grow to the power of {number(power)}, and are {share:.0%} of our"
            f" CPU with {ranges[-1]:,} ranges. At the default of 40,000 users a range, {ranges[-1]:,} ranges are"
            f" {ranges[-1] * 40_000:,} users.",
        ],
        targets=[
            Target("history events for one more range", "below 6", number(events), events < 6),
            Target("all turns grow with ranges to the power of", "below 1.5", number(power), power < 1.5),
        ],
        data={
            "recorded": [
                {
                    "ranges": each.ranges,
                    "events": each.exported.events,
                    "turns": each.exported.turns,
                    "cpu": each.turns.cpu,
                    "longestTurn": each.turns.longest,
                    "seconds": each.exported.seconds,
                }
                for each in found
            ],
            "exponent": power,
        },
    )
