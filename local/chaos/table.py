"""The table of the rounds by kind, and its place in the documentation."""

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from local.chaos.kinds import KINDS, PHASES, Round
from local.chaos.play import Played

BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"
_HEAD = (
    "| kind | what is killed | rounds | processes killed | Completed | Cancelled | Failed, with its reason | violations"
    " | median | slowest |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
)


def table(rounds: Sequence[Played], seed: int, day: str) -> str:
    """Markdown: a line for each kind, one for all, and what the slowest round took its time for."""
    kinds = [kind for kind in KINDS if any(played.round.kind == kind for played in rounds)]
    lines = [_line(kind, KINDS[kind][0], [each for each in rounds if each.round.kind == kind]) for kind in kinds]
    lines.append(_line("all", "", rounds))
    slowest = max(rounds, key=lambda played: played.seconds)
    fell = [(phase, sum(blow.endswith(phase) for played in rounds for blow in played.blows)) for phase in PHASES]
    about = (
        f"{len(rounds)} rounds, seed {seed}, {day}. What happened to the exports happened"
        f" {', '.join(f'{count} times {phase}' for phase, count in fell)}. The slowest took {slowest.seconds:.0f} s"
        f" ({slowest.round.kind}, seed {slowest.round.seed}): {describe(slowest)}."
    )
    return "\n".join([about, "", *_HEAD, *lines])


def _line(kind: str, what: str, rounds: Sequence[Played]) -> str:
    status = Counter("Completed" if each.status.startswith("Completed") else each.status for each in rounds)
    reasons = Counter(each.reason for each in rounds if each.status == "Failed")
    failed = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    seconds = [each.seconds for each in rounds]
    cells = [
        kind,
        what,
        len(rounds),
        sum(each.killed for each in rounds),
        status["Completed"],
        status["Cancelled"],
        failed or 0,
        sum(bool(each.violations) for each in rounds),
        f"{statistics.median(seconds):.1f} s",
        f"{max(seconds):.1f} s",
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def asked(drawn: Round) -> str:
    """`all, xlsx` or `a unit, csv.gz`."""
    return f"{drawn.scope}, {drawn.format}{'.gz' * drawn.compress}"


def describe(played: Played) -> str:
    """`Failed (StateLost) after azurite reading, worker reading`."""
    reason = f" ({played.reason})" if played.reason else ""
    return f"{played.status}{reason} after {', '.join(played.blows) or 'nothing'}"


def put(file: Path, text: str, name: str = "chaos") -> None:
    """Replaces the text between the two markers of this name. Raises ValueError when they are not there."""
    first, last = BEGIN.replace("chaos", name), END.replace("chaos", name)
    before, begin, rest = file.read_text().partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{file} has no place for the table: {first} ... {last}")
    file.write_text(f"{before}{begin}\n{text}\n{end}{after}")
