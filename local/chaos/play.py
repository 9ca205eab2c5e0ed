"""Plays one round: a caller exports the tenant, while the processes under it are killed; then all is judged.

1. A thread is the caller: POST, then GET until the end. This thread is what strikes, blow by blow.
2. Stopped workers go on. The same POST again must give the same export.
3. A fresh export on the same `serve` must end well: nothing of the first holds it up.
4. Both are judged by all there is to see of them.
"""

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from local.chaos import caller, compared, kinds
from local.chaos.engines import COMPARISON, EXPORT
from local.chaos.judge import GOOD, Evidence, judge
from local.chaos.kinds import PHASES, SCOPES, Blow, Round
from local.chaos.stage import Stage, StageError, built, go_on, kill, stop
from local.serve import ServeError

KEY, FRESH_KEY = "first", "fresh"
FRESH_USERS = 100


@dataclass(frozen=True, slots=True)
class Played:
    """How a round ended. `seconds`: from the POST to the end as the caller sees it. `blows`: what fell, and when."""

    round: Round
    status: str
    reason: str
    seconds: float
    killed: int
    blows: tuple[str, ...]
    violations: tuple[str, ...]


def play(played: Round, data: Path) -> Played:
    """Plays the round in the folder `data`, which afterwards has all logs, and what was seen in round.json."""
    blows: list[str] = []
    seen: list[Evidence] = []
    seconds, killed = 0.0, 0
    violations: list[str] = []
    try:
        with built(data, played) as stage, ThreadPoolExecutor(len(played.blows) + 1) as threads:
            try:
                seconds = _first_export(stage, threads, blows, seen, violations)
            finally:
                killed = stage.killed
    except (StageError, ServeError) as problem:
        violations.append(str(problem))
    shown = seen[0].shown if seen else {}
    errors = shown.get("errors") or [{}]
    ended = Played(
        played,
        status=shown.get("status", "unknown"),
        reason=errors[-1].get("code", "") if shown.get("status") == "Failed" else "",
        seconds=seconds,
        killed=killed,
        blows=tuple(blows),
        violations=tuple(violations),
    )
    note = {
        "played": asdict(ended),
        "seen": [asdict(replace(each, users=(), file=None, changes=None)) for each in seen],
    }
    (data / "round.json").write_text(json.dumps(note, indent=1))
    return ended


def _first_export(
    stage: Stage, threads: ThreadPoolExecutor, blows: list[str], seen: list[Evidence], violations: list[str]
) -> float:
    """Fills what is given; returns the seconds that the first export took."""
    deadline = time.monotonic() + stage.engine.end_seconds
    asked: list[Future[str]] = []
    played = stage.round
    stage.pair = compared.prepare(stage, deadline) if played.kind in kinds.COMPARING else None
    first = threads.submit(_export, stage, deadline)
    for blow in stage.round.blows:
        _strike(stage, blow, first, threads, asked, deadline, blows)
    export_id, seconds = first.result()
    for pid in list(stage.stopped):
        go_on(stage, pid)
    cancelled = any(blow.what == kinds.CANCEL for blow in stage.round.blows)
    if played.kind != kinds.SAVED:
        asked.append(threads.submit(_post, stage, deadline))
    others = {future.result() for future in asked} - {export_id}
    if others:
        violations.append(f"the same Idempotency-Key gave other exports: {sorted(others)}")

    deadline = time.monotonic() + stage.engine.end_seconds
    users = caller.tenant_ids(stage, deadline)
    meant = caller.tenant_ids(stage, deadline, played.scope)
    fresh_id = caller.post(stage, deadline, FRESH_KEY, "profile", users[:FRESH_USERS])
    caller.wait_for_end(stage, deadline, fresh_id)
    for each in (export_id, fresh_id):
        caller.settle(stage, deadline, each)
    changes = stage.pair.changes if stage.pair else None
    seen.append(
        caller.evidence(stage, deadline, export_id, meant, played.columns, cancelled=cancelled, changes=changes)
    )
    seen.append(caller.evidence(stage, deadline, fresh_id, users[:FRESH_USERS], "profile"))
    known = {export_id, fresh_id} | ({stage.pair.old, stage.pair.new} if stage.pair else set())
    if strange := {*stage.engine.ids(EXPORT), *stage.engine.ids(COMPARISON)} - known:
        violations.append(f"exports that no POST has answered for: {sorted(strange)}")
    violations += judge(seen[0])
    if stage.pair and played.kind == kinds.SAVED:
        run = caller.evidence(stage, deadline, stage.pair.new, stage.pair.users, compared.COLUMNS)
        violations += [f"the run that the schedule has started: {each}" for each in judge(run)]
    violations += [f"a fresh export afterwards: {each}" for each in judge(seen[1])]
    if seen[1].shown.get("status") not in GOOD:
        violations.append(f"a fresh export afterwards ended {seen[1].shown}")
    return seconds


def _post(stage: Stage, deadline: float) -> str:
    played = stage.round
    if stage.pair:
        return compared.post(stage, deadline, KEY, stage.pair)
    more: dict[str, Any] = {"format": played.format, "compress": played.compress, "scope": SCOPES[played.scope]}
    return caller.post(stage, deadline, KEY, played.columns, **more)


def _export(stage: Stage, deadline: float) -> tuple[str, float]:
    started = time.monotonic()
    if stage.pair and stage.round.kind == kinds.SAVED:
        return compared.followed(stage, deadline, stage.pair), time.monotonic() - started
    export_id = _post(stage, deadline)
    caller.wait_for_end(stage, deadline, export_id)
    return export_id, time.monotonic() - started


def _strike(
    stage: Stage,
    blow: Blow,
    first: Future[tuple[str, float]],
    threads: ThreadPoolExecutor,
    asked: list[Future[str]],
    deadline: float,
    blows: list[str],
) -> None:
    """Waits for the blow's moment and lets it fall; the caller's own actions go on beside what follows."""
    while stage.engine.phase() < blow.phase and not first.done():
        time.sleep(stage.engine.look_seconds)
    time.sleep(blow.after)
    blows.append(f"{blow.what} {PHASES[stage.engine.phase()]}")
    match blow.what:
        case kinds.CANCEL:
            asked.append(threads.submit(_cancel, stage, deadline))
        case kinds.POST_AGAIN:
            asked.append(threads.submit(_post, stage, deadline))
        case kinds.STOP | kinds.STOP_TO_END:
            pid = stop(stage, blow.pick)
            if pid and blow.what == kinds.STOP:
                go_on(stage, pid)
        case target:
            kill(stage, target, blow.pick)


def _cancel(stage: Stage, deadline: float) -> str:
    """Of the one export that there is: cancels it and returns its id."""
    export_id = stage.engine.ids(stage.engine.watched)[0]
    caller.cancel(stage, deadline, export_id)
    return export_id
