"""The progress of an export, drawn for a person."""

import sys
import time
from dataclasses import dataclass, field
from typing import Any

LINE_SECONDS = 2.0
BAR_WIDTH = 30


@dataclass(slots=True)
class Progress:
    """Draws one line over and over on a terminal, and a line now and then elsewhere."""

    started: float = field(default_factory=time.monotonic)
    last: float = 0.0
    drawn: bool = False
    most: dict[str, Any] = field(default_factory=dict)

    def show(self, status: str, progress: dict[str, Any]) -> None:
        # The ranges' notes are removed before the export has ended: the bar must not go back.
        if (progress.get("exported") or 0) < (self.most.get("exported") or 0):
            progress = self.most
        self.most = progress
        moment = time.monotonic()
        terminal = sys.stdout.isatty()
        if not terminal and moment - self.last < LINE_SECONDS:
            return
        self.last, self.drawn = moment, True
        text = progress_line(status, progress, moment - self.started)
        print(f"\r\x1b[K{text}" if terminal else text, end="" if terminal else "\n", flush=True)

    def end(self) -> float:
        if self.drawn and sys.stdout.isatty():
            print()
        return time.monotonic() - self.started


def progress_line(status: str, progress: dict[str, Any], elapsed: float) -> str:
    """`[#####.....]  50%  10,000 of 20,000 users  5,000/s  2.0 s`; counts of a tenant are estimates."""
    exported, expected = progress.get("exported") or 0, progress.get("expected") or 0
    if not progress.get("ranges"):
        return f"[{'':.<{BAR_WIDTH}}]  counting users  {elapsed:.1f} s  {status}"
    share = min(1.0, exported / expected) if expected else 0.0
    bar = "#" * round(share * BAR_WIDTH)
    rate = exported / elapsed if elapsed else 0.0
    ranges = f"{progress.get('rangesDone') or 0}/{progress.get('ranges') or 0} ranges"
    return (
        f"[{bar:.<{BAR_WIDTH}}] {share:4.0%}  {exported:,} of {expected:,} users  {rate:,.0f}/s"
        f"  {ranges}  {elapsed:.1f} s  {status}"
    )
