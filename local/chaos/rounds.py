"""`python -m local chaos`: plays the rounds, tells how each ended, and writes the table."""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from local.chaos.kinds import ENGINE, KINDS, Round, draw
from local.chaos.play import Played, play
from local.chaos.table import asked, describe, put, table

Play = Callable[[Round, Path], Played]


def chaos(options: argparse.Namespace, play: Play = play) -> bool:
    """Plays `--rounds` rounds, each kind in turn; False when a promise was broken in any."""
    program = str(Path(options.durable_host).resolve()) if options.durable_host else ""
    kinds = [options.only] if options.only else [kind for kind in KINDS if program or kind != ENGINE]
    rounds: list[Played] = []
    started = time.monotonic()
    for number in range(options.rounds):
        played = _one(draw(kinds[number % len(kinds)], options.seed + number, program), play)
        rounds.append(played)
        print(_line(number + 1, options.rounds, time.monotonic() - started, played), flush=True)
    text = table(rounds, options.seed, f"{datetime.now(UTC):%Y-%m-%d}")
    print(f"\n{text}")
    if options.write:
        put(Path(options.write), text, "chaos on the extension" if program else "chaos")
    return not any(played.violations for played in rounds)


def _one(drawn: Round, play: Play) -> Played:
    """A round in a folder of its own, which is kept when a promise was broken."""
    data = Path(tempfile.mkdtemp(prefix=f"chaos-{drawn.kind}-{drawn.seed}-"))
    played = play(drawn, data)
    if not played.violations:
        shutil.rmtree(data, ignore_errors=True)
        return played
    engine = f" --durable-host {drawn.durable_host}" if drawn.durable_host else ""
    print(f"VIOLATION in a round of kind {drawn.kind}, seed {drawn.seed}:")
    for violation in played.violations:
        print(f"  {violation}")
    print(f"  again: python -m local chaos --seed {drawn.seed} --rounds 1 --only {drawn.kind}{engine}")
    print(f"  its state and logs: {data}", flush=True)
    return played


def _line(number: int, of: int, elapsed: float, played: Played) -> str:
    return (
        f"[{number}/{of}, {elapsed:.0f} s] {played.round.kind} {played.round.seed} ({asked(played.round)}):"
        f" {describe(played)},"
        f" {played.seconds:.1f} s, {played.killed} killed"
    )
